#include "dns/lookup_impl.h"

#include "obs/metrics.h"

enum { STALE_TTL_S = 30 };

uint32_t lookup_leg_ttl(const struct dns_leg *leg)
{
    uint32_t ttl_s = UINT32_MAX;
    for (unsigned t = 0; t < leg->walk->n_types; t++)
        if (lookup_is_positive(&leg->waits[t]) && leg->waits[t].ttl_s < ttl_s)
            ttl_s = leg->waits[t].ttl_s;
    return ttl_s != UINT32_MAX ? ttl_s : leg->waits[0].ttl_s; /* of a no */
}

static unsigned leg_cnames(const struct dns_leg *leg)
{
    for (unsigned t = 0; t < leg->walk->n_types; t++)
        if (lookup_is_positive(&leg->waits[t]))
            return leg->waits[t].set->n_cnames;
    return 0;
}

/* -- parts -------------------------------------------------------------------------------- */

void lookup_drop_parts(struct dns_lookup *l)
{
    while (l->n_parts > 0)
        dns_set_unref(l->parts[--l->n_parts].set);
}

static void add_part(struct dns_lookup *l, struct dns_set *set, uint32_t age_s)
{
    if (l->n_parts <= DNS_MAX_CNAMES)
        l->parts[l->n_parts++] = (struct dns_part){ dns_set_ref(set), age_s };
}

static void add_wait(struct dns_lookup *l, const struct dns_wait *w)
{
    add_part(l, w->set, w->set->ttl_s > w->ttl_s ? w->set->ttl_s - w->ttl_s : 0);
}

/* The alias through which a walk went on: that of the first type, where it has one. */
static void add_hop(struct dns_lookup *l, const struct dns_leg *leg)
{
    for (unsigned t = 0; t < leg->walk->n_types; t++)
        if (lookup_is_positive(&leg->waits[t]) && leg->waits[t].set->is_open) {
            add_wait(l, &leg->waits[t]);
            return;
        }
}

static void add_hops_before(struct dns_lookup *l, const struct dns_walk *w)
{
    const struct dns_walk *hops[DNS_MAX_CNAMES + 1];
    unsigned n = 0;
    for (const struct dns_walk *b = w->before; b != NULL && n <= DNS_MAX_CNAMES; b = b->before)
        hops[n++] = b;
    while (n-- > 0)
        add_hop(l, &hops[n]->legs[hops[n]->at]);
}

/* The whole answer as of this leg of the last walk. */
static void set_parts(struct dns_lookup *l, const struct dns_leg *leg)
{
    lookup_drop_parts(l);
    add_hops_before(l, leg->walk);
    if (leg->waits[0].query == NULL && leg->waits[0].set != NULL)
        add_wait(l, &leg->waits[0]);
}

void lookup_keep_words(struct dns_lookup *l, const struct dns_leg *leg)
{
    if (l->n_parts == 0 && leg->waits[0].query == NULL && leg->waits[0].set != NULL &&
        !leg->waits[0].set->is_open)
        set_parts(l, leg);
}

/* -- the end ------------------------------------------------------------------------------ */

/* By the zone that the name itself is in, wherever its aliases led. */
static void count_zone(struct dns_lookup *l)
{
    const struct dns_walk *root = l->walk;
    while (root != NULL && root->before != NULL)
        root = root->before;
    if (root == NULL)
        return;
    struct dns_zone *zone = root->route->counts;
    enum dns_zone_count result = DNS_ZONE_FAILED;
    if (l->is_answered)
        result = DNS_ZONE_ANSWERED;
    else if (l->n_parts > 0 && dns_outcome_is_negative(l->parts[l->n_parts - 1].set->outcome))
        result = DNS_ZONE_NEGATIVE;
    dns_zone_count(zone, DNS_ZONE_LOOKUPS);
    dns_zone_count(zone, result);
    if (l->explain->source == DNS_FROM_CACHE)
        dns_zone_count(zone, DNS_ZONE_CACHED);
    else if (l->explain->source == DNS_FROM_STALE)
        dns_zone_count(zone, DNS_ZONE_STALE);
}

