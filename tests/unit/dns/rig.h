#pragma once
/*
 * An engine, its loop, and scripted DNS servers on loopback in the same loop. Tests set a server's
 * mode, resolve, and look at what came and how many packets were seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/resolve.h"
#include "dns/shared.h"
#include "io/listener.h"
#include "io/stream.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum mode {
    FAKE_SILENT,
    FAKE_OK, /* A: ip */
    FAKE_NXDOMAIN,
    FAKE_SERVFAIL,
    FAKE_REFUSED,
    FAKE_REFUSED_HEADER, /* without a question */
    FAKE_NODATA,
    FAKE_TRUNCATED,   /* over UDP; right over TCP */
    FAKE_CNAME,       /* to alias, no more */
    FAKE_WRONG_FIRST, /* wrong ID, wrong question, a query; then the genuine reply */
    FAKE_NO_EDNS,     /* FORMERR to EDNS, right without */
    FAKE_LAME,
};

enum { FAKE_MAX_RULES = 4 };

struct fake {
    struct io_loop *loop;
    /* Instead of all that follows, for a test's own server over UDP. */
    void (*on_query)(struct fake *f, const struct dns_msg *q, const struct addr *from);
    struct addr addr;
    int fd;
    uv_poll_t *poll;
    struct io_listener tcp;
    enum mode mode;
    /* A name of its own fares otherwise; first match. */
    struct {
        const char *name;
        enum mode mode;
        const char *ip, *alias;
    } rules[FAKE_MAX_RULES];
    const char *ip;    /* a comma list */
    const char *alias; /* FAKE_CNAME */
    uint32_t ttl_s;
    /* Goes before mode: true when it wrote the reply, or left out empty to be silent (script.h). */
    bool (*script)(struct fake *f, const struct dns_msg *q, struct buf *out);
    const void *script_rows;
    bool last_do, last_cd; /* of the last query */
    unsigned n_udp, n_a, n_aaaa, n_tcp;
    uint16_t ports[64]; /* of the last queries */
    uint16_t ids[64];
};

struct rig {
    struct io_loop loop;
    struct conf conf;
    struct addr servers[4], aws[2];
    struct cidr allow[1];
    struct conf_dns_route routes[4];
    struct conf_addrs groups[4];
    struct fake fakes[4];
    struct dns_shared *shared;
    struct dns_engine *engine;
    struct io_timer guard;
    bool is_late;
    unsigned n_decisions, n_events;
    enum dns_event_kind events[32];
};

struct want {
    struct rig *rig;
    struct dns_resolve r;
    bool is_done, stops;
    uint64_t start_ms, took_ms;
};

static inline void fake_write(struct buf *out, const struct fake *f, const struct dns_msg *q,
                              enum mode mode, const char *ips, const char *alias)
{
    struct dns_writer w;
    unsigned rcode = mode == FAKE_NXDOMAIN                                 ? DNS_NXDOMAIN
                     : mode == FAKE_SERVFAIL                               ? DNS_SERVFAIL
                     : mode == FAKE_REFUSED || mode == FAKE_REFUSED_HEADER ? DNS_REFUSED
                     : mode == FAKE_NO_EDNS && q->edns.is_present          ? DNS_FORMERR
                                                                           : DNS_NOERROR;
    struct dns_reply_flags flags = {
        .id = q->id,
        .rcode = (uint16_t)rcode,
        .recursion_desired = true,
        .recursion_available = mode != FAKE_LAME,
    };
    dns_write_begin(&w, out, 4096, flags, mode == FAKE_REFUSED_HEADER ? NULL : &q->question);
    if (rcode == DNS_NOERROR && mode == FAKE_CNAME) {
        struct dns_name to;
        assert_true(dns_name_parse(str_from_c(alias), &to));
        dns_write_rr(&w, DNS_ANSWER, &q->question.name, DNS_CNAME, DNS_CLASS_IN, f->ttl_s,
                     str_of((const char *)to.wire, to.n));
    } else if (rcode == DNS_NOERROR && mode == FAKE_LAME) {
        struct dns_name com;
        assert_true(dns_name_parse(STR("com"), &com));
        dns_write_rr(&w, DNS_AUTHORITY, &com, DNS_NS, DNS_CLASS_IN, f->ttl_s, STR("\1a\3com\0"));
    } else if (rcode == DNS_NOERROR && mode != FAKE_NODATA) {
        struct str rest = str_from_c(ips), one;
        while (str_next(&rest, ',', &one)) {
            struct addr a;
            size_t n;
            assert_true(addr_parse_ip(one, &a));
            uint16_t type = addr_family(&a) == AF_INET ? DNS_A : DNS_AAAA;
            if (type != q->question.type)
                continue;
            const uint8_t *ip = addr_bytes(&a, &n);
            dns_write_rr(&w, DNS_ANSWER, &q->question.name, type, DNS_CLASS_IN, f->ttl_s,
                         str_of((const char *)ip, n));
        }
    }
    dns_write_end(&w);
}

