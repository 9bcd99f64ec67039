#include "upstream/exchange_impl.h"

#include <assert.h>

/* What a chunk of the held body may cost besides its bytes. */
enum { FRAME_BYTES = 2 + HTTP1_CHUNK_HEAD_BYTES };

void exchange_send_rewind(struct exchange *x)
{
    x->head_sent = x->held_sent = x->tail_sent = 0;
    x->frame_n = x->frame_sent = 0;
    x->chunk_left = 0;
    x->is_request_sent = x->is_blocked = x->offered_data = x->is_send_dead = false;
    x->timing.sent_us = x->timing.first_byte_us = 0;
}

void exchange_send_done(struct exchange *x)
{
    io_block_give(x->up->loop, &x->held);
    buf_done(&x->tail);
}

static size_t held_left(const struct exchange *x)
{
    return x->held.end - x->held_sent;
}

static void give_held(struct exchange *x)
{
    if (x->holds_all || !x->held.p || held_left(x) > 0)
        return;
    io_block_give(x->up->loop, &x->held);
    x->held_sent = 0;
}

void exchange_send_forget(struct exchange *x)
{
    if (x->request.framing != HTTP_NO_BODY)
        x->holds_all = false;
    give_held(x);
}

/* The line of a chunk of n bytes, with the end of the chunk before it. */
static size_t write_frame(struct exchange *x, char *to, size_t n)
{
    size_t used = 0;
    if (x->has_chunks) {
        memcpy(to, "\r\n", 2);
        used = 2;
    }
    x->has_chunks = true;
    return used + http1_chunk_head(to + used, n);
}

/* ---- holding ---- */

static enum io_block_size held_size(const struct exchange *x)
{
    if (x->request.framing == HTTP_CHUNKED || x->request.content_length > IO_BLOCK_16K_BYTES)
        return IO_BLOCK_64K;
    return x->request.content_length > 4096 ? IO_BLOCK_16K : IO_BLOCK_4K;
}

/* Copies what fits, framed. */
static size_t hold(struct exchange *x, struct str data)
{
    if (!io_block_take(x->up->loop, &x->held, held_size(x)))
        return 0;
    size_t room = io_block_room(&x->held);
    size_t frame = x->request.framing == HTTP_CHUNKED ? FRAME_BYTES : 0;
    if (room <= frame)
        return 0;
    size_t n = data.n < room - frame ? data.n : room - frame;
    if (frame > 0)
        x->held.end += (uint32_t)write_frame(x, x->held.p + x->held.end, n);
    memcpy(x->held.p + x->held.end, data.p, n);
    x->held.end += (uint32_t)n;
    return n;
}

/* ---- sending ---- */

enum { HEAD, HELD, FRAME, DATA, TAIL, N_PIECES };

static void set_piece(struct iovec *v, const char *p, size_t n, size_t sent)
{
    v->iov_base = n > sent ? (char *)p + sent : NULL;
    v->iov_len = n > sent ? n - sent : 0;
}

/* Everything that may go now, in its order; returns the bytes of it. */
static size_t gather(struct exchange *x, struct str data, struct iovec v[static N_PIECES])
{
    if (data.n > 0 && x->request.framing == HTTP_CHUNKED) {
        if (x->chunk_left == 0) {
            x->chunk_left = data.n;
            x->frame_n = (uint8_t)write_frame(x, x->frame, data.n);
            x->frame_sent = 0;
        }
        data = str_first(data, x->chunk_left);
    }
    set_piece(&v[HEAD], x->request.head.p, x->request.head.n, x->head_sent);
    set_piece(&v[HELD], x->held.p, x->held.end, x->held_sent);
    set_piece(&v[FRAME], x->frame, x->frame_n, x->frame_sent);
    set_piece(&v[DATA], data.p, data.n, 0);
    set_piece(&v[TAIL], x->tail.p, x->tail.n, x->tail_sent);
    size_t n = 0;
    for (int i = 0; i < N_PIECES; i++)
        n += v[i].iov_len;
    return n;
}

static size_t take(size_t *n, size_t of)
{
    size_t one = *n < of ? *n : of;
    *n -= one;
    return one;
}

