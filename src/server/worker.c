#include "server/worker.h"

#include "obs/log.h"
#include "server/self_check.h"

static void on_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct worker *w = l->owner;
    struct worker_listener *own = LIST_ENTRY(l, struct worker_listener, io);
    proxy_accept(&w->proxy, fd, peer, own->port);
}

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

static bool open_listeners(struct worker *w, const struct conf_addrs *at, enum proxy_port port,
                           struct fault *f)
{
    bool reuse_port = w->shared->conf->workers > 1 && port != PROXY_PORT_ADMIN;
    for (size_t i = 0; i < at->n && w->n_listeners < WORKER_MAX_LISTENERS; i++) {
        struct worker_listener *l = &w->listeners[w->n_listeners];
        l->port = port;
        l->io.owner = w;
        l->io.on_accept = on_accept;
        struct fault cause = { .kind = FAULT_NONE };
        if (!io_listener_open(&l->io, &w->loop, &at->v[i], reuse_port, &cause))
            return name_setting(port, &cause, f);
        l->is_open = true;
        w->n_listeners++;
    }
    return true;
}

/*
 * With SO_REUSEPORT a second process of the same user would share the port in silence, and take
 * half of the clients. So worker 0 first asks for each address alone.
 */
static bool addresses_are_free(struct worker *w, struct fault *f)
{
    const struct conf *conf = w->shared->conf;
    struct fault cause = { .kind = FAULT_NONE };
    for (size_t i = 0; conf->workers > 1 && i < conf->listen.n; i++)
        if (!io_listener_is_free(&conf->listen.v[i], &cause))
            return name_setting(PROXY_PORT_PUBLIC, &cause, f);
    for (size_t i = 0; conf->workers > 1 && i < conf->tls_listen.n; i++)
        if (!io_listener_is_free(&conf->tls_listen.v[i], &cause))
            return name_setting(PROXY_PORT_TLS, &cause, f);
    return conf->workers == 1 || dns_front_is_free(conf, f);
}

static void on_flush(uv_prepare_t *h)
{
    log_flush();
}

static void on_dns_decision(void *arg, const struct dns_explain *x)
{
    const struct server_shared *shared = ((struct worker *)arg)->shared;
    self_check_decision(shared->self_check, x);
    if (shared->options->on_decision != NULL)
        shared->options->on_decision(shared->options->arg, x);
}

static void on_failure(void *arg, const struct proxy_failure *f)
{
    const struct server_shared *shared = ((struct worker *)arg)->shared;
    self_check_failed(shared->self_check, f->fault->kind);
    status_failed(shared->status, f);
}

static void log_server(enum log_level level, const struct dns_event *e, const char *says)
{
    char text[ADDR_TEXT_BYTES];
    log_event(level, dns_event_name(e->kind), "DNS server %s %s", addr_text(e->server, text), says);
}

static void log_client(const struct dns_event *e, const char *says)
{
    char text[ADDR_TEXT_BYTES];
    log_event(LOG_WARNING, dns_event_name(e->kind), "DNS client %s %s", addr_text(e->client, text),
              says);
}

static void on_dns_event(void *arg, const struct dns_event *e)
{
    char name[DNS_NAME_TEXT_BYTES], server[ADDR_TEXT_BYTES];
    self_check_event(((struct worker *)arg)->shared->self_check, e->kind);
    switch (e->kind) {
    case DNS_EVENT_SERVER_SUSPECT:
        log_server(LOG_WARNING, e, "failed three times in a row: it is asked last, and probed");
        break;
    case DNS_EVENT_SERVER_WELL:
        log_server(LOG_INFO, e, "answers again");
        break;
    case DNS_EVENT_GROUP_SWITCHED:
        log_event(LOG_WARNING, dns_event_name(e->kind), "%s is asked of the %s servers first now",
                  dns_name_text(e->name, name), e->group);
        break;
    case DNS_EVENT_OVER_BUDGET:
        log_server(LOG_WARNING, e,
                   "has had its packets of this second (PENSTOCK_DNS_BUDGET): more is not sent");
        break;
    case DNS_EVENT_CLIENT_REFUSED:
        log_client(e, "is refused: its address is not in PENSTOCK_DNS_ALLOW");
        break;
    case DNS_EVENT_CLIENT_LIMITED:
        log_client(e, "asks more than PENSTOCK_DNS_CLIENT_RATE, or has too many questions waiting: "
                      "it gets old answers, or SERVFAIL");
        break;
    case DNS_EVENT_LOOP:
        log_event(
            LOG_WARNING, dns_event_name(e->kind),
            "DNS server %s asks us what we ask it for %s: left out for this zone for five minutes",
            addr_text(e->server, server), dns_name_text(e->name, name));
        break;
    case DNS_EVENT_RESOLV_CONF:
    case DNS_EVENT_HOSTS:
        log_event(LOG_INFO, dns_event_name(e->kind), "%s was read anew: %u entries", e->path, e->n);
        break;
    default:
        log_event(LOG_WARNING, dns_event_name(e->kind),
                  "%s is empty or cannot be read: what it said before still holds", e->path);
    }
}

static void on_drain_late(struct io_timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, drain_timer);
    log_event(LOG_WARNING, "drain", "%zu connections were still busy at the deadline and are cut",
              w->proxy.n_clients - w->proxy.n_admin_clients);
    io_loop_stop(&w->loop);
}

