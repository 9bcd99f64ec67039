#include "upstream/connection.h"
#include "obs/metrics.h"
#include "upstream/exchange_impl.h"
#include "upstream/pool.h"

#include <stdlib.h>

static void on_ready(struct io_stream *s, unsigned events)
{
    struct connection *c = s->owner;
    if (c->x)
        exchange_on_ready(c->x, events);
    else
        pool_on_idle_readable(c);
}

static void on_deadline(struct io_timer *t)
{
    struct connection *c = LIST_ENTRY(t, struct connection, timer);
    if (c->x)
        exchange_on_deadline(c->x);
}

struct connection *connection_new(struct pool *p, struct io_stream *s, const struct addr *addr)
{
    struct connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->pool = p;
    c->stream = s;
    c->addr = *addr;
    c->timer.on_fire = on_deadline;
    c->born_ms = io_now_ms(p->up->loop);
    c->epoch = p->epoch;
    c->is_resumed = s->ssl && SSL_session_reused(s->ssl);
    list_init(&c->pool_node);
    list_init(&c->idle_node);
    s->owner = c;
    s->on_ready = on_ready;
    c->wants = IO_READ;
    io_stream_want(s, IO_READ);
    struct upstream_board_key key = pool_board_key(p, &c->addr);
    c->row = upstream_board_opened(p->up->board, &key, io_now_us() / 1000);
    p->n_refs++;
    metric_add(METRIC_UPSTREAM_OPEN, 1);
    if (c->is_resumed)
        metric_add(METRIC_UPSTREAM_TLS_RESUMED, 1);
    return c;
}

void connection_lease(struct connection *c, struct exchange *x)
{
    c->x = x;
    c->lease_id++;
    c->pool->up->counts.n_busy++;
}

void connection_close(struct connection *c)
{
    struct upstream *u = c->pool->up;
    if (c->x)
        u->counts.n_busy--;
    if (c->pool_node.next != &c->pool_node) {
        u->counts.n_idle--;
        c->pool->n_idle--;
        upstream_board_busy(c->row);
    }
    upstream_board_closed(c->row, io_now_us() / 1000);
    c->row = NULL;
    c->x = NULL;
    c->lease_id++;
    list_remove(&c->pool_node);
    list_remove(&c->idle_node);
    io_block_give(u->loop, &c->in);
    io_timer_disarm(u->loop, &c->timer);
    io_stream_close(c->stream);
    c->stream = NULL;
    metric_sub(METRIC_UPSTREAM_OPEN, 1);
    c->pool->n_refs--;
    io_free_later(u->loop, c);
}

void connection_want(struct connection *c, unsigned events)
{
    if (c->wants == events)
        return;
    c->wants = (uint8_t)events;
    io_stream_want(c->stream, events);
}

void connection_arm(struct connection *c, uint64_t after_ms)
{
    io_timer_arm(c->pool->up->loop, &c->timer, after_ms);
}
