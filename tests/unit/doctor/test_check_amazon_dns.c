/* What Amazon's resolver is told: PS2001-PS2010. */
#include "account_make.h"

static void support_off_outside(struct fact_book *b)
{
    build_outside(b);
    b->facts.vpc.dns_support = FACT_NO;
}

static void support_off_but_all_works(struct fact_book *b)
{
    build_healthy(b);
    b->facts.vpc.dns_support = b->facts.vpc.dns_hostnames = FACT_NO;
}

static void support_off_and_works_elsewhere(struct fact_book *b)
{
    support_off_but_all_works(b);
    b->facts.surroundings.inside = FACT_NO;
}

static void attribute_denied(struct fact_book *b)
{
    build_outside(b);
    b->facts.vpc.dns_support = b->facts.vpc.dns_hostnames = FACT_UNKNOWN;
    fail_call(b, "ec2:DescribeVpcAttribute", "denied");
}

static void attribute_untold(struct fact_book *b)
{
    build_outside(b);
    b->facts.vpc.dns_support = FACT_UNKNOWN;
}

static void hostnames_off_outside(struct fact_book *b)
{
    build_outside(b);
    b->facts.vpc.dns_hostnames = FACT_NO;
}

static void hostnames_off_unneeded(struct fact_book *b)
{
    hostnames_off_outside(b);
    b->facts.endpoints.n = 1; /* the gateway */
    b->facts.hosted_zones.n = b->facts.namespaces.n = 0;
}

static void custom_set_outside(struct fact_book *b)
{
    build_outside(b);
    make_dhcp_values(b, "10.9.0.53 10.9.0.54");
}

static void custom_set_with_inbound(struct fact_book *b)
{
    custom_set_outside(b);
    struct fact_resolver_endpoint *e = MAKE(b, resolver_endpoint, resolver_endpoints);
    e->id = make_text(b, "rslvr-in-1");
    e->direction = make_text(b, "INBOUND");
    e->status = make_text(b, "OPERATIONAL");
    e->vpc_id = make_text(b, VPC);
    e->addresses = make_texts(b, "10.0.1.10");
}

static void custom_set_that_forwards(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PRIVATE, "10.0.1.99");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
}

