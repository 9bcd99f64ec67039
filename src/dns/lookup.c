#include "dns/lookup.h"

#include "dns/probe.h"
#include "obs/metrics.h"

#include <stdlib.h>

enum leg_verdict { LEG_PENDING, LEG_USABLE, LEG_HOP, LEG_FAILED };

static void advance(struct dns_lookup *l);

static uint64_t now_ms(const struct dns_lookup *l)
{
    return io_now_ms(l->engine->loop);
}

/* -- walks -------------------------------------------------------------------------------- */

static void cancel_legs(struct dns_walk *w)
{
    for (unsigned i = 0; i < DNS_MAX_GROUPS; i++)
        for (unsigned t = 0; w->legs[i].is_started && t < DNS_LOOKUP_TYPES; t++)
            dns_wait_cancel(&w->legs[i].waits[t]);
}

static void pop_walk(struct dns_lookup *l)
{
    struct dns_walk *w = l->walk;
    cancel_legs(w);
    l->walk = w->before;
    free(w);
}

static bool push_walk(struct dns_lookup *l, const struct dns_name *name)
{
    struct dns_walk *w = calloc(1, sizeof *w);
    if (w == NULL)
        return false;
    struct dns_shared *s = l->engine->shared;
    w->before = l->walk;
    w->name = *name;
    w->route = dns_routes_find(l->routes, name);
    pthread_mutex_lock(&s->lock);
    unsigned first = dns_memory_group(&s->memory, w->route, name, now_ms(l));
    pthread_mutex_unlock(&s->lock);
    unsigned n = 0;
    w->order[n++] = first;
    for (unsigned g = 0; g < w->route->n_groups; g++)
        if (g != first)
            w->order[n++] = g;
    l->walk = w;
    return true;
}

static bool is_walked(const struct dns_lookup *l, const struct dns_name *name)
{
    for (const struct dns_walk *w = l->walk; w != NULL; w = w->before)
        if (dns_name_eq(&w->name, name))
            return true;
    return false;
}

/* -- legs --------------------------------------------------------------------------------- */

static const struct dns_group *group_of(const struct dns_walk *w, unsigned leg)
{
    return &w->route->groups[w->order[leg]];
}

/* What is not asked again a moment after it failed still has to be told. */
static void explain_cached(struct dns_lookup *l, const struct dns_leg *leg,
                           const struct dns_wait *wait, uint16_t type)
{
    unsigned at = (unsigned)(leg - leg->walk->legs);
    if (wait->outcome == DNS_ANSWERED)
        return;
    struct dns_try t = { .server = group_of(leg->walk, at)->servers[0]->addr,
                         .group = (uint8_t)leg->walk->order[at],
                         .type = type,
                         .outcome = (uint8_t)wait->outcome,
                         .from_cache = true };
    dns_explain_add(l->explain, &t);
}

static bool is_positive(const struct dns_wait *w)
{
    return w->query == NULL && w->set != NULL && w->set->outcome == DNS_ANSWERED;
}

static void on_wait_done(struct dns_wait *wait, const struct dns_query *q)
{
    struct dns_leg *leg = wait->owner;
    struct dns_lookup *l = leg->lookup;
    if (l->is_running)
        dns_query_explain(q, l->explain);
    leg->n_pending--;
    l->is_all_cached = false;
    advance(l);
}

static void on_wait_slow(struct dns_wait *wait)
{
    struct dns_leg *leg = wait->owner;
    for (unsigned t = 0; t < leg->lookup->n_types; t++)
        if (is_positive(&leg->waits[t]))
            return; /* only the other family is slow */
    leg->walk->is_hurried = true;
    advance(leg->lookup);
}

