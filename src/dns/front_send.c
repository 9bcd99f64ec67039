/*
 * A batch of answers on its way out. Nearly all that a cached answer costs is its way through the
 * kernel; answers of one length to one client, and behind them one that is shorter, make that way
 * together, as segments of one large datagram that is cut again where it must be (UDP_SEGMENT,
 * Linux 4.18). Programs that ask much at once (nginx, c-ares, other resolvers) do so from one
 * socket. Where the kernel, a device or a narrow path does not have it, the socket goes on without.
 */
#include "dns/front_impl.h"

#include "obs/metrics.h"

#include <errno.h>
#include <netinet/udp.h>

enum { GROUP_BYTES = 60000 /* below the longest datagram there is */ };

/* To the same client, from the same address of ours. */
static bool go_together(const struct msghdr *x, const struct msghdr *y)
{
    return x->msg_namelen == y->msg_namelen && x->msg_controllen == y->msg_controllen &&
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

/* Family and port, and of IPv4 the address: what differs here need not be looked at. */
static uint64_t tag_of(const struct msghdr *h)
{
    uint64_t tag;
    memcpy(&tag, h->msg_name, sizeof tag);
    return tag;
}

/* While a batch is put into groups. */
struct gathering {
    struct front_batch *b;
    unsigned n, n_groups, n_placed;
    uint64_t is_taken;
    uint64_t tags[FRONT_BATCH];
};
_Static_assert(FRONT_BATCH <= 64, "is_taken has a bit for each");

static void take(struct gathering *g, unsigned i)
{
    g->b->group_at[g->n_placed++] = g->b->out_at[i];
    g->is_taken |= (uint64_t)1 << i;
}

/* The longest of those that go with the i-th, and one more. */
static void make_group(struct gathering *g, unsigned i)
{
    struct front_batch *b = g->b;
    struct msghdr *group = &b->groups[g->n_groups].msg_hdr;
    uint8_t together[FRONT_BATCH];
    unsigned n_together = 0, first = g->n_placed;
    size_t longest = 0;
    for (unsigned j = i; j < g->n; j++) {
        if (g->tags[j] != g->tags[i] || (g->is_taken >> j & 1) != 0 ||
            (j > i && !go_together(&b->out[i].msg_hdr, &b->out[j].msg_hdr)))
            continue;
        together[n_together++] = (uint8_t)j;
        longest = b->out_at[j].iov_len > longest ? b->out_at[j].iov_len : longest;
    }
    size_t most = first + GROUP_BYTES / (longest + 1);
    unsigned shorter = g->n;
    for (unsigned j = n_together; j-- > 0;) {
        if (b->out_at[together[j]].iov_len < longest)
            shorter = together[j];
        else if (g->n_placed < most)
            take(g, together[j]);
    }
    if (shorter < g->n && g->n_placed < most)
        take(g, shorter);
    *group = b->out[i].msg_hdr;
    group->msg_iov = &b->group_at[first];
    group->msg_iovlen = g->n_placed - first;
    if (group->msg_iovlen > 1)
        add_segment(group, b->group_controls[g->n_groups], (uint16_t)longest);
    g->n_groups++;
}

static unsigned make_groups(struct front_batch *b, unsigned n)
{
    struct gathering g = { .b = b, .n = n };
    for (unsigned i = 0; i < n; i++)
        g.tags[i] = tag_of(&b->out[i].msg_hdr);
    for (unsigned i = 0; i < n; i++)
        while ((g.is_taken >> i & 1) == 0)
            make_group(&g, i);
    return g.n_groups;
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
