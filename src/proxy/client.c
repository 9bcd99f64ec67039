#include "proxy/client.h"

#include "obs/metrics.h"
#include "proxy/handshake.h"
#include "proxy/limits.h"
#include "proxy/tx.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    CLIENT_LINGER_BYTES = 64 * 1024 * 1024,
    CLIENT_LINGER_MS = 2000,
    CLIENT_REFUSED_HEAD_MS = 5000,
    /* Draining: who asked or connected so lately has a request on the way as likely as not. */
    CLIENT_RECENT_US = 1000 * 1000,
    CLIENT_LAST_HEAD_MS = 500
};

static void client_on_ready(struct io_stream *s, unsigned events);
static void client_on_late(struct io_timer *t);

/* The address that the client connected to, not its own: a forwarded port comes from loopback too.
 */
static bool is_on_loopback(int fd)
{
    struct addr local = { 0 };
    socklen_t n = sizeof local;
    if (getsockname(fd, &local.sa, &n) != 0 ||
        (addr_family(&local) != AF_INET && addr_family(&local) != AF_INET6))
        return false;
    addr_unmap(&local);
    return addr_classify(&local) == ADDR_LOOPBACK;
}

struct client *client_new(struct proxy *p, int fd, const struct addr *peer, enum proxy_port port,
                          bool is_refused)
{
    struct client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    c->stream = io_stream_new(p->loop, fd);
    if (c->stream == NULL) {
        free(c);
        return NULL;
    }
    c->stream->owner = c;
    c->stream->on_ready = client_on_ready;
    c->timer.on_fire = client_on_late;
    c->proxy = p;
    c->peer = *peer;
    c->port = (uint8_t)(port == PROXY_PORT_TLS ? PROXY_PORT_PUBLIC : port);
    c->is_refused = is_refused;
    c->state = port == PROXY_PORT_TLS ? CLIENT_HANDSHAKE : CLIENT_IDLE;
    c->idle_since_us = io_now_us();
    c->is_on_loopback = port == PROXY_PORT_ADMIN && is_on_loopback(fd);
    list_push_back(port == PROXY_PORT_ADMIN ? &p->admin_clients : &p->clients, &c->node);
    p->n_clients++;
    metric_add(METRIC_CLIENTS_OPEN, 1);
    io_stream_want(c->stream, IO_READ);
    if (c->state == CLIENT_HANDSHAKE)
        client_arm(c, p->policy->conf->tls_timeout_ms);
    else
        client_arm(c, is_refused ? CLIENT_REFUSED_HEAD_MS : p->policy->conf->idle_timeout_ms);
    return c;
}

/* What all ends have in common; the stream was closed before. */
static void client_release(struct client *c)
{
    struct proxy *p = c->proxy;
    c->state = CLIENT_CLOSED;
    c->stream = NULL;
    io_timer_disarm(p->loop, &c->timer);
    io_block_give(p->loop, &c->in);
    list_remove(&c->node);
    p->n_clients--;
    metric_sub(METRIC_CLIENTS_OPEN, 1);
    if (c->port == PROXY_PORT_PUBLIC)
        limits_give(p->limits, &c->peer, c->is_counted);
    else
        p->n_admin_clients--;
    io_free_later(p->loop, c);
    proxy_on_client_closed(p);
}

void client_close(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    io_stream_close(c->stream);
    client_release(c);
}

void client_reset(struct client *c)
{
    if (c->state == CLIENT_CLOSED)
        return;
    io_stream_reset(c->stream);
    client_release(c);
}

void client_arm(struct client *c, uint64_t after_ms)
{
    io_timer_arm(c->proxy->loop, &c->timer, after_ms);
}

/* close_notify goes behind what the peer has not read yet, so it gets as long as a body. */
static void end_writing(struct client *c)
{
    c->is_ending = io_stream_shutdown(c->stream) == IO_AGAIN;
    io_stream_want(c->stream, c->is_ending ? IO_READ | IO_WRITE : IO_READ);
    client_arm(c, c->is_ending ? c->proxy->policy->conf->body_timeout_ms : CLIENT_LINGER_MS);
}

void client_linger(struct client *c)
{
    c->state = CLIENT_LINGER;
    c->lingered_bytes = 0;
    io_block_give(c->proxy->loop, &c->in);
    end_writing(c);
}

