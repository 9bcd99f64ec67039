#include "dns/dial.h"
#include "dns/query_impl.h"

#include <stdlib.h>

static struct list *bucket_of(struct dns_engine *e, uint64_t group, const struct dns_ask *ask)
{
    return &e->queries[dns_ask_hash(e->shared, ask, group) % DNS_QUERY_BUCKETS];
}

static struct dns_try try_of(const struct dns_query *q, const struct dns_exchange *x,
                             enum dns_outcome outcome)
{
    return (struct dns_try){
        .server = x->server->addr,
        .group = (uint8_t)(q->group - q->route->groups),
        .group_name = q->group->name,
        .type = q->ask.question.type,
        .outcome = (uint8_t)outcome,
        .by_tcp = x->by_tcp,
        .took_us = (uint32_t)(io_now_us() - x->started_us),
    };
}

void dns_query_explain(const struct dns_query *q, unsigned hop, struct dns_explain *x)
{
    for (unsigned i = 0; i < q->n_tries; i++) {
        struct dns_try t = q->tries[i];
        t.hop = (uint8_t)hop;
        dns_explain_add(x, &t);
    }
    x->n_more += q->n_more;
    for (unsigned i = 0; i < q->n_attempts; i++) {
        if (q->attempts[i] == NULL)
            continue;
        struct dns_try t = try_of(q, q->attempts[i], DNS_TIMED_OUT);
        t.is_pending = true;
        t.hop = (uint8_t)hop;
        dns_explain_add(x, &t);
    }
}

void query_add_try(struct dns_query *q, const struct dns_exchange *x, enum dns_outcome outcome)
{
    if (q->n_tries == DNS_MAX_TRIES) {
        q->n_more++;
        return;
    }
    q->tries[q->n_tries++] = try_of(q, x, outcome);
}

void query_release(struct dns_query *q)
{
    list_remove(&q->node);
    for (unsigned i = 0; i < q->n_attempts; i++)
        dns_exchange_cancel(q->attempts[i]);
    struct io_loop *loop = q->engine->loop;
    io_timer_disarm(loop, &q->timer);
    io_timer_disarm(loop, &q->slow);
    io_timer_disarm(loop, &q->end);
    dns_flight_leave(&q->flight);
    dns_routes_unref(q->routes);
    io_free_later(loop, q);
}

void dns_query_abort(struct dns_query *q)
{
    while (!list_is_empty(&q->waiters)) {
        struct dns_wait *w = LIST_ENTRY(q->waiters.next, struct dns_wait, node);
        list_remove(&w->node);
        w->query = NULL;
    }
    query_release(q);
}

/*
 * Whoever was asked and is not late yet goes on being listened to, for what that tells of its
 * health: a silent server would never be found out where another one answers in its place.
 */
static bool goes_on_listening(struct dns_query *q)
{
    bool is_busy = false;
    for (unsigned i = 0; i < q->n_attempts; i++) {
        struct dns_exchange *x = q->attempts[i];
        if (x != NULL && x->is_late) {
            dns_exchange_cancel(x);
            q->attempts[i] = NULL;
        }
        is_busy = is_busy || q->attempts[i] != NULL;
    }
    if (!is_busy)
        return false;
    struct io_loop *loop = q->engine->loop;
    io_timer_disarm(loop, &q->timer);
    io_timer_disarm(loop, &q->slow);
    io_timer_disarm(loop, &q->end);
    q->is_over = true;
    list_push_back(bucket_of(q->engine, q->group->id, &q->ask), &q->node);
    return true;
}

/* Gives every waiter the result. Takes over the caller's reference to set. */
static void finish(struct dns_query *q, enum dns_outcome outcome, struct dns_set *set)
{
    if (!q->is_follower)
        dns_flight_end(&q->flight, outcome, set, q->tries, q->n_tries);
    list_remove(&q->node); /* an equal question from a callback begins anew, or hits the cache */
    while (!list_is_empty(&q->waiters)) {
        struct dns_wait *w = LIST_ENTRY(q->waiters.next, struct dns_wait, node);
        list_remove(&w->node);
        w->outcome = outcome;
        w->set = set != NULL ? dns_set_ref(set) : NULL;
        w->ttl_s = set != NULL ? set->ttl_s : 0;
        w->query = NULL;
        w->on_done(w, q);
    }
    dns_set_unref(set);
    if (!goes_on_listening(q))
        query_release(q);
}

/* Silent to the end of the question, seconds after its last packet: that is a failure as well. */
static void give_up(struct dns_query *q, unsigned i)
{
    bool is_last = true;
    for (unsigned j = i + 1; j < q->n_attempts; j++)
        is_last &= q->attempts[j] == NULL || q->attempts[j]->server != q->attempts[i]->server;
    query_add_try(q, q->attempts[i], DNS_TIMED_OUT);
    if (is_last && q->attempts[i]->is_late)
        dns_exchange_give_up(q->attempts[i]);
    else
        dns_exchange_cancel(q->attempts[i]);
    q->attempts[i] = NULL;
}

