#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "io/block.h"
#include "io/listener.h"
#include "io/stream.h"
#include "io/timer.h"
#include "pki.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One end of a connection, which reads all that comes and writes what is in `out`. */
struct end {
    struct io_stream *s;
    bool is_handshaking, is_open, is_failed, is_eof;
    bool is_deaf; /* does not read */
    struct buf in, out;
    struct fault fault;
    unsigned n_ready, n_again;
    size_t read_cap;
};

struct rig {
    struct io_loop loop;
    struct io_tls *server, *client;
    struct pki ca;
    struct io_timer guard;
    bool is_late;
};

static void flush(struct end *e)
{
    struct iovec v[3];
    while (e->out.n > 0) {
        /* In three uneven pieces, so that gathering is at work. */
        size_t a = e->out.n / 7, b = e->out.n / 3, n;
        v[0] = (struct iovec){ e->out.p, a };
        v[1] = (struct iovec){ e->out.p + a, b };
        v[2] = (struct iovec){ e->out.p + a + b, e->out.n - a - b };
        enum io_result r = io_stream_writev(e->s, v, 3, &n, &e->fault);
        if (r == IO_FAILED) {
            e->is_failed = true;
            return;
        }
        if (r == IO_AGAIN)
            break;
        buf_drop(&e->out, n);
    }
    io_stream_want(e->s, (e->is_deaf ? 0u : (unsigned)IO_READ) | (e->out.n > 0 ? IO_WRITE : 0u));
}

static void on_ready(struct io_stream *s, unsigned events)
{
    struct end *e = s->owner;
    char p[100000];
    size_t n;
    e->n_ready++;
    if (e->is_handshaking) {
        enum io_result r = io_stream_handshake(s, &e->fault);
        if (r == IO_AGAIN)
            return;
        e->is_handshaking = false;
        e->is_open = r == IO_OK;
        e->is_failed = r == IO_FAILED;
        if (r == IO_FAILED)
            io_stream_want(s, 0);
        else
            flush(e);
        return;
    }
    if ((events & IO_READ) != 0 && !e->is_deaf) {
        enum io_result r =
            io_stream_read(s, p, e->read_cap != 0 ? e->read_cap : sizeof p, &n, &e->fault);
        if (r == IO_OK)
            buf_append(&e->in, str_of(p, n));
        e->n_again += r == IO_AGAIN;
        e->is_eof |= r == IO_EOF;
        e->is_failed |= r == IO_FAILED;
        if (r == IO_EOF || r == IO_FAILED) {
            io_stream_want(s, 0);
            return;
        }
    }
    if ((events & IO_WRITE) != 0)
        flush(e);
}

static void on_guard(struct io_timer *t)
{
    LIST_ENTRY(t, struct rig, guard)->is_late = true;
}

/* Turns until *flag, or false after the time given. */
static bool turn_for(struct rig *r, const bool *flag, unsigned ms)
{
    r->is_late = false;
    r->guard.on_fire = on_guard;
    io_timer_arm(&r->loop, &r->guard, ms);
    while (!*flag && !r->is_late)
        uv_run(&r->loop.uv, UV_RUN_ONCE);
    io_timer_disarm(&r->loop, &r->guard);
    return *flag;
}

#define TURN_UNTIL(r, condition)                                                                   \
    do {                                                                                           \
        bool is_so_ = false;                                                                       \
        for (int turns_ = 0; turns_ < 3000 && !(is_so_ = (condition)); turns_++) {                 \
            bool never_ = false;                                                                   \
            turn_for(r, &never_, 1);                                                               \
        }                                                                                          \
        assert_true(is_so_);                                                                       \
    } while (0)

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct fault f = { 0 };
    assert_true(io_loop_init(&r->loop));
    pki_init(&r->ca, "Test authority");
    r->client = io_tls_client_new(NULL, &f);
    assert_non_null(r->client);
    assert_true(io_tls_trust(r->client, r->ca.cert));
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    io_tls_free(r->server);
    io_tls_free(r->client);
    io_loop_done(&r->loop);
    pki_done(&r->ca);
    free(r);
    return 0;
}

