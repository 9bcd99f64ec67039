/*
 * Connections (RFC 7766): messages with their length in front, any number of them, answered in the
 * order in which answers are known. A connection that has enough waiting, in questions or in bytes
 * that its client does not take, is not read from; what it sends then waits in the kernel, which
 * keeps little for it. All buffers together are bounded: beyond that, large ones go whose clients
 * have not moved for longest.
 */
#include "dns/front_impl.h"

#include "obs/metrics.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    FRAME_BYTES = 2,
    READ_BYTES = 4096,
    READS_PER_TURN = 8,
    /* Beyond this nothing more is read, or answered from the cache. */
    OUT_ENOUGH_BYTES = 64 * 1024,
    /* Answers to questions in flight come on top; a client that does not take them is cut. */
    OUT_MAX_BYTES = 512 * 1024,
    KEPT_BYTES = 16 * 1024, /* of an empty buffer */
    /* Of the kernel's, which would take megabytes for each client that does not read. */
    SEND_BUFFER_BYTES = 64 * 1024,
    RECEIVE_BUFFER_BYTES = 32 * 1024,
    IDLE_MS = 10 * 1000,
};

struct front_conn {
    struct list node; /* in front->conns */
    struct dns_front *front;
    struct io_stream *stream; /* NULL: closed, and gone at the end of the turn */
    struct addr peer;
    struct buf in, out;
    size_t out_at;  /* of out, what was written */
    size_t n_bytes; /* in's and out's memory, as counted in front->conn_bytes */
    unsigned n_questions;
    struct list questions;
    struct io_timer timer; /* from the last whole message or byte taken */
    bool is_ended;         /* the client sends no more */
    bool is_stranger;
};

static void go_on(struct front_conn *c);

static void close_conn(struct front_conn *c)
{
    struct dns_front *f = c->front;
    io_stream_close(c->stream);
    c->stream = NULL;
    while (!list_is_empty(&c->questions))
        front_question_cancel(LIST_ENTRY(c->questions.next, struct front_question, conn_node));
    io_timer_disarm(f->loop, &c->timer);
    list_remove(&c->node);
    buf_done(&c->in);
    buf_done(&c->out);
    f->conn_bytes -= c->n_bytes;
    f->n_conns--;
    f->n_strangers -= c->is_stranger;
    metric_sub(METRIC_DNS_FRONT_CONNS, 1);
    io_free_later(f->loop, c);
    front_look_if_drained(f);
}

static size_t n_unsent(const struct front_conn *c)
{
    return c->out.n - c->out_at;
}

static bool is_idle(const struct front_conn *c)
{
    return c->n_questions == 0 && n_unsent(c) == 0;
}

static bool has_enough(const struct front_conn *c)
{
    return c->n_questions >= FRONT_MAX_CONN_QUESTIONS || n_unsent(c) >= OUT_ENOUGH_BYTES;
}

static void touch(struct front_conn *c)
{
    list_remove(&c->node);
    list_push_back(&c->front->conns, &c->node);
    io_timer_arm(c->front->loop, &c->timer, IDLE_MS);
}

/* Questions in flight end by themselves; an answer that nobody takes, or half a question, does
 * not. */
static void on_late(struct io_timer *t)
{
    struct front_conn *c = LIST_ENTRY(t, struct front_conn, timer);
    if (c->n_questions > 0 && n_unsent(c) == 0)
        io_timer_arm(c->front->loop, &c->timer, IDLE_MS);
    else
        close_conn(c);
}

/* ---- out ---- */

/* A place for the length; false when the buffer has no room for a message. */
static bool begin_frame(struct front_conn *c, size_t *frame_at)
{
    *frame_at = c->out.n;
    buf_append(&c->out, str_of("\0\0", FRAME_BYTES));
    return !c->out.failed;
}

static bool end_frame(struct front_conn *c, size_t frame_at)
{
    size_t n = c->out.n - frame_at - FRAME_BYTES;
    if (c->out.failed || n == 0) {
        c->out.n = frame_at;
        return false;
    }
    c->out.p[frame_at] = (char)(uint8_t)(n >> 8);
    c->out.p[frame_at + 1] = (char)(uint8_t)n;
    return true;
}

