/* TLS: who is trusted, how it ends, sessions, what is read and not data. */
#include "stream_rig.h"

#include <sys/stat.h>

struct verify_row {
    const char *name, *host, *san;
    int days;
    bool is_other_ca;
    enum fault_kind kind;
    const char *part; /* of the detail */
};

static const struct verify_row verify_rows[] = {
    { "the right name is taken", "s3.test", "DNS:s3.test", 30, false, FAULT_NONE, "" },
    { "case and a trailing dot do not matter", "S3.Test.", "DNS:s3.test", 30, false, FAULT_NONE,
      "" },
    { "a wildcard matches one label", "b.s3.test", "DNS:*.s3.test", 30, false, FAULT_NONE, "" },
    { "a wildcard does not match two", "a.b.s3.test", "DNS:*.s3.test,DNS:s3.test", 30, false,
      FAULT_TLS_NAME, "one label" },
    { "part of a label is no wildcard", "bx.s3.test", "DNS:b*.s3.test", 30, false, FAULT_TLS_NAME,
      "b*.s3.test" },
    { "another name is refused, both are told", "s3.test", "DNS:other.test", 30, false,
      FAULT_TLS_NAME, "for other.test, not for s3.test" },
    { "an address is verified as an address", "127.0.0.1", "IP:127.0.0.1", 30, false, FAULT_NONE,
      "" },
    { "an IPv6 address too", "::1", "IP:::1", 30, false, FAULT_NONE, "" },
    { "another address is refused", "127.0.0.1", "IP:127.0.0.2", 30, false, FAULT_TLS_NAME,
      "127.0.0.2" },
    { "a name is no address", "127.0.0.1", "DNS:127.0.0.1", 30, false, FAULT_TLS_NAME, "" },
    { "an unknown authority is not trusted", "s3.test", "DNS:s3.test", 30, true,
      FAULT_TLS_UNTRUSTED, "Other authority" },
    { "an expired certificate is not trusted", "s3.test", "DNS:s3.test", -1, false,
      FAULT_TLS_UNTRUSTED, "expired" },
};

static void test_verification(void **state)
{
    struct rig *r = *state;
    struct pki other;
    pki_init(&other, "Other authority");
    for (size_t i = 0; i < sizeof verify_rows / sizeof verify_rows[0]; i++) {
        const struct verify_row *row = &verify_rows[i];
        struct end c, s;
        serve(r, row->is_other_ca ? &other : &r->ca, row->san, row->days);
        tls_open(r, &c, &s, row->host);
        if (c.fault.kind != row->kind || strstr(c.fault.detail, row->part) == NULL)
            fail_msg("%s: %s: %s", row->name, fault_row(c.fault.kind)->name, c.fault.detail);
        assert_int_equal(c.is_open, row->kind == FAULT_NONE);
        if (row->kind != FAULT_NONE)
            assert_string_equal(c.fault.step, "handshake");
        end_close(&c);
        end_close(&s);
    }
    pki_done(&other);
}

static void test_bad_hosts_are_refused(void **state)
{
    struct rig *r = *state;
    char longest[300];
    memset(longest, 'a', sizeof longest);
    const struct str hosts[] = { STR(""), STR("."), STR("a\0b"), str_of(longest, sizeof longest) };
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct end c, s;
        plain_open(r, &c, &s);
        assert_false(io_stream_start_tls(c.s, r->client, hosts[i], 443, &c.fault));
        assert_int_equal(c.fault.kind, FAULT_TLS_FAILED);
        end_close(&c);
        end_close(&s);
    }
}

enum peer_does { ANSWERS_HTTP, CLOSES, RESETS };

static void test_handshakes_that_fail(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *name;
        enum peer_does does;
        const char *part;
    } rows[] = {
        { "a peer that speaks HTTP", ANSWERS_HTTP, "wrong version number" },
        { "a peer that closes", CLOSES, "closed the connection" },
        { "a peer that resets", RESETS, "reset" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct end c, s;
        plain_open(r, &c, &s);
        start(&c, r->client, "s3.test");
        TURN_UNTIL(r, s.in.n > 100);
        if (rows[i].does == ANSWERS_HTTP)
            send(s.s->fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, 0);
        else if (rows[i].does == CLOSES)
            shutdown(s.s->fd, SHUT_WR);
        else
            end_reset(&s);
        TURN_UNTIL(r, !c.is_handshaking);
        assert_int_equal(c.fault.kind, FAULT_TLS_FAILED);
        if (strstr(c.fault.detail, rows[i].part) == NULL)
            fail_msg("%s: %s", rows[i].name, c.fault.detail);
        end_close(&c);
        end_close(&s);
    }
}

