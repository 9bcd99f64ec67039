#include "proxy/pump.h"

#include "obs/metrics.h"

#include "proxy/browse.h"

static void client_take(struct client *c, size_t n)
{
    c->in.start += (uint32_t)n;
    if (io_block_n(&c->in) == 0) {
        c->in.start = c->in.end = 0;
        /* A full block had stopped the reading. */
        io_stream_want(c->stream, c->stream->wanted | IO_READ);
    }
}

static void wait_for_client(struct tx *tx)
{
    tx->waits_for_client = true;
    client_arm(tx->client, tx->policy->conf->body_timeout_ms);
}

/* More of the body into the input block; WAIT when nothing has come. */
static enum pump_result fill(struct tx *tx)
{
    struct client *c = tx->client;
    bool is_small = tx->head.framing == HTTP_LENGTH && tx->up_body.left <= IO_BLOCK_16K_BYTES;
    enum io_block_size size = is_small ? IO_BLOCK_16K : IO_BLOCK_64K;
    struct fault f = { .kind = FAULT_NONE };
    switch (client_fill(c, size, &f)) {
    case IO_OK:
        tx->waits_for_client = false;
        return PUMP_DONE;
    case IO_AGAIN:
        wait_for_client(tx);
        return PUMP_WAIT;
    default:
        fault_set(&tx->fault, FAULT_CLIENT_GONE, "body", NULL);
        return PUMP_GONE;
    }
}

/* n of the pending bytes are done with; the framing behind the last of them goes too. */
static void take_pending(struct tx *tx, size_t n)
{
    tx->up_pending -= n;
    if (tx->up_pending == 0) {
        n += tx->up_gap;
        tx->up_gap = 0;
    }
    client_take(tx->client, n);
}

/* Puts a span behind those that are pending: a copy costs less than a write of its own. */
static void join_span(struct tx *tx, struct str span, size_t framing_n)
{
    struct io_block *in = &tx->client->in;
    tx->up_gap += framing_n;
    if (tx->up_pending == 0)
        take_pending(tx, 0);
    else
        memmove(in->p + in->start + tx->up_pending, span.p, span.n);
    tx->up_pending += span.n;
}

/*
 * Takes the framing out of what the input block has of the body: its bytes then lie at the front,
 * up_pending of them, with up_gap bytes of framing behind. DONE at the body's end.
 */
static enum pump_result unframe(struct tx *tx)
{
    for (;;) {
        size_t used;
        struct str data, in = str_from(io_block_str(&tx->client->in), tx->up_pending + tx->up_gap);
        enum http1_body_step step = http1_body_next(&tx->up_body, in, &used, &data);
        if (step == HTTP1_BODY_DATA) {
            join_span(tx, data, used - data.n);
            continue;
        }
        tx->up_gap += used;
        if (tx->up_pending == 0)
            take_pending(tx, 0);
        if (step == HTTP1_BODY_MORE)
            return PUMP_WAIT;
        if (step == HTTP1_BODY_END) {
            tx->is_up_ended = true;
            return PUMP_DONE;
        }
        fault_set(&tx->fault, FAULT_BAD_REQUEST, "body", "broken chunk framing");
        return PUMP_FAILED;
    }
}

/* Up to the next body bytes, the end, or the need to wait. */
static enum pump_result next_data(struct tx *tx)
{
    while (tx->up_pending == 0 && !tx->is_up_ended) {
        /* A body of known length ends without a byte more. */
        if (io_block_n(&tx->client->in) == 0 && !http1_body_is_whole(&tx->up_body)) {
            enum pump_result r = fill(tx);
            if (r != PUMP_DONE)
                return r;
        }
        if (unframe(tx) == PUMP_FAILED)
            return PUMP_FAILED;
    }
    return PUMP_DONE;
}

