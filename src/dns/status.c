#include "dns/status.h"

#include <stdlib.h>

static size_t list_n(const struct list *head)
{
    size_t n = 0;
    for (const struct list *it = head->next; it != head; it = it->next)
        n++;
    return n;
}

static void copy_server(struct dns_server_status *to, struct dns_server *from, uint64_t now_ms)
{
    to->addr = from->addr;
    to->has_rtt = from->has_rtt;
    to->is_suspect = from->is_suspect;
    to->srtt_us = from->srtt_us;
    to->n_failures = from->n_failures;
    to->used_ms = from->used_ms;
    to->edns_off_until_ms = from->edns_off_until_ms;
    to->budget_left = dns_server_budget_left(from, now_ms);
    for (unsigned i = 0; i < DNS_MAX_AVOIDED_ZONES; i++) {
        to->avoided_zone[i] = from->avoided[i].zone;
        to->avoided_until_ms[i] = from->avoided[i].until_ms;
    }
    for (unsigned c = 0; c < N_DNS_SERVER_COUNTS; c++)
        to->counts[c] = atomic_load_explicit(&from->counts.v[c], memory_order_relaxed);
    to->n_round_trips = atomic_load_explicit(&from->counts.n_round_trips, memory_order_relaxed);
    to->round_trips_us = atomic_load_explicit(&from->counts.round_trips_us, memory_order_relaxed);
}

static void copy_zone(struct dns_zone_status *to, struct dns_zone *from)
{
    to->name = from->name;
    for (unsigned c = 0; c < N_DNS_ZONE_COUNTS; c++)
        to->counts[c] = atomic_load_explicit(&from->v[c], memory_order_relaxed);
}

/* Under the lock. What came since the room was made is left out. */
static void copy(struct dns_shared *s, uint64_t now_ms, struct dns_status *st, size_t max_servers,
                 size_t max_zones)
{
    LIST_EACH (it, after, &s->servers)
        if (st->n_servers < max_servers)
            copy_server(&st->servers[st->n_servers++], LIST_ENTRY(it, struct dns_server, node),
                        now_ms);
    LIST_EACH (it, after, &s->zones)
        if (st->n_zones < max_zones)
            copy_zone(&st->zones[st->n_zones++], LIST_ENTRY(it, struct dns_zone, node));
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        if (s->memory.v[i].name.n > 0)
            st->endpoints[st->n_endpoints++] = s->memory.v[i];
}

bool dns_status_read(struct dns_shared *s, uint64_t now_ms, struct dns_status *out)
{
    *out = (struct dns_status){ 0 };
    pthread_mutex_lock(&s->lock);
    size_t n_servers = list_n(&s->servers), n_zones = list_n(&s->zones);
    pthread_mutex_unlock(&s->lock);
    out->servers = calloc(n_servers + 1, sizeof *out->servers);
    out->zones = calloc(n_zones + 1, sizeof *out->zones);
    out->endpoints = calloc(DNS_MAX_REMEMBERED, sizeof *out->endpoints);
    if (out->servers == NULL || out->zones == NULL || out->endpoints == NULL) {
        dns_status_done(out);
        return false;
    }
    pthread_mutex_lock(&s->lock);
    copy(s, now_ms, out, n_servers, n_zones);
    pthread_mutex_unlock(&s->lock);
    return true;
}

void dns_status_done(struct dns_status *st)
{
    free(st->servers);
    free(st->zones);
    free(st->endpoints);
    *st = (struct dns_status){ 0 };
}