static inline void fake_answer(struct fake *f, const struct dns_msg *q, struct buf *out,
                               bool by_tcp, int fd, const struct addr *to)
{
    enum mode mode = f->mode;
    const char *ip = f->ip, *alias = f->alias;
    char text[DNS_NAME_TEXT_BYTES];
    if (f->script != NULL && f->script(f, q, out))
        return;
    dns_name_text(&q->question.name, text);
    for (unsigned i = 0; i < FAKE_MAX_RULES; i++)
        if (f->rules[i].name != NULL && strcasecmp(f->rules[i].name, text) == 0) {
            mode = f->rules[i].mode;
            ip = f->rules[i].ip;
            alias = f->rules[i].alias;
            break;
        }
    if (mode == FAKE_SILENT)
        return;
    if (mode == FAKE_WRONG_FIRST && !by_tcp) {
        struct dns_msg wrong = *q;
        struct buf junk;
        buf_init(&junk, 4096);
        wrong.id = (uint16_t)(q->id + 1);
        fake_write(&junk, f, &wrong, FAKE_OK, "127.6.6.6", NULL);
        sendto(fd, junk.p, junk.n, 0, &to->sa, addr_len(to));
        buf_clear(&junk);
        wrong.id = q->id;
        assert_true(dns_name_parse(STR("evil.test"), &wrong.question.name));
        fake_write(&junk, f, &wrong, FAKE_OK, "127.6.6.6", NULL);
        sendto(fd, junk.p, junk.n, 0, &to->sa, addr_len(to));
        sendto(fd, q->wire.p, q->wire.n, 0, &to->sa, addr_len(to));
        sendto(fd, "x", 1, 0, &to->sa, addr_len(to));
        buf_done(&junk);
    }
    fake_write(out, f, q, mode, ip, alias);
    if (mode == FAKE_TRUNCATED && !by_tcp)
        out->p[2] = (char)(out->p[2] | 2);
}

static inline void fake_on_udp(uv_poll_t *poll, int status, int events)
{
    struct fake *f = poll->data;
    char p[2048];
    struct addr from;
    socklen_t from_n = sizeof from;
    ssize_t n;
    while ((n = recvfrom(f->fd, p, sizeof p, 0, &from.sa, &from_n)) > 0) {
        struct dns_msg q;
        struct buf out;
        assert_int_equal(dns_msg_parse(str_of(p, (size_t)n), &q), DNS_PARSE_OK);
        f->ports[f->n_udp % 64] = addr_port(&from);
        f->ids[f->n_udp % 64] = q.id;
        f->n_udp++;
        f->n_a += q.question.type == DNS_A;
        f->n_aaaa += q.question.type == DNS_AAAA;
        f->last_do = q.edns.dnssec_ok;
        f->last_cd = q.checking_disabled;
        buf_init(&out, 4096);
        if (f->on_query != NULL)
            f->on_query(f, &q, &from);
        else
            fake_answer(f, &q, &out, false, f->fd, &from);
        if (out.n > 0)
            sendto(f->fd, out.p, out.n, 0, &from.sa, addr_len(&from));
        buf_done(&out);
        from_n = sizeof from;
    }
}