static void custom_set_behind_a_stub(struct fact_book *b)
{
    build_inside(b, "127.0.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "127.0.0.53", PRIVATE, "10.0.1.99");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
}

static void custom_set_that_fails(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void custom_set_public_for_private(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.9.0.53", "timeout");
}

static void custom_set_public_that_connects(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.9.0.53", "ok");
}

static void plus_two_in_the_set(struct fact_book *b)
{
    custom_set_outside(b);
    make_dhcp_values(b, "10.9.0.53 10.0.0.2");
}

static void no_set(struct fact_book *b)
{
    build_outside(b);
    b->facts.dhcp.id = make_text(b, "default");
    b->facts.dhcp.options.n = 0;
}

static void set_denied(struct fact_book *b)
{
    custom_set_outside(b);
    fail_call(b, "ec2:DescribeDhcpOptions", "denied");
}

static void plus_two_silent(struct fact_book *b)
{
    build_inside(b, "10.0.0.2");
    b->facts.servers.v[0].is_amazon = FACT_YES;
    says(b, "10.0.0.2", "timeout", "timeout");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void both_silent(struct fact_book *b)
{
    build_inside(b, "10.0.0.2");
    b->facts.servers.v[0].is_amazon = FACT_YES;
    says(b, "10.0.0.2", "timeout", "timeout");
    says(b, AMAZON, "timeout", "timeout");
}

static void ipv6_one_silent(struct fact_book *b)
{
    build_inside(b, AMAZON);
    make_dns_server(b, "fd00:ec2::253", "amazon");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    says(b, "fd00:ec2::253", "timeout", "timeout");
}

static void option_silent(struct fact_book *b)
{
    build_network(b, AMAZON);
    make_dns_server(b, "10.0.0.2", "option");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    says(b, "10.0.0.2", "timeout", NULL);
}

static void late_for_aws(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    says(b, "10.9.0.53", "servfail", "10.0.1.99");
    b->facts.questions.v[0].time_us = 2003000;
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void fast_servfail(struct fact_book *b)
{
    late_for_aws(b);
    b->facts.questions.v[0].time_us = 2000;
}

static void late_for_all(struct fact_book *b)
{
    late_for_aws(b);
    b->facts.questions.v[1].outcome = make_text(b, "timeout");
    b->facts.questions.v[1].replies = 0;
}

static void late_where_amazon_fails_too(struct fact_book *b)
{
    late_for_aws(b);
    b->facts.questions.v[2].outcome = make_text(b, "servfail");
}

static void make_endpoint_status(struct fact_book *b, const char *status, const char *vpc)
{
    build_outside(b);
    struct fact_resolver_endpoint *e = MAKE(b, resolver_endpoint, resolver_endpoints);
    e->id = make_text(b, "rslvr-out-1");
    e->direction = make_text(b, "OUTBOUND");
    e->status = make_text(b, status);
    e->message = make_text(b, "an interface was deleted");
    e->vpc_id = make_text(b, vpc);
}

static void action_needed(struct fact_book *b)
{
    make_endpoint_status(b, "ACTION_NEEDED", VPC);
}

static void action_needed_elsewhere(struct fact_book *b)
{
    make_endpoint_status(b, "ACTION_NEEDED", "vpc-2");
}

static void action_needed_elsewhere_in_use(struct fact_book *b)
{
    make_endpoint_status(b, "ACTION_NEEDED", "vpc-2");
    make_rule(b, "corp.example", "FORWARD");
    b->facts.resolver_rules.v[0].endpoint_id = make_text(b, "rslvr-out-1");
}

static void operational(struct fact_book *b)
{
    make_endpoint_status(b, "OPERATIONAL", VPC);
}

static void all_works_without_calls(struct fact_book *b)
{
    build_healthy(b);
    b->facts.calls.n = 0;
}

static void hostnames_off_for_a_namespace(struct fact_book *b)
{
    hostnames_off_unneeded(b);
    b->facts.namespaces.n = 1;
}

static void hostnames_off_for_an_endpoint(struct fact_book *b)
{
    hostnames_off_unneeded(b);
    b->facts.endpoints.n = 2;
}

static void search_name_is_nobodys(struct fact_book *b)
{
    custom_set_that_forwards(b);
    make_dns_name(b, "registry.stk.corp.example", "search");
    ask(b, "10.9.0.53", "registry.stk.corp.example", "nxdomain", "");
}

static void registry_is_nobodys(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "nxdomain");
}

static void registry_alone_fails(struct fact_book *b)
{
    build_inside(b, AMAZON);
    b->facts.vpc.dns_support = FACT_NO;
    says(b, AMAZON, PUBLIC, "timeout");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "ok");
}

static void all_works_but_a_search_name(struct fact_book *b)
{
    support_off_but_all_works(b);
    make_dns_name(b, "registry.stk.corp.example", "search");
}

static void hostnames_off_endpoints_denied(struct fact_book *b)
{
    hostnames_off_unneeded(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "denied");
}

static void hostnames_off_zones_denied(struct fact_book *b)
{
    hostnames_off_unneeded(b);
    fail_call(b, "route53:ListHostedZonesByVPC", "denied");
}

static void custom_set_with_outbound(struct fact_book *b)
{
    custom_set_with_inbound(b);
    b->facts.resolver_endpoints.v[0].direction = make_text(b, "OUTBOUND");
}

static void custom_set_with_dead_inbound(struct fact_book *b)
{
    custom_set_with_inbound(b);
    b->facts.resolver_endpoints.v[0].status = make_text(b, "DELETING");
}

static void other_option_silent(struct fact_book *b)
{
    option_silent(b);
    b->facts.servers.v[1].address = make_text(b, "10.0.0.3");
}

static void custom_server_silent(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    says(b, "10.9.0.53", "timeout", "timeout");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void other_name_is_late_too(struct fact_book *b)
{
    late_for_aws(b);
    b->facts.questions.v[1].time_us = 2000000;
}

static void action_needed_somewhere(struct fact_book *b)
{
    make_endpoint_status(b, "ACTION_NEEDED", NULL);
}

static const struct check_row rows[] = {
    { "support is on", build_outside, PS2001, CHECK_PASS, NULL, NULL },
    { "support is off", support_off_outside, PS2001, CHECK_FAIL, "enableDnsSupport of vpc-1",
      "--vpc-id vpc-1 --enable-dns-support '{\"Value\":true}'" },
    { "off, yet all works from inside", support_off_but_all_works, PS2001, CHECK_PASS, NULL, NULL },
    { "what works elsewhere shows nothing", support_off_and_works_elsewhere, PS2001, CHECK_FAIL,
      "false", NULL },
    { "the attribute may not be read", attribute_denied, PS2001, CHECK_UNKNOWN,
      "ec2:DescribeVpcAttribute", NULL },
    { "the attribute was not told", attribute_untold, PS2001, CHECK_UNKNOWN, NULL, NULL },
    { "no VPC", build_elsewhere, PS2001, CHECK_SKIPPED, "needs AWS credentials", NULL },
    { "hostnames are off", hostnames_off_outside, PS2002, CHECK_FAIL, "enableDnsHostnames",
      "--region eu-west-1 --vpc-id vpc-1 --enable-dns-hostnames" },
    { "hostnames are off, nothing needs them", hostnames_off_unneeded, PS2002, CHECK_PASS, NULL,
      NULL },
    { "hostnames are off, all works", support_off_but_all_works, PS2002, CHECK_PASS, NULL, NULL },
    { "hostnames may not be read", attribute_denied, PS2002, CHECK_UNKNOWN,
      "ec2:DescribeVpcAttribute", NULL },
    { "AmazonProvidedDNS", build_outside, PS2003, CHECK_PASS, NULL, NULL },
    { "custom servers alone", custom_set_outside, PS2003, CHECK_FAIL, "10.9.0.53, 10.9.0.54",
      "penstock fix dhcp --vpc vpc-1" },
    { "VPC+2 is Amazon's", plus_two_in_the_set, PS2003, CHECK_PASS, NULL, NULL },
    { "custom servers that forward", custom_set_that_forwards, PS2003, CHECK_PASS, NULL, NULL },
    { "a stub in front of them", custom_set_behind_a_stub, PS2003, CHECK_PASS, NULL, NULL },
    { "custom servers that do not know the registry", custom_set_that_fails, PS2003, CHECK_FAIL,
      "10.9.0.53: NXDOMAIN in 3 ms for registry.stk", NULL },
    { "public answers where private ones are meant", custom_set_public_for_private, PS2003,
      CHECK_FAIL, "52.218.1.1", NULL },
    { "public answers that connect", custom_set_public_that_connects, PS2003, CHECK_PASS, NULL,
      NULL },
    { "no option set at all", no_set, PS2003, CHECK_FAIL, "no DHCP option set", NULL },
    { "the set may not be read", set_denied, PS2003, CHECK_UNKNOWN, "ec2:DescribeDhcpOptions",
      NULL },
    { "VPC+2 is silent", plus_two_silent, PS2004, CHECK_FAIL, "10.0.0.2: no reply", "Use 169.254" },
    { "VPC+2 given by an option is silent", option_silent, PS2004, CHECK_FAIL, "10.0.0.2", NULL },
    { "both answer", build_healthy, PS2004, CHECK_PASS, NULL, NULL },
    { "both are silent", both_silent, PS2004, CHECK_SKIPPED, "none", NULL },
    { "Amazon's IPv6 address is silent", ipv6_one_silent, PS2004, CHECK_SKIPPED, "not both", NULL },
    { "late SERVFAIL for AWS names", late_for_aws, PS2009, CHECK_FAIL, "10.9.0.53: SERVFAIL in",
      "penstock forwarding" },
    { "an early SERVFAIL", fast_servfail, PS2009, CHECK_PASS, NULL, NULL },
    { "late for everything", late_for_all, PS2009, CHECK_PASS, NULL, NULL },
    { "Amazon's server fails as well", late_where_amazon_fails_too, PS2009, CHECK_PASS, NULL,
      NULL },
    { "Amazon's servers alone", build_healthy, PS2009, CHECK_SKIPPED, NULL, NULL },
    { "an endpoint needs action", action_needed, PS2010, CHECK_FAIL,
      "rslvr-out-1 is ACTION_NEEDED: an interface was deleted",
      "--resolver-endpoint-id rslvr-out-1" },
    { "another VPC's endpoint", action_needed_elsewhere, PS2010, CHECK_PASS, NULL, NULL },
    { "another VPC's endpoint that a rule uses", action_needed_elsewhere_in_use, PS2010, CHECK_FAIL,
      "ACTION_NEEDED", NULL },
    { "an operational endpoint", operational, PS2010, CHECK_PASS, NULL, NULL },
    { "no VPC, no endpoints", build_elsewhere, PS2010, CHECK_SKIPPED, NULL, NULL },
    { "all works, nothing may be read", all_works_without_calls, PS2001, CHECK_PASS, NULL, NULL },
    { "and hostnames", all_works_without_calls, PS2002, CHECK_PASS, NULL, NULL },
    { "a namespace needs hostnames", hostnames_off_for_a_namespace, PS2002, CHECK_FAIL, NULL,
      NULL },
    { "private DNS needs hostnames", hostnames_off_for_an_endpoint, PS2002, CHECK_FAIL, NULL,
      NULL },
    { "off, and the registry fails", registry_alone_fails, PS2001, CHECK_FAIL,
      "169.254.169.253: no answer (3 of 3 tries) for registry.stk", NULL },
    { "off, and no search name works", all_works_but_a_search_name, PS2001, CHECK_PASS, NULL,
      NULL },
    { "hostnames off, endpoints unknown", hostnames_off_endpoints_denied, PS2002, CHECK_FAIL, NULL,
      NULL },
    { "hostnames off, zones unknown", hostnames_off_zones_denied, PS2002, CHECK_FAIL, NULL, NULL },
    { "a search name is nobody's", search_name_is_nobodys, PS2003, CHECK_PASS, NULL, NULL },
    { "the registry is nobody's", registry_is_nobodys, PS2003, CHECK_PASS, NULL, NULL },
    { "another option is silent", other_option_silent, PS2004, CHECK_SKIPPED, NULL, NULL },
    { "a custom server is silent", custom_server_silent, PS2004, CHECK_SKIPPED, NULL, NULL },
    { "another name is late as well", other_name_is_late_too, PS2009, CHECK_PASS, NULL, NULL },
    { "an endpoint of no known VPC", action_needed_somewhere, PS2010, CHECK_FAIL, "ACTION_NEEDED",
      NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

/* Where an inbound endpoint may set it right, unseen, it is a warning. */
static void test_severity(void **state)
{
    static const struct severity_row cases[] = {
        { "a set, an inbound endpoint", custom_set_with_inbound, PS2003, FINDING_WARNING },
        { "a set, an outbound endpoint", custom_set_with_outbound, PS2003, FINDING_ERROR },
        { "a set, a dead endpoint", custom_set_with_dead_inbound, PS2003, FINDING_ERROR },
        { "a set, no inbound endpoint", custom_set_outside, PS2003, FINDING_ERROR },
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
