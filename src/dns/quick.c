#include "dns/quick.h"

#include "dns/query.h"
#include "dns/shared.h"

/* The group that was remembered for the name's endpoint. */
static unsigned first_group(struct dns_engine *e, const struct dns_route *route,
                            const struct dns_name *name)
{
    struct dns_shared *s = e->shared;
    if (route->n_groups < 2 || !atomic_load_explicit(&s->memory.has_moved, memory_order_relaxed))
        return 0;
    pthread_mutex_lock(&s->lock);
    unsigned group = dns_memory_group(&s->memory, route, name, io_now_ms(e->loop));
    pthread_mutex_unlock(&s->lock);
    return group;
}

static bool find_fresh(struct dns_engine *e, const struct dns_route *route, unsigned group,
                       const struct dns_ask *ask, struct dns_cache_hit *hit)
{
    struct dns_cache_key key = dns_cache_key_of(route->groups[group].id, ask);
    dns_cache_get(e->shared->cache, &key, io_now_ms(e->loop),
                  atomic_load_explicit(&e->shared->epoch, memory_order_relaxed), hit);
    if (hit->wants_refresh)
        dns_query_refresh(e, e->routes, route, group, ask);
    return hit->state == DNS_CACHE_FRESH;
}

/* Where groups move on at a no, "no such type" is final when the group has the other family. */
static bool is_no_final(struct dns_engine *e, const struct dns_route *route, unsigned group,
                        const struct dns_ask *ask, const struct dns_set *set)
{
    struct dns_ask other = *ask;
    struct dns_cache_hit hit;
    uint16_t type = ask->question.type;
    if (route->n_groups < 2 || !dns_zone_rules(route->kind)->moves_on_negative)
        return true;
    if (set->outcome != DNS_NODATA_OUTCOME)
        return false;
    if (type != DNS_A && type != DNS_AAAA)
        return true;
    other.question.type = type == DNS_A ? DNS_AAAA : DNS_A;
    bool is_final = find_fresh(e, route, group, &other, &hit) && hit.set->outcome == DNS_ANSWERED &&
                    !hit.set->is_open && !hit.set->is_sinkhole;
    dns_set_unref(hit.set);
    return is_final;
}

bool dns_quick_find(struct dns_engine *e, const struct dns_ask *ask, struct dns_cache_hit *hit)
{
    dns_engine_update(e);
    if (dns_local_may_be(e->hosts, ask))
        return false;
    const struct dns_route *route = dns_routes_find(e->routes, &ask->question.name);
    if (route->n_groups == 0)
        return false;
    unsigned group = first_group(e, route, &ask->question.name);
    if (!find_fresh(e, route, group, ask, hit)) {
        dns_set_unref(hit->set);
        return false;
    }
    const struct dns_set *set = hit->set;
    bool is_whole = !set->is_open && !set->is_sinkhole &&
                    (set->outcome == DNS_ANSWERED || is_no_final(e, route, group, ask, set));
    if (is_whole)
        dns_zone_count_hit(route->counts, dns_outcome_is_negative(set->outcome));
    else
        dns_set_unref(hit->set);
    return is_whole;
}