/* One connection: a question and its answer. */
struct fake_tcp {
    struct fake *f;
    size_t n;
    uint8_t p[2048];
};

static inline void fake_on_tcp_ready(struct io_stream *s, unsigned events)
{
    struct fake_tcp *t = s->owner;
    struct fault fault = { 0 };
    struct dns_msg q;
    struct addr none = { 0 };
    struct buf out;
    size_t n = 0;
    enum io_result r = io_stream_read(s, t->p + t->n, sizeof t->p - t->n, &n, &fault);
    t->n += n;
    if (r == IO_OK && (t->n < 2 || t->n < 2u + (t->p[0] << 8 | t->p[1])))
        return;
    if (r == IO_AGAIN)
        return;
    buf_init(&out, 4096);
    if (r == IO_OK && dns_msg_parse(str_of((char *)t->p + 2, t->n - 2), &q) == DNS_PARSE_OK) {
        fake_answer(t->f, &q, &out, true, -1, &none);
        uint8_t len[2] = { (uint8_t)(out.n >> 8), (uint8_t)out.n };
        /* In pieces, as TCP may. */
        assert_int_equal(send(s->fd, len, 1, MSG_NOSIGNAL), 1);
        assert_int_equal(send(s->fd, len + 1, 1, MSG_NOSIGNAL), 1);
        assert_int_equal(send(s->fd, out.p, out.n, MSG_NOSIGNAL), (ssize_t)out.n);
    }
    buf_done(&out);
    io_stream_close(s);
    free(t);
}

static inline void fake_on_tcp(struct io_listener *l, int fd, const struct addr *peer)
{
    struct fake *f = l->owner;
    struct fake_tcp *t = calloc(1, sizeof *t);
    struct io_stream *s = io_stream_new(l->loop, fd);
    f->n_tcp++;
    t->f = f;
    s->owner = t;
    s->on_ready = fake_on_tcp_ready;
    io_stream_want(s, IO_READ);
}

static inline void fake_open(struct fake *f, struct io_loop *loop, uint16_t port)
{
    struct fault fault = { 0 };
    bool is_bound = false;
    f->loop = loop;
    f->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    /* The port that is free for TCP may be somebody's for UDP: then another one. */
    for (unsigned i = 0; !is_bound && i < 20; i++) {
        f->tcp = (struct io_listener){ .owner = f, .on_accept = fake_on_tcp };
        assert_true(addr_parse(STR("127.0.0.1"), port, &f->addr));
        assert_true(io_listener_open(&f->tcp, loop, &f->addr, false, &fault));
        f->addr = f->tcp.local;
        is_bound = bind(f->fd, &f->addr.sa, addr_len(&f->addr)) == 0;
        if (!is_bound)
            io_listener_close(&f->tcp);
    }
    assert_true(is_bound);
    f->poll = calloc(1, sizeof *f->poll);
    assert_int_equal(uv_poll_init(&loop->uv, f->poll, f->fd), 0);
    f->poll->data = f;
    uv_poll_start(f->poll, UV_READABLE, fake_on_udp);
}

/* Nobody there any more: the port answers with ICMP. */
static inline void fake_close(struct fake *f)
{
    if (f->poll == NULL)
        return;
    uv_poll_stop(f->poll);
    io_close_and_free(f->poll);
    f->poll = NULL;
    close(f->fd);
    io_listener_close(&f->tcp);
}

static inline void rig_on_guard(struct io_timer *t)
{
    struct rig *g = LIST_ENTRY(t, struct rig, guard);
    g->is_late = true;
    io_loop_stop(&g->loop);
}

static inline void rig_on_decision(void *arg, const struct dns_explain *x)
{
    ((struct rig *)arg)->n_decisions++;
}

static inline void rig_on_event(void *arg, const struct dns_event *event)
{
    struct rig *g = arg;
    if (g->n_events < 32)
        g->events[g->n_events] = event->kind;
    g->n_events++;
}

