#include "dns/routes_json.h"

#include "codec/json_write.h"
#include "dns/report.h"
#include "dns/status.h"

#include <stdio.h>

struct table {
    struct json json;
    struct dns_shared *shared;
    const struct dns_routes *routes;
    struct dns_status status;
    uint64_t now_ms;
    const char *by;
};

static void write_setting(struct table *t, enum conf_setting s)
{
    struct buf where;
    buf_init(&where, 4096);
    conf_origin_text(t->routes->conf, s, &where);
    json_put_text(&t->json, "from", conf_key(s));
    json_put_str(&t->json, "where", buf_str(&where));
    buf_done(&where);
}

/* A route for the root in PENSTOCK_DNS_ROUTES names the system group of the other zones too. */
static bool has_root_route(const struct conf *conf)
{
    for (size_t i = 0; i < conf->dns_routes.n; i++)
        if (str_eq(conf->dns_routes.v[i].zone, STR(".")))
            return true;
    return false;
}

bool dns_group_setting(const struct conf *conf, const struct dns_route *route,
                       const struct dns_group *group, enum conf_setting *out)
{
    if (strcmp(group->name, "vpc") == 0)
        *out = CONF_DNS_AWS_SERVERS;
    else if (strcmp(route->from, "setting") == 0 || has_root_route(conf))
        *out = CONF_DNS_ROUTES;
    else if (conf->dns_servers.n > 0)
        *out = CONF_DNS_SERVERS;
    else
        return false;
    return true;
}

static void write_group_origin(struct table *t, const struct dns_route *route,
                               const struct dns_group *group)
{
    const struct conf *conf = t->routes->conf;
    enum conf_setting setting;
    if (dns_group_setting(conf, route, group, &setting)) {
        write_setting(t, setting);
    } else {
        json_put_text(&t->json, "from", "resolv.conf");
        json_put_str(&t->json, "where", conf->resolv_conf);
    }
}

static unsigned line_of(const struct dns_routes *r, const struct addr *server)
{
    for (size_t i = 0; i < r->n_system; i++)
        if (addr_eq(&r->system[i].addr, server))
            return r->system[i].line;
    return 0;
}

static void write_group(struct table *t, const struct dns_route *route,
                        const struct dns_group *group)
{
    char text[ADDR_TEXT_BYTES];
    json_open(&t->json, NULL, '{');
    json_put_text(&t->json, "name", group->name);
    write_group_origin(t, route, group);
    json_open(&t->json, "servers", '[');
    for (unsigned i = 0; i < group->n_servers; i++) {
        const struct addr *a = &group->servers[i]->addr;
        unsigned line = strcmp(group->name, "system") == 0 ? line_of(t->routes, a) : 0;
        json_open(&t->json, NULL, '{');
        json_put_text(&t->json, "address", addr_text(a, text));
        if (line > 0)
            json_put_u64(&t->json, "line", line);
        json_close(&t->json, '{');
    }
    json_close(&t->json, '[');
    json_close(&t->json, '{');
}

static void write_zone_counts(struct table *t, const struct dns_name *zone)
{
    static const char *const keys[N_DNS_ZONE_COUNTS] = {
        [DNS_ZONE_LOOKUPS] = "lookups",     [DNS_ZONE_ANSWERED] = "answered",
        [DNS_ZONE_NEGATIVE] = "negative",   [DNS_ZONE_FAILED] = "failed",
        [DNS_ZONE_CACHED] = "from_cache",   [DNS_ZONE_STALE] = "stale",
        [DNS_ZONE_COALESCED] = "coalesced", [DNS_ZONE_PREFETCHED] = "prefetched",
    };
    for (size_t z = 0; z < t->status.n_zones; z++) {
        if (!dns_name_eq(&t->status.zones[z].name, zone))
            continue;
        json_open(&t->json, "counts", '{');
        for (unsigned c = 0; c < N_DNS_ZONE_COUNTS; c++)
            json_put_u64(&t->json, keys[c], t->status.zones[z].counts[c]);
        json_close(&t->json, '{');
    }
}

