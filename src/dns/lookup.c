#include "dns/lookup_impl.h"

#include "dns/dial.h"
#include "dns/probe.h"
#include "obs/metrics.h"

#include <stdlib.h>

enum leg_verdict { LEG_PENDING, LEG_USABLE, LEG_HOP, LEG_FAILED };

static void advance(struct dns_lookup *l);

/* -- walks -------------------------------------------------------------------------------- */

static void pop_walk(struct dns_lookup *l, void (*end_wait)(struct dns_wait *w))
{
    struct dns_walk *w = l->walk;
    for (unsigned i = 0; i < DNS_MAX_GROUPS; i++)
        for (unsigned t = 0; w->legs[i].is_started && t < DNS_LOOKUP_TYPES; t++)
            end_wait(&w->legs[i].waits[t]);
    l->walk = w->before;
    free(w);
}

/* It asks us: what we ask it, it would ask us again. An address of this host may be anybody's. */
static bool has_server_at(const struct dns_group *g, const struct addr *asker)
{
    for (unsigned i = 0; asker != NULL && i < g->n_servers; i++)
        if (addr_ip_eq(&g->servers[i]->addr, asker))
            return !dns_is_host_address(asker);
    return false;
}

static void note_loop(struct dns_lookup *l, const struct dns_route *route, unsigned group)
{
    struct dns_try t = { .server = route->groups[group].servers[0]->addr,
                         .group = (uint8_t)group,
                         .type = l->types[0],
                         .outcome = DNS_LOOPS,
                         .from_cache = true };
    dns_explain_add(l->explain, &t);
}

static bool push_walk(struct dns_lookup *l, const struct dns_name *name)
{
    struct dns_walk *w = calloc(1, sizeof *w);
    if (w == NULL)
        return false;
    struct dns_shared *s = l->engine->shared;
    w->before = l->walk;
    w->name = *name;
    if (w->before != NULL) {
        w->hop = w->before->hop + 1;
        l->explain->n_hops = w->hop;
        l->explain->alias = *name;
    }
    w->route = dns_routes_find(l->routes, name);
    pthread_mutex_lock(&s->lock);
    unsigned first = dns_memory_group(&s->memory, w->route, name, lookup_now_ms(l));
    pthread_mutex_unlock(&s->lock);
    for (unsigned g = 0; g < w->route->n_groups; g++) {
        if (!has_server_at(&w->route->groups[g], l->asker))
            w->order[w->n_order++] = g;
        else
            note_loop(l, w->route, g);
    }
    for (unsigned i = 1; i < w->n_order && w->order[0] != first; i++)
        if (w->order[i] == first) {
            memmove(&w->order[1], &w->order[0], i * sizeof w->order[0]);
            w->order[0] = first;
        }
    bool needs_second = dns_zone_rules(w->route->kind)->moves_on_negative && w->n_order > 1;
    w->n_types = l->is_first_wanted && !needs_second ? 1 : l->n_types;
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
                         .group_name = group_of(leg->walk, at)->name,
                         .hop = (uint8_t)leg->walk->hop,
                         .type = type,
                         .outcome = (uint8_t)wait->outcome,
                         .from_cache = true };
    dns_explain_add(l->explain, &t);
}

static void on_wait_done(struct dns_wait *wait, const struct dns_query *q)
{
    struct dns_leg *leg = wait->owner;
    struct dns_lookup *l = leg->lookup;
    if (l->is_running)
        dns_query_explain(q, leg->walk->hop, l->explain);
    leg->n_pending--;
    l->is_all_cached = false;
    advance(l);
}

static void on_wait_slow(struct dns_wait *wait)
{
    struct dns_leg *leg = wait->owner;
    if (leg->lookup->is_first_wanted && wait != &leg->waits[0])
        return;
    for (unsigned t = 0; t < leg->walk->n_types && !leg->lookup->is_first_wanted; t++)
        if (lookup_is_positive(&leg->waits[t]))
            return; /* only the other family is slow */
    leg->walk->is_hurried = true;
    advance(leg->lookup);
}

static void ask_leg(struct dns_lookup *l, struct dns_walk *w, unsigned at, enum dns_join join)
{
    struct dns_leg *leg = &w->legs[at];
    leg->n_pending = w->n_types;
    w->is_hurried = false;
    w->is_grace_over = false;
    for (unsigned t = 0; t < w->n_types; t++) {
        struct dns_wait *wait = &leg->waits[t];
        *wait = (struct dns_wait){ .owner = leg, .on_done = on_wait_done, .on_slow = on_wait_slow };
        struct dns_ask ask = l->ask;
        ask.question.name = w->name;
        ask.question.type = l->types[t];
        if (!dns_query_join(wait, l->engine, l->routes, w->route, w->order[at], &ask, join))
            continue;
        leg->n_pending--;
        explain_cached(l, leg, wait, l->types[t]);
    }
}

