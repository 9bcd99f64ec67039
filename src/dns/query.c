#include "dns/query.h"

#include "dns/dial.h"

#include <stdlib.h>

static void send_next(struct dns_query *q);

static bool is_same_route(void *arg, const struct dns_name *name)
{
    const struct dns_query *q = arg;
    return dns_routes_find(q->routes, name) == q->route;
}

static struct list *bucket_of(struct dns_engine *e, const struct dns_group *group,
                              const struct dns_ask *ask)
{
    struct dns_name name = ask->question.name;
    dns_name_lower(&name);
    uint64_t h = dns_shared_hash(e->shared, str_of((const char *)name.wire, name.n));
    return &e->queries[(h ^ group->id ^ ask->question.type) % DNS_QUERY_BUCKETS];
}

static void add_try(struct dns_query *q, const struct dns_exchange *x, enum dns_outcome outcome)
{
    if (q->n_tries == DNS_MAX_TRIES) {
        q->n_more++;
        return;
    }
    q->tries[q->n_tries++] = (struct dns_try){
        .server = x->server->addr,
        .group = (uint8_t)(q->group - q->route->groups),
        .type = q->ask.question.type,
        .outcome = (uint8_t)outcome,
        .by_tcp = x->by_tcp,
        .took_us = (uint32_t)(io_now_us() - x->started_us),
    };
}

void dns_explain_add(struct dns_explain *x, const struct dns_try *t)
{
    if (x->n_tries == DNS_MAX_TRIES)
        x->n_more++;
    else
        x->tries[x->n_tries++] = *t;
}

void dns_query_explain(const struct dns_query *q, struct dns_explain *x)
{
    for (unsigned i = 0; i < q->n_tries; i++)
        dns_explain_add(x, &q->tries[i]);
    x->n_more += q->n_more;
    for (unsigned i = 0; i < q->n_attempts; i++) {
        const struct dns_exchange *a = q->attempts[i];
        if (a == NULL)
            continue;
        struct dns_try t = { .server = a->server->addr,
                             .group = (uint8_t)(q->group - q->route->groups),
                             .type = q->ask.question.type,
                             .outcome = DNS_TIMED_OUT,
                             .by_tcp = a->by_tcp,
                             .took_us = (uint32_t)(io_now_us() - a->started_us) };
        dns_explain_add(x, &t);
    }
}

static void release(struct dns_query *q)
{
    list_remove(&q->node);
    for (unsigned i = 0; i < q->n_attempts; i++)
        dns_exchange_cancel(q->attempts[i]);
    struct io_loop *loop = q->engine->loop;
    io_timer_disarm(loop, &q->timer);
    io_timer_disarm(loop, &q->slow);
    io_timer_disarm(loop, &q->end);
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
    release(q);
}

/* Gives every waiter the result. Takes over the caller's reference to set. */
static void finish(struct dns_query *q, enum dns_outcome outcome, struct dns_set *set)
{
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
    release(q);
}

static void fail(struct dns_query *q)
{
    struct dns_shared *s = q->engine->shared;
    struct dns_cache_key key = dns_cache_key_of(q->group->id, &q->ask);
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL) {
            add_try(q, q->attempts[i], DNS_TIMED_OUT);
            dns_exchange_cancel(q->attempts[i]);
            q->attempts[i] = NULL;
        }
    dns_cache_fail(s->cache, &key, q->worst, io_now_ms(q->engine->loop), atomic_load(&s->epoch));
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
        if (dns_dial_allowed(q->engine->shared, policy, &v[i]))
            return false;
    return n > 0;
}