/* n bytes of the pieces went out; returns how many of them were the owner's. */
static size_t account(struct exchange *x, const struct iovec v[static N_PIECES], size_t n)
{
    x->sent_bytes += n;
    x->head_sent += take(&n, v[HEAD].iov_len);
    x->held_sent += take(&n, v[HELD].iov_len);
    x->frame_sent = (uint8_t)(x->frame_sent + take(&n, v[FRAME].iov_len));
    size_t data = take(&n, v[DATA].iov_len);
    x->tail_sent += take(&n, v[TAIL].iov_len);
    if (x->request.framing == HTTP_CHUNKED)
        x->chunk_left -= data;
    return data;
}

static size_t drop_empty(struct iovec v[static N_PIECES])
{
    size_t n = 0;
    for (size_t i = 0; i < N_PIECES; i++) {
        if (v[i].iov_len > 0)
            v[n++] = v[i];
    }
    return n;
}

static void request_is_sent(struct exchange *x)
{
    x->is_request_sent = true;
    x->timing.sent_us = io_now_us();
    if (x->state == EXCHANGE_AWAITS_HEAD)
        exchange_await_head(x);
}

static void block(struct exchange *x, bool offered_data)
{
    x->is_blocked = true;
    x->offered_data = offered_data;
    connection_arm(x->conn, x->up->conf->body_timeout_ms);
    exchange_set_wants(x);
}

/* The origin takes nothing more; what it may have said is read before this counts as a fault. */
static void send_is_dead(struct exchange *x)
{
    x->is_send_dead = true;
    io_defer(x->up->loop, &x->later);
}

/* Sends; returns how many of data's bytes went. */
static size_t send_some(struct exchange *x, struct str data)
{
    size_t taken = 0;
    for (;;) {
        struct iovec v[N_PIECES], full[N_PIECES];
        struct fault f;
        fault_clear(&f);
        size_t put = 0, n = gather(x, data, v);
        if (n == 0)
            break;
        memcpy(full, v, sizeof full);
        enum io_result r = io_stream_writev(x->conn->stream, full, (int)drop_empty(full), &put, &f);
        if (r == IO_FAILED) {
            send_is_dead(x);
            return taken;
        }
        size_t one = account(x, v, put);
        taken += one;
        data = str_from(data, one);
        if (put < n) {
            block(x, v[DATA].iov_len > one);
            return taken;
        }
    }
    give_held(x);
    if (x->is_body_given && !x->is_request_sent)
        request_is_sent(x);
    return taken;
}

void exchange_flush(struct exchange *x)
{
    if (!x->is_send_dead)
        send_some(x, (struct str){ 0 });
}

void exchange_on_writable(struct exchange *x)
{
    x->is_blocked = false;
    /* A TLS record with the owner's bytes in it can only go on with these. */
    if (!x->offered_data)
        exchange_flush(x);
    x->offered_data = false;
    if (x->wants_room && !x->is_blocked) {
        x->wants_room = false;
        if (!exchange_tell(x, EXCHANGE_WRITABLE))
            return;
    }
    exchange_set_wants(x);
}

/* ---- the owner's calls ---- */

size_t exchange_write(struct exchange *x, struct str data)
{
    if (data.n == 0 || x->state == EXCHANGE_IDLE || x->state == EXCHANGE_BROKEN)
        return data.n;
    assert(!x->is_body_given);
    size_t taken = 0;
    if (!x->conn || x->holds_all) {
        taken = hold(x, data);
        if (x->conn && taken < data.n)
            x->holds_all = false;
    }
    if (x->conn && !x->is_blocked && !x->is_send_dead)
        taken += send_some(x, str_from(data, taken));
    if (x->is_send_dead)
        return data.n; /* while all of it is held, it may still go on another connection */
    x->wants_room = taken < data.n;
    return taken;
}

void exchange_write_end(struct exchange *x, struct str trailers)
{
    if (x->is_body_given || x->state == EXCHANGE_IDLE || x->state == EXCHANGE_BROKEN)
        return;
    x->is_body_given = true;
    if (x->request.framing == HTTP_CHUNKED) {
        if (x->has_chunks)
            buf_append(&x->tail, STR("\r\n"));
        buf_append(&x->tail, STR("0\r\n"));
        buf_append(&x->tail, trailers);
        buf_append(&x->tail, STR("\r\n"));
    }
    if (x->tail.failed) {
        exchange_fail_later(x, FAULT_NO_MEMORY, "send");
        return;
    }
    if (x->conn && !x->is_blocked)
        exchange_flush(x);
}
