/* Who answers instead of Amazon's resolver: PS2005-PS2008. */
#include "account_make.h"

static void forward_all(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, ".", "FORWARD");
}

static void forward_given_back(struct fact_book *b)
{
    forward_all(b);
    make_rule(b, "amazonaws.com", "SYSTEM");
    make_rule(b, "stk", "SYSTEM");
}

static void forward_behind_zones(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, "amazonaws.com", "FORWARD");
    make_vpc_endpoint(b, "vpce-i", "s3", "Interface");
}

static void forward_of_the_namespace(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, "stk", "FORWARD");
}

static void forward_of_a_neighbour(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, "corp.example", "FORWARD");
    make_rule(b, "webservices.com", "FORWARD");
    make_rule(b, "eu-west-2.amazonaws.com", "FORWARD");
}

static void forward_not_associated(struct fact_book *b)
{
    forward_all(b);
    b->facts.resolver_rules.v[0].status = make_text(b, "DELETING");
}

static void forward_of_a_hub(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, S3, "FORWARD");
}

static void forward_that_answers(struct fact_book *b)
{
    build_healthy(b);
    make_rule(b, "amazonaws.com", "FORWARD");
}

static void forward_that_fails(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_rule(b, "amazonaws.com", "FORWARD");
    says(b, AMAZON, "servfail", "10.0.1.99");
}

static void rules_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "route53resolver:ListResolverRules", "denied");
}

static void rules_denied_but_answered(struct fact_book *b)
{
    build_healthy(b);
    fail_call(b, "route53resolver:ListResolverRules", "denied");
    fail_call(b, "route53:ListHostedZonesByVPC", "denied");
    fail_call(b, "route53resolver:ListFirewallRuleGroupAssociations", "denied");
}

static struct fact_hosted_zone *make_zone(struct fact_book *b, const char *name, const char *owner)
{
    struct fact_hosted_zone *z = MAKE(b, hosted_zone, hosted_zones);
    z->id = make_text(b, "Z9");
    z->name = make_text(b, name);
    z->owner = make_text(b, owner);
    return z;
}

static void zone_hides(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_zone(b, "eu-west-1.amazonaws.com", "123456789012");
    says(b, AMAZON, "nxdomain", "10.0.1.99");
}

static void zone_outside(struct fact_book *b)
{
    build_outside(b);
    make_zone(b, "amazonaws.com", "123456789012");
}

static void zone_with_record(struct fact_book *b)
{
    build_healthy(b);
    make_zone(b, "amazonaws.com", "123456789012");
}

static void zone_while_servfail(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_zone(b, "amazonaws.com", "123456789012");
    says(b, AMAZON, "servfail", "10.0.1.99");
}

static void zone_of_a_service(struct fact_book *b)
{
    build_outside(b);
    make_zone(b, S3, "vpce.amazonaws.com");
}

static void zone_below_a_longer_one(struct fact_book *b)
{
    build_outside(b);
    make_zone(b, "amazonaws.com", "123456789012");
    make_vpc_endpoint(b, "vpce-i", "s3", "Interface");
}

static void zone_of_cloud_map_empty(struct fact_book *b)
{
    build_inside(b, AMAZON);
    says(b, AMAZON, PUBLIC, "nxdomain");
}

static void zone_of_unknown_namespace(struct fact_book *b)
{
    zone_of_cloud_map_empty(b);
    b->facts.namespaces.n = 0;
    fail_call(b, "servicediscovery:ListNamespaces", "denied");
}

static void zones_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "route53:ListHostedZonesByVPC", "denied");
}

static struct fact_firewall_rule *make_block(struct fact_book *b, int priority, const char *action,
                                             const char *domains)
{
    struct fact_firewall_rule *r = MAKE(b, firewall_rule, firewall_rules);
    r->name = fact_textf(b, "rule-%d", priority);
    r->group = make_text(b, "corporate");
    r->group_priority = 101;
    r->priority = priority;
    r->action = make_text(b, action);
    r->response = make_text(b, "NXDOMAIN");
    r->domains = make_texts(b, domains);
    return r;
}

