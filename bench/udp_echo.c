/* The floor of a DNS server: UDP datagrams go back as they came, but for the bit that makes a query
 * a response. Nothing is parsed, nothing is looked up. "one" takes and sends them one by one,
 * "batch" as many as wait, which is all that a server without a kernel bypass can do. */
#include "bench.h"

enum { BATCH = 64, DATAGRAM_BYTES = 1500, DNS_HEADER_BYTES = 12 };

static void echo_one(int fd)
{
    static char p[DATAGRAM_BYTES];
    for (;;) {
        struct sockaddr_in from;
        socklen_t from_n = sizeof from;
        ssize_t n = recvfrom(fd, p, sizeof p, 0, (struct sockaddr *)&from, &from_n);
        if (n < DNS_HEADER_BYTES)
            continue;
        p[2] = (char)(p[2] | 0x80);
        sendto(fd, p, (size_t)n, 0, (struct sockaddr *)&from, from_n);
    }
}

static void echo_batch(int fd)
{
    static char p[BATCH][DATAGRAM_BYTES];
    static struct sockaddr_in from[BATCH];
    static struct iovec iov[BATCH];
    static struct mmsghdr in[BATCH];
    for (;;) {
        for (size_t i = 0; i < BATCH; i++) {
            iov[i] = (struct iovec){ p[i], DATAGRAM_BYTES };
            in[i].msg_hdr = (struct msghdr){ .msg_name = &from[i],
                                             .msg_namelen = sizeof from[i],
                                             .msg_iov = &iov[i],
                                             .msg_iovlen = 1 };
        }
        int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL);
        for (int i = 0; i < n; i++) {
            p[i][2] = (char)(p[i][2] | 0x80);
            iov[i].iov_len = in[i].msg_len;
        }
        for (int sent = 0; sent < n;) {
            int done = sendmmsg(fd, in + sent, (unsigned)(n - sent), 0);
            sent += done > 0 ? done : 1;
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 3 || (strcmp(argv[2], "one") != 0 && strcmp(argv[2], "batch") != 0))
        die("usage: udp-echo ADDR:PORT one|batch");
    struct sockaddr_in a = parse_address(argv[1]);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die("listen on %s: %s", argv[1], strerror(errno));
    if (strcmp(argv[2], "one") == 0)
        echo_one(fd);
    echo_batch(fd);
}