static void write_route(struct table *t, const char *key, const struct dns_route *route)
{
    char text[DNS_NAME_TEXT_BYTES];
    json_open(&t->json, key, '{');
    json_put_text(&t->json, "zone", dns_name_text(&route->zone, text));
    json_put_text(&t->json, "from", route->from);
    json_put_bool(&t->json, "every_failure_moves_on",
                  dns_zone_rules(route->kind)->moves_on_negative);
    json_open(&t->json, "groups", '[');
    for (unsigned g = 0; g < route->n_groups; g++)
        write_group(t, route, &route->groups[g]);
    json_close(&t->json, '[');
    write_zone_counts(t, &route->zone);
    json_close(&t->json, '{');
}

static const char *zone_of_hash(const struct table *t, uint64_t hash,
                                char text[static DNS_NAME_TEXT_BYTES])
{
    for (size_t i = 0; i < t->routes->n; i++)
        if (t->routes->v[i].zone_hash == hash)
            return dns_name_text(&t->routes->v[i].zone, text);
    return NULL;
}

static void write_avoided(struct table *t, const struct dns_server_status *s)
{
    char text[DNS_NAME_TEXT_BYTES];
    json_open(&t->json, "avoided", '[');
    for (unsigned i = 0; i < DNS_MAX_AVOIDED_ZONES; i++) {
        const char *zone = zone_of_hash(t, s->avoided_zone[i], text);
        if (zone == NULL || s->avoided_until_ms[i] <= t->now_ms)
            continue;
        json_open(&t->json, NULL, '{');
        json_put_text(&t->json, "zone", zone);
        json_put_u64(&t->json, "for_ms", s->avoided_until_ms[i] - t->now_ms);
        json_close(&t->json, '{');
    }
    json_close(&t->json, '[');
}

static void write_server_counts(struct table *t, const struct dns_server_status *s)
{
    static const char *const keys[N_DNS_SERVER_COUNTS] = {
        [DNS_SERVER_UDP] = "udp",
        [DNS_SERVER_TCP] = "tcp",
        [DNS_SERVER_NOERROR] = "noerror",
        [DNS_SERVER_NXDOMAIN] = "nxdomain",
        [DNS_SERVER_SERVFAIL] = "servfail",
        [DNS_SERVER_REFUSED] = "refused",
        [DNS_SERVER_FORMERR] = "formerr",
        [DNS_SERVER_NOTIMP] = "notimp",
        [DNS_SERVER_OTHER] = "other",
        [DNS_SERVER_TIMEOUTS] = "timeouts",
        [DNS_SERVER_UNREACHABLE] = "unreachable",
        [DNS_SERVER_RETRIES] = "retries",
        [DNS_SERVER_HEDGES] = "hedges",
        [DNS_SERVER_IGNORED] = "ignored",
        [DNS_SERVER_OVER_BUDGET] = "over_budget",
    };
    json_open(&t->json, "counts", '{');
    for (unsigned c = 0; c < N_DNS_SERVER_COUNTS; c++)
        json_put_u64(&t->json, keys[c], s->counts[c]);
    json_close(&t->json, '{');
}

static bool has_answered(const struct dns_server_status *s)
{
    for (unsigned c = DNS_SERVER_NOERROR; c <= DNS_SERVER_OTHER; c++)
        if (s->counts[c] > 0)
            return true;
    return false;
}

static const char *health_of(const struct dns_server_status *s)
{
    if (s->is_suspect)
        return "suspect";
    if (s->n_failures > 0)
        return "failing";
    return has_answered(s) ? "well" : "not asked yet";
}

static void write_server(struct table *t, const struct dns_server_status *s)
{
    char text[ADDR_TEXT_BYTES];
    json_open(&t->json, NULL, '{');
    json_put_text(&t->json, "address", addr_text(&s->addr, text));
    json_put_text(&t->json, "health", health_of(s));
    json_put_u64(&t->json, "failures_in_a_row", s->n_failures);
    if (s->has_rtt)
        json_put_ms(&t->json, "rtt_ms", s->srtt_us);
    else
        json_put_null(&t->json, "rtt_ms");
    if (s->used_ms > 0)
        json_put_u64(&t->json, "used_ms_ago", t->now_ms > s->used_ms ? t->now_ms - s->used_ms : 0);
    else
        json_put_null(&t->json, "used_ms_ago");
    write_avoided(t, s);
    json_put_bool(&t->json, "edns", t->now_ms >= s->edns_off_until_ms);
    json_put_u64(&t->json, "budget_left", s->budget_left);
    write_server_counts(t, s);
    json_close(&t->json, '{');
}

