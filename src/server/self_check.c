#include "server/self_check.h"

#include "dns/router.h"
#include "doctor/diagnosis.h"
#include "doctor/probe.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "server/self_check_pace.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct self_check {
    char *const *env;
    uv_thread_t thread;
    bool has_thread;
    atomic_bool is_ending;
    uv_mutex_t lock;
    uv_cond_t changed; /* conf, pace or is_ending */
    /* under the lock */
    const struct conf *conf; /* a run holds a reference of its own */
    struct self_check_pace pace;
    struct self_check_state state;
};

static uint64_t now_ms(void)
{
    return io_now_us() / 1000;
}

/* -- a run, on its thread ------------------------------------------------------------------- */

static struct str first_line(const struct fact_texts *lines)
{
    return lines->n > 0 ? lines->v[0] : STR("");
}

static void log_finding(const struct finding *f)
{
    static const enum log_level levels[] = {
        [FINDING_INFO] = LOG_INFO, [FINDING_WARNING] = LOG_WARNING, [FINDING_ERROR] = LOG_ERROR
    };
    struct str code = str_from_c(finding_row(f->code)->code), fix = first_line(&f->fix);
    struct log_field fields[] = {
        { "code", code },         { "severity", str_from_c(finding_severity_name(f->severity)) },
        { "sentence", f->title }, { "evidence", first_line(&f->evidence) },
        { "fix", fix },
    };
    struct buf message;
    buf_init(&message, 4096);
    buf_printf(&message, "%.*s: %.*s. `penstock explain %.*s` tells more", STR_ARG(code),
               STR_ARG(f->title), STR_ARG(code));
    log_event_with(levels[f->severity], "self_check", fields, sizeof fields / sizeof fields[0],
                   buf_str(&message));
    buf_done(&message);
}

static void copy_text(char to[static SELF_CHECK_TEXT_BYTES], struct str from)
{
    size_t n = from.n < SELF_CHECK_TEXT_BYTES - 1 ? from.n : SELF_CHECK_TEXT_BYTES - 1;
    if (n > 0)
        memcpy(to, from.p, n);
    to[n] = 0;
}

static void add_finding(struct self_check_state *state, const struct finding *f)
{
    state->is_well &= f->severity == FINDING_INFO;
    if (state->n == SELF_CHECK_MAX_FINDINGS)
        return;
    struct self_check_finding *to = &state->v[state->n++];
    to->code = f->code;
    to->severity = f->severity;
    copy_text(to->sentence, f->title);
    copy_text(to->evidence, first_line(&f->evidence));
    copy_text(to->fix, first_line(&f->fix));
}

/* The gauges are what this thread last said. */
static void count(const struct self_check_state *before, const struct self_check_state *after)
{
    static const enum metric metrics[] = { [FINDING_INFO] = METRIC_SELF_CHECK_NOTES,
                                           [FINDING_WARNING] = METRIC_SELF_CHECK_WARNINGS,
                                           [FINDING_ERROR] = METRIC_SELF_CHECK_ERRORS };
    for (unsigned i = 0; i < before->n; i++)
        metric_sub(metrics[before->v[i].severity], 1);
    for (unsigned i = 0; i < after->n; i++)
        metric_add(metrics[after->v[i].severity], 1);
}

/* What was found replaces what was known, and what is news is said. */
static void tell(struct self_check *s, const struct diagnosis *d, struct self_check_state *after)
{
    bool found[N_FINDING_CODES] = { false }, says[N_FINDING_CODES];
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->rank == FINDING_ROOT) {
            found[d->findings[i]->code] = true;
            add_finding(after, d->findings[i]);
        }
    uv_mutex_lock(&s->lock);
    if (!s->conf->self_check) {
        uv_mutex_unlock(&s->lock);
        return;
    }
    after->n_runs = s->state.n_runs + 1;
    after->ended_us = io_now_us();
    count(&s->state, after);
    metric_add(METRIC_SELF_CHECKS, 1);
    s->state = *after;
    bool is_well_again = self_check_pace_end(&s->pace, found, !after->is_well, now_ms(), says);
    uv_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->rank == FINDING_ROOT && says[d->findings[i]->code])
            log_finding(d->findings[i]);
    if (is_well_again)
        log_event(LOG_INFO, "self_check", "well: nothing is left of what was found before");
}

static void judge(struct self_check *s, const struct fact_facts *facts)
{
    struct diagnosis *d = malloc(sizeof *d);
    struct self_check_state *after = calloc(1, sizeof *after);
    if (d != NULL && after != NULL) {
        after->is_well = true;
        diagnose(facts, d);
        tell(s, d, after);
        diagnosis_done(d);
    } else {
        uv_mutex_lock(&s->lock);
        self_check_pace_failed_to_run(&s->pace, now_ms());
        uv_mutex_unlock(&s->lock);
    }
    free(after);
    free(d);
}

static void run(struct self_check *s, const struct conf *conf)
{
    struct fact_book book;
    struct fault fault = { .kind = FAULT_NONE };
    struct probe_request request = {
        .conf = conf,
        .env = s->env,
        .registry = conf->registry.host.n > 0 ? &conf->registry : NULL,
        .inside = true,
        .link_local_allowed = conf->dns_aws_allowed,
        .deadline_us = io_now_us() + SELF_CHECK_MS * 1000ULL,
        .is_light = true,
        .is_cancelled = &s->is_ending,
    };
    fact_book_init(&book);
    book.facts.taken_s = (int64_t)time(NULL);
    bool is_run = probe_run(&request, &book, &fault);
    if (is_run && !atomic_load(&s->is_ending))
        judge(s, &book.facts);
    fact_book_done(&book);
    if (is_run)
        return;
    uv_mutex_lock(&s->lock);
    self_check_pace_failed_to_run(&s->pace, now_ms());
    uv_mutex_unlock(&s->lock);
    log_event(LOG_WARNING, "self_check", "it could not be made: %s", fault.detail);
}

