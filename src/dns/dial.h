#pragma once
/* Which addresses of an answer are dialled, and in which order. */
#include "conf/settings.h"
#include "dns/resolve.h"

struct dns_routes;

/* Can this host send to IPv6 addresses beyond its own link? Nothing is sent to find out. */
bool dns_host_has_ipv6(void);
/* Is it an address of this host? */
bool dns_is_host_address(const struct addr *a);

/* An address that the policy lets through, by the settings of routes. */
bool dns_dial_allowed_by(const struct dns_routes *routes, enum dns_policy policy,
                         const struct addr *a);
/* By those of now. */
bool dns_dial_allowed(struct dns_engine *e, enum dns_policy policy, const struct addr *a);

/*
 * Puts v in the order to dial: the families interleaved, the one that RFC 6724 prefers for this
 * host first, rotated by `turn` within each.
 */
void dns_dial_order(struct addr *v, unsigned n, unsigned turn);
