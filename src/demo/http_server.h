#pragma once
/*
 * A small HTTP/1.1 server, with TLS or without, for the demo's origin and its registry: it reads
 * requests strictly, keeps connections alive and sends replies piece by piece; what a reply says is
 * decided by a table of functions. It belongs to one loop; the table, TLS context and owner are
 * borrowed.
 */
#include "base/list.h"
#include "codec/http1_body.h"
#include "io/listener.h"
#include "io/tls.h"

enum {
    DEMO_HTTP_MAX_CONNECTIONS = 512,
    DEMO_HTTP_IDLE_MS = 5000,   /* between requests, as S3 */
    DEMO_HTTP_STALL_MS = 60000, /* inside one */
    DEMO_HTTP_PIECE_BYTES = 64 * 1024,
};

enum demo_http_more {
    DEMO_HTTP_END,    /* the reply is whole; nothing was appended */
    DEMO_HTTP_PIECE,  /* a piece was appended */
    DEMO_HTTP_BROKEN, /* it cannot be finished: the connection is closed */
};

/* How requests are answered. answer is memory of the connection, zeroed before its first use. */
struct demo_http_kind {
    size_t answer_bytes;
    size_t reply_bytes; /* the most that may wait to be sent */
    /* id counts the server's requests. head is borrowed for the call. */
    void (*begin)(void *answer, void *owner, uint64_t id, const struct http_head *head);
    /* Bytes of the body, HTTP's framing taken off. */
    void (*body)(void *answer, struct str data);
    /* The body ended: appends the reply, or its first part. */
    void (*reply)(void *answer, struct buf *out);
    /* All of that was sent. */
    enum demo_http_more (*more)(void *answer, struct buf *out);
    /* Once for each begin, sometimes before reply. */
    void (*done)(void *answer);
};

struct demo_http_server {
    struct addr local;
    /* private */
    const struct demo_http_kind *kind;
    void *owner;
    struct io_loop *loop;
    struct io_tls *tls;
    struct io_listener listener;
    struct list connections;
    unsigned n_connections;
    uint64_t n_requests;
};

/* tls NULL: plain TCP. */
bool demo_http_server_open(struct demo_http_server *s, struct io_loop *loop, struct io_tls *tls,
                           const struct demo_http_kind *kind, void *owner, const struct addr *at,
                           struct fault *f);
/* Harmless on a zeroed server, and twice. Requests that are under way are forgotten. */
void demo_http_server_close(struct demo_http_server *s);
