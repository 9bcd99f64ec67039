#include "server/server.h"

#include "io/tls_tickets.h"
#include "obs/log.h"
#include "proxy/limits.h"
#include "server/certificate.h"
#include "server/self_check.h"
#include "server/status.h"
#include "server/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { N_SIGNALS = 3 };

struct server {
    struct server_shared shared;
    unsigned n_workers, n_threads;
    struct worker *workers;
    uv_thread_t *threads; /* of workers 1 and up; worker 0 runs on the main thread */
    uv_signal_t signals[N_SIGNALS];
    bool is_draining;
};

static void drain_worker(void *arg)
{
    worker_drain(arg);
}

static void stop_worker(void *arg)
{
    io_loop_stop(&((struct worker *)arg)->loop);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct server *s = handle->data;
    log_event(LOG_INFO, "drain",
              s->is_draining ? "signal %d again: stopping at once"
                             : "signal %d: finishing requests in flight",
              signum);
    for (unsigned i = 1; i < s->n_workers; i++)
        io_loop_post(&s->workers[i].loop, s->is_draining ? stop_worker : drain_worker,
                     &s->workers[i]);
    if (s->is_draining)
        stop_worker(&s->workers[0]);
    else
        worker_drain(&s->workers[0]);
    s->is_draining = true;
}

static bool watch_signals(struct server *s, struct fault *f)
{
    static const int signums[N_SIGNALS] = { SIGTERM, SIGINT, SIGQUIT };
    for (int i = 0; i < N_SIGNALS; i++) {
        int r = uv_signal_init(&s->workers[0].loop.uv, &s->signals[i]);
        s->signals[i].data = s;
        if (r == 0)
            r = uv_signal_start(&s->signals[i], on_signal, signums[i]);
        if (r != 0)
            return fault_set(f, FAULT_SYSTEM, "signal", "%s", uv_strerror(r));
    }
    return true;
}

/* Each client may need a descriptor of its own and one to S3. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A wildcard listener is reached by every address of the host. */
static void add_own_addresses(struct dns_shared *dns, const struct conf_addrs *listen)
{
    uv_interface_address_t *interfaces;
    int n;
    if (uv_interface_addresses(&interfaces, &n) != 0)
        n = 0;
    for (size_t i = 0; i < listen->n; i++) {
        dns_shared_add_own(dns, &listen->v[i]);
        if (addr_classify(&listen->v[i]) != ADDR_UNSPECIFIED)
            continue;
        for (int k = 0; k < n; k++) {
            struct addr own = { .v6 = interfaces[k].address.address6 };
            addr_set_port(&own, addr_port(&listen->v[i]));
            dns_shared_add_own(dns, &own);
        }
    }
    if (n > 0)
        uv_free_interface_addresses(interfaces, n);
}

static void run_worker(void *arg)
{
    struct worker *w = arg, *first = w - w->index;
    worker_run(w);
    io_loop_post(&first->loop, worker_other_ended, first);
    log_done();
}

/* What the workers' TLS listeners are made of. */
static bool prepare_tls(struct server_shared *shared, struct fault *f)
{
    if (shared->conf->tls_listen.n == 0)
        return true;
    shared->identity = certificate_read(shared->conf, f);
    if (shared->identity == NULL)
        return false;
    shared->tickets = io_tls_tickets_new();
    return shared->tickets != NULL || fault_set(f, FAULT_NO_MEMORY, "start", NULL);
}

static bool start(struct server *s, struct fault *f)
{
    const struct conf *conf = s->shared.conf;
    s->shared.dns = dns_shared_new(conf, f);
    if (s->shared.dns == NULL)
        return false;
    s->shared.status = status_new(f);
    if (s->shared.status == NULL)
        return false;
    add_own_addresses(s->shared.dns, &conf->listen);
    add_own_addresses(s->shared.dns, &conf->tls_listen);
    add_own_addresses(s->shared.dns, &conf->admin);
    add_own_addresses(s->shared.dns, &conf->dns_listen);
    s->shared.limits = limits_new(conf->max_connections, conf->max_connections_per_client);
    s->workers = calloc(conf->workers, sizeof *s->workers);
    s->threads = calloc(conf->workers, sizeof *s->threads);
    if (!prepare_tls(&s->shared, f))
        return false;
    if (s->shared.limits == NULL || s->workers == NULL || s->threads == NULL)
        return fault_set(f, FAULT_NO_MEMORY, "start", NULL);
    for (; s->n_workers < conf->workers; s->n_workers++)
        if (!worker_init(&s->workers[s->n_workers], &s->shared, s->n_workers, f)) {
            worker_done(&s->workers[s->n_workers]);
            return false;
        }
    if (!watch_signals(s, f))
        return false;
    if (conf->self_check && (s->shared.self_check = self_check_start(conf, environ, f)) == NULL)
        return false;
    const struct status_sources sources = { conf, s->shared.dns, s->shared.self_check,
                                            s->n_workers };
    status_start(s->shared.status, &s->workers[0].loop, &sources);
    for (unsigned i = 1; i < s->n_workers; i++, s->n_threads++, s->workers[0].n_others++) {
        int r = uv_thread_create(&s->threads[i], run_worker, &s->workers[i]);
        if (r != 0)
            return fault_set(f, FAULT_SYSTEM, "thread", "%s", uv_strerror(r));
    }
    return true;
}

