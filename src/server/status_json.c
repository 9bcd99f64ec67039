#include "obs/metrics.h"
#include "proxy/access_log.h"
#include "server/status_impl.h"
#include "server/verdict.h"

#include <stdio.h>
#include <stdlib.h>

struct writer {
    struct status *s;
    const struct status_look *l;
    struct json json;
    uint64_t metrics[N_METRICS];
};

/* Of a moment of the monotonic clock; 0: none. */
static uint64_t unix_of(const struct writer *w, uint64_t then_ms)
{
    uint64_t ago = w->l->now_ms > then_ms ? w->l->now_ms - then_ms : 0;
    return then_ms > 0 && w->l->unix_ms > ago ? w->l->unix_ms - ago : 0;
}

static void write_row(struct json *j, const char *key, const uint32_t v[static HISTORY_N],
                      bool is_us)
{
    json_open(j, key, '[');
    for (unsigned i = 0; i < HISTORY_N; i++) {
        if (v[i] == HISTORY_UNKNOWN)
            json_put_null(j, NULL);
        else if (is_us)
            json_put_ms(j, NULL, v[i]);
        else
            json_put_u64(j, NULL, v[i]);
    }
    json_close(j, '[');
}

/* -- the verdict -------------------------------------------------------------------------- */

static const char *finding_of(const struct status_look *l, enum finding_severity severity)
{
    for (unsigned i = 0; l->has_self_check && i < l->self_check.n; i++)
        if (l->self_check.v[i].severity == severity)
            return l->self_check.v[i].sentence;
    return NULL;
}

static void write_verdict(struct writer *w)
{
    const struct status_look *l = w->l;
    char suspect[ADDR_TEXT_BYTES] = "";
    unsigned most = FAULT_NONE;
    struct verdict_facts facts = {
        .ready = &l->ready,
        .finding_error = finding_of(l, FINDING_ERROR),
        .finding_warning = finding_of(l, FINDING_WARNING),
        .has_suspect_first = l->health.has_suspect_first,
        .suspect_zone =
            strcmp(l->health.suspect_zone, ".") == 0 ? "everything else" : l->health.suspect_zone,
        .reload_problem = w->s->reload.has_failed ? w->s->reload.problem : NULL,
    };
    if (facts.has_suspect_first)
        addr_text(&l->health.suspect_first, suspect);
    facts.suspect = suspect;
    for (unsigned k = 0; k < N_FAULTS; k++) {
        if (fault_is_clients(k))
            continue;
        facts.n_faults += l->failures.kinds[k].last_minute;
        if (l->failures.kinds[k].last_minute > l->failures.kinds[most].last_minute)
            most = k;
    }
    facts.fault = fault_row(most)->sentence;
    struct verdict v;
    verdict_judge(&facts, &v);
    json_put_text(&w->json, "state", verdict_state_text(v.state));
    json_put_text(&w->json, "sentence", v.sentence);
}

static void write_reload(struct writer *w)
{
    struct json *j = &w->json;
    json_open(j, "reload", '{');
    json_put_u64(j, "n", w->s->reload.n);
    json_put_time(j, "time", unix_of(w, w->s->reload.at_ms));
    json_put_bool(j, "ok", !w->s->reload.has_failed);
    json_put_text(j, "problem", w->s->reload.has_failed ? w->s->reload.problem : NULL);
    json_close(j, '{');
}

/* -- requests ----------------------------------------------------------------------------- */

static void write_requests(struct writer *w)
{
    static const char *const classes[] = { "2xx", "3xx", "4xx", "5xx" };
    struct json *j = &w->json;
    uint32_t row[HISTORY_N];
    uint64_t total = 0, open = w->metrics[METRIC_REQUESTS_OPEN];
    for (unsigned k = 0; k < N_FAULTS; k++)
        total += w->metrics[METRIC_FAULT_FIRST + k];
    json_open(j, "requests", '{');
    /* A difference of sums that were read one after the other: never below 0. */
    json_put_u64(j, "in_flight", open > INT64_MAX ? 0 : open);
    json_put_u64(j, "total", total);
    json_open(j, "responses", '{');
    for (unsigned i = 0; i < sizeof classes / sizeof *classes; i++)
        json_put_u64(j, classes[i], w->metrics[METRIC_RESPONSES_2XX + i]);
    json_close(j, '{');
    json_put_u64(j, "bytes_in", w->metrics[METRIC_CLIENT_BYTES_IN]);
    json_put_u64(j, "bytes_out", w->metrics[METRIC_CLIENT_BYTES_OUT]);
    json_open(j, "history", '{');
    history_read(&w->s->history, HISTORY_REQUESTS, row);
    write_row(j, "requests", row, false);
    history_read(&w->s->history, HISTORY_ERRORS, row);
    write_row(j, "errors", row, false);
    history_read(&w->s->history, HISTORY_FIRST_BYTE_US, row);
    write_row(j, "ttfb_ms", row, true);
    json_close(j, '{');
    json_close(j, '{');
}

