#pragma once
/* Networks for tests of the checks that judge DNS servers: names, servers and answers, terse. */
#include "fact_make.h"

#include "doctor/facts_view.h"

#define S3 "s3.eu-west-1.amazonaws.com"
#define BUCKET "data.s3.eu-west-1.amazonaws.com"
#define REGISTRY "registry.stk"
#define AMAZON "169.254.169.253"
#define PUBLIC "52.218.1.1 52.218.1.2"
#define PUBLIC_TOO "52.218.7.7"
#define PRIVATE "10.0.1.77"

/* AAAA; addresses may be empty. */
static inline struct fact_question *ask6(struct fact_book *b, const char *server, const char *name,
                                         const char *outcome, const char *addresses)
{
    struct fact_question *q = ask(b, server, name, outcome, addresses);
    q->type = make_text(b, "AAAA");
    return q;
}

/* Some of its tries were answered. */
static inline void lose(struct fact_question *q, int64_t replies, int64_t tries)
{
    q->replies = replies;
    q->tries = tries;
}

/* S3 and a registry, on ECS, with servers of resolv.conf ("10.9.0.53 10.9.0.54") and Amazon's. */
static inline void build_network(struct fact_book *b, const char *servers)
{
    struct fact_surroundings *s = &b->facts.surroundings;
    struct str rest = str_from_c(servers), one;
    char address[64];
    s->on_ecs = s->inside = s->link_local_allowed = FACT_YES;
    s->has_ipv6 = FACT_NO;
    s->region = make_text(b, "eu-west-1");
    b->facts.resolv_conf.path = make_text(b, "/etc/resolv.conf");
    make_dns_name(b, S3, "s3");
    make_dns_name(b, REGISTRY, "registry");
    while (str_next(&rest, ' ', &one)) {
        snprintf(address, sizeof address, "%.*s", STR_ARG(one));
        make_dns_server(b, address, "resolv.conf");
    }
    if (!str_contains(str_from_c(servers), STR(AMAZON)))
        make_dns_server(b, AMAZON, "amazon");
}

/* No Amazon, no registry: a machine somewhere on the internet. */
static inline void build_internet(struct fact_book *b, const char *servers)
{
    build_network(b, servers);
    b->facts.surroundings.on_ecs = b->facts.surroundings.link_local_allowed = FACT_NO;
    b->facts.names.n = 1;
    b->facts.servers.n -= 1;
}

/* What a server says of both names; NULL: not asked. The outcome, or addresses. */
static inline void says(struct fact_book *b, const char *server, const char *s3,
                        const char *registry)
{
    const char *const names[] = { S3, REGISTRY }, *const said[] = { s3, registry };
    for (int i = 0; i < 2; i++) {
        if (said[i] == NULL)
            continue;
        bool is_answer = said[i][0] >= '0' && said[i][0] <= '9';
        ask(b, server, names[i], is_answer ? "answer" : said[i], is_answer ? said[i] : "");
    }
}

static inline void print_finding(const struct finding *f)
{
    print_error("%s, severity %d: %.*s\n", finding_row(f->code)->code, (int)f->severity,
                STR_ARG(f->title));
    for (size_t i = 0; i < f->evidence.n; i++)
        print_error("    %.*s\n", STR_ARG(f->evidence.v[i]));
}

/* It is there, of that severity, with evidence that has the part in it (NULL: any), and a fix. */
static inline void expect_finding(const struct diagnosis *d, enum finding_code code,
                                  enum finding_severity severity, const char *evidence,
                                  const char *row)
{
    expect_state(d, code, CHECK_FAIL, row);
    const struct finding *f = d->results[code].finding;
    if (f->severity == severity && f->evidence.n > 0 && f->fix.n > 0 && f->title.n > 0 &&
        (evidence == NULL || lines_have(&f->evidence, evidence)))
        return;
    print_error("%s: severity %d and '%s' are wanted of\n", row, (int)severity,
                evidence != NULL ? evidence : "any evidence");
    print_finding(f);
    fail();
}
