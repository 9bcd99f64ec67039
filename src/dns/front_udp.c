/*
 * Datagrams, a batch for a system call in each direction. One that cannot be sent is dropped: its
 * client asks again.
 */
#include "dns/front_impl.h"

#include "io/bind.h"
#include "obs/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    BATCHES_PER_TURN = 4, /* so that a flood leaves turns to upstream replies and TCP */
    RECEIVE_BUFFER_BYTES = 1 << 20,
};

/* ---- the address that was asked ---- */

/*
 * What the kernel tells of a datagram is what it wants to hear of the answer, but for the
 * interface: the way back is the routing table's to choose. A link-local address says nothing
 * without it.
 */
static void turn_around(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo *info = (struct in_pktinfo *)(void *)CMSG_DATA(c);
            info->ipi_ifindex = 0;
        } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo *info = (struct in6_pktinfo *)(void *)CMSG_DATA(c);
            if (!IN6_IS_ADDR_LINKLOCAL(&info->ipi6_addr))
                info->ipi6_ifindex = 0;
        }
    }
}

static void keep_return(struct front_return *back, struct front_socket *s, const struct msghdr *h)
{
    *back = (struct front_return){ .socket = s };
    memcpy(&back->peer, h->msg_name, h->msg_namelen);
    if (h->msg_controllen <= sizeof back->control) {
        back->n_control = (uint8_t)h->msg_controllen;
        memcpy(back->control, h->msg_control, h->msg_controllen);
    }
}

void front_udp_send(const struct front_return *back, struct str reply)
{
    struct iovec at = { .iov_base = (void *)(uintptr_t)reply.p, .iov_len = reply.n };
    struct msghdr h = {
        .msg_name = (void *)(uintptr_t)&back->peer,
        .msg_namelen = addr_len(&back->peer),
        .msg_iov = &at,
        .msg_iovlen = 1,
        .msg_control = back->n_control > 0 ? (void *)(uintptr_t)back->control : NULL,
        .msg_controllen = back->n_control,
    };
    if (back->socket->fd < 0 || sendmsg(back->socket->fd, &h, MSG_DONTWAIT) < 0)
        metric_add(METRIC_DNS_FRONT_DROPPED, 1);
}

/* ---- batches ---- */

/* The kernel overwrites these with what it filled in. */
static void make_room(struct msghdr *h)
{
    h->msg_namelen = sizeof(struct sockaddr_in6);
    h->msg_controllen = FRONT_CONTROL_BYTES;
}

void front_udp_prepare(struct front_batch *b)
{
    for (unsigned i = 0; i < FRONT_BATCH; i++) {
        b->in_at[i] = (struct iovec){ b->requests[i], FRONT_REQUEST_BYTES };
        b->in[i].msg_hdr = (struct msghdr){
            .msg_name = &b->peers[i],
            .msg_iov = &b->in_at[i],
            .msg_iovlen = 1,
            .msg_control = b->controls[i],
        };
        make_room(&b->in[i].msg_hdr);
        b->out[i].msg_hdr = (struct msghdr){ .msg_iov = &b->out_at[i], .msg_iovlen = 1 };
    }
}

/* The reply, if there is one at once, stands at the end of front->out. */
static bool serve_one(struct front_socket *s, struct mmsghdr *m)
{
    struct dns_front *f = s->front;
    struct msghdr *h = &m->msg_hdr;
    struct dns_request request;
    struct addr peer;
    enum dns_request_read read =
        dns_request_read(str_of(h->msg_iov->iov_base, m->msg_len), &request);
    memcpy(&peer, h->msg_name, h->msg_namelen);
    addr_unmap(&peer);
    if (read == DNS_REQUEST_NONE || addr_port(&peer) == 0) {
        metric_add(METRIC_DNS_FRONT_DROPPED, 1);
        return false;
    }
    if ((h->msg_flags & MSG_TRUNC) != 0)
        read = DNS_REQUEST_BAD;
    if (h->msg_controllen > 0)
        turn_around(h);
    size_t room = dns_reply_room(&request);
    enum front_verdict v = front_serve(f, &request, read, &peer, room, &f->out);
    if (v == FRONT_TO_ASK) {
        struct front_return back;
        keep_return(&back, s, h);
        v = front_ask(f, &request, &peer, NULL, &back, room, &f->out);
    }
    return v == FRONT_ANSWERED;
}

/* Replies stand one after the other, in a buffer that may have moved while they were written. */
static void send_batch(struct front_socket *s, unsigned n)
{
    struct front_batch *b = s->front->batch;
    char *at = s->front->out.p;
    for (unsigned i = 0; i < n; i++) {
        b->out_at[i].iov_base = at;
        at += b->out_at[i].iov_len;
    }
    front_send_batch(s, b, n);
}

