#pragma once
/* What the three programs of the bench share: the clock, descriptors, the addresses on the command
 * line and the body that the origin sends and the load client checks. Test code: any failure of the
 * environment ends the program with one line. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* The byte at offset N of every object is N modulo this prime, so a shifted or repeated block
 * shows. */
#define PATTERN_PERIOD 251u
#define BLOCK_BYTES 65536u

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static inline uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* "127.0.0.1:8080". Loopback only: the bench never sends load anywhere else. */
static inline struct sockaddr_in parse_address(const char *text)
{
    struct sockaddr_in a = { .sin_family = AF_INET };
    char host[64];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        die("not ADDR:PORT: %s", text);
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    a.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, host, &a.sin_addr) != 1 || ntohl(a.sin_addr.s_addr) >> 24 != 127)
        die("not a loopback address: %s", text);
    return a;
}

static inline void set_nonblock(int fd)
{
    if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        die("fcntl: %s", strerror(errno));
}

static inline void set_nodelay(int fd)
{
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static inline int listen_on(const char *text)
{
    struct sockaddr_in a = parse_address(text);
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        die("socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0 || listen(fd, 4096) != 0)
        die("listen on %s: %s", text, strerror(errno));
    return fd;
}

/* As many descriptors as the hard limit allows. */
static inline void raise_nofile(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

/* A block whose first byte may stand for any offset: start at offset modulo the period. */
static inline const unsigned char *pattern_at(uint64_t offset)
{
    static unsigned char block[BLOCK_BYTES + PATTERN_PERIOD];
    if (!block[1])
        for (size_t i = 0; i < sizeof block; i++)
            block[i] = (unsigned char)(i % PATTERN_PERIOD);
    return block + offset % PATTERN_PERIOD;
}
