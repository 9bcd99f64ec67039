#pragma once
/*
 * What can be answered at once: the forwarder's hot path. A question whose route's first group has
 * a whole, fresh answer in the cache is answered by it; everything else (names of the hosts file,
 * aliases that lead into another route, a group that said no where another may know better, misses)
 * takes a lookup.
 *
 * The engine keeps the table of routes at hand and looks for a new one by a number that grows, so
 * that no lock is taken but the cache's. Where a group other than the first was remembered for an
 * endpoint, its zone has to take the lock of dns_shared.
 */
#include "dns/cache.h"
#include "dns/engine.h"

/*
 * False: take a lookup. True: hit->set is referenced, and is the whole answer to ask; its age is
 * set->ttl_s - hit->ttl_s. A name in use that is about to run out is refreshed in the background.
 */
bool dns_quick_find(struct dns_engine *e, const struct dns_ask *ask, struct dns_cache_hit *hit);
