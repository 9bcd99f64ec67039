/* The authoritative server behind the forwarders of the bench: every name has two addresses for an
 * hour, every other type than A has nothing. It counts what it was asked in a file that others map
 * or read, and can lose queries, by a seed the same ones in every run. UDP alone. */
#include "bench.h"

#include <sys/mman.h>

enum { BATCH = 64, DATAGRAM_BYTES = 1500, HEADER_BYTES = 12, TYPE_A = 1 };

struct loss {
    unsigned permille;
    uint64_t state; /* xorshift; never 0 */
};

static bool is_lost(struct loss *l)
{
    l->state ^= l->state << 13;
    l->state ^= l->state >> 7;
    l->state ^= l->state << 17;
    return l->state % 1000 < l->permille;
}

/* Makes the query at p, n bytes, its own answer. Returns the answer's length, 0 for what is no
 * plain query. */
static size_t answer(unsigned char *p, size_t n)
{
    static const unsigned char record[] = { 0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4 };
    static const unsigned char opt[] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
    size_t at = HEADER_BYTES;
    if (n < HEADER_BYTES + 5 || p[2] & 0xf8 || p[4] != 0 || p[5] != 1)
        return 0;
    while (at < n && p[at] != 0 && p[at] < 64)
        at += 1u + p[at];
    if (at + 5 > n || p[at] != 0)
        return 0;
    bool is_a = p[at + 1] == 0 && p[at + 2] == TYPE_A, has_opt = p[11] != 0;
    at += 5;
    p[2] |= 0x84;
    p[3] = 0x80;
    memset(p + 6, 0, 6);
    for (unsigned i = 0; is_a && i < 2; i++, at += sizeof record + 4) {
        memcpy(p + at, record, sizeof record);
        memcpy(p + at + sizeof record, (unsigned char[]){ 192, 0, 2, (unsigned char)(1 + i) }, 4);
        p[7]++;
    }
    if (has_opt) {
        memcpy(p + at, opt, sizeof opt);
        at += sizeof opt;
        p[11] = 1;
    }
    return at;
}

static uint64_t *counter_at(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t *p = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *p) == 0)
        p = mmap(NULL, sizeof *p, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        die("%s: %s", path, strerror(errno));
    return p;
}

static void serve(int fd, volatile uint64_t *n_asked, struct loss *loss)
{
    static unsigned char p[BATCH][DATAGRAM_BYTES];
    static struct sockaddr_in from[BATCH];
    static struct iovec iov[BATCH];
    static struct mmsghdr in[BATCH];
    for (;;) {
        for (size_t i = 0; i < BATCH; i++) {
            /* Room for what the answer adds. */
            iov[i] = (struct iovec){ p[i], DATAGRAM_BYTES / 2 };
            in[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
                                             .msg_namelen = sizeof from[i],
                                             .msg_iov = &iov[i],
                                             .msg_iovlen = 1 };
        }
        int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL), n_out = 0;
        for (int i = 0; i < n; i++) {
            size_t length = answer(p[i], in[i].msg_len);
            ++*n_asked;
            if (length == 0 || is_lost(loss))
                continue;
            iov[i].iov_len = length;
            in[n_out++].msg_hdr = in[i].msg_hdr;
        }
        for (int sent = 0; sent < n_out;) {
            int done = sendmmsg(fd, in + sent, (unsigned)(n_out - sent), 0);
            sent += done > 0 ? done : 1;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        die("usage: dns-origin ADDR:PORT COUNTER-FILE LOST-PERMILLE SEED");
    struct sockaddr_in a = parse_address(argv[1]);
    struct loss loss = { (unsigned)atoi(argv[3]), strtoull(argv[4], NULL, 10) | 1 };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), bytes = 4 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("listen on %s: %s", argv[1], strerror(errno));
    serve(fd, counter_at(argv[2]), &loss);
}