/* What a lookup found first: that its answer then did not connect is no fault of DNS. */
static void count_result(struct dns_lookup *l)
{
    if (l->is_counted)
        return;
    l->is_counted = true;
    metric_observe(HISTOGRAM_DNS_LOOKUP, io_now_us() - l->started_us);
    count_zone(l);
    if (l->explain->source == DNS_FROM_CACHE)
        metric_add(METRIC_DNS_CACHE_HITS, 1);
    else if (l->explain->source == DNS_FROM_NOWHERE)
        metric_add(METRIC_DNS_FAILED, 1);
}

/* Everything that was asked for this answer was the first server of its route, and it answered. */
static bool is_first_word(const struct dns_lookup *l)
{
    const struct dns_explain *x = l->explain;
    for (const struct dns_walk *w = l->walk; w != NULL; w = w->before) {
        const struct dns_try *t = x->tries;
        if (w->order[w->at] != 0)
            return false;
        for (unsigned i = 0; i < x->n_tries; i++, t++)
            if (t->hop == w->hop && (t->outcome == DNS_NOT_CONNECTABLE ||
                                     !addr_eq(&t->server, &w->route->groups[0].servers[0]->addr)))
                return false;
    }
    return x->source != DNS_FROM_STALE;
}

void lookup_deliver(struct dns_lookup *l)
{
    struct io_loop *loop = l->engine->loop;
    l->explain->is_detour = l->is_answered && !is_first_word(l);
    count_result(l);
    l->is_running = false;
    l->spent_ms += lookup_now_ms(l) - l->started_ms;
    io_timer_disarm(loop, &l->end);
    io_timer_disarm(loop, &l->stale);
    io_timer_disarm(loop, &l->grace);
    l->explain->took_us = (uint32_t)(io_now_us() - l->started_us);
    io_defer(loop, &l->deliver);
}

void lookup_explain_pending(struct dns_lookup *l)
{
    for (const struct dns_walk *w = l->walk; w != NULL; w = w->before)
        for (unsigned i = 0; i < w->n_started; i++)
            for (unsigned t = 0; t < w->n_types; t++)
                if (w->legs[i].waits[t].query != NULL)
                    dns_query_explain(w->legs[i].waits[t].query, w->hop, l->explain);
}

void lookup_deliver_answer(struct dns_lookup *l, unsigned at)
{
    struct dns_walk *w = l->walk;
    struct dns_explain *x = l->explain;
    w->at = at;
    l->is_answered = true;
    set_parts(l, &w->legs[at]);
    x->ttl_s = lookup_leg_ttl(&w->legs[at]);
    x->n_cnames = leg_cnames(&w->legs[at]);
    for (const struct dns_walk *b = w->before; b != NULL; b = b->before) {
        x->n_cnames += leg_cnames(&b->legs[b->at]);
        if (b->ttl_s < x->ttl_s)
            x->ttl_s = b->ttl_s;
    }
    x->group_name = w->route->groups[w->order[at]].name;
    x->source = l->is_all_cached ? DNS_FROM_CACHE : DNS_FROM_SERVER;
    lookup_explain_pending(l);
    lookup_deliver(l);
}

/* One group's answers past their time. */
struct old_answers {
    struct dns_cache_hit hits[DNS_LOOKUP_TYPES];
    struct dns_set *sets[DNS_LOOKUP_TYPES]; /* whole ones */
    const struct dns_cache_hit *open;       /* an alias that leads on */
};