static void start_leg(struct dns_lookup *l, struct dns_walk *w)
{
    unsigned at = w->n_started++;
    struct dns_leg *leg = &w->legs[at];
    leg->lookup = l;
    leg->walk = w;
    leg->is_started = true;
    leg->n_pending = l->n_types;
    w->is_hurried = false;
    w->is_grace_over = false;
    for (unsigned t = 0; t < l->n_types; t++) {
        struct dns_wait *wait = &leg->waits[t];
        *wait = (struct dns_wait){ .owner = leg, .on_done = on_wait_done, .on_slow = on_wait_slow };
        struct dns_ask ask = l->ask;
        ask.question.name = w->name;
        ask.question.type = l->types[t];
        if (!dns_query_join(wait, l->engine, l->routes, w->route, w->order[at], &ask, false))
            continue;
        leg->n_pending--;
        explain_cached(l, leg, wait, l->types[t]);
    }
}

static void note(struct dns_lookup *l, const struct dns_leg *leg, enum dns_outcome outcome)
{
    unsigned at = (unsigned)(leg - leg->walk->legs);
    struct dns_try t = { .server = group_of(leg->walk, at)->servers[0]->addr,
                         .group = (uint8_t)leg->walk->order[at],
                         .type = l->types[0],
                         .outcome = (uint8_t)outcome,
                         .from_cache = true };
    dns_explain_add(l->explain, &t);
}

static enum leg_verdict fail_leg(struct dns_lookup *l, struct dns_leg *leg, bool had_answer)
{
    bool is_no = !had_answer;
    leg->is_failed = true;
    leg->is_cured = had_answer;
    for (unsigned t = 0; t < l->n_types; t++)
        if (leg->waits[t].set == NULL)
            is_no = false;
    leg->is_no = is_no;
    return LEG_FAILED;
}

static enum leg_verdict judge_leg(struct dns_lookup *l, struct dns_leg *leg)
{
    struct dns_set *sets[DNS_LOOKUP_TYPES] = { NULL };
    struct dns_set *open = NULL;
    bool has_closed = false;
    for (unsigned t = 0; t < l->n_types; t++) {
        if (!is_positive(&leg->waits[t]))
            continue;
        if (!leg->waits[t].set->is_open) {
            sets[t] = leg->waits[t].set;
            has_closed = true;
        } else if (open == NULL) {
            open = leg->waits[t].set;
        }
    }
    if (leg->n_pending > 0) {
        if (!has_closed && open == NULL)
            return LEG_PENDING;
        /* RFC 8305 section 3: one family does not wait long for the other. */
        if (!leg->walk->is_grace_over) {
            if (!io_timer_is_armed(&l->grace))
                io_timer_arm(l->engine->loop, &l->grace, DNS_GRACE_MS);
            return LEG_PENDING;
        }
    }
    if (has_closed && l->accept(l, sets))
        return LEG_USABLE;
    if (open != NULL)
        return LEG_HOP;
    if (leg->n_pending > 0)
        return LEG_PENDING;
    if (has_closed) {
        note(l, leg, l->rejected);
        l->is_refused |= l->rejected == DNS_SINKHOLE;
    }
    return fail_leg(l, leg, has_closed);
}

/* The lowest TTL of the leg's answers, and whether all of them came from the cache. */
static uint32_t leg_ttl(struct dns_lookup *l, const struct dns_leg *leg)
{
    uint32_t ttl_s = UINT32_MAX;
    for (unsigned t = 0; t < l->n_types; t++)
        if (is_positive(&leg->waits[t]) && leg->waits[t].ttl_s < ttl_s)
            ttl_s = leg->waits[t].ttl_s;
    return ttl_s;
}

static unsigned leg_cnames(const struct dns_lookup *l, const struct dns_leg *leg)
{
    for (unsigned t = 0; t < l->n_types; t++)
        if (is_positive(&leg->waits[t]))
            return leg->waits[t].set->n_cnames;
    return 0;
}

/* -- the end ------------------------------------------------------------------------------ */

/* What a lookup found first: that its answer then did not connect is no fault of DNS. */
static void count_result(struct dns_lookup *l)
{
    if (l->is_counted)
        return;
    l->is_counted = true;
    if (l->explain->source == DNS_FROM_CACHE)
        metric_add(METRIC_DNS_CACHE_HITS, 1);
    else if (l->explain->source == DNS_FROM_NOWHERE)
        metric_add(METRIC_DNS_FAILED, 1);
}

