#include "upstream/exchange_impl.h"
#include "obs/metrics.h"
#include "upstream/dial.h"

/* A body that cannot be held for a retry goes only where S3's idle timeout (about 5 s) is far. */
enum { FRESH_ENOUGH_MS = 1000 };

static bool has_body(const struct exchange *x)
{
    const struct exchange_request *r = &x->request;
    return r->framing == HTTP_CHUNKED || (r->framing == HTTP_LENGTH && r->content_length > 0);
}

static bool may_hold_body(const struct exchange *x)
{
    return x->request.framing == HTTP_CHUNKED || x->request.content_length <= EXCHANGE_HELD_BYTES;
}

bool exchange_tell(struct exchange *x, enum exchange_event e)
{
    struct connection *c = x->conn;
    uint32_t id = c ? c->lease_id : 0;
    x->on_event(x, e);
    return c && c->lease_id == id;
}

void exchange_set_wants(struct exchange *x)
{
    connection_want(x->conn, (x->is_paused ? 0u : IO_READ) | (x->is_blocked ? IO_WRITE : 0u));
}

/* ---- connecting ---- */

static void attach(struct exchange *x, struct connection *c, bool is_reused)
{
    connection_lease(c, x);
    x->conn = c;
    x->state = EXCHANGE_AWAITS_HEAD;
    x->addr = c->addr;
    x->is_reused = is_reused;
    x->is_resumed = !is_reused && c->is_resumed;
    x->has_bytes = false;
    x->scanned = 0;
    x->is_paused = false;
    bool may_retry = is_reused || (x->request.is_idempotent && !x->is_elsewhere);
    if (has_body(x) && !(may_retry && may_hold_body(x)))
        x->holds_all = false;
}

void exchange_fail_later(struct exchange *x, enum fault_kind kind, const char *step)
{
    fault_set(&x->fault, kind, step, NULL);
    x->state = EXCHANGE_BROKEN;
    x->has_news = true;
    if (!x->conn) {
        dial_free(x->dial);
        x->dial = NULL;
    }
    io_defer(x->up->loop, &x->later);
}

static void on_dialled(struct dial *d)
{
    struct exchange *x = d->owner;
    x->timing.dns_us = d->dns_us;
    x->timing.connect_us = d->connect_us;
    x->timing.tls_us = d->tls_us;
    x->explain = &d->resolve.explain;
    if (!d->conn) {
        /* On the way to another address, the fault that sent it there tells more. */
        if (!fault_is_set(&x->fault))
            x->fault = d->fault;
        x->state = EXCHANGE_BROKEN;
        exchange_tell(x, EXCHANGE_FAILED);
        return;
    }
    fault_clear(&x->fault);
    attach(x, d->conn, false);
    exchange_on_writable(x);
}

static void dial_start(struct exchange *x, const struct addr *avoid)
{
    dial_free(x->dial);
    x->explain = NULL;
    x->state = EXCHANGE_DIALLING;
    x->dial = dial_new(x->pool, avoid, x, on_dialled);
    if (!x->dial)
        exchange_fail_later(x, FAULT_NO_MEMORY, "connect");
}

static void on_later(struct io_task *t)
{
    struct exchange *x = LIST_ENTRY(t, struct exchange, later);
    if (x->has_news)
        exchange_tell(x, EXCHANGE_FAILED);
    else if (x->state == EXCHANGE_AWAITS_HEAD && x->is_send_dead)
        exchange_on_readable(x);
    else if (x->conn && x->state != EXCHANGE_BROKEN && !x->is_blocked)
        exchange_flush(x);
}

static void reset(struct exchange *x, struct upstream *u, const struct exchange_request *request)
{
    fault_clear(&x->fault);
    x->timing = (struct exchange_timing){ .started_us = io_now_us() };
    x->addr = (struct addr){ 0 };
    x->explain = NULL;
    x->received_bytes = x->sent_bytes = 0;
    x->n_retries = 0;
    x->is_reused = x->is_resumed = x->is_request_sent = false;
    x->up = u;
    x->conn = NULL;
    x->dial = NULL;
    x->request = *request;
    if (x->request.head_timeout_ms == 0)
        x->request.head_timeout_ms = u->conf->upstream_head_timeout_ms;
    if (x->request.body_timeout_ms == 0)
        x->request.body_timeout_ms = u->conf->body_timeout_ms;
    x->later = (struct io_task){ .on_run = on_later };
    x->held = (struct io_block){ 0 };
    buf_init(&x->tail, HTTP_TRAILER_BYTES + 16);
    exchange_send_rewind(x);
    x->holds_all = true;
    x->has_chunks = x->wants_room = x->has_news = false;
    x->is_body_given = !has_body(x) && request->framing != HTTP_CHUNKED;
    http1_body_init(&x->body, HTTP_NO_BODY, 0);
    x->data = (struct str){ 0 };
    x->head_end = 0;
    x->n_interim = 0;
    x->has_bytes = x->wants_body = x->is_paused = x->is_body_ended = x->is_elsewhere = false;
}

void exchange_start(struct exchange *x, struct upstream *u, const struct exchange_request *request)
{
    reset(x, u, request);
    x->pool = pool_get(u, &request->origin);
    if (!x->pool) {
        exchange_fail_later(x, FAULT_NO_MEMORY, "connect");
        return;
    }
    uint64_t max_idle_ms = u->conf->upstream_idle_ms;
    if (!may_hold_body(x) && max_idle_ms > FRESH_ENOUGH_MS)
        max_idle_ms = FRESH_ENOUGH_MS;
    struct connection *c = pool_lease(x->pool, max_idle_ms);
    if (!c) {
        dial_start(x, NULL);
        return;
    }
    metric_add(METRIC_UPSTREAM_REUSED, 1);
    attach(x, c, true);
    if (x->is_body_given)
        exchange_flush(x);
    else
        io_defer(u->loop, &x->later); /* the body's first bytes may still come in this turn */
}

