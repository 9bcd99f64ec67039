/* The registry's redirects through a whole proxy. */
#include "rig.h"

#include "proxy/browse.h"

#define HOST "Host: p\r\n"
#define EMPTY "Content-Length: 0" END
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define TO "Location: http://s3.test/b/k?X-Amz-Signature=SECRET\r\n"
#define FOUND "HTTP/1.1 302 Found\r\n" TO EMPTY
#define GET_PAGE "GET /browse/p HTTP/1.1\r\n" HOST

static int setup(void **state)
{
    *state = px_new(100, 0);
    return 0;
}

static int teardown(void **state)
{
    px_free(*state);
    return 0;
}

/* What connection n of the origin got. */
static bool got(struct px *p, unsigned n, const char *what)
{
    return p->rig->origin.n_peers > n && peer_got(&p->rig->origin.peers[n], what);
}

static void a_redirect_is_followed_once(void **state)
{
    static const struct act acts[] = {
        { 0, "GET /browse/p HTTP/1.1", FOUND, 0, STAY },
        { 1, "GET /b/k?X-Amz-Signature=SECRET HTTP/1.1\r\nHost: s3.test\r\n",
          "HTTP/1.1 302 Found\r\nLocation: http://s3.test/elsewhere\r\nx-amz-request-id: S3ID\r\n"
          "Access-Control-Allow-Origin: https://other\r\nContent-Length: 2\r\n\r\nok",
          0, STAY },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, GET_PAGE "Cookie: c=1\r\nAuthorization: Bearer t\r\nRange: bytes=0-\r\n\r\n");
    SIDE_AWAITS(&s, "\r\n\r\nok");
    assert_true(side_got(&s, "HTTP/1.1 302 Found\r\nLocation: http://s3.test/elsewhere\r\n"));
    assert_int_equal(side_count(&s, "Access-Control-Allow-Origin: "), 1);
    assert_true(side_got(&s, "Access-Control-Allow-Origin: *\r\n"));
    assert_true(got(*state, 0, "Cookie: c=1\r\nAuthorization: Bearer t\r\n"));
    assert_true(got(*state, 1, "Range: bytes=0-\r\n"));
    assert_false(got(*state, 1, "c=1"));
    assert_false(got(*state, 1, "Bearer"));
    assert_true(px_logged(*state, "\"followed_host\":\"s3.test\""));
    assert_true(px_logged(*state, "\"followed_path\":\"/b/k?X-Amz-Signature=***\""));
    assert_true(px_logged(*state, "\"x_amz_request_id\":\"S3ID\""));
    side_close(&s);
}

/* And the connections of both serve on, whether or not the redirect's body comes with its head. */
static void cookies_and_connections_are_kept(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p",
          "HTTP/1.1 301 M\r\nSet-Cookie: a=1; Path=/\r\n" TO
          "set-cookie: b=2\r\nContent-Length: 5\r\n\r\n",
          0, STAY },
        { 0, "", "moved", 0, STAY },
        { 1, "/b/k", OK2, 0, STAY },
        { 0, "/browse/p",
          "HTTP/1.1 307 T\r\n" TO "Transfer-Encoding: chunked\r\n\r\n5\r\nmoved"
          "\r\n0\r\n\r\n",
          0, STAY },
        { 1, "/b/k", OK2, 0, STAY },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, GET_PAGE "\r\n");
    SIDE_AWAITS(&s, "\r\n\r\nok");
    assert_true(side_got(&s, "Set-Cookie: a=1; Path=/\r\nset-cookie: b=2\r\n"));
    side_says(&s, GET_PAGE "\r\n");
    TURN_UNTIL(s.px->rig, side_count(&s, "\r\n\r\nok") == 2);
    assert_int_equal(s.px->rig->origin.n_peers, 2);
    assert_int_equal(side_count(&s, "a=1"), 1);
    side_close(&s);
}