void client_end(struct client *c)
{
    if (c->stream->ssl == NULL || io_stream_shutdown(c->stream) == IO_OK)
        client_close(c);
    else
        client_linger(c);
}

static void linger_read(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    for (int turn = 0; turn < TX_TURN_BLOCKS; turn++) {
        size_t n = 0;
        if (!io_block_take(c->proxy->loop, &c->in, IO_BLOCK_16K))
            break;
        enum io_result r = io_stream_read(c->stream, c->in.p, c->in.cap, &n, &f);
        io_block_give(c->proxy->loop, &c->in);
        c->lingered_bytes += n;
        if (r == IO_AGAIN)
            return;
        if (r != IO_OK || c->lingered_bytes > CLIENT_LINGER_BYTES) {
            client_close(c);
            return;
        }
    }
}

static void linger_on(struct client *c, unsigned events)
{
    if (c->is_ending && (events & IO_WRITE) != 0)
        end_writing(c);
    if ((events & IO_READ) != 0)
        linger_read(c);
}

/* A block with room at its end: 16 KiB at first, 64 KiB for a head that does not fit or a body. */
static bool make_room(struct client *c, enum io_block_size size)
{
    struct io_loop *loop = c->proxy->loop;
    if (size == IO_BLOCK_64K && io_block_n(&c->in) == 0 && c->in.cap < 64 * 1024)
        io_block_give(loop, &c->in);
    if (c->in.p == NULL)
        return io_block_take(loop, &c->in, size);
    if (c->in.start > 0 && io_block_room(&c->in) == 0)
        io_block_compact(&c->in);
    if (io_block_room(&c->in) > 0 || c->in.cap >= 64 * 1024)
        return true;
    struct io_block larger = { .p = NULL };
    if (!io_block_take(loop, &larger, IO_BLOCK_64K))
        return false;
    memcpy(larger.p, c->in.p + c->in.start, io_block_n(&c->in));
    larger.end = (uint32_t)io_block_n(&c->in);
    io_block_give(loop, &c->in);
    c->in = larger;
    return true;
}

enum io_result client_fill(struct client *c, enum io_block_size size, struct fault *f)
{
    size_t n = 0;
    if (!make_room(c, size)) {
        fault_set(f, FAULT_NO_MEMORY, "read", NULL);
        return IO_FAILED;
    }
    if (io_block_room(&c->in) == 0) {
        io_stream_want(c->stream, c->stream->wanted & ~(unsigned)IO_READ);
        return IO_OK;
    }
    enum io_result r = io_stream_read(c->stream, c->in.p + c->in.end, io_block_room(&c->in), &n, f);
    c->in.end += (uint32_t)n;
    if (io_block_n(&c->in) == 0)
        io_block_give(c->proxy->loop, &c->in);
    return r;
}

/*
 * Serves the heads that are in c->in, one after the other. A reply that goes out at once ends its
 * transaction inside tx_start; the loop, not recursion, then takes the next head, however many were
 * pipelined.
 */
static void serve(struct client *c)
{
    if (c->is_serving)
        return;
    c->is_serving = true;
    while (c->state == CLIENT_IDLE || c->state == CLIENT_HEAD) {
        if (io_block_n(&c->in) == 0) {
            io_block_give(c->proxy->loop, &c->in);
            break;
        }
        if (c->state == CLIENT_IDLE) {
            c->state = CLIENT_HEAD;
            c->head_started_us = io_now_us();
            c->scanned = 0;
            client_arm(c, c->is_refused ? CLIENT_REFUSED_HEAD_MS
                                        : c->proxy->policy->conf->head_timeout_ms);
        }
        struct tx *tx = tx_new(c->proxy);
        if (tx == NULL) {
            client_reset(c);
            break;
        }
        size_t used = 0;
        struct fault f = { .kind = FAULT_NONE };
        struct str in = io_block_str(&c->in);
        enum http_parse parsed = http1_parse_request(in, &c->scanned, &tx->head, &used, &f);
        if (parsed == HTTP_MORE) {
            tx_free(tx);
            break;
        }
        c->state = CLIENT_TX;
        c->tx = tx;
        c->n_requests++;
        if (parsed == HTTP_BAD)
            tx_start_refused(tx, c, &f);
        else
            tx_start(tx, c, used);
    }
    c->is_serving = false;
}

