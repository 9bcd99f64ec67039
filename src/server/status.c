#include "server/status_impl.h"

#include "obs/metrics.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static uint64_t unix_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static uint64_t now_ms(void)
{
    return io_now_us() / 1000;
}

struct status *status_new(struct fault *f)
{
    struct status *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    s->started_us = io_now_us();
    s->started_unix_ms = unix_now_ms();
    if (gethostname(s->host, sizeof s->host - 1) != 0)
        s->host[0] = 0;
    history_init(&s->history, now_ms());
    failures_init(&s->failures);
    upstream_board_init(&s->board);
    return s;
}

void status_free(struct status *s)
{
    if (s == NULL)
        return;
    failures_done(&s->failures);
    upstream_board_done(&s->board);
    free(s);
}

/* -- samples ------------------------------------------------------------------------------ */

static void read_totals(struct history_totals *out)
{
    static const enum histogram first_bytes[] = { HISTOGRAM_FIRST_BYTE_S3,
                                                  HISTOGRAM_FIRST_BYTE_REGISTRY,
                                                  HISTOGRAM_FIRST_BYTE_ARCHIVE };
    *out = (struct history_totals){ 0 };
    for (unsigned k = 0; k < N_FAULTS; k++) {
        uint64_t n = metric_read(METRIC_FAULT_FIRST + k);
        out->requests += n;
        if (!fault_is_clients(k))
            out->errors += n;
    }
    for (size_t i = 0; i < sizeof first_bytes / sizeof *first_bytes; i++) {
        struct histogram_sums v;
        histogram_read(first_bytes[i], &v);
        out->n_first_bytes += v.n;
        out->first_bytes_us += v.sum_us;
    }
}

static void read_server(const struct dns_server_status *from, struct history_server_totals *to)
{
    *to = (struct history_server_totals){
        .addr = from->addr,
        .queries = from->counts[DNS_SERVER_UDP] + from->counts[DNS_SERVER_TCP],
        .failures = from->counts[DNS_SERVER_TIMEOUTS] + from->counts[DNS_SERVER_UNREACHABLE] +
                    from->counts[DNS_SERVER_SERVFAIL] + from->counts[DNS_SERVER_REFUSED],
        .n_round_trips = from->n_round_trips,
        .round_trips_us = from->round_trips_us,
    };
}

static void mark(struct status_mark *m, uint64_t value, uint64_t at_ms)
{
    if (value > m->value)
        m->grew_ms = at_ms;
    m->value = value;
}

static uint64_t n_first_bytes(enum histogram h)
{
    struct histogram_sums v;
    histogram_read(h, &v);
    return v.n;
}

static void set_marks(struct status *s, const struct dns_health *health, uint64_t at_ms)
{
    mark(&s->dns_answered, health->aws_answered, at_ms);
    mark(&s->dns_failed, health->aws_failed, at_ms);
    mark(&s->s3_answered, n_first_bytes(HISTOGRAM_FIRST_BYTE_S3), at_ms);
    mark(&s->registry_answered,
         n_first_bytes(HISTOGRAM_FIRST_BYTE_REGISTRY) + n_first_bytes(HISTOGRAM_FIRST_BYTE_ARCHIVE),
         at_ms);
}

/* The counters as they are now go into the history. False without memory. */
static bool sample(struct status *s, struct dns_status *dns, struct dns_health *health,
                   uint64_t at_ms)
{
    struct history_totals totals;
    if (!dns_status_read(s->sources.dns, io_now_ms(s->loop), dns))
        return false;
    struct history_server_totals *servers = calloc(dns->n_servers + 1, sizeof *servers);
    if (servers == NULL) {
        dns_status_done(dns);
        return false;
    }
    for (size_t i = 0; i < dns->n_servers; i++)
        read_server(&dns->servers[i], &servers[i]);
    read_totals(&totals);
    history_see(&s->history, at_ms, &totals, servers, dns->n_servers);
    free(servers);
    dns_health_read(s->sources.dns, dns, health);
    set_marks(s, health, at_ms);
    return true;
}

