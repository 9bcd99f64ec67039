#include "dns/status_json.h"

#include "dns/routes_json.h"

#include <stdio.h>

struct view {
    const struct dns_status_view *v;
    const struct dns_routes *routes;
    struct json *j;
};

static const struct conf *conf_of(const struct view *w)
{
    return w->routes->conf;
}

static bool group_has(const struct dns_group *g, const struct addr *server)
{
    for (unsigned i = 0; i < g->n_servers; i++)
        if (addr_eq(&g->servers[i]->addr, server))
            return true;
    return false;
}

/* The first row of the table that names the server; NULL: none does. */
static const struct dns_route *route_of(const struct dns_routes *r, const struct addr *server,
                                        const struct dns_group **group)
{
    for (size_t i = 0; i < r->n; i++)
        for (unsigned g = 0; g < r->v[i].n_groups; g++)
            if (group_has(&r->v[i].groups[g], server)) {
                *group = &r->v[i].groups[g];
                return &r->v[i];
            }
    return NULL;
}

static uint64_t unix_of(const struct view *w, uint64_t then_ms)
{
    uint64_t ago = w->v->now_ms > then_ms ? w->v->now_ms - then_ms : 0;
    return then_ms > 0 && w->v->unix_ms > ago ? w->v->unix_ms - ago : 0;
}

/* -- routes ------------------------------------------------------------------------------- */

static void write_why(struct view *w, const struct dns_route *route, unsigned at)
{
    const struct conf *conf = conf_of(w);
    enum conf_setting setting;
    char text[2048], where[1024];
    if (dns_group_setting(conf, route, &route->groups[at], &setting))
        snprintf(where, sizeof where, "%s names them", conf_key(setting));
    else
        snprintf(where, sizeof where, "%.*s names them", STR_ARG(conf->resolv_conf));
    const char *order =
        at == 0 ? "asked first"
        : dns_zone_rules(route->kind)->moves_on_negative
            ? "asked when those before fail, deny the name or cannot be connected to"
            : "asked when those before fail";
    snprintf(text, sizeof text, "%s; %s", where, order);
    json_put_text(w->j, "why", text);
}

static void write_group(struct view *w, const struct dns_route *route, unsigned at)
{
    const struct dns_group *g = &route->groups[at];
    char text[ADDR_TEXT_BYTES];
    json_open(w->j, NULL, '{');
    json_put_text(w->j, "name", g->name);
    json_open(w->j, "servers", '[');
    for (unsigned i = 0; i < g->n_servers; i++)
        json_put_text(w->j, NULL, addr_text(&g->servers[i]->addr, text));
    json_close(w->j, '[');
    json_put_bool(w->j, "is_first", at == 0);
    write_why(w, route, at);
    json_close(w->j, '{');
}

static const struct dns_zone_status *zone_of(const struct dns_status *st,
                                             const struct dns_name *name)
{
    for (size_t z = 0; z < st->n_zones; z++)
        if (dns_name_eq(&st->zones[z].name, name))
            return &st->zones[z];
    return NULL;
}

static void write_route(struct view *w, const struct dns_route *route)
{
    static const struct {
        const char *key;
        enum dns_zone_count count;
    } counts[] = { { "lookups", DNS_ZONE_LOOKUPS },
                   { "failed", DNS_ZONE_FAILED },
                   { "cached", DNS_ZONE_CACHED },
                   { "stale", DNS_ZONE_STALE } };
    char text[DNS_NAME_TEXT_BYTES];
    const struct dns_zone_status *zone = zone_of(w->v->status, &route->zone);
    json_open(w->j, NULL, '{');
    json_put_text(w->j, "zone", dns_name_text(&route->zone, text));
    json_put_text(w->j, "from", route->from);
    json_open(w->j, "groups", '[');
    for (unsigned g = 0; g < route->n_groups; g++)
        write_group(w, route, g);
    json_close(w->j, '[');
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_put_u64(w->j, counts[i].key, zone != NULL ? zone->counts[counts[i].count] : 0);
    json_close(w->j, '{');
}

/* -- servers ------------------------------------------------------------------------------ */

