#include "demo/s3_origin.h"

#include "demo/s3_answer.h"
#include "io/stream.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    IN_BYTES = HTTP_REQUEST_HEAD_BYTES + 64 * 1024,
    PIECE_BYTES = 64 * 1024,
    PIECES_PER_TURN = 16, /* so that one download leaves turns to the others */
};

enum s3_state { HANDSHAKE, HEAD, BODY, REPLY };

/* One client of the origin. It dies with client_close, which frees it at the end of the turn. */
struct s3_client {
    struct list node;
    struct demo_s3_origin *origin;
    struct io_stream *stream;
    struct io_timer timer;
    enum s3_state state;
    struct buf in, out;
    size_t scanned;
    struct http1_body body;
    struct demo_s3_answer answer; /* from the head to the end of the reply */
    bool is_answering;
};

static void end_answer(struct s3_client *c)
{
    if (!c->is_answering)
        return;
    c->is_answering = false;
    demo_s3_answer_done(&c->answer);
    http1_body_done(&c->body);
}

static void client_close(struct s3_client *c)
{
    struct demo_s3_origin *o = c->origin;
    io_timer_disarm(o->loop, &c->timer);
    io_stream_close(c->stream);
    end_answer(c);
    buf_done(&c->in);
    buf_done(&c->out);
    list_remove(&c->node);
    o->n_connections--;
    io_free_later(o->loop, c);
}

static void on_late(struct io_timer *t)
{
    client_close(LIST_ENTRY(t, struct s3_client, timer));
}

/* What one step leaves: go on with the next one, wait for the peer, or give the connection up. */
enum step { STEP_ON, STEP_WAIT, STEP_CLOSE };

static enum step fill(struct s3_client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    size_t n;
    char *p = buf_reserve(&c->in, PIECE_BYTES);
    if (p == NULL)
        return STEP_CLOSE;
    enum io_result r = io_stream_read(c->stream, p, PIECE_BYTES, &n, &f);
    if (r == IO_AGAIN) {
        io_stream_want(c->stream, IO_READ);
        return STEP_WAIT;
    }
    if (r != IO_OK)
        return STEP_CLOSE;
    c->in.n += n;
    io_timer_arm(c->origin->loop, &c->timer, DEMO_S3_STALL_MS);
    return STEP_ON;
}

static enum step step_handshake(struct s3_client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    enum io_result r = io_stream_handshake(c->stream, &f);
    if (r == IO_AGAIN)
        return STEP_WAIT;
    c->state = HEAD;
    return r == IO_OK ? STEP_ON : STEP_CLOSE;
}

