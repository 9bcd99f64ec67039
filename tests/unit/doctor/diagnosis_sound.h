#pragma once
/* What holds of every diagnosis, whatever the facts are: for random facts, and for the fuzzer. */
#include "doctor/report.h"

#include <stdio.h>

static inline const char *finding_unsound(const struct diagnosis *d, const struct finding *f)
{
    const struct finding *root = d->results[f->because].finding;
    if (f->evidence.n == 0)
        return "it has no evidence";
    if (f->fix.n == 0 && f->severity > FINDING_INFO)
        return "it has no fix";
    if (f->title.n == 0)
        return "it has no title";
    for (size_t i = 0; i < f->evidence.n; i++)
        if (f->evidence.v[i].n == 0)
            return "a line of evidence is empty";
    if (f->rank != FINDING_CONSEQUENCE && f->because != f->code)
        return "only a consequence has a cause";
    if (f->rank == FINDING_CONSEQUENCE && (root == NULL || root->rank != FINDING_ROOT))
        return "a consequence is one of a root";
    return NULL;
}

/* NULL, or what is wrong; *code is of which finding. */
static inline const char *diagnosis_unsound(const struct diagnosis *d, enum finding_code *code)
{
    unsigned n = 0;
    bool any_error = false, any_root = false;
    for (unsigned i = 0; i < d->n_findings; i++) {
        const struct finding *f = d->findings[i];
        *code = f->code;
        const char *problem = finding_unsound(d, f);
        if (problem != NULL)
            return problem;
        if (i > 0 && d->findings[i - 1]->rank > f->rank)
            return "findings are not in the order of their ranks";
        any_error = any_error || f->severity == FINDING_ERROR;
        any_root = any_root || f->rank == FINDING_ROOT;
    }
    for (unsigned c = 0; c < N_FINDING_CODES; c++) {
        *code = (enum finding_code)c;
        n += d->results[c].state == CHECK_FAIL;
        if (d->results[c].state == CHECK_UNKNOWN && d->results[c].why.n == 0)
            return "nobody says why it is unknown";
    }
    if (n != d->n_findings || d->n_roots + d->n_consequences + d->n_notices != n)
        return "the numbers do not add up";
    return any_error && !any_root ? "an error without a root" : NULL;
}