static void write_what(struct view *w, const struct dns_route *route, const struct dns_group *group,
                       const struct addr *server)
{
    const struct conf *conf = conf_of(w);
    enum conf_setting setting;
    char text[2048], zone[DNS_NAME_TEXT_BYTES];
    unsigned line = 0;
    if (!dns_group_setting(conf, route, group, &setting)) {
        for (size_t i = 0; i < w->routes->n_system && line == 0; i++)
            if (addr_eq(&w->routes->system[i].addr, server))
                line = w->routes->system[i].line;
        snprintf(text, sizeof text, "%.*s line %u", STR_ARG(conf->resolv_conf), line);
    } else if (setting == CONF_DNS_AWS_SERVERS) {
        snprintf(text, sizeof text, "Amazon's resolver (%s)", conf_key(setting));
    } else if (setting == CONF_DNS_ROUTES) {
        snprintf(text, sizeof text, "%s, for %s", conf_key(setting),
                 dns_name_text(&route->zone, zone));
    } else {
        snprintf(text, sizeof text, "%s", conf_key(setting));
    }
    json_put_text(w->j, "what", text);
}

static const char *state_of(const struct dns_server_status *s)
{
    if (s->is_suspect)
        return "suspect";
    for (unsigned c = DNS_SERVER_NOERROR; c <= DNS_SERVER_OTHER; c++)
        if (s->counts[c] > 0)
            return "well";
    return "untried";
}

static void write_server(struct view *w, const struct dns_server_status *s)
{
    static const struct {
        const char *key;
        enum dns_server_count count;
    } counts[] = { { "timeouts", DNS_SERVER_TIMEOUTS },
                   { "unreachable", DNS_SERVER_UNREACHABLE },
                   { "servfail", DNS_SERVER_SERVFAIL },
                   { "refused", DNS_SERVER_REFUSED },
                   { "over_budget", DNS_SERVER_OVER_BUDGET } };
    char text[ADDR_TEXT_BYTES];
    const struct dns_group *group;
    const struct dns_route *route = route_of(w->routes, &s->addr, &group);
    if (route == NULL)
        return;
    json_open(w->j, NULL, '{');
    json_put_text(w->j, "address", addr_text(&s->addr, text));
    json_put_text(w->j, "state", state_of(s));
    if (s->has_rtt)
        json_put_ms(w->j, "rtt_ms", s->srtt_us);
    else
        json_put_null(w->j, "rtt_ms");
    json_put_u64(w->j, "failures_in_row", s->n_failures);
    json_put_time(w->j, "last_used", unix_of(w, s->used_ms));
    json_put_u64(w->j, "queries", s->counts[DNS_SERVER_UDP] + s->counts[DNS_SERVER_TCP]);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        json_put_u64(w->j, counts[i].key, s->counts[counts[i].count]);
    json_put_u64(w->j, "budget_left", s->budget_left);
    write_what(w, route, group, &s->addr);
    if (w->v->on_server != NULL)
        w->v->on_server(w->v->arg, w->j, &s->addr);
    json_close(w->j, '{');
}

/* -- the rest ----------------------------------------------------------------------------- */

static void write_endpoint(struct view *w, const struct dns_endpoint *e)
{
    char text[DNS_NAME_TEXT_BYTES];
    const struct dns_route *route = dns_routes_find(w->routes, &e->name);
    if (route->zone_hash != e->zone_hash || e->group >= route->n_groups)
        return;
    json_open(w->j, NULL, '{');
    json_put_text(w->j, "name", dns_name_text(&e->name, text));
    json_put_text(w->j, "group", route->groups[e->group].name);
    json_put_text(w->j, "why",
                  e->all_failed   ? "no group had a usable answer last time; all are probed"
                  : e->group == 0 ? "the first group's answer could be connected to"
                                  : "the groups before had no answer that could be connected to; "
                                    "they are probed");
    json_put_time(w->j, "since", unix_of(w, e->group_since_ms));
    json_put_bool(w->j, "all_failed", e->all_failed);
    json_close(w->j, '{');
}

