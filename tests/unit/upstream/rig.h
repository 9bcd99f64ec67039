#pragma once
/*
 * A scripted origin on loopback and a client of exchanges, in one loop. The origin's script is a
 * list of acts; each waits for bytes on the connection with its number and answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../io/pki.h"
#include "conf/settings.h"
#include "io/listener.h"
#include "upstream/exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OK5 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define END "\r\n\r\n"

enum after {
    STAY,
    CLOSE, /* close_notify and FIN */
    CUT,   /* FIN alone */
    RESET,
};

struct act {
    unsigned conn; /* counted in the order of accepting */
    const char
        *wait; /* the input since the act before has it; "": at once; NULL: end of the list */
    const char *send;
    size_t n_fill; /* bytes of 'x' behind it */
    enum after after;
};

enum { ORIGIN_MAX_PEERS = 160 };

/* Deadlines of the settings: more than what a busy machine takes for what has no reason to wait. */
enum { RIG_CONNECT_MS = 1200, RIG_ANSWER_MS = 1000 };

struct peer {
    struct origin_server *origin;
    struct io_stream *s;
    struct buf in, out;
    size_t seen; /* of in, by acts */
    unsigned number, next;
    enum after after;
    bool is_handshaking, is_over, is_eof;
};

struct origin_server {
    struct rig *rig;
    struct io_listener listener;
    struct io_tls *tls; /* NULL: plain */
    const struct act *acts;
    bool is_deaf; /* reads nothing */
    unsigned n_peers;
    struct peer peers[ORIGIN_MAX_PEERS];
};

struct rig {
    struct io_loop loop;
    struct pki ca;
    struct io_tls *client, *server;
    struct conf *conf;
    struct dns_shared *shared;
    struct dns_engine *dns;
    struct upstream *up;
    struct io_timer guard;
    bool is_late;
    char hosts[64];
    struct origin_server origin;
};

/* One exchange and what came of it. */
struct call {
    struct exchange x;
    struct exchange_request request;
    struct buf body;
    struct str upload;
    struct str trailers;
    size_t uploaded;
    unsigned status, n_interim, n_heads, n_failed;
    bool is_lazy; /* does not read the body */
    bool cancels_at_head;
    bool is_whole, is_end_given;
};

static inline void on_guard(struct io_timer *t)
{
    struct rig *r = LIST_ENTRY(t, struct rig, guard);
    r->is_late = true;
    io_loop_stop(&r->loop);
}

static inline void turn_ms(struct rig *r, unsigned ms)
{
    r->is_late = false;
    r->guard.on_fire = on_guard;
    io_timer_arm(&r->loop, &r->guard, ms);
    while (!r->is_late)
        io_loop_run(&r->loop);
}

#define TURN_UNTIL(r, condition)                                                                   \
    do {                                                                                           \
        bool is_so_ = false;                                                                       \
        for (int turns_ = 0; turns_ < 5000 && !(is_so_ = (condition)); turns_++)                   \
            turn_ms(r, 1);                                                                         \
        assert_true(is_so_);                                                                       \
    } while (0)

/* ---- the origin ---- */

static inline void peer_go_on(struct peer *p);

static inline void peer_flush(struct peer *p)
{
    struct fault f = { 0 };
    while (p->out.n > 0) {
        size_t n;
        struct iovec v = { p->out.p, p->out.n };
        enum io_result r = io_stream_writev(p->s, &v, 1, &n, &f);
        if (r == IO_FAILED) {
            buf_clear(&p->out);
            p->is_over = true;
        }
        if (r != IO_OK)
            break;
        buf_drop(&p->out, n);
    }
    io_stream_want(p->s, (p->origin->is_deaf ? 0u : IO_READ) | (p->out.n > 0 ? IO_WRITE : 0u));
    if (p->out.n > 0 || p->after == STAY)
        return;
    if (p->after == CUT)
        shutdown(p->s->fd, SHUT_WR);
    if (p->after == CLOSE)
        io_stream_shutdown(p->s);
    if (p->after == RESET) {
        io_stream_reset(p->s);
        p->s = NULL;
    }
    p->after = STAY;
    p->is_over = true;
}

