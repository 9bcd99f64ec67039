#pragma once
/*
 * A client's connection: bytes in, requests out of them one after the other. While it is idle it
 * holds no block and no transaction. A transaction (proxy/tx.h) owns the head's block, so the head
 * stays where it was parsed while the body comes into another one.
 */
#include "codec/addr.h"
#include "codec/http1_body.h"
#include "io/block.h"
#include "io/stream.h"
#include "io/timer.h"
#include "proxy/proxy.h"

enum client_state {
    CLIENT_HANDSHAKE, /* TLS is to come, or under way (proxy/handshake.h) */
    CLIENT_IDLE,      /* no byte of the next head yet */
    CLIENT_HEAD,      /* a head has begun */
    CLIENT_TX,        /* a request is being served */
    CLIENT_LINGER, /* answered and shut down for writing; reading so that the answer is not lost in
                      a reset */
    CLIENT_CLOSED,
};

struct client {
    struct proxy *proxy;
    struct io_stream *stream;
    struct io_block in;    /* received, not yet taken */
    struct io_timer timer; /* the deadline of the current state */
    struct list node;
    struct addr peer;
    struct tx *tx;  /* while CLIENT_TX */
    size_t scanned; /* of the head, see http1_parse_request */
    uint64_t head_started_us;
    uint64_t idle_since_us;
    uint64_t lingered_bytes;
    uint32_t n_requests;
    uint8_t state;       /* enum client_state */
    uint8_t port;        /* enum proxy_port */
    bool is_refused;     /* over a limit: its first request gets a 503 */
    bool is_counted;     /* towards PENSTOCK_MAX_CONNECTIONS_PER_CLIENT */
    bool is_on_loopback; /* admin: its connection is to a loopback address */
    bool is_serving;
    bool is_ending; /* while lingering: close_notify is still to go */
};

/* NULL without memory; fd stays the caller's then. On PROXY_PORT_TLS it begins with a handshake,
 * and is one of PROXY_PORT_PUBLIC from then on. */
struct client *client_new(struct proxy *p, int fd, const struct addr *peer, enum proxy_port port,
                          bool is_refused);
/* Orderly, after what was written; a transaction must be gone. */
void client_close(struct client *c);
/* RST: the peer must not take what it got for whole. */
void client_reset(struct client *c);
/* Orderly, as client_close, but waits where TLS has no room for its last record. */
void client_end(struct client *c);
/* Shuts down for writing and reads on for a moment, then closes: for answers sent while the client
 * still writes. */
void client_linger(struct client *c);

/* The transaction of this connection is over: the next head, which may be here already, or idle. */
void client_next(struct client *c);

/*
 * We end soon. Does nothing to a connection that is busy. Who was idle for long is closed; of
 * the others the next request may be on the way: they have a moment for it, and the answer says
 * that it is the last.
 */
void client_drain(struct client *c);

/*
 * Reads into c->in, into a block of that size where it holds none. IO_OK: there is something (or no
 * room for more); IO_AGAIN: tx_on_client_ready follows; IO_EOF and IO_FAILED: the client is gone.
 */
enum io_result client_fill(struct client *c, enum io_block_size size, struct fault *f);
/* (Re)starts the deadline of the current wait. */
void client_arm(struct client *c, uint64_t after_ms);
