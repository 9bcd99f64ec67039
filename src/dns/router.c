#include "dns/router.h"

#include "dns/dial.h"
#include "dns/shared.h"

#include <stdlib.h>

static const struct dns_zone_rules rules[] = {
    [DNS_ZONE_OTHER] = { 3600, 300, 24 * 3600, false },
    [DNS_ZONE_AWS] = { 300, 30, 3600, true },
    [DNS_ZONE_REGISTRY] = { 300, 5, 3600, true },
};

/* The partitions' suffixes for DNS and for dual-stack names, and AWS's names inside a VPC. */
static const char *const aws_zones[] = {
    "amazonaws.com",  "api.aws",        "amazonaws.com.cn", "api.amazonwebservices.com.cn",
    "amazonaws.eu",   "c2s.ic.gov",     "sc2s.sgov.gov",    "cloud.adc-e.uk",
    "csp.hci.ic.gov", "aws.amazon.com", "compute.internal", "ec2.internal",
};
enum { N_AWS_ZONES = sizeof aws_zones / sizeof aws_zones[0] };

const struct dns_zone_rules *dns_zone_rules(enum dns_zone_kind kind)
{
    return &rules[kind];
}

bool dns_is_aws_name(const struct dns_name *name)
{
    for (unsigned i = 0; i < N_AWS_ZONES; i++) {
        struct dns_name zone;
        if (dns_name_parse(str_from_c(aws_zones[i]), &zone) && dns_name_is_in(name, &zone))
            return true;
    }
    return false;
}

static struct dns_route *route_with(struct dns_routes *r, const struct dns_name *zone)
{
    for (size_t i = 0; i < r->n; i++)
        if (dns_name_eq(&r->v[i].zone, zone))
            return &r->v[i];
    return NULL;
}

/* NULL without memory. */
static struct dns_route *add_route(struct dns_routes *r, const struct dns_name *zone,
                                   enum dns_zone_kind kind, const char *from)
{
    struct dns_route *route = &r->v[r->n++];
    *route = (struct dns_route){ .zone = *zone, .kind = kind, .from = from };
    dns_name_lower(&route->zone);
    route->zone_hash =
        dns_shared_hash(r->shared, str_of((const char *)route->zone.wire, route->zone.n));
    route->counts = dns_zone_take(r->shared, zone);
    return route->counts != NULL ? route : NULL;
}

static bool add_group(struct dns_routes *r, struct dns_route *route, const char *name,
                      const struct addr *servers, size_t n)
{
    if (n == 0 || route->n_groups == DNS_MAX_GROUPS)
        return true;
    struct dns_group *g = &route->groups[route->n_groups];
    *g = (struct dns_group){ .name = name };
    for (size_t i = 0; i < n && g->n_servers < DNS_MAX_GROUP_SERVERS; i++) {
        if (dns_is_own(&r->own, &servers[i]))
            continue;
        struct dns_server *s = dns_shared_server(r->shared, &servers[i]);
        if (s == NULL)
            return false;
        g->servers[g->n_servers++] = s;
    }
    if (g->n_servers == 0)
        return true;
    /* Servers keep their struct while anybody names them, and addresses tell groups apart. */
    struct addr list[DNS_MAX_GROUP_SERVERS];
    memset(list, 0, sizeof list);
    for (unsigned i = 0; i < g->n_servers; i++) {
        size_t bytes;
        const uint8_t *ip = addr_bytes(&g->servers[i]->addr, &bytes);
        addr_from_bytes(addr_family(&g->servers[i]->addr), ip, addr_port(&g->servers[i]->addr),
                        &list[i]);
    }
    g->id = dns_shared_hash(r->shared, str_of((const char *)list, g->n_servers * sizeof list[0]));
    route->n_groups++;
    return true;
}

static bool add_explicit(struct dns_routes *r, const struct conf *conf)
{
    for (size_t i = 0; i < conf->dns_routes.n; i++) {
        const struct conf_dns_route *from = &conf->dns_routes.v[i];
        struct dns_name zone;
        if (!dns_name_parse(from->zone, &zone) || route_with(r, &zone) != NULL)
            continue;
        struct dns_route *route =
            add_route(r, &zone, dns_is_aws_name(&zone) ? DNS_ZONE_AWS : DNS_ZONE_OTHER, "setting");
        if (route == NULL)
            return false;
        for (size_t g = 0; g < from->n_groups; g++)
            if (!add_group(r, route, "setting", from->groups[g].v, from->groups[g].n))
                return false;
    }
    return true;
}

struct system_group {
    const char *name;
    const struct addr *v;
    size_t n;
};

static bool add_built_in(struct dns_routes *r, const struct conf *conf,
                         const struct system_group *system, const struct dns_name *zone,
                         enum dns_zone_kind kind, const char *from)
{
    if (route_with(r, zone) != NULL)
        return true;
    struct dns_route *route = add_route(r, zone, kind, from);
    if (route == NULL || !add_group(r, route, system->name, system->v, system->n))
        return false;
    /* Elsewhere than on AWS nothing is ever sent to link-local addresses. */
    if (kind == DNS_ZONE_OTHER || !conf->dns_aws_allowed)
        return true;
    return add_group(r, route, "vpc", conf->dns_aws_servers.v, conf->dns_aws_servers.n);
}

