#pragma once
/* A keep-alive HTTP/1.1 client connection for the load program: one request at a time, nonblocking,
 * the body thrown away (and checked against the pattern when asked). The caller owns the struct and
 * the epoll. */

#include "bench.h"

#include <openssl/ssl.h>

enum { CLIENT_HEAD_BYTES = 8192 };

struct client_target {
    struct sockaddr_in address;
    char head[2048]; /* the request, the same for every one */
    size_t head_len;
    uint64_t body_bytes;   /* of a PUT */
    uint64_t answer_bytes; /* what a good answer's body has */
    bool check;            /* compare bodies with the pattern */
    int rcvbuf;            /* 0: the kernel's choice */
    SSL_CTX *tls;          /* NULL: in the clear */
};

enum client_state { CLIENT_FREE, CLIENT_BUSY, CLIENT_DONE, CLIENT_BROKEN };

struct client {
    int fd;
    SSL *ssl;
    enum client_state state;
    bool writing, reading_body, closing, used, bad;
    uint32_t armed;
    uint64_t start_ns;
    uint64_t sent;      /* head and body of the request */
    uint64_t body_seen; /* of the answer */
    uint64_t body_left;
    size_t in_len;
    char in[CLIENT_HEAD_BYTES];
};

/* For connections over TLS 1.3 with the cipher that the origin has; nobody's certificate is looked
 * at. */
SSL_CTX *client_tls(void);

/* Opens the connection (blocking: it is loopback; the handshake as well) and registers it for
 * input. */
void client_open(struct client *c, int epfd, const struct client_target *t);
void client_close(struct client *c);

/* Sends a request, which counts from `start_ns`. */
void client_request(struct client *c, int epfd, const struct client_target *t, uint64_t start_ns);

/* Moves bytes after an event, `budget` body bytes at most (0: all there are). CLIENT_DONE: one
 * whole answer came, `bad` says whether it was not the right one; CLIENT_BROKEN: the connection
 * died. */
enum client_state client_event(struct client *c, int epfd, const struct client_target *t,
                               size_t budget);
