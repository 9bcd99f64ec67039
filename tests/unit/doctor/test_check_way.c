/* Which way leads to S3: PS3001-PS3004, PS3012, PS3016. */
#include "account_make.h"

/* From inside: Amazon's server gives public addresses, and this comes of them. */
static void tried(struct fact_book *b, const char *outcome)
{
    build_inside(b, AMAZON);
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, outcome);
}

static void without_s3(struct fact_book *b)
{
    b->facts.endpoints.v[0].service = make_text(b, "com.amazonaws.eu-west-1.dynamodb");
    b->facts.route_tables.v[0].routes.n = 1;
}

static void no_way_outside(struct fact_book *b)
{
    build_outside(b);
    without_s3(b);
}

static void no_way_tried(struct fact_book *b)
{
    tried(b, "timeout");
    without_s3(b);
}

static void no_way_yet_connects(struct fact_book *b)
{
    tried(b, "ok");
    without_s3(b);
}

static void other_regions_endpoint(struct fact_book *b)
{
    build_outside(b);
    without_s3(b);
    b->facts.endpoints.v[0].service = make_text(b, "com.amazonaws.us-east-1.s3");
}

static void nat(struct fact_book *b)
{
    no_way_outside(b);
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void nat_gone(struct fact_book *b)
{
    nat(b);
    b->facts.route_tables.v[0].routes.v[1].state = make_text(b, "blackhole");
}

static void halves(struct fact_book *b)
{
    no_way_outside(b);
    make_route_to(b, "0.0.0.0/1", "tgw-1");
    make_route_to(b, "128.0.0.0/1", "tgw-1");
}

static void egress_only_ipv6(struct fact_book *b)
{
    no_way_outside(b);
    make_route_to(b, "::/0", "eigw-1");
}

static void corporate_only(struct fact_book *b)
{
    no_way_outside(b);
    make_route_to(b, "192.168.0.0/16", "tgw-1");
}

static void to_the_hub(struct fact_book *b)
{
    build_inside(b, AMAZON);
    without_s3(b);
    make_route_to(b, "10.200.0.0/16", "tgw-1");
    says(b, AMAZON, "10.200.1.77", "10.0.1.99");
}

static void pending(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.v[0].state = make_text(b, "pendingAcceptance");
}

static void no_subnet(struct fact_book *b)
{
    no_way_outside(b);
    b->facts.task.subnet_id = (struct str){ NULL, 0 };
    b->facts.subnets.n = 0;
    MAKE(b, route_table, route_tables)->id = make_text(b, "rtb-2");
}

static void main_table(struct fact_book *b)
{
    no_way_outside(b);
    b->facts.route_tables.v[0].subnets.n = 0;
    b->facts.route_tables.v[0].main = FACT_YES;
    MAKE(b, route_table, route_tables)->id = make_text(b, "rtb-2");
}

static void main_table_of_an_unknown_subnet(struct fact_book *b)
{
    main_table(b);
    b->facts.task.subnet_id = (struct str){ NULL, 0 };
    b->facts.subnets.n = 0;
}

static void subnet_by_address(struct fact_book *b)
{
    no_way_tried(b);
    b->facts.task.subnet_id = (struct str){ NULL, 0 };
    struct fact_subnet *s = MAKE(b, subnet, subnets);
    s->id = make_text(b, "subnet-2");
    s->cidr = make_text(b, "10.0.2.0/24");
    fact_add_text(b, &b->facts.surroundings.local_addresses, STR("10.0.1.5"));
    struct fact_route_table *t = MAKE(b, route_table, route_tables);
    t->id = make_text(b, "rtb-2");
    t->subnets = make_texts(b, "subnet-2");
}

static void endpoints_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "denied");
}

static void endpoints_denied_yet_connects(struct fact_book *b)
{
    build_healthy(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "denied");
}

static void tables_denied(struct fact_book *b)
{
    no_way_outside(b);
    fail_call(b, "ec2:DescribeRouteTables", "unreachable");
}

