#pragma once
/*
 * What the workers share, and what one worker has: for the files of this room alone.
 *
 * lock covers the lists of servers, zones and flights and what stands in them (the counters apart),
 * the inboxes of engines, the memory of groups, and the pointers routes and hosts. Sections under
 * it are short: no system call, no callback. The cache has locks of its own. Nobody takes one while
 * holding the other.
 */
#include "base/hash.h"
#include "dns/cache.h"
#include "dns/engine.h"
#include "dns/local.h"
#include "dns/memory.h"
#include "dns/router.h"
#include "io/timer.h"

#include <pthread.h>

enum {
    DNS_CACHE_BYTES = 8 * 1024 * 1024,
    DNS_QUERY_BUCKETS = 256,
    DNS_N_IDS = 128,
};

struct dns_shared {
    const struct conf *conf; /* under the lock for others than the first engine's thread */
    struct hash_key hash_key;
    struct hash_key cookie_key; /* of its own: what is made with it goes out */
    struct dns_cache *cache;
    struct dns_own own; /* likewise */
    atomic_bool is_watched;
    /* Grows when a server is well again: failures remembered from before are void. */
    atomic_ullong epoch;
    /* Grows when routes or hosts are swapped. */
    atomic_ullong generation;
    atomic_uint n_engines;

    pthread_mutex_t lock;
    struct list servers;
    struct list flights[DNS_QUERY_BUCKETS]; /* dns/flight.h */
    struct list zones;
    struct dns_routes *routes;
    struct dns_hosts *hosts;
    struct dns_memory memory;
};

struct dns_watch;

struct dns_engine {
    struct io_loop *loop;
    struct dns_shared *shared;
    void (*on_decision)(void *arg, const struct dns_explain *x);
    void *decision_arg;
    void (*on_event)(void *arg, const struct dns_event *event);
    void *event_arg;
    struct list queries[DNS_QUERY_BUCKETS]; /* in flight, by question: equal ones are one */
    struct list inbox;                      /* of landings, under the lock of shared */
    bool is_inbox_told;                     /* likewise: its loop knows of it */
    struct list probes;
    struct list marks; /* dns/loop.h */
    struct list links; /* TCP connections to servers */
    unsigned n_links;
    struct io_timer probe_timer; /* ticks while there is something to probe */
    uint64_t look_until_ms;      /* somebody looks: all servers are */
    struct dns_watch *watch;     /* in the first engine */
    /* Those of shared as of generation: dns_engine_update. Referenced. */
    struct dns_routes *routes;
    struct dns_hosts *hosts;
    unsigned long long generation;
    unsigned turn; /* rotates addresses */
    bool is_tcp_only;
    bool has_ipv6;
    uint64_t ipv6_checked_ms;
    bool is_ipv6_fixed; /* for tests */
    unsigned n_ids;
    uint16_t ids[DNS_N_IDS];
};

uint64_t dns_shared_hash(const struct dns_shared *s, struct str bytes);
/* Of what makes questions to a group equal; dns_ask_eq tells the rest. */
uint64_t dns_ask_hash(const struct dns_shared *s, const struct dns_ask *ask, uint64_t group);
/* The server with this address, referenced; made when nobody had it. NULL without memory. */
struct dns_server *dns_shared_server(struct dns_shared *s, const struct addr *addr);
struct dns_server *dns_shared_server_ref(struct dns_shared *s, struct dns_server *server);
void dns_shared_server_unref(struct dns_shared *s, struct dns_server *server);
struct dns_routes *dns_shared_routes(struct dns_shared *s); /* referenced */
struct dns_hosts *dns_shared_hosts(struct dns_shared *s);   /* referenced, or NULL */
/* Takes over what is given and drops what was there. */
void dns_shared_set_routes(struct dns_shared *s, struct dns_routes *routes);
void dns_shared_set_hosts(struct dns_shared *s, struct dns_hosts *hosts);

/*
 * All of it at once, for a reload, and new budgets for the servers that are known. Takes over
 * conf's reference, routes and hosts; keeps_hosts: those that there are stay.
 */
void dns_shared_replace(struct dns_shared *s, const struct conf *conf, const struct dns_own *own,
                        struct dns_routes *routes, struct dns_hosts *hosts, bool keeps_hosts);

/* A query ID that cannot be foreseen. */
uint16_t dns_engine_id(struct dns_engine *e);
/* Takes over routes and hosts when they have changed. */
void dns_engine_update(struct dns_engine *e);
bool dns_engine_has_ipv6(struct dns_engine *e);
void dns_engine_tell(struct dns_engine *e, const struct dns_event *event);