static void find_old(struct dns_lookup *l, const struct dns_group *group,
                     const struct dns_name *name, struct old_answers *old)
{
    *old = (struct old_answers){ .open = NULL };
    for (unsigned t = 0; t < l->n_types; t++) {
        struct dns_ask ask = l->ask;
        ask.question.name = *name;
        ask.question.type = l->types[t];
        struct dns_cache_key key = dns_cache_key_of(group->id, &ask);
        struct dns_cache_hit *hit = &old->hits[t];
        if (!dns_cache_get_stale(l->engine->shared->cache, &key, lookup_now_ms(l), hit))
            continue;
        if (!hit->set->is_open)
            old->sets[t] = hit->set;
        else if (old->open == NULL)
            old->open = hit;
    }
}

/* Of an old answer: more than its TTL, in the first second too. */
static uint32_t age_of(const struct dns_cache_hit *hit)
{
    uint32_t beyond_s = hit->ttl_s > 0 ? 0 : hit->stale_s > 0 ? hit->stale_s : 1;
    return hit->set->ttl_s - hit->ttl_s + beyond_s;
}

/* The groups of one name in the order of its route. True when an answer ends here; with *has_tail
 * the chain goes on at *tail. */
static bool take_old(struct dns_lookup *l, const struct dns_name *name, struct dns_name *tail,
                     bool *has_tail)
{
    const struct dns_route *route = dns_routes_find(l->routes, name);
    bool is_found = false;
    *has_tail = false;
    for (unsigned g = 0; g < route->n_groups && !is_found && !*has_tail; g++) {
        struct old_answers old;
        find_old(l, &route->groups[g], name, &old);
        is_found = (old.sets[0] != NULL || old.sets[1] != NULL) && l->accept(l, route, old.sets);
        if (is_found) {
            l->explain->group_name = route->groups[g].name;
            if (old.sets[0] != NULL)
                add_part(l, old.sets[0], age_of(&old.hits[0]));
        } else if (old.open != NULL) {
            *has_tail = true;
            dns_set_tail(old.open->set, tail);
            add_part(l, old.open->set, age_of(old.open));
        }
        for (unsigned t = 0; t < l->n_types; t++) {
            if (old.hits[t].set != NULL && (is_found || *has_tail) &&
                old.hits[t].stale_s > l->explain->stale_s)
                l->explain->stale_s = old.hits[t].stale_s;
            dns_set_unref(old.hits[t].set);
        }
    }
    return is_found;
}

static bool find_stale(struct dns_lookup *l)
{
    const struct dns_walk *root = l->walk;
    while (root->before != NULL)
        root = root->before;
    struct dns_name name = root->name, tail;
    for (unsigned hop = 0; hop <= DNS_MAX_CNAMES; hop++) {
        bool has_tail;
        if (take_old(l, &name, &tail, &has_tail))
            return true;
        if (!has_tail)
            break;
        name = tail;
    }
    return false;
}

bool lookup_answer_stale(struct dns_lookup *l)
{
    struct dns_part words[DNS_MAX_CNAMES + 1];
    unsigned n_words = l->n_parts;
    memcpy(words, l->parts, n_words * sizeof words[0]);
    l->n_parts = 0;
    if (find_stale(l)) {
        for (unsigned i = 0; i < n_words; i++)
            dns_set_unref(words[i].set);
        l->is_answered = l->is_stale_used = true;
        l->explain->source = DNS_FROM_STALE;
        l->explain->ttl_s = STALE_TTL_S;
        metric_add(METRIC_DNS_STALE, 1);
        return true;
    }
    lookup_drop_parts(l);
    l->n_parts = n_words;
    memcpy(l->parts, words, n_words * sizeof words[0]);
    l->explain->stale_s = 0;
    return false;
}

void lookup_deliver_failure(struct dns_lookup *l)
{
    if (l->is_stale_used || !lookup_answer_stale(l)) {
        l->is_answered = false;
        l->explain->group_name = NULL;
        l->explain->source = DNS_FROM_NOWHERE;
        l->explain->ttl_s = 0;
    }
    lookup_deliver(l);
}