/* Where all servers are suspect, their probes find the repair and void the failure: whoever asks
 * meanwhile need not ask them as well. */
static unsigned least_failure_s(struct dns_query *q)
{
    struct dns_shared *s = q->engine->shared;
    unsigned n = 0;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < q->group->n_servers; i++)
        n += q->group->servers[i]->is_suspect;
    pthread_mutex_unlock(&s->lock);
    return n == q->group->n_servers ? DNS_SUSPECT_FAIL_S : 1;
}

/* False: some server was not asked by our own doing, so that we do not know what the group says. */
static bool is_group_failure(struct dns_query *q)
{
    bool is_ours = q->n_tries == 0, all_ours = true;
    for (unsigned i = 0; i < q->n_tries; i++)
        if (dns_outcome_is_ours(q->tries[i].outcome))
            is_ours = true;
        else
            all_ours = false;
    if (all_ours && q->n_tries > 0)
        q->worst = q->tries[0].outcome;
    return !is_ours;
}

void query_fail(struct dns_query *q)
{
    struct dns_shared *s = q->engine->shared;
    struct dns_cache_key key = dns_cache_key_of(q->group->id, &q->ask);
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL)
            give_up(q, i);
    bool is_cut_short = q->is_left && !query_is_wanted(q);
    /* RFC 9520 is about servers that fail, so what is ours is not remembered; what a follower
     * waited for in vain is the leader's to tell. */
    if (is_group_failure(q) && !q->is_follower && !is_cut_short)
        dns_cache_fail(s->cache, &key, q->worst, least_failure_s(q), io_now_ms(q->engine->loop),
                       atomic_load(&s->epoch));
    finish(q, q->worst, NULL);
}

/* The most that a TTL of this answer may say. */
static uint32_t ttl_cap(const struct dns_query *q, const struct dns_verdict *v)
{
    const struct dns_zone_rules *r = dns_zone_rules(q->route->kind);
    uint32_t most = r->max_ttl_s;
    if (dns_outcome_is_negative(v->outcome)) {
        /* Where another group may know better, a no is a failure to be asked about again soon. */
        most = r->max_negative_s;
        if (r->moves_on_negative && !q->is_last_group && most > DNS_NO_SOA_TTL_S)
            most = DNS_NO_SOA_TTL_S;
    }
    return most;
}

/* An answer of addresses of which none is ever dialled: a group that says so has failed, where
 * others may know better. */
static bool is_sinkhole(const struct dns_query *q, const struct dns_set *set)
{
    if (!dns_zone_rules(q->route->kind)->moves_on_negative)
        return false;
    struct addr v[DNS_MAX_ADDRS];
    unsigned n = dns_set_addrs(set, 0, v, DNS_MAX_ADDRS);
    enum dns_policy policy =
        q->route->kind == DNS_ZONE_REGISTRY ? DNS_POLICY_REGISTRY : DNS_POLICY_S3;
    for (unsigned i = 0; i < n; i++)
        if (dns_dial_allowed(q->engine, policy, &v[i]))
            return false;
    return n > 0;
}

void query_answer(struct dns_query *q, const struct dns_msg *m, const struct dns_verdict *v)
{
    struct dns_shared *s = q->engine->shared;
    uint32_t cap_s = ttl_cap(q, v), ttl_s = v->ttl_s > cap_s ? cap_s : v->ttl_s < 1 ? 1 : v->ttl_s;
    /* RFC 2308 section 3: the SOA of a negative answer says how long that holds. */
    if (dns_outcome_is_negative(v->outcome))
        cap_s = ttl_s;
    struct dns_set *set = dns_set_new(m, &q->ask.question, v, ttl_s, cap_s);
    if (set == NULL) {
        q->worst = DNS_SERVFAIL_OUTCOME;
        query_fail(q);
        return;
    }
    set->is_sinkhole = is_sinkhole(q, set);
    if (!dns_group_is_trusted(q->routes, q->group))
        dns_set_distrust(set);
    struct dns_cache_key key = dns_cache_key_of(q->group->id, &q->ask);
    dns_cache_put(s->cache, &key, set, dns_zone_rules(q->route->kind)->stale_s,
                  io_now_ms(q->engine->loop));
    finish(q, v->outcome, set);
}

static struct dns_query *query_new(struct dns_engine *e, struct dns_routes *routes,
                                   const struct dns_route *route, unsigned group,
                                   const struct dns_ask *ask)
{
    struct dns_query *q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    q->engine = e;
    q->routes = dns_routes_ref(routes);
    q->route = route;
    q->group = &route->groups[group];
    q->is_last_group = group + 1 == route->n_groups;
    q->ask = *ask;
    q->started_ms = io_now_ms(e->loop);
    q->worst = DNS_TIMED_OUT;
    list_init(&q->waiters);
    list_push_back(bucket_of(e, q->group->id, ask), &q->node);
    q->is_follower = !dns_flight_begin(&q->flight, e, ask, q->group->id, route->zone_hash);
    query_prepare(q);
    return q;
}