static inline void peer_go_on(struct peer *p)
{
    for (const struct act *a = &p->origin->acts[p->next]; a->wait && !p->is_over;
         a = &p->origin->acts[++p->next]) {
        if (a->conn != p->number)
            continue;
        if (!str_contains(str_from(buf_str(&p->in), p->seen), str_from_c(a->wait)))
            return;
        p->seen = p->in.n;
        buf_append(&p->out, str_from_c(a->send));
        if (a->n_fill > 0)
            memset(buf_reserve(&p->out, a->n_fill), 'x', a->n_fill);
        p->out.n += a->n_fill;
        p->after = a->after;
        p->next++;
        peer_flush(p);
        if (!p->s)
            return;
        p->next--;
    }
}

static inline void on_peer(struct io_stream *s, unsigned events)
{
    struct peer *p = s->owner;
    struct fault f = { 0 };
    char bytes[100000];
    size_t n = 0;
    if (p->is_handshaking) {
        enum io_result r = io_stream_handshake(s, &f);
        if (r == IO_AGAIN)
            return;
        p->is_handshaking = false;
        io_stream_want(s, r == IO_OK && !p->origin->is_deaf ? IO_READ : 0);
        if (r == IO_OK)
            peer_go_on(p);
        return;
    }
    if ((events & IO_WRITE) != 0)
        peer_flush(p);
    if (!p->s || (events & IO_READ) == 0 || p->origin->is_deaf)
        return;
    enum io_result r = io_stream_read(s, bytes, sizeof bytes, &n, &f);
    if (r == IO_OK) {
        buf_append(&p->in, str_of(bytes, n));
        peer_go_on(p);
    } else if (r != IO_AGAIN) {
        p->is_eof = true;
        io_stream_want(s, 0);
    }
}

static inline void on_accept(struct io_listener *l, int fd, const struct addr *from)
{
    struct origin_server *o = l->owner;
    struct fault f = { 0 };
    assert_true(o->n_peers < ORIGIN_MAX_PEERS);
    struct peer *p = &o->peers[o->n_peers];
    *p = (struct peer){ .origin = o, .number = o->n_peers++ };
    buf_init(&p->in, 64u << 20);
    buf_init(&p->out, 64u << 20);
    p->s = io_stream_new(&o->rig->loop, fd);
    p->s->owner = p;
    p->s->on_ready = on_peer;
    io_stream_want(p->s, o->is_deaf && !o->tls ? 0 : IO_READ);
    if (o->tls) {
        assert_true(io_stream_start_tls(p->s, o->tls, STR(""), 443, &f));
        p->is_handshaking = true;
    } else {
        peer_go_on(p);
    }
}

/* On an address and a port, 0 for any. */
static inline void origin_open(struct rig *r, struct origin_server *o, const char *ip,
                               uint16_t port, bool is_tls, const struct act *acts)
{
    struct fault f = { 0 };
    struct addr at;
    assert_true(addr_parse_ip(str_from_c(ip), &at));
    addr_set_port(&at, port);
    *o = (struct origin_server){ .rig = r, .acts = acts, .tls = is_tls ? r->server : NULL };
    o->listener.owner = o;
    o->listener.on_accept = on_accept;
    if (!io_listener_open(&o->listener, &r->loop, &at, false, &f))
        fail_msg("listen: %s", f.detail);
}

static inline void origin_close(struct origin_server *o)
{
    if (!o->rig)
        return;
    io_listener_close(&o->listener);
    for (unsigned i = 0; i < o->n_peers; i++) {
        io_stream_close(o->peers[i].s);
        buf_done(&o->peers[i].in);
        buf_done(&o->peers[i].out);
    }
    o->rig = NULL;
}

static inline bool peer_got(const struct peer *p, const char *what)
{
    return str_contains(buf_str(&p->in), str_from_c(what));
}

