#pragma once
/* Between query.c, which asks the servers, and query_join.c, which knows who waits for the answer:
 * for these two alone. */
#include "dns/query.h"

/* Somebody waits for it, here or in another worker; a refresh wants it for nobody. */
static inline bool query_is_wanted(const struct dns_query *q)
{
    return q->is_refresh || !list_is_empty(&q->waiters) ||
           (!q->is_follower && dns_flight_is_followed(&q->flight));
}

/* query.c */
/* Puts the servers in order and sets the query's end. */
void query_prepare(struct dns_query *q);
void query_send_next(struct dns_query *q);

/* query_join.c: both of these end the query. */
void query_answer(struct dns_query *q, const struct dns_msg *m, const struct dns_verdict *v);
void query_fail(struct dns_query *q);
/* Frees it; nobody is told. */
void query_release(struct dns_query *q);
void query_add_try(struct dns_query *q, const struct dns_exchange *x, enum dns_outcome outcome);
