#include "doctor/probe_query.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <unistd.h>

enum { DATAGRAM_BYTES = 65535, MAX_DATAGRAMS_A_TURN = 16 };

bool probe_is_exhausted(int sys_errno)
{
    return sys_errno == EMFILE || sys_errno == ENFILE || sys_errno == ENOMEM ||
           sys_errno == ENOBUFS;
}

static void release(struct probe_query *q)
{
    if (!q->is_active)
        return;
    q->is_active = false;
    if (q->poll != NULL) {
        uv_poll_stop(q->poll);
        io_close_and_free(q->poll);
        q->poll = NULL;
    }
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
    io_stream_close(q->stream);
    q->stream = NULL;
    dns_frames_done(&q->frames);
    io_timer_disarm(q->loop, &q->timer);
    io_defer_cancel(&q->failure);
}

void probe_query_cancel(struct probe_query *q)
{
    release(q);
}

static void finish(struct probe_query *q, enum probe_query_end end, int sys_errno,
                   const struct probe_reply *reply)
{
    q->end = end;
    q->sys_errno = sys_errno;
    q->took_us = io_now_us() - q->sent_us;
    release(q);
    q->on_done(q, reply);
}

/* Before anything was sent, a missing route is our own; later it is what somebody else told. */
static enum probe_query_end end_of(int sys_errno, bool was_sent)
{
    switch (sys_errno) {
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
        return was_sent ? PROBE_QUERY_UNREACHABLE : PROBE_QUERY_NO_ROUTE;
    case ECONNREFUSED:
    case ECONNRESET:
    case EPIPE:
        return PROBE_QUERY_UNREACHABLE;
    case ETIMEDOUT:
        return PROBE_QUERY_SILENT;
    default:
        return PROBE_QUERY_FAILED;
    }
}

static void fail(struct probe_query *q, int sys_errno, bool was_sent)
{
    finish(q, end_of(sys_errno, was_sent), sys_errno, NULL);
}

static void fail_later(struct probe_query *q, int sys_errno)
{
    q->sys_errno = sys_errno;
    io_defer(q->loop, &q->failure);
}

static void on_failure(struct io_task *t)
{
    struct probe_query *q = LIST_ENTRY(t, struct probe_query, failure);
    fail(q, q->sys_errno, false);
}

static void on_timer(struct io_timer *t)
{
    finish(LIST_ENTRY(t, struct probe_query, timer), PROBE_QUERY_SILENT, 0, NULL);
}

/* True when it was the reply: q is over. */
static bool take(struct probe_query *q, struct str wire)
{
    static _Thread_local struct probe_reply reply;
    if (!probe_reply_read(wire, q->id, &q->ask, &reply))
        return false;
    finish(q, PROBE_QUERY_REPLY, 0, &reply);
    return true;
}

/* -- UDP ---------------------------------------------------------------------------------- */

static void on_datagram(uv_poll_t *poll, int status, int events)
{
    struct probe_query *q = poll->data;
    static _Thread_local uint8_t datagram[DATAGRAM_BYTES];
    for (unsigned i = 0; i < MAX_DATAGRAMS_A_TURN; i++) {
        ssize_t n = recv(q->fd, datagram, sizeof datagram, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            fail(q, errno, true);
            return;
        }
        if (take(q, str_of((const char *)datagram, (size_t)n)))
            return;
    }
}

/* Else Linux keeps "no such host" from a socket for UDP, and tells of "no such port" alone. */
static void want_all_icmp(int fd, int family)
{
    if (family == AF_INET)
        setsockopt(fd, IPPROTO_IP, IP_RECVERR, &(int){ 1 }, sizeof(int));
    else
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &(int){ 1 }, sizeof(int));
}

