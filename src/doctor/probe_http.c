#include "doctor/probe_http.h"

#include <errno.h>
#include <unistd.h>

enum { IN_BYTES = HTTP_RESPONSE_HEAD_BYTES + 16 * 1024, READ_BYTES = 16 * 1024 };

void probe_http_done(struct probe_http *h)
{
    if (h->loop == NULL)
        return;
    h->is_active = false;
    io_stream_close(h->stream);
    h->stream = NULL;
    io_timer_disarm(h->loop, &h->timer);
    io_defer_cancel(&h->failure);
    http1_body_done(&h->framing);
    buf_done(&h->out);
    buf_done(&h->in);
    buf_done(&h->body);
    h->loop = NULL;
}

static void finish(struct probe_http *h)
{
    if (h->step == PROBE_HTTP_CONNECT)
        h->connect_us = io_now_us() - h->started_us;
    h->is_active = false;
    io_timer_disarm(h->loop, &h->timer);
    if (h->stream != NULL)
        io_stream_want(h->stream, 0);
    h->on_done(h);
}

static bool is_reset(int sys_errno)
{
    return sys_errno == ECONNRESET || sys_errno == EPIPE;
}

static void fail(struct probe_http *h)
{
    h->is_closed |= is_reset(h->fault.sys_errno);
    finish(h);
}

static void on_failure(struct io_task *t)
{
    fail(LIST_ENTRY(t, struct probe_http, failure));
}

static void on_timer(struct io_timer *t)
{
    struct probe_http *h = LIST_ENTRY(t, struct probe_http, timer);
    h->is_late = true;
    finish(h);
}

static void enter(struct probe_http *h, enum probe_http_step step, unsigned ms)
{
    h->step = step;
    io_timer_arm(h->loop, &h->timer, ms);
}

/* -- the response ------------------------------------------------------------------------- */

/* True when nothing more is wanted of the body. */
static bool take_body(struct probe_http *h, struct str in)
{
    enum http1_body_step step = HTTP1_BODY_DATA;
    size_t max = h->request.max_body_bytes;
    while (step == HTTP1_BODY_DATA && h->body.n < max) {
        struct str data = { NULL, 0 };
        size_t used = 0;
        step = http1_body_next(&h->framing, in, &used, &data);
        in = str_from(in, used);
        if (step == HTTP1_BODY_DATA)
            buf_append(&h->body, str_first(data, max - h->body.n));
    }
    if (step == HTTP1_BODY_BAD)
        fault_set(&h->fault, FAULT_UPSTREAM_PROTOCOL, "body", "its framing is broken");
    return step != HTTP1_BODY_MORE || h->body.n == max;
}

/* What has come of the head; behind it the body may begin already. */
static bool take_head(struct probe_http *h)
{
    size_t used = 0;
    enum http_parse parsed = http1_parse_response(buf_str(&h->in), &h->scanned, h->request.method,
                                                  &h->head, &used, &h->fault);
    if (parsed == HTTP_BAD)
        return true;
    if (parsed == HTTP_MORE)
        return false;
    h->has_head = true;
    http1_body_init(&h->framing, h->head.framing, h->head.content_length);
    return h->request.max_body_bytes == 0 || take_body(h, str_from(buf_str(&h->in), used));
}

static void end_of_input(struct probe_http *h, enum io_result r)
{
    h->is_closed = true;
    if (r == IO_EOF && h->has_head && http1_body_eof(&h->framing))
        h->step = PROBE_HTTP_DONE;
    else if (r == IO_EOF)
        fault_set(&h->fault, FAULT_UPSTREAM_CLOSED, "response", "the peer closed the connection");
    finish(h);
}

static void read_some(struct probe_http *h)
{
    char bytes[READ_BYTES];
    size_t n = 0;
    enum io_result r = io_stream_read(h->stream, bytes, sizeof bytes, &n, &h->fault);
    if (r == IO_AGAIN)
        return;
    if (r != IO_OK) {
        end_of_input(h, r);
        return;
    }
    bool is_over;
    if (h->has_head) {
        is_over = take_body(h, str_of(bytes, n));
    } else {
        /* The head borrows from in, to which nothing is appended once it is whole. */
        buf_append(&h->in, str_of(bytes, n));
        is_over = take_head(h);
    }
    if (h->in.failed || h->body.failed)
        is_over = !fault_set(&h->fault, FAULT_NO_MEMORY, "response", NULL);
    if (!is_over)
        return;
    if (!fault_is_set(&h->fault))
        h->step = PROBE_HTTP_DONE;
    finish(h);
}