/* Ends this round: on_done runs at the end of the turn. */
static void deliver(struct dns_lookup *l)
{
    struct io_loop *loop = l->engine->loop;
    count_result(l);
    l->is_running = false;
    l->spent_ms += now_ms(l) - l->started_ms;
    io_timer_disarm(loop, &l->end);
    io_timer_disarm(loop, &l->stale);
    io_timer_disarm(loop, &l->grace);
    l->explain->took_us = (uint32_t)(io_now_us() - l->started_us);
    io_defer(loop, &l->deliver);
}

static void explain_pending(struct dns_lookup *l)
{
    for (const struct dns_walk *w = l->walk; w != NULL; w = w->before)
        for (unsigned i = 0; i < w->n_started; i++)
            for (unsigned t = 0; t < l->n_types; t++)
                if (w->legs[i].waits[t].query != NULL)
                    dns_query_explain(w->legs[i].waits[t].query, l->explain);
}

static void deliver_answer(struct dns_lookup *l, unsigned at)
{
    struct dns_walk *w = l->walk;
    struct dns_explain *x = l->explain;
    w->at = at;
    l->is_answered = true;
    x->ttl_s = leg_ttl(l, &w->legs[at]);
    x->n_cnames = leg_cnames(l, &w->legs[at]);
    for (const struct dns_walk *b = w->before; b != NULL; b = b->before) {
        x->n_cnames += leg_cnames(l, &b->legs[b->at]);
        if (b->ttl_s < x->ttl_s)
            x->ttl_s = b->ttl_s;
    }
    x->group_name = group_of(w, at)->name;
    x->source = l->is_all_cached ? DNS_FROM_CACHE : DNS_FROM_SERVER;
    explain_pending(l);
    deliver(l);
}

/* The groups of one name in the order of its route, for an answer past its time. */
static bool find_stale(struct dns_lookup *l, const struct dns_route *route,
                       const struct dns_name *name, struct dns_name *tail, bool *has_tail)
{
    *has_tail = false;
    for (unsigned g = 0; g < route->n_groups; g++) {
        struct dns_cache_hit hits[DNS_LOOKUP_TYPES];
        struct dns_set *sets[DNS_LOOKUP_TYPES] = { NULL };
        uint32_t age_s = 0;
        for (unsigned t = 0; t < l->n_types; t++) {
            struct dns_ask ask = l->ask;
            ask.question.name = *name;
            ask.question.type = l->types[t];
            struct dns_cache_key key = dns_cache_key_of(route->groups[g].id, &ask);
            if (!dns_cache_get_stale(l->engine->shared->cache, &key, now_ms(l), &hits[t]))
                continue;
            if (hits[t].stale_s > age_s)
                age_s = hits[t].stale_s;
            if (hits[t].set->is_open && !*has_tail) {
                dns_set_tail(hits[t].set, tail);
                *has_tail = true;
            } else if (!hits[t].set->is_open) {
                sets[t] = hits[t].set;
            }
        }
        bool ok = (sets[0] != NULL || sets[1] != NULL) && l->accept(l, sets);
        for (unsigned t = 0; t < l->n_types; t++)
            dns_set_unref(hits[t].set);
        if (age_s > l->explain->stale_s)
            l->explain->stale_s = age_s;
        if (ok)
            l->explain->group_name = route->groups[g].name;
        if (ok || *has_tail)
            return ok;
    }
    return false;
}

/* RFC 8767: better an old answer than none. */
static bool answer_stale(struct dns_lookup *l)
{
    enum { STALE_TTL_S = 30 };
    const struct dns_walk *root = l->walk;
    while (root->before != NULL)
        root = root->before;
    struct dns_name name = root->name, tail;
    for (unsigned hop = 0; hop <= DNS_MAX_CNAMES; hop++) {
        bool has_tail;
        const struct dns_route *route = dns_routes_find(l->routes, &name);
        if (find_stale(l, route, &name, &tail, &has_tail)) {
            l->is_answered = l->is_stale_used = true;
            l->explain->source = DNS_FROM_STALE;
            l->explain->ttl_s = STALE_TTL_S;
            metric_add(METRIC_DNS_STALE, 1);
            return true;
        }
        if (!has_tail)
            break;
        name = tail;
    }
    l->explain->stale_s = 0;
    return false;
}

