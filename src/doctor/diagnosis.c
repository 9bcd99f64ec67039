#include "doctor/check.h"
#include "doctor/facts_view.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void (*const checks[])(struct diagnosis *d) = {
    check_answers,   check_views,      check_loss, check_servers,
    check_transport, check_amazon_dns, check_way,  check_connections,
    check_registry,  check_task,       check_log,  check_access,
};

void diagnose(const struct fact_facts *facts, struct diagnosis *d)
{
    memset(d, 0, sizeof *d);
    d->facts = facts;
    fact_book_init(&d->book);
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        checks[i](d);
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        if (d->results[i].state == CHECK_FAIL)
            d->findings[d->n_findings++] = d->results[i].finding;
        d->n_unknown += d->results[i].state == CHECK_UNKNOWN;
    }
    check_precedence(d);
    unsigned *const counts[] = { [FINDING_ROOT] = &d->n_roots,
                                 [FINDING_CONSEQUENCE] = &d->n_consequences,
                                 [FINDING_NOTICE] = &d->n_notices };
    for (unsigned i = 0; i < d->n_findings; i++)
        *counts[d->findings[i]->rank] += 1;
}

void diagnosis_done(struct diagnosis *d)
{
    fact_book_done(&d->book);
}

enum finding_severity diagnosis_worst(const struct diagnosis *d, bool *any)
{
    enum finding_severity worst = FINDING_INFO;
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->severity > worst)
            worst = d->findings[i]->severity;
    *any = d->n_findings > 0;
    return worst;
}

/* printf into the diagnosis' own memory. */
__attribute__((format(printf, 2, 0))) static struct str keep(struct diagnosis *d,
                                                             const char *format, va_list args)
{
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    if (n < 0)
        return (struct str){ NULL, 0 };
    struct str kept = fact_text(&d->book, str_of(text, (size_t)n));
    free(text);
    return kept;
}

/* A failure is not taken back, and an unknown only by a failure. */
static bool set_state(struct diagnosis *d, enum finding_code code, enum check_state state)
{
    struct check_result *r = &d->results[code];
    if (r->state == CHECK_FAIL || (r->state == CHECK_UNKNOWN && state != CHECK_FAIL))
        return false;
    r->state = state;
    return true;
}

void check_pass(struct diagnosis *d, enum finding_code code)
{
    if (set_state(d, code, CHECK_PASS))
        d->results[code].why = (struct str){ NULL, 0 };
}

void check_skip(struct diagnosis *d, enum finding_code code, const char *why, ...)
{
    if (!set_state(d, code, CHECK_SKIPPED))
        return;
    va_list args;
    va_start(args, why);
    d->results[code].why = keep(d, why, args);
    va_end(args);
}

void check_unknown(struct diagnosis *d, enum finding_code code, const char *why, ...)
{
    if (!set_state(d, code, CHECK_UNKNOWN))
        return;
    va_list args;
    va_start(args, why);
    d->results[code].why = keep(d, why, args);
    va_end(args);
}

/* Somebody named what AWS is to be asked about; a task learns of itself from its metadata. */
static bool is_asked_for(const struct fact_facts *f)
{
    const struct fact_surroundings *s = &f->surroundings;
    return s->vpc_id.n > 0 || (s->cluster.n > 0 && !str_eq(s->cluster, f->metadata.cluster)) ||
           (s->task.n > 0 && !str_eq(s->task, f->metadata.task_arn));
}

/* What is asked before an action, and tells what to ask about. */
static const struct {
    const char *action, *before;
} orders[] = {
    { "ecs:DescribeTasks", "ecs:ListTasks" },
    { "ecs:DescribeTaskDefinition", "ecs:DescribeTasks" },
    { "ec2:DescribeNetworkInterfaces", "ecs:DescribeTasks" },
    { "ec2:DescribeDhcpOptions", "ec2:DescribeVpcs" },
    { "servicediscovery:ListServices", "servicediscovery:ListNamespaces" },
    { "servicediscovery:ListInstances", "servicediscovery:ListServices" },
    { "servicediscovery:GetInstancesHealthStatus", "servicediscovery:ListInstances" },
    { "route53resolver:ListResolverRules", "route53resolver:ListResolverRuleAssociations" },
    { "route53resolver:ListFirewallDomains", "route53resolver:ListFirewallRules" },
    { "route53resolver:GetFirewallConfig", "route53resolver:ListFirewallRuleGroupAssociations" },
    /* The VPC is the one of the task's interface where none was named. */
    { "ec2:", "ec2:DescribeNetworkInterfaces" },
    { "route53resolver:", "ec2:DescribeNetworkInterfaces" },
    { "route53:", "ec2:DescribeNetworkInterfaces" },
};

