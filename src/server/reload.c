#include "server/reload.h"

#include "obs/log.h"
#include "obs/metrics.h"
#include "proxy/limits.h"
#include "server/certificate.h"
#include "server/self_check.h"
#include "server/status.h"
#include "server/worker.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ERRORS_BYTES = 64 * 1024, MESSAGE_BYTES = 8 * 1024 };

struct reload {
    struct server_shared *shared;
    struct worker *workers;
    uv_async_t *done; /* outlives it until the loop has closed it */
    uv_thread_t thread;
    bool is_running;     /* the thread, */
    atomic_bool is_made; /* to its end */
    bool is_taking;      /* plan is being taken: some worker may not have had its kit yet */
    bool is_wanted, is_over;
    const struct conf *before; /* while it is taken: the status still tells of it */
    bool was_ok;               /* as the gauge has it, */
    uint64_t ok_time_s;        /* and this one */
    /* the thread's while it runs */
    struct plan *plan;
    struct buf errors; /* lines */
    struct conf_changes changes;
};

/* -- on its thread -------------------------------------------------------------------------- */

static void note_fault(struct reload *r, const struct fault *f)
{
    buf_printf(&r->errors, "%s: %s\n", f->step != NULL ? f->step : "reload",
               f->detail[0] != 0 ? f->detail : fault_row(f->kind)->sentence);
}

static void make_plan(struct reload *r, const struct conf *conf)
{
    struct fault f = { .kind = FAULT_NONE };
    const struct plan_request request = { .conf = conf,
                                          .running = r->shared->conf,
                                          .trust = r->shared->options->trust,
                                          .tickets = r->shared->tickets,
                                          .workers = r->workers,
                                          .dns = r->shared->dns };
    if (self_check_prepare(r->shared->self_check, conf, &f))
        r->plan = plan_new(&request, &f);
    if (r->plan == NULL)
        note_fault(r, &f);
}

static void work(void *arg)
{
    struct reload *r = arg;
    const struct server_source *source = r->shared->options->source;
    struct conf *conf = conf_load_again(source->env, source->file, source->use, &r->errors);
    if (conf != NULL) {
        conf_compare(conf, r->shared->conf, &r->changes);
        if (source->use == CONF_FOR_DNS && conf->dns_listen.n == 0)
            buf_append(&r->errors, STR("PENSTOCK_DNS_LISTEN: off leaves nothing to do\n"));
        else if (conf_keep_at_start(conf, r->shared->conf))
            make_plan(r, conf);
    }
    conf_unref(conf);
    atomic_store(&r->is_made, true);
    uv_async_send(r->done);
}

/* -- on worker 0's -------------------------------------------------------------------------- */

static uint64_t wall_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec;
}

static void count(struct reload *r, bool is_ok)
{
    metric_add(is_ok ? METRIC_RELOADS : METRIC_RELOADS_FAILED, 1);
    if (is_ok && !r->was_ok)
        metric_add(METRIC_CONFIG_OK, 1);
    if (!is_ok && r->was_ok)
        metric_sub(METRIC_CONFIG_OK, 1);
    r->was_ok = is_ok;
    if (!is_ok)
        return;
    uint64_t now_s = wall_s();
    metric_add(METRIC_CONFIG_TIME, now_s - r->ok_time_s);
    r->ok_time_s = now_s;
}

static void fail(struct reload *r)
{
    struct str left = buf_str(&r->errors);
    char first[STATUS_PROBLEM_BYTES] = "";
    count(r, false);
    if (r->errors.failed || left.n == 0)
        left = STR("out of memory\n");
    while (left.n > 0) {
        size_t end = str_find(left, '\n', 0);
        struct str line = str_first(left, end);
        if (first[0] == 0)
            snprintf(first, sizeof first, "%.*s", STR_ARG(line));
        log_event(LOG_ERROR, "reload_failed", "%.*s (the settings before still hold)",
                  STR_ARG(line));
        left = str_from(left, end + 1);
    }
    status_reloaded(r->shared->status, NULL, first);
}

static void list_keys(const bool is_in[N_CONF_SETTINGS], struct buf *out)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++)
        if (is_in[s])
            buf_printf(out, "%s%s", out->n > 0 ? ", " : "", conf_key((enum conf_setting)s));
}

/* Values stay out of it: `penstock config show` has them. */
static void tell(const struct conf_changes *changes)
{
    struct buf changed, restart, message;
    buf_init(&changed, MESSAGE_BYTES);
    buf_init(&restart, MESSAGE_BYTES);
    buf_init(&message, 3UL * MESSAGE_BYTES);
    list_keys(changes->is_changed, &changed);
    list_keys(changes->needs_restart, &restart);
    if (changed.n > 0)
        buf_printf(&message, "settings were read again, these have changed: %.*s",
                   STR_ARG(buf_str(&changed)));
    else
        buf_append(&message, STR("settings were read again, none has changed; authorities and "
                                 "files of DNS are those of now"));
    if (restart.n > 0)
        buf_printf(&message, "; only a restart changes: %.*s", STR_ARG(buf_str(&restart)));
    struct log_field fields[] = { { "changed", buf_str(&changed) },
                                  { "needs_restart", buf_str(&restart) } };
    log_event_with(restart.n > 0 ? LOG_WARNING : LOG_INFO, "reload", fields,
                   sizeof fields / sizeof fields[0], buf_str(&message));
    buf_done(&changed);
    buf_done(&restart);
    buf_done(&message);
}