/* How many bytes the exchange took. Without one they are only kept. */
static size_t pass_on(struct tx *tx, struct str data)
{
    size_t n = tx->is_exchanging ? exchange_write(&tx->x, data) : data.n;
    if (tx->browse != NULL)
        browse_keep(tx->browse, str_first(data, n));
    return n;
}

enum pump_result pump_up(struct tx *tx)
{
    for (int turn = 0; !tx->is_up_ended || tx->up_pending > 0;) {
        if (tx->up_pending == 0) {
            enum pump_result r = next_data(tx);
            if (r != PUMP_DONE)
                return r;
            continue;
        }
        if (tx->up_bytes + tx->up_pending > tx_max_body(tx)) {
            fault_set(&tx->fault, FAULT_BODY_TOO_LARGE, "body", NULL);
            return PUMP_FAILED;
        }
        size_t n = pass_on(tx, str_first(io_block_str(&tx->client->in), tx->up_pending));
        tx->up_bytes += n;
        take_pending(tx, n);
        if (tx->up_pending > 0)
            return PUMP_WAIT; /* for the exchange, which is full */
        if (http1_body_is_whole(&tx->up_body))
            continue; /* nothing more would wake us */
        if (io_block_n(&tx->client->in) == 0 && ++turn >= TX_TURN_BLOCKS) {
            /* Others get their turn: the socket, if it has more, wakes us. It may have none. */
            wait_for_client(tx);
            return PUMP_WAIT;
        }
    }
    if (!tx->is_up_told && tx->is_exchanging) {
        if (tx->browse != NULL && !browse_send(tx))
            return PUMP_WAIT;
        tx->is_up_told = true;
        exchange_write_end(&tx->x, buf_str(&tx->up_body.trailers));
    }
    return PUMP_DONE;
}

enum pump_result pump_discard(struct tx *tx)
{
    while (!tx->is_up_ended || tx->up_pending > 0) {
        tx->up_bytes += tx->up_pending;
        take_pending(tx, tx->up_pending);
        if (tx->is_up_ended)
            break;
        bool is_more = io_block_n(&tx->client->in) > 0 || http1_body_is_whole(&tx->up_body);
        if (tx->up_bytes > TX_DISCARD_BYTES || !is_more)
            return PUMP_FAILED;
        if (unframe(tx) == PUMP_FAILED)
            return PUMP_FAILED;
    }
    return PUMP_DONE;
}

void pump_drop(struct tx *tx)
{
    struct fault f = { .kind = FAULT_NONE };
    for (int turn = 0; turn < TX_TURN_BLOCKS && !tx_body_was_read(tx); turn++) {
        tx->up_bytes += tx->up_pending;
        take_pending(tx, tx->up_pending);
        if (tx->is_up_ended)
            return;
        if (io_block_n(&tx->client->in) == 0 && client_fill(tx->client, IO_BLOCK_64K, &f) != IO_OK)
            return; /* if the client is gone, the next one who reads sees it */
        if (unframe(tx) == PUMP_FAILED)
            tx->is_up_ended = true; /* what follows is nothing that could be read */
    }
}

static void wait_for_write(struct tx *tx)
{
    io_stream_want(tx->client->stream, tx->client->stream->wanted | IO_WRITE);
    wait_for_client(tx);
}

static void count_first_byte(struct tx *tx)
{
    uint64_t us = io_now_us() - tx->started_us;
    tx->awaits_byte = false;
    if (tx->zip != NULL)
        metric_observe(HISTOGRAM_FIRST_BYTE_ARCHIVE, us);
    else if (route_is_registry(tx->route.kind))
        metric_observe(HISTOGRAM_FIRST_BYTE_REGISTRY, us);
    else
        metric_observe(HISTOGRAM_FIRST_BYTE_S3, us);
}

/*
 * down.out, then data. *data_n is how much of data went. The chunk framing is in down.out before
 * data is offered, so a short write leaves nothing to be remembered but two counters.
 */