/* Every group of every name of the chain has failed. */
static void deliver_failure(struct dns_lookup *l)
{
    if (l->is_stale_used || !answer_stale(l)) {
        l->is_answered = false;
        l->explain->group_name = NULL;
        l->explain->source = DNS_FROM_NOWHERE;
        l->explain->ttl_s = 0;
    }
    deliver(l);
}

/* Servers failed, for this name: probe them, so that repair is seen before the next question. */
static void remember_failure(struct dns_lookup *l, const struct dns_walk *w)
{
    bool servers_failed = false;
    for (unsigned i = 0; i < w->n_started; i++)
        servers_failed |= !w->legs[i].is_no && !w->legs[i].is_cured;
    if (!servers_failed)
        return;
    struct dns_shared *s = l->engine->shared;
    struct dns_asked asked = { &w->name, l->types[0], l->port, l->policy };
    pthread_mutex_lock(&s->lock);
    dns_memory_all_failed(&s->memory, w->route, &asked, now_ms(l));
    pthread_mutex_unlock(&s->lock);
    dns_probe_wake(l->engine);
}

/* -- the walk ----------------------------------------------------------------------------- */

/* Looks at every leg; true when the lookup's state changed and has to be looked at anew. */
static bool judge_legs(struct dns_lookup *l)
{
    struct dns_walk *w = l->walk;
    for (unsigned i = 0; i < w->n_started && !w->is_over; i++) {
        struct dns_leg *leg = &w->legs[i];
        if (leg->is_failed)
            continue;
        struct dns_name tail;
        switch (judge_leg(l, leg)) {
        case LEG_PENDING:
            break;
        case LEG_USABLE:
            deliver_answer(l, i);
            return true;
        case LEG_HOP:
            w->at = i;
            w->ttl_s = leg_ttl(l, leg);
            for (unsigned t = l->n_types; t-- > 0;)
                if (is_positive(&leg->waits[t]) && leg->waits[t].set->is_open)
                    dns_set_tail(leg->waits[t].set, &tail);
            if (++l->n_hops <= DNS_MAX_CNAMES && !is_walked(l, &tail) && push_walk(l, &tail))
                return true;
            note(l, leg, DNS_BAD_REPLY);
            fail_leg(l, leg, true);
            return true;
        case LEG_FAILED:
            if (leg->is_no && !dns_zone_rules(w->route->kind)->moves_on_negative) {
                w->is_over = true; /* a plain no is final */
                l->is_no = true;
            }
            return true;
        }
    }
    return false;
}

static bool has_pending(const struct dns_walk *w)
{
    for (unsigned i = 0; i < w->n_started; i++)
        if (!w->legs[i].is_failed && w->legs[i].n_pending > 0)
            return true;
    return false;
}

static void advance(struct dns_lookup *l)
{
    while (l->is_running) {
        struct dns_walk *w = l->walk;
        if (judge_legs(l))
            continue;
        if (!w->is_over && w->n_started < w->route->n_groups &&
            (w->is_hurried || !has_pending(w))) {
            start_leg(l, w);
            continue;
        }
        if (!w->is_over && has_pending(w))
            return;
        remember_failure(l, w);
        if (w->before == NULL) {
            deliver_failure(l);
            return;
        }
        /* The alias led nowhere: the group that gave it has failed. */
        pop_walk(l);
        fail_leg(l, &l->walk->legs[l->walk->at], true);
        if (!dns_zone_rules(l->walk->route->kind)->moves_on_negative)
            l->walk->is_over = true;
    }
}

static void on_end(struct io_timer *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, end);
    explain_pending(l);
    remember_failure(l, l->walk);
    deliver_failure(l);
}

static void on_stale(struct io_timer *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, stale);
    if (l->is_stale_used || !answer_stale(l))
        return;
    explain_pending(l);
    deliver(l);
}

static void on_grace(struct io_timer *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, grace);
    l->walk->is_grace_over = true;
    advance(l);
}

