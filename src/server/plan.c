#include "server/plan.h"

#include "dns/router.h"
#include "server/certificate.h"
#include "server/worker.h"

#include <stdlib.h>

/* -- listeners ------------------------------------------------------------------------------ */

/* Which setting has the address: of two processes that share a network one has to give way. */
static bool name_setting(enum proxy_port port, const struct fault *cause, struct fault *f)
{
    static const char *const settings[] = { [PROXY_PORT_PUBLIC] = "PENSTOCK_LISTEN",
                                            [PROXY_PORT_TLS] = "PENSTOCK_TLS_LISTEN",
                                            [PROXY_PORT_ADMIN] = "PENSTOCK_ADMIN" };
    const char *setting = settings[port];
    const char *else_off = port == PROXY_PORT_ADMIN ? ", or to off" : "";
    fault_set(f, cause->kind, cause->step, "%s. Set %s to another address or port%s", cause->detail,
              setting, else_off);
    f->sys_errno = cause->sys_errno;
    return false;
}

static const struct conf_addrs *addrs_of(const struct conf *c, enum proxy_port port)
{
    if (port == PROXY_PORT_ADMIN)
        return &c->admin;
    return port == PROXY_PORT_TLS ? &c->tls_listen : &c->listen;
}

bool worker_listens_at(const struct conf *c, enum proxy_port port, const struct addr *at)
{
    const struct conf_addrs *list = addrs_of(c, port);
    for (size_t i = 0; i < list->n; i++)
        if (addr_eq(&list->v[i], at))
            return true;
    return false;
}

static bool is_new(const struct plan_request *r, enum proxy_port port, const struct addr *at)
{
    return r->running == NULL || !worker_listens_at(r->running, port, at);
}

/*
 * With SO_REUSEPORT a second process of the same user would share the port in silence, and take
 * half of the clients. So each address is first asked for alone.
 */
static bool addresses_are_free(const struct plan_request *r, struct fault *f)
{
    const struct conf *conf = r->conf;
    struct fault cause = { .kind = FAULT_NONE };
    if (conf->workers == 1)
        return true;
    for (enum proxy_port port = PROXY_PORT_PUBLIC; port <= PROXY_PORT_TLS; port++) {
        const struct conf_addrs *at = addrs_of(conf, port);
        for (size_t i = 0; i < at->n; i++)
            if (is_new(r, port, &at->v[i]) && !io_listener_is_free(&at->v[i], &cause))
                return name_setting(port, &cause, f);
    }
    return dns_front_is_free(conf, r->running, f);
}

static bool bind_listeners(struct worker_kit *k, const struct plan_request *r, enum proxy_port port,
                           struct fault *f)
{
    const struct conf_addrs *at = addrs_of(r->conf, port);
    bool reuse_port = r->conf->workers > 1 && port != PROXY_PORT_ADMIN;
    for (size_t i = 0; i < at->n; i++) {
        struct fault cause = { .kind = FAULT_NONE };
        if (!is_new(r, port, &at->v[i]))
            continue;
        struct worker_listener *l = calloc(1, sizeof *l);
        if (l == NULL)
            return fault_set(f, FAULT_NO_MEMORY, "listen", NULL);
        l->at = at->v[i];
        l->port = port;
        list_push_back(&k->listeners, &l->node);
        if (!io_listener_bind(&l->io, &at->v[i], reuse_port, &cause))
            return name_setting(port, &cause, f);
    }
    return true;
}

/* Last of all, since who connects to what is then closed is turned away. */
static bool listen_all(struct plan *p, struct fault *f)
{
    for (unsigned i = 0; i < p->n_kits; i++) {
        struct worker_kit *k = &p->kits[i];
        LIST_EACH (it, after, &k->listeners) {
            struct worker_listener *l = LIST_ENTRY(it, struct worker_listener, node);
            struct fault cause = { .kind = FAULT_NONE };
            if (!io_listener_listen(&l->io, &cause))
                return name_setting(l->port, &cause, f);
        }
        if (k->dns_sockets != NULL && !dns_front_listen(k->dns_sockets, f))
            return false;
    }
    return true;
}

size_t plan_own_addresses(const struct conf *conf, struct addr *out, size_t max)
{
    const struct conf_addrs *lists[] = { &conf->listen, &conf->tls_listen, &conf->admin,
                                         &conf->dns_listen };
    uv_interface_address_t *interfaces;
    int n_interfaces;
    size_t n = 0;
    if (uv_interface_addresses(&interfaces, &n_interfaces) != 0)
        n_interfaces = 0;
    for (size_t l = 0; l < sizeof lists / sizeof lists[0]; l++)
        for (size_t i = 0; i < lists[l]->n && n < max; i++) {
            const struct addr *at = &lists[l]->v[i];
            out[n++] = *at;
            /* A wildcard listener is reached by every address of the host. */
            bool is_any = addr_classify(at) == ADDR_UNSPECIFIED;
            for (int k = 0; is_any && k < n_interfaces && n < max; k++) {
                out[n] = (struct addr){ .v6 = interfaces[k].address.address6 };
                addr_set_port(&out[n++], addr_port(at));
            }
        }
    if (n_interfaces > 0)
        uv_free_interface_addresses(interfaces, n_interfaces);
    return n;
}