/* The SSL's own doing is bypassed: FIN without close_notify, as an attacker or a dying peer sends
 * it. */
static void test_truncation_is_a_failure(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    send_and_compare(r, &s, &c, 50);
    shutdown(s.s->fd, SHUT_WR);
    TURN_UNTIL(r, c.is_failed || c.is_eof);
    assert_true(c.is_failed && !c.is_eof);
    assert_int_equal(c.fault.kind, FAULT_UPSTREAM_CLOSED);
    end_close(&c);
    end_close(&s);
}

static void test_orderly_end(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    buf_append(&s.out, STR("last words"));
    flush(&s);
    io_stream_shutdown(s.s);
    TURN_UNTIL(r, c.is_failed || c.is_eof);
    assert_true(c.is_eof && !c.is_failed);
    assert_true(str_eq(buf_str(&c.in), STR("last words")));
    /* The other direction still goes: half-closed. */
    s.is_eof = false;
    end_close(&c);
    TURN_UNTIL(r, s.is_eof);
    end_close(&s);
}

static void test_garbage_in_the_stream(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    buf_append(&s.out, STR("good"));
    flush(&s);
    send(s.s->fd, "\x17\x03\x03\x00\x20 not what was encrypted, is it?", 37, 0);
    TURN_UNTIL(r, c.is_failed || c.is_eof);
    assert_true(c.is_failed);
    assert_true(str_eq(buf_str(&c.in), STR("good")));
    assert_int_equal(c.fault.kind, FAULT_TLS_FAILED);
    assert_non_null(strstr(c.fault.detail, "decrypt"));
    end_close(&c);
    end_close(&s);
}

static void test_sessions_are_resumed(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test,DNS:other.test", 30);
    for (int i = 0; i < 6; i++) {
        tls_open(r, &c, &s, "s3.test");
        assert_int_equal(SSL_session_reused(c.s->ssl), i > 0);
        if (i < 4)
            send_and_compare(r, &s, &c, 10);
        /* Whichever way it ends, the next one resumes. */
        if (i == 1)
            end_reset(&c);
        if (i == 2) {
            shutdown(s.s->fd, SHUT_WR);
            TURN_UNTIL(r, c.is_failed);
        }
        end_close(&c);
        end_close(&s);
    }
    tls_open(r, &c, &s, "other.test");
    assert_false(SSL_session_reused(c.s->ssl));
    end_close(&c);
    end_close(&s);
}

static void test_tls_1_2(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int i = 0; i < 3; i++) {
        plain_open(r, &c, &s);
        start(&c, r->client, "s3.test");
        start(&s, r->server, "");
        SSL_set_max_proto_version(s.s->ssl, TLS1_2_VERSION);
        TURN_UNTIL(r, !c.is_handshaking && !s.is_handshaking);
        assert_true(c.is_open && s.is_open);
        assert_int_equal(SSL_session_reused(c.s->ssl), i > 0);
        send_and_compare(r, &s, &c, 100000);
        send_and_compare(r, &c, &s, 100000);
        end_close(&c);
        end_close(&s);
    }
}

static void test_tls_1_1_is_refused(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    plain_open(r, &c, &s);
    start(&c, r->client, "s3.test");
    start(&s, r->server, "");
    assert_int_equal(SSL_set_cipher_list(s.s->ssl, "ALL:@SECLEVEL=0"), 1);
    SSL_set_min_proto_version(s.s->ssl, TLS1_VERSION);
    SSL_set_max_proto_version(s.s->ssl, TLS1_1_VERSION);
    TURN_UNTIL(r, !c.is_handshaking);
    assert_int_equal(c.fault.kind, FAULT_TLS_FAILED);
    if (strstr(c.fault.detail, "version") == NULL)
        fail_msg("%s", c.fault.detail);
    end_close(&c);
    end_close(&s);
}

/* Two tickets arrive on a connection that waits: no bytes and no end. */
static void test_tickets_are_not_data(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    TURN_UNTIL(r, c.n_again > 0);
    assert_true(c.in.n == 0 && !c.is_eof && !c.is_failed);
    assert_false(io_stream_has_pending(c.s));
    end_close(&c);
    end_close(&s);
}