static int compare_last(const void *a, const void *b, void *arg)
{
    const struct failures_view *v = arg;
    uint64_t x = v->kinds[*(const unsigned *)a].last_ms, y = v->kinds[*(const unsigned *)b].last_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

static void write_faults(struct writer *w)
{
    const struct failures_view *v = &w->l->failures;
    struct json *j = &w->json;
    unsigned kinds[N_FAULTS], n = 0;
    for (unsigned k = 0; k < N_FAULTS; k++)
        if (v->kinds[k].total > 0)
            kinds[n++] = k;
    qsort_r(kinds, n, sizeof kinds[0], compare_last, (void *)(uintptr_t)v);
    json_open(j, "faults", '[');
    for (unsigned i = 0; i < n; i++) {
        const struct fault_row *row = fault_row(kinds[i]);
        json_open(j, NULL, '{');
        json_put_text(j, "kind", row->name);
        json_put_text(j, "sentence", row->sentence);
        json_put_u64(j, "total", v->kinds[kinds[i]].total);
        json_put_u64(j, "last_minute", v->kinds[kinds[i]].last_minute);
        json_put_time(j, "last", unix_of(w, v->kinds[kinds[i]].last_ms));
        json_put_bool(j, "is_clients", fault_is_clients(kinds[i]));
        json_close(j, '{');
    }
    json_close(j, '[');
}

static void write_failure(struct writer *w, const struct failure *f)
{
    struct json *j = &w->json;
    const struct fault_row *row = fault_row(f->kind);
    char id[17], client[ADDR_TEXT_BYTES], sentence[FAULT_DETAIL_BYTES + 256];
    request_id_text(f->id, id);
    snprintf(sentence, sizeof sentence, "%s%s%.*s", row->sentence, f->detail[0] != 0 ? ": " : "",
             (int)strnlen(f->detail, sizeof f->detail), f->detail);
    json_open(j, NULL, '{');
    json_put_time(j, "time", unix_of(w, f->at_ms));
    json_put_text(j, "id", id);
    json_put_str(j, "method", str_of(f->method, f->n_method));
    json_put_str(j, "host", str_of(f->host, f->n_host));
    json_put_escaped(j, "path", str_of(f->path, f->n_path));
    if (f->status > 0)
        json_put_u64(j, "status", f->status);
    else
        json_put_null(j, "status");
    json_put_text(j, "kind", row->name);
    json_put_text(j, "sentence", sentence);
    json_put_text(j, "client", addr_text(&f->client, client));
    json_close(j, '{');
}

/* -- the rest ----------------------------------------------------------------------------- */

static void on_server(void *arg, struct json *j, const struct addr *server)
{
    const struct writer *w = arg;
    uint32_t row[HISTORY_N];
    json_open(j, "history", '{');
    history_read_server(&w->s->history, server, HISTORY_LATENCY_US, row);
    write_row(j, "latency_ms", row, true);
    history_read_server(&w->s->history, server, HISTORY_QUERIES, row);
    write_row(j, "queries", row, false);
    history_read_server(&w->s->history, server, HISTORY_FAILURES, row);
    write_row(j, "failures", row, false);
    json_close(j, '{');
}

static void write_address(struct writer *w, const struct upstream_board_entry *e)
{
    struct json *j = &w->json;
    char text[ADDR_TEXT_BYTES];
    json_open(j, NULL, '{');
    json_put_text(j, "scheme", e->scheme == CONF_HTTPS ? "https" : "http");
    json_put_str(j, "host", str_of(e->host, e->n_host));
    json_put_u64(j, "port", e->port);
    json_put_text(j, "address", addr_ip_text(&e->addr, text));
    json_put_u64(j, "idle", e->idle);
    json_put_u64(j, "busy", e->busy);
    json_put_u64(j, "connects", e->connects);
    json_put_u64(j, "failed", e->failed);
    json_put_time(j, "last_failure", unix_of(w, e->failed_ms));
    json_close(j, '{');
}

static void write_upstream(struct writer *w)
{
    struct json *j = &w->json;
    uint64_t open = w->metrics[METRIC_UPSTREAM_OPEN];
    json_open(j, "upstreams", '[');
    for (unsigned i = 0; i < w->l->n_upstreams; i++)
        write_address(w, &w->l->upstreams[i]);
    json_close(j, '[');
    json_open(j, "upstream", '{');
    json_put_u64(j, "open", open > INT64_MAX ? 0 : open);
    json_put_u64(j, "reused", w->metrics[METRIC_UPSTREAM_REUSED]);
    json_put_u64(j, "connects", w->metrics[METRIC_UPSTREAM_CONNECTED]);
    json_put_u64(j, "failed", w->metrics[METRIC_UPSTREAM_CONNECT_FAILED]);
    json_put_u64(j, "retries", w->metrics[METRIC_UPSTREAM_RETRIES]);
    json_put_u64(j, "resumes", w->metrics[METRIC_UPSTREAM_RESUMES]);
    json_close(j, '{');
}

static void write_finding(struct json *j, const struct self_check_finding *f)
{
    json_open(j, NULL, '{');
    json_put_text(j, "code", finding_row(f->code)->code);
    json_put_text(j, "severity", finding_severity_name(f->severity));
    json_put_text(j, "sentence", f->sentence);
    json_put_text(j, "evidence", f->evidence);
    json_put_text(j, "fix", f->fix);
    json_put_null(j, "url");
    json_close(j, '{');
}

static void write_self_check(struct writer *w)
{
    const struct self_check_state *state = &w->l->self_check;
    bool is_on = w->l->has_self_check;
    struct json *j = &w->json;
    json_open(j, "self_check", '{');
    json_put_bool(j, "is_on", is_on);
    json_put_u64(j, "runs", is_on ? state->n_runs : 0);
    json_put_time(j, "ended", is_on ? unix_of(w, state->ended_us / 1000) : 0);
    json_put_bool(j, "is_well", !is_on || state->is_well);
    json_open(j, "findings", '[');
    for (unsigned i = 0; is_on && i < state->n; i++)
        write_finding(j, &state->v[i]);
    json_close(j, '[');
    json_close(j, '{');
}

static void write_process(struct writer *w)
{
    struct json *j = &w->json;
    json_put_text(j, "version", PENSTOCK_VERSION);
    json_put_time(j, "time", w->l->unix_ms);
    json_put_time(j, "started", w->s->started_unix_ms);
    json_put_u64(j, "uptime_s", (io_now_us() - w->s->started_us) / 1000000);
    json_put_u64(j, "workers", w->s->sources.n_workers);
    json_put_text(j, "host", w->s->host);
    json_put_bool(j, "is_draining", status_is_draining(w->s));
    write_reload(w);
    write_verdict(w);
    ready_json(&w->l->ready, j, "ready");
    json_open(j, "history", '{');
    json_put_u64(j, "step_ms", HISTORY_STEP_MS);
    json_put_u64(j, "n", HISTORY_N);
    json_put_time(j, "end", w->l->unix_ms);
    json_close(j, '{');
}

void status_write(struct status *s, const struct status_look *l, struct buf *out)
{
    struct writer w = { .s = s, .l = l, .json = json_begin(out) };
    const struct dns_status_view dns = {
        .shared = s->sources.dns,
        .status = &l->dns,
        .now_ms = io_now_ms(s->loop),
        .unix_ms = l->unix_ms,
        .on_server = on_server,
        .arg = &w,
    };
    metrics_read(w.metrics);
    json_open(&w.json, NULL, '{');
    write_process(&w);
    write_requests(&w);
    write_faults(&w);
    json_open(&w.json, "failures", '[');
    for (unsigned i = 0; i < l->failures.n; i++)
        write_failure(&w, &l->failures.v[i]);
    json_close(&w.json, '[');
    dns_status_json(&dns, &w.json, "dns");
    write_upstream(&w);
    write_self_check(&w);
    json_close(&w.json, '{');
    buf_byte(out, '\n');
}