static void start_leg(struct dns_lookup *l, struct dns_walk *w)
{
    unsigned at = w->n_started++;
    struct dns_leg *leg = &w->legs[at];
    leg->lookup = l;
    leg->walk = w;
    leg->is_started = true;
    ask_leg(l, w, at, l->join);
}

static void note(struct dns_lookup *l, const struct dns_leg *leg, enum dns_outcome outcome)
{
    unsigned at = (unsigned)(leg - leg->walk->legs);
    struct dns_try t = { .server = group_of(leg->walk, at)->servers[0]->addr,
                         .group = (uint8_t)leg->walk->order[at],
                         .group_name = group_of(leg->walk, at)->name,
                         .hop = (uint8_t)leg->walk->hop,
                         .type = l->types[0],
                         .outcome = (uint8_t)outcome,
                         .from_cache = true };
    dns_explain_add(l->explain, &t);
}

static enum leg_verdict fail_leg(struct dns_lookup *l, struct dns_leg *leg, bool had_answer)
{
    bool is_no = !had_answer;
    bool is_ours = true;
    leg->is_failed = true;
    for (unsigned t = 0; t < leg->walk->n_types; t++)
        if (leg->waits[t].set == NULL) {
            is_no = false;
            is_ours = is_ours && dns_outcome_is_ours(leg->waits[t].outcome);
        }
    leg->is_no = is_no;
    leg->is_cured = had_answer || (!is_no && is_ours);
    return LEG_FAILED;
}

/* What a leg has so far. */
struct leg_state {
    struct dns_set *sets[DNS_LOOKUP_TYPES]; /* whole answers and noes */
    bool has_open, has_answer, has_no;
};

static struct leg_state state_of(const struct dns_leg *leg)
{
    struct leg_state s = { .has_open = false };
    for (unsigned t = 0; t < leg->walk->n_types; t++) {
        const struct dns_wait *w = &leg->waits[t];
        if (w->query != NULL || w->set == NULL)
            continue;
        if (w->set->is_open) {
            s.has_open = true;
            continue;
        }
        s.sets[t] = w->set;
        s.has_answer |= w->set->outcome == DNS_ANSWERED;
        s.has_no |= w->set->outcome != DNS_ANSWERED;
    }
    return s;
}

/* RFC 8305 section 3: one family does not wait long for the other. */
static bool waits_for_other(struct dns_lookup *l, const struct dns_leg *leg,
                            const struct leg_state *s)
{
    if (leg->n_pending == 0 || leg->walk->is_grace_over)
        return false;
    if (l->is_first_wanted && leg->waits[0].query == NULL && leg->waits[0].set != NULL &&
        leg->waits[0].set->outcome == DNS_ANSWERED)
        return false;
    if ((s->has_answer || s->has_open) && !io_timer_is_armed(&l->grace))
        io_timer_arm(l->engine->loop, &l->grace, DNS_GRACE_MS);
    return true;
}

static enum leg_verdict judge_leg(struct dns_lookup *l, struct dns_leg *leg)
{
    struct leg_state s = state_of(leg);
    if (waits_for_other(l, leg, &s))
        return LEG_PENDING;
    if ((s.has_answer || s.has_no) && l->accept(l, leg->walk->route, s.sets))
        return LEG_USABLE;
    if (s.has_open)
        return LEG_HOP;
    if (leg->n_pending > 0)
        return LEG_PENDING;
    lookup_keep_words(l, leg);
    bool is_rejected = s.has_answer && (!l->is_first_wanted ||
                                        (s.sets[0] != NULL && s.sets[0]->outcome == DNS_ANSWERED));
    if (is_rejected) {
        note(l, leg, l->rejected);
        l->is_refused |= l->rejected == DNS_SINKHOLE;
    }
    return fail_leg(l, leg, is_rejected);
}

