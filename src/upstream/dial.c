#include "upstream/dial.h"
#include "codec/s3_host.h"
#include "obs/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void dial_go_on(struct dial *d);

static struct io_loop *loop_of(const struct dial *d)
{
    return d->pool->up->loop;
}

static uint32_t us_since(uint64_t from_us, uint64_t to_us)
{
    uint64_t us = to_us > from_us ? to_us - from_us : 0;
    return us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* ---- the end ---- */

static void attempt_end(struct dial_attempt *a)
{
    if (!a->stream)
        return;
    io_timer_disarm(loop_of(a->dial), &a->timer);
    io_stream_close(a->stream);
    a->stream = NULL;
    a->dial->n_attempts--;
}

/* Everything but the resolve, whose explanation is still wanted. */
static void dial_stop(struct dial *d)
{
    if (d->is_done)
        return;
    d->is_done = true;
    for (unsigned i = 0; i < DIAL_PARALLEL; i++)
        attempt_end(&d->attempts[i]);
    io_timer_disarm(loop_of(d), &d->total);
    io_timer_disarm(loop_of(d), &d->stagger);
    d->pool->n_refs--;
    d->pool->up->counts.n_dialling--;
}

static void dial_failed(struct dial *d)
{
    char dns[FAULT_DETAIL_BYTES / 2] = "";
    dns_resolve_cancel(&d->resolve);
    if (!fault_is_set(&d->best)) {
        d->fault = d->resolve.fault;
        fault_set(&d->fault, FAULT_DNS_FAILED, "resolve", NULL);
    } else {
        dns_explain_text(&d->resolve.explain, dns, sizeof dns);
        fault_set(&d->fault, d->best.kind, d->best.step, "%s%s%s", d->best.detail,
                  dns[0] ? "; DNS: " : "", dns);
        d->fault.sys_errno = d->best.sys_errno;
    }
    dial_stop(d);
    d->on_done(d);
}

static void dial_won(struct dial *d, struct dial_attempt *a)
{
    enum { OVERTAKEN_US = DIAL_STAGGER_MS * 900 }; /* nearly a whole stagger later than another */
    uint64_t now_us = io_now_us();
    struct connection *c = connection_new(d->pool, a->stream, &a->addr);
    if (!c) {
        fault_set(&d->best, FAULT_NO_MEMORY, "connect", NULL);
        dial_failed(d);
        return;
    }
    metric_add(METRIC_UPSTREAM_CONNECTED, 1);
    d->conn = c;
    d->connect_us = us_since(a->started_us, a->connected_us);
    d->tls_us = c->stream->ssl ? us_since(a->connected_us, now_us) : 0;
    io_timer_disarm(loop_of(d), &a->timer);
    a->stream = NULL;
    d->n_attempts--;
    addr_book_worked(&d->pool->book, &a->addr);
    for (unsigned i = 0; i < DIAL_PARALLEL; i++) {
        struct dial_attempt *other = &d->attempts[i];
        if (other->stream && other->started_us + OVERTAKEN_US < a->started_us)
            addr_book_slow(&d->pool->book, &other->addr, io_now_ms(loop_of(d)));
    }
    bool is_of_answer = false;
    for (unsigned i = 0; i < d->resolve.n_addrs; i++)
        is_of_answer = is_of_answer || addr_eq(&d->resolve.addrs[i], &a->addr);
    if (is_of_answer)
        dns_resolve_succeeded(&d->resolve);
    else
        dns_resolve_cancel(&d->resolve);
    dial_stop(d);
    d->on_done(d);
}

/* ---- one address ---- */

/* Which of several addresses' faults is told: the one that says most about what is wrong. */
static unsigned fault_rank(enum fault_kind k)
{
    static const enum fault_kind ranks[] = {
        FAULT_CONNECT_FAILED, FAULT_CONNECT_UNREACHABLE, FAULT_SYSTEM,
        FAULT_NO_MEMORY,      FAULT_CONNECT_REFUSED,     FAULT_CONNECT_TIMEOUT,
        FAULT_TLS_TIMEOUT,    FAULT_TLS_FAILED,          FAULT_TLS_UNTRUSTED,
        FAULT_TLS_NAME,
    };
    for (unsigned i = 0; i < sizeof ranks / sizeof ranks[0]; i++) {
        if (ranks[i] == k)
            return i + 1;
    }
    return 0;
}

static enum fault_kind connect_kind(int sys_errno)
{
    switch (sys_errno) {
    case ECONNREFUSED:
        return FAULT_CONNECT_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return FAULT_CONNECT_UNREACHABLE;
    case ETIMEDOUT:
        return FAULT_CONNECT_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return FAULT_SYSTEM;
    default:
        return FAULT_CONNECT_FAILED;
    }
}

static const char *name_hint(const struct dial *d, enum fault_kind kind)
{
    struct s3_host h;
    if (kind == FAULT_TLS_NAME && d->pool->policy == DNS_POLICY_S3 &&
        s3_host_parse(pool_name(d->pool), &h) && h.bucket_has_dot)
        return "; a wildcard certificate cannot match a bucket name with dots: put the bucket in "
               "the path";
    return "";
}

/* The address failed with f, or would have; keeps what tells most. */
static void dial_note(struct dial *d, const struct addr *a, const struct fault *f)
{
    char text[ADDR_TEXT_BYTES];
    if (f->kind != FAULT_SYSTEM && f->kind != FAULT_NO_MEMORY) {
        struct upstream_board_key key = pool_board_key(d->pool, a);
        upstream_board_failed(d->pool->up->board, &key, io_now_us() / 1000);
        pool_addr_failed(d->pool, a);
    }
    if (fault_is_set(&d->best) && fault_rank(f->kind) <= fault_rank(d->best.kind))
        return;
    fault_clear(&d->best);
    fault_set(&d->best, f->kind, f->step, "%s%s%s%s", addr_text(a, text), f->detail[0] ? " " : "",
              f->detail, name_hint(d, f->kind));
    d->best.sys_errno = f->sys_errno;
}

static void attempt_failed(struct dial_attempt *a, const struct fault *f)
{
    struct dial *d = a->dial;
    attempt_end(a);
    metric_add(METRIC_UPSTREAM_CONNECT_FAILED, 1);
    dial_note(d, &a->addr, f);
    dial_go_on(d);
}

static void on_handshake(struct io_stream *s, unsigned events)
{
    struct dial_attempt *a = s->owner;
    struct fault f = { 0 };
    switch (io_stream_handshake(s, &f)) {
    case IO_OK:
        dial_won(a->dial, a);
        return;
    case IO_AGAIN:
        return;
    default:
        fault_set(&f, FAULT_TLS_FAILED, "handshake", NULL);
        attempt_failed(a, &f);
    }
}

static void on_connected(struct io_stream *s, unsigned events)
{
    struct dial_attempt *a = s->owner;
    struct dial *d = a->dial;
    struct upstream *u = d->pool->up;
    struct fault f = { 0 };
    int e = io_connect_result(s);
    if (e != 0) {
        fault_sys(&f, connect_kind(e), "connect", e);
        attempt_failed(a, &f);
        return;
    }
    a->connected_us = io_now_us();
    if (d->pool->scheme == CONF_HTTP) {
        dial_won(d, a);
        return;
    }
    if (!io_stream_start_tls(s, u->tls, pool_name(d->pool), d->pool->port, &f)) {
        attempt_failed(a, &f);
        return;
    }
    io_timer_arm(u->loop, &a->timer, u->conf->tls_timeout_ms);
    if (io_timer_is_armed(&d->stagger))
        io_timer_arm(u->loop, &d->stagger, DIAL_TLS_STAGGER_MS);
    s->on_ready = on_handshake;
    on_handshake(s, IO_WRITE);
}

static void on_attempt_timeout(struct io_timer *t)
{
    struct dial_attempt *a = LIST_ENTRY(t, struct dial_attempt, timer);
    struct fault f = { 0 };
    if (a->connected_us)
        fault_set(&f, FAULT_TLS_TIMEOUT, "handshake", "no end of the handshake in time");
    else
        fault_set(&f, FAULT_CONNECT_TIMEOUT, "connect", "no reply");
    attempt_failed(a, &f);
}

/* False when it failed at once; *f says how. */
static bool attempt_start(struct dial *d, struct dial_attempt *a, const struct addr *to,
                          struct fault *f)
{
    int e = 0;
    int fd = io_connect(to, &e);
    if (fd < 0 && (e == EMFILE || e == ENFILE) && pool_spare_one(d->pool->up))
        fd = io_connect(to, &e);
    if (fd < 0)
        return fault_sys(f, connect_kind(e), "connect", e);
    a->stream = io_stream_new(loop_of(d), fd);
    if (!a->stream) {
        close(fd);
        return fault_set(f, FAULT_NO_MEMORY, "connect", NULL);
    }
    a->dial = d;
    a->addr = *to;
    a->started_us = io_now_us();
    a->connected_us = 0;
    a->timer.on_fire = on_attempt_timeout;
    io_timer_arm(loop_of(d), &a->timer, d->pool->up->conf->connect_timeout_ms);
    a->stream->owner = a;
    a->stream->on_ready = on_connected;
    io_stream_want(a->stream, IO_WRITE);
    d->n_attempts++;
    return true;
}

/* ---- the race ---- */

static bool may_start(const struct dial *d)
{
    return d->next < d->n_queue && d->n_attempts < DIAL_PARALLEL &&
           (d->is_last_group || io_now_ms(loop_of(d)) - d->group_ms < DIAL_GROUP_MS);
}

/* Starts the next address, or, when all have failed, asks for the next group. */
static void dial_go_on(struct dial *d)
{
    while (may_start(d)) {
        struct dial_attempt *a = d->attempts;
        while (a->stream)
            a++;
        struct fault f = { 0 };
        const struct addr *to = &d->queue[d->next++];
        if (attempt_start(d, a, to, &f)) {
            io_timer_arm(loop_of(d), &d->stagger, DIAL_STAGGER_MS);
            return;
        }
        metric_add(METRIC_UPSTREAM_CONNECT_FAILED, 1);
        dial_note(d, to, &f);
    }
    if (d->n_attempts > 0)
        return;
    if (d->is_last_group || d->is_resolving) {
        dial_failed(d);
        return;
    }
    io_timer_disarm(loop_of(d), &d->stagger);
    d->is_resolving = true;
    d->resolving_us = io_now_us();
    dns_resolve_next(&d->resolve);
}

static void on_stagger(struct io_timer *t)
{
    struct dial *d = LIST_ENTRY(t, struct dial, stagger);
    if (may_start(d))
        dial_go_on(d);
}

static void queue_answer(struct dial *d)
{
    struct dns_resolve *r = &d->resolve;
    unsigned kept = 0;
    pool_answered(d->pool, r->addrs, r->n_addrs, r->expires_ms);
    d->next = 0;
    d->n_queue = addr_book_order(&d->pool->book, r->addrs, r->n_addrs, io_now_ms(loop_of(d)),
                                 d->queue, DIAL_QUEUE);
    for (unsigned i = 0; i < d->n_queue; i++) {
        if (addr_family(&d->avoid) == 0 || !addr_eq(&d->queue[i], &d->avoid))
            d->queue[kept++] = d->queue[i];
    }
    d->n_queue = kept;
    /* The address to avoid did connect: no reason to tell the resolver that its group did not. */
    d->is_last_group = kept < r->n_addrs;
}

static void on_resolved(struct dns_resolve *r)
{
    struct dial *d = r->owner;
    d->dns_us += us_since(d->resolving_us, io_now_us());
    d->is_resolving = false;
    d->group_ms = io_now_ms(loop_of(d));
    if (r->n_addrs > 0) {
        queue_answer(d);
    } else {
        /* No further group: there is time for the addresses that were left aside. */
        addr_book_negative(&d->pool->book);
        d->is_last_group = true;
    }
    dial_go_on(d);
}

static void on_total(struct io_timer *t)
{
    struct dial *d = LIST_ENTRY(t, struct dial, total);
    const struct dial_attempt *in_tls = NULL, *any = NULL;
    for (unsigned i = 0; i < DIAL_PARALLEL; i++) {
        const struct dial_attempt *a = &d->attempts[i];
        if (a->stream && a->connected_us)
            in_tls = a;
        if (a->stream)
            any = a;
    }
    struct fault f = { 0 };
    metric_add(METRIC_UPSTREAM_CONNECT_FAILED, d->n_attempts);
    if (in_tls)
        fault_set(&f, FAULT_TLS_TIMEOUT, "handshake", "no end of the handshake in time");
    else if (any)
        fault_set(&f, FAULT_CONNECT_TIMEOUT, "connect", "no reply");
    if (any)
        dial_note(d, in_tls ? &in_tls->addr : &any->addr, &f);
    else
        fault_set(&d->best, FAULT_DNS_TIMEOUT, "resolve", NULL);
    dial_failed(d);
}

struct dial *dial_new(struct pool *p, const struct addr *avoid, void *owner,
                      void (*on_done)(struct dial *d))
{
    struct dial *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->owner = owner;
    d->on_done = on_done;
    d->pool = p;
    if (avoid)
        d->avoid = *avoid;
    d->total.on_fire = on_total;
    d->stagger.on_fire = on_stagger;
    d->is_resolving = true;
    d->resolving_us = io_now_us();
    d->resolve.owner = d;
    d->resolve.on_done = on_resolved;
    p->n_refs++;
    p->up->counts.n_dialling++;
    io_timer_arm(p->up->loop, &d->total, p->up->conf->connect_total_ms);
    dns_resolve_start(&d->resolve, p->up->dns, pool_name(p), p->port, p->policy);
    return d;
}

void dial_free(struct dial *d)
{
    if (!d)
        return;
    if (!d->is_done)
        dns_resolve_cancel(&d->resolve);
    dial_stop(d);
    io_free_later(loop_of(d), d);
}