/* The action itself, or the one before it that failed, so that it was never asked. NULL: there was
 * nothing to ask it about. */
static const struct fact_call *decisive_call(const struct fact_facts *f, const char *action)
{
    enum { MOST_STEPS = 8 };
    for (unsigned step = 0; step < MOST_STEPS && action != NULL; step++) {
        const struct fact_call *call = view_call(f, action);
        const char *before = NULL;
        if (call != NULL && (step == 0 || !view_is(call->outcome, "ok")))
            return call;
        for (size_t i = 0; i < sizeof orders / sizeof *orders && before == NULL; i++)
            if (str_starts(str_from_c(action), str_from_c(orders[i].action)) &&
                strcmp(action, orders[i].before) != 0)
                before = orders[i].before;
        action = before;
    }
    return NULL;
}

static void miss(struct diagnosis *d, enum finding_code code, struct str action, struct str why)
{
    struct check_result *r = &d->results[code];
    check_unknown(d, code, "%.*s: %.*s", STR_ARG(action), STR_ARG(why));
    if (r->state == CHECK_UNKNOWN && !fact_has_text(&r->actions, action))
        fact_add_text(&d->book, &r->actions, action);
}

bool check_needs_call(struct diagnosis *d, const char *action, const enum finding_code *codes,
                      size_t n)
{
    const struct fact_identity *identity = &d->facts->identity;
    const struct fact_call *call = decisive_call(d->facts, action);
    if (call != NULL && view_is(call->outcome, "ok"))
        return true;
    for (size_t i = 0; i < n; i++) {
        if (call != NULL)
            miss(d, codes[i], call->action, call->message.n > 0 ? call->message : call->outcome);
        else if (identity->error.n > 0 && is_asked_for(d->facts))
            miss(d, codes[i], str_from_c(action), identity->error);
        else if (identity->source.n > 0)
            check_skip(d, codes[i], "nothing was named or found that %s could be asked about",
                       action);
        else
            check_skip(
                d, codes[i], "needs AWS credentials: %.*s",
                STR_ARG(identity->error.n > 0 ? identity->error : STR("it was not asked for")));
    }
    return false;
}

struct finding *check_fail(struct diagnosis *d, enum finding_code code, struct str subject)
{
    struct check_result *r = &d->results[code];
    if (r->finding != NULL)
        return r->finding;
    const struct finding_row *row = finding_row(code);
    struct fact_list one = { NULL, 0, 0 };
    struct finding new_finding = { .code = code,
                                   .severity = row->severity,
                                   .cause = row->causes[0],
                                   .title = str_from_c(row->title),
                                   .subject = fact_text(&d->book, subject),
                                   .rank = FINDING_ROOT,
                                   .because = code };
    fact_add_any(&d->book, &one, sizeof new_finding, &new_finding);
    if (one.n == 0)
        return NULL;
    r->state = CHECK_FAIL;
    r->finding = one.v;
    return r->finding;
}

__attribute__((format(printf, 3, 0))) static void
add_line(struct diagnosis *d, struct fact_texts *to, const char *format, va_list args)
{
    struct str line = keep(d, format, args);
    if (line.p != NULL && !fact_has_text(to, line))
        fact_add(&d->book, to, &line);
}

void finding_title(struct diagnosis *d, struct finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str title = keep(d, format, args);
    va_end(args);
    if (f != NULL && title.p != NULL)
        f->title = title;
}

void finding_evidence(struct diagnosis *d, struct finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (f != NULL)
        add_line(d, &f->evidence, format, args);
    va_end(args);
}

void finding_fix(struct diagnosis *d, struct finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (f != NULL)
        add_line(d, &f->fix, format, args);
    va_end(args);
}

void finding_note(struct diagnosis *d, struct finding *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    if (f != NULL)
        add_line(d, &f->notes, format, args);
    va_end(args);
}
