#include "doctor/dhcp_fix.h"
#include "fact_make.h"

#include <stdlib.h>

static struct fact_resolver_rule *rule(struct fact_book *b, const char *domain, const char *type,
                                       const char *status)
{
    struct fact_resolver_rule *r = MAKE(b, resolver_rule, resolver_rules);
    r->domain = make_text(b, domain);
    r->type = make_text(b, type);
    r->status = make_text(b, status);
    return r;
}

static void test_all_that_is_known(void **arg)
{
    struct fact_book b;
    struct dhcp_state s;
    struct str zones[] = { STR("corp.test") };
    fact_book_init(&b);
    b.facts.surroundings.region = make_text(&b, "eu-west-1");
    b.facts.vpc.id = make_text(&b, "vpc-1");
    b.facts.vpc.cidrs = make_texts(&b, "10.0.0.0/16 10.1.0.0/16");
    b.facts.dhcp.id = make_text(&b, "dopt-1");
    b.facts.dhcp.name = make_text(&b, "office");
    struct fact_dhcp_option *o = MAKE(&b, dhcp_option, dhcp.options);
    o->key = make_text(&b, "domain-name-servers");
    o->values = make_texts(&b, "10.9.0.53 10.9.0.54");
    rule(&b, "corp.test.", "FORWARD", "COMPLETE");
    struct fact_resolver_endpoint *in = MAKE(&b, resolver_endpoint, resolver_endpoints);
    in->id = make_text(&b, "rslvr-in-1");
    in->direction = make_text(&b, "INBOUND");
    struct fact_resolver_endpoint *out = MAKE(&b, resolver_endpoint, resolver_endpoints);
    out->id = make_text(&b, "rslvr-out-1");
    out->direction = make_text(&b, "OUTBOUND");
    struct fact_ecs_service *service = MAKE(&b, ecs_service, ecs_services);
    service->cluster = make_text(&b, "c");
    service->name = make_text(&b, "s");
    b.facts.lone_tasks = 3;

    dhcp_state_of(&b, (struct dhcp_strs){ 1, zones }, &s);
    assert_true(str_eq(s.region, STR("eu-west-1")) && str_eq(s.vpc, STR("vpc-1")));
    assert_true(str_eq(s.cidr, STR("10.0.0.0/16")));
    assert_true(str_eq(s.set_id, STR("dopt-1")) && str_eq(s.set_name, STR("office")));
    const struct dhcp_option *servers = dhcp_options_find(&s.options, STR("domain-name-servers"));
    assert_non_null(servers);
    assert_int_equal(servers->n_values, 2);
    assert_true(str_eq(servers->values[1], STR("10.9.0.54")));
    assert_int_equal(s.forwarded.n, 1);
    assert_true(str_eq(s.forwarded.v[0], STR("corp.test")));
    assert_true(str_eq(s.outbound_endpoint, STR("rslvr-out-1")));
    assert_int_equal(s.n_services, 1);
    assert_true(str_eq(s.services[0].cluster, STR("c")) && str_eq(s.services[0].service, STR("s")));
    assert_int_equal(s.n_lone_tasks, 3);
    assert_int_equal(s.zones.n, 1);
    fact_book_done(&b);
}

static void test_nothing_is_known(void **arg)
{
    struct fact_book b;
    struct dhcp_state s;
    struct dhcp_plan *plan = malloc(sizeof *plan);
    assert_non_null(plan);
    fact_book_init(&b);
    dhcp_state_of(&b, (struct dhcp_strs){ 0, NULL }, &s);
    assert_int_equal(s.vpc.n + s.cidr.n + s.set_id.n + s.options.n + s.forwarded.n, 0);
    assert_int_equal(s.n_services + s.n_lone_tasks, 0);
    dhcp_plan_make(&s, DHCP_AMAZON_ALONE, plan);
    assert_int_equal(plan->verdict, DHCP_REFUSED);
    free(plan);
    fact_book_done(&b);
}

static void test_rules_that_forward(void **arg)
{
    static const struct {
        const char *domain, *type, *status;
        bool forwards;
    } rows[] = {
        { "corp.test", "FORWARD", "COMPLETE", true },
        { "corp.test", "FORWARD", "CREATING", true },
        { "corp.test", "FORWARD", NULL, true },
        { ".", "FORWARD", "COMPLETE", true },
        { "corp.test", "FORWARD", "DELETING", false },
        { "corp.test", "FORWARD", "FAILED", false },
        { "corp.test", "FORWARD", "OVERRIDDEN", false },
        { "corp.test", "SYSTEM", "COMPLETE", false },
        { ".", "RECURSIVE", "COMPLETE", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact_book b;
        struct dhcp_state s;
        fact_book_init(&b);
        rule(&b, rows[i].domain, rows[i].type, rows[i].status);
        dhcp_state_of(&b, (struct dhcp_strs){ 0, NULL }, &s);
        assert_int_equal(s.forwarded.n, rows[i].forwards);
        fact_book_done(&b);
    }
}

/* More than there is room for: the facts are AWS's words, whatever they say. */
static void test_more_than_fits(void **arg)
{
    struct fact_book b;
    struct dhcp_state s;
    fact_book_init(&b);
    for (int i = 0; i < 3 * DHCP_MAX_OPTIONS; i++) {
        struct fact_dhcp_option *o = MAKE(&b, dhcp_option, dhcp.options);
        o->key = fact_textf(&b, "option-%d", i);
        for (int k = 0; k < 3 * DHCP_MAX_VALUES; k++)
            fact_add_text(&b, &o->values, STR("x"));
    }
    dhcp_state_of(&b, (struct dhcp_strs){ 0, NULL }, &s);
    assert_int_equal(s.options.n, DHCP_MAX_OPTIONS);
    assert_int_equal(s.options.v[0].n_values, DHCP_MAX_VALUES);
    fact_book_done(&b);
}

static void test_what_is_uncertain(void **arg)
{
    static const struct {
        enum aws_kind kind;
        enum aws_reach reach;
        bool is_uncertain;
    } rows[] = {
        { AWS_DENIED, AWS_REACHED, false },
        { AWS_BAD_REQUEST, AWS_REACHED, false },
        { AWS_NOT_FOUND, AWS_REACHED, false },
        { AWS_THROTTLED, AWS_REACHED, false },
        { AWS_BROKEN, AWS_REACHED, true },
        { AWS_PROTOCOL, AWS_REACHED, true },
        { AWS_UNREACHABLE, AWS_REACH_DNS, false },
        { AWS_UNREACHABLE, AWS_REACH_CONNECT, false },
        { AWS_UNREACHABLE, AWS_REACH_TLS, false },
        { AWS_UNREACHABLE, AWS_REACH_NO_TIME, false },
        { AWS_UNREACHABLE, AWS_REACH_TIMEOUT, true },
        { AWS_UNREACHABLE, AWS_REACH_LOST, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dhcp_applied a = { .step = DHCP_STEP_ASSOCIATE,
                                  .error = { .kind = rows[i].kind, .reach = rows[i].reach } };
        assert_int_equal(dhcp_is_uncertain(&a), rows[i].is_uncertain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_that_is_known),  cmocka_unit_test(test_nothing_is_known),
        cmocka_unit_test(test_rules_that_forward), cmocka_unit_test(test_more_than_fits),
        cmocka_unit_test(test_what_is_uncertain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