static void answer(struct dns_query *q, const struct dns_msg *m, const struct dns_verdict *v)
{
    struct dns_shared *s = q->engine->shared;
    uint32_t cap_s = ttl_cap(q, v), ttl_s = v->ttl_s > cap_s ? cap_s : v->ttl_s < 1 ? 1 : v->ttl_s;
    /* RFC 2308 section 3: the SOA of a negative answer says how long that holds. */
    if (dns_outcome_is_negative(v->outcome))
        cap_s = ttl_s;
    struct dns_set *set = dns_set_new(m, &q->ask.question, v, ttl_s, cap_s);
    if (set == NULL) {
        q->worst = DNS_SERVFAIL_OUTCOME;
        fail(q);
        return;
    }
    set->is_sinkhole = is_sinkhole(q, set);
    struct dns_cache_key key = dns_cache_key_of(q->group->id, &q->ask);
    dns_cache_put(s->cache, &key, set, dns_zone_rules(q->route->kind)->stale_s,
                  io_now_ms(q->engine->loop));
    finish(q, v->outcome, set);
}

static bool is_busy(const struct dns_query *q)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL && !q->attempts[i]->is_late)
            return true;
    return false;
}

static bool has_attempts(const struct dns_query *q)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL)
            return true;
    return false;
}

static bool is_wanted(const struct dns_query *q)
{
    return q->is_refresh || !list_is_empty(&q->waiters);
}

/* Some server is left that could be asked once more. */
static bool can_send(const struct dns_query *q)
{
    unsigned rounds = q->n_order == 1 ? 3 : 2;
    if (!is_wanted(q) || q->n_attempts == DNS_MAX_ATTEMPTS)
        return false;
    for (unsigned i = 0; i < q->n_order; i++) {
        bool is_suspect = i >= q->n_order - q->n_suspects;
        unsigned round = i < q->at ? q->round + 1 : q->round;
        if (!q->is_out[i] && round < (is_suspect ? 1 : rounds))
            return true;
    }
    return false;
}

/* Over when nobody waits and nothing is due, or when nothing more can come. */
static bool end_if_idle(struct dns_query *q)
{
    bool is_over = !is_wanted(q) ? !is_busy(q) : !can_send(q) && !has_attempts(q);
    if (is_over)
        fail(q);
    return is_over;
}

static void say_slow(struct dns_query *q)
{
    q->is_slow = q->is_telling = true;
    /* A waiter's on_slow may cancel any waiter: those that were told wait aside. */
    struct list told;
    list_init(&told);
    while (!list_is_empty(&q->waiters)) {
        struct dns_wait *w = LIST_ENTRY(q->waiters.next, struct dns_wait, node);
        list_remove(&w->node);
        list_push_back(&told, &w->node);
        if (!w->is_told) {
            w->is_told = true;
            w->on_slow(w);
        }
    }
    while (!list_is_empty(&told)) {
        struct list *node = told.next;
        list_remove(node);
        list_push_back(&q->waiters, node);
    }
    q->is_telling = false;
    if (!is_wanted(q))
        io_timer_arm(q->engine->loop, &q->timer, 1);
}

static int slot_of(const struct dns_query *q, const struct dns_exchange *x)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] == x)
            return (int)i;
    return -1;
}

/* It had its say: nothing more is asked of it, nor waited for. */
static void mark_out(struct dns_query *q, const struct dns_server *server)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL && q->attempts[i]->server == server) {
            dns_exchange_cancel(q->attempts[i]);
            q->attempts[i] = NULL;
        }
    for (unsigned i = 0; i < q->n_order; i++)
        if (q->group->servers[q->order[i]] == server)
            q->is_out[i] = true;
}