static enum step step_head(struct s3_client *c)
{
    struct http_head head;
    struct fault f = { .kind = FAULT_NONE };
    size_t used = 0;
    enum http_parse parsed =
        c->in.n == 0 ? HTTP_MORE
                     : http1_parse_request(buf_str(&c->in), &c->scanned, &head, &used, &f);
    if (parsed == HTTP_MORE)
        return fill(c);
    if (parsed == HTTP_BAD) {
        http1_write_status_line(&c->out, (unsigned)fault_row(f.kind)->http_status);
        buf_append(&c->out, STR("Content-Length: 0\r\nConnection: close\r\n\r\n"));
        c->state = REPLY;
        return STEP_ON;
    }
    demo_s3_answer_begin(&c->answer, c->origin->store, ++c->origin->n_requests, &head);
    c->is_answering = true;
    http1_body_init(&c->body, head.framing, head.content_length);
    if (head.expects_continue)
        buf_append(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    buf_drop(&c->in, used);
    c->state = BODY;
    return STEP_ON;
}

/* True when all of it went. */
static bool flush(struct s3_client *c, bool *is_alive)
{
    struct fault f = { .kind = FAULT_NONE };
    size_t n;
    struct iovec v = { c->out.p, c->out.n };
    *is_alive = true;
    if (c->out.n == 0)
        return true;
    enum io_result r = io_stream_writev(c->stream, &v, 1, &n, &f);
    *is_alive = r != IO_FAILED;
    if (n > 0)
        io_timer_arm(c->origin->loop, &c->timer, DEMO_S3_STALL_MS);
    buf_drop(&c->out, n);
    if (c->out.n > 0)
        io_stream_want(c->stream, IO_WRITE);
    return c->out.n == 0;
}

static enum step step_body(struct s3_client *c)
{
    size_t used = 0;
    struct str data;
    bool is_alive;
    if (!flush(c, &is_alive)) /* 100 Continue */
        return is_alive ? STEP_WAIT : STEP_CLOSE;
    enum http1_body_step step = HTTP1_BODY_END;
    if (!http1_body_is_whole(&c->body))
        step = http1_body_next(&c->body, buf_str(&c->in), &used, &data);
    if (step == HTTP1_BODY_BAD)
        return STEP_CLOSE;
    if (step == HTTP1_BODY_DATA)
        demo_s3_answer_body(&c->answer, data);
    buf_drop(&c->in, used);
    if (step == HTTP1_BODY_MORE)
        return fill(c);
    if (step == HTTP1_BODY_END) {
        demo_s3_answer_reply(&c->answer, &c->out);
        c->state = REPLY;
    }
    return c->out.failed ? STEP_CLOSE : STEP_ON;
}

/* The next piece of the file. False when it cannot be had: it was cut short, or the disk fails. */
static bool read_piece(struct s3_client *c)
{
    struct demo_s3_plan *p = &c->answer.plan;
    size_t n = p->n < PIECE_BYTES ? (size_t)p->n : PIECE_BYTES;
    char *to = buf_reserve(&c->out, n);
    ssize_t got = to != NULL ? pread(c->answer.file, to, n, (off_t)p->first) : -1;
    if (got <= 0)
        return false;
    c->out.n += (size_t)got;
    p->first += (uint64_t)got;
    p->n -= (uint64_t)got;
    return true;
}

static enum step step_reply(struct s3_client *c)
{
    bool is_alive;
    if (!flush(c, &is_alive))
        return is_alive ? STEP_WAIT : STEP_CLOSE;
    if (!c->is_answering) /* a head that was refused */
        return STEP_CLOSE;
    if (c->answer.plan.n > 0)
        return read_piece(c) ? STEP_ON : STEP_CLOSE;
    bool keep_alive = c->answer.keep_alive;
    end_answer(c);
    c->scanned = 0;
    c->state = HEAD;
    io_timer_arm(c->origin->loop, &c->timer, DEMO_S3_IDLE_MS);
    return keep_alive ? STEP_ON : STEP_CLOSE;
}

static void on_ready(struct io_stream *stream, unsigned events)
{
    static enum step (*const steps[])(struct s3_client *) = {
        [HANDSHAKE] = step_handshake,
        [HEAD] = step_head,
        [BODY] = step_body,
        [REPLY] = step_reply,
    };
    struct s3_client *c = stream->owner;
    enum step step = STEP_ON;
    for (int i = 0; i < PIECES_PER_TURN && step == STEP_ON; i++)
        step = steps[c->state](c);
    if (step == STEP_CLOSE)
        client_close(c);
    else if (step == STEP_ON) /* more in the next turn: a socket is nearly always writable */
        io_stream_want(c->stream, IO_READ | IO_WRITE);
}

static void on_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct demo_s3_origin *o = l->owner;
    struct fault f = { .kind = FAULT_NONE };
    struct s3_client *c = o->n_connections < DEMO_S3_MAX_CONNECTIONS ? calloc(1, sizeof *c) : NULL;
    if (c == NULL || (c->stream = io_stream_new(o->loop, fd)) == NULL) {
        free(c);
        close(fd);
        return;
    }
    c->origin = o;
    c->stream->owner = c;
    c->stream->on_ready = on_ready;
    c->timer.on_fire = on_late;
    buf_init(&c->in, IN_BYTES + PIECE_BYTES);
    buf_init(&c->out, DEMO_S3_REPLY_BYTES);
    list_push_back(&o->connections, &c->node);
    o->n_connections++;
    if (!io_stream_start_tls(c->stream, o->tls, STR(""), 0, &f)) {
        client_close(c);
        return;
    }
    io_timer_arm(o->loop, &c->timer, DEMO_S3_IDLE_MS);
    io_stream_want(c->stream, IO_READ);
}

bool demo_s3_origin_open(struct demo_s3_origin *o, struct io_loop *loop, struct io_tls *tls,
                         struct demo_store *store, const struct addr *at, struct fault *f)
{
    *o = (struct demo_s3_origin){ .loop = loop, .tls = tls, .store = store };
    list_init(&o->connections);
    o->listener.owner = o;
    o->listener.on_accept = on_accept;
    if (!io_listener_open(&o->listener, loop, at, false, f)) {
        o->loop = NULL;
        return false;
    }
    o->local = o->listener.local;
    return true;
}

void demo_s3_origin_close(struct demo_s3_origin *o)
{
    if (o->loop == NULL)
        return;
    while (!list_is_empty(&o->connections))
        client_close(LIST_ENTRY(o->connections.next, struct s3_client, node));
    io_listener_close(&o->listener);
    o->loop = NULL;
}