static void on_deliver(struct io_task *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, deliver);
    l->on_done(l);
}

static void run(struct dns_lookup *l)
{
    enum { LEAST_MS = 400 };
    uint64_t left_ms =
        l->spent_ms + LEAST_MS < DNS_LOOKUP_MS ? DNS_LOOKUP_MS - l->spent_ms : LEAST_MS;
    l->is_running = true;
    l->is_answered = false;
    l->is_all_cached = true;
    l->started_ms = now_ms(l);
    l->started_us = io_now_us();
    io_timer_arm(l->engine->loop, &l->end, left_ms);
    io_timer_arm(l->engine->loop, &l->stale, left_ms < DNS_STALE_MS ? left_ms : DNS_STALE_MS);
    advance(l);
}

void dns_lookup_start(struct dns_lookup *l, struct dns_engine *e, const struct dns_name *name,
                      const uint16_t *types, unsigned n_types)
{
    metric_add(METRIC_DNS_LOOKUPS, 1);
    l->engine = e;
    l->n_types = n_types;
    if (l->ask.question.class == 0)
        l->ask.question.class = DNS_CLASS_IN;
    memcpy(l->types, types, n_types * sizeof types[0]);
    l->end.on_fire = on_end;
    l->stale.on_fire = on_stale;
    l->grace.on_fire = on_grace;
    l->deliver.on_run = on_deliver;
    l->routes = dns_shared_routes(e->shared);
    if (!push_walk(l, name)) {
        l->started_ms = now_ms(l);
        l->explain->source = DNS_FROM_NOWHERE;
        deliver(l);
        return;
    }
    l->explain->zone = l->walk->route->zone;
    l->explain->route_from = l->walk->route->from;
    run(l);
}

void dns_lookup_next(struct dns_lookup *l)
{
    struct dns_walk *w = l->walk;
    l->is_answered = false;
    if (w == NULL || l->is_stale_used) {
        l->started_ms = now_ms(l);
        l->explain->source = DNS_FROM_NOWHERE;
        deliver(l);
        return;
    }
    struct dns_leg *leg = &w->legs[w->at];
    note(l, leg, DNS_NOT_CONNECTABLE);
    for (unsigned t = 0; t < l->n_types; t++)
        dns_wait_cancel(&leg->waits[t]);
    leg->n_pending = 0;
    leg->is_failed = leg->is_cured = true;
    if (!dns_zone_rules(w->route->kind)->moves_on_negative)
        w->is_over = true;
    run(l);
}

void dns_lookup_succeeded(struct dns_lookup *l)
{
    struct dns_shared *s = l->engine->shared;
    if (l->is_stale_used || l->walk == NULL)
        return;
    for (const struct dns_walk *w = l->walk; w != NULL; w = w->before) {
        struct dns_asked asked = { &w->name, l->types[0], l->port, l->policy };
        unsigned group = w->order[w->at];
        pthread_mutex_lock(&s->lock);
        bool is_switched = dns_memory_worked(&s->memory, w->route, &asked, group, now_ms(l));
        pthread_mutex_unlock(&s->lock);
        if (!is_switched)
            continue;
        metric_add(METRIC_DNS_GROUP_FAILOVERS, 1);
        struct dns_name endpoint;
        dns_endpoint_name(&w->name, &endpoint);
        dns_engine_tell(l->engine, &(struct dns_event){ .kind = DNS_EVENT_GROUP_SWITCHED,
                                                        .name = &endpoint,
                                                        .group = w->route->groups[group].name });
        dns_probe_wake(l->engine);
    }
}

void dns_lookup_done(struct dns_lookup *l)
{
    if (l->engine == NULL)
        return;
    struct io_loop *loop = l->engine->loop;
    io_timer_disarm(loop, &l->end);
    io_timer_disarm(loop, &l->stale);
    io_timer_disarm(loop, &l->grace);
    io_defer_cancel(&l->deliver);
    while (l->walk != NULL)
        pop_walk(l);
    dns_routes_unref(l->routes);
    l->routes = NULL;
    l->engine = NULL;
}