/* The receiver reads little by little; what waits inside TLS is told of without a new packet. */
static void test_bytes_inside_tls_are_told_of(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    c.read_cap = 7;
    send_and_compare(r, &s, &c, 20000);
    assert_false(io_stream_has_pending(c.s));
    end_close(&c);
    end_close(&s);
}

static void test_files(void **state)
{
    struct fault f = { 0 };
    assert_null(io_tls_client_new("/nonexistent/ca.pem", &f));
    assert_int_equal(f.kind, FAULT_CONFIG);
    assert_non_null(strstr(f.detail, "/nonexistent/ca.pem: No such file"));
    fault_clear(&f);
    char name[] = "tls-test-XXXXXX";
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_null(io_tls_client_new(name, &f));
    assert_non_null(strstr(f.detail, "no certificate"));
    fault_clear(&f);
    assert_int_equal(ftruncate(fd, (16 << 20) + 1), 0);
    assert_null(io_tls_client_new(name, &f));
    assert_non_null(strstr(f.detail, "more than 16 MiB"));
    fault_clear(&f);
    close(fd);
    unlink(name);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_null(io_tls_client_new(name, &f));
    unlink(name);
    assert_non_null(strstr(f.detail, "not a regular file"));
    fault_clear(&f);
    assert_null(io_tls_client_new("/", &f));
    assert_non_null(strstr(f.detail, "not a regular file"));
    fault_clear(&f);
}

/* A context that is given up (a reload) lives on under the connections that stand. */
static void test_context_outlives_its_owner(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    io_tls_free(r->client);
    io_tls_free(r->server);
    r->client = r->server = NULL;
    send_and_compare(r, &c, &s, 40000);
    send_and_compare(r, &s, &c, 40000);
    end_close(&c);
    end_close(&s);
}

/* They cost us more than the peer, and OpenSSL reads on until there is data. */
static void test_key_updates(void **state)
{
    struct rig *r = *state;
    static const struct {
        const char *name;
        int kind;
        unsigned n;
        bool is_taken;
    } rows[] = {
        { "some are taken", SSL_KEY_UPDATE_NOT_REQUESTED, 100, true },
        { "and answered", SSL_KEY_UPDATE_REQUESTED, 100, true },
        { "a flood ends the connection", SSL_KEY_UPDATE_NOT_REQUESTED, 1000, false },
        { "one that asks for answers too", SSL_KEY_UPDATE_REQUESTED, 1000, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct end c, s;
        serve(r, &r->ca, "DNS:s3.test", 30);
        tls_open(r, &c, &s, "s3.test");
        send_and_compare(r, &c, &s, 50);
        for (unsigned k = 0; k < rows[i].n; k++) {
            assert_int_equal(SSL_key_update(c.s->ssl, rows[i].kind), 1);
            assert_int_equal(SSL_do_handshake(c.s->ssl), 1);
        }
        if (rows[i].is_taken) {
            send_and_compare(r, &c, &s, 50);
            send_and_compare(r, &s, &c, 50);
        } else {
            TURN_UNTIL(r, s.is_failed || s.is_eof);
            if (!s.is_failed || strstr(s.fault.detail, "handshake messages") == NULL)
                fail_msg("%s: %s", rows[i].name, s.fault.detail);
        }
        end_close(&c);
        end_close(&s);
    }
}

static void test_tiny_records_share_the_turn(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    enum { N = 1000, ONE_READ = 128 };
    serve(r, &r->ca, "DNS:s3.test", 30);
    tls_open(r, &c, &s, "s3.test");
    send_and_compare(r, &c, &s, 1);
    buf_clear(&s.in);
    unsigned before = s.n_ready;
    for (int i = 0; i < N; i++)
        assert_int_equal(SSL_write(c.s->ssl, "x", 1), 1);
    TURN_UNTIL(r, s.in.n == N);
    assert_in_range(s.n_ready - before, N / ONE_READ, N);
    end_close(&c);
    end_close(&s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_verification),
        T(test_bad_hosts_are_refused),
        T(test_handshakes_that_fail),
        T(test_truncation_is_a_failure),
        T(test_orderly_end),
        T(test_garbage_in_the_stream),
        T(test_sessions_are_resumed),
        T(test_tls_1_2),
        T(test_tls_1_1_is_refused),
        T(test_tickets_are_not_data),
        T(test_bytes_inside_tls_are_told_of),
        T(test_key_updates),
        T(test_tiny_records_share_the_turn),
        T(test_files),
        T(test_context_outlives_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