void client_next(struct client *c)
{
    c->tx = NULL;
    c->state = CLIENT_IDLE;
    c->idle_since_us = io_now_us();
    io_stream_want(c->stream, IO_READ);
    if (io_block_n(&c->in) > 0)
        serve(c);
    else
        io_block_give(c->proxy->loop, &c->in);
    /* Draining, here are only those whose answer had promised that the connection stays. */
    if (c->state == CLIENT_IDLE)
        client_arm(c, c->proxy->is_draining ? CLIENT_LAST_HEAD_MS
                                            : c->proxy->policy->conf->idle_timeout_ms);
}

static void read_head(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    enum io_result r = client_fill(c, IO_BLOCK_16K, &f);
    if (r == IO_OK)
        serve(c);
    else if (r != IO_AGAIN)
        client_close(c);
}

/* During a transaction: bytes of its body or of pipelined requests, or the news that the client
 * left. */
static void read_in_tx(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    enum io_result r = client_fill(c, IO_BLOCK_16K, &f);
    if (r == IO_EOF || r == IO_FAILED)
        tx_on_client_gone(c->tx);
}

static void refuse_unread(struct client *c, const struct fault *f)
{
    struct tx *tx = tx_new(c->proxy);
    if (tx == NULL) {
        client_close(c);
        return;
    }
    c->state = CLIENT_TX;
    c->tx = tx;
    tx_start_refused(tx, c, f);
}

static void shake_hands(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    switch (handshake_go(c)) {
    case HANDSHAKE_WAIT:
        break;
    case HANDSHAKE_DONE:
        c->state = CLIENT_IDLE;
        io_stream_want(c->stream, IO_READ);
        /* Who shook hands while we drain has a request to send, and gets its answer. */
        client_arm(c, c->is_refused || c->proxy->is_draining
                          ? CLIENT_REFUSED_HEAD_MS
                          : c->proxy->policy->conf->idle_timeout_ms);
        break;
    case HANDSHAKE_PLAIN:
        c->head_started_us = io_now_us();
        fault_set(&f, FAULT_PLAIN_HTTP, "handshake", NULL);
        refuse_unread(c, &f);
        break;
    case HANDSHAKE_OVER:
        client_close(c);
        break;
    }
}

static void client_on_ready(struct io_stream *s, unsigned events)
{
    struct client *c = s->owner;
    switch (c->state) {
    case CLIENT_HANDSHAKE:
        shake_hands(c);
        break;
    case CLIENT_IDLE:
    case CLIENT_HEAD:
        if (events & IO_READ)
            read_head(c);
        break;
    case CLIENT_TX:
        if (events & IO_READ)
            read_in_tx(c);
        if (c->state == CLIENT_TX)
            tx_on_client_ready(c->tx);
        break;
    case CLIENT_LINGER:
        linger_on(c, events);
        break;
    default:
        break;
    }
}

static void refuse_late_head(struct client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    fault_set(&f, FAULT_HEAD_TIMEOUT, "head", NULL);
    refuse_unread(c, &f);
}

void client_drain(struct client *c)
{
    bool is_silent = c->state == CLIENT_HANDSHAKE && c->stream->ssl == NULL;
    if (c->state != CLIENT_IDLE && !is_silent)
        return;
    /* What has come already is in flight, and closing over it would be a reset. */
    uint8_t before = c->state;
    client_on_ready(c->stream, IO_READ);
    if (c->state != before || (is_silent && c->stream->ssl != NULL))
        return;
    if (io_now_us() - c->idle_since_us >= CLIENT_RECENT_US)
        client_close(c);
    else
        client_arm(c, CLIENT_LAST_HEAD_MS);
}

static void client_on_late(struct io_timer *t)
{
    struct client *c = LIST_ENTRY(t, struct client, timer);
    if (c->state == CLIENT_HANDSHAKE)
        metric_add(METRIC_CLIENT_TLS_LATE, 1);
    if (c->state == CLIENT_HEAD)
        refuse_late_head(c);
    else if (c->state == CLIENT_TX)
        tx_on_client_late(c->tx);
    else
        client_close(c);
}
