#include "upstream/exchange_impl.h"

/* ---- the head ---- */

/* Room behind the bytes that are there; false when the largest block is full of them. */
static bool make_room(struct exchange *x)
{
    struct io_block *in = &x->conn->in, larger = { 0 };
    if (in->start > 0) {
        io_block_compact(in);
        return true;
    }
    if (in->cap > HTTP_RESPONSE_HEAD_BYTES || !io_block_take(x->up->loop, &larger, IO_BLOCK_128K))
        return false;
    memcpy(larger.p, in->p, in->end);
    larger.end = in->end;
    io_block_give(x->up->loop, in);
    *in = larger;
    return true;
}

static void head_is_done(struct exchange *x)
{
    http1_body_init(&x->body, x->head.framing, x->head.content_length);
    x->is_body_ended = http1_body_is_whole(&x->body);
    x->state = EXCHANGE_HAS_HEAD;
    x->head_end = x->conn->in.start;
    exchange_tell(x, EXCHANGE_HEAD);
}

static void too_many_interim(struct exchange *x)
{
    struct fault f = { 0 };
    fault_set(&f, FAULT_UPSTREAM_PROTOCOL, "head",
              x->head.status == 101 ? "101 to a request without Upgrade"
                                    : "no end of interim responses");
    exchange_break(x, &f);
}

/* True: more bytes are needed. False: done, failed, or the lease is over. */
static bool parse_heads(struct exchange *x)
{
    struct io_block *in = &x->conn->in;
    while (io_block_n(in) > 0) {
        size_t used;
        struct fault f;
        fault_clear(&f);
        enum http_parse r = http1_parse_response(io_block_str(in), &x->scanned, x->request.method,
                                                 &x->head, &used, &f);
        if (r == HTTP_MORE)
            return true;
        if (r == HTTP_BAD) {
            exchange_break(x, &f);
            return false;
        }
        x->scanned = 0;
        bool is_interim = x->head.status < 200;
        /* The body needs room behind the head, whose strings stay where they are. */
        if (!is_interim && in->start + used == in->cap && make_room(x))
            continue;
        in->start += (uint32_t)used;
        if (!is_interim) {
            head_is_done(x);
            return false;
        }
        if (x->head.status == 101 || ++x->n_interim > EXCHANGE_MAX_INTERIM) {
            too_many_interim(x);
            return false;
        }
        if (!exchange_tell(x, EXCHANGE_INTERIM))
            return false;
    }
    in->start = in->end = 0;
    return true;
}

static void count_bytes(struct exchange *x, size_t n)
{
    x->conn->in.end += (uint32_t)n;
    x->received_bytes += n;
    if (x->has_bytes)
        return;
    x->has_bytes = true;
    x->timing.first_byte_us = io_now_us();
    exchange_send_forget(x);
}

/* The stream ended or failed before a head was whole, or has nothing to say. */
static void head_is_missing(struct exchange *x, enum io_result r, struct fault *f)
{
    struct io_block *in = &x->conn->in;
    if (io_block_n(in) == 0)
        io_block_give(x->up->loop, in);
    if (r == IO_AGAIN && !x->is_send_dead)
        return;
    if (x->is_send_dead && f->kind != FAULT_UPSTREAM_RESET) {
        /* The failed write has taken the socket's error, so the read sees but an end. */
        fault_clear(f);
        fault_set(f, FAULT_UPSTREAM_RESET, "send", "the origin took no more of the request");
    }
    fault_set(f, FAULT_UPSTREAM_CLOSED, "head", "%s",
              x->has_bytes ? "inside the response head" : "before a response");
    exchange_break(x, f);
}

static void recv_head(struct exchange *x)
{
    for (;;) {
        struct io_block *in = &x->conn->in;
        struct fault f;
        fault_clear(&f);
        size_t n = 0;
        if (!io_block_take(x->up->loop, in, IO_BLOCK_64K)) {
            fault_set(&f, FAULT_NO_MEMORY, "head", NULL);
            exchange_break(x, &f);
            return;
        }
        enum io_result r =
            io_stream_read(x->conn->stream, in->p + in->end, io_block_room(in), &n, &f);
        if (r != IO_OK) {
            head_is_missing(x, r, &f);
            return;
        }
        count_bytes(x, n);
        bool was_filled = io_block_room(in) == 0;
        if (!parse_heads(x))
            return;
        if (io_block_room(in) == 0 && !make_room(x)) {
            fault_set(&f, FAULT_UPSTREAM_HEAD_TOO_LARGE, "head", NULL);
            exchange_break(x, &f);
            return;
        }
        if (!was_filled && !x->is_send_dead)
            return;
    }
}

void exchange_on_readable(struct exchange *x)
{
    if (x->state == EXCHANGE_AWAITS_HEAD) {
        recv_head(x);
    } else if (x->state == EXCHANGE_HAS_HEAD && x->wants_body) {
        x->wants_body = false;
        exchange_tell(x, EXCHANGE_READABLE);
    } else {
        x->is_paused = true;
        exchange_set_wants(x);
    }
}

/* ---- the body ---- */

/* The spans of a chunked body that are in the block become one: a copy costs less than the write
 * of its own that each would need. */
static void join_span(struct exchange *x, struct str span)
{
    if (x->data.n == 0) {
        x->data = span;
        return;
    }
    if (span.p != x->data.p + x->data.n)
        memmove((char *)x->data.p + x->data.n, span.p, span.n);
    x->data.n += span.n;
}