static void blocked(struct fact_book *b)
{
    build_outside(b);
    make_block(b, 10, "BLOCK", "*.amazonaws.com.");
}

static void allowed_first(struct fact_book *b)
{
    blocked(b);
    make_block(b, 5, "ALLOW", S3);
}

static void allowed_later(struct fact_book *b)
{
    blocked(b);
    make_block(b, 50, "ALLOW", S3);
}

static void allowed_by_an_earlier_group(struct fact_book *b)
{
    blocked(b);
    make_block(b, 90, "ALLOW", "*")->group_priority = 100;
}

static void parent_on_the_list(struct fact_book *b)
{
    build_outside(b);
    make_block(b, 10, "BLOCK", "amazonaws.com *." S3);
}

static void alerted(struct fact_book *b)
{
    build_outside(b);
    make_block(b, 10, "ALERT", "*");
}

static void blocked_but_answered(struct fact_book *b)
{
    build_healthy(b);
    make_block(b, 10, "BLOCK", "*");
}

static void overridden(struct fact_book *b)
{
    build_inside(b, AMAZON);
    struct fact_firewall_rule *r = make_block(b, 10, "BLOCK", S3);
    r->response = make_text(b, "OVERRIDE");
    r->override = make_text(b, "blocked.corp.example");
    says(b, AMAZON, "10.9.9.9", "10.0.1.99");
    b->facts.questions.v[0].aliases = make_texts(b, "blocked.corp.example");
}

static void domains_denied(struct fact_book *b)
{
    blocked(b);
    fail_call(b, "route53resolver:ListFirewallDomains", "denied");
}

static void fails_closed(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_block(b, 10, "BLOCK", "");
    says(b, AMAZON, "servfail", "servfail");
}

static void fails_for_one(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_block(b, 10, "BLOCK", "");
    says(b, AMAZON, "servfail", "10.0.1.99");
}

static void fails_open(struct fact_book *b)
{
    fails_closed(b);
    b->facts.firewall_fails_open = FACT_YES;
}

static void fails_without_firewall(struct fact_book *b)
{
    fails_closed(b);
    b->facts.firewall_rules.n = 0;
}

static void fails_by_a_rule(struct fact_book *b)
{
    fails_closed(b);
    make_rule(b, ".", "FORWARD");
}

static void config_denied(struct fact_book *b)
{
    fails_closed(b);
    b->facts.firewall_fails_open = FACT_UNKNOWN;
    fail_call(b, "route53resolver:GetFirewallConfig", "denied");
}

static void forward_with_dots(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, "amazonaws.com.", "SYSTEM");
    make_rule(b, "eu-west-1.amazonaws.com", "FORWARD");
    make_rule(b, S3 ".", "SYSTEM");
}

static void system_rule_with_a_dot(struct fact_book *b)
{
    build_outside(b);
    make_rule(b, "com.", "SYSTEM");
    make_rule(b, "com", "FORWARD");
}

static void denied_and_failing(struct fact_book *b)
{
    build_inside(b, AMAZON);
    says(b, AMAZON, PUBLIC, "servfail");
    fail_call(b, "route53resolver:ListResolverRuleAssociations", "denied");
}

static void rule_for_an_address(struct fact_book *b)
{
    build_outside(b);
    b->facts.surroundings.registry_url = make_text(b, "http://10.0.1.99:8080/x");
    make_rule(b, "99", "FORWARD");
}

static void rule_for_a_port(struct fact_book *b)
{
    build_outside(b);
    b->facts.surroundings.registry_url = make_text(b, "http://registry.stk:8080/x");
    make_rule(b, "registry.stk", "FORWARD");
}

static void china(struct fact_book *b)
{
    build_outside(b);
    b->facts.surroundings.region = make_text(b, "cn-north-1");
    make_rule(b, "cn", "FORWARD");
}

static void overridden_elsewhere(struct fact_book *b)
{
    overridden(b);
    b->facts.questions.v[0].aliases = make_texts(b, "s3-r-w.eu-west-1.amazonaws.com");
}