static bool send_udp(struct probe_query *q)
{
    const struct addr *to = &q->server;
    q->fd = socket(addr_family(to), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (q->fd < 0)
        return false;
    want_all_icmp(q->fd, addr_family(to));
    if (connect(q->fd, &to->sa, addr_len(to)) != 0)
        return false;
    /* A firewall of this host took it: lost, as anywhere else on the way. */
    if (send(q->fd, q->query + 2, q->n - 2, MSG_NOSIGNAL) < 0 && errno != EPERM && errno != EACCES)
        return false;
    q->poll = malloc(sizeof *q->poll);
    errno = ENOMEM;
    if (q->poll == NULL || uv_poll_init(&q->loop->uv, q->poll, q->fd) != 0) {
        free(q->poll);
        q->poll = NULL;
        return false;
    }
    q->poll->data = q;
    return uv_poll_start(q->poll, UV_READABLE, on_datagram) == 0;
}

/* -- TCP ---------------------------------------------------------------------------------- */

static void read_tcp(struct probe_query *q)
{
    struct fault f = { .kind = FAULT_NONE };
    struct str message;
    for (;;) {
        size_t cap = 0, n = 0;
        char *to = dns_frames_room(&q->frames, &cap);
        enum io_result r = to == NULL ? IO_FAILED : io_stream_read(q->stream, to, cap, &n, &f);
        if (r == IO_AGAIN)
            return;
        if (r != IO_OK) {
            fail(q, f.sys_errno, true);
            return;
        }
        dns_frames_add(&q->frames, n);
        while (dns_frames_next(&q->frames, &message))
            if (take(q, message))
                return;
    }
}

static void write_tcp(struct probe_query *q)
{
    struct fault f = { .kind = FAULT_NONE };
    struct iovec v = { q->query + q->sent_n, q->n - q->sent_n };
    size_t n = 0;
    enum io_result r = io_stream_writev(q->stream, &v, 1, &n, &f);
    if (r == IO_FAILED) {
        fail(q, f.sys_errno, true);
        return;
    }
    q->sent_n += n;
    io_stream_want(q->stream, IO_READ | (q->sent_n < q->n ? IO_WRITE : 0u));
}

static void on_ready(struct io_stream *s, unsigned events)
{
    struct probe_query *q = s->owner;
    if (!q->is_connected) {
        int e = io_connect_result(s);
        if (e != 0) {
            fail(q, e, true);
            return;
        }
        q->is_connected = true;
    }
    if ((events & IO_WRITE) != 0 && q->sent_n < q->n)
        write_tcp(q);
    if (q->is_active && (events & IO_READ) != 0)
        read_tcp(q);
}

static bool send_tcp(struct probe_query *q)
{
    int sys_errno = 0, fd = io_connect(&q->server, &sys_errno);
    errno = sys_errno;
    if (fd < 0)
        return false;
    q->stream = io_stream_new(q->loop, fd);
    if (q->stream == NULL) {
        close(fd);
        errno = ENOMEM;
        return false;
    }
    q->stream->owner = q;
    q->stream->on_ready = on_ready;
    io_stream_want(q->stream, IO_WRITE);
    return true;
}

static void write_query(struct probe_query *q, bool with_edns)
{
    struct dns_query_flags flags = { .udp_bytes = with_edns ? DNS_UDP_BYTES : 0 };
    if (getrandom(&q->id, sizeof q->id, 0) != sizeof q->id)
        q->id = (uint16_t)io_now_us();
    size_t n = dns_write_query(q->query + 2, q->id, &q->ask.question, flags);
    q->query[0] = (uint8_t)(n >> 8);
    q->query[1] = (uint8_t)n;
    q->n = n + 2;
}

void probe_query_start(struct probe_query *q, struct io_loop *loop, const struct addr *server,
                       const struct dns_question *question, struct probe_query_way way)
{
    q->loop = loop;
    q->server = *server;
    q->ask = (struct dns_ask){ .question = *question };
    q->by_tcp = way.by_tcp;
    q->fd = -1;
    q->poll = NULL;
    q->stream = NULL;
    q->is_connected = false;
    q->is_active = true;
    q->sent_n = 0;
    q->timer.on_fire = on_timer;
    q->failure.on_run = on_failure;
    dns_frames_init(&q->frames);
    write_query(q, way.with_edns);
    q->sent_us = io_now_us();
    if (!(way.by_tcp ? send_tcp(q) : send_udp(q))) {
        fail_later(q, errno);
        return;
    }
    uv_update_time(&loop->uv);
    io_timer_arm(loop, &q->timer, way.timeout_ms);
}
