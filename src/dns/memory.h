#pragma once
/*
 * The group that worked, by endpoint: asked first next time, while the groups before it are probed
 * in the background. Remembered is an endpoint of a zone ("s3.eu-west-1.amazonaws.com" for every
 * bucket there) and not the whole zone: a corporate server may know private addresses of one
 * endpoint and deny all others, and neither must decide for the other.
 *
 * Bounded: the least recently used of DNS_MAX_REMEMBERED goes. Every function runs under the lock
 * of dns_shared and takes the time as an argument.
 */
#include "dns/resolve.h"
#include "dns/router.h"

enum { DNS_MAX_REMEMBERED = 128, DNS_MAX_ALL_FAILED = 8 };

struct dns_endpoint {
    struct dns_name name; /* lower case; n is 0: free */
    uint64_t zone_hash;
    unsigned group;          /* asked first */
    uint64_t group_since_ms; /* 0: since it is remembered */
    bool all_failed;         /* every group failed last time, not by a plain no */
    uint64_t used_ms;        /* by a client */
    uint64_t probe_at_ms;
    unsigned probe_step;
    unsigned n_relapses; /* the preferred group was taken back and failed again */
    uint64_t taken_back_ms;
    /* what a probe asks and dials */
    struct dns_name qname;
    uint16_t qtype, port;
    enum dns_policy policy;
};

struct dns_memory {
    atomic_bool has_moved; /* some group is not the first: may be read without the lock */
    struct dns_endpoint v[DNS_MAX_REMEMBERED];
};

/* The endpoint that a name belongs to: the name without a bucket in front. */
void dns_endpoint_name(const struct dns_name *qname, struct dns_name *endpoint);

/* The group to begin with. */
unsigned dns_memory_group(struct dns_memory *m, const struct dns_route *route,
                          const struct dns_name *qname, uint64_t now_ms);

struct dns_asked {
    const struct dns_name *qname;
    uint16_t qtype, port;
    enum dns_policy policy;
};
/* A connection was made through this group. True when that is another group than before. */
bool dns_memory_worked(struct dns_memory *m, const struct dns_route *route,
                       const struct dns_asked *asked, unsigned group, uint64_t now_ms);
/* No group had an answer, and not because the name does not exist. */
void dns_memory_all_failed(struct dns_memory *m, const struct dns_route *route,
                           const struct dns_asked *asked, uint64_t now_ms);

/* Something is to be probed, now or later. */
bool dns_memory_has_probes(const struct dns_memory *m, uint64_t now_ms);
/* One endpoint that is due: a copy, its next probe is scheduled. */
bool dns_memory_claim_probe(struct dns_memory *m, uint64_t now_ms, struct dns_endpoint *out);
/* A server came back: what waits for a probe is due now. */
void dns_memory_hurry(struct dns_memory *m, uint64_t now_ms);
/* A probe found this group working. True when the group asked first changes. */
bool dns_memory_probed(struct dns_memory *m, const struct dns_endpoint *probed, unsigned group,
                       uint64_t now_ms);
