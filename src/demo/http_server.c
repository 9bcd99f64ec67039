#include "demo/http_server.h"

#include "io/stream.h"

#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    IN_BYTES = HTTP_REQUEST_HEAD_BYTES + 2 * DEMO_HTTP_PIECE_BYTES,
    PIECES_PER_TURN = 16, /* so that one download leaves turns to the others */
};

enum client_state { HANDSHAKE, HEAD, BODY, REPLY };

/* One client. It dies with client_close, which frees it at the end of the turn. */
struct http_client {
    struct list node;
    struct demo_http_server *server;
    struct io_stream *stream;
    struct io_timer timer;
    enum client_state state;
    struct buf in, out;
    size_t scanned;
    struct http1_body body;
    bool is_answering;                   /* from the head to the end of the reply */
    bool keep_alive;                     /* behind the reply under way */
    _Alignas(max_align_t) char answer[]; /* kind->answer_bytes */
};

static void end_answer(struct http_client *c)
{
    if (!c->is_answering)
        return;
    c->is_answering = false;
    c->server->kind->done(c->answer);
    http1_body_done(&c->body);
}

static void client_close(struct http_client *c)
{
    struct demo_http_server *s = c->server;
    io_timer_disarm(s->loop, &c->timer);
    io_stream_close(c->stream);
    end_answer(c);
    buf_done(&c->in);
    buf_done(&c->out);
    list_remove(&c->node);
    s->n_connections--;
    io_free_later(s->loop, c);
}

static void on_late(struct io_timer *t)
{
    client_close(LIST_ENTRY(t, struct http_client, timer));
}

/* What one step leaves: go on with the next one, wait for the peer, or give the connection up. */
enum step { STEP_ON, STEP_WAIT, STEP_CLOSE };

static enum step fill(struct http_client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    size_t n;
    char *p = buf_reserve(&c->in, DEMO_HTTP_PIECE_BYTES);
    if (p == NULL)
        return STEP_CLOSE;
    enum io_result r = io_stream_read(c->stream, p, DEMO_HTTP_PIECE_BYTES, &n, &f);
    if (r == IO_AGAIN) {
        io_stream_want(c->stream, IO_READ);
        return STEP_WAIT;
    }
    if (r != IO_OK)
        return STEP_CLOSE;
    c->in.n += n;
    io_timer_arm(c->server->loop, &c->timer, DEMO_HTTP_STALL_MS);
    return STEP_ON;
}

static enum step step_handshake(struct http_client *c)
{
    struct fault f = { .kind = FAULT_NONE };
    enum io_result r = io_stream_handshake(c->stream, &f);
    if (r == IO_AGAIN)
        return STEP_WAIT;
    c->state = HEAD;
    return r == IO_OK ? STEP_ON : STEP_CLOSE;
}

static enum step step_head(struct http_client *c)
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
    c->server->kind->begin(c->answer, c->server->owner, ++c->server->n_requests, &head);
    c->is_answering = true;
    c->keep_alive = head.keep_alive;
    http1_body_init(&c->body, head.framing, head.content_length);
    if (head.expects_continue)
        buf_append(&c->out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
    buf_drop(&c->in, used);
    c->state = BODY;
    return STEP_ON;
}

/* True when all of it went. */
static bool flush(struct http_client *c, bool *is_alive)
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
        io_timer_arm(c->server->loop, &c->timer, DEMO_HTTP_STALL_MS);
    buf_drop(&c->out, n);
    if (c->out.n > 0)
        io_stream_want(c->stream, IO_WRITE);
    return c->out.n == 0;
}

static enum step step_body(struct http_client *c)
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
        c->server->kind->body(c->answer, data);
    buf_drop(&c->in, used);
    if (step == HTTP1_BODY_MORE)
        return fill(c);
    if (step == HTTP1_BODY_END) {
        c->server->kind->reply(c->answer, &c->out);
        c->state = REPLY;
    }
    return c->out.failed ? STEP_CLOSE : STEP_ON;
}

static enum step step_reply(struct http_client *c)
{
    bool is_alive;
    if (!flush(c, &is_alive))
        return is_alive ? STEP_WAIT : STEP_CLOSE;
    if (!c->is_answering) /* a head that was refused */
        return STEP_CLOSE;
    enum demo_http_more more = c->server->kind->more(c->answer, &c->out);
    if (more != DEMO_HTTP_END)
        return more == DEMO_HTTP_PIECE && !c->out.failed ? STEP_ON : STEP_CLOSE;
    end_answer(c);
    c->scanned = 0;
    c->state = HEAD;
    io_timer_arm(c->server->loop, &c->timer, DEMO_HTTP_IDLE_MS);
    return c->keep_alive ? STEP_ON : STEP_CLOSE;
}

static void on_ready(struct io_stream *stream, unsigned events)
{
    static enum step (*const steps[])(struct http_client *) = {
        [HANDSHAKE] = step_handshake,
        [HEAD] = step_head,
        [BODY] = step_body,
        [REPLY] = step_reply,
    };
    struct http_client *c = stream->owner;
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
    struct demo_http_server *s = l->owner;
    struct fault f = { .kind = FAULT_NONE };
    struct http_client *c = s->n_connections < DEMO_HTTP_MAX_CONNECTIONS
                                ? calloc(1, sizeof *c + s->kind->answer_bytes)
                                : NULL;
    if (c == NULL || (c->stream = io_stream_new(s->loop, fd)) == NULL) {
        free(c);
        close(fd);
        return;
    }
    c->server = s;
    c->state = s->tls != NULL ? HANDSHAKE : HEAD;
    c->stream->owner = c;
    c->stream->on_ready = on_ready;
    c->timer.on_fire = on_late;
    buf_init(&c->in, IN_BYTES);
    buf_init(&c->out, s->kind->reply_bytes);
    list_push_back(&s->connections, &c->node);
    s->n_connections++;
    if (s->tls != NULL && !io_stream_start_tls(c->stream, s->tls, STR(""), 0, &f)) {
        client_close(c);
        return;
    }
    io_timer_arm(s->loop, &c->timer, DEMO_HTTP_IDLE_MS);
    io_stream_want(c->stream, IO_READ);
}

bool demo_http_server_open(struct demo_http_server *s, struct io_loop *loop, struct io_tls *tls,
                           const struct demo_http_kind *kind, void *owner, const struct addr *at,
                           struct fault *f)
{
    *s = (struct demo_http_server){ .kind = kind, .owner = owner, .loop = loop, .tls = tls };
    list_init(&s->connections);
    s->listener.owner = s;
    s->listener.on_accept = on_accept;
    if (!io_listener_open(&s->listener, loop, at, false, f)) {
        s->loop = NULL;
        return false;
    }
    s->local = s->listener.local;
    return true;
}

void demo_http_server_close(struct demo_http_server *s)
{
    if (s->loop == NULL)
        return;
    while (!list_is_empty(&s->connections))
        client_close(LIST_ENTRY(s->connections.next, struct http_client, node));
    io_listener_close(&s->listener);
    s->loop = NULL;
}