/* A redirect whose body does not end is followed all the same, soon. */
static void a_redirect_without_end_is_not_waited_for(void **state)
{
    static const char *const redirects[] = {
        "HTTP/1.1 302 Found\r\n" TO "Content-Length: 9\r\n\r\nmov",
        "HTTP/1.1 302 Found\r\n" TO "\r\nmov",
        "HTTP/1.1 302 Found\r\n" TO "Connection: close\r\nContent-Length: 9\r\n\r\nmov",
    };
    for (size_t i = 0; i < sizeof redirects / sizeof *redirects; i++) {
        const struct act acts[] = {
            { 0, "/browse/p", redirects[i], 0, STAY },
            { 1, "/b/k", OK2, 0, STAY },
            { 0 },
        };
        struct side s;
        px_serve(*state, acts);
        side_open(*state, &s);
        s.px->rig->conf->body_timeout_ms = 10000;
        uint64_t began_ns = uv_hrtime();
        side_says(&s, GET_PAGE "\r\n");
        SIDE_AWAITS(&s, "\r\n\r\nok");
        assert_true(uv_hrtime() - began_ns < 2000000000); /* it is 0.1 s */
        TURN_UNTIL(s.px->rig, s.px->rig->origin.peers[0].is_eof);
        side_close(&s);
    }
}

/* Reading 60 KiB is cheaper than a new connection, reading 256 KiB is not. */
static void a_short_body_is_read_and_a_long_one_is_not(void **state)
{
    enum { SHORT = 60 * 1024, LONG = 256 * 1024 };
    static char text[LONG + 256];
    for (unsigned is_long = 0; is_long < 2; is_long++) {
        size_t n = is_long ? LONG : SHORT;
        const struct act acts[] = {
            { 0, "/browse/p", text, 0, STAY },
            { 1, "/b/k", OK2, 0, STAY },
            { is_long ? 2 : 0, "/browse/p", FOUND, 0, STAY },
            { 1, "/b/k", OK2, 0, STAY },
            { 0 },
        };
        struct side s;
        int head =
            snprintf(text, sizeof text, "HTTP/1.1 302 F\r\n" TO "Content-Length: %zu\r\n\r\n", n);
        memset(text + head, 'm', n);
        text[(size_t)head + n] = 0;
        px_serve(*state, acts);
        side_open(*state, &s);
        for (unsigned i = 1; i <= 2; i++) {
            side_says(&s, GET_PAGE "\r\n");
            TURN_UNTIL(s.px->rig, side_count(&s, "\r\n\r\nok") == i);
        }
        assert_int_equal(s.px->rig->origin.n_peers, 2 + is_long);
        side_close(&s);
    }
}

#define CREDENTIALS                                                                                \
    "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://c\r\nSet-Cookie: s=1\r\n"             \
    "Access-Control-Allow-Credentials: true\r\nContent-Length: 2\r\n\r\nok"

static void other_answers_pass_untouched(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 303 S\r\n" TO "Content-Length: 2\r\n\r\nok",
        "HTTP/1.1 308 P\r\n" TO "Content-Length: 2\r\n\r\nok",
        CREDENTIALS,
    };
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        const struct act acts[] = { { 0, "/browse/p", answers[i], 0, STAY }, { 0 } };
        struct side s;
        px_serve(*state, acts);
        side_open(*state, &s);
        side_says(&s, GET_PAGE "\r\n");
        SIDE_AWAITS(&s, "\r\n\r\nok");
        assert_true(side_got(&s, answers[i]));
        assert_false(side_got(&s, "Access-Control-Allow-Origin: *"));
        assert_false(px_logged(*state, "followed"));
        side_close(&s);
    }
}