/* ---- the client ---- */

static inline void call_read(struct call *c)
{
    struct str data;
    enum io_result r;
    while ((r = exchange_read(&c->x, &data)) == IO_OK) {
        buf_append(&c->body, data);
        exchange_consume(&c->x, data.n);
    }
    c->is_whole = r == IO_EOF;
    c->n_failed += r == IO_FAILED;
}

static inline void call_write(struct call *c)
{
    if (c->is_end_given)
        return;
    c->uploaded += exchange_write(&c->x, str_from(c->upload, c->uploaded));
    if (c->uploaded < c->upload.n)
        return;
    c->is_end_given = true;
    exchange_write_end(&c->x, c->trailers);
}

static inline void on_call(struct exchange *x, enum exchange_event e)
{
    struct call *c = x->owner;
    switch (e) {
    case EXCHANGE_INTERIM:
        c->n_interim++;
        break;
    case EXCHANGE_HEAD:
        c->n_heads++;
        c->status = x->head.status;
        if (c->cancels_at_head)
            exchange_cancel(x);
        else if (!c->is_lazy)
            call_read(c);
        break;
    case EXCHANGE_READABLE:
        call_read(c);
        break;
    case EXCHANGE_WRITABLE:
        call_write(c);
        break;
    case EXCHANGE_FAILED:
        c->n_failed++;
        break;
    }
}

static inline void call_start(struct rig *r, struct call *c)
{
    struct str upload = c->upload, trailers = c->trailers;
    bool is_lazy = c->is_lazy, cancels = c->cancels_at_head;
    struct exchange_request request = c->request;
    memset(c, 0xa5, sizeof *c); /* start needs no zeroed struct */
    c->request = request;
    c->upload = upload;
    c->trailers = trailers;
    c->uploaded = 0;
    c->status = c->n_interim = c->n_heads = c->n_failed = 0;
    c->is_lazy = is_lazy;
    c->cancels_at_head = cancels;
    c->is_whole = c->is_end_given = false;
    buf_init(&c->body, 64u << 20);
    c->x.owner = c;
    c->x.on_event = on_call;
    exchange_start(&c->x, r->up, &c->request);
    if (c->upload.p)
        call_write(c);
}

static inline void call_done(struct call *c)
{
    exchange_finish(&c->x);
    buf_done(&c->body);
}

static inline bool is_settled(const struct call *c)
{
    return c->is_whole || c->n_failed > 0;
}

/* Runs it to its end and leaves it finished; the body is freed by the caller. */
static inline void call_run(struct rig *r, struct call *c)
{
    call_start(r, c);
    TURN_UNTIL(r, is_settled(c));
    exchange_finish(&c->x);
}

static inline struct origin origin_at(const char *host, uint16_t port, bool is_tls)
{
    return (struct origin){ .host = str_from_c(host),
                            .port = port,
                            .scheme = is_tls ? CONF_HTTPS : CONF_HTTP,
                            .policy = DNS_POLICY_S3 };
}

static inline struct exchange_request get_from(struct origin o)
{
    return (struct exchange_request){ .origin = o,
                                      .method = HTTP_GET,
                                      .head = STR("GET /k HTTP/1.1\r\nHost: h\r\n\r\n"),
                                      .framing = HTTP_NO_BODY,
                                      .is_idempotent = true };
}

static inline struct exchange_request get(struct rig *r)
{
    return get_from(
        origin_at("127.0.0.1", addr_port(&r->origin.listener.local), r->origin.tls != NULL));
}

static inline struct exchange_request put(struct rig *r, uint64_t n)
{
    struct exchange_request q = get(r);
    q.method = HTTP_PUT;
    q.head = STR("PUT /k HTTP/1.1\r\nHost: h\r\nX: y\r\n\r\n");
    q.framing = HTTP_LENGTH;
    q.content_length = n;
    return q;
}

/* ---- all of it ---- */