/* -- the walk ----------------------------------------------------------------------------- */

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
    dns_memory_all_failed(&s->memory, w->route, &asked, lookup_now_ms(l));
    pthread_mutex_unlock(&s->lock);
    dns_probe_wake(l->engine);
}

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
            lookup_deliver_answer(l, i);
            return true;
        case LEG_HOP:
            w->at = i;
            w->ttl_s = lookup_leg_ttl(leg);
            for (unsigned t = w->n_types; t-- > 0;)
                if (lookup_is_positive(&leg->waits[t]) && leg->waits[t].set->is_open)
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
        if (!w->is_over && w->n_started < w->n_order && (w->is_hurried || !has_pending(w))) {
            start_leg(l, w);
            continue;
        }
        if (!w->is_over && has_pending(w))
            return;
        remember_failure(l, w);
        if (w->before == NULL) {
            lookup_deliver_failure(l);
            return;
        }
        /* The alias led nowhere: the group that gave it has failed. */
        pop_walk(l, dns_wait_cancel);
        fail_leg(l, &l->walk->legs[l->walk->at], true);
        if (!dns_zone_rules(l->walk->route->kind)->moves_on_negative)
            l->walk->is_over = true;
    }
}

static void on_end(struct io_timer *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, end);
    lookup_explain_pending(l);
    remember_failure(l, l->walk);
    lookup_deliver_failure(l);
}

static void on_stale(struct io_timer *t)
{
    struct dns_lookup *l = LIST_ENTRY(t, struct dns_lookup, stale);
    if (l->is_stale_used || !lookup_answer_stale(l))
        return;
    lookup_explain_pending(l);
    lookup_deliver(l);
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

/* No server that could be asked has answered lately: probes find out when one does. */
static bool all_suspect(struct dns_lookup *l)
{
    const struct dns_walk *w = l->walk;
    bool is_suspect = true;
    pthread_mutex_lock(&l->engine->shared->lock);
    for (unsigned i = 0; i < w->n_order; i++)
        for (unsigned k = 0; k < group_of(w, i)->n_servers; k++)
            is_suspect = is_suspect && group_of(w, i)->servers[k]->is_suspect;
    pthread_mutex_unlock(&l->engine->shared->lock);
    return is_suspect;
}

static void run(struct dns_lookup *l)
{
    enum { LEAST_MS = 400 };
    uint64_t left_ms =
        l->spent_ms + LEAST_MS < DNS_LOOKUP_MS ? DNS_LOOKUP_MS - l->spent_ms : LEAST_MS;
    uint64_t stale_ms = all_suspect(l) ? 1 : DNS_STALE_MS;
    l->is_running = true;
    l->is_answered = false;
    l->is_all_cached = true;
    lookup_drop_parts(l);
    l->started_ms = lookup_now_ms(l);
    l->started_us = io_now_us();
    io_timer_arm(l->engine->loop, &l->end, left_ms);
    io_timer_arm(l->engine->loop, &l->stale, left_ms < stale_ms ? left_ms : stale_ms);
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
        l->started_ms = lookup_now_ms(l);
        l->explain->source = DNS_FROM_NOWHERE;
        lookup_deliver(l);
        return;
    }
    l->explain->zone = l->walk->route->zone;
    l->explain->route_from = l->walk->route->from;
    run(l);
}

/* What is in the cache was true when it came: whoever stood at these addresses may have moved
 * since. Its age, a second at least, is also what keeps a dead host from being asked about with
 * every connection. */
static bool is_from_before(const struct dns_leg *leg)
{
    for (unsigned t = 0; t < leg->walk->n_types; t++) {
        const struct dns_wait *w = &leg->waits[t];
        if (lookup_is_positive(w) && w->set->ttl_s > w->ttl_s)
            return true;
    }
    return false;
}

void dns_lookup_next(struct dns_lookup *l)
{
    struct dns_walk *w = l->walk;
    l->is_answered = false;
    if (w == NULL || l->is_stale_used) {
        l->started_ms = lookup_now_ms(l);
        l->explain->source = DNS_FROM_NOWHERE;
        lookup_deliver(l);
        return;
    }
    struct dns_leg *leg = &w->legs[w->at];
    bool asks_again = is_from_before(leg) && !leg->is_asked_again;
    note(l, leg, DNS_NOT_CONNECTABLE);
    for (unsigned t = 0; t < w->n_types; t++)
        dns_wait_cancel(&leg->waits[t]);
    leg->n_pending = 0;
    if (asks_again) {
        leg->is_asked_again = true;
        ask_leg(l, w, w->at, DNS_JOIN_ANEW);
    } else {
        leg->is_failed = leg->is_cured = true;
        if (!dns_zone_rules(w->route->kind)->moves_on_negative)
            w->is_over = true;
    }
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
        bool is_switched = dns_memory_worked(&s->memory, w->route, &asked, group, lookup_now_ms(l));
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
        pop_walk(l, l->is_running ? dns_wait_leave : dns_wait_cancel);
    lookup_drop_parts(l);
    dns_routes_unref(l->routes);
    l->routes = NULL;
    l->engine = NULL;
}
