#pragma once
/* Between lookup.c, which walks, and lookup_end.c, which delivers: for these two alone. */
#include "dns/lookup.h"

static inline uint64_t lookup_now_ms(const struct dns_lookup *l)
{
    return io_now_ms(l->engine->loop);
}

static inline bool lookup_is_positive(const struct dns_wait *w)
{
    return w->query == NULL && w->set != NULL && w->set->outcome == DNS_ANSWERED;
}

/* The lowest TTL of the leg's answers; without one, of its no. */
uint32_t lookup_leg_ttl(const struct dns_leg *leg);

/* All of them end this round: on_done runs at the end of the turn. */
void lookup_deliver(struct dns_lookup *l);
void lookup_deliver_answer(struct dns_lookup *l, unsigned at);
/* Every group of every name of the chain has failed, or the time is over. */
void lookup_deliver_failure(struct dns_lookup *l);
/* What the queries that are still under way did so far goes to the explanation. */
void lookup_explain_pending(struct dns_lookup *l);

/* RFC 8767: better an old answer than none. True when there is one; it is the result. */
bool lookup_answer_stale(struct dns_lookup *l);
/* The leg, which is of the last walk, failed: what it said is kept, unless another's is. */
void lookup_keep_words(struct dns_lookup *l, const struct dns_leg *leg);
void lookup_drop_parts(struct dns_lookup *l);
