#pragma once
/*
 * One HTTP request to one address on a connection of its own, each step told apart: TCP, TLS, the
 * response. Nothing is retried and no name is resolved. It sends what it was given, which holds no
 * secret.
 *
 * Embedded in its owner, zeroed at first.
 */
#include "codec/http1_body.h"
#include "io/stream.h"
#include "io/timer.h"

enum probe_http_step { PROBE_HTTP_CONNECT, PROBE_HTTP_TLS, PROBE_HTTP_RESPONSE, PROBE_HTTP_DONE };

struct probe_http_request {
    struct addr to;
    struct io_tls *tls; /* NULL: plain */
    struct str host;    /* to verify and for SNI; stays until the end */
    struct str host_field, target;
    enum http_method method; /* HTTP_GET or HTTP_HEAD */
    size_t max_body_bytes;   /* a longer one is cut; 0: the head is enough */
    unsigned connect_ms, tls_ms, response_ms;
};

struct probe_http {
    void *owner;
    /* Once, later than start. The connection still stands: its certificate can be read. */
    void (*on_done)(struct probe_http *h);
    enum probe_http_step step; /* the one that failed; PROBE_HTTP_DONE: none */
    bool is_late,
        is_closed; /* why: its time is over; the peer ended the connection (or reset it) */
    struct fault fault;
    uint64_t connect_us; /* until TCP stood, or failed */
    bool has_head;
    struct http_head head; /* borrows from in */
    struct buf body;
    struct io_stream *stream; /* NULL when there is none */
    /* private */
    struct io_loop *loop;
    struct probe_http_request request;
    uint64_t started_us;
    struct io_timer timer;
    struct io_task failure;
    struct buf out, in;
    size_t sent, scanned, used;
    struct http1_body framing;
    bool is_active;
};

void probe_http_start(struct probe_http *h, struct io_loop *loop,
                      const struct probe_http_request *request);
/* Closes what is open and frees what was read; on_done does not run any more. Harmless when idle;
 * may be called from on_done. */
void probe_http_done(struct probe_http *h);