/* Who is the last one tells worker 0, which may have freed the plan by then: only its done, which
 * stays until all threads have ended, may be touched. */
static void taken(struct plan *p)
{
    uv_async_t *done = p->done;
    if (atomic_fetch_sub_explicit(&p->n_left, 1, memory_order_acq_rel) == 1)
        uv_async_send(done);
}

static void take(void *arg)
{
    struct worker_kit *k = arg;
    worker_take(k->worker, k);
    worker_kit_done(k);
    taken(k->plan);
}

static void apply(struct reload *r)
{
    struct server_shared *s = r->shared;
    struct plan *p = r->plan;
    enum log_level level;
    r->before = s->conf;
    s->conf = conf_ref(p->conf);
    dns_reload_apply(p->dns, r->workers[0].dns);
    p->dns = NULL;
    limits_set(s->limits, s->conf->max_connections, s->conf->max_connections_per_client);
    if (log_level_parse(s->conf->log_level, &level))
        log_set_level(level);
    r->is_taking = true;
    p->done = r->done;
    atomic_store(&p->n_left, p->n_kits);
    for (unsigned i = 0; i < p->n_kits; i++) {
        struct worker_kit *k = &p->kits[i];
        k->worker = &r->workers[i];
        k->plan = p;
        if (i == 0) {
            take(k);
        } else if (!io_loop_post(&r->workers[i].loop, take, k)) {
            log_event(LOG_ERROR, "reload_failed", "out of memory: worker %u is as it was", i);
            taken(p);
        }
    }
    self_check_set(s->self_check, s->conf);
}

/* From here on no worker has anything of before, but for what is in flight. */
static void finish(struct reload *r)
{
    struct server_shared *s = r->shared;
    r->is_taking = false;
    status_reloaded(s->status, s->conf, NULL);
    conf_unref(r->before);
    r->before = NULL;
    count(r, true);
    tell(&r->changes);
    if (r->plan->identity != NULL)
        certificate_tell(r->plan->identity);
    else
        certificate_forget();
    plan_free(r->plan);
    r->plan = NULL;
}

static void start(struct reload *r);

static void join(struct reload *r)
{
    uv_thread_join(&r->thread);
    r->is_running = false;
    if (r->is_over) {
        plan_free(r->plan);
        r->plan = NULL;
    } else if (r->plan != NULL) {
        apply(r);
    } else {
        fail(r);
    }
    buf_done(&r->errors);
}

/* Sent by the thread at its end, and by the worker that is the last to take its kit: what was sent
 * by either may come when it has been seen already. */
static void on_done(uv_async_t *handle)
{
    struct reload *r = handle->data;
    if (r == NULL)
        return;
    if (r->is_running && atomic_load(&r->is_made))
        join(r);
    if (r->is_taking && atomic_load_explicit(&r->plan->n_left, memory_order_acquire) == 0)
        finish(r);
    if (r->is_wanted && !r->is_over && !r->is_running && !r->is_taking)
        start(r);
}

/* Signals are the main thread's: this one is born deaf to them. */
static int start_thread(struct reload *r)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = uv_thread_create(&r->thread, work, r);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

static void start(struct reload *r)
{
    r->is_wanted = false;
    r->plan = NULL;
    buf_init(&r->errors, ERRORS_BYTES);
    atomic_store(&r->is_made, false);
    int e = start_thread(r);
    r->is_running = e == 0;
    if (r->is_running)
        return;
    buf_printf(&r->errors, "thread: %s\n", uv_strerror(e));
    fail(r);
    buf_done(&r->errors);
}

void reload_request(struct reload *r)
{
    if (r->is_over)
        log_event(LOG_INFO, "reload", "settings are not read again: the process is about to end");
    else if (r->is_running || r->is_taking)
        r->is_wanted = true;
    else
        start(r);
}

struct reload *reload_new(struct server_shared *shared, struct worker *workers, struct fault *f)
{
    struct reload *r = calloc(1, sizeof *r);
    if (r == NULL || (r->done = malloc(sizeof *r->done)) == NULL) {
        free(r);
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    r->shared = shared;
    r->workers = workers;
    int e = uv_async_init(&workers[0].loop.uv, r->done, on_done);
    if (e != 0) {
        free(r->done);
        free(r);
        fault_set(f, FAULT_SYSTEM, "start", "%s", uv_strerror(e));
        return NULL;
    }
    r->done->data = r;
    r->was_ok = true;
    r->ok_time_s = wall_s();
    metric_add(METRIC_CONFIG_OK, 1);
    metric_add(METRIC_CONFIG_TIME, r->ok_time_s);
    return r;
}

void reload_stop(struct reload *r)
{
    r->is_over = true;
}

void reload_free(struct reload *r)
{
    if (r == NULL)
        return;
    if (r->is_running) {
        uv_thread_join(&r->thread);
        buf_done(&r->errors);
    }
    /* A worker that has ended took no more. */
    plan_free(r->plan);
    conf_unref(r->before);
    r->done->data = NULL;
    io_close_and_free(r->done);
    free(r);
}