static void write_endpoint(struct table *t, const struct dns_endpoint *e)
{
    char text[DNS_NAME_TEXT_BYTES];
    const struct dns_route *route = dns_routes_find(t->routes, &e->name);
    if (route->zone_hash != e->zone_hash || e->group >= route->n_groups)
        return;
    json_open(&t->json, NULL, '{');
    json_put_text(&t->json, "name", dns_name_text(&e->name, text));
    json_put_text(&t->json, "zone", dns_name_text(&route->zone, text));
    json_put_text(&t->json, "asked_first", route->groups[e->group].name);
    json_put_u64(&t->json, "group", e->group);
    if (e->group_since_ms > 0)
        json_put_u64(&t->json, "asked_first_for_ms", t->now_ms - e->group_since_ms);
    else
        json_put_null(&t->json, "asked_first_for_ms");
    json_put_bool(&t->json, "all_failed", e->all_failed);
    json_put_u64(&t->json, "used_ms_ago", t->now_ms > e->used_ms ? t->now_ms - e->used_ms : 0);
    json_close(&t->json, '{');
}

/* What stands in resolv.conf and is not asked. */
static void write_left_out(struct table *t)
{
    char text[ADDR_TEXT_BYTES];
    json_open(&t->json, "left_out", '[');
    for (size_t i = 0; i < t->routes->n_system; i++) {
        const struct dns_system_server *s = &t->routes->system[i];
        if (!dns_is_own(&t->routes->own, &s->addr))
            continue;
        json_open(&t->json, NULL, '{');
        json_put_text(&t->json, "address", addr_text(&s->addr, text));
        json_put_text(&t->json, "why", "penstock's own address");
        json_put_u64(&t->json, "line", s->line);
        json_close(&t->json, '{');
    }
    json_close(&t->json, '[');
}

static void write_cache(struct table *t)
{
    struct dns_cache *cache = t->shared->cache;
    json_open(&t->json, "cache", '{');
    json_put_u64(&t->json, "entries", dns_cache_n(cache));
    json_put_u64(&t->json, "bytes", dns_cache_bytes(cache));
    json_put_u64(&t->json, "max_bytes", t->routes->conf->dns_cache_bytes);
    json_close(&t->json, '{');
}

static void write_table(struct table *t)
{
    struct json *j = &t->json;
    json_open(j, NULL, '{');
    dns_report_by(t->by, j);
    json_put_str(j, "resolv_conf", t->routes->conf->resolv_conf);
    json_put_bool(j, "reads_resolv_conf", t->routes->conf->dns_servers.n == 0);
    json_put_bool(j, "asks_amazon", t->routes->conf->dns_aws_allowed);
    json_open(j, "routes", '[');
    for (size_t i = 0; i < t->routes->n; i++)
        write_route(t, NULL, &t->routes->v[i]);
    json_close(j, '[');
    json_open(j, "servers", '[');
    for (size_t i = 0; i < t->status.n_servers; i++)
        write_server(t, &t->status.servers[i]);
    json_close(j, '[');
    write_left_out(t);
    json_open(j, "endpoints", '[');
    for (size_t i = 0; i < t->status.n_endpoints; i++)
        write_endpoint(t, &t->status.endpoints[i]);
    json_close(j, '[');
    write_cache(t);
    json_close(j, '{');
    buf_byte(j->out, '\n');
}

void dns_routes_json(struct dns_shared *s, uint64_t now_ms, const char *by, struct buf *out)
{
    struct table t = { .json = json_begin(out), .shared = s, .now_ms = now_ms, .by = by };
    struct dns_routes *routes = dns_shared_routes(s);
    t.routes = routes;
    if (dns_status_read(s, now_ms, &t.status)) {
        write_table(&t);
        dns_status_done(&t.status);
    } else {
        out->failed = true;
    }
    dns_routes_unref(routes);
}

void dns_route_json(struct dns_shared *s, const struct dns_name *name, const char *key,
                    struct json *j)
{
    struct dns_routes *routes = dns_shared_routes(s);
    struct table t = { .json = *j, .shared = s, .routes = routes };
    write_route(&t, key, dns_routes_find(routes, name));
    *j = t.json;
    dns_routes_unref(routes);
}
