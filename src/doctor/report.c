#include "doctor/report.h"

#include "doctor/facts_view.h"

const char *finding_rank_name(enum finding_rank rank)
{
    static const char *const names[] = {
        [FINDING_ROOT] = "root", [FINDING_CONSEQUENCE] = "consequence", [FINDING_NOTICE] = "notice"
    };
    return names[rank];
}

const char *check_state_name(enum check_state state)
{
    static const char *const names[] = { [CHECK_SKIPPED] = "skipped",
                                         [CHECK_PASS] = "pass",
                                         [CHECK_FAIL] = "fail",
                                         [CHECK_UNKNOWN] = "unknown" };
    return names[state];
}

static bool has_answer_of_aws(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->calls.n; i++)
        if (view_is(f->calls.v[i].outcome, "ok"))
            return true;
    return false;
}

/* Beyond a log. */
static bool has_looked(const struct fact_facts *f)
{
    return f->questions.n > 0 || f->connections.n > 0 || f->resolv_conf.path.n > 0 ||
           f->resolv_conf.error.n > 0 || has_answer_of_aws(f);
}

bool report_has_judged(const struct diagnosis *d)
{
    return d->n_findings > 0 || has_looked(d->facts) || d->facts->log.lines > 0;
}

int report_exit_code(const struct diagnosis *d, enum finding_severity fail_on)
{
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->severity >= fail_on)
            return DOCTOR_FINDINGS;
    return d->n_unknown > 0 || !report_has_judged(d) ? DOCTOR_INCOMPLETE : DOCTOR_OK;
}

/* "3 consequences", ", " before it where something stands already. */
static void put_count(struct buf *out, size_t begin, unsigned n, const char *one, const char *many)
{
    if (n > 0)
        buf_printf(out, "%s%u %s", out->n > begin ? ", " : "", n, n == 1 ? one : many);
}

/* Each missing action once; PS6001 has all of them. */
static void put_actions(struct buf *out, const struct diagnosis *d)
{
    enum { MOST_ACTIONS = 3 };
    struct fact_book seen;
    struct fact_texts actions = { NULL, 0, 0 };
    fact_book_init(&seen);
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        for (size_t k = 0; k < d->results[i].actions.n; k++)
            if (d->results[i].state == CHECK_UNKNOWN &&
                !fact_has_text(&actions, d->results[i].actions.v[k]))
                fact_add_text(&seen, &actions, d->results[i].actions.v[k]);
    size_t n = actions.n > MOST_ACTIONS + 1 ? MOST_ACTIONS : actions.n;
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%.*s", i ? ", " : " (need ", STR_ARG(actions.v[i]));
    if (n < actions.n)
        buf_printf(out, " and %zu more", actions.n - n);
    if (actions.n > 0)
        buf_byte(out, ')');
    fact_book_done(&seen);
}

void report_summary(const struct diagnosis *d, struct buf *out)
{
    size_t begin = out->n;
    put_count(out, begin, d->n_roots, "root cause", "root causes");
    put_count(out, begin, d->n_consequences, "consequence", "consequences");
    put_count(out, begin, d->n_notices, "noticed", "noticed");
    if (d->n_roots + d->n_consequences + d->n_notices == 0)
        buf_append(out, !report_has_judged(d) ? STR("nothing could be checked")
                        : d->n_unknown > 0 || !has_looked(d->facts) ? STR("nothing found")
                                                                    : STR("all is well"));
    put_count(out, begin, d->n_unknown, "unknown", "unknown");
    put_actions(out, d);
}
