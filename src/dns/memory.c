#include "dns/memory.h"

#include "codec/s3_host.h"

enum { RELAPSE_WINDOW_MS = 60 * 1000, MAX_RELAPSE_SHIFT = 6 };

/* Workers' clocks are read at different moments: another's "then" may lie ahead of our now. */
static uint64_t since(uint64_t now_ms, uint64_t then_ms)
{
    return now_ms > then_ms ? now_ms - then_ms : 0;
}

void dns_endpoint_name(const struct dns_name *qname, struct dns_name *endpoint)
{
    char text[DNS_NAME_TEXT_BYTES];
    struct s3_host host;
    *endpoint = *qname;
    dns_name_lower(endpoint);
    if (!s3_host_parse(str_from_c(dns_name_text(qname, text)), &host) || host.bucket.n == 0)
        return;
    /* A bucket's labels are plain letters and digits: its text is as long as its wire form, the
     * dot behind it standing for the next length byte. */
    size_t skip = host.bucket.n + 1;
    if (host.bucket.p != text || skip >= endpoint->n)
        return;
    endpoint->n = (uint8_t)(endpoint->n - skip);
    memmove(endpoint->wire, endpoint->wire + skip, endpoint->n);
}

static struct dns_endpoint *find(struct dns_memory *m, const struct dns_route *route,
                                 const struct dns_name *endpoint)
{
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        if (m->v[i].name.n == endpoint->n && m->v[i].zone_hash == route->zone_hash &&
            dns_name_eq(&m->v[i].name, endpoint))
            return &m->v[i];
    return NULL;
}

unsigned dns_memory_group(struct dns_memory *m, const struct dns_route *route,
                          const struct dns_name *qname, uint64_t now_ms)
{
    if (route->n_groups < 2)
        return 0;
    struct dns_name endpoint;
    dns_endpoint_name(qname, &endpoint);
    struct dns_endpoint *e = find(m, route, &endpoint);
    if (e == NULL)
        return 0;
    e->used_ms = now_ms;
    return e->group < route->n_groups ? e->group : 0;
}

static struct dns_endpoint *find_or_add(struct dns_memory *m, const struct dns_route *route,
                                        const struct dns_asked *asked, uint64_t now_ms)
{
    struct dns_name endpoint;
    dns_endpoint_name(asked->qname, &endpoint);
    struct dns_endpoint *e = find(m, route, &endpoint);
    if (e == NULL) {
        e = &m->v[0];
        for (unsigned i = 1; i < DNS_MAX_REMEMBERED && e->name.n > 0; i++)
            if (m->v[i].name.n == 0 || m->v[i].used_ms < e->used_ms)
                e = &m->v[i];
        *e = (struct dns_endpoint){ .name = endpoint, .zone_hash = route->zone_hash };
    }
    e->used_ms = now_ms;
    e->qname = *asked->qname;
    e->qtype = asked->qtype;
    e->port = asked->port;
    e->policy = asked->policy;
    return e;
}

static void update_moved(struct dns_memory *m)
{
    bool has_moved = false;
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        has_moved |= m->v[i].name.n > 0 && m->v[i].group > 0;
    atomic_store_explicit(&m->has_moved, has_moved, memory_order_relaxed);
}

static void schedule(struct dns_endpoint *e, uint64_t now_ms)
{
    unsigned shift = e->n_relapses < MAX_RELAPSE_SHIFT ? e->n_relapses : MAX_RELAPSE_SHIFT;
    e->probe_at_ms = now_ms + ((uint64_t)dns_probe_wait_ms(e->probe_step) << shift);
}

bool dns_memory_worked(struct dns_memory *m, const struct dns_route *route,
                       const struct dns_asked *asked, unsigned group, uint64_t now_ms)
{
    struct dns_name endpoint;
    dns_endpoint_name(asked->qname, &endpoint);
    struct dns_endpoint *e = find(m, route, &endpoint);
    if (e == NULL && group == 0)
        return false; /* as it should be: nothing to remember */
    e = find_or_add(m, route, asked, now_ms);
    e->all_failed = false;
    if (group == e->group)
        return false;
    if (group > e->group) {
        /* A probe took the preferred group back and it did not last: probe it less often. */
        bool relapsed = e->taken_back_ms > 0 && since(now_ms, e->taken_back_ms) < RELAPSE_WINDOW_MS;
        e->n_relapses = relapsed ? e->n_relapses + 1 : 0;
    }
    e->group = group;
    e->group_since_ms = now_ms;
    update_moved(m);
    e->probe_step = 0;
    schedule(e, now_ms);
    return true;
}

void dns_memory_all_failed(struct dns_memory *m, const struct dns_route *route,
                           const struct dns_asked *asked, uint64_t now_ms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        n += m->v[i].name.n > 0 && m->v[i].all_failed;
    /* Names that a client made up must not turn into a stream of probes. */
    if (n >= DNS_MAX_ALL_FAILED)
        return;
    struct dns_endpoint *e = find_or_add(m, route, asked, now_ms);
    if (e->all_failed)
        return;
    e->all_failed = true;
    e->probe_step = 0;
    schedule(e, now_ms);
}

static bool wants_probe(const struct dns_endpoint *e, uint64_t now_ms)
{
    return e->name.n > 0 && (e->group > 0 || e->all_failed) &&
           since(now_ms, e->used_ms) <= DNS_PROBED_WHILE_USED_MS;
}

bool dns_memory_has_probes(const struct dns_memory *m, uint64_t now_ms)
{
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        if (wants_probe(&m->v[i], now_ms))
            return true;
    return false;
}

bool dns_memory_claim_probe(struct dns_memory *m, uint64_t now_ms, struct dns_endpoint *out)
{
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++) {
        struct dns_endpoint *e = &m->v[i];
        if (e->name.n > 0 && since(now_ms, e->used_ms) > DNS_PROBED_WHILE_USED_MS) {
            e->name.n = 0; /* nobody asked for it: begin anew with the preferred group */
            update_moved(m);
            continue;
        }
        if (!wants_probe(e, now_ms) || now_ms < e->probe_at_ms)
            continue;
        e->probe_step++;
        schedule(e, now_ms);
        *out = *e;
        return true;
    }
    return false;
}

void dns_memory_hurry(struct dns_memory *m, uint64_t now_ms)
{
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++)
        if (m->v[i].n_relapses == 0)
            m->v[i].probe_at_ms = now_ms;
}

bool dns_memory_probed(struct dns_memory *m, const struct dns_endpoint *probed, unsigned group,
                       uint64_t now_ms)
{
    for (unsigned i = 0; i < DNS_MAX_REMEMBERED; i++) {
        struct dns_endpoint *e = &m->v[i];
        if (e->name.n != probed->name.n || e->zone_hash != probed->zone_hash ||
            !dns_name_eq(&e->name, &probed->name))
            continue;
        bool was_down = e->all_failed;
        e->all_failed = false;
        if (!was_down && group >= e->group)
            return false;
        bool changes = e->group != group;
        e->group = group;
        if (changes)
            e->group_since_ms = now_ms;
        update_moved(m);
        e->taken_back_ms = now_ms;
        e->probe_step = 0;
        schedule(e, now_ms);
        return changes;
    }
    return false;
}
