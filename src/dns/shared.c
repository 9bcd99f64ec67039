#include "dns/shared.h"

#include "dns/watch.h"

#include <stdlib.h>
#include <sys/random.h>

struct dns_shared *dns_shared_new(const struct conf *conf, struct fault *f)
{
    struct dns_shared *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
        return NULL;
    }
    s->conf = conf_ref(conf);
    pthread_mutex_init(&s->lock, NULL);
    list_init(&s->servers);
    for (unsigned i = 0; i < DNS_QUERY_BUCKETS; i++)
        list_init(&s->flights[i]);
    list_init(&s->zones);
    atomic_init(&s->is_watched, false);
    atomic_init(&s->epoch, 1);
    atomic_init(&s->generation, 1);
    s->cache = dns_cache_new(conf->dns_cache_bytes > 0 ? conf->dns_cache_bytes : DNS_CACHE_BYTES);
    if (s->cache == NULL || getrandom(&s->hash_key, sizeof s->hash_key, 0) < 0 ||
        getrandom(&s->cookie_key, sizeof s->cookie_key, 0) < 0 || !dns_watch_read_first(s)) {
        fault_set(f, FAULT_NO_MEMORY, "dns", NULL);
        dns_shared_free(s);
        return NULL;
    }
    return s;
}

bool dns_shared_has_servers(struct dns_shared *s)
{
    pthread_mutex_lock(&s->lock);
    bool has_servers = !list_is_empty(&s->servers);
    pthread_mutex_unlock(&s->lock);
    return has_servers;
}

void dns_shared_free(struct dns_shared *s)
{
    if (s == NULL)
        return;
    dns_routes_unref(s->routes);
    dns_hosts_unref(s->hosts);
    dns_cache_free(s->cache);
    LIST_EACH (it, after, &s->servers)
        free(LIST_ENTRY(it, struct dns_server, node));
    LIST_EACH (it, after, &s->zones)
        free(LIST_ENTRY(it, struct dns_zone, node));
    pthread_mutex_destroy(&s->lock);
    conf_unref(s->conf);
    free(s);
}

void dns_shared_add_own(struct dns_shared *s, const struct addr *own)
{
    if (s->own.n == DNS_MAX_OWN)
        return;
    s->own.v[s->own.n++] = *own;
    dns_watch_read_first(s);
}

uint64_t dns_shared_hash(const struct dns_shared *s, struct str bytes)
{
    return hash_bytes(&s->hash_key, bytes);
}

uint64_t dns_ask_hash(const struct dns_shared *s, const struct dns_ask *ask, uint64_t group)
{
    struct dns_name name = ask->question.name;
    dns_name_lower(&name);
    uint64_t h = dns_shared_hash(s, str_of((const char *)name.wire, name.n));
    return h ^ group ^ ask->question.type;
}

struct dns_server *dns_shared_server(struct dns_shared *s, const struct addr *addr)
{
    struct dns_server *found = NULL;
    pthread_mutex_lock(&s->lock);
    LIST_EACH (it, after, &s->servers) {
        struct dns_server *server = LIST_ENTRY(it, struct dns_server, node);
        if (addr_eq(&server->addr, addr))
            found = server;
    }
    if (found == NULL && (found = malloc(sizeof *found)) != NULL) {
        dns_server_init(found, addr, s->conf->dns_budget, 0);
        dns_cookie_init(&found->cookie, &s->cookie_key, addr);
        list_push_back(&s->servers, &found->node);
    }
    if (found != NULL)
        found->refs++;
    pthread_mutex_unlock(&s->lock);
    return found;
}

struct dns_server *dns_shared_server_ref(struct dns_shared *s, struct dns_server *server)
{
    pthread_mutex_lock(&s->lock);
    server->refs++;
    pthread_mutex_unlock(&s->lock);
    return server;
}

void dns_shared_server_unref(struct dns_shared *s, struct dns_server *server)
{
    pthread_mutex_lock(&s->lock);
    if (--server->refs == 0) {
        list_remove(&server->node);
        free(server);
    }
    pthread_mutex_unlock(&s->lock);
}

struct dns_routes *dns_shared_routes(struct dns_shared *s)
{
    pthread_mutex_lock(&s->lock);
    struct dns_routes *r = dns_routes_ref(s->routes);
    pthread_mutex_unlock(&s->lock);
    return r;
}

struct dns_hosts *dns_shared_hosts(struct dns_shared *s)
{
    pthread_mutex_lock(&s->lock);
    struct dns_hosts *h = s->hosts != NULL ? dns_hosts_ref(s->hosts) : NULL;
    pthread_mutex_unlock(&s->lock);
    return h;
}

void dns_shared_set_routes(struct dns_shared *s, struct dns_routes *routes)
{
    pthread_mutex_lock(&s->lock);
    struct dns_routes *old = s->routes;
    s->routes = routes;
    atomic_fetch_add(&s->generation, 1);
    pthread_mutex_unlock(&s->lock);
    dns_routes_unref(old); /* takes the lock for its servers */
}

void dns_shared_set_hosts(struct dns_shared *s, struct dns_hosts *hosts)
{
    pthread_mutex_lock(&s->lock);
    struct dns_hosts *old = s->hosts;
    s->hosts = hosts;
    atomic_fetch_add(&s->generation, 1);
    pthread_mutex_unlock(&s->lock);
    dns_hosts_unref(old);
}

void dns_shared_replace(struct dns_shared *s, const struct conf *conf, const struct dns_own *own,
                        struct dns_routes *routes, struct dns_hosts *hosts, bool keeps_hosts)
{
    pthread_mutex_lock(&s->lock);
    const struct conf *old_conf = s->conf;
    struct dns_routes *old_routes = s->routes;
    struct dns_hosts *old_hosts = keeps_hosts ? NULL : s->hosts;
    s->conf = conf;
    s->own = *own;
    s->routes = routes;
    if (!keeps_hosts)
        s->hosts = hosts;
    LIST_EACH (it, after, &s->servers)
        dns_server_set_budget(LIST_ENTRY(it, struct dns_server, node), conf->dns_budget);
    atomic_fetch_add(&s->epoch, 1);
    atomic_fetch_add(&s->generation, 1);
    pthread_mutex_unlock(&s->lock);
    dns_routes_unref(old_routes); /* takes the lock for its servers */
    dns_hosts_unref(old_hosts);
    conf_unref(old_conf);
}
