#pragma once
/*
 * One question to one group of servers: its servers in order, healthy ones first, the next one when
 * one is slow or fails, until an answer, an authoritative no, or the end of the time. Equal
 * questions in flight are one query with several waiters. The answer goes to the cache, a failure
 * too.
 *
 * A query without waiters sends nothing more, and one that is answered neither, but both listen
 * until their last attempt is late: what was learned of a server is kept. It frees itself.
 */
#include "dns/exchange.h"
#include "dns/flight.h"

enum {
    DNS_MAX_ATTEMPTS = 6,
    DNS_QUERY_MS = 4000,
    DNS_SUSPECT_MS = 2000,
    DNS_SUSPECT_FAIL_S = 10, /* a failure is remembered, while probes are under way */
};

struct dns_query;

/* How a question is answered. */
enum dns_join {
    DNS_JOIN_USUAL,
    DNS_JOIN_ANEW,   /* the cache is not asked: probes */
    DNS_JOIN_CACHED, /* nothing is sent: what the cache does not know fails as DNS_NOT_ASKED */
};

/* A waiter, embedded in its owner. */
struct dns_wait {
    void *owner;
    /* Once, later than dns_query_join; the result stands below. q is borrowed for the call. */
    void (*on_done)(struct dns_wait *w, const struct dns_query *q);
    /* At most once: every server was asked, and the time to ask another group as well has come. */
    void (*on_slow)(struct dns_wait *w);
    enum dns_outcome outcome;
    struct dns_set *set; /* the waiter's reference, or NULL on a failure */
    uint32_t ttl_s;
    bool from_cache;
    /* private */
    struct list node;
    struct dns_query *query; /* NULL: not waiting */
    bool is_told;            /* on_slow ran */
};

struct dns_query {
    struct list node; /* in the engine's table */
    struct list waiters;
    struct dns_engine *engine;
    struct dns_routes *routes;
    const struct dns_route *route;
    const struct dns_group *group;
    bool is_last_group;
    struct dns_ask ask;
    uint64_t started_ms;
    struct io_timer timer; /* the next attempt */
    struct io_timer slow;
    struct io_timer end;
    bool is_slow, is_telling;
    bool is_over;     /* everybody has the result; it listens to attempts that are not late */
    bool is_refresh;  /* goes on without waiters */
    bool is_follower; /* another worker asks: nothing is sent here */
    bool is_left;     /* somebody left before the answer */
    struct dns_follower flight;
    unsigned n_order, n_suspects; /* the last n_suspects of order */
    uint8_t order[DNS_MAX_GROUP_SERVERS];
    bool is_out[DNS_MAX_GROUP_SERVERS]; /* said no, or nobody is there: not asked again */
    unsigned at, round, n_attempts;
    struct dns_exchange *attempts[DNS_MAX_ATTEMPTS]; /* NULL: over */
    unsigned n_tries, n_more;
    struct dns_try tries[DNS_MAX_TRIES];
    enum dns_outcome worst; /* what a failure is called */
};

/*
 * Answers w at once from the cache (true; w is filled, on_done will not run) or makes it wait for a
 * query. Without memory: true with SERVFAIL.
 */
bool dns_query_join(struct dns_wait *w, struct dns_engine *e, struct dns_routes *routes,
                    const struct dns_route *route, unsigned group, const struct dns_ask *ask,
                    enum dns_join how);
/* The answer in the cache is about to run out: asks for a new one, for nobody. */
void dns_query_refresh(struct dns_engine *e, struct dns_routes *routes,
                       const struct dns_route *route, unsigned group, const struct dns_ask *ask);
/* Stops waiting and gives the set back; harmless on a waiter that does not wait. */
void dns_wait_cancel(struct dns_wait *w);
/* The same, by an asker who leaves before the answer. If nobody else waits, the servers get less
 * than their time, and what they did is no failure to be remembered: another asker would hear of
 * it. */
void dns_wait_leave(struct dns_wait *w);
/* What the servers did so far, added to x with this hop; those that have not answered count as
 * silent. */
void dns_query_explain(const struct dns_query *q, unsigned hop, struct dns_explain *x);

/* Another worker's query for the same question ended, or left: for dns/flight. */
void dns_query_on_landing(struct dns_engine *e, const struct dns_landing *l);

/* For the engine's end: frees it without telling anybody. */
void dns_query_abort(struct dns_query *q);
