#include "io/stream.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RECORD_BYTES = 16384,
    /* Of one read. A peer that puts a byte into each has then no more of a turn than others: what
     * is left is told of again. */
    READ_RECORDS = 128
};

static void on_poll(uv_poll_t *h, int status, int events);

/* What the kernel must be asked for, so that the owner gets what it wants. */
static unsigned needed(const struct io_stream *s)
{
    return ((s->wanted & IO_READ) != 0 ? s->read_waits : 0u) |
           ((s->wanted & IO_WRITE) != 0 ? s->write_waits : 0u);
}

static void poll_for(struct io_stream *s, unsigned set)
{
    s->polled = set;
    if (set == 0)
        uv_poll_stop(&s->poll);
    else
        uv_poll_start(&s->poll,
                      ((set & IO_READ) != 0 ? UV_READABLE : 0) |
                          ((set & IO_WRITE) != 0 ? UV_WRITABLE : 0),
                      on_poll);
}

/*
 * Every change of the kernel's set is two system calls. So it only grows here, and shrinks when it
 * tells of something that is not wanted (on_poll): a set that comes and goes with each request
 * stays as it is.
 */
static void update_poll(struct io_stream *s)
{
    unsigned set = needed(s);
    if ((set & ~s->polled) != 0)
        poll_for(s, s->polled | set);
}

static void tell(struct io_stream *s, unsigned events)
{
    s->on_ready(s, events);
    if (!s->is_closed && (s->wanted & IO_READ) != 0 && io_stream_has_pending(s))
        io_defer(s->loop, &s->again);
}

static void on_again(struct io_task *t)
{
    struct io_stream *s =
        (struct io_stream *)(void *)((char *)t - offsetof(struct io_stream, again));
    if ((s->wanted & IO_READ) != 0 && io_stream_has_pending(s))
        tell(s, IO_READ);
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct io_stream *s = h->data;
    if (status < 0) {
        /* The socket failed (RST, refused), and libuv stopped polling: who reads or writes learns
         * why. */
        s->polled = 0;
        if (s->wanted != 0)
            tell(s, s->wanted);
        if (!s->is_closed)
            update_poll(s);
        return;
    }
    unsigned fired = ((events & UV_READABLE) != 0 ? IO_READ : 0u) |
                     ((events & UV_WRITABLE) != 0 ? IO_WRITE : 0u);
    unsigned ready = ((fired & s->read_waits) != 0 ? IO_READ : 0u) |
                     ((fired & s->write_waits) != 0 ? IO_WRITE : 0u);
    unsigned need = needed(s);
    if ((fired & ~need) != 0)
        poll_for(s, need);
    if ((ready & s->wanted) != 0)
        tell(s, ready & s->wanted);
}

struct io_stream *io_stream_new(struct io_loop *l, int fd)
{
    struct io_stream *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    if (uv_poll_init(&l->uv, &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    s->poll.data = s;
    s->loop = l;
    s->fd = s->wire.fd = fd;
    s->read_waits = IO_READ;
    s->write_waits = IO_WRITE;
    s->again.on_run = on_again;
    return s;
}

static void set_tcp(int fd, int option, int value)
{
    setsockopt(fd, IPPROTO_TCP, option, &value, sizeof value);
}

static void probe_silence(int fd)
{
    enum { IDLE_S = 30, AGAIN_S = 5, TRIES = 4 };
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &(int){ 1 }, sizeof(int));
    set_tcp(fd, TCP_KEEPIDLE, IDLE_S);
    set_tcp(fd, TCP_KEEPINTVL, AGAIN_S);
    set_tcp(fd, TCP_KEEPCNT, TRIES);
}

int io_connect(const struct addr *to, int *sys_errno)
{
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        *sys_errno = errno;
        return -1;
    }
    set_tcp(fd, TCP_NODELAY, 1);
    probe_silence(fd);
    /* EINTR: a non-blocking connect goes on all the same. */
    if (connect(fd, &to->sa, addr_len(to)) != 0 && errno != EINPROGRESS && errno != EINTR) {
        *sys_errno = errno;
        close(fd);
        return -1;
    }
    return fd;
}

int io_connect_result(struct io_stream *s)
{
    int e = 0;
    socklen_t n = sizeof e;
    return getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n) != 0 ? errno : e;
}

uint64_t io_stream_unheard_ms(const struct io_stream *s)
{
    struct tcp_info i = { 0 };
    socklen_t n = sizeof i;
    if (getsockopt(s->fd, IPPROTO_TCP, TCP_INFO, &i, &n) != 0 || i.tcpi_unacked == 0 ||
        i.tcpi_retransmits == 0)
        return 0;
    return i.tcpi_last_ack_recv;
}

/* The kind that a failed read or write means on a connection that stood. */
static enum io_result fail_sys(struct fault *f, const char *step, int e)
{
    fault_sys(f, e == ENOMEM || e == ENOBUFS ? FAULT_NO_MEMORY : FAULT_UPSTREAM_RESET, step, e);
    return IO_FAILED;
}

