/*
 * Networks in which nothing is wrong, with all that AWS tells of them: neither an error, nor a
 * warning, nor an unknown.
 */
#include "account_make.h"

#include "doctor/report.h"

static void registry_connects(struct fact_book *b, const char *servers)
{
    struct fact_connection *c = dial(b, REGISTRY, "registry", "10.0.1.99", servers, "ok");
    c->port = 80;
    c->tls = (struct str){ NULL, 0 };
}

static void amazon_provided(struct fact_book *b)
{
    build_healthy(b);
}

static void custom_that_forwards(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    make_dhcp_values(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.9.0.53 " AMAZON, "ok");
    registry_connects(b, "10.9.0.53 " AMAZON);
}

/* Default VPCs apart, DNS hostnames are off where nobody turned them on; a gateway needs none. */
static void gateway_without_hostnames(struct fact_book *b)
{
    build_healthy(b);
    b->facts.vpc.dns_hostnames = FACT_NO;
}

static void interface_endpoint(struct fact_book *b)
{
    build_inside(b, AMAZON);
    b->facts.endpoints.v[0].type = make_text(b, "Interface");
    b->facts.endpoints.v[0].private_dns = FACT_YES;
    b->facts.endpoints.v[0].route_tables.n = 0;
    b->facts.route_tables.v[0].routes.n = 1;
    struct fact_hosted_zone *z = MAKE(b, hosted_zone, hosted_zones);
    z->id = make_text(b, "Z2");
    z->name = make_text(b, S3);
    z->owner = make_text(b, "vpce.amazonaws.com");
    says(b, AMAZON, PRIVATE, "10.0.1.99");
    dial(b, S3, "s3", PRIVATE, AMAZON, "ok");
    registry_connects(b, AMAZON);
}

static void inbound_only(struct fact_book *b)
{
    build_healthy(b);
    make_vpc_endpoint(b, "vpce-i", "s3", "Interface")->inbound_only = FACT_YES;
}

/* The endpoints are another VPC's: their zones and rules are shared with this one. */
static void hub(struct fact_book *b)
{
    build_inside(b, AMAZON);
    b->facts.endpoints.n = 0;
    b->facts.route_tables.v[0].routes.n = 1;
    make_route_to(b, "10.200.0.0/16", "tgw-1");
    make_rule(b, "amazonaws.com", "FORWARD");
    make_rule(b, "corp.example", "FORWARD");
    struct fact_hosted_zone *z = MAKE(b, hosted_zone, hosted_zones);
    z->id = make_text(b, "Z3");
    z->name = make_text(b, S3);
    z->owner = make_text(b, "999999999999");
    says(b, AMAZON, "10.200.1.77", "10.0.1.99");
    dial(b, S3, "s3", "10.200.1.77", AMAZON, "ok");
    registry_connects(b, AMAZON);
}

static void ipv6_only(struct fact_book *b)
{
    build_inside(b, "fd00:ec2::253");
    b->facts.surroundings.has_ipv6 = FACT_YES;
    fact_add_text(b, &b->facts.surroundings.local_addresses, STR("2001:db8::7"));
    INSTANCE(b)->address = make_text(b, "2001:db8::99");
    make_route_to(b, "64:ff9b::/96", "nat-1");
    make_route_to(b, "::/0", "eigw-1");
    for (int i = 0; i < 2; i++) {
        const char *server = i ? AMAZON : "fd00:ec2::253";
        says(b, server, PUBLIC, "nodata");
        ask6(b, server, S3, "answer", "64:ff9b::34da:101");
        ask6(b, server, REGISTRY, "answer", "2001:db8::99");
    }
    dial(b, S3, "s3", "52.218.1.1", "fd00:ec2::253 " AMAZON, "unreachable");
    dial(b, S3, "s3", "64:ff9b::34da:101", "fd00:ec2::253 " AMAZON, "ok");
    dial(b, REGISTRY, "registry", "2001:db8::99", "fd00:ec2::253 " AMAZON, "ok");
}

static void service_connect(struct fact_book *b)
{
    build_inside(b, AMAZON);
    b->facts.namespaces.v[0].type = make_text(b, "HTTP");
    b->facts.map_services.v[0].instances.n = 0;
    b->facts.hosted_zones.n = 0;
    struct fact_host *h = MAKE(b, host, hosts);
    h->name = make_text(b, REGISTRY);
    h->address = make_text(b, "127.255.0.1");
    says(b, AMAZON, PUBLIC, "nxdomain");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "ok");
    dial(b, REGISTRY, "registry", "127.255.0.1", "", "ok");
}

static void two_servers(struct fact_book *b)
{
    build_inside(b, "10.9.0.53 10.9.0.54");
    make_dhcp_values(b, "10.9.0.53 10.9.0.54");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    says(b, "10.9.0.54", PUBLIC, "10.0.1.99");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.9.0.53 10.9.0.54 " AMAZON, "ok");
    registry_connects(b, "10.9.0.53 10.9.0.54 " AMAZON);
}

static void nat_alone(struct fact_book *b)
{
    build_healthy(b);
    b->facts.endpoints.n = 0;
    b->facts.route_tables.v[0].routes.n = 1;
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void firewall_of_others(struct fact_book *b)
{
    build_healthy(b);
    struct fact_firewall_rule *r = MAKE(b, firewall_rule, firewall_rules);
    r->name = make_text(b, "malware");
    r->action = make_text(b, "BLOCK");
    r->response = make_text(b, "NXDOMAIN");
    r->priority = r->group_priority = 1;
}

static void from_outside(struct fact_book *b)
{
    build_outside(b);
}

static void expect_healthy(const char *name, void (*make)(struct fact_book *b))
{
    struct fact_book b;
    struct diagnosis d;
    fact_book_init(&b);
    make(&b);
    diagnose(&b.facts, &d);
    for (unsigned i = 0; i < d.n_findings; i++)
        if (d.findings[i]->severity != FINDING_INFO)
            expect_state(&d, d.findings[i]->code, CHECK_PASS, name);
    for (enum finding_code c = 0; c < N_FINDING_CODES; c++)
        if (d.results[c].state == CHECK_UNKNOWN)
            expect_state(&d, c, CHECK_PASS, name);
    assert_int_equal(d.n_roots, 0);
    assert_int_equal(report_exit_code(&d, FINDING_WARNING), DOCTOR_OK);
    diagnosis_done(&d);
    fact_book_done(&b);
}

static void test_nothing_is_wrong(void **state)
{
    static const struct {
        const char *name;
        void (*make)(struct fact_book *b);
    } rows[] = {
        { "AmazonProvidedDNS", amazon_provided },
        { "custom servers that forward", custom_that_forwards },
        { "a gateway endpoint, DNS hostnames off", gateway_without_hostnames },
        { "an interface endpoint with private DNS", interface_endpoint },
        { "private DNS for inbound endpoints only", inbound_only },
        { "a hub", hub },
        { "IPv6 alone", ipv6_only },
        { "Service Connect", service_connect },
        { "two healthy servers", two_servers },
        { "NAT and no endpoint", nat_alone },
        { "DNS Firewall for others", firewall_of_others },
        { "looked at from outside", from_outside },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_healthy(rows[i].name, rows[i].make);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nothing_is_wrong) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
