#pragma once
/*
 * Facts for tests of checks, a line each. What these return stays valid until the next one is added
 * to the same list. Lists of texts are written with blanks between: "10.0.0.1 10.0.0.2".
 */
#include "doctor/check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static inline struct str make_text(struct fact_book *b, const char *text)
{
    return text == NULL ? (struct str){ NULL, 0 } : fact_text(b, str_from_c(text));
}

static inline struct fact_texts make_texts(struct fact_book *b, const char *words)
{
    struct fact_texts list = { NULL, 0, 0 };
    struct str rest = str_from_c(words), word;
    while (str_next(&rest, ' ', &word))
        fact_add_text(b, &list, word);
    return list;
}

/* A cleared record at the end of the list b->facts.FIELD. */
#define MAKE(b, type, field) (make_##type(b, &(b)->facts.field))
#define MAKER(type)                                                                                \
    static inline struct fact_##type *make_##type(struct fact_book *b,                             \
                                                  struct fact_many_##type *list)                   \
    {                                                                                              \
        struct fact_##type record;                                                                 \
        FACT_CLEAR(type, &record);                                                                 \
        fact_add(b, list, &record);                                                                \
        return &list->v[list->n - 1];                                                              \
    }
#define RECORD(name, help) MAKER(name)
#include "doctor/facts.def"
#undef MAKER

/* Of the source, in its next place. Amazon's by its well-known address or the source "amazon". */
static inline struct fact_server *make_dns_server(struct fact_book *b, const char *address,
                                                  const char *source)
{
    int64_t place = 1;
    for (size_t i = 0; i < b->facts.servers.n; i++)
        place += str_eq(b->facts.servers.v[i].source, str_from_c(source));
    struct fact_server *s = MAKE(b, server, servers);
    s->address = make_text(b, address);
    s->source = make_text(b, source);
    s->place = place;
    s->is_amazon =
        fact_truth_of(strcmp(source, "amazon") == 0 || strcmp(address, "169.254.169.253") == 0 ||
                      strcmp(address, "fd00:ec2::253") == 0);
    s->sent = 0;
    s->answered = 0;
    if (strcmp(source, "resolv.conf") == 0)
        fact_add_text(b, &b->facts.resolv_conf.servers, str_from_c(address));
    return s;
}

static inline struct fact_name *make_dns_name(struct fact_book *b, const char *name,
                                              const char *purpose)
{
    struct fact_name *n = MAKE(b, name, names);
    n->name = make_text(b, name);
    n->purpose = make_text(b, purpose);
    n->is_aws = fact_truth_of(str_ends_nocase(str_from_c(name), STR("amazonaws.com")));
    return n;
}

/* Over UDP with EDNS. type A, or AAAA where an address has a colon. The server's counts follow. */
static inline struct fact_question *ask(struct fact_book *b, const char *server, const char *name,
                                        const char *outcome, const char *addresses)
{
    static const struct {
        const char *outcome;
        int rcode;
    } rcodes[] = { { "answer", 0 },   { "nodata", 0 }, { "formerr", 1 }, { "servfail", 2 },
                   { "nxdomain", 3 }, { "notimp", 4 }, { "refused", 5 } };
    struct fact_question *q = MAKE(b, question, questions);
    q->server = make_text(b, server);
    q->name = make_text(b, name);
    q->type = make_text(b, strchr(addresses, ':') != NULL ? "AAAA" : "A");
    q->transport = make_text(b, "udp");
    q->edns = FACT_YES;
    q->outcome = make_text(b, outcome);
    q->addresses = make_texts(b, addresses);
    q->tries = 1;
    q->replies = 0;
    q->time_us = 3000;
    for (size_t i = 0; i < sizeof rcodes / sizeof *rcodes; i++)
        if (strcmp(rcodes[i].outcome, outcome) == 0) {
            q->rcode = rcodes[i].rcode;
            q->replies = 1;
            q->has_question = FACT_YES;
        }
    if (strcmp(outcome, "timeout") == 0) {
        q->tries = 3;
        q->time_us = 2000000;
    }
    for (size_t i = 0; i < b->facts.servers.n; i++)
        if (str_eq(b->facts.servers.v[i].address, q->server)) {
            b->facts.servers.v[i].sent += q->tries;
            b->facts.servers.v[i].answered += q->replies;
        }
    return q;
}