/* How many came. */
static unsigned serve_batch(struct front_socket *s)
{
    struct front_batch *b = s->front->batch;
    struct buf *out = &s->front->out;
    unsigned n_out = 0;
    int n = recvmmsg(s->fd, b->in, FRONT_BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    buf_clear(out);
    for (int i = 0; i < n; i++) {
        size_t start = out->n;
        const struct msghdr *in = &b->in[i].msg_hdr;
        if (!serve_one(s, &b->in[i]))
            continue;
        struct msghdr *to = &b->out[n_out].msg_hdr;
        to->msg_name = in->msg_name;
        to->msg_namelen = in->msg_namelen;
        to->msg_control = in->msg_control;
        to->msg_controllen = in->msg_controllen;
        b->out_at[n_out++].iov_len = out->n - start;
    }
    metric_add(METRIC_DNS_FRONT_UDP, (uint64_t)n);
    if (n_out > 0)
        send_batch(s, n_out);
    for (int i = 0; i < n; i++)
        make_room(&b->in[i].msg_hdr);
    return (unsigned)n;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    struct front_socket *s = h->data;
    if (status < 0) {
        /* libuv has stopped polling. Reading the error clears it. */
        int e;
        socklen_t n = sizeof e;
        getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &e, &n);
        uv_poll_start(h, UV_READABLE, on_poll);
        return;
    }
    for (unsigned i = 0; i < BATCHES_PER_TURN && serve_batch(s) == FRONT_BATCH; i++)
        ;
}

/* ---- sockets ---- */

static bool is_unspecified(const struct addr *a)
{
    return addr_classify(a) == ADDR_UNSPECIFIED;
}

/* A socket bound to `at`, or -1 with errno. */
static int bind_at(const struct addr *at, bool reuse_port)
{
    int family = addr_family(at), one = 1, zero = 0;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (family == AF_INET6 && is_unspecified(at)) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
        setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &one, sizeof one);
    } else if (is_unspecified(at)) {
        setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof one);
    }
    /* Whoever forges "fragmentation needed" must not decide in how many pieces we answer. */
    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &(int){ IP_PMTUDISC_OMIT }, sizeof(int));
    if (family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &(int){ IPV6_PMTUDISC_OMIT }, sizeof(int));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ RECEIVE_BUFFER_BYTES }, sizeof(int));
    if ((reuse_port && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) != 0) ||
        io_bind(fd, at) != 0) {
        int e = errno;
        close(fd);
        errno = e;
        return -1;
    }
    return fd;
}

static bool fail(struct fault *fault, const struct addr *at, int e)
{
    char text[ADDR_TEXT_BYTES];
    fault_set(fault, FAULT_SYSTEM, "listen", "%s: %s", addr_text(at, text), strerror(e));
    fault->sys_errno = e;
    return false;
}

bool front_udp_bind(struct front_socket *s, const struct addr *at, bool reuse_port,
                    struct fault *fault)
{
    *s = (struct front_socket){ .fd = bind_at(at, reuse_port) };
    return s->fd >= 0 || fail(fault, at, errno);
}

bool front_udp_start(struct front_socket *s, struct dns_front *f, struct fault *fault)
{
    s->front = f;
    s->poll = malloc(sizeof *s->poll);
    int e = s->poll == NULL ? UV_ENOMEM : uv_poll_init(&f->loop->uv, s->poll, s->fd);
    if (e != 0) {
        free(s->poll);
        s->poll = NULL;
        return fault_sys(fault, FAULT_SYSTEM, "listen", -e);
    }
    s->poll->data = s;
    uv_poll_start(s->poll, UV_READABLE, on_poll);
    return true;
}

bool front_udp_is_free(const struct addr *at, struct fault *fault)
{
    int fd = bind_at(at, false);
    if (fd < 0 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) && is_unspecified(at)) {
        struct addr any;
        addr_from_bytes(AF_INET, (const uint8_t[4]){ 0 }, addr_port(at), &any);
        fd = bind_at(&any, false);
    }
    if (fd < 0)
        return fail(fault, at, errno);
    close(fd);
    return true;
}

void front_udp_stop(struct front_socket *s)
{
    if (s->poll == NULL)
        return;
    /* What came before the stop was asked of us. */
    on_poll(s->poll, 0, UV_READABLE);
    io_close_and_free(s->poll);
    s->poll = NULL;
}

void front_udp_close(struct front_socket *s)
{
    front_udp_stop(s);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}
