#pragma once
/*
 * A judged answer, kept: a DNS message of the believed records alone, with its outcome. Never
 * changed once made, shared between the cache and whoever reads it, in any thread.
 */
#include "dns/judge.h"

#include <stdatomic.h>

struct dns_set {
    /* private */
    atomic_uint refs;
    /* public, read-only */
    enum dns_outcome outcome; /* ANSWERED, NODATA or NXDOMAIN */
    bool is_open;             /* the chain goes on at tail */
    bool is_sinkhole;         /* only addresses that are never dialled; whoever makes it says so */
    uint8_t n_cnames;
    uint32_t ttl_s; /* of the whole, capped by the zone's rules */
    uint16_t tail_n;
    uint16_t wire_n;
    uint16_t n_rrs;
    uint16_t ttl_at[]; /* where in the message the records' TTLs stand; then message and tail */
};

/*
 * ttl_s: as the cache will count it; cap_s: the most that a record's own TTL may say. NULL without
 * memory, or when the message is over 64 KiB.
 */
struct dns_set *dns_set_new(const struct dns_msg *m, const struct dns_question *q,
                            const struct dns_verdict *v, uint32_t ttl_s, uint32_t cap_s);
/* The same of a whole message that somebody else wrote: of records of ours. NULL when it cannot be
 * read. */
struct dns_set *dns_set_of_message(struct str wire, enum dns_outcome outcome, uint32_t ttl_s);
/* Before it is shared: clears AD, for whoever gave it is not to be taken at their word. */
void dns_set_distrust(struct dns_set *s);
struct dns_set *dns_set_ref(struct dns_set *s);
void dns_set_unref(struct dns_set *s); /* NULL is fine */
size_t dns_set_bytes(const struct dns_set *s);

void dns_set_tail(const struct dns_set *s, struct dns_name *tail);
/* A response as a server would send it, ID 0, without OPT; TTLs as they were when it came. */
static inline struct str dns_set_wire(const struct dns_set *s)
{
    return (struct str){ (const char *)(s->ttl_at + s->n_rrs), s->wire_n };
}

/* The addresses of its A or AAAA records, port set; at most cap. */
unsigned dns_set_addrs(const struct dns_set *s, uint16_t port, struct addr *out, unsigned cap);