static struct dns_query *find_equal(struct dns_engine *e, uint64_t group, uint64_t zone,
                                    const struct dns_ask *ask)
{
    LIST_EACH (it, after, bucket_of(e, group, ask)) {
        struct dns_query *q = LIST_ENTRY(it, struct dns_query, node);
        if (!q->is_over && q->group->id == group && q->route->zone_hash == zone &&
            dns_ask_eq(&q->ask, ask))
            return q;
    }
    return NULL;
}

void dns_query_refresh(struct dns_engine *e, struct dns_routes *routes,
                       const struct dns_route *route, unsigned group, const struct dns_ask *ask)
{
    if (find_equal(e, route->groups[group].id, route->zone_hash, ask) != NULL)
        return;
    struct dns_query *q = query_new(e, routes, route, group, ask);
    if (q == NULL)
        return;
    q->is_refresh = true;
    dns_zone_count(route->counts, DNS_ZONE_PREFETCHED);
    if (!q->is_follower)
        query_send_next(q);
}

static bool answer_from_cache(struct dns_wait *w, struct dns_engine *e, struct dns_routes *routes,
                              const struct dns_route *route, unsigned group,
                              const struct dns_ask *ask, bool may_refresh)
{
    struct dns_cache_hit hit;
    struct dns_cache_key key = dns_cache_key_of(route->groups[group].id, ask);
    dns_cache_get(e->shared->cache, &key, io_now_ms(e->loop), atomic_load(&e->shared->epoch), &hit);
    w->outcome = hit.outcome;
    w->set = hit.set;
    w->ttl_s = hit.ttl_s;
    w->from_cache = true;
    if (hit.wants_refresh && may_refresh)
        dns_query_refresh(e, routes, route, group, ask);
    return hit.state != DNS_CACHE_NONE;
}

bool dns_query_join(struct dns_wait *w, struct dns_engine *e, struct dns_routes *routes,
                    const struct dns_route *route, unsigned group, const struct dns_ask *ask,
                    enum dns_join how)
{
    const struct dns_group *g = &route->groups[group];
    w->query = NULL;
    list_init(&w->node);
    if (how != DNS_JOIN_ANEW &&
        answer_from_cache(w, e, routes, route, group, ask, how != DNS_JOIN_CACHED))
        return true;
    w->from_cache = false;
    w->outcome = how == DNS_JOIN_CACHED ? DNS_NOT_ASKED : DNS_SERVFAIL_OUTCOME;
    w->set = NULL;
    w->ttl_s = 0;
    if (how == DNS_JOIN_CACHED)
        return true;
    struct dns_query *q = find_equal(e, g->id, route->zone_hash, ask);
    bool is_new = q == NULL;
    if (!is_new)
        dns_zone_count(route->counts, DNS_ZONE_COALESCED);
    else
        q = query_new(e, routes, route, group, ask);
    if (q == NULL)
        return true;
    /* Between our look into the cache and now, another worker's flight may have ended. */
    if (is_new && how != DNS_JOIN_ANEW && q->flight.engine != NULL && !q->is_follower &&
        answer_from_cache(w, e, routes, route, group, ask, true)) {
        query_release(q);
        return true;
    }
    w->query = q;
    w->is_told = false;
    list_push_back(&q->waiters, &w->node);
    if (!is_new && q->is_slow)
        io_timer_arm(e->loop, &q->slow, 1);
    else if (is_new && !q->is_follower)
        query_send_next(q);
    return false;
}

void dns_query_on_landing(struct dns_engine *e, const struct dns_landing *l)
{
    struct dns_query *q = find_equal(e, l->group, l->zone, &l->ask);
    if (q == NULL || !q->is_follower)
        return;
    if (l->must_lead) {
        if (dns_flight_leads(&q->flight)) {
            q->is_follower = false;
            query_send_next(q);
        }
        return;
    }
    memcpy(q->tries, l->tries, l->n_tries * sizeof l->tries[0]);
    q->n_tries = l->n_tries;
    finish(q, l->outcome, l->set != NULL ? dns_set_ref(l->set) : NULL);
}

void dns_wait_cancel(struct dns_wait *w)
{
    struct dns_query *q = w->query;
    if (q != NULL) {
        list_remove(&w->node);
        /* Nobody waits: it ends in its own time, when its attempts are late. */
        if (!query_is_wanted(q) && !list_is_empty(&q->node) && !q->is_telling)
            io_timer_arm(q->engine->loop, &q->timer, 1);
    }
    w->query = NULL;
    dns_set_unref(w->set);
    w->set = NULL;
}

void dns_wait_leave(struct dns_wait *w)
{
    if (w->query != NULL)
        w->query->is_left = true;
    dns_wait_cancel(w);
}