enum io_result io_stream_peek(struct io_stream *s, char *byte, struct fault *f)
{
    ssize_t got;
    do
        got = recv(s->fd, byte, 1, MSG_PEEK);
    while (got < 0 && errno == EINTR);
    if (got >= 0)
        return got > 0 ? IO_OK : IO_EOF;
    return errno == EAGAIN ? IO_AGAIN : fail_sys(f, "read", errno);
}

bool io_stream_start_tls(struct io_stream *s, struct io_tls *t, struct str host, uint16_t port,
                         struct fault *f)
{
    s->ssl = io_tls_open(t, &s->wire, host, port, f);
    return s->ssl != NULL;
}

static enum io_result fail_eof(struct fault *f, const char *step)
{
    fault_set(f, FAULT_UPSTREAM_CLOSED, step, "the connection ended without close_notify");
    return IO_FAILED;
}

enum io_result io_stream_handshake(struct io_stream *s, struct fault *f)
{
    s->wire.is_drained = false;
    ERR_clear_error();
    int r = SSL_do_handshake(s->ssl);
    if (r == 1) {
        s->may_hold = SSL_has_pending(s->ssl);
        return IO_OK;
    }
    int e = SSL_get_error(s->ssl, r);
    bool is_waiting = e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE;
    if (is_waiting && !s->wire.is_eof) {
        io_stream_want(s, e == SSL_ERROR_WANT_READ ? IO_READ : IO_WRITE);
        return IO_AGAIN;
    }
    if (is_waiting)
        fault_set(f, FAULT_TLS_FAILED, "handshake", "the peer closed the connection");
    else if (s->wire.sys_errno != 0)
        fault_sys(f, FAULT_TLS_FAILED, "handshake", s->wire.sys_errno);
    else
        io_tls_fault(s->ssl, "handshake", f);
    s->is_tls_dead = true;
    ERR_clear_error();
    return IO_FAILED;
}

bool io_stream_is_at_end(const struct io_stream *s)
{
    return s->wire.is_eof;
}

static enum io_result plain_read(struct io_stream *s, void *p, size_t cap, size_t *n,
                                 struct fault *f)
{
    ssize_t got;
    do
        got = recv(s->fd, p, cap, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        *n = (size_t)got;
        return IO_OK;
    }
    if (got == 0)
        return IO_EOF;
    if (errno == EAGAIN)
        return IO_AGAIN;
    return fail_sys(f, "read", errno);
}

/* Sets what the next attempt waits for; true when SSL only has to wait. */
static bool must_wait(struct io_stream *s, int ssl_error, uint8_t *waits)
{
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE)
        return false;
    uint8_t on = ssl_error == SSL_ERROR_WANT_READ ? IO_READ : IO_WRITE;
    if (*waits != on) {
        *waits = on;
        update_poll(s);
    }
    return true;
}

static enum io_result tls_failed(struct io_stream *s, const char *step, struct fault *f)
{
    s->is_tls_dead = true;
    if (s->tls_error != 0) {
        ERR_new();
        ERR_set_error(ERR_GET_LIB(s->tls_error), ERR_GET_REASON(s->tls_error), NULL);
    }
    if (s->wire.sys_errno != 0)
        fail_sys(f, step, s->wire.sys_errno);
    else
        io_tls_fault(s->ssl, step, f);
    s->tls_error = 0;
    ERR_clear_error();
    return IO_FAILED;
}

static enum io_result tls_read(struct io_stream *s, char *p, size_t cap, size_t *n, struct fault *f)
{
    size_t got = 0;
    s->wire.is_drained = false;
    ERR_clear_error();
    if (s->tls_error != 0)
        return tls_failed(s, "read", f);
    for (unsigned n_records = 0; got < cap && n_records < READ_RECORDS; n_records++) {
        size_t one = 0;
        int r = SSL_read_ex(s->ssl, p + got, cap - got, &one);
        if (r == 1) {
            got += one;
            /* A record that has come in part stays inside; wire_read knows that asking for the rest
             * is idle. */
            s->may_hold = SSL_has_pending(s->ssl);
            if (!s->wire.is_drained || s->may_hold)
                continue;
            break;
        }
        int e = SSL_get_error(s->ssl, r);
        s->may_hold = false;
        /* What was read before the end or the failure comes first; the next call tells of that
         * again. */
        if (must_wait(s, e, &s->read_waits)) {
            if (got > 0)
                break;
            return s->wire.is_eof ? fail_eof(f, "read") : IO_AGAIN;
        }
        s->may_hold = got > 0;
        if (got > 0) {
            if (e == SSL_ERROR_SSL)
                s->tls_error = ERR_peek_last_error();
            break;
        }
        return e == SSL_ERROR_ZERO_RETURN && !io_tls_is_flooded(s->ssl) ? IO_EOF
                                                                        : tls_failed(s, "read", f);
    }
    *n = got;
    return IO_OK;
}

enum io_result io_stream_read(struct io_stream *s, void *p, size_t cap, size_t *n, struct fault *f)
{
    *n = 0;
    if (cap == 0)
        return IO_OK;
    return s->ssl == NULL ? plain_read(s, p, cap, n, f) : tls_read(s, p, cap, n, f);
}

