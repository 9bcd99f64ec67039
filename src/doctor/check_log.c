/*
 * What a log hints at. A log is a hint, a live probe is evidence: where something was probed, the
 * log's lines stand beside a finding of the probes and make none of their own.
 */
#include "doctor/check.h"
#include "doctor/facts_view.h"

static void put_group(struct diagnosis *d, struct finding *f, const struct fact_log_group *g)
{
    struct str name = g->name.n > 0 ? g->name : STR("a name that the line does not tell");
    const char *lines = g->count == 1 ? "line" : "lines";
    if (g->first.n > 0)
        finding_evidence(d, f, "log: %lld %s, %.*s to %.*s, %.*s: %.*s", (long long)g->count, lines,
                         STR_ARG(g->first), STR_ARG(g->last), STR_ARG(name), STR_ARG(g->meaning));
    else
        finding_evidence(d, f, "log: %lld %s, %.*s: %.*s", (long long)g->count, lines,
                         STR_ARG(name), STR_ARG(g->meaning));
    if (g->server.n > 0)
        finding_evidence(d, f, "log: the server was %.*s", STR_ARG(g->server));
}

/* Beside the first of the hints that the probes found, too. */
static void support(struct diagnosis *d, const struct fact_log_group *g)
{
    for (size_t i = 0; i < g->hints.n; i++) {
        enum finding_code code;
        if (finding_parse(g->hints.v[i], &code) && check_failed(d, code)) {
            put_group(d, d->results[code].finding, g);
            return;
        }
    }
}

static void put_other_hints(struct diagnosis *d, struct finding *f, const struct fact_log_group *g)
{
    struct buf text;
    buf_init(&text, 1024);
    for (size_t i = 1; i < g->hints.n; i++)
        buf_printf(&text, "%s%.*s", i > 1 ? ", " : "", STR_ARG(g->hints.v[i]));
    if (text.n > 0)
        finding_note(d, f, "such lines may also mean %.*s", STR_ARG(buf_str(&text)));
    buf_done(&text);
}

static void suspect(struct diagnosis *d, const struct fact_log_group *g)
{
    enum finding_code code;
    if (g->hints.n == 0 || !finding_parse(g->hints.v[0], &code))
        return;
    bool is_new = !check_failed(d, code);
    struct finding *f = check_fail(d, code, g->name.n > 0 ? g->name : g->server);
    put_group(d, f, g);
    put_other_hints(d, f, g);
    if (!is_new)
        return;
    finding_fix(d, f,
                "Ask the servers themselves: run `penstock doctor` in the task, or with --vpc");
    finding_fix(d, f, "penstock explain %s", finding_row(code)->code);
    finding_note(d, f, "this is what a log hints at; nothing was probed");
}

/* Without probes the log was all that there is to go by. */
static void need_all(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS1001, PS1002, PS1003, PS1004 };
    if (str_starts(d->facts->log.source, STR("cloudwatch:")))
        (void)check_needs_call(d, "logs:FilterLogEvents", codes, sizeof codes / sizeof *codes);
}

void check_log(struct diagnosis *d)
{
    const struct fact_log *log = &d->facts->log;
    bool is_probed = d->facts->questions.n > 0;
    if (!is_probed)
        need_all(d);
    for (size_t i = 0; i < log->groups.n; i++) {
        const struct fact_log_group *g = &log->groups.v[i];
        if (g->is_consequence == FACT_YES)
            continue;
        if (is_probed)
            support(d, g);
        else
            suspect(d, g);
    }
}
