/*
 * A batch of answers on its way out. Nearly all that a cached answer costs is its way through the
 * kernel; answers of one length to one client make that way together, as segments of one large
 * datagram that is cut again where it must be (UDP_SEGMENT, Linux 4.18). Programs that ask much at
 * once (nginx, c-ares, other resolvers) do so from one socket. Where the kernel, a device or a
 * narrow path does not have it, the socket goes on without.
 */
#include "dns/front_impl.h"

#include "obs/metrics.h"

#include <errno.h>
#include <netinet/udp.h>

enum { GROUP_BYTES = 60000 /* below the longest datagram there is */ };

static bool go_together(const struct mmsghdr *a, const struct mmsghdr *b)
{
    const struct msghdr *x = &a->msg_hdr, *y = &b->msg_hdr;
    return x->msg_iov->iov_len == y->msg_iov->iov_len && x->msg_namelen == y->msg_namelen &&
           x->msg_controllen == y->msg_controllen &&
           memcmp(x->msg_name, y->msg_name, x->msg_namelen) == 0 &&
           (x->msg_controllen == 0 ||
            memcmp(x->msg_control, y->msg_control, x->msg_controllen) == 0);
}

/* The address to answer from, as it is, and how long a segment is. */
static void add_segment(struct msghdr *h, uint8_t control[FRONT_GROUP_CONTROL_BYTES],
                        uint16_t bytes)
{
    size_t n = CMSG_ALIGN(h->msg_controllen);
    memset(control, 0, FRONT_GROUP_CONTROL_BYTES);
    if (h->msg_controllen > 0)
        memcpy(control, h->msg_control, h->msg_controllen);
    struct cmsghdr *c = (struct cmsghdr *)(void *)(control + n);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof bytes);
    memcpy(CMSG_DATA(c), &bytes, sizeof bytes);
    h->msg_control = control;
    h->msg_controllen = n + CMSG_SPACE(sizeof bytes);
}

/* out[i] leads all of its kind that stand behind it, in their order, into the group. */
static unsigned gather(struct front_batch *b, unsigned i, unsigned n, uint64_t *is_taken,
                       struct mmsghdr *group, struct iovec *at)
{
    size_t bytes = b->out_at[i].iov_len, most = GROUP_BYTES / (bytes + 1);
    unsigned n_in = 0;
    for (unsigned j = i; j < n && n_in < most; j++)
        if ((*is_taken >> j & 1) == 0 && (j == i || go_together(&b->out[i], &b->out[j]))) {
            at[n_in++] = b->out_at[j];
            *is_taken |= (uint64_t)1 << j;
        }
    group->msg_hdr = b->out[i].msg_hdr;
    group->msg_hdr.msg_iov = at;
    group->msg_hdr.msg_iovlen = n_in;
    return n_in;
}

static unsigned make_groups(struct front_batch *b, unsigned n)
{
    uint64_t is_taken = 0;
    unsigned n_groups = 0, n_placed = 0;
    _Static_assert(FRONT_BATCH <= 64, "is_taken has a bit for each");
    for (unsigned i = 0; i < n; i++) {
        if ((is_taken >> i & 1) != 0)
            continue;
        struct mmsghdr *group = &b->groups[n_groups];
        unsigned n_in = gather(b, i, n, &is_taken, group, &b->group_at[n_placed]);
        if (n_in > 1)
            add_segment(&group->msg_hdr, b->group_controls[n_groups],
                        (uint16_t)b->out_at[i].iov_len);
        n_placed += n_in;
        n_groups++;
    }
    return n_groups;
}

/* How many of v were sent before one that cannot be; errno says why. */
static unsigned send_some(int fd, struct mmsghdr *v, unsigned n)
{
    unsigned at = 0;
    while (at < n) {
        int sent = sendmmsg(fd, v + at, n - at, MSG_DONTWAIT);
        if (sent > 0)
            at += (unsigned)sent;
        else if (errno != EINTR)
            break;
    }
    return at;
}

/* One by one, each of a group by itself. Returns how many were lost. */
static unsigned send_apart(int fd, const struct msghdr *group, const struct msghdr *first)
{
    unsigned n_lost = 0;
    for (size_t i = 0; i < group->msg_iovlen; i++) {
        struct msghdr one = *first;
        one.msg_iov = &group->msg_iov[i];
        one.msg_iovlen = 1;
        n_lost += sendmsg(fd, &one, MSG_DONTWAIT) < 0;
    }
    return n_lost;
}

void front_send_batch(struct front_socket *s, struct front_batch *b, unsigned n)
{
    struct mmsghdr *v = b->out;
    unsigned n_v = n, n_lost = 0;
    if (n > 1 && !s->is_apart) {
        n_v = make_groups(b, n);
        v = b->groups;
    }
    for (unsigned at = 0; (at += send_some(s->fd, v + at, n_v - at)) < n_v; at++) {
        struct msghdr *h = &v[at].msg_hdr;
        /* The buffer is full, and more tries would find it so; else it is this one's own trouble.
         */
        if (errno == EAGAIN) {
            for (; at < n_v; at++)
                n_lost += (unsigned)v[at].msg_hdr.msg_iovlen;
            break;
        }
        if (h->msg_iovlen == 1) {
            n_lost++;
            continue;
        }
        s->is_apart = true;
        struct msghdr first = *h;
        first.msg_controllen = CMSG_ALIGN(h->msg_controllen - CMSG_SPACE(sizeof(uint16_t)));
        n_lost += send_apart(s->fd, h, &first);
    }
    if (n_lost > 0)
        metric_add(METRIC_DNS_FRONT_DROPPED, n_lost);
}
