#pragma once
/*
 * One request and its response on a connection from the pool. The owner embeds it, writes the
 * request head itself (bytes as they go out), feeds the body and pulls the response; the exchange
 * does the lease, the framing of both bodies, the deadlines, and the one retry that a reused
 * connection may need (docs/PROXY.md): when nothing came back and the whole request is still
 * held here, it is sent again on a fresh connection and the owner notices nothing but n_retries.
 *
 * Callbacks never run inside a call of the owner's, and never after exchange_finish or
 * exchange_cancel; the owner may call those, and start the exchange again, inside a callback.
 */
#include "base/buf.h"
#include "codec/http1.h"
#include "codec/http1_body.h"
#include "io/block.h"
#include "io/stream.h"
#include "upstream/upstream.h"

enum { EXCHANGE_HELD_BYTES = 64 * 1024 };

enum exchange_event {
    EXCHANGE_INTERIM,  /* a 1xx head is in x->head (101 never: it is a protocol fault) */
    EXCHANGE_HEAD,     /* the final head is in x->head, its strings valid until the first
                          exchange_consume */
    EXCHANGE_READABLE, /* after exchange_read said AGAIN: there is more, or the end, or a fault */
    EXCHANGE_WRITABLE, /* after exchange_write took less than it was given: try again */
    EXCHANGE_FAILED,   /* x->fault. Before the head: nothing came. Behind it: the response is cut */
};

/* Request body framing towards the origin. */
struct exchange_request {
    struct origin origin;
    enum http_method method;
    struct str head; /* request line, fields, empty line. Borrowed until finish or cancel (a retry
                        sends it again) */
    enum http_framing framing; /* HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED */
    uint64_t content_length;
    bool is_idempotent; /* GET, HEAD, PUT, DELETE, OPTIONS ...: may be sent again on another address
                         */
    uint64_t head_timeout_ms; /* for the response head, counted from the end of the request; 0: the
                                 settings' */
    uint64_t body_timeout_ms; /* without a byte of its body; 0: the settings' */
};

struct exchange_timing {
    uint32_t dns_us, connect_us, tls_us;         /* 0 on a reused connection */
    uint64_t started_us, sent_us, first_byte_us; /* io_now_us; 0: did not happen */
};

struct connection; /* upstream/connection.h */
struct dial;
struct pool;

struct exchange {
    void *owner;
    void (*on_event)(struct exchange *x, enum exchange_event e);
    struct http_head head; /* of the response */
    struct fault fault;
    struct exchange_timing timing;
    struct addr addr; /* of the origin; family 0 before it is connected */
    /* of the dial, or NULL on a reused connection; dies with finish or cancel */
    const struct dns_explain *explain;
    uint64_t received_bytes, sent_bytes; /* on the wire inside TLS, heads and framing included */
    unsigned n_retries;
    bool is_reused, is_resumed; /* connection from the pool; TLS session resumed */
    bool is_request_sent;       /* whole */
    /* private */
    struct upstream *up;
    struct pool *pool;
    struct connection *conn; /* NULL until it stands */
    struct dial *dial;       /* its explanation is wanted until the end */
    struct exchange_request request;
    struct io_task later; /* what must not happen inside the owner's call */
    uint8_t state;        /* enum exchange_state */
    bool has_news;        /* FAILED is to be told */
    /* sending, in this order: head, held, frame, the owner's bytes, tail */
    struct io_block held; /* body as it goes out, from its first byte while holds_all */
    struct buf tail;      /* last chunk and trailers */
    char frame[24];       /* the coming chunk's line, with the CRLF that ends the chunk before it */
    uint8_t frame_n, frame_sent;
    uint64_t chunk_left; /* of the chunk that was announced: bytes that the owner still has */
    size_t head_sent, held_sent, tail_sent;
    bool holds_all, has_chunks, is_body_given, is_blocked, offered_data, is_send_dead, wants_room;
    /* receiving */
    struct http1_body body;
    struct str data; /* handed out, not consumed */
    size_t scanned;
    uint8_t n_interim;
    uint32_t head_end; /* the block's bytes before it are the head's strings; 0: no longer */
    bool has_bytes;    /* of a response on this connection: no retry any more */
    bool wants_body, is_paused, is_body_ended, is_elsewhere;
};

/*
 * Leases a connection (a pooled one at once, else resolving and dialling) and sends. The first body
 * bytes that are written in the same turn go out with the head. The struct need not be zeroed
 * before, only owner and on_event set; but finish and cancel look into it, so one that may never be
 * started is zeroed. No deadline runs while the owner withholds the body: one that waits for 100
 * (Continue), or for its client, keeps its own.
 */
void exchange_start(struct exchange *x, struct upstream *u, const struct exchange_request *request);

/*
 * Body bytes, unframed: returns how many were taken; fewer than data.n means WRITABLE follows, and
 * then the rest is offered again, at least as much of it (TLS may have encrypted it already).
 * Before the connection stands, up to EXCHANGE_HELD_BYTES are taken. When the origin takes no more
 * (it answered early, or is gone), all is taken and dropped; what it said comes as an event.
 */
size_t exchange_write(struct exchange *x, struct str data);
/* The body is whole (with HTTP_LENGTH: all bytes were given). trailers: fields for a chunked body,
 * "Name: value CRLF"..., or empty. Not needed without a body, or with a length of 0. */
void exchange_write_end(struct exchange *x, struct str trailers);

/*
 * Response body, unframed. IO_OK: *data borrows from the connection's block until exchange_consume.
 * IO_AGAIN: READABLE follows; while nobody asks, the origin is not read (backpressure) and no stall
 * is counted. IO_EOF: the body is whole; x->body.trailers has the trailers. IO_FAILED: x->fault.
 */
enum io_result exchange_read(struct exchange *x, struct str *data);
void exchange_consume(struct exchange *x, size_t n);
/*
 * For who reads ahead and keeps what came: reads on into the connection's block until it is full or
 * nothing more is to come, and then hands the block over. IO_OK: *block is the caller's to give
 * back (io_block_give), its window is body; a fault that came behind these bytes is told by the
 * next call. IO_AGAIN: READABLE follows; what came so far stays with the exchange, where
 * exchange_read finds it. IO_EOF, IO_FAILED: as of exchange_read. The head's strings are gone after
 * any result.
 */
enum io_result exchange_gather(struct exchange *x, struct io_block *block);

/*
 * Ends it. finish keeps the connection for others when the response was read to its end, the
 * request was sent whole and both sides want to keep it, and closes it otherwise; cancel closes it
 * at once. Both release all that is held (x->body too); harmless when idle.
 */
void exchange_finish(struct exchange *x);
void exchange_cancel(struct exchange *x);
