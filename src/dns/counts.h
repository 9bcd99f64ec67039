#pragma once
/*
 * What is counted of each DNS server and of each route: rows of counts.def. The counters of a
 * server stand in its struct dns_server; those of a route in a struct dns_zone, one a zone and
 * process, which the tables of routes hold, so that they outlive a table that is built anew.
 * Counting takes no lock; reading may miss what happens meanwhile.
 */
#include "base/buf.h"
#include "base/list.h"
#include "codec/dns_name.h"
#include "obs/metrics.h"

#include <stdatomic.h>

struct dns_shared;

enum dns_server_count {
#define DNS_SERVER_COUNT(id, family, labels) DNS_SERVER_##id,
#include "dns/counts.def"
    N_DNS_SERVER_COUNTS
};
enum dns_zone_count {
#define DNS_ZONE_COUNT(id, family, labels) DNS_ZONE_##id,
#include "dns/counts.def"
    N_DNS_ZONE_COUNTS
};
enum dns_family_id {
#define DNS_FAMILY(id, type, name, help, use) DNS_FAMILY_##id,
#include "dns/counts.def"
    N_DNS_FAMILIES
};

struct dns_server_counts {
    _Atomic uint64_t v[N_DNS_SERVER_COUNTS];
    _Atomic uint64_t n_round_trips, round_trips_us; /* measured over UDP, and their sum */
};

struct dns_zone {
    struct list node; /* in dns_shared, under its lock; so is refs */
    unsigned refs;
    struct dns_name name; /* lower case */
    _Atomic uint64_t v[N_DNS_ZONE_COUNTS];
};

static inline void dns_server_count(struct dns_server_counts *s, enum dns_server_count c)
{
    atomic_fetch_add_explicit(&s->v[c], 1, memory_order_relaxed);
}
static inline void dns_server_count_round_trip(struct dns_server_counts *s, uint32_t us)
{
    atomic_fetch_add_explicit(&s->n_round_trips, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->round_trips_us, us, memory_order_relaxed);
}
static inline void dns_zone_count(struct dns_zone *z, enum dns_zone_count c)
{
    atomic_fetch_add_explicit(&z->v[c], 1, memory_order_relaxed);
}
/* A lookup that the cache answered at once. */
static inline void dns_zone_count_hit(struct dns_zone *z, bool is_negative)
{
    dns_zone_count(z, DNS_ZONE_LOOKUPS);
    dns_zone_count(z, is_negative ? DNS_ZONE_NEGATIVE : DNS_ZONE_ANSWERED);
    dns_zone_count(z, DNS_ZONE_CACHED);
}
/* A genuine reply, by its code. */
void dns_server_count_rcode(struct dns_server_counts *s, unsigned rcode);

/* The counters of this zone, referenced; made where there are none. NULL without memory. */
struct dns_zone *dns_zone_take(struct dns_shared *s, const struct dns_name *name);
void dns_zone_give(struct dns_shared *s, struct dns_zone *z); /* NULL is fine */

/* What they are called, in their order; NULL behind the last one. */
const struct metric_family *dns_counts_family(unsigned family);
/* Of each sample of a family: *dynamic is the label that the address or the zone stands in, NULL
 * for none; the result is the other labels of the sample number n, empty for none, NULL behind the
 * last sample. */
const char *dns_counts_labels(unsigned family, unsigned n, const char **dynamic);

/* All of them in Prometheus' text format, with the usual round trip, the health and the
 * budget of each server, and the size of the cache. */
void dns_counts_write(struct dns_shared *s, uint64_t now_ms, struct buf *out);