static inline unsigned rig_events(const struct rig *g, enum dns_event_kind kind)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->n_events && i < 32; i++)
        n += g->events[i] == kind;
    return n;
}

/* n_system of the fakes are the system group, the next n_aws the VPC group. Call rig_go afterwards.
 */
static inline void rig_init(struct rig *g, unsigned n_system, unsigned n_aws)
{
    memset(g, 0, sizeof *g);
    g->guard.on_fire = rig_on_guard;
    assert_true(io_loop_init(&g->loop));
    for (unsigned i = 0; i < n_system + n_aws; i++) {
        struct fake *f = &g->fakes[i];
        f->mode = FAKE_OK;
        f->ttl_s = 60;
        f->ip = "127.0.0.10";
        fake_open(f, &g->loop, 0);
        if (i < n_system)
            g->servers[i] = f->addr;
        else
            g->aws[i - n_system] = f->addr;
    }
    assert_true(cidr_parse(STR("127.0.0.0/8"), &g->allow[0]));
    g->conf.dns_servers.v = g->servers;
    g->conf.dns_servers.n = n_system;
    g->conf.dns_aws_servers.v = g->aws;
    g->conf.dns_aws_servers.n = n_aws;
    g->conf.dns_aws_allowed = n_aws > 0;
    g->conf.allow_addresses.v = g->allow;
    g->conf.allow_addresses.n = 1;
    g->conf.registry.host = STR("registry.stack");
}

static inline void rig_go(struct rig *g)
{
    struct fault f = { 0 };
    g->shared = dns_shared_new(&g->conf, &f);
    assert_non_null(g->shared);
    g->engine = dns_engine_new(&g->loop, g->shared, &f);
    assert_non_null(g->engine);
    g->engine->is_ipv6_fixed = true;
    dns_engine_on_decision(g->engine, rig_on_decision, g);
    dns_engine_on_event(g->engine, rig_on_event, g);
}

static inline void rig_done(struct rig *g)
{
    for (unsigned i = 0; i < 4; i++)
        fake_close(&g->fakes[i]);
    dns_engine_free(g->engine);
    dns_shared_free(g->shared);
    io_loop_done(&g->loop);
}

static inline void rig_run_for(struct rig *g, unsigned ms)
{
    g->is_late = false;
    io_timer_arm(&g->loop, &g->guard, ms);
    io_loop_run(&g->loop);
    io_timer_disarm(&g->loop, &g->guard);
}

static inline void want_on_done(struct dns_resolve *r)
{
    struct want *w = r->owner;
    assert_false(w->is_done);
    w->is_done = true;
    w->took_ms = io_now_us() / 1000 - w->start_ms;
    if (w->stops)
        io_loop_stop(&w->rig->loop);
}

static inline void want_wait(struct want *w)
{
    w->stops = true;
    if (!w->is_done)
        rig_run_for(w->rig, 10000);
    assert_true(w->is_done);
}

static inline void want_start(struct want *w, struct rig *g, const char *host, uint16_t port,
                              enum dns_policy policy)
{
    memset(w, 0, sizeof *w);
    w->rig = g;
    w->r.owner = w;
    w->r.on_done = want_on_done;
    w->start_ms = io_now_us() / 1000;
    uv_update_time(&g->loop.uv);
    dns_resolve_start(&w->r, g->engine, str_from_c(host), port, policy);
    assert_false(w->is_done);
}

static inline void want_next(struct want *w)
{
    w->is_done = false;
    w->start_ms = io_now_us() / 1000;
    dns_resolve_next(&w->r);
    assert_false(w->is_done);
    want_wait(w);
}

/* Resolves and waits. */
static inline void want(struct want *w, struct rig *g, const char *host)
{
    want_start(w, g, host, 443, DNS_POLICY_S3);
    want_wait(w);
}

static inline const char *want_ip(const struct want *w)
{
    static char text[ADDR_TEXT_BYTES];
    return w->r.n_addrs > 0 ? addr_ip_text(&w->r.addrs[0], text) : w->r.fault.detail;
}
