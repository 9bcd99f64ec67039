#pragma once
/*
 * One question of somebody else's, of any type: the forwarder's clients, `penstock lookup`. Names
 * that no server is asked for are answered here; the rest walks the groups of its route (lookup.h).
 *
 * What counts as an answer is what the asker can use. In the zones that move on at every failure
 * (AWS, the registry) an address that is never dialled is none, and "no such type" is one where the
 * name has addresses of the other family in the same group: one group's addresses are never mixed
 * with another's. Where no group has anything better, the first group's own words are handed on.
 */
#include "dns/lookup.h"

struct dns_forward {
    void *owner;
    /* Once, later than start. */
    void (*on_done)(struct dns_forward *f);
    struct dns_ask ask; /* what is asked: set before */
    enum dns_join join; /* DNS_JOIN_CACHED: nothing is sent, an answer past its time will do */
    bool finds_loops;   /* it is a client's: a server's silence may be a circle (loop.h) */
    /*
     * The result. ANSWERED, NODATA, NXDOMAIN: parts, in order, make up the answer; they are
     * referenced until dns_forward_done. Anything else: there is no answer, and explain says why.
     */
    enum dns_outcome outcome;
    unsigned n_parts;
    const struct dns_part *parts;
    struct dns_explain explain;
    /* private */
    struct dns_engine *engine;
    struct dns_lookup lookup;
    struct dns_part local;
    struct io_task deliver;
};

/*
 * f is zeroed at first, with owner, on_done, ask and perhaps join set. asker: the address the
 * question came from, or NULL; it is borrowed until the end. A group in which it is a server is not
 * asked: it would ask us again.
 */
void dns_forward_start(struct dns_forward *f, struct dns_engine *e, const struct addr *asker);
/* Ends it, whether it is over or not, and gives the parts back. Harmless when it never started. */
void dns_forward_done(struct dns_forward *f);