static void serve(struct rig *r, const struct pki *ca, const char *san, int days)
{
    struct fault f = { 0 };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = pki_certificate(ca, key, "leaf", san, days);
    io_tls_free(r->server);
    r->server = io_tls_server_new_from(cert, key, &f);
    assert_non_null(r->server);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static void end_open(struct rig *r, struct end *e, int fd)
{
    memset(e, 0, sizeof *e);
    buf_init(&e->in, 64u << 20);
    buf_init(&e->out, 64u << 20);
    e->s = io_stream_new(&r->loop, fd);
    assert_non_null(e->s);
    e->s->owner = e;
    e->s->on_ready = on_ready;
}

static void end_close(struct end *e)
{
    io_stream_close(e->s);
    buf_done(&e->in);
    buf_done(&e->out);
    e->s = NULL;
}

static void end_reset(struct end *e)
{
    io_stream_reset(e->s);
    e->s = NULL;
}

/* Connected over loopback TCP: RST and partial writes as in life. */
static void tcp_pair(int fd[2])
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t n = sizeof a;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(l, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(l, 1), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&a, &n), 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd[0], (struct sockaddr *)&a, sizeof a), 0);
    fd[1] = accept(l, NULL, NULL);
    assert_true(fd[1] >= 0);
    close(l);
}

static void plain_open(struct rig *r, struct end *c, struct end *s)
{
    int fd[2];
    tcp_pair(fd);
    end_open(r, c, fd[0]);
    end_open(r, s, fd[1]);
    c->is_open = s->is_open = true;
    io_stream_want(c->s, IO_READ);
    io_stream_want(s->s, IO_READ);
}

static void start(struct end *e, struct io_tls *t, const char *host)
{
    assert_true(io_stream_start_tls(e->s, t, str_from_c(host), 443, &e->fault));
    e->is_open = false;
    e->is_handshaking = true;
    io_stream_want(e->s, IO_READ | IO_WRITE);
}

static void tls_open(struct rig *r, struct end *c, struct end *s, const char *host)
{
    plain_open(r, c, s);
    start(c, r->client, host);
    start(s, r->server, "");
    TURN_UNTIL(r, !c->is_handshaking && !s->is_handshaking);
}

static void fill(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_byte(b, (char)(i * 31 + i / 251));
}

static void send_and_compare(struct rig *r, struct end *from, struct end *to, size_t n)
{
    struct buf sent;
    buf_init(&sent, 64u << 20);
    fill(&sent, n);
    buf_clear(&to->in);
    buf_append(&from->out, buf_str(&sent));
    io_stream_want(from->s, IO_READ | IO_WRITE);
    TURN_UNTIL(r, to->in.n >= n || to->is_failed);
    assert_false(to->is_failed);
    assert_true(str_eq(buf_str(&to->in), buf_str(&sent)));
    buf_done(&sent);
}

static void test_bytes_arrive(void **state)
{
    struct rig *r = *state;
    static const size_t sizes[] = { 1, 100, 16383, 16384, 16385, 70000, 3000000 };
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        assert_true(c.is_open && s.is_open);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            c.read_cap = i % 2 == 0 ? 0 : 1000;
            send_and_compare(r, &c, &s, sizes[i]);
            send_and_compare(r, &s, &c, sizes[i]);
        }
        end_close(&c);
        TURN_UNTIL(r, s.is_eof);
        end_close(&s);
    }
}

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

static void test_reset(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        end_reset(&s);
        TURN_UNTIL(r, c.is_failed || c.is_eof);
        assert_true(c.is_failed);
        assert_int_equal(c.fault.kind, FAULT_UPSTREAM_RESET);
        assert_int_equal(c.fault.sys_errno, ECONNRESET);
        end_close(&c);
        end_close(&s);
    }
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

