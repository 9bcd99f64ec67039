#include "server/worker.h"

#include "obs/log.h"
#include "server/self_check.h"

#include <stdlib.h>

static void on_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct worker *w = l->owner;
    struct worker_listener *own = LIST_ENTRY(l, struct worker_listener, io);
    proxy_accept(&w->proxy, fd, peer, own->port);
}

static struct worker_listener *listener_of(struct list *node)
{
    return LIST_ENTRY(node, struct worker_listener, node);
}

static void free_listener(struct worker_listener *l)
{
    io_listener_close(&l->io);
    list_remove(&l->node);
    free(l);
}

/* Who is in the backlog has connected, and may have sent a request: closing over it would be a
 * reset. */
static void retire(struct worker_listener *l)
{
    io_listener_retire(&l->io);
    free_listener(l);
}

/* The admin port goes on telling how it stands, until nothing is left to tell of. */
static void retire_listeners(struct worker *w)
{
    LIST_EACH (it, after, &w->listeners)
        if (listener_of(it)->port != PROXY_PORT_ADMIN)
            retire(listener_of(it));
}

/* Those whose address the settings do not have any more. Who has connected there goes on. */
static void give_up_listeners(struct worker *w)
{
    LIST_EACH (it, after, &w->listeners)
        if (!worker_listens_at(w->conf, listener_of(it)->port, &listener_of(it)->at))
            retire(listener_of(it));
}

static bool start_listeners(struct worker *w, struct worker_kit *kit, struct fault *f)
{
    bool ok = true;
    LIST_EACH (it, after, &kit->listeners) {
        struct worker_listener *l = listener_of(it);
        list_remove(&l->node);
        list_push_back(&w->listeners, &l->node);
        l->io.owner = w;
        l->io.on_accept = on_accept;
        if (io_listener_start(&l->io, &w->loop, f))
            continue;
        free_listener(l);
        ok = false;
    }
    return ok;
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

/* The front's settings and sockets; what there is stays where the kit has none. */
static bool take_front(struct worker *w, struct worker_kit *kit, struct fault *f)
{
    if (w->front == NULL && kit->front == NULL)
        return true;
    if (w->front == NULL) {
        w->front = kit->front;
        kit->front = NULL;
    }
    struct dns_front_sockets *sockets = kit->dns_sockets;
    kit->dns_sockets = NULL;
    return dns_front_set(w->front, w->conf, sockets, f);
}

static bool change_over(struct worker *w, struct worker_kit *kit, struct fault *f)
{
    const struct conf *old_conf = w->conf;
    w->conf = kit->conf;
    kit->conf = NULL;
    bool hears_all = w->shared->options->on_decision != NULL ||
                     (w->conf->self_check && w->conf->dns_listen.n > 0);
    dns_engine_on_decision(w->dns, hears_all ? on_dns_decision : NULL, w);
    if (w->upstream != NULL) {
        struct io_tls *old_tls = w->tls;
        w->tls = kit->tls;
        kit->tls = NULL;
        upstream_set(w->upstream, w->tls, w->conf);
        if (old_tls != w->tls)
            io_tls_free(old_tls);
    }
    proxy_set_policy(&w->proxy, kit->policy);
    kit->policy = NULL;
    /* Where TLS is switched off, who has connected before still gets what there was. */
    if (kit->client_tls != NULL)
        proxy_set_tls(&w->proxy, kit->client_tls);
    kit->client_tls = NULL;
    give_up_listeners(w);
    bool ok = take_front(w, kit, f);
    ok = start_listeners(w, kit, f) && ok;
    conf_unref(old_conf);
    return ok;
}

void worker_take(struct worker *w, struct worker_kit *kit)
{
    struct fault f = { .kind = FAULT_NONE };
    /* All addresses are closed then, and no new request begins. */
    if (w->is_draining)
        return;
    if (!change_over(w, kit, &f))
        log_event(LOG_ERROR, "reload_failed", "worker %u: an address is not listened on: %s",
                  w->index, f.detail[0] != 0 ? f.detail : fault_row(f.kind)->sentence);
}

bool worker_init(struct worker *w, const struct server_shared *shared, unsigned index,
                 struct worker_kit *kit, struct fault *f)
{
    const struct conf *conf = kit->conf;
    *w = (struct worker){ .shared = shared, .index = index };
    list_init(&w->listeners);
    w->drain_timer.on_fire = on_drain_late;
    if (!io_loop_init(&w->loop))
        return fault_set(f, FAULT_SYSTEM, "start", "no event loop");
    w->has_loop = true;
    uv_prepare_init(&w->loop.uv, &w->flush);
    uv_prepare_start(&w->flush, on_flush);
    w->dns = dns_engine_new(&w->loop, shared->dns, f);
    if (w->dns == NULL)
        return false;
    dns_engine_on_event(w->dns, on_dns_event, w);
    if (kit->tls != NULL) {
        w->upstream = upstream_new(&w->loop, w->dns, kit->tls, conf, f);
        if (w->upstream == NULL)
            return false;
        upstream_on_board(w->upstream, status_board(shared->status));
    }
    w->has_proxy = proxy_init(&w->proxy, &w->loop, conf, w->upstream, shared->limits, f);
    if (!w->has_proxy)
        return false;
    admin_init(&w->admin, &w->loop, shared->dns, w->dns, shared->status);
    w->proxy.pages = &w->admin.pages;
    w->proxy.on_failure = on_failure;
    w->proxy.failure_arg = w;
    if (conf->dns_listen.n > 0) {
        kit->front = dns_front_new_idle(&w->loop, w->dns, conf, f);
        if (kit->front == NULL)
            return false;
    }
    return change_over(w, kit, f);
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
    LIST_EACH (it, after, &w->listeners)
        free_listener(listener_of(it));
}

void worker_drain(struct worker *w)
{
    if (w->is_draining)
        return;
    w->is_draining = true;
    status_set_draining(w->shared->status);
    w->n_draining = w->front != NULL ? 2 : 1;
    retire_listeners(w);
    io_timer_arm(&w->loop, &w->drain_timer, w->conf->drain_timeout_ms);
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
    conf_unref(w->conf);
    if (w->has_loop) {
        io_timer_disarm(&w->loop, &w->drain_timer);
        uv_close((uv_handle_t *)&w->flush, NULL);
        io_loop_done(&w->loop);
    }
    log_done();
}
