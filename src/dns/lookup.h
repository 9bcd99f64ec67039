#pragma once
/*
 * A name and one or two types -> an answer that its owner accepts, or the reason why there is none.
 * Walks the groups of the name's route, follows CNAMEs into other routes, and falls back to stale
 * answers. What the policy says about moving from group to group stands here and nowhere else.
 *
 * A walk is one name on its route; a CNAME that leads to another route pushes a walk, and one that
 * comes to nothing is popped, so that the next group may know another alias.
 */
#include "dns/query.h"

enum { DNS_LOOKUP_TYPES = 2, DNS_LOOKUP_MS = 4500, DNS_STALE_MS = 1800, DNS_GRACE_MS = 50 };

/* A stretch of an answer: aliases, or what stands at their end. */
struct dns_part {
    struct dns_set *set; /* referenced */
    uint32_t age_s;      /* more than set->ttl_s: stale */
};

struct dns_leg {
    struct dns_lookup *lookup;
    struct dns_walk *walk;
    bool is_started, is_failed;
    bool is_asked_again; /* what the cache had did not connect */
    bool is_no;    /* failed because the name has nothing, rather than because servers failed */
    bool is_cured; /* failed in a way that no probe of servers would mend (address, policy, budget)
                    */
    unsigned n_pending;
    struct dns_wait waits[DNS_LOOKUP_TYPES];
};

struct dns_walk {
    struct dns_walk *before;
    struct dns_name name;
    const struct dns_route *route;
    unsigned order[DNS_MAX_GROUPS], n_order, n_started;
    unsigned n_types; /* of the lookup's, that are asked here */
    bool is_hurried;  /* the group that was asked is slow: ask the next one too */
    bool is_over;     /* no further group, whatever is left */
    bool is_grace_over;
    struct dns_leg legs[DNS_MAX_GROUPS]; /* by place in order */
    unsigned hop;                        /* walks before it */
    unsigned at;                         /* the leg that answered, or led to the next walk */
    uint32_t ttl_s;                      /* of what led to the next walk */
};

struct dns_lookup {
    void *owner;
    /* Once for each start or next, never inside them. */
    void (*on_done)(struct dns_lookup *l);
    /*
     * Can the owner use what one group of the route says to each of the types: records, or a no;
     * NULL where it failed or has not answered yet? Else it says in rejected why not.
     */
    bool (*accept)(struct dns_lookup *l, const struct dns_route *route,
                   struct dns_set *const sets[DNS_LOOKUP_TYPES]);
    struct dns_explain *explain; /* the owner's; filled */
    /* the result */
    bool is_answered;
    bool is_no;      /* not answered: the name has nothing (NXDOMAIN, NODATA) */
    bool is_refused; /* some group's addresses were all refused by the policy */
    enum dns_outcome rejected;
    /*
     * What was said to the first of the types, along the chain; of a lookup that was not answered,
     * what the first group said that said anything. Until next or done.
     */
    unsigned n_parts;
    struct dns_part parts[DNS_MAX_CNAMES + 1];
    /* How, set before. ask: what all its questions have in common; name and type are each's own. */
    struct dns_ask ask;
    enum dns_join join;
    /* The first type is what is wanted, the second only tells whether a no is to be believed: it is
     * asked where groups move on at a no. */
    bool is_first_wanted;
    const struct addr *asker; /* groups with this server are not asked; NULL for none */
    /* private */
    struct dns_engine *engine;
    struct dns_routes *routes;
    struct dns_walk *walk;
    unsigned n_types, n_hops;
    uint16_t types[DNS_LOOKUP_TYPES];
    bool is_running, is_stale_used, is_all_cached, is_counted;
    uint16_t port; /* for the memory of groups and its probes */
    enum dns_policy policy;
    uint64_t started_ms, spent_ms, started_us;
    struct io_timer end, stale, grace;
    struct io_task deliver;
};

/* owner, on_done, accept, explain, port, policy and the how: set before; the rest is zero. */
void dns_lookup_start(struct dns_lookup *l, struct dns_engine *e, const struct dns_name *name,
                      const uint16_t *types, unsigned n_types);
/* What was answered was of no use after all: the group is asked anew, once, if that came from the
 * cache; then it goes on with the next group. */
void dns_lookup_next(struct dns_lookup *l);
/* It was of use: the group is remembered. */
void dns_lookup_succeeded(struct dns_lookup *l);
/* Releases everything; harmless when it never started. */
void dns_lookup_done(struct dns_lookup *l);