/* Under an explicit zone other than the root the registry's name goes that way. */
static bool add_registry(struct dns_routes *r, const struct conf *conf,
                         const struct system_group *system)
{
    struct dns_name name;
    if (conf->registry.is_literal || conf->registry.host.n == 0 ||
        !dns_name_parse(conf->registry.host, &name))
        return true;
    const struct dns_route *over = dns_routes_find(r, &name);
    if (over->zone.n > 1 && strcmp(over->from, "setting") == 0)
        return true;
    return add_built_in(r, conf, system, &name, DNS_ZONE_REGISTRY, "registry");
}

bool dns_is_own(const struct dns_own *own, const struct addr *a)
{
    for (unsigned i = 0; i < own->n; i++) {
        if (addr_port(&own->v[i]) != addr_port(a))
            continue;
        if (addr_ip_eq(&own->v[i], a))
            return true;
        if (addr_classify(&own->v[i]) == ADDR_UNSPECIFIED &&
            (addr_classify(a) == ADDR_LOOPBACK || dns_is_host_address(a)))
            return true;
    }
    return false;
}

struct dns_routes *dns_routes_new(struct dns_shared *shared, const struct conf *conf,
                                  const struct dns_own *own, const struct addr *system,
                                  size_t n_system)
{
    size_t max = conf->dns_routes.n + N_AWS_ZONES + 2;
    struct dns_routes *r = calloc(1, sizeof *r + max * sizeof r->v[0]);
    if (r == NULL)
        return NULL;
    atomic_init(&r->refs, 1);
    r->shared = shared;
    r->conf = conf_ref(conf);
    r->own = *own;
    if (!add_explicit(r, conf))
        goto fail;
    const char *name = conf->dns_servers.n > 0 ? "setting" : "system";
    struct system_group group = { name, system, n_system };
    struct dns_name zone;
    /* A route for the root names the system group anew; the AWS zones still have their own. */
    for (size_t i = 0; i < conf->dns_routes.n; i++) {
        const struct conf_dns_route *set = &conf->dns_routes.v[i];
        if (str_eq(set->zone, STR(".")) && set->n_groups > 0)
            group = (struct system_group){ "setting", set->groups[0].v, set->groups[0].n };
    }
    if (!dns_name_parse(STR("."), &zone) ||
        !add_built_in(r, conf, &group, &zone, DNS_ZONE_OTHER, "built in"))
        goto fail;
    for (unsigned i = 0; i < N_AWS_ZONES; i++)
        if (!dns_name_parse(str_from_c(aws_zones[i]), &zone) ||
            !add_built_in(r, conf, &group, &zone, DNS_ZONE_AWS, "built in"))
            goto fail;
    if (!add_registry(r, conf, &group))
        goto fail;
    return r;
fail:
    dns_routes_unref(r);
    return NULL;
}

bool dns_group_is_trusted(const struct dns_routes *r, const struct dns_group *g)
{
    if (r->trusts_system && strcmp(g->name, "system") == 0)
        return true;
    for (unsigned i = 0; i < g->n_servers; i++)
        if (addr_classify(&g->servers[i]->addr) != ADDR_LOOPBACK)
            return false;
    return true;
}

struct dns_routes *dns_routes_ref(struct dns_routes *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void dns_routes_unref(struct dns_routes *r)
{
    if (r == NULL || atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < r->n; i++) {
        dns_zone_give(r->shared, r->v[i].counts);
        for (unsigned g = 0; g < DNS_MAX_GROUPS; g++)
            for (unsigned s = 0; s < r->v[i].groups[g].n_servers; s++)
                dns_shared_server_unref(r->shared, r->v[i].groups[g].servers[s]);
    }
    conf_unref(r->conf);
    free(r);
}

/* Where in its wire form a name's labels begin, a bit each. */
struct label_starts {
    uint64_t bits[4];
};

static struct label_starts starts_of(const struct dns_name *name)
{
    struct label_starts s = { { 0 } };
    for (size_t at = 0; at < name->n; at += 1 + (size_t)name->wire[at])
        s.bits[at / 64] |= UINT64_C(1) << at % 64;
    return s;
}

static bool ends_in(const struct dns_name *name, const struct label_starts *starts,
                    const struct dns_name *zone)
{
    if (zone->n > name->n)
        return false;
    size_t at = name->n - zone->n;
    return (starts->bits[at / 64] >> at % 64 & 1) != 0 &&
           str_eq_nocase(str_of((const char *)name->wire + at, zone->n),
                         str_of((const char *)zone->wire, zone->n));
}

/* Asked for every answer of the forwarder: few zones end where one of the name's labels begins. */
const struct dns_route *dns_routes_find(const struct dns_routes *r, const struct dns_name *name)
{
    const struct dns_route *best = NULL;
    struct label_starts starts = starts_of(name);
    for (size_t i = 0; i < r->n; i++)
        if ((best == NULL || r->v[i].zone.n > best->zone.n) &&
            ends_in(name, &starts, &r->v[i].zone))
            best = &r->v[i];
    return best;
}