static void where_it_may_not_lead(void **state)
{
    static const struct {
        const char *fields, *detail;
    } rows[] = {
        { "", "no Location" },
        { TO TO, "more than one Location" },
        { "Location: /elsewhere?X-Amz-Signature=SECRET\r\n", "relative /elsewhere" },
        { "Location: https://evil.test/x?X-Amz-Signature=SECRET\r\n", "not allowed: evil.test" },
        { "Location: https://u:SECRET@s3.test/b/k\r\n", "user name" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[1024];
        struct act acts[] = { { 0, "/browse/p", text, 0, STAY }, { 0 } };
        struct side s;
        snprintf(text, sizeof text, "HTTP/1.1 302 Found\r\n%sSet-Cookie: a=1\r\n" EMPTY,
                 rows[i].fields);
        px_serve(*state, acts);
        side_open(*state, &s);
        side_says(&s, GET_PAGE "\r\n");
        SIDE_AWAITS(&s, "</Error>");
        assert_true(side_got(&s, "HTTP/1.1 502 "));
        assert_true(side_got(&s, "Access-Control-Allow-Origin: *\r\n"));
        assert_true(side_got(&s, rows[i].detail));
        assert_true(px_logged(*state, "\"end\":\"redirect\""));
        assert_false(side_got(&s, "SECRET") || px_logged(*state, "SECRET"));
        assert_int_equal(s.px->rig->origin.n_peers, 1);
        side_close(&s);
    }
}

/* ---- bodies ---- */

static char body[BROWSE_BODY_BYTES + 1];

/* A body as the client sends it. */
static void send_body(struct side *s, const char *head, size_t n, bool is_chunked)
{
    char line[64];
    side_says(s, head);
    if (!is_chunked) {
        snprintf(line, sizeof line, "Content-Length: %zu" END, n);
        side_says(s, line);
        side_send(s, str_of(body, n));
        return;
    }
    side_says(s, "Transfer-Encoding: chunked" END);
    for (size_t at = 0; at < n;) {
        size_t one = n - at < 5000 ? n - at : 5000;
        snprintf(line, sizeof line, "%zx\r\n", one);
        side_says(s, line);
        side_send(s, str_of(body + at, one));
        side_says(s, "\r\n");
        at += one;
    }
    side_says(s, "0\r\nTrailer-Field: t" END);
}

static void a_body_goes_to_both(void **state)
{
    static const struct act acts[] = {
        { 0, "last", FOUND, 0, STAY },
        { 1, "last", OK2, 0, STAY },
        { 0 },
    };
    static const size_t sizes[] = { 4, 16 * 1024, 64 * 1024, 64 * 1024 + 1, BROWSE_BODY_BYTES };
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof *sizes; i++) {
        size_t n = sizes[i / 2];
        char length[64];
        struct side s;
        memset(body, 'x', sizeof body);
        memcpy(body + n - 4, "last", 4);
        px_serve(*state, acts);
        side_open(*state, &s);
        send_body(&s, "PUT /browse/p HTTP/1.1\r\n" HOST "Content-Type: text/t\r\n", n, i % 2);
        SIDE_AWAITS(&s, "\r\n\r\nok");
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", n);
        assert_true(got(*state, 1, "PUT /b/k?"));
        assert_true(got(*state, 1, length));
        assert_true(got(*state, 1, "Content-Type: text/t\r\n"));
        assert_false(got(*state, 1, "chunked"));
        const struct buf *in = &s.px->rig->origin.peers[1].in;
        assert_true(in->n > n && memcmp(in->p + in->n - n, body, n) == 0);
        assert_false(side_got(&s, "Connection: close"));
        /* What was kept of it has died with the transaction. */
        assert_non_null(s.px->proxy.spare_tx);
        assert_null(s.px->proxy.spare_tx->browse);
        side_close(&s);
    }
}

/* Sent by the registry before it read the body, and to a client that waits to be told. */
static void a_redirect_before_the_body(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p", FOUND, 0, STAY },
        { 1, "hello", OK2, 0, STAY },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s,
              "PUT /browse/p HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 5" END);
    SIDE_AWAITS(&s, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(s.px->rig->origin.n_peers, 1);
    side_says(&s, "hello");
    SIDE_AWAITS(&s, "\r\n\r\nok");
    assert_false(got(*state, 1, "Expect"));
    side_says(&s, "GET / HTTP/1.1\r\n" HOST "\r\n");
    SIDE_AWAITS(&s, "S3 Proxy");
    side_close(&s);

    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "PUT /browse/p HTTP/1.1\r\n" HOST "Content-Length: 5" END "he");
    TURN_UNTIL(s.px->rig, got(s.px, 0, "he") && s.px->rig->origin.peers[0].is_eof);
    side_says(&s, "llo");
    SIDE_AWAITS(&s, "\r\n\r\nok");
    side_close(&s);
}