static inline struct io_tls *server_tls(const struct pki *ca, const char *san)
{
    struct fault f = { 0 };
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = pki_certificate(ca, key, "leaf", san, 30);
    struct io_tls *t = io_tls_server_new_from(cert, key, &f);
    assert_non_null(t);
    X509_free(cert);
    EVP_PKEY_free(key);
    return t;
}

/* hosts: lines of a hosts file; dns: three settings, or NULL for no DNS that answers. */
static inline struct rig *rig_new(const char *hosts, char *const *dns)
{
    struct rig *r = calloc(1, sizeof *r);
    struct fault f = { 0 };
    struct buf errors;
    char hosts_setting[128];
    buf_init(&errors, 4096);
    strcpy(r->hosts, P_tmpdir "/penstock-hosts-XXXXXX");
    int fd = mkstemp(r->hosts);
    assert_true(fd >= 0 && write(fd, hosts, strlen(hosts)) == (ssize_t)strlen(hosts));
    close(fd);
    snprintf(hosts_setting, sizeof hosts_setting, "PENSTOCK_HOSTS_FILE=%s", r->hosts);
    char *env[] = { (char *)"INTERNAL_REGISTRY_URL=http://registry.test",
                    (char *)"PENSTOCK_ALLOW_ADDRESSES=127.0.0.0/8,::1",
                    hosts_setting,
                    dns ? dns[0] : (char *)"PENSTOCK_DNS_AWS=off",
                    dns ? dns[1] : (char *)"PENSTOCK_DNS_SERVERS=127.0.0.1:9",
                    dns ? dns[2] : NULL,
                    NULL };
    r->conf = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    if (!r->conf)
        fail_msg("%.*s", STR_ARG(buf_str(&errors)));
    buf_done(&errors);
    r->conf->connect_timeout_ms = RIG_CONNECT_MS;
    r->conf->tls_timeout_ms = RIG_CONNECT_MS;
    r->conf->connect_total_ms = 3 * RIG_CONNECT_MS + 300;
    r->conf->upstream_head_timeout_ms = RIG_ANSWER_MS;
    r->conf->body_timeout_ms = RIG_ANSWER_MS;
    r->conf->upstream_idle_ms = 2000;
    assert_true(io_loop_init(&r->loop));
    pki_init(&r->ca, "Test authority");
    r->client = io_tls_client_new(NULL, &f);
    assert_true(r->client && io_tls_trust(r->client, r->ca.cert));
    r->server = server_tls(&r->ca, "IP:127.0.0.1,DNS:s3.test");
    r->shared = dns_shared_new(r->conf, &f);
    r->dns = dns_engine_new(&r->loop, r->shared, &f);
    if (!r->shared || !r->dns)
        fail_msg("dns: %s", f.detail);
    r->up = upstream_new(&r->loop, r->dns, r->client, r->conf, &f);
    assert_non_null(r->up);
    return r;
}

static inline void rig_free(struct rig *r)
{
    struct upstream_counts n = upstream_count(r->up);
    assert_int_equal(n.n_busy, 0);
    assert_int_equal(n.n_dialling, 0);
    origin_close(&r->origin);
    upstream_free(r->up);
    dns_engine_free(r->dns);
    dns_shared_free(r->shared);
    io_timer_disarm(&r->loop, &r->guard);
    io_tls_free(r->client);
    io_tls_free(r->server);
    io_loop_done(&r->loop);
    pki_done(&r->ca);
    conf_unref(r->conf);
    unlink(r->hosts);
    free(r);
}

/* Of a test whose addresses are literals. */
static inline int rig_setup(void **state)
{
    *state = rig_new("", NULL);
    return 0;
}

static inline int rig_teardown(void **state)
{
    rig_free(*state);
    return 0;
}

/* Afresh, on a port of its own. */
static inline void serve(struct rig *r, bool is_tls, const struct act *acts)
{
    origin_close(&r->origin);
    origin_open(r, &r->origin, "127.0.0.1", 0, is_tls, acts);
}