/* -- up to the request -------------------------------------------------------------------- */

static void write_some(struct probe_http *h)
{
    struct iovec v = { h->out.p + h->sent, h->out.n - h->sent };
    size_t n = 0;
    if (io_stream_writev(h->stream, &v, 1, &n, &h->fault) == IO_FAILED) {
        fail(h);
        return;
    }
    h->sent += n;
    io_stream_want(h->stream, IO_READ | (h->sent < h->out.n ? IO_WRITE : 0u));
}

static void send_request(struct probe_http *h)
{
    enter(h, PROBE_HTTP_RESPONSE, h->request.response_ms);
    io_stream_want(h->stream, IO_READ | IO_WRITE);
    write_some(h);
}

static void shake_hands(struct probe_http *h)
{
    enum io_result r = io_stream_handshake(h->stream, &h->fault);
    if (r == IO_AGAIN)
        return;
    if (r == IO_OK) {
        send_request(h);
        return;
    }
    h->is_closed = io_stream_is_at_end(h->stream);
    fail(h);
}

static void on_connected(struct probe_http *h)
{
    int e = io_connect_result(h->stream);
    h->connect_us = io_now_us() - h->started_us;
    if (e != 0) {
        fault_sys(&h->fault, FAULT_CONNECT_FAILED, "connect", e);
        finish(h);
        return;
    }
    if (h->request.tls == NULL) {
        send_request(h);
        return;
    }
    enter(h, PROBE_HTTP_TLS, h->request.tls_ms);
    if (io_stream_start_tls(h->stream, h->request.tls, h->request.host, addr_port(&h->request.to),
                            &h->fault))
        shake_hands(h);
    else
        fail(h);
}

static void on_ready(struct io_stream *s, unsigned events)
{
    struct probe_http *h = s->owner;
    if (h->step == PROBE_HTTP_CONNECT) {
        on_connected(h);
    } else if (h->step == PROBE_HTTP_TLS) {
        shake_hands(h);
    } else {
        if ((events & IO_WRITE) != 0 && h->sent < h->out.n)
            write_some(h);
        if (h->is_active && (events & IO_READ) != 0)
            read_some(h);
    }
}

static bool write_request(struct probe_http *h)
{
    const struct probe_http_request *q = &h->request;
    http1_write_request_line(&h->out, q->method == HTTP_HEAD ? STR("HEAD") : STR("GET"), q->target);
    http1_write_field(&h->out, STR("Host"), q->host_field);
    http1_write_field(&h->out, STR("User-Agent"), STR("penstock-doctor"));
    http1_write_field(&h->out, STR("Accept"), STR("*/*"));
    http1_write_field(&h->out, STR("Connection"), STR("close"));
    buf_append(&h->out, STR("\r\n"));
    return !h->out.failed ||
           fault_set(&h->fault, FAULT_BAD_REQUEST, "request", "a name in it cannot be sent");
}

static bool open_stream(struct probe_http *h)
{
    int sys_errno = 0, fd = io_connect(&h->request.to, &sys_errno);
    if (fd < 0)
        return fault_sys(&h->fault, FAULT_CONNECT_FAILED, "connect", sys_errno);
    h->stream = io_stream_new(h->loop, fd);
    if (h->stream == NULL) {
        close(fd);
        return fault_set(&h->fault, FAULT_NO_MEMORY, "connect", NULL);
    }
    h->stream->owner = h;
    h->stream->on_ready = on_ready;
    io_stream_want(h->stream, IO_WRITE);
    return true;
}

void probe_http_start(struct probe_http *h, struct io_loop *loop,
                      const struct probe_http_request *request)
{
    h->loop = loop;
    h->request = *request;
    h->step = PROBE_HTTP_CONNECT;
    h->is_late = h->is_closed = h->has_head = false;
    h->sent = h->scanned = 0;
    h->stream = NULL;
    h->is_active = true;
    h->timer.on_fire = on_timer;
    h->failure.on_run = on_failure;
    fault_clear(&h->fault);
    buf_init(&h->out, HTTP_REQUEST_HEAD_BYTES);
    buf_init(&h->in, IN_BYTES);
    buf_init(&h->body, request->max_body_bytes + 1);
    http1_body_init(&h->framing, HTTP_NO_BODY, 0);
    h->started_us = io_now_us();
    uv_update_time(&loop->uv);
    if (write_request(h) && open_stream(h))
        io_timer_arm(loop, &h->timer, request->connect_ms);
    else
        io_defer(loop, &h->failure);
}