static void a_body_too_long_is_413_with_a_redirect_alone(void **state)
{
    static const struct act redirects[] = { { 0, "last", FOUND, 0, STAY }, { 0 } };
    static const struct act early[] = { { 0, "/browse/p", FOUND, 0, STAY }, { 0 } };
    static const struct act takes[] = { { 0, "last", OK2, 0, STAY }, { 0 } };
    memset(body, 'x', sizeof body);
    memcpy(body + sizeof body - 4, "last", 4);
    for (int i = 0; i < 6; i++) {
        struct side s;
        px_serve(*state, i < 2 ? redirects : i < 4 ? takes : early);
        side_open(*state, &s);
        send_body(&s, "PUT /browse/p HTTP/1.1\r\n" HOST, sizeof body, i % 2);
        SIDE_AWAITS(&s, i / 2 == 1 ? "\r\n\r\nok" : "</Error>");
        assert_true(side_got(&s, i / 2 == 1 ? "HTTP/1.1 200 " : "HTTP/1.1 413 "));
        assert_int_equal(side_count(&s, "Access-Control-Allow-Origin: *"), i / 2 != 1);
        assert_int_equal(s.px->rig->origin.n_peers, 1);
        side_close(&s);
    }
}

/* ---- ends ---- */

static void a_client_that_leaves_between(void **state)
{
    static const struct act acts[] = { { 0, "/browse/p", FOUND, 0, STAY }, { 0 } };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "PUT /browse/p HTTP/1.1\r\n" HOST "Content-Length: 5" END "he");
    TURN_UNTIL(s.px->rig, got(s.px, 0, "he") && s.px->rig->origin.peers[0].is_eof);
    side_close(&s);
    TURN_UNTIL(s.px->rig, s.px->proxy.n_clients == 0);
    assert_true(px_logged(*state, "\"end\":\"client_gone\""));

    /* One that stalls is told so. */
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "PUT /browse/p HTTP/1.1\r\n" HOST "Content-Length: 5" END "he");
    SIDE_AWAITS(&s, "HTTP/1.1 408 ");
    assert_true(side_got(&s, "Access-Control-Allow-Origin: *"));
    side_close(&s);
}

static void an_abort_between(void **state)
{
    static const struct act acts[] = { { 0, "/browse/p", FOUND, 0, STAY }, { 0 } };
    struct px *p = px_new(100, 0);
    struct side s;
    px_serve(p, acts);
    side_open(p, &s);
    side_says(&s, "PUT /browse/p HTTP/1.1\r\n" HOST "Content-Length: 5" END "he");
    TURN_UNTIL(p->rig, got(p, 0, "he") && p->rig->origin.peers[0].is_eof);
    px_free(p);
    assert_true(side_got(&s, "HTTP/1.1 503 "));
    side_close(&s);
}

/* S3's end of it fails: the registry's answer is no help then. */
static void s3_fails(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p", FOUND, 0, STAY },
        { 1, "/b/k", "", 0, RESET },
        { 2, "/b/k", "", 0, RESET },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, GET_PAGE "\r\n");
    SIDE_AWAITS(&s, "</Error>");
    assert_true(side_got(&s, "HTTP/1.1 502 "));
    assert_true(side_got(&s, "<HostName>s3.test</HostName>"));
    assert_int_equal(side_count(&s, "Access-Control-Allow-Origin: *"), 1);
    side_close(&s);
}

static void a_cut_body_is_resumed(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p", FOUND, 0, STAY },
        { 1, "/b/k", "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 10\r\n\r\nhello", 0, CUT },
        { 2, "Range: bytes=5-9\r\nIf-Match: \"e\"\r\n",
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n"
          "\r\nworld",
          0, STAY },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, GET_PAGE "Cookie: c=1\r\n\r\n");
    SIDE_AWAITS(&s, "\r\n\r\nhelloworld");
    assert_true(got(*state, 2, "GET /b/k?X-Amz-Signature=SECRET HTTP/1.1\r\nHost: s3.test\r\n"));
    assert_false(got(*state, 2, "Cookie"));
    assert_true(px_logged(*state, "\"resumes\":1"));
    side_close(&s);
}