/* Under the lock: until a run is due or all ends. */
static bool wait_for_run(struct self_check *s)
{
    while (!atomic_load(&s->is_ending)) {
        uint64_t due_ms = SELF_CHECK_NEVER_MS, now = now_ms();
        if (s->conf->self_check)
            due_ms = self_check_pace_due_ms(&s->pace);
        if (due_ms <= now)
            return true;
        if (due_ms == SELF_CHECK_NEVER_MS)
            uv_cond_wait(&s->changed, &s->lock);
        else
            uv_cond_timedwait(&s->changed, &s->lock, (due_ms - now) * 1000000);
    }
    return false;
}

static void work(void *arg)
{
    struct self_check *s = arg;
    uv_mutex_lock(&s->lock);
    while (wait_for_run(s)) {
        self_check_pace_begin(&s->pace);
        const struct conf *conf = conf_ref(s->conf);
        uv_mutex_unlock(&s->lock);
        run(s, conf);
        conf_unref(conf);
        uv_mutex_lock(&s->lock);
    }
    uv_mutex_unlock(&s->lock);
    log_done();
}

/* -- from outside --------------------------------------------------------------------------- */

/* Signals are the main thread's: this one is born deaf to them. */
static int start_thread(struct self_check *s)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = uv_thread_create(&s->thread, work, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return r;
}

struct self_check *self_check_start(const struct conf *conf, char *const *env, struct fault *f)
{
    struct self_check *s = calloc(1, sizeof *s);
    if (s == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    s->conf = conf_ref(conf);
    s->env = env;
    s->state.is_well = true;
    self_check_pace_init(&s->pace, now_ms());
    int r = uv_mutex_init(&s->lock);
    if (r == 0 && (r = uv_cond_init(&s->changed)) != 0)
        uv_mutex_destroy(&s->lock);
    if (r == 0 && self_check_prepare(s, conf, f))
        return s;
    if (r == 0) {
        uv_cond_destroy(&s->changed);
        uv_mutex_destroy(&s->lock);
    }
    fault_set(f, FAULT_SYSTEM, "thread", "%s", uv_strerror(r));
    conf_unref(conf);
    free(s);
    return NULL;
}

bool self_check_prepare(struct self_check *s, const struct conf *conf, struct fault *f)
{
    if (s->has_thread || !conf->self_check)
        return true;
    int r = start_thread(s);
    s->has_thread = r == 0;
    return r == 0 || fault_set(f, FAULT_SYSTEM, "thread", "%s", uv_strerror(r));
}

void self_check_set(struct self_check *s, const struct conf *conf)
{
    static const struct self_check_state nothing = { .is_well = true };
    uv_mutex_lock(&s->lock);
    const struct conf *old = s->conf;
    s->conf = conf_ref(conf);
    if (conf->self_check) {
        self_check_pace_now(&s->pace, now_ms());
    } else {
        count(&s->state, &nothing);
        s->state = nothing;
        self_check_pace_init(&s->pace, now_ms());
    }
    uv_cond_signal(&s->changed);
    uv_mutex_unlock(&s->lock);
    conf_unref(old);
}

void self_check_free(struct self_check *s)
{
    if (s == NULL)
        return;
    uv_mutex_lock(&s->lock);
    atomic_store(&s->is_ending, true);
    uv_cond_signal(&s->changed);
    uv_mutex_unlock(&s->lock);
    if (s->has_thread)
        uv_thread_join(&s->thread);
    conf_unref(s->conf);
    uv_cond_destroy(&s->changed);
    uv_mutex_destroy(&s->lock);
    free(s);
}

/* One more reason for a run. */
static void note(struct self_check *s, bool (*reason)(struct self_check_pace *p, uint64_t now_ms))
{
    uv_mutex_lock(&s->lock);
    if (reason(&s->pace, now_ms()))
        uv_cond_signal(&s->changed);
    uv_mutex_unlock(&s->lock);
}

void self_check_failed(struct self_check *s, enum fault_kind kind)
{
    static const char *const stages[] = { "dns", "connect", "tls" };
    const char *stage = fault_row(kind)->stage;
    for (size_t i = 0; s != NULL && i < sizeof stages / sizeof stages[0]; i++)
        if (strcmp(stage, stages[i]) == 0)
            note(s, self_check_pace_failed);
}

static bool hope(struct self_check_pace *p, uint64_t now)
{
    (void)now;
    return self_check_pace_hope(p);
}

void self_check_event(struct self_check *s, enum dns_event_kind kind)
{
    if (s == NULL)
        return;
    if (kind == DNS_EVENT_SERVER_SUSPECT || kind == DNS_EVENT_GROUP_SWITCHED)
        note(s, self_check_pace_alarm);
    else if (kind == DNS_EVENT_SERVER_WELL || kind == DNS_EVENT_RESOLV_CONF)
        note(s, hope);
}

/* Anybody may ask the forwarder for a name that is broken by itself; AWS's are not. */
void self_check_decision(struct self_check *s, const struct dns_explain *x)
{
    if (s != NULL && x->source == DNS_FROM_NOWHERE && x->n_tries > 0 && dns_is_aws_name(&x->qname))
        note(s, self_check_pace_failed);
}

bool self_check_read(struct self_check *s, struct self_check_state *out)
{
    if (s == NULL)
        return false;
    uv_mutex_lock(&s->lock);
    *out = s->state;
    bool is_on = s->conf->self_check;
    uv_mutex_unlock(&s->lock);
    return is_on;
}
