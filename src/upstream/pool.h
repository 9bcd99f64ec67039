#pragma once
/*
 * The pools of one worker. A struct pool is what is known of one (scheme, host, port, policy): idle
 * connections, each remembering its address, and the book of addresses. Connections lose their
 * place in it when their address fails, or when DNS has not named it for 30 s. Pools live until
 * nothing refers to them for a minute.
 */
#include "base/hash.h"
#include "upstream/addr_book.h"
#include "upstream/board.h"
#include "upstream/connection.h"
#include "upstream/upstream.h"

enum {
    UPSTREAM_MAX_IDLE = 4096,
    UPSTREAM_MIN_IDLE = 64,    /* with few descriptors */
    UPSTREAM_MAX_POOLS = 4096, /* beyond, the one that was unused longest makes room */
    UPSTREAM_BUCKETS = 1024,
    POOL_FORGET_MS = 60 * 1000,
    POOL_NAME_BYTES = 255,
};

struct pool_refresh; /* a background resolve */

struct pool {
    struct pool *next; /* in its bucket */
    struct upstream *up;
    struct list idle; /* connections, the last used first */
    struct addr_book book;
    struct pool_refresh *refresh;
    uint64_t expires_ms; /* of the last answer */
    uint64_t used_ms;
    uint64_t hash;
    unsigned n_idle;
    unsigned n_refs; /* connections and dials */
    uint32_t epoch;  /* moves when an address turns bad */
    enum conf_scheme scheme;
    enum dns_policy policy;
    uint16_t port;
    uint8_t n_name;
    char name[]; /* lower case */
};

struct upstream {
    struct io_loop *loop;
    struct dns_engine *dns;
    struct io_tls *tls;
    const struct conf *conf;
    struct upstream_board *board; /* may be NULL */
    struct hash_key key;
    struct list idle; /* all idle connections, the longest idle first */
    struct io_timer sweep;
    uint64_t sweep_at_ms; /* when it fires; UINT64_MAX: not armed */
    size_t n_pools;
    size_t max_idle;
    struct upstream_counts counts;
    struct pool *buckets[UPSTREAM_BUCKETS];
};

static inline struct str pool_name(const struct pool *p)
{
    return str_of(p->name, p->n_name);
}

static inline struct upstream_board_key pool_board_key(const struct pool *p, const struct addr *a)
{
    return (struct upstream_board_key){
        .scheme = p->scheme, .host = pool_name(p), .port = p->port, .addr = a
    };
}

/* Found or made; NULL without memory or when the host is longer than any name. */
struct pool *pool_get(struct upstream *u, const struct origin *o);
/*
 * The connection that was used last and has been idle for less than max_idle_ms, or NULL. Starts a
 * refresh in the background when the names' TTL is over.
 */
struct connection *pool_lease(struct pool *p, uint64_t max_idle_ms);
/* Takes a connection back, for others if it is still good. */
void pool_release(struct connection *c);
/* An idle connection became readable: closed by the origin, or saying what nobody asked for. */
void pool_on_idle_readable(struct connection *c);

/* Gives a descriptor up for another connection: the longest idle one's. False: none is idle. */
bool pool_spare_one(struct upstream *u);

/* A positive answer for the name; fresh until expires_ms. */
void pool_answered(struct pool *p, const struct addr *addrs, unsigned n, uint64_t expires_ms);
/* The address took no connection: its idle connections go at once. */
void pool_addr_failed(struct pool *p, const struct addr *a);