/* What the Location signs is what counts, not the target that the client sent. */
static void a_signed_range_is_not_resumed(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p",
          "HTTP/1.1 302 F\r\nLocation: "
          "http://s3.test/b/k?X-Amz-SignedHeaders=host%3Brange\r\n" EMPTY,
          0, STAY },
        { 1, "/b/k", "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 10\r\n\r\nhello", 0, CUT },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, GET_PAGE "\r\n");
    SIDE_AWAITS_END(&s);
    assert_int_equal(s.px->rig->origin.n_peers, 2);
    side_close(&s);
}

/* Of 20 KB, and longer than a target may be. */
static void long_locations(void **state)
{
    enum { N = 20 * 1024 };
    static char text[2 * N + 256];
    struct act acts[] = { { 0, "/browse/p", text, 0, STAY }, { 1, "END", OK2, 0, STAY }, { 0 } };
    for (int i = 1; i <= 2; i++) {
        struct side s;
        int n = snprintf(text, sizeof text,
                         "HTTP/1.1 302 F\r\nContent-Length: 0\r\n"
                         "Location: http://s3.test/b/k?");
        memset(text + n, 'a', (size_t)i * N);
        snprintf(text + n + i * N, sizeof text - (size_t)(n + i * N), "END" END);
        px_serve(*state, acts);
        side_open(*state, &s);
        side_says(&s, GET_PAGE "\r\n");
        SIDE_AWAITS(&s, i == 1 ? "\r\n\r\nok" : "too long");
        side_close(&s);
    }
}

static void head_and_old_clients(void **state)
{
    static const struct act acts[] = {
        { 0, "/browse/p", "HTTP/1.1 302 Found\r\n" TO "Content-Length: 99" END, 0, STAY },
        { 1, "HEAD /b/k", "HTTP/1.1 200 OK\r\nContent-Length: 77" END, 0, STAY },
        { 0, "/browse/p", FOUND, 0, STAY },
        { 1, "GET /b/k", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0" END, 0,
          STAY },
        { 0 },
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "HEAD /browse/p HTTP/1.1\r\n" HOST "\r\n" GET_PAGE "Connection: close\r\n\r\n");
    SIDE_AWAITS_END(&s);
    assert_true(side_got(&s, "Content-Length: 77\r\n"));
    assert_int_equal(side_count(&s, "HTTP/1.1 200 OK"), 2);
    assert_int_equal(s.px->rig->origin.n_peers, 2);
    side_close(&s);

    static const struct act old[] = { { 0, "/browse/p", FOUND, 0, STAY },
                                      { 1, "GET /b/k", OK2, 0, STAY },
                                      { 0 } };
    px_serve(*state, old);
    side_open(*state, &s);
    side_says(&s, "GET /browse/p HTTP/1.0\r\n\r\n");
    SIDE_AWAITS_END(&s);
    assert_true(side_got(&s, "\r\n\r\nok"));
    side_close(&s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_redirect_is_followed_once),
        TEST(cookies_and_connections_are_kept),
        TEST(a_redirect_without_end_is_not_waited_for),
        TEST(a_short_body_is_read_and_a_long_one_is_not),
        TEST(other_answers_pass_untouched),
        TEST(where_it_may_not_lead),
        TEST(a_body_goes_to_both),
        TEST(a_redirect_before_the_body),
        TEST(a_body_too_long_is_413_with_a_redirect_alone),
        TEST(a_client_that_leaves_between),
        cmocka_unit_test(an_abort_between),
        TEST(s3_fails),
        TEST(a_cut_body_is_resumed),
        TEST(a_signed_range_is_not_resumed),
        TEST(long_locations),
        TEST(head_and_old_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