static void by_interface(struct fact_book *b, enum fact_truth private_dns)
{
    b->facts.endpoints.v[0].id = make_text(b, "vpce-i");
    b->facts.endpoints.v[0].type = make_text(b, "Interface");
    b->facts.endpoints.v[0].private_dns = private_dns;
    b->facts.endpoints.v[0].route_tables.n = 0;
    b->facts.route_tables.v[0].routes.n = 1;
}

static void no_private_dns(struct fact_book *b)
{
    tried(b, "timeout");
    by_interface(b, FACT_NO);
}

static void no_private_dns_outside(struct fact_book *b)
{
    build_outside(b);
    by_interface(b, FACT_NO);
}

static void no_private_dns_but_nat(struct fact_book *b)
{
    no_private_dns_outside(b);
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void no_private_dns_but_gateway(struct fact_book *b)
{
    build_outside(b);
    make_vpc_endpoint(b, "vpce-i", "s3", "Interface")->private_dns = FACT_NO;
}

static void no_private_dns_yet_connects(struct fact_book *b)
{
    tried(b, "ok");
    by_interface(b, FACT_NO);
}

static void private_dns(struct fact_book *b)
{
    tried(b, "timeout");
    by_interface(b, FACT_YES);
}

static void private_dns_untold(struct fact_book *b)
{
    tried(b, "timeout");
    by_interface(b, FACT_UNKNOWN);
}

static void hub_is_down(struct fact_book *b)
{
    build_inside(b, AMAZON);
    by_interface(b, FACT_NO);
    says(b, AMAZON, "10.200.1.77", "10.0.1.99");
    dial(b, S3, "s3", "10.200.1.77", AMAZON, "timeout");
}

static void inbound_only(struct fact_book *b)
{
    build_healthy(b);
    struct fact_endpoint *e = make_vpc_endpoint(b, "vpce-i", "s3", "Interface");
    e->inbound_only = FACT_YES;
}

static void inbound_only_but_off(struct fact_book *b)
{
    inbound_only(b);
    b->facts.endpoints.v[b->facts.endpoints.n - 1].private_dns = FACT_NO;
}

static void in_another_table(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.v[0].route_tables = make_texts(b, "rtb-2 rtb-3");
    b->facts.route_tables.v[0].routes.n = 1;
}

static void in_another_table_tried(struct fact_book *b)
{
    tried(b, "timeout");
    b->facts.endpoints.v[0].route_tables = make_texts(b, "rtb-2");
    b->facts.route_tables.v[0].routes.n = 1;
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void in_another_table_but_nat(struct fact_book *b)
{
    in_another_table(b);
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void in_another_table_yet_connects(struct fact_book *b)
{
    tried(b, "ok");
    b->facts.endpoints.v[0].route_tables = make_texts(b, "rtb-2");
    b->facts.route_tables.v[0].routes.n = 1;
}

static void dead_route(struct fact_book *b)
{
    build_outside(b);
    b->facts.route_tables.v[0].routes.v[1].state = make_text(b, "blackhole");
}

static void legacy_setting(struct fact_book *b)
{
    build_healthy(b);
    b->facts.surroundings.legacy_names = make_texts(b, "s3.amazonaws.com");
}

static void legacy_dash(struct fact_book *b)
{
    build_healthy(b);
    make_dns_name(b, "data.s3-eu-west-1.amazonaws.com", "bucket");
}

static void legacy_external(struct fact_book *b)
{
    build_healthy(b);
    make_dns_name(b, "s3-external-1.amazonaws.com", "s3");
}

static void no_legacy(struct fact_book *b)
{
    build_healthy(b);
    make_dns_name(b, "s3-data.s3.eu-west-1.amazonaws.com", "bucket");
    make_dns_name(b, "s3.dualstack.eu-west-1.amazonaws.com", "s3");
    make_dns_name(b, "s3-fips.us-east-1.amazonaws.com", "s3");
    make_dns_name(b, "data-123456789012.s3-accesspoint.eu-west-1.amazonaws.com", "bucket");
}

static void hub(struct fact_book *b, const char *amazons, const char *amazons_address)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "10.200.1.77", "10.0.1.99");
    says(b, AMAZON, amazons_address, "10.0.1.99");
    dial(b, S3, "s3", "10.200.1.77", "10.9.0.53", "ok");
    dial(b, S3, "s3", amazons_address, AMAZON, amazons);
}

static void hub_alone_connects(struct fact_book *b)
{
    hub(b, "timeout", "52.218.1.1");
}

static void hub_and_public_connect(struct fact_book *b)
{
    hub(b, "ok", "52.218.1.1");
}

static void hub_beside_a_dead_endpoint(struct fact_book *b)
{
    hub(b, "timeout", "10.0.1.77");
}

static void amazons_address_not_dialled(struct fact_book *b)
{
    hub(b, "denied", "52.218.1.1");
}

static void both_fail(struct fact_book *b)
{
    hub(b, "timeout", "52.218.1.1");
    b->facts.connections.v[0].outcome = make_text(b, "timeout");
}

static void subnet_by_metadata(struct fact_book *b)
{
    subnet_by_address(b);
    b->facts.surroundings.local_addresses.n = 0;
    MAKE(b, network, metadata.networks)->subnet_cidr = make_text(b, "10.0.1.0/24");
}

static void subnet_of_nobody(struct fact_book *b)
{
    subnet_by_metadata(b);
    b->facts.metadata.networks.v[0].subnet_cidr = make_text(b, "10.0.3.0/24");
}

static void bucket_with_a_hyphen(struct fact_book *b)
{
    build_healthy(b);
    make_dns_name(b, "s3-eu-west-1.s3.eu-west-1.amazonaws.com", "bucket");
}

static void only_the_registry_is_elsewhere(struct fact_book *b)
{
    build_inside(b, AMAZON);
    without_s3(b);
    make_route_to(b, "10.200.0.0/16", "tgw-1");
    says(b, AMAZON, PUBLIC, "10.200.1.99");
}

static void only_the_registry_connects(struct fact_book *b)
{
    no_way_tried(b);
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok");
}

static void nat64(struct fact_book *b)
{
    no_way_outside(b);
    make_route_to(b, "64:ff9b::/96", "nat-1");
}

static void part_of_a_service_name(struct fact_book *b)
{
    build_outside(b);
    without_s3(b);
    b->facts.surroundings.region = (struct str){ NULL, 0 };
    b->facts.endpoints.v[0].service = make_text(b, "com.amazonaws.eu-west-1.nots3");
}

static void in_another_table_but_interface(struct fact_book *b)
{
    in_another_table(b);
    make_vpc_endpoint(b, "vpce-i", "s3", "Interface");
}

static void in_another_table_and_inbound_only(struct fact_book *b)
{
    in_another_table_but_interface(b);
    b->facts.endpoints.v[b->facts.endpoints.n - 1].inbound_only = FACT_YES;
}

static const struct check_row rows[] = {
    { "a gateway endpoint", build_outside, PS3001, CHECK_PASS, NULL, NULL },
    { "no endpoint, no NAT", no_way_outside, PS3001, CHECK_FAIL, "no active route",
      "create-vpc-endpoint --region eu-west-1 --vpc-id vpc-1 --vpc-endpoint-type Gateway "
      "--service-name com.amazonaws.eu-west-1.s3 --route-table-ids rtb-1" },
    { "and it was tried", no_way_tried, PS3001, CHECK_FAIL, "52.218.1.1:443: timeout", NULL },
    { "and yet it connects", no_way_yet_connects, PS3001, CHECK_PASS, NULL, NULL },
    { "another region's endpoint", other_regions_endpoint, PS3001, CHECK_FAIL, "none of them",
      NULL },
    { "NAT", nat, PS3001, CHECK_PASS, NULL, NULL },
    { "a NAT gateway that is gone", nat_gone, PS3001, CHECK_FAIL, "nat-1 (blackhole)", NULL },
    { "a default route in halves", halves, PS3001, CHECK_PASS, NULL, NULL },
    { "IPv6 outwards", egress_only_ipv6, PS3001, CHECK_PASS, NULL, NULL },
    { "a route to corporate networks is no way to S3", corporate_only, PS3001, CHECK_FAIL,
      "192.168.0.0/16", NULL },
    { "a route to the hub's address of S3", to_the_hub, PS3001, CHECK_PASS, NULL, NULL },
    { "an endpoint that nobody accepted", pending, PS3001, CHECK_FAIL, "pendingAcceptance", NULL },
    { "which subnet is not known", no_subnet, PS3001, CHECK_UNKNOWN, "subnet", NULL },
    { "the main route table", main_table, PS3001, CHECK_FAIL, "rtb-1", NULL },
    { "the subnet by this host's address", subnet_by_address, PS3001, CHECK_FAIL, "rtb-1", NULL },
    { "endpoints may not be read", endpoints_denied, PS3001, CHECK_UNKNOWN,
      "ec2:DescribeVpcEndpoints", NULL },
    { "endpoints may not be read, it connects", endpoints_denied_yet_connects, PS3001, CHECK_PASS,
      NULL, NULL },
    { "tables cannot be read", tables_denied, PS3001, CHECK_UNKNOWN, "ec2:DescribeRouteTables",
      NULL },
    { "no VPC", build_elsewhere, PS3001, CHECK_SKIPPED, NULL, NULL },
    { "no private DNS, tried", no_private_dns, PS3002, CHECK_FAIL, "52.218.1.1:443: timeout",
      "modify-vpc-endpoint --region eu-west-1 --vpc-endpoint-id vpce-i --private-dns-enabled" },
    { "no private DNS, by configuration", no_private_dns_outside, PS3002, CHECK_FAIL, "vpce-i",
      NULL },
    { "no private DNS, but NAT", no_private_dns_but_nat, PS3002, CHECK_PASS, NULL, NULL },
    { "no private DNS, but a gateway", no_private_dns_but_gateway, PS3002, CHECK_PASS, NULL, NULL },
    { "no private DNS, yet it connects", no_private_dns_yet_connects, PS3002, CHECK_PASS, NULL,
      NULL },
    { "private DNS", private_dns, PS3002, CHECK_PASS, NULL, NULL },
    { "private DNS was not told", private_dns_untold, PS3002, CHECK_UNKNOWN, "vpce-i", NULL },
    { "a hub that is down is another matter", hub_is_down, PS3002, CHECK_PASS, NULL, NULL },
    { "no interface endpoint", build_outside, PS3002, CHECK_SKIPPED, NULL, NULL },
    { "endpoints are unknown", endpoints_denied, PS3002, CHECK_UNKNOWN, "ec2:DescribeVpcEndpoints",
      NULL },
    { "inbound only", inbound_only, PS3003, CHECK_FAIL, "52.218.1.1", "Nothing to do" },
    { "inbound only, but off", inbound_only_but_off, PS3003, CHECK_PASS, NULL, NULL },
    { "not inbound only", build_healthy, PS3003, CHECK_PASS, NULL, NULL },
    { "endpoints unknown", endpoints_denied, PS3003, CHECK_UNKNOWN, NULL, NULL },
    { "in the table", build_outside, PS3004, CHECK_PASS, NULL, NULL },
    { "in other tables", in_another_table, PS3004, CHECK_FAIL, "rtb-2, rtb-3",
      "--vpc-endpoint-id vpce-s3 --add-route-table-ids rtb-1" },
    { "in other tables, NAT fails", in_another_table_tried, PS3004, CHECK_FAIL, "timeout", NULL },
    { "in other tables, but NAT", in_another_table_but_nat, PS3004, CHECK_PASS, NULL, NULL },
    { "in other tables, yet it connects", in_another_table_yet_connects, PS3004, CHECK_PASS, NULL,
      NULL },
    { "a dead route", dead_route, PS3004, CHECK_FAIL, "blackhole", NULL },
    { "no gateway endpoint", no_way_outside, PS3004, CHECK_SKIPPED, NULL, NULL },
    { "no endpoints may be read", endpoints_denied, PS3004, CHECK_UNKNOWN, NULL, NULL },
    { "a legacy name in the settings", legacy_setting, PS3012, CHECK_FAIL, "s3.amazonaws.com",
      "s3.eu-west-1.amazonaws.com" },
    { "a legacy name with a dash", legacy_dash, PS3012, CHECK_FAIL, "s3-eu-west-1", NULL },
    { "s3-external-1", legacy_external, PS3012, CHECK_FAIL, "s3-external-1", NULL },
    { "names that look like it", no_legacy, PS3012, CHECK_PASS, NULL, NULL },
    { "no names", build_outside, PS3012, CHECK_SKIPPED, NULL, NULL },
    { "the hub's address alone connects", hub_alone_connects, PS3016, CHECK_FAIL,
      "10.200.1.77:443: connected", "PENSTOCK_DNS_ROUTES='" S3 "=10.9.0.53'" },
    { "both connect", hub_and_public_connect, PS3016, CHECK_PASS, NULL, NULL },
    { "an endpoint here that is dead", hub_beside_a_dead_endpoint, PS3016, CHECK_PASS, NULL, NULL },
    { "Amazon's address was not dialled", amazons_address_not_dialled, PS3016, CHECK_SKIPPED, NULL,
      NULL },
    { "none connects", both_fail, PS3016, CHECK_PASS, NULL, NULL },
    { "nobody dialled", build_outside, PS3016, CHECK_SKIPPED, NULL, NULL },
    { "the subnet by ECS's metadata", subnet_by_metadata, PS3001, CHECK_FAIL, "rtb-1", NULL },
    { "no subnet is this one", subnet_of_nobody, PS3001, CHECK_UNKNOWN, "subnet", NULL },
    { "a bucket with a name like that", bucket_with_a_hyphen, PS3012, CHECK_PASS, NULL, NULL },
    { "the main table of nobody knows what", main_table_of_an_unknown_subnet, PS3001, CHECK_UNKNOWN,
      NULL, NULL },
    { "a way to the registry alone", only_the_registry_is_elsewhere, PS3001, CHECK_FAIL,
      "10.200.0.0/16", NULL },
    { "the registry alone connects", only_the_registry_connects, PS3001, CHECK_FAIL, "timeout",
      NULL },
    { "NAT64", nat64, PS3001, CHECK_PASS, NULL, NULL },
    { "a service with a longer name", part_of_a_service_name, PS3001, CHECK_FAIL, NULL, NULL },
    { "in other tables, but an interface", in_another_table_but_interface, PS3004, CHECK_PASS, NULL,
      NULL },
    { "in other tables, an interface for others", in_another_table_and_inbound_only, PS3004,
      CHECK_FAIL, NULL, NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

/* Facts that a shell would run are not put into commands. */
static void test_commands_are_harmless(void **state)
{
    struct fact_book b;
    struct diagnosis d;
    (void)state;
    fact_book_init(&b);
    no_way_outside(&b);
    b.facts.vpc.id = make_text(&b, "vpc-1;reboot");
    b.facts.surroundings.region = make_text(&b, "$(reboot)");
    b.facts.route_tables.v[0].id = make_text(&b, "--no-dry-run");
    diagnose(&b.facts, &d);
    const struct finding *f = d.results[PS3001].finding;
    assert_non_null(f);
    assert_true(lines_have(&f->fix, "create-vpc-endpoint --vpc-id VPC "));
    assert_true(lines_have(&f->fix, "com.amazonaws.REGION.s3 --route-table-ids RTB"));
    assert_false(lines_have(&f->fix, "reboot"));
    diagnosis_done(&d);
    fact_book_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_commands_are_harmless) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