/* False: the connection is gone. */
static bool flush(struct front_conn *c)
{
    struct fault f = { .kind = FAULT_NONE };
    while (n_unsent(c) > 0) {
        struct iovec v = { c->out.p + c->out_at, n_unsent(c) };
        size_t n = 0;
        enum io_result r = io_stream_writev(c->stream, &v, 1, &n, &f);
        if (r == IO_AGAIN)
            break;
        if (r != IO_OK) {
            close_conn(c);
            return false;
        }
        c->out_at += n;
        touch(c);
    }
    if (n_unsent(c) > 0) {
        buf_drop(&c->out, c->out_at);
    } else {
        buf_clear(&c->out);
        if (c->out.cap > KEPT_BYTES)
            buf_done(&c->out);
    }
    c->out_at = 0;
    return true;
}

bool front_tcp_write_answer(struct front_conn *c, struct front_question *q)
{
    size_t frame_at;
    return begin_frame(c, &frame_at) &&
           front_write_answer(q, DNS_MESSAGE_BYTES, &c->out) != DNS_REPLIED_NONE &&
           end_frame(c, frame_at);
}

void front_tcp_take(struct front_conn *c, struct list *node)
{
    list_push_back(&c->questions, node);
    c->n_questions++;
}

void front_tcp_go_on(struct front_conn *c, bool is_written)
{
    c->n_questions--;
    if (is_written)
        go_on(c);
    else
        close_conn(c);
}

/* ---- in ---- */

/* False: what it says is not for a server. */
static bool serve_message(struct front_conn *c, struct str message)
{
    struct dns_front *f = c->front;
    struct dns_request request;
    enum dns_request_read read = dns_request_read(message, &request);
    size_t frame_at;
    if (read == DNS_REQUEST_NONE || !begin_frame(c, &frame_at))
        return false;
    metric_add(METRIC_DNS_FRONT_TCP, 1);
    enum front_verdict v = front_serve(f, &request, read, &c->peer, DNS_MESSAGE_BYTES, &c->out);
    if (v == FRONT_TO_ASK)
        v = front_ask(f, &request, &c->peer, c, NULL, DNS_MESSAGE_BYTES, &c->out);
    if (v == FRONT_ANSWERED)
        return end_frame(c, frame_at);
    c->out.n = frame_at;
    return !c->out.failed;
}

/* The whole messages of in, as far as there may be more answers. False: the connection is gone. */
static bool serve_all(struct front_conn *c)
{
    size_t at = 0;
    while (!has_enough(c) && c->in.n - at >= FRAME_BYTES) {
        const uint8_t *p = (const uint8_t *)c->in.p + at;
        size_t n = (size_t)p[0] << 8 | p[1];
        if (c->in.n - at - FRAME_BYTES < n)
            break;
        if (!serve_message(c, str_of(c->in.p + at + FRAME_BYTES, n))) {
            metric_add(METRIC_DNS_FRONT_DROPPED, 1);
            close_conn(c);
            return false;
        }
        at += FRAME_BYTES + n;
    }
    if (at == 0)
        return true;
    touch(c);
    buf_drop(&c->in, at);
    if (c->in.n == 0 && c->in.cap > KEPT_BYTES)
        buf_done(&c->in);
    return true;
}

static void bound_buffers(struct dns_front *f)
{
    LIST_EACH (it, after, &f->conns) {
        struct front_conn *c = LIST_ENTRY(it, struct front_conn, node);
        if (f->conn_bytes <= FRONT_CONN_BYTES)
            return;
        if (c->n_bytes > KEPT_BYTES)
            close_conn(c);
    }
}

/* Last in every event of a connection: it may be gone. */
static void count_buffers(struct front_conn *c)
{
    struct dns_front *f = c->front;
    size_t now = c->in.cap + c->out.cap;
    f->conn_bytes = f->conn_bytes - c->n_bytes + now;
    c->n_bytes = now;
    if (f->conn_bytes > FRONT_CONN_BYTES)
        bound_buffers(f);
}