/* "on [::]:80, 127.0.0.1:8081 (admin) and DNS on [::]:53" */
static void write_addresses(const struct worker *w, struct buf *out)
{
    char text[ADDR_TEXT_BYTES];
    const struct addr *dns;
    for (unsigned i = 0; i < w->n_listeners; i++) {
        const struct worker_listener *l = &w->listeners[i];
        static const char *const what[] = {
            [PROXY_PORT_PUBLIC] = "", [PROXY_PORT_TLS] = " (TLS)", [PROXY_PORT_ADMIN] = " (admin)"
        };
        buf_printf(out, "%s%s%s", i > 0 ? ", " : "on ", addr_text(&l->io.local, text),
                   what[l->port]);
    }
    if (w->n_listeners > 0 && w->front != NULL)
        buf_append(out, STR(" and "));
    for (size_t i = 0; w->front != NULL && (dns = dns_front_addr(w->front, i)) != NULL; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "DNS on ", addr_text(dns, text));
}

static void log_started(const struct server *s)
{
    struct buf where;
    buf_init(&where, 8192);
    write_addresses(&s->workers[0], &where);
    log_event(LOG_INFO, "start", "penstock " PENSTOCK_VERSION " serves %.*s, %u worker%s",
              STR_ARG(buf_str(&where)), s->n_workers, s->n_workers > 1 ? "s" : "");
    buf_done(&where);
    if (s->shared.identity != NULL)
        certificate_tell(s->shared.identity);
    if (!dns_shared_has_servers(s->shared.dns))
        log_event(LOG_WARNING, "dns_no_server",
                  "no DNS server is known: %.*s names none, and PENSTOCK_DNS_SERVERS is not set",
                  STR_ARG(s->shared.conf->resolv_conf));
}

/* The other workers are asked to stop and waited for before anything that they share goes. */
static void finish(struct server *s)
{
    for (unsigned i = 1; i <= s->n_threads; i++) {
        if (!s->is_draining)
            io_loop_post(&s->workers[i].loop, stop_worker, &s->workers[i]);
        uv_thread_join(&s->threads[i]);
    }
    for (int i = 0; i < N_SIGNALS; i++)
        if (s->signals[i].data != NULL)
            uv_close((uv_handle_t *)&s->signals[i], NULL);
    status_stop(s->shared.status);
    while (s->n_workers > 0)
        worker_done(&s->workers[--s->n_workers]);
    free(s->workers);
    free(s->threads);
    self_check_free(s->shared.self_check);
    limits_free(s->shared.limits);
    io_tls_identity_free(s->shared.identity);
    io_tls_tickets_free(s->shared.tickets);
    status_free(s->shared.status);
    dns_shared_free(s->shared.dns);
    log_done();
}

int server_run(const struct conf *conf, const struct server_options *options)
{
    static const struct server_options no_options;
    struct server s = { .shared = { .conf = conf, .options = options ? options : &no_options } };
    struct fault f = { .kind = FAULT_NONE };
    enum log_level level;
    if (log_level_parse(conf->log_level, &level))
        log_set_level(level);
    raise_descriptor_limit();
    bool is_started = start(&s, &f);
    if (is_started) {
        log_started(&s);
        worker_run(&s.workers[0]);
    } else {
        fprintf(stderr, "penstock: cannot start: %s: %s\n", f.step ? f.step : "start",
                f.detail[0] ? f.detail : fault_row(f.kind)->sentence);
    }
    finish(&s);
    return is_started ? 0 : 1;
}