static void body_is_bad(struct exchange *x)
{
    fault_set(&x->fault, FAULT_UPSTREAM_PROTOCOL, "body", "broken chunk framing");
    x->state = EXCHANGE_BROKEN;
}

/* Takes what the block has of the body. */
static void unframe(struct exchange *x)
{
    struct io_block *in = &x->conn->in;
    while (!x->is_body_ended) {
        size_t used;
        struct str span;
        enum http1_body_step step = http1_body_next(&x->body, io_block_str(in), &used, &span);
        in->start += (uint32_t)used;
        if (step == HTTP1_BODY_DATA) {
            join_span(x, span);
        } else {
            x->is_body_ended = step == HTTP1_BODY_END;
            if (step == HTTP1_BODY_BAD)
                body_is_bad(x);
            return;
        }
    }
}

static enum io_result body_fails(struct exchange *x)
{
    x->state = EXCHANGE_BROKEN;
    x->is_paused = true;
    exchange_set_wants(x);
    return IO_FAILED;
}

static enum io_result body_meets_eof(struct exchange *x)
{
    if (http1_body_eof(&x->body)) {
        x->conn->is_spent = true;
        x->is_body_ended = true;
        return IO_EOF;
    }
    if (x->body.framing == HTTP_LENGTH)
        fault_set(&x->fault, FAULT_UPSTREAM_CLOSED, "body", "after %llu of %llu bytes",
                  (unsigned long long)x->body.total, (unsigned long long)x->head.content_length);
    else
        fault_set(&x->fault, FAULT_UPSTREAM_CLOSED, "body", "after %llu bytes",
                  (unsigned long long)x->body.total);
    return body_fails(x);
}

/* A block with nothing in it but the head's strings, as large as what may come. */
static bool make_empty(struct exchange *x)
{
    struct io_block *in = &x->conn->in;
    bool is_small = x->body.framing == HTTP_LENGTH && x->body.left <= EXCHANGE_HELD_BYTES;
    in->start = in->end = x->head_end;
    if (in->p && x->head_end == 0 && is_small != (in->cap < 128 * 1024))
        io_block_give(x->up->loop, in);
    return io_block_take(x->up->loop, in, is_small ? IO_BLOCK_64K : IO_BLOCK_128K);
}

/* Reads into the block's room; IO_OK when bytes came. */
static enum io_result read_more(struct exchange *x)
{
    struct io_block *in = &x->conn->in;
    size_t n = 0;
    switch (io_stream_read(x->conn->stream, in->p + in->end, io_block_room(in), &n, &x->fault)) {
    case IO_OK:
        count_bytes(x, n);
        return IO_OK;
    case IO_AGAIN:
        x->wants_body = true;
        x->is_paused = false;
        exchange_set_wants(x);
        connection_arm(x->conn, x->request.body_timeout_ms);
        return IO_AGAIN;
    case IO_EOF:
        return body_meets_eof(x);
    default:
        return body_fails(x);
    }
}

/* Reads on when nothing is held. */
static enum io_result refill(struct exchange *x)
{
    if (!make_empty(x)) {
        fault_set(&x->fault, FAULT_NO_MEMORY, "body", NULL);
        return body_fails(x);
    }
    enum io_result r = read_more(x);
    if (r == IO_AGAIN && x->head_end == 0)
        io_block_give(x->up->loop, &x->conn->in);
    return r;
}

enum io_result exchange_read(struct exchange *x, struct str *data)
{
    if (x->state < EXCHANGE_HAS_HEAD)
        return IO_AGAIN;
    while (x->data.n == 0) {
        if (fault_is_set(&x->fault))
            return IO_FAILED;
        if (x->is_body_ended)
            return IO_EOF;
        if (io_block_n(&x->conn->in) == 0) {
            enum io_result r = refill(x);
            if (r != IO_OK)
                return r;
        }
        unframe(x);
    }
    *data = x->data;
    return IO_OK;
}

/* The block, with what is left of its body bytes as its window. */
static void hand_over(struct exchange *x, struct io_block *block)
{
    struct io_block *in = &x->conn->in;
    if (io_block_n(in) > 0)
        x->conn->is_spent = true; /* behind the body's end */
    *block = *in;
    block->start = (uint32_t)(x->data.p - in->p);
    block->end = block->start + (uint32_t)x->data.n;
    *in = (struct io_block){ 0 };
    x->data = (struct str){ 0 };
}

enum io_result exchange_gather(struct exchange *x, struct io_block *block)
{
    if (x->state < EXCHANGE_HAS_HEAD)
        return IO_AGAIN;
    x->head_end = 0;
    for (;;) {
        bool is_over = fault_is_set(&x->fault) || x->is_body_ended;
        if (x->data.n > 0 && (is_over || io_block_room(&x->conn->in) == 0)) {
            hand_over(x, block);
            return IO_OK;
        }
        if (fault_is_set(&x->fault))
            return IO_FAILED;
        if (x->is_body_ended)
            return IO_EOF;
        if (io_block_n(&x->conn->in) == 0) {
            enum io_result r = x->data.n > 0 ? read_more(x) : refill(x);
            if (r == IO_AGAIN || (r != IO_OK && x->data.n == 0))
                return r;
        }
        unframe(x);
    }
}

void exchange_consume(struct exchange *x, size_t n)
{
    x->data = str_from(x->data, n);
    x->head_end = 0;
}

bool exchange_recv_is_whole(struct exchange *x)
{
    if (x->data.n > 0)
        return false;
    if (!x->is_body_ended)
        unframe(x);
    return x->is_body_ended && x->data.n == 0 && io_block_n(&x->conn->in) == 0;
}
