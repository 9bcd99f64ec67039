#pragma once
/*
 * Rows of tests of what servers answer: the network of network_make.h with two corporate servers
 * and Amazon's, what each says of S3 and of the registry, and what one code comes to.
 */
#include "network_make.h"

struct row {
    const char *name;
    const char *servers; /* of resolv.conf */
    const char *said[6]; /* first, second, Amazon: of S3, of the registry; NULL: not asked */
    void (*also)(struct fact_book *b);
    enum finding_code code;
    enum check_state state;
    enum finding_severity severity;
    const char *evidence; /* a part of one line; NULL: any */
};

#define FAILS(code, severity, evidence) code, CHECK_FAIL, severity, evidence
#define IS(code, state) code, state, 0, NULL
#define E FINDING_ERROR
#define W FINDING_WARNING
#define I FINDING_INFO
#define SERVER "10.9.0.53"
#define SECOND "10.9.0.54"
#define TWO SERVER " " SECOND
#define REG "10.0.1.99"

static inline struct fact_question *question(struct fact_book *b, const char *server,
                                             const char *name)
{
    for (size_t i = 0; i < b->facts.questions.n; i++) {
        struct fact_question *q = &b->facts.questions.v[i];
        if (str_eq(q->server, str_from_c(server)) && str_eq(q->name, str_from_c(name)))
            return q;
    }
    return NULL;
}

static inline void outside(struct fact_book *b)
{
    b->facts.surroundings.inside = FACT_NO;
}

static inline void plain_works(struct fact_book *b)
{
    ask(b, SERVER, S3, "answer", PUBLIC)->edns = FACT_NO;
    ask(b, SERVER, REGISTRY, "answer", REG)->edns = FACT_NO;
}

static inline void build_row(struct fact_book *b, const struct row *row)
{
    fact_book_init(b);
    build_network(b, row->servers);
    says(b, SERVER, row->said[0], row->said[1]);
    says(b, SECOND, row->said[2], row->said[3]);
    says(b, AMAZON, row->said[4], row->said[5]);
    if (row->also != NULL)
        row->also(b);
}

static inline void expect_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *row = &rows[i];
        struct fact_book b;
        struct diagnosis d;
        build_row(&b, row);
        diagnose(&b.facts, &d);
        if (row->state == CHECK_FAIL)
            expect_finding(&d, row->code, row->severity, row->evidence, row->name);
        else
            expect_state(&d, row->code, row->state, row->name);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}