static void rules_of_groups_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "route53resolver:ListFirewallRules", "denied");
}

static void no_groups(struct fact_book *b)
{
    build_outside(b);
    b->facts.calls.n = 0;
    make_aws_call(b, "route53resolver:ListFirewallRuleGroupAssociations", "ok");
}

static void longer_zone_of_a_service(struct fact_book *b)
{
    build_outside(b);
    make_zone(b, "eu-west-1.amazonaws.com", "123456789012");
    make_zone(b, S3, "vpce.amazonaws.com");
    make_zone(b, "amazonaws.com", "123456789012");
}

static void own_zone_for_the_namespace(struct fact_book *b)
{
    zone_of_cloud_map_empty(b);
    b->facts.hosted_zones.v[0].id = make_text(b, "Z8");
}

static void zone_of_aws_with_unknown_namespaces(struct fact_book *b)
{
    zone_outside(b);
    fail_call(b, "servicediscovery:ListNamespaces", "denied");
    b->facts.namespaces.n = 0;
}

static const struct check_row rows[] = {
    { "a rule forwards all", forward_all, PS2005, CHECK_FAIL, "forwards . to 10.9.0.53",
      "--rule-type SYSTEM --domain-name amazonaws.com" },
    { "SYSTEM rules give it back", forward_given_back, PS2005, CHECK_PASS, NULL, NULL },
    { "longer zones go before the rule", forward_behind_zones, PS2005, CHECK_PASS, NULL, NULL },
    { "a rule takes the namespace", forward_of_the_namespace, PS2005, CHECK_FAIL, "registry.stk",
      "disassociate-resolver-rule --region eu-west-1 --resolver-rule-id rslvr-rr-FORWARD --vpc-id "
      "vpc-1" },
    { "rules for other zones", forward_of_a_neighbour, PS2005, CHECK_PASS, NULL, NULL },
    { "a rule on its way out", forward_not_associated, PS2005, CHECK_PASS, NULL, NULL },
    { "a rule that answers", forward_that_answers, PS2005, CHECK_PASS, NULL, NULL },
    { "a rule that fails", forward_that_fails, PS2005, CHECK_FAIL, "169.254.169.253: SERVFAIL",
      NULL },
    { "rules may not be read", rules_denied, PS2005, CHECK_UNKNOWN,
      "route53resolver:ListResolverRules", NULL },
    { "rules may not be read, all is answered", rules_denied_but_answered, PS2005, CHECK_PASS, NULL,
      NULL },
    { "a zone hides S3", zone_hides, PS2006, CHECK_FAIL, "eu-west-1.amazonaws.com (Z9",
      "disassociate-vpc-from-hosted-zone --hosted-zone-id Z9 --vpc "
      "VPCRegion=eu-west-1,VPCId=vpc-1" },
    { "a zone, nobody probed", zone_outside, PS2006, CHECK_FAIL, "covers " S3, NULL },
    { "a zone with the record", zone_with_record, PS2006, CHECK_PASS, NULL, NULL },
    { "SERVFAIL comes of no zone", zone_while_servfail, PS2006, CHECK_PASS, NULL, NULL },
    { "an endpoint's own zone", zone_of_a_service, PS2006, CHECK_PASS, NULL, NULL },
    { "an endpoint's longer zone", zone_below_a_longer_one, PS2006, CHECK_PASS, NULL, NULL },
    { "Cloud Map's zone, empty", zone_of_cloud_map_empty, PS2006, CHECK_PASS, NULL, NULL },
    { "maybe Cloud Map's zone", zone_of_unknown_namespace, PS2006, CHECK_PASS, NULL, NULL },
    { "zones may not be read", zones_denied, PS2006, CHECK_UNKNOWN, "route53:ListHostedZonesByVPC",
      NULL },
    { "zones may not be read, all is answered", rules_denied_but_answered, PS2006, CHECK_PASS, NULL,
      NULL },
    { "blocked", blocked, PS2007, CHECK_FAIL, "rule-10 of group corporate", "--action ALLOW" },
    { "an ALLOW before it", allowed_first, PS2007, CHECK_PASS, NULL, NULL },
    { "an ALLOW behind it", allowed_later, PS2007, CHECK_FAIL, "rule-10", NULL },
    { "an ALLOW of an earlier group", allowed_by_an_earlier_group, PS2007, CHECK_PASS, NULL, NULL },
    { "a list that has other names", parent_on_the_list, PS2007, CHECK_PASS, NULL, NULL },
    { "ALERT lets through", alerted, PS2007, CHECK_PASS, NULL, NULL },
    { "blocked, yet answered", blocked_but_answered, PS2007, CHECK_PASS, NULL, NULL },
    { "the answer is the block's own", overridden, PS2007, CHECK_FAIL, "blocked.corp.example",
      NULL },
    { "domains may not be read", domains_denied, PS2007, CHECK_UNKNOWN,
      "route53resolver:ListFirewallDomains", NULL },
    { "associations may not be read, all is answered", rules_denied_but_answered, PS2007,
      CHECK_PASS, NULL, NULL },
    { "fails closed", fails_closed, PS2008, CHECK_FAIL, "FirewallFailOpen is DISABLED",
      "--resource-id vpc-1 --firewall-fail-open ENABLED" },
    { "one name is answered", fails_for_one, PS2008, CHECK_PASS, NULL, NULL },
    { "fails open", fails_open, PS2008, CHECK_PASS, NULL, NULL },
    { "no rule", fails_without_firewall, PS2008, CHECK_PASS, NULL, NULL },
    { "a forwarding rule explains it", fails_by_a_rule, PS2008, CHECK_PASS, NULL, NULL },
    { "the setting may not be read", config_denied, PS2008, CHECK_UNKNOWN,
      "route53resolver:GetFirewallConfig", NULL },
    { "nobody asked Amazon's server", build_outside, PS2008, CHECK_SKIPPED, NULL, NULL },
    { "SYSTEM rules with a dot", forward_with_dots, PS2005, CHECK_PASS, NULL, NULL },
    { "of two as long, the later one", system_rule_with_a_dot, PS2005, CHECK_FAIL, "forwards com",
      "--domain-name amazonaws.com" },
    { "may not be read, and it fails", denied_and_failing, PS2005, CHECK_UNKNOWN,
      "route53resolver:ListResolverRuleAssociations", NULL },
    { "a registry without a name", rule_for_an_address, PS2005, CHECK_PASS, NULL, NULL },
    { "a registry with a port", rule_for_a_port, PS2005, CHECK_FAIL, "registry.stk",
      "--domain-name registry.stk" },
    { "another partition", china, PS2005, CHECK_FAIL, "s3.cn-north-1.amazonaws.com.cn",
      "--domain-name amazonaws.com.cn" },
    { "the answer is somebody else's", overridden_elsewhere, PS2007, CHECK_PASS, NULL, NULL },
    { "rules of groups may not be read", rules_of_groups_denied, PS2007, CHECK_UNKNOWN,
      "route53resolver:ListFirewallRules", NULL },
    { "no groups", no_groups, PS2007, CHECK_PASS, NULL, NULL },
    { "a longer zone of a service", longer_zone_of_a_service, PS2006, CHECK_PASS, NULL, NULL },
    { "somebody's own zone for the namespace", own_zone_for_the_namespace, PS2006, CHECK_FAIL,
      "stk (Z8", NULL },
    { "no namespace is like AWS's zones", zone_of_aws_with_unknown_namespaces, PS2006, CHECK_FAIL,
      "amazonaws.com", NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

/* What looks like a hub's own, unseen, is a warning; what is broader is an error. */
static void test_severity(void **state)
{
    static const struct severity_row cases[] = {
        { "a rule for S3's name", forward_of_a_hub, PS2005, FINDING_WARNING },
        { "a rule for all", forward_all, PS2005, FINDING_ERROR },
        { "a zone for all of AWS", zone_outside, PS2006, FINDING_ERROR },
    };
    (void)state;
    expect_severities(cases, sizeof cases / sizeof *cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_severity) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