static void on_timer(struct io_timer *t)
{
    struct status *s = LIST_ENTRY(t, struct status, timer);
    struct dns_status dns;
    struct dns_health health;
    if (sample(s, &dns, &health, now_ms()))
        dns_status_done(&dns);
    io_timer_arm(s->loop, &s->timer, HISTORY_STEP_MS);
}

void status_start(struct status *s, struct io_loop *loop, const struct status_sources *sources)
{
    s->loop = loop;
    s->sources = *sources;
    s->timer.on_fire = on_timer;
    io_timer_arm(loop, &s->timer, HISTORY_STEP_MS);
}

void status_stop(struct status *s)
{
    if (s != NULL && s->loop != NULL)
        io_timer_disarm(s->loop, &s->timer);
}

/* -- told --------------------------------------------------------------------------------- */

void status_failed(struct status *s, const struct proxy_failure *f)
{
    failures_add(&s->failures, f, now_ms());
}

struct upstream_board *status_board(struct status *s)
{
    return &s->board;
}

void status_set_draining(struct status *s)
{
    atomic_store(&s->is_draining, true);
}

bool status_is_draining(const struct status *s)
{
    return atomic_load(&s->is_draining);
}

void status_reloaded(struct status *s, const struct conf *conf, const char *problem)
{
    s->reload.n++;
    s->reload.at_ms = now_ms();
    s->reload.has_failed = problem != NULL;
    s->reload.problem[0] = 0;
    if (problem == NULL) {
        s->sources.conf = conf;
        return;
    }
    size_t n = strnlen(problem, sizeof s->reload.problem - 1);
    memcpy(s->reload.problem, problem, n);
    s->reload.problem[n] = 0;
}

/* -- a look ------------------------------------------------------------------------------- */

static void judge_ready(struct status *s, struct status_look *l)
{
    const struct conf *conf = s->sources.conf;
    bool has_proxy = conf->listen.n > 0 || conf->tls_listen.n > 0;
    const struct ready_facts facts = {
        .now_ms = l->now_ms,
        .is_draining = status_is_draining(s),
        .has_registry = has_proxy && conf->registry.host.n > 0,
        .has_s3 = has_proxy,
        .dns_all_suspect = l->health.aws_all_suspect,
        .dns_answered_ms = s->dns_answered.grew_ms,
        .dns_failed_ms = s->dns_failed.grew_ms,
        .n_unreached_s3 = l->failures.unreached_s3,
        .n_unreached_registry = l->failures.unreached_registry,
        .s3_answered_ms = s->s3_answered.grew_ms,
        .registry_answered_ms = s->registry_answered.grew_ms,
    };
    ready_judge(&facts, &l->ready);
}

struct status_look *status_look_new(struct status *s)
{
    struct status_look *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->now_ms = now_ms();
    l->unix_ms = unix_now_ms();
    if (!sample(s, &l->dns, &l->health, l->now_ms)) {
        free(l);
        return NULL;
    }
    failures_read(&s->failures, l->now_ms, &l->failures);
    l->n_upstreams = upstream_board_read(&s->board, l->now_ms, l->upstreams);
    l->has_self_check = self_check_read(s->sources.self_check, &l->self_check);
    judge_ready(s, l);
    return l;
}

void status_look_free(struct status_look *l)
{
    if (l == NULL)
        return;
    dns_status_done(&l->dns);
    free(l);
}

void status_ready(struct status *s, struct ready *out)
{
    struct status_look *l = status_look_new(s);
    if (l != NULL) {
        *out = l->ready;
        status_look_free(l);
        return;
    }
    /* Memory is short: what is known without any is told. */
    const struct ready_facts facts = { .is_draining = status_is_draining(s) };
    ready_judge(&facts, out);
}

void status_json(struct status *s, struct buf *out)
{
    struct status_look *l = status_look_new(s);
    if (l == NULL) {
        out->failed = true;
        return;
    }
    status_write(s, l, out);
    status_look_free(l);
}
