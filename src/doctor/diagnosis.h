#pragma once
/*
 * Facts -> findings. Each check is a pure function: it reads facts, says for its codes whether they
 * pass, and adds at most one finding a code, with evidence that is in the facts. Then the findings
 * are set apart: root causes, what follows from them, what was only noticed (check_precedence.c).
 *
 * A diagnosis owns its texts; it borrows the facts.
 */
#include "doctor/facts.h"
#include "doctor/finding.h"

enum check_state {
    CHECK_SKIPPED, /* it does not apply, or nobody asked: why says */
    CHECK_PASS,
    CHECK_FAIL,
    CHECK_UNKNOWN, /* a fact could not be had: why says, action is the permission that is missing */
};

enum finding_rank {
    FINDING_ROOT,        /* it explains failures */
    FINDING_CONSEQUENCE, /* it goes away with the root in because; counted, not repeated */
    FINDING_NOTICE,      /* noticed on the way: it explains none of the failures */
};

struct finding {
    enum finding_code code;
    enum finding_severity severity;
    char cause;                 /* of the article: 1, 2, 3; o for others */
    struct str title;           /* finding_row's, or one that says it for this case */
    struct str subject;         /* the server, name or resource that it is about */
    struct fact_texts evidence; /* lines; each is true by the facts */
    struct fact_texts fix;      /* lines, the first is the sentence; commands among them */
    struct fact_texts notes;    /* lines: who is not affected and the like */
    enum finding_rank rank;
    enum finding_code because; /* of a consequence: the root cause; else the code itself */
};

struct check_result {
    enum check_state state;
    struct str why;
    struct fact_texts actions; /* CHECK_UNKNOWN: "ec2:DescribeVpcs" ... */
    struct finding *finding;   /* CHECK_FAIL */
};

struct diagnosis {
    const struct fact_facts *facts;
    struct check_result results[N_FINDING_CODES];
    /* CHECK_FAIL's by rank; within one in the order of causes, then by severity and code */
    unsigned n_findings;
    struct finding *findings[N_FINDING_CODES];
    unsigned n_roots, n_consequences, n_notices; /* of findings */
    unsigned n_unknown;                          /* of results */
    /* private */
    struct fact_book book;
};

/* All checks, then their order. facts outlive it. */
void diagnose(const struct fact_facts *facts, struct diagnosis *d);
void diagnosis_done(struct diagnosis *d);

/* Of all findings; *any is false when there are none. */
enum finding_severity diagnosis_worst(const struct diagnosis *d, bool *any);

/* For checks. A check that says nothing of a code leaves it CHECK_SKIPPED without a reason. */
void check_pass(struct diagnosis *d, enum finding_code code);
void check_skip(struct diagnosis *d, enum finding_code code, const char *why, ...)
    __attribute__((format(printf, 3, 4)));
void check_unknown(struct diagnosis *d, enum finding_code code, const char *why, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * Whether the action ("ec2:DescribeVpcs") brought its facts. If not, all of codes (n of them)
 * become CHECK_UNKNOWN with the action and the reason, or CHECK_SKIPPED where there are no
 * credentials and nobody asked for a VPC, cluster or task.
 */
bool check_needs_call(struct diagnosis *d, const char *action, const enum finding_code *codes,
                      size_t n);
/* CHECK_FAIL; the finding of before when there is one. Title, severity and cause are the row's
 * until changed. NULL without memory. */
struct finding *check_fail(struct diagnosis *d, enum finding_code code, struct str subject);
/* f may be NULL. A line that is there already is not added again. */
void finding_title(struct diagnosis *d, struct finding *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_evidence(struct diagnosis *d, struct finding *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_fix(struct diagnosis *d, struct finding *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_note(struct diagnosis *d, struct finding *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static inline bool check_failed(const struct diagnosis *d, enum finding_code code)
{
    return d->results[code].state == CHECK_FAIL;
}
