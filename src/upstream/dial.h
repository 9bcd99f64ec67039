#pragma once
/*
 * One new connection to a pool's host: resolve, then Happy Eyeballs (RFC 8305) over the answer's
 * addresses, TLS included, group after group of the route. An address counts as connecting when
 * TLS stands with the right name: one that intercepts is an address that does not connect. Owned
 * by the exchange that waits for it, which keeps it after success for its explanation.
 */
#include "upstream/pool.h"

enum {
    DIAL_PARALLEL = 8,
    DIAL_QUEUE = 2 * DNS_MAX_ADDRS,
    DIAL_STAGGER_MS = 250,
    DIAL_TLS_STAGGER_MS = 1000, /* while an attempt is in its handshake */
    DIAL_GROUP_MS = 2000,       /* no attempt starts later while another group may know better */
};

struct dial;

struct dial_attempt {
    struct dial *dial;
    struct io_stream *stream; /* NULL: free */
    struct addr addr;
    struct io_timer timer;
    uint64_t started_us, connected_us; /* connected_us 0: no TCP connection yet */
};

struct dial {
    void *owner;
    /* Runs once: conn is set, or fault is. Never inside dial_new. */
    void (*on_done)(struct dial *d);
    struct connection *conn; /* nobody's yet */
    struct fault fault;
    uint32_t dns_us, connect_us, tls_us;
    struct dns_resolve resolve; /* its explanation stays readable */
    /* private */
    struct pool *pool;
    struct addr avoid; /* family 0: none */
    struct fault best; /* of the attempts so far: the one that tells most */
    struct addr queue[DIAL_QUEUE];
    unsigned n_queue, next, n_attempts;
    struct dial_attempt attempts[DIAL_PARALLEL];
    struct io_timer total, stagger;
    uint64_t resolving_us, group_ms;
    bool is_last_group, is_resolving, is_done;
};

/* avoid: an address not to try, or NULL. NULL without memory. */
struct dial *dial_new(struct pool *p, const struct addr *avoid, void *owner,
                      void (*on_done)(struct dial *d));
/* Stops it if it still runs. A connection that was made is its owner's. NULL is fine. */
void dial_free(struct dial *d);