enum pump_result pump_send(struct tx *tx, struct str data, size_t *data_n)
{
    struct down *d = &tx->down;
    struct iovec v[2];
    int n_v = 0;
    size_t head_n = d->out.n - d->out_sent, sent = 0;
    struct fault f = { .kind = FAULT_NONE };
    *data_n = 0;
    if (head_n > 0)
        v[n_v++] = (struct iovec){ d->out.p + d->out_sent, head_n };
    if (data.n > 0)
        v[n_v++] = (struct iovec){ (char *)(uintptr_t)data.p, data.n };
    if (n_v == 0)
        return PUMP_DONE;
    if (d->out.failed) {
        /* Half a head or chunk would be read as something else. */
        fault_set(&tx->fault, FAULT_NO_MEMORY, "response", NULL);
        return PUMP_GONE;
    }
    enum io_result r = io_stream_writev(tx->client->stream, v, n_v, &sent, &f);
    if (r == IO_FAILED || r == IO_EOF) {
        fault_set(&tx->fault, FAULT_CLIENT_GONE, "response", NULL);
        return PUMP_GONE;
    }
    d->sent_bytes += sent;
    if (tx->awaits_byte && sent > 0)
        count_first_byte(tx);
    size_t of_head = sent < head_n ? sent : head_n;
    d->out_sent += of_head;
    if (d->out_sent == d->out.n) {
        buf_clear(&d->out);
        d->out_sent = 0;
    }
    *data_n = sent - of_head;
    d->body_bytes += *data_n;
    if (sent < head_n + data.n) {
        wait_for_write(tx);
        return PUMP_WAIT;
    }
    return PUMP_DONE;
}

enum pump_result pump_yield(struct tx *tx)
{
    wait_for_write(tx);
    return PUMP_WAIT;
}

enum pump_result pump_flush(struct tx *tx)
{
    size_t n;
    return pump_send(tx, STR(""), &n);
}

/* Announces the next chunk; the CR LF behind the one before goes in front. */
static void begin_chunk(struct down *d, size_t n)
{
    char head[HTTP1_CHUNK_HEAD_BYTES];
    if (d->has_chunk)
        buf_append(&d->out, STR("\r\n"));
    d->has_chunk = true;
    d->chunk_left = n;
    buf_append(&d->out, str_of(head, http1_chunk_head(head, n)));
}

static void end_chunks(struct tx *tx)
{
    struct down *d = &tx->down;
    if (d->has_chunk)
        buf_append(&d->out, STR("\r\n"));
    buf_append(&d->out, STR("0\r\n"));
    buf_append(&d->out, buf_str(&tx->x.body.trailers));
    buf_append(&d->out, STR("\r\n"));
}

static enum pump_result relay(struct tx *tx, struct str data)
{
    struct down *d = &tx->down;
    size_t n;
    if (d->is_chunked) {
        if (d->chunk_left == 0)
            begin_chunk(d, data.n);
        data = str_first(data, d->chunk_left);
    }
    enum pump_result r = pump_send(tx, data, &n);
    if (d->is_chunked)
        d->chunk_left -= n;
    if (n > 0)
        exchange_consume(&tx->x, n);
    return r;
}

enum pump_result pump_down(struct tx *tx)
{
    struct down *d = &tx->down;
    for (int turn = 0; !d->is_ended; turn++) {
        struct str data;
        enum io_result r = exchange_read(&tx->x, &data);
        if (r == IO_OK) {
            enum pump_result sent = relay(tx, data);
            if (sent != PUMP_DONE)
                return sent;
            if (turn >= TX_TURN_BLOCKS)
                return pump_yield(tx);
        } else if (r == IO_AGAIN) {
            enum pump_result sent = pump_flush(tx);
            return sent == PUMP_DONE ? PUMP_WAIT : sent;
        } else if (r == IO_EOF) {
            if (d->is_chunked)
                end_chunks(tx);
            d->is_ended = true;
        } else {
            return PUMP_FAILED;
        }
    }
    return pump_flush(tx);
}