static void write_cache(struct view *w)
{
    json_open(w->j, "cache", '{');
    json_put_u64(w->j, "entries", dns_cache_n(w->v->shared->cache));
    json_put_u64(w->j, "bytes", dns_cache_bytes(w->v->shared->cache));
    json_put_u64(w->j, "max_bytes", conf_of(w)->dns_cache_bytes);
    json_close(w->j, '{');
}

static void write_left_out(struct view *w)
{
    char text[ADDR_TEXT_BYTES];
    json_open(w->j, "left_out", '[');
    for (size_t i = 0; i < w->routes->n_system; i++) {
        if (!dns_is_own(&w->routes->own, &w->routes->system[i].addr))
            continue;
        json_open(w->j, NULL, '{');
        json_put_text(w->j, "address", addr_text(&w->routes->system[i].addr, text));
        json_put_text(w->j, "why", "penstock's own address");
        json_close(w->j, '{');
    }
    json_close(w->j, '[');
}

void dns_status_json(const struct dns_status_view *v, struct json *j, const char *key)
{
    struct dns_routes *routes = dns_shared_routes(v->shared);
    struct view w = { .v = v, .routes = routes, .j = j };
    json_open(j, key, '{');
    json_open(j, "routes", '[');
    for (size_t i = 0; i < routes->n; i++)
        write_route(&w, &routes->v[i]);
    json_close(j, '[');
    json_open(j, "servers", '[');
    for (size_t i = 0; i < v->status->n_servers; i++)
        write_server(&w, &v->status->servers[i]);
    json_close(j, '[');
    json_open(j, "endpoints", '[');
    for (size_t i = 0; i < v->status->n_endpoints; i++)
        write_endpoint(&w, &v->status->endpoints[i]);
    json_close(j, '[');
    write_cache(&w);
    write_left_out(&w);
    json_close(j, '{');
    dns_routes_unref(routes);
}

/* -- health ------------------------------------------------------------------------------- */

static const struct dns_server_status *server_of(const struct dns_status *st, const struct addr *a)
{
    for (size_t i = 0; i < st->n_servers; i++)
        if (addr_eq(&st->servers[i].addr, a))
            return &st->servers[i];
    return NULL;
}

static void judge_route(const struct dns_route *route, const struct dns_status *st,
                        struct dns_health *out, size_t *n_aws, size_t *n_aws_suspect)
{
    bool is_aws = route->kind == DNS_ZONE_AWS;
    for (unsigned g = 0; g < route->n_groups; g++)
        for (unsigned i = 0; i < route->groups[g].n_servers; i++) {
            const struct addr *a = &route->groups[g].servers[i]->addr;
            const struct dns_server_status *s = server_of(st, a);
            bool is_suspect = s != NULL && s->is_suspect;
            *n_aws += is_aws;
            *n_aws_suspect += is_aws && is_suspect;
            if (g > 0 || !is_suspect || out->has_suspect_first)
                continue;
            out->has_suspect_first = true;
            out->suspect_first = *a;
            dns_name_text(&route->zone, out->suspect_zone);
        }
    const struct dns_zone_status *zone = is_aws ? zone_of(st, &route->zone) : NULL;
    if (zone == NULL)
        return;
    out->aws_answered += zone->counts[DNS_ZONE_ANSWERED] + zone->counts[DNS_ZONE_NEGATIVE];
    out->aws_failed += zone->counts[DNS_ZONE_FAILED];
}

void dns_health_read(struct dns_shared *s, const struct dns_status *st, struct dns_health *out)
{
    struct dns_routes *routes = dns_shared_routes(s);
    const struct dns_group *group;
    size_t n_aws = 0, n_aws_suspect = 0;
    *out = (struct dns_health){ 0 };
    for (size_t i = 0; i < st->n_servers; i++)
        if (route_of(routes, &st->servers[i].addr, &group) != NULL) {
            out->n_servers++;
            out->n_suspect += st->servers[i].is_suspect;
        }
    for (size_t i = 0; i < routes->n; i++)
        judge_route(&routes->v[i], st, out, &n_aws, &n_aws_suspect);
    out->aws_all_suspect = n_aws > 0 && n_aws_suspect == n_aws;
    dns_routes_unref(routes);
}
