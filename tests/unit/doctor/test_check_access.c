/* What a check says that lacks an AWS call: which permission, or that nobody asked. */
#include "fact_make.h"

#include <stdlib.h>

static void call(struct fact_book *b, const char *action, const char *outcome)
{
    struct fact_call *c = MAKE(b, call, calls);
    c->action = make_text(b, action);
    c->outcome = make_text(b, outcome);
}

static const struct row {
    const char *name;
    const char *calls[8]; /* action, outcome */
    const char *identity, *vpc, *cluster;
    const char *asked; /* the action that is needed */
    enum check_state state;
    const char *action; /* CHECK_UNKNOWN: the one that is named */
} rows[] = {
    { "it was made",
      { "ec2:DescribeVpcs", "ok" },
      "env",
      "v",
      NULL,
      "ec2:DescribeVpcs",
      CHECK_PASS,
      NULL },
    { "it was denied",
      { "ec2:DescribeVpcs", "denied" },
      "env",
      "v",
      NULL,
      "ec2:DescribeVpcs",
      CHECK_UNKNOWN,
      "ec2:DescribeVpcs" },
    { "one before it was denied",
      { "ecs:ListTasks", "denied" },
      "env",
      NULL,
      "c",
      "ecs:DescribeTasks",
      CHECK_UNKNOWN,
      "ecs:ListTasks" },
    { "two before it was denied",
      { "ecs:ListTasks", "denied" },
      "env",
      NULL,
      "c",
      "ecs:DescribeTaskDefinition",
      CHECK_UNKNOWN,
      "ecs:ListTasks" },
    { "the VPC is the task's, which is not known",
      { "ecs:DescribeTasks", "denied" },
      "env",
      NULL,
      "c",
      "route53:ListHostedZonesByVPC",
      CHECK_UNKNOWN,
      "ecs:DescribeTasks" },
    { "a call for another reason does not hide that",
      { "ec2:DescribeNetworkInterfaces", "ok", "ecs:DescribeTasks", "denied" },
      "env",
      NULL,
      "c",
      "ec2:DescribeVpcs",
      CHECK_UNKNOWN,
      "ecs:DescribeTasks" },
    { "the cluster has no task",
      { "ecs:ListTasks", "ok" },
      "env",
      NULL,
      "c",
      "ecs:DescribeTasks",
      CHECK_SKIPPED,
      NULL },
    { "a VPC was named, no task",
      { "ec2:DescribeVpcs", "ok" },
      "env",
      "v",
      NULL,
      "ecs:DescribeTasks",
      CHECK_SKIPPED,
      NULL },
    { "no credentials, and it was asked for",
      { NULL },
      NULL,
      "v",
      NULL,
      "ec2:DescribeVpcs",
      CHECK_UNKNOWN,
      "ec2:DescribeVpcs" },
    { "no credentials, and nobody asked",
      { NULL },
      NULL,
      NULL,
      NULL,
      "ec2:DescribeVpcs",
      CHECK_SKIPPED,
      NULL },
};

static void test_rows(void **arg)
{
    static const enum finding_code codes[] = { PS2003 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct fact_book b;
        struct diagnosis *d = calloc(1, sizeof *d);
        assert_non_null(d);
        fact_book_init(&b);
        fact_book_init(&d->book);
        d->facts = &b.facts;
        for (size_t k = 0; k + 1 < 8 && row->calls[k] != NULL; k += 2)
            call(&b, row->calls[k], row->calls[k + 1]);
        b.facts.identity.source = make_text(&b, row->identity);
        if (row->identity == NULL)
            b.facts.identity.error = make_text(&b, "there are none");
        b.facts.surroundings.vpc_id = make_text(&b, row->vpc);
        b.facts.surroundings.cluster = make_text(&b, row->cluster);
        if (check_needs_call(d, row->asked, codes, 1))
            check_pass(d, PS2003);
        const struct check_result *r = &d->results[PS2003];
        if (r->state != row->state)
            fail_msg("%s: state %d, not %d", row->name, r->state, row->state);
        if (row->action != NULL && !fact_has_text(&r->actions, str_from_c(row->action)))
            fail_msg("%s: %s is not named", row->name, row->action);
        assert_int_equal(r->actions.n, row->action != NULL);
        assert_true(row->state == CHECK_PASS || r->why.n > 0);
        diagnosis_done(d);
        free(d);
        fact_book_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
