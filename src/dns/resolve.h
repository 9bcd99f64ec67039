#pragma once
/*
 * Addresses for a connection: what the pool asks before it dials.
 * A resolve walks the groups of the route: each group's answer comes with an on_done, and when none
 * of its addresses accepts a connection the caller asks for the next group's (an answer that
 * cannot be connected to is not an answer: docs/DNS.md).
 *
 * Both families are asked at once where there is an IPv6 route; A is not kept waiting for AAAA more
 * than 50 ms (RFC 8305 section 3). Addresses come in the order to dial: RFC 6724 order, families
 * interleaved, rotated within a family. Addresses that the policy refuses are left out; when
 * nothing else is left, the group counts as failed (a sinkhole).
 */
#include "base/fault.h"
#include "dns/answer.h"
#include "dns/engine.h"

enum dns_policy {
    DNS_POLICY_S3,       /* loopback, link-local, unspecified, multicast and our own listeners are
                            refused, unless PENSTOCK_ALLOW_ADDRESSES has them */
    DNS_POLICY_REGISTRY, /* only our own listeners and the unspecified address are refused */
};

struct dns_resolve {
    void *owner;
    /*
     * Runs once for each start or next, never inside them. n_addrs > 0: dial these. n_addrs == 0:
     * fault says why (DNS_FAILED, DNS_TIMEOUT, DNS_NO_SERVER, ADDRESS_DENIED), with every server's
     * word in its detail, and there is no further group.
     */
    void (*on_done)(struct dns_resolve *r);
    unsigned n_addrs;
    struct addr addrs[DNS_MAX_ADDRS]; /* port set */
    struct fault fault;
    struct dns_explain explain; /* all tries so far */
    uint64_t expires_ms;        /* loop time until which the answer is fresh */
    /* private */
    struct dns_resolve_state *state;
    struct io_task deliver; /* what needs no server */
};

/*
 * r is zeroed at first, with owner and on_done set. host: a name (absolute, whatever a search list
 * says) or an address literal. The struct is the caller's and stays where it is until on_done or
 * cancel. Each name fails within 5 s over all groups.
 */
void dns_resolve_start(struct dns_resolve *r, struct dns_engine *e, struct str host, uint16_t port,
                       enum dns_policy policy);
/* None of the addresses took a connection: a new answer of the same group if this one was the
 * cache's, else the next group's. Addresses that were given out before are left out. */
void dns_resolve_next(struct dns_resolve *r);
/* A connection to this answer was made: its group is remembered for the endpoint. Call instead of
 * next; ends the resolve. */
void dns_resolve_succeeded(struct dns_resolve *r);
/* Harmless when idle. on_done does not run any more. Releases the state: call it, or succeeded, in
 * the end. */
void dns_resolve_cancel(struct dns_resolve *r);