bool io_stream_has_pending(const struct io_stream *s)
{
    return s->ssl != NULL && s->may_hold;
}

static enum io_result plain_write(struct io_stream *s, const struct iovec *v, int n_v, size_t *n,
                                  struct fault *f)
{
    struct msghdr m = { .msg_iov = (struct iovec *)v, .msg_iovlen = (size_t)n_v };
    ssize_t put;
    do
        put = sendmsg(s->fd, &m, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0) {
        *n = (size_t)put;
        return IO_OK;
    }
    return errno == EAGAIN ? IO_AGAIN : fail_sys(f, "write", errno);
}

/* Where writing goes on in an array of pieces. */
struct cursor {
    const struct iovec *v;
    int n_v;
    size_t at; /* in v[0] */
};

static void skip(struct cursor *c, size_t n)
{
    c->at += n;
    while (c->n_v > 0 && c->at >= c->v->iov_len) {
        c->at -= c->v->iov_len;
        c->v++;
        c->n_v--;
    }
}

/* The next record's bytes, at most max: in place when the first piece has them all, else gathered
 * in room. */
static const char *gather(struct cursor c, size_t max, char *room, size_t *n)
{
    const char *first = (const char *)c.v->iov_base + c.at;
    size_t n_first = c.v->iov_len - c.at;
    if (n_first >= max || c.n_v == 1) {
        *n = n_first < max ? n_first : max;
        return first;
    }
    size_t used = 0;
    while (c.n_v > 0 && used < max) {
        size_t one = c.v->iov_len - c.at;
        if (one > max - used)
            one = max - used;
        if (one > 0)
            memcpy(room + used, (const char *)c.v->iov_base + c.at, one);
        used += one;
        skip(&c, one);
    }
    *n = used;
    return room;
}

/*
 * A head and a small body become one record and one send(2). A record that is under way must be
 * offered again with the same length: OpenSSL has encrypted it already.
 */
static enum io_result tls_write(struct io_stream *s, const struct iovec *v, int n_v, size_t *n,
                                struct fault *f)
{
    char room[RECORD_BYTES];
    struct cursor c = { v, n_v, 0 };
    size_t put = 0;
    ERR_clear_error();
    skip(&c, 0);
    while (c.n_v > 0) {
        size_t n_record, one = 0;
        const char *p = gather(c, s->n_retry != 0 ? s->n_retry : RECORD_BYTES, room, &n_record);
        int r = SSL_write_ex(s->ssl, p, n_record, &one);
        if (r != 1) {
            int e = SSL_get_error(s->ssl, r);
            if (!must_wait(s, e, &s->write_waits)) {
                if (put > 0)
                    break;
                return tls_failed(s, "write", f);
            }
            s->n_retry = (uint32_t)n_record;
            break;
        }
        s->n_retry = 0;
        put += one;
        skip(&c, one);
    }
    *n = put;
    return put > 0 || n_v == 0 ? IO_OK : IO_AGAIN;
}

enum io_result io_stream_writev(struct io_stream *s, const struct iovec *v, int n_v, size_t *n,
                                struct fault *f)
{
    *n = 0;
    return s->ssl == NULL ? plain_write(s, v, n_v, n, f) : tls_write(s, v, n_v, n, f);
}

void io_stream_want(struct io_stream *s, unsigned events)
{
    if (s->is_closed)
        return;
    s->wanted = events;
    update_poll(s);
    if ((events & IO_READ) != 0 && io_stream_has_pending(s))
        io_defer(s->loop, &s->again);
}

/* False when there is no room for it. */
static bool send_close_notify(struct io_stream *s)
{
    if (s->ssl == NULL || s->is_ended || s->is_tls_dead || s->tls_error != 0 || s->n_retry != 0 ||
        !SSL_is_init_finished(s->ssl))
        return true;
    ERR_clear_error();
    int r = SSL_shutdown(s->ssl);
    bool is_full = r < 0 && SSL_get_error(s->ssl, r) == SSL_ERROR_WANT_WRITE;
    ERR_clear_error();
    s->is_ended = !is_full;
    return !is_full;
}

enum io_result io_stream_shutdown(struct io_stream *s)
{
    if (!send_close_notify(s))
        return IO_AGAIN;
    shutdown(s->fd, SHUT_WR);
    return IO_OK;
}

static void on_closed(uv_handle_t *h)
{
    free(h->data);
}

static void drop(struct io_stream *s)
{
    s->is_closed = true;
    s->wanted = 0;
    io_defer_cancel(&s->again);
    io_tls_close(s->ssl);
    s->ssl = NULL;
    /* uv_close takes fd out of epoll at once, so its number may be used again in this turn. */
    uv_close((uv_handle_t *)&s->poll, on_closed);
    close(s->fd);
    s->fd = -1;
}

void io_stream_close(struct io_stream *s)
{
    if (s == NULL || s->is_closed)
        return;
    send_close_notify(s);
    drop(s);
}

void io_stream_reset(struct io_stream *s)
{
    if (s == NULL || s->is_closed)
        return;
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    drop(s);
}