static void test_backpressure(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        bool never = false;
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        c.is_deaf = true;
        io_stream_want(c.s, 0);
        fill(&s.out, 20u << 20);
        size_t all = s.out.n;
        io_stream_want(s.s, IO_READ | IO_WRITE);
        turn_for(r, &never, 30);
        assert_true(s.out.n > 0);
        unsigned n = c.n_ready;
        turn_for(r, &never, 20);
        assert_int_equal(c.n_ready, n); /* deaf means quiet */
        c.is_deaf = false;
        io_stream_want(c.s, IO_READ);
        TURN_UNTIL(r, c.in.n == all || c.is_failed);
        assert_false(c.is_failed);
        for (size_t i = 0; i < all; i += 997)
            assert_int_equal(c.in.p[i], (char)(i * 31 + i / 251));
        end_close(&c);
        end_close(&s);
    }
}

static void test_nothing_wanted_nothing_told(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    bool never = false;
    plain_open(r, &c, &s);
    io_stream_want(c.s, 0);
    end_reset(&s);
    turn_for(r, &never, 20);
    assert_int_equal(c.n_ready, 0);
    io_stream_want(c.s, IO_READ);
    TURN_UNTIL(r, c.is_failed);
    end_close(&c);
    end_close(&s);
}

/* Inside a callback; the memory outlives the turn, the callbacks do not. */
static void on_ready_close(struct io_stream *s, unsigned events)
{
    struct end *e = s->owner;
    e->n_ready++;
    io_stream_close(s);
    io_stream_close(s);
    io_stream_want(s, IO_READ);
    e->is_eof = true;
}

static void test_closing_in_a_callback(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    bool never = false;
    plain_open(r, &c, &s);
    c.s->on_ready = on_ready_close;
    buf_append(&s.out, STR("x"));
    flush(&s);
    TURN_UNTIL(r, c.is_eof);
    turn_for(r, &never, 10);
    assert_int_equal(c.n_ready, 1);
    c.s = NULL;
    end_close(&c);
    end_close(&s);
}

static void test_connect(void **state)
{
    struct rig *r = *state;
    struct end c;
    struct addr to;
    int e = 0;
    /* Port 1 of loopback: nobody listens. */
    assert_true(addr_parse(STR("127.0.0.1:1"), 0, &to));
    int fd = io_connect(&to, &e);
    if (fd < 0) {
        assert_int_equal(e, ECONNREFUSED);
        return;
    }
    end_open(r, &c, fd);
    c.is_deaf = true;
    io_stream_want(c.s, IO_WRITE);
    TURN_UNTIL(r, c.n_ready > 0);
    assert_int_equal(io_connect_result(c.s), ECONNREFUSED);
    end_close(&c);
}

static void test_files(void **state)
{
    struct fault f = { 0 };
    assert_null(io_tls_client_new("/nonexistent/ca.pem", &f));
    assert_int_equal(f.kind, FAULT_CONFIG);
    assert_non_null(strstr(f.detail, "/nonexistent/ca.pem: No such file"));
    fault_clear(&f);
    assert_null(io_tls_client_new("/dev/null", &f));
    assert_non_null(strstr(f.detail, "no certificate"));
    fault_clear(&f);
    assert_null(io_tls_server_new("/dev/null", "/dev/null", &f));
    assert_int_equal(f.kind, FAULT_CONFIG);
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

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_bytes_arrive),
        T(test_verification),
        T(test_bad_hosts_are_refused),
        T(test_handshakes_that_fail),
        T(test_truncation_is_a_failure),
        T(test_orderly_end),
        T(test_reset),
        T(test_garbage_in_the_stream),
        T(test_sessions_are_resumed),
        T(test_tls_1_2),
        T(test_tls_1_1_is_refused),
        T(test_tickets_are_not_data),
        T(test_bytes_inside_tls_are_told_of),
        T(test_backpressure),
        T(test_nothing_wanted_nothing_told),
        T(test_closing_in_a_callback),
        T(test_connect),
        T(test_files),
        T(test_context_outlives_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
