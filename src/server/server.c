#include "server/server.h"

#include "dns/router.h"
#include "io/tls_tickets.h"
#include "obs/log.h"
#include "proxy/limits.h"
#include "server/certificate.h"
#include "server/reload.h"
#include "server/self_check.h"
#include "server/status.h"
#include "server/worker.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

enum { N_SIGNALS = 4 };

struct server {
    struct server_shared shared;
    unsigned n_workers, n_threads;
    struct worker *workers;
    uv_thread_t *threads; /* of workers 1 and up; worker 0 runs on the main thread */
    uv_signal_t signals[N_SIGNALS];
    sigset_t signals_before;
    struct io_tls_identity *identity; /* of the start, for the log */
    bool is_draining;
};

/* What ends the process comes first. */
static const int signums[N_SIGNALS] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP };

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
    if (signum == SIGHUP) {
        reload_request(s->shared.reload);
        return;
    }
    if (s->shared.reload != NULL)
        reload_stop(s->shared.reload);
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

/* Held back from before the first address is open until there is somebody to take them. */
static void hold_signals(struct server *s)
{
    sigset_t ours;
    sigemptyset(&ours);
    for (int i = 0; i < N_SIGNALS; i++)
        if (signums[i] != SIGHUP || s->shared.options->source != NULL)
            sigaddset(&ours, signums[i]);
    pthread_sigmask(SIG_BLOCK, &ours, &s->signals_before);
}

void server_hold_reloads(void)
{
    sigset_t hup;
    sigemptyset(&hup);
    sigaddset(&hup, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &hup, NULL);
}

/* The threads that there are by now never take one. */
static void let_signals_in(struct server *s)
{
    if (s->shared.options->source != NULL)
        sigdelset(&s->signals_before, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &s->signals_before, NULL);
}

static bool watch_signals(struct server *s, struct fault *f)
{
    for (int i = 0; i < N_SIGNALS; i++) {
        if (signums[i] == SIGHUP && s->shared.reload == NULL)
            continue;
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

static void run_worker(void *arg)
{
    struct worker *w = arg, *first = w - w->index;
    worker_run(w);
    io_loop_post(&first->loop, worker_other_ended, first);
    log_done();
}

static bool start_shared(struct server *s, struct fault *f)
{
    const struct conf *conf = s->shared.conf;
    struct addr own[DNS_MAX_OWN];
    s->shared.dns = dns_shared_new(conf, f);
    if (s->shared.dns == NULL)
        return false;
    s->shared.status = status_new(f);
    if (s->shared.status == NULL)
        return false;
    size_t n = plan_own_addresses(conf, own, DNS_MAX_OWN);
    for (size_t i = 0; i < n; i++)
        dns_shared_add_own(s->shared.dns, &own[i]);
    s->shared.limits = limits_new(conf->max_connections, conf->max_connections_per_client);
    s->shared.tickets = io_tls_tickets_new();
    bool has_all = s->shared.limits != NULL && s->shared.tickets != NULL;
    return has_all || fault_set(f, FAULT_NO_MEMORY, "start", NULL);
}

static bool start_workers(struct server *s, struct fault *f)
{
    const struct conf *conf = s->shared.conf;
    const struct plan_request request = { .conf = conf,
                                          .trust = s->shared.options->trust,
                                          .tickets = s->shared.tickets };
    struct plan *p = plan_new(&request, f);
    if (p == NULL)
        return false;
    bool ok = true;
    for (; ok && s->n_workers < conf->workers; s->n_workers++) {
        struct worker *w = &s->workers[s->n_workers];
        ok = worker_init(w, &s->shared, s->n_workers, &p->kits[s->n_workers], f);
        if (!ok) {
            worker_done(w);
            break;
        }
    }
    s->identity = p->identity;
    p->identity = NULL;
    plan_free(p);
    return ok;
}

static bool start(struct server *s, struct fault *f)
{
    const struct conf *conf = s->shared.conf;
    if (!start_shared(s, f))
        return false;
    s->workers = calloc(conf->workers, sizeof *s->workers);
    s->threads = calloc(conf->workers, sizeof *s->threads);
    if (s->workers == NULL || s->threads == NULL)
        return fault_set(f, FAULT_NO_MEMORY, "start", NULL);
    if (!start_workers(s, f))
        return false;
    if (s->shared.options->source != NULL &&
        (s->shared.reload = reload_new(&s->shared, s->workers, f)) == NULL)
        return false;
    if (!watch_signals(s, f))
        return false;
    s->shared.self_check = self_check_start(conf, environ, f);
    if (s->shared.self_check == NULL)
        return false;
    const struct status_sources sources = { conf, s->shared.dns, s->shared.self_check,
                                            s->n_workers };
    status_start(s->shared.status, &s->workers[0].loop, &sources);
    for (unsigned i = 1; i < s->n_workers; i++, s->n_threads++, s->workers[0].n_others++) {
        int r = uv_thread_create(&s->threads[i], run_worker, &s->workers[i]);
        if (r != 0)
            return fault_set(f, FAULT_SYSTEM, "thread", "%s", uv_strerror(r));
    }
    let_signals_in(s);
    return true;
}

/* "on [::]:80, 127.0.0.1:8081 (admin) and DNS on [::]:53" */
static void write_addresses(const struct worker *w, struct buf *out)
{
    char text[ADDR_TEXT_BYTES];
    const struct addr *dns;
    for (const struct list *it = w->listeners.next; it != &w->listeners; it = it->next) {
        static const char *const what[] = {
            [PROXY_PORT_PUBLIC] = "", [PROXY_PORT_TLS] = " (TLS)", [PROXY_PORT_ADMIN] = " (admin)"
        };
        const struct worker_listener *l = LIST_ENTRY(it, struct worker_listener, node);
        buf_printf(out, "%s%s%s", out->n > 0 ? ", " : "on ", addr_text(&l->io.local, text),
                   what[l->port]);
    }
    if (out->n > 0 && w->front != NULL)
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
    if (s->identity != NULL)
        certificate_tell(s->identity);
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
    reload_free(s->shared.reload);
    while (s->n_workers > 0)
        worker_done(&s->workers[--s->n_workers]);
    free(s->workers);
    free(s->threads);
    self_check_free(s->shared.self_check);
    limits_free(s->shared.limits);
    io_tls_identity_free(s->identity);
    io_tls_tickets_free(s->shared.tickets);
    status_free(s->shared.status);
    dns_shared_free(s->shared.dns);
    conf_unref(s->shared.conf);
    log_done();
}

int server_run(const struct conf *conf, const struct server_options *options)
{
    static const struct server_options no_options;
    struct server s = { .shared = { .conf = conf_ref(conf),
                                    .options = options ? options : &no_options } };
    struct fault f = { .kind = FAULT_NONE };
    enum log_level level;
    if (log_level_parse(conf->log_level, &level))
        log_set_level(level);
    raise_descriptor_limit();
    hold_signals(&s);
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
