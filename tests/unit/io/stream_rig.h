#pragma once
/* Two ends of one connection in one loop, plain or with TLS of a test authority. */
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

static inline void flush(struct end *e)
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

static inline void on_ready(struct io_stream *s, unsigned events)
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

static inline void on_guard(struct io_timer *t)
{
    LIST_ENTRY(t, struct rig, guard)->is_late = true;
}

/* Turns until *flag, or false after the time given. */
static inline bool turn_for(struct rig *r, const bool *flag, unsigned ms)
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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
    struct rig *r = *state;
    io_tls_free(r->server);
    io_tls_free(r->client);
    io_loop_done(&r->loop);
    pki_done(&r->ca);
    free(r);
    return 0;
}

static inline void serve(struct rig *r, const struct pki *ca, const char *san, int days)
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

static inline void end_open(struct rig *r, struct end *e, int fd)
{
    memset(e, 0, sizeof *e);
    buf_init(&e->in, 64u << 20);
    buf_init(&e->out, 64u << 20);
    e->s = io_stream_new(&r->loop, fd);
    assert_non_null(e->s);
    e->s->owner = e;
    e->s->on_ready = on_ready;
}

static inline void end_close(struct end *e)
{
    io_stream_close(e->s);
    buf_done(&e->in);
    buf_done(&e->out);
    e->s = NULL;
}

static inline void end_reset(struct end *e)
{
    io_stream_reset(e->s);
    e->s = NULL;
}

/* Connected over loopback TCP: RST and partial writes as in life. */
static inline void tcp_pair(int fd[2])
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

static inline void plain_open(struct rig *r, struct end *c, struct end *s)
{
    int fd[2];
    tcp_pair(fd);
    end_open(r, c, fd[0]);
    end_open(r, s, fd[1]);
    c->is_open = s->is_open = true;
    io_stream_want(c->s, IO_READ);
    io_stream_want(s->s, IO_READ);
}

static inline void start(struct end *e, struct io_tls *t, const char *host)
{
    assert_true(io_stream_start_tls(e->s, t, str_from_c(host), 443, &e->fault));
    e->is_open = false;
    e->is_handshaking = true;
    io_stream_want(e->s, IO_READ | IO_WRITE);
}

static inline void tls_open(struct rig *r, struct end *c, struct end *s, const char *host)
{
    plain_open(r, c, s);
    start(c, r->client, host);
    start(s, r->server, "");
    TURN_UNTIL(r, !c->is_handshaking && !s->is_handshaking);
}

static inline void fill(struct buf *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf_byte(b, (char)(i * 31 + i / 251));
}

static inline void send_and_compare(struct rig *r, struct end *from, struct end *to, size_t n)
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