/* Serves and sends. Where sending made room for more, that is for the next turn: a few small
 * questions may have megabytes of answers, and others wait. */
static void go_on(struct front_conn *c)
{
    if (!serve_all(c))
        return;
    bool was_full = has_enough(c);
    if (!flush(c))
        return;
    bool has_more = was_full && !has_enough(c);
    if (is_idle(c) && !has_more && (c->is_ended || c->front->is_draining)) {
        close_conn(c);
        return;
    }
    bool reads = !c->is_ended && !c->front->is_draining && !has_enough(c);
    bool writes = has_more || n_unsent(c) > 0;
    io_stream_want(c->stream, (reads ? IO_READ : 0u) | (writes ? IO_WRITE : 0u));
    count_buffers(c);
}

/* One look at the socket; false: no more now, or for ever (c->is_ended, or closed). */
static bool read_some(struct front_conn *c)
{
    struct fault f = { .kind = FAULT_NONE };
    size_t n = 0;
    char *to = buf_reserve(&c->in, READ_BYTES);
    enum io_result r = to == NULL ? IO_FAILED : io_stream_read(c->stream, to, READ_BYTES, &n, &f);
    c->in.n += n;
    if (r == IO_EOF)
        c->is_ended = true;
    else if (r == IO_FAILED)
        close_conn(c);
    return r == IO_OK;
}

static void on_ready(struct io_stream *s, unsigned events)
{
    struct front_conn *c = s->owner;
    for (unsigned i = 0; i < READS_PER_TURN && (events & IO_READ) != 0; i++) {
        bool has_more = !c->is_ended && !has_enough(c) && read_some(c);
        if (c->stream == NULL)
            return;
        if (!has_more || !serve_all(c))
            break;
    }
    if (c->stream != NULL)
        go_on(c);
}

/* ---- connections ---- */

/* The one that has been idle longest; else the one that has not moved for longest. */
static void make_room(struct dns_front *f)
{
    LIST_EACH (it, after, &f->conns) {
        struct front_conn *c = LIST_ENTRY(it, struct front_conn, node);
        if (is_idle(c)) {
            close_conn(c);
            return;
        }
    }
    close_conn(LIST_ENTRY(f->conns.next, struct front_conn, node));
}

void front_tcp_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct dns_front *f = ((struct front_place *)l->owner)->front;
    bool is_stranger = !front_is_allowed(f, peer);
    if (is_stranger && f->n_strangers >= FRONT_MAX_STRANGERS) {
        metric_add(METRIC_DNS_FRONT_DENIED, 1);
        close(fd);
        return;
    }
    if (f->n_conns >= f->max_conns)
        make_room(f);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){ SEND_BUFFER_BYTES }, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE_BUFFER_BYTES }, sizeof(int));
    struct front_conn *c = calloc(1, sizeof *c);
    struct io_stream *s = c != NULL ? io_stream_new(f->loop, fd) : NULL;
    if (s == NULL) {
        free(c);
        close(fd);
        return;
    }
    s->owner = c;
    s->on_ready = on_ready;
    c->front = f;
    c->stream = s;
    c->peer = *peer;
    c->timer.on_fire = on_late;
    buf_init(&c->in, FRAME_BYTES + DNS_MESSAGE_BYTES + READ_BYTES);
    buf_init(&c->out, OUT_MAX_BYTES);
    list_init(&c->questions);
    list_init(&c->node);
    c->is_stranger = is_stranger;
    f->n_strangers += is_stranger;
    f->n_conns++;
    metric_add(METRIC_DNS_FRONT_CONNS, 1);
    touch(c);
    io_stream_want(s, IO_READ);
}

void front_tcp_close_idle(struct dns_front *f)
{
    LIST_EACH (it, after, &f->conns) {
        struct front_conn *c = LIST_ENTRY(it, struct front_conn, node);
        if (is_idle(c))
            close_conn(c);
        else
            io_stream_want(c->stream, n_unsent(c) > 0 ? IO_WRITE : 0);
    }
}

void front_tcp_close_all(struct dns_front *f)
{
    while (!list_is_empty(&f->conns))
        close_conn(LIST_ENTRY(f->conns.next, struct front_conn, node));
}