/* What the proxy speaks to origins through. */
static bool open_upstream(struct worker *w, struct fault *f)
{
    const struct conf *conf = w->shared->conf;
    X509 *trust = w->shared->options->trust;
    w->tls = io_tls_client_new(conf->ca_file.n > 0 ? conf->ca_file.p : NULL, f);
    if (w->tls == NULL)
        return false;
    if (trust != NULL && !io_tls_trust(w->tls, trust))
        return fault_set(f, FAULT_NO_MEMORY, "start", NULL);
    w->upstream = upstream_new(&w->loop, w->dns, w->tls, conf, f);
    return w->upstream != NULL;
}

static bool open_tls_listeners(struct worker *w, struct fault *f)
{
    const struct server_shared *shared = w->shared;
    if (shared->identity == NULL)
        return true;
    proxy_set_tls(&w->proxy, io_tls_server_new(shared->identity, shared->tickets, f));
    return w->proxy.tls != NULL && open_listeners(w, &shared->conf->tls_listen, PROXY_PORT_TLS, f);
}

bool worker_init(struct worker *w, const struct server_shared *shared, unsigned index,
                 struct fault *f)
{
    const struct conf *conf = shared->conf;
    *w = (struct worker){ .shared = shared, .index = index };
    w->drain_timer.on_fire = on_drain_late;
    if (!io_loop_init(&w->loop))
        return fault_set(f, FAULT_SYSTEM, "start", "no event loop");
    w->has_loop = true;
    uv_prepare_init(&w->loop.uv, &w->flush);
    uv_prepare_start(&w->flush, on_flush);
    w->dns = dns_engine_new(&w->loop, shared->dns, f);
    if (w->dns == NULL)
        return false;
    if (shared->options->on_decision != NULL || (conf->self_check && conf->dns_listen.n > 0))
        dns_engine_on_decision(w->dns, on_dns_decision, w);
    dns_engine_on_event(w->dns, on_dns_event, w);
    if (conf->listen.n > 0 && !open_upstream(w, f))
        return false;
    w->has_proxy = proxy_init(&w->proxy, &w->loop, conf, w->upstream, shared->limits, f);
    if (!w->has_proxy || (index == 0 && !addresses_are_free(w, f)) ||
        !open_listeners(w, &conf->listen, PROXY_PORT_PUBLIC, f) || !open_tls_listeners(w, f))
        return false;
    if (conf->dns_listen.n > 0 && (w->front = dns_front_new(&w->loop, w->dns, conf, f)) == NULL)
        return false;
    admin_init(&w->admin, &w->loop, shared->dns, w->dns, shared->status);
    w->proxy.pages = &w->admin.pages;
    w->proxy.on_failure = on_failure;
    w->proxy.failure_arg = w;
    return index > 0 || open_listeners(w, &conf->admin, PROXY_PORT_ADMIN, f);
}

void worker_run(struct worker *w)
{
    const struct server_options *o = w->shared->options;
    if (o->on_ready != NULL)
        o->on_ready(o->arg);
    io_loop_run(&w->loop);
}

static void stop_when_done(struct worker *w)
{
    if (w->is_draining && w->n_draining == 0 && w->n_others == 0)
        io_loop_stop(&w->loop);
}

static void on_drained(void *arg)
{
    struct worker *w = arg;
    w->n_draining--;
    stop_when_done(w);
}

void worker_other_ended(void *arg)
{
    struct worker *w = arg;
    w->n_others--;
    stop_when_done(w);
}

static void close_listeners(struct worker *w)
{
    for (unsigned i = 0; i < w->n_listeners; i++)
        if (w->listeners[i].is_open)
            io_listener_close(&w->listeners[i].io);
    w->n_listeners = 0;
}

/* Who is in the backlog has connected, and may have sent a request: closing over it would be a
 * reset. The admin port goes on telling how it stands, until nothing is left to tell of. */
static void retire_listeners(struct worker *w)
{
    for (unsigned i = 0; i < w->n_listeners; i++) {
        struct worker_listener *l = &w->listeners[i];
        if (l->port == PROXY_PORT_ADMIN)
            continue;
        l->is_open = false;
        io_listener_retire(&l->io);
    }
}

void worker_drain(struct worker *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    status_set_draining(w->shared->status);
    w->n_draining = w->front != NULL ? 2 : 1;
    retire_listeners(w);
    io_timer_arm(&w->loop, &w->drain_timer, w->shared->conf->drain_timeout_ms);
    if (w->front != NULL)
        dns_front_drain(w->front, on_drained, w);
    proxy_drain(&w->proxy, on_drained, w);
}

void worker_done(struct worker *w)
{
    close_listeners(w);
    if (w->has_proxy)
        proxy_done(&w->proxy);
    if (w->upstream != NULL)
        upstream_free(w->upstream);
    dns_front_free(w->front);
    if (w->dns != NULL)
        dns_engine_free(w->dns);
    io_tls_free(w->tls);
    if (w->has_loop) {
        io_timer_disarm(&w->loop, &w->drain_timer);
        uv_close((uv_handle_t *)&w->flush, NULL);
        io_loop_done(&w->loop);
    }
    log_done();
}