/* To port 443. outcome ok: with TLS and an HTTP 200 behind. servers: whose answers had it. */
static inline struct fact_connection *dial(struct fact_book *b, const char *name,
                                           const char *purpose, const char *address,
                                           const char *servers, const char *outcome)
{
    struct fact_connection *c = MAKE(b, connection, connections);
    c->name = make_text(b, name);
    c->purpose = make_text(b, purpose);
    c->address = make_text(b, address);
    c->port = 443;
    c->servers = make_texts(b, servers);
    c->outcome = make_text(b, outcome);
    c->tries = 2;
    c->time_us = strcmp(outcome, "timeout") == 0 ? 3000000 : 2000;
    if (strcmp(outcome, "ok") == 0) {
        c->tries = 1;
        c->tls = make_text(b, "ok");
        c->http = make_text(b, "ok");
        c->status = 200;
        c->skew_s = 0;
    }
    return c;
}

static inline struct fact_call *make_aws_call(struct fact_book *b, const char *action,
                                              const char *outcome)
{
    struct fact_call *c = MAKE(b, call, calls);
    c->action = make_text(b, action);
    c->outcome = make_text(b, outcome);
    return c;
}

/* Everything that the doctor asks of AWS came to this. */
static inline void make_aws_calls(struct fact_book *b, const char *outcome)
{
    static const char *const actions[] = {
        "ec2:DescribeVpcs",
        "ec2:DescribeVpcAttribute",
        "ec2:DescribeDhcpOptions",
        "ec2:DescribeVpcEndpoints",
        "ec2:DescribeSubnets",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeRouteTables",
        "ec2:DescribeManagedPrefixLists",
        "ecs:DescribeTasks",
        "ecs:ListTasks",
        "ecs:DescribeTaskDefinition",
        "ecs:DescribeServices",
        "servicediscovery:ListNamespaces",
        "servicediscovery:ListServices",
        "servicediscovery:ListInstances",
        "servicediscovery:GetInstancesHealthStatus",
        "route53resolver:ListResolverEndpoints",
        "route53resolver:ListResolverRules",
        "route53resolver:ListResolverRuleAssociations",
        "route53resolver:ListFirewallRuleGroupAssociations",
        "route53resolver:ListFirewallRules",
        "route53resolver:ListFirewallDomains",
        "route53resolver:GetFirewallConfig",
        "route53:ListHostedZonesByVPC",
        "sts:GetCallerIdentity",
    };
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        make_aws_call(b, actions[i], outcome);
}

/* The text of a finding's evidence, or of any list of lines, has this in it. */
static inline bool lines_have(const struct fact_texts *lines, const char *part)
{
    for (size_t i = 0; i < lines->n; i++)
        if (str_contains(lines->v[i], str_from_c(part)))
            return true;
    return false;
}

static inline const char *state_name(enum check_state s)
{
    static const char *const names[] = { "skipped", "pass", "fail", "unknown" };
    return names[s];
}

/* Fails the test with all that was said of the code, unless it is in that state. */
static inline void expect_state(const struct diagnosis *d, enum finding_code code,
                                enum check_state state, const char *row)
{
    const struct check_result *r = &d->results[code];
    if (r->state == state)
        return;
    print_error("%s: %s is %s (%.*s), not %s\n", row, finding_row(code)->code, state_name(r->state),
                STR_ARG(r->why), state_name(state));
    for (size_t i = 0; r->finding != NULL && i < r->finding->evidence.n; i++)
        print_error("    %.*s\n", STR_ARG(r->finding->evidence.v[i]));
    fail();
}