/* ---- failing ---- */

/* docs/PROXY.md, "When connections fail": when is it right to send the request again, on which
 * connection? */
static bool may_retry(const struct exchange *x, const struct fault *f)
{
    bool is_lost = f->kind == FAULT_UPSTREAM_CLOSED || f->kind == FAULT_UPSTREAM_RESET ||
                   f->kind == FAULT_TLS_FAILED;
    if (x->state != EXCHANGE_AWAITS_HEAD || x->has_bytes || !x->holds_all || !is_lost)
        return false;
    return x->is_reused || (x->request.is_idempotent && !x->is_elsewhere);
}

void exchange_break(struct exchange *x, const struct fault *f)
{
    if (!may_retry(x, f)) {
        fault_clear(&x->fault);
        x->fault = *f;
        x->state = EXCHANGE_BROKEN;
        x->is_paused = true;
        x->is_blocked = false;
        exchange_set_wants(x);
        exchange_tell(x, EXCHANGE_FAILED);
        return;
    }
    struct addr avoid = x->addr;
    bool is_elsewhere = !x->is_reused;
    if (is_elsewhere) {
        x->is_elsewhere = true;
        x->fault = *f;
        addr_book_slow(&x->pool->book, &x->addr, io_now_ms(x->up->loop));
    }
    connection_close(x->conn);
    x->conn = NULL;
    x->n_retries++;
    metric_add(METRIC_UPSTREAM_RETRIES, 1);
    exchange_send_rewind(x);
    dial_start(x, is_elsewhere ? &avoid : NULL);
}

static uint64_t head_left_ms(const struct exchange *x)
{
    uint64_t waited_ms = (io_now_us() - x->timing.sent_us) / 1000;
    return waited_ms < x->request.head_timeout_ms ? x->request.head_timeout_ms - waited_ms : 0;
}

/* On the way to the deadline the connection is looked at, as often as it takes to give up an
 * address that does not answer. */
void exchange_await_head(struct exchange *x)
{
    uint64_t left_ms = head_left_ms(x), look_ms = x->up->conf->connect_timeout_ms;
    connection_arm(x->conn, left_ms < look_ms ? left_ms : look_ms);
}

/* A host that vanished says nothing, not even that the connection is gone. */
static bool is_peer_gone(const struct exchange *x, struct fault *f)
{
    uint64_t most_ms = x->up->conf->connect_timeout_ms;
    if (io_stream_unheard_ms(x->conn->stream) < most_ms)
        return false;
    pool_addr_failed(x->pool, &x->addr);
    fault_set(f, FAULT_UPSTREAM_RESET, "head", "nothing was acknowledged within %llu ms",
              (unsigned long long)most_ms);
    return true;
}

void exchange_on_deadline(struct exchange *x)
{
    struct fault f = { 0 };
    bool awaits_head = x->state == EXCHANGE_AWAITS_HEAD && x->is_request_sent;
    if (awaits_head && head_left_ms(x) > 0 && !is_peer_gone(x, &f)) {
        exchange_await_head(x);
        return;
    }
    if (awaits_head)
        fault_set(&f, FAULT_UPSTREAM_HEAD_TIMEOUT, "head", "no response head within %llu ms",
                  (unsigned long long)x->request.head_timeout_ms);
    else if (x->is_blocked)
        fault_set(&f, FAULT_UPSTREAM_STALLED, "send", "the origin takes no more of the request");
    else if (x->state == EXCHANGE_HAS_HEAD && x->wants_body)
        fault_set(&f, FAULT_UPSTREAM_STALLED, "read", "the origin sends no more of the response");
    else
        return; /* armed by an earlier lease, or for a wait that is over */
    exchange_break(x, &f);
}

void exchange_on_ready(struct exchange *x, unsigned events)
{
    struct connection *c = x->conn;
    uint32_t id = c->lease_id;
    if ((events & IO_READ) != 0)
        exchange_on_readable(x);
    if ((events & IO_WRITE) != 0 && c->lease_id == id && x->is_blocked)
        exchange_on_writable(x);
}

/* ---- the end ---- */

static void end(struct exchange *x, bool may_keep)
{
    if (x->state == EXCHANGE_IDLE)
        return;
    struct connection *c = x->conn;
    bool is_good = may_keep && x->state == EXCHANGE_HAS_HEAD && x->is_request_sent &&
                   !x->is_send_dead && x->head.keep_alive && exchange_recv_is_whole(x);
    metric_add(METRIC_UPSTREAM_BYTES_IN, x->received_bytes);
    metric_add(METRIC_UPSTREAM_BYTES_OUT, x->sent_bytes);
    x->state = EXCHANGE_IDLE;
    x->conn = NULL;
    io_defer_cancel(&x->later);
    exchange_send_done(x);
    http1_body_done(&x->body);
    if (x->dial) {
        dial_free(x->dial);
        x->dial = NULL;
        x->explain = NULL;
    }
    if (c && is_good)
        pool_release(c);
    else if (c)
        connection_close(c);
}

void exchange_finish(struct exchange *x)
{
    end(x, true);
}

void exchange_cancel(struct exchange *x)
{
    end(x, false);
}
