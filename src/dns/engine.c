#include "dns/dial.h"
#include "dns/flight.h"
#include "dns/link.h"
#include "dns/loop.h"
#include "dns/probe.h"
#include "dns/query.h"
#include "dns/shared.h"
#include "dns/watch.h"

#include <stdlib.h>
#include <sys/random.h>

enum { IPV6_CHECK_MS = 5000 };

struct dns_engine *dns_engine_new(struct io_loop *loop, struct dns_shared *shared, struct fault *f)
{
    struct dns_engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
        return NULL;
    }
    e->loop = loop;
    e->shared = shared;
    for (unsigned i = 0; i < DNS_QUERY_BUCKETS; i++)
        list_init(&e->queries[i]);
    list_init(&e->probes);
    list_init(&e->marks);
    list_init(&e->inbox);
    atomic_fetch_add(&shared->n_engines, 1);
    list_init(&e->links);
    dns_probe_init(e);
    if (!atomic_exchange(&shared->is_watched, true)) {
        e->watch = dns_watch_new(e);
        if (e->watch == NULL) {
            fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
            dns_engine_free(e);
            return NULL;
        }
    }
    return e;
}

void dns_engine_free(struct dns_engine *e)
{
    if (e == NULL)
        return;
    if (e->watch != NULL) {
        dns_watch_free(e->watch);
        atomic_store(&e->shared->is_watched, false);
    }
    dns_probe_done(e);
    dns_loop_done(e);
    for (unsigned i = 0; i < DNS_QUERY_BUCKETS; i++)
        while (!list_is_empty(&e->queries[i]))
            dns_query_abort(LIST_ENTRY(e->queries[i].next, struct dns_query, node));
    dns_links_close(e);
    atomic_fetch_sub(&e->shared->n_engines, 1);
    dns_flight_drop_landings(e);
    dns_routes_unref(e->routes);
    dns_hosts_unref(e->hosts);
    free(e);
}

void dns_engine_use_tcp(struct dns_engine *e)
{
    e->is_tcp_only = true;
}

void dns_engine_on_decision(struct dns_engine *e,
                            void (*on_decision)(void *arg, const struct dns_explain *x), void *arg)
{
    e->on_decision = on_decision;
    e->decision_arg = arg;
}

void dns_engine_on_event(struct dns_engine *e,
                         void (*on_event)(void *arg, const struct dns_event *event), void *arg)
{
    e->on_event = on_event;
    e->event_arg = arg;
}

void dns_engine_tell(struct dns_engine *e, const struct dns_event *event)
{
    if (e->on_event != NULL)
        e->on_event(e->event_arg, event);
}

const char *dns_event_name(enum dns_event_kind kind)
{
    static const char *const names[N_DNS_EVENTS] = {
        [DNS_EVENT_SERVER_SUSPECT] = "dns_server_suspect",
        [DNS_EVENT_SERVER_WELL] = "dns_server_well",
        [DNS_EVENT_GROUP_SWITCHED] = "dns_group_switched",
        [DNS_EVENT_OVER_BUDGET] = "dns_over_budget",
        [DNS_EVENT_CLIENT_REFUSED] = "dns_client_refused",
        [DNS_EVENT_CLIENT_LIMITED] = "dns_client_limited",
        [DNS_EVENT_LOOP] = "dns_loop",
        [DNS_EVENT_RESOLV_CONF] = "resolv_conf_read",
        [DNS_EVENT_RESOLV_CONF_KEPT] = "resolv_conf_kept",
        [DNS_EVENT_HOSTS] = "hosts_read",
        [DNS_EVENT_HOSTS_KEPT] = "hosts_kept",
    };
    return names[kind];
}

uint16_t dns_engine_id(struct dns_engine *e)
{
    if (e->n_ids == 0) {
        /* Up to 256 bytes never come short once the kernel's pool is ready (getrandom(2)). */
        while (getrandom(e->ids, sizeof e->ids, 0) != (ssize_t)sizeof e->ids)
            ;
        e->n_ids = DNS_N_IDS;
    }
    return e->ids[--e->n_ids];
}

void dns_engine_update(struct dns_engine *e)
{
    unsigned long long now = atomic_load_explicit(&e->shared->generation, memory_order_acquire);
    if (now == e->generation)
        return;
    dns_routes_unref(e->routes);
    dns_hosts_unref(e->hosts);
    e->routes = dns_shared_routes(e->shared);
    e->hosts = dns_shared_hosts(e->shared);
    e->generation = now; /* what was swapped since then is taken over next time */
}

bool dns_engine_has_ipv6(struct dns_engine *e)
{
    uint64_t now_ms = io_now_ms(e->loop);
    if (!e->is_ipv6_fixed &&
        (e->ipv6_checked_ms == 0 || now_ms - e->ipv6_checked_ms >= IPV6_CHECK_MS)) {
        e->has_ipv6 = dns_host_has_ipv6();
        e->ipv6_checked_ms = now_ms;
    }
    return e->has_ipv6;
}