static void on_exchange_done(struct dns_exchange *x, enum dns_outcome outcome,
                             const struct dns_msg *m, const struct dns_verdict *v)
{
    struct dns_query *q = x->owner;
    int slot = slot_of(q, x);
    q->attempts[slot] = NULL;
    add_try(q, x, outcome);
    if (outcome == DNS_ANSWERED || dns_outcome_is_negative(outcome)) {
        answer(q, m, v);
        return;
    }
    if (q->worst == DNS_TIMED_OUT || q->worst == DNS_UNREACHABLE)
        q->worst = outcome;
    mark_out(q, x->server);
    if (m != NULL) {
        struct dns_shared *s = q->engine->shared;
        pthread_mutex_lock(&s->lock);
        dns_server_avoid(x->server, q->route->zone_hash, io_now_ms(q->engine->loop));
        pthread_mutex_unlock(&s->lock);
    }
    if (!can_send(q)) {
        end_if_idle(q);
        return;
    }
    uint64_t since_ms = io_now_ms(q->engine->loop) - q->started_ms;
    if (q->round > 0 && !q->is_slow && since_ms >= DNS_MAX_HEDGE_MS)
        io_timer_arm(q->engine->loop, &q->slow, 1);
    send_next(q);
}

static void on_exchange_late(struct dns_exchange *x)
{
    end_if_idle(x->owner);
}

/* What comes after this attempt, and when: the next server, or this round's end. */
static void arm_next(struct dns_query *q, struct dns_server *server, bool is_round_over)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    unsigned next_ms = dns_server_hedge_ms(server, DNS_MIN_HEDGE_MS);
    unsigned slow_ms = dns_server_hedge_ms(server, DNS_MIN_GROUP_HEDGE_MS);
    if (is_round_over)
        next_ms = dns_server_attempt_ms(server) << q->round;
    bool all_suspect = q->n_suspects == q->n_order;
    pthread_mutex_unlock(&s->lock);
    if (next_ms > DNS_MAX_ATTEMPT_MS)
        next_ms = DNS_MAX_ATTEMPT_MS;
    io_timer_arm(q->engine->loop, &q->timer, next_ms);
    if (is_round_over && q->round == 0 && !q->is_slow)
        io_timer_arm(q->engine->loop, &q->slow, all_suspect ? 1 : slow_ms);
}

static void remember_sample(struct dns_query *q, struct dns_server *server)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    server->sample = q->ask;
    server->used_ms = io_now_ms(q->engine->loop);
    pthread_mutex_unlock(&s->lock);
}

static void send_next(struct dns_query *q)
{
    while (q->is_out[q->at] || (q->round > 0 && q->at >= q->n_order - q->n_suspects))
        if (++q->at == q->n_order) {
            q->at = 0;
            q->round++;
        }
    struct dns_server *server = q->group->servers[q->order[q->at]];
    unsigned round = q->round;
    if (++q->at == q->n_order) {
        q->at = 0;
        q->round++;
    }
    remember_sample(q, server);
    if (round > 0)
        dns_server_count(&server->counts, DNS_SERVER_RETRIES);
    else if (has_attempts(q))
        dns_server_count(&server->counts, DNS_SERVER_HEDGES);
    struct dns_exchange *x = dns_exchange_start(q->engine, server, &q->ask, is_same_route, q);
    if (x != NULL) {
        x->owner = q;
        x->on_done = on_exchange_done;
        x->on_late = on_exchange_late;
        q->attempts[q->n_attempts++] = x;
    }
    bool is_round_over = q->round > round;
    q->round = round; /* arm_next counts by the round of what was sent */
    arm_next(q, server, is_round_over);
    q->round = round + is_round_over;
}

static void on_next(struct io_timer *t)
{
    struct dns_query *q = LIST_ENTRY(t, struct dns_query, timer);
    if (can_send(q))
        send_next(q);
    else
        end_if_idle(q);
}

static void on_slow(struct io_timer *t)
{
    struct dns_query *q = LIST_ENTRY(t, struct dns_query, slow);
    say_slow(q);
}

static void on_end(struct io_timer *t)
{
    fail(LIST_ENTRY(t, struct dns_query, end));
}

