#pragma once
/*
 * The cache of a process: answers, negative ones too, failures, and what is past its time but may
 * still be served. Bounded in bytes; in shares by hash, a lock each. Time is an argument.
 *
 * Entries that were never asked for again live in a probation list and go first, so a million
 * random names only push each other out; an entry that was hit is protected (segmented LRU).
 */
#include "dns/set.h"

struct dns_cache;

struct dns_cache_key {
    uint64_t group; /* dns_group.id */
    const struct dns_name *name;
    uint16_t type, class;
    bool dnssec_ok, checking_disabled;
};

enum dns_cache_state {
    DNS_CACHE_NONE,
    DNS_CACHE_FRESH,  /* set is filled */
    DNS_CACHE_FAILED, /* outcome says how; not to be asked again before its time */
};

struct dns_cache_hit {
    enum dns_cache_state state;
    struct dns_set *set; /* referenced: unref it */
    enum dns_outcome outcome;
    uint32_t ttl_s;   /* left; at least 1 */
    uint32_t stale_s; /* age beyond the TTL */
    /* In use, and in the last tenth of its TTL: ask again. Said once. */
    bool wants_refresh;
};

static inline struct dns_cache_key dns_cache_key_of(uint64_t group, const struct dns_ask *ask)
{
    return (struct dns_cache_key){ .group = group,
                                   .name = &ask->question.name,
                                   .type = ask->question.type,
                                   .class = ask->question.class,
                                   .dnssec_ok = ask->dnssec_ok,
                                   .checking_disabled = ask->checking_disabled };
}

/* NULL without memory. */
struct dns_cache *dns_cache_new(size_t max_bytes);
void dns_cache_free(struct dns_cache *c);

/* epoch: failures that were stored under another one are void (a server came back). */
void dns_cache_get(struct dns_cache *c, const struct dns_cache_key *k, uint64_t now_ms,
                   uint64_t epoch, struct dns_cache_hit *hit);
/*
 * An answer whose time is over by less than it may be; a fresh one is returned too, with stale_s 0.
 * NODATA is one: musl's resolver takes a failure for AAAA as one for A. NXDOMAIN never is.
 */
bool dns_cache_get_stale(struct dns_cache *c, const struct dns_cache_key *k, uint64_t now_ms,
                         struct dns_cache_hit *hit);
/* Replaces whatever was there. The cache takes a reference of its own. */
void dns_cache_put(struct dns_cache *c, const struct dns_cache_key *k, struct dns_set *set,
                   uint32_t stale_s, uint64_t now_ms);
/* A failure never replaces an answer: it stands beside it, least_s (at least 1) at first, doubling
 * to 30 s. */
void dns_cache_fail(struct dns_cache *c, const struct dns_cache_key *k, enum dns_outcome outcome,
                    unsigned least_s, uint64_t now_ms, uint64_t epoch);

size_t dns_cache_bytes(struct dns_cache *c);
size_t dns_cache_n(struct dns_cache *c);
