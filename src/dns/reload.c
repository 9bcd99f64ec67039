/* Other settings under a running engine: made aside, swapped at once. */
#include "dns/watch.h"

#include <stdlib.h>

struct dns_reload {
    struct dns_shared *shared;
    const struct conf *conf;
    struct dns_own own;
    struct dns_routes *routes;
    struct dns_hosts *hosts;
    bool keeps_hosts;
    struct dns_watched watched_resolv_conf, watched_hosts;
};

/* What was read the last time, where that was of the same file. */
static bool keep_system(const struct dns_routes *old, const struct conf *conf,
                        struct dns_system *out)
{
    if (old->n_system == 0 || !str_eq(old->conf->resolv_conf, conf->resolv_conf))
        return false;
    out->n = old->n_system;
    memcpy(out->v, old->system, old->n_system * sizeof old->system[0]);
    out->is_trusted = old->trusts_system;
    return true;
}

/* False, with a fault, when servers are wanted of a file that names none. */
static bool find_system(const struct dns_routes *old, const struct conf *conf,
                        struct dns_system *out, struct fault *f)
{
    if (dns_system_read(conf, out) || keep_system(old, conf, out))
        return true;
    bool was_so =
        old->conf->dns_servers.n == 0 && str_eq(old->conf->resolv_conf, conf->resolv_conf);
    if (was_so || conf->dns_routes.n > 0)
        return true;
    return fault_set(f, FAULT_CONFIG, "PENSTOCK_RESOLV_CONF", "%.*s names no DNS server",
                     STR_ARG(conf->resolv_conf));
}

static bool make(struct dns_reload *r, const struct dns_routes *old, struct fault *f)
{
    const struct conf *conf = r->conf;
    struct dns_system system = { .n = 0 };
    dns_watched_init(conf, &r->watched_resolv_conf, &r->watched_hosts);
    if (conf->dns_servers.n > 0) {
        const struct conf_addrs *given = &conf->dns_servers;
        r->routes = dns_routes_new(r->shared, conf, &r->own, given->v, given->n);
    } else if (find_system(old, conf, &system, f)) {
        r->routes = dns_routes_of_system(r->shared, conf, &r->own, &system);
    }
    r->hosts = dns_hosts_read(conf);
    r->keeps_hosts = r->hosts == NULL && str_eq(old->conf->hosts_file, conf->hosts_file);
    return r->routes != NULL || fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
}

struct dns_reload *dns_reload_new(struct dns_shared *s, const struct conf *conf,
                                  const struct addr *own, size_t n_own, struct fault *f)
{
    struct dns_reload *r = calloc(1, sizeof *r);
    if (r == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
        return NULL;
    }
    r->shared = s;
    r->conf = conf_ref(conf);
    r->own.n = n_own < DNS_MAX_OWN ? (unsigned)n_own : DNS_MAX_OWN;
    if (n_own > 0)
        memcpy(r->own.v, own, r->own.n * sizeof own[0]);
    struct dns_routes *old = dns_shared_routes(s);
    bool ok = make(r, old, f);
    dns_routes_unref(old);
    if (ok)
        return r;
    dns_reload_free(r);
    return NULL;
}

void dns_reload_apply(struct dns_reload *r, struct dns_engine *first)
{
    if (first->watch != NULL)
        dns_watch_follow(first->watch, &r->watched_resolv_conf, &r->watched_hosts);
    dns_shared_replace(r->shared, r->conf, &r->own, r->routes, r->hosts, r->keeps_hosts);
    r->conf = NULL;
    r->routes = NULL;
    r->hosts = NULL;
    dns_reload_free(r);
}

void dns_reload_free(struct dns_reload *r)
{
    if (r == NULL)
        return;
    dns_routes_unref(r->routes);
    dns_hosts_unref(r->hosts);
    conf_unref(r->conf);
    free(r->watched_resolv_conf.path);
    free(r->watched_hosts.path);
    free(r);
}
