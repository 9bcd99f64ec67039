#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "aws/http.h"
#include "http_server.h"

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* What a path is answered with. */
static void answer(struct http_server *s, struct str request, struct buf *out)
{
    struct str path = str_from(request, str_find(request, ' ', 0) + 1);
    path = str_first(path, str_find(path, ' ', 0));
    if (str_eq(path, STR("/ok")))
        answer_with(out, 201, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nx-amzn-ErrorType: A\r\n",
                    "hi");
    else if (str_eq(path, STR("/interim")))
        buf_append(out, STR("HTTP/1.1 100 Continue\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n"
                            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    else if (str_eq(path, STR("/moved")))
        answer_with(out, 302, "Location: /ok\r\n", "");
    else if (str_eq(path, STR("/large")))
        answer_with(out, 200, "", "12345678901234567890");
    else if (str_eq(path, STR("/endless")))
        for (int i = 0; i < 2000; i++)
            buf_printf(out, "%sX-%d: %0100d\r\n", i == 0 ? "HTTP/1.1 200 OK\r\n" : "", i, i);
    else if (str_eq(path, STR("/silent")))
        usleep(700 * 1000);
    else if (str_eq(path, STR("/ssh")))
        buf_append(out, STR("SSH-2.0-x\r\n"));
    else if (str_eq(path, STR("/short")))
        buf_append(out, STR("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
}

static unsigned n_resolved;
static bool resolve(void *arg, struct str host, struct addr *out, size_t *n, struct fault *fault)
{
    n_resolved++;
    if (!str_ends(host, STR(".example")))
        return fault_set(fault, FAULT_DNS_FAILED, NULL, "10.0.0.2 said NXDOMAIN");
    *n = addr_parse_ip(arg != NULL ? str_from_c(arg) : STR("127.0.0.1"), &out[0]);
    return true;
}

static bool fetch(struct aws_transport *t, const char *base, const char *path,
                  struct aws_http_reply *reply, struct aws_error *error)
{
    char url[256];
    snprintf(url, sizeof url, "%s%s", base, path);
    struct aws_http_request request = { .method = "GET",
                                        .url = str_from_c(url),
                                        .fields = STR("X-Own: 1\r\n"),
                                        .max_reply_bytes = 10,
                                        .total_timeout_ms = 400 };
    *error = (struct aws_error){ .kind = AWS_OK };
    return aws_http_fetch(t, &request, reply, error);
}

static void replies_and_failures(void **state)
{
    static const struct {
        const char *path;
        int status; /* 0: none */
        enum aws_kind kind;
        enum aws_reach reach;
    } rows[] = {
        { "/ok", 201, AWS_OK, AWS_REACHED },
        { "/interim", 200, AWS_OK, AWS_REACHED },
        { "/moved", 302, AWS_OK, AWS_REACHED },
        { "/large", 0, AWS_PROTOCOL, AWS_REACHED },
        { "/endless", 0, AWS_PROTOCOL, AWS_REACHED },
        { "/silent", 0, AWS_UNREACHABLE, AWS_REACH_TIMEOUT },
        { "/closed", 0, AWS_UNREACHABLE, AWS_REACH_LOST },
        { "/short", 0, AWS_UNREACHABLE, AWS_REACH_LOST },
        { "/ssh", 0, AWS_PROTOCOL, AWS_REACHED },
    };
    struct http_server server;
    struct aws_transport *t = aws_transport_new(&(struct aws_transport_options){ 0 });
    server_start(&server, answer, NULL);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct aws_http_reply reply;
        struct aws_error e;
        bool ok = fetch(t, server.url, rows[i].path, &reply, &e);
        if (ok != (rows[i].status != 0) || (ok && reply.status != rows[i].status) ||
            e.kind != rows[i].kind || e.reach != rows[i].reach)
            fail_msg("%s: %d %s %s %s", rows[i].path, ok, aws_kind_name(e.kind),
                     aws_reach_name(e.reach), e.message);
        if (!ok)
            continue;
        assert_int_equal(reply.has_date, i == 0);
        assert_string_equal(reply.error_type, i == 0 ? "A" : "");
        if (i == 0) {
            assert_int_equal(reply.date_unix_s, 784111777);
            assert_true(str_eq(buf_str(&reply.body), STR("hi")));
        }
        aws_http_reply_done(&reply);
    }
    aws_transport_free(t);
    server_stop(&server);
    server_done(&server);
}

static void names_are_resolved_by_the_callback_alone(void **state)
{
    struct http_server server;
    struct aws_http_reply reply;
    struct aws_error e;
    char base[64];
    struct aws_transport *t =
        aws_transport_new(&(struct aws_transport_options){ .resolve = resolve });
    server_start(&server, answer, NULL);
    snprintf(base, sizeof base, "http://api.example%s", strrchr(server.url, ':'));
    n_resolved = 0;
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fetch(t, base, "/ok", &reply, &e));
        aws_http_reply_done(&reply);
    }
    assert_int_equal(n_resolved, 3);
    assert_false(fetch(t, "http://api.other", "/ok", &reply, &e));
    assert_int_equal(e.reach, AWS_REACH_DNS);
    assert_string_equal(e.message, "api.other has no address: 10.0.0.2 said NXDOMAIN");
    snprintf(base, sizeof base, "http://localhost%s", strrchr(server.url, ':'));
    assert_true(fetch(t, base, "/ok", &reply, &e));
    aws_http_reply_done(&reply);
    assert_int_equal(n_resolved, 4);
    aws_transport_free(t);
    server_stop(&server);
    server_done(&server);
}

static void a_request_as_it_goes_out(void **state)
{
    static const struct str want[] = { STR_INIT("PUT /a/../b//%2f?x=%41 HTTP/1.1\r\n"),
                                       STR_INIT("\r\nHost: other\r\n"),
                                       STR_INIT("\r\nX-Own: 1\r\n"),
                                       STR_INIT("\r\nContent-Length: 4\r\n"),
                                       STR_INIT("\r\n\r\nbody") };
    static const struct str none[] = { STR_INIT("Expect"), STR_INIT("Content-Type"),
                                       STR_INIT("Transfer-Encoding"), STR_INIT("127.0.0.1") };
    struct http_server server;
    struct aws_http_reply reply;
    struct aws_error e = { .kind = AWS_OK };
    char url[96];
    struct aws_transport *t = aws_transport_new(&(struct aws_transport_options){ 0 });
    server_start(&server, answer, NULL);
    snprintf(url, sizeof url, "%s/a/../b//%%2f?x=%%41", server.url);
    struct aws_http_request put = { .method = "PUT",
                                    .url = str_from_c(url),
                                    .fields = STR("Host: other\r\nX-Own: 1\r\n"),
                                    .body = STR("body"),
                                    .total_timeout_ms = 2000 };
    /* A proxy that the environment names is not asked. */
    setenv("http_proxy", "http://127.0.0.1:9", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:9", 1);
    assert_false(aws_http_fetch(t, &put, &reply, &e));
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
    assert_int_equal(e.reach, AWS_REACH_LOST); /* it came, and was answered with nothing */
    aws_transport_free(t);
    server_stop(&server);
    struct str seen = buf_str(&server.requests[0]);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        if (!str_contains(seen, want[i]))
            fail_msg("no %.*s in %.*s", STR_ARG(want[i]), STR_ARG(seen));
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (str_contains(seen, none[i]))
            fail_msg("%.*s in %.*s", STR_ARG(none[i]), STR_ARG(seen));
    server_done(&server);
}

static void nothing_is_sent(struct aws_transport *t, const char *url, enum aws_reach reach,
                            uint64_t most_ms)
{
    struct aws_http_reply reply;
    struct aws_error e;
    uint64_t began = now_us();
    assert_false(fetch(t, url, "/ok", &reply, &e));
    assert_int_equal(e.kind, AWS_UNREACHABLE);
    if (e.reach != reach)
        fail_msg("%s: %s %s", url, aws_reach_name(e.reach), e.message);
    assert_true(now_us() - began < most_ms * 1000);
}

static void addresses_that_are_not_contacted(void **state)
{
    char link_local[] = "169.254.169.254";
    struct aws_transport *t = aws_transport_new(
        &(struct aws_transport_options){ .resolve = resolve, .resolve_arg = link_local });
    nothing_is_sent(t, "http://169.254.169.254", AWS_REACH_FORBIDDEN, 100);
    nothing_is_sent(t, "http://[fd00:ec2::254]", AWS_REACH_FORBIDDEN, 100);
    nothing_is_sent(t, "http://[::ffff:169.254.169.254]", AWS_REACH_FORBIDDEN, 100);
    nothing_is_sent(t, "http://0.0.0.0", AWS_REACH_FORBIDDEN, 100);
    nothing_is_sent(t, "http://imds.example", AWS_REACH_FORBIDDEN, 100);
    aws_transport_free(t);
}

static void the_deadline_holds(void **state)
{
    struct http_server server;
    struct aws_http_reply reply;
    struct aws_error e;
    server_start(&server, answer, NULL);
    uint64_t began = now_us();
    struct aws_transport *t =
        aws_transport_new(&(struct aws_transport_options){ .deadline_us = began + 100000 });
    assert_true(aws_transport_left_ms(t, 1000) <= 100);
    assert_false(fetch(t, server.url, "/silent", &reply, &e));
    assert_int_equal(e.reach, AWS_REACH_TIMEOUT);
    assert_true(now_us() - began < 350000); /* its own limit is 400 ms */
    aws_transport_free(t);
    server_stop(&server);
    server_done(&server);
}

static void over_the_deadline(void **state)
{
    struct aws_transport *t =
        aws_transport_new(&(struct aws_transport_options){ .deadline_us = now_us() - 1 });
    assert_int_equal(aws_transport_left_ms(t, 1000), 0);
    nothing_is_sent(t, "http://127.0.0.1:9", AWS_REACH_NO_TIME, 100);
    aws_transport_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_and_failures),
        cmocka_unit_test(names_are_resolved_by_the_callback_alone),
        cmocka_unit_test(a_request_as_it_goes_out),
        cmocka_unit_test(addresses_that_are_not_contacted),
        cmocka_unit_test(the_deadline_holds),
        cmocka_unit_test(over_the_deadline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