/* -- kits ----------------------------------------------------------------------------------- */

/* One set of authorities for all: reading the system's takes longer than all else here. */
static bool make_tls(struct plan *p, const struct plan_request *r, struct fault *f)
{
    const struct conf *conf = r->conf;
    if (conf->listen.n == 0 && conf->tls_listen.n == 0)
        return true;
    X509_STORE *authorities = io_tls_authorities(conf->ca_file.n > 0 ? conf->ca_file.p : NULL, f);
    bool ok = authorities != NULL;
    if (ok && r->trust != NULL && X509_STORE_add_cert(authorities, r->trust) != 1)
        ok = fault_set(f, FAULT_NO_MEMORY, "start", NULL);
    for (unsigned i = 0; ok && i < p->n_kits; i++) {
        p->kits[i].tls = io_tls_client_new_with(authorities, f);
        ok = p->kits[i].tls != NULL;
    }
    X509_STORE_free(authorities);
    return ok;
}

static bool make_client_tls(struct plan *p, const struct plan_request *r, struct fault *f)
{
    if (r->conf->tls_listen.n == 0)
        return true;
    p->identity = certificate_read(r->conf, f);
    for (unsigned i = 0; p->identity != NULL && i < p->n_kits; i++) {
        p->kits[i].client_tls = io_tls_server_new(p->identity, r->tickets, f);
        if (p->kits[i].client_tls == NULL)
            return false;
    }
    return p->identity != NULL;
}

static bool make_front(struct worker_kit *k, const struct plan_request *r, unsigned index,
                       struct fault *f)
{
    bool had = r->running != NULL && r->running->dns_listen.n > 0;
    k->dns_sockets = dns_front_bind(r->conf, r->running, f);
    if (k->dns_sockets == NULL)
        return false;
    if (had || r->workers == NULL || r->conf->dns_listen.n == 0)
        return true;
    struct worker *w = &r->workers[index];
    k->front = dns_front_new_idle(&w->loop, w->dns, r->conf, f);
    return k->front != NULL;
}

static bool make_kit(struct worker_kit *k, const struct plan_request *r, unsigned index,
                     struct fault *f)
{
    k->policy = proxy_policy_new(r->conf, f);
    return k->policy != NULL && bind_listeners(k, r, PROXY_PORT_PUBLIC, f) &&
           bind_listeners(k, r, PROXY_PORT_TLS, f) && make_front(k, r, index, f) &&
           (index > 0 || bind_listeners(k, r, PROXY_PORT_ADMIN, f));
}

static bool make_dns(struct plan *p, const struct plan_request *r, struct fault *f)
{
    struct addr own[DNS_MAX_OWN];
    if (r->running == NULL)
        return true;
    size_t n = plan_own_addresses(r->conf, own, DNS_MAX_OWN);
    p->dns = dns_reload_new(r->dns, r->conf, own, n, f);
    return p->dns != NULL;
}

static bool make(struct plan *p, const struct plan_request *r, struct fault *f)
{
    if (!make_tls(p, r, f) || !make_client_tls(p, r, f) || !make_dns(p, r, f) ||
        !addresses_are_free(r, f))
        return false;
    for (unsigned i = 0; i < p->n_kits; i++)
        if (!make_kit(&p->kits[i], r, i, f))
            return false;
    return listen_all(p, f);
}

struct plan *plan_new(const struct plan_request *r, struct fault *f)
{
    struct plan *p = calloc(1, sizeof *p + r->conf->workers * sizeof p->kits[0]);
    if (p == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    p->conf = conf_ref(r->conf);
    for (; p->n_kits < r->conf->workers; p->n_kits++) {
        p->kits[p->n_kits].conf = conf_ref(r->conf);
        list_init(&p->kits[p->n_kits].listeners);
    }
    if (make(p, r, f))
        return p;
    plan_free(p);
    return NULL;
}

void worker_kit_done(struct worker_kit *k)
{
    LIST_EACH (it, after, &k->listeners) {
        struct worker_listener *l = LIST_ENTRY(it, struct worker_listener, node);
        io_listener_close(&l->io);
        free(l);
    }
    list_init(&k->listeners);
    dns_front_sockets_free(k->dns_sockets);
    dns_front_free(k->front);
    proxy_policy_unref(k->policy);
    io_tls_free(k->tls);
    io_tls_free(k->client_tls);
    conf_unref(k->conf);
    k->dns_sockets = NULL;
    k->front = NULL;
    k->policy = NULL;
    k->tls = NULL;
    k->client_tls = NULL;
    k->conf = NULL;
}

void plan_free(struct plan *p)
{
    if (p == NULL)
        return;
    for (unsigned i = 0; i < p->n_kits; i++)
        worker_kit_done(&p->kits[i]);
    dns_reload_free(p->dns);
    io_tls_identity_free(p->identity);
    conf_unref(p->conf);
    free(p);
}