/* Healthy servers first, in the given order; then those that failed this zone; then suspects. */
static void order_servers(struct dns_query *q, uint64_t now_ms)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    for (unsigned rank = 0; rank < 3; rank++)
        for (unsigned i = 0; i < q->group->n_servers; i++) {
            const struct dns_server *server = q->group->servers[i];
            bool is_avoided = dns_server_is_avoided(server, q->route->zone_hash, now_ms);
            unsigned its = server->is_suspect ? 2 : is_avoided ? 1 : 0;
            if (its != rank)
                continue;
            q->order[q->n_order++] = (uint8_t)i;
            q->n_suspects += its == 2;
        }
    pthread_mutex_unlock(&s->lock);
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
    q->timer.on_fire = on_next;
    q->slow.on_fire = on_slow;
    q->end.on_fire = on_end;
    list_init(&q->waiters);
    list_push_back(bucket_of(e, q->group, ask), &q->node);
    order_servers(q, q->started_ms);
    bool all_suspect = q->n_suspects == q->n_order;
    io_timer_arm(e->loop, &q->end, all_suspect ? DNS_SUSPECT_MS : DNS_QUERY_MS);
    return q;
}

static struct dns_query *find_equal(struct dns_engine *e, const struct dns_route *route,
                                    const struct dns_group *group, const struct dns_ask *ask)
{
    LIST_EACH (it, after, bucket_of(e, group, ask)) {
        struct dns_query *q = LIST_ENTRY(it, struct dns_query, node);
        if (q->group->id == group->id && q->route->zone_hash == route->zone_hash &&
            dns_ask_eq(&q->ask, ask))
            return q;
    }
    return NULL;
}

void dns_query_refresh(struct dns_engine *e, struct dns_routes *routes,
                       const struct dns_route *route, unsigned group, const struct dns_ask *ask)
{
    if (find_equal(e, route, &route->groups[group], ask) != NULL)
        return;
    struct dns_query *q = query_new(e, routes, route, group, ask);
    if (q == NULL)
        return;
    q->is_refresh = true;
    dns_zone_count(route->counts, DNS_ZONE_PREFETCHED);
    send_next(q);
}

static bool answer_from_cache(struct dns_wait *w, struct dns_engine *e, struct dns_routes *routes,
                              const struct dns_route *route, unsigned group,
                              const struct dns_ask *ask)
{
    struct dns_cache_hit hit;
    struct dns_cache_key key = dns_cache_key_of(route->groups[group].id, ask);
    dns_cache_get(e->shared->cache, &key, io_now_ms(e->loop), atomic_load(&e->shared->epoch), &hit);
    w->outcome = hit.outcome;
    w->set = hit.set;
    w->ttl_s = hit.ttl_s;
    w->from_cache = true;
    if (hit.wants_refresh)
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
    if (how != DNS_JOIN_ANEW && answer_from_cache(w, e, routes, route, group, ask))
        return true;
    w->from_cache = false;
    w->outcome = how == DNS_JOIN_CACHED ? DNS_AVOIDED : DNS_SERVFAIL_OUTCOME;
    w->set = NULL;
    w->ttl_s = 0;
    if (how == DNS_JOIN_CACHED)
        return true;
    struct dns_query *q = find_equal(e, route, g, ask);
    bool is_new = q == NULL;
    if (!is_new)
        dns_zone_count(route->counts, DNS_ZONE_COALESCED);
    else
        q = query_new(e, routes, route, group, ask);
    if (q == NULL)
        return true;
    w->query = q;
    w->is_told = false;
    list_push_back(&q->waiters, &w->node);
    if (is_new)
        send_next(q);
    else if (q->is_slow)
        io_timer_arm(e->loop, &q->slow, 1);
    return false;
}

void dns_wait_cancel(struct dns_wait *w)
{
    struct dns_query *q = w->query;
    if (q != NULL) {
        list_remove(&w->node);
        /* Nobody waits: it ends in its own time, when its attempts are late. */
        if (!is_wanted(q) && !list_is_empty(&q->node) && !q->is_telling)
            io_timer_arm(q->engine->loop, &q->timer, 1);
    }
    w->query = NULL;
    dns_set_unref(w->set);
    w->set = NULL;
}
