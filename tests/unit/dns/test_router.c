#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/shared.h"

#include <stdio.h>
#include <stdlib.h>

struct setup {
    struct conf conf;
    struct addr system[2], aws[1], own[4];
    struct conf_dns_route routes[3];
    struct conf_addrs groups[4];
    struct dns_shared *shared;
    struct dns_routes *r;
};

static void addr_at(const char *text, struct addr *a)
{
    assert_true(addr_parse(str_from_c(text), 53, a));
}

static void set_up(struct setup *s, bool with_routes, bool with_aws)
{
    struct fault f = { 0 };
    memset(s, 0, sizeof *s);
    addr_at("192.0.2.1", &s->system[0]);
    addr_at("192.0.2.2", &s->system[1]);
    addr_at("192.0.2.253", &s->aws[0]);
    addr_at("192.0.2.10", &s->own[0]);
    addr_at("192.0.2.11", &s->own[1]);
    addr_at("192.0.2.12", &s->own[2]);
    s->conf.dns_servers = (struct conf_addrs){ s->system, 2 };
    s->conf.dns_aws_servers = (struct conf_addrs){ s->aws, 1 };
    s->conf.dns_aws_allowed = with_aws;
    s->conf.registry.host = STR("Registry.stack");
    if (with_routes) {
        s->groups[0] = (struct conf_addrs){ &s->own[0], 1 };
        s->groups[1] = (struct conf_addrs){ &s->own[1], 2 };
        s->routes[0] = (struct conf_dns_route){ STR("eu-west-1.amazonaws.com"), 1, &s->groups[0] };
        s->routes[1] = (struct conf_dns_route){ STR("corp.example"), 2, &s->groups[0] };
        s->routes[2] = (struct conf_dns_route){ STR("stack"), 1, &s->groups[1] };
        s->conf.dns_routes.v = s->routes;
        s->conf.dns_routes.n = 3;
    }
    s->shared = dns_shared_new(&s->conf, &f);
    assert_non_null(s->shared);
    s->r = dns_shared_routes(s->shared);
}

static void tear_down(struct setup *s)
{
    dns_routes_unref(s->r);
    dns_shared_free(s->shared);
}

static const struct dns_route *find(const struct setup *s, const char *name)
{
    struct dns_name n;
    assert_true(dns_name_parse(str_from_c(name), &n));
    return dns_routes_find(s->r, &n);
}

static void built_in_routes(void **state)
{
    static const struct {
        const char *name, *zone;
        unsigned n_groups;
    } rows[] = {
        { "s3.eu-west-1.amazonaws.com", "amazonaws.com", 2 },
        { "S3.EU-west-1.AMAZONAWS.com", "amazonaws.com", 2 },
        { "amazonaws.com", "amazonaws.com", 2 },
        { "notamazonaws.com", ".", 1 },
        { "amazonaws.com.evil.org", ".", 1 },
        { "s3.cn-north-1.amazonaws.com.cn", "amazonaws.com.cn", 2 },
        { "s3.dualstack.cn-north-1.api.amazonwebservices.com.cn", "api.amazonwebservices.com.cn",
          2 },
        { "s3.eusc-de-east-1.amazonaws.eu", "amazonaws.eu", 2 },
        { "s3.us-iso-east-1.c2s.ic.gov", "c2s.ic.gov", 2 },
        { "s3.us-isob-east-1.sc2s.sgov.gov", "sc2s.sgov.gov", 2 },
        { "s3.eu-isoe-west-1.cloud.adc-e.uk", "cloud.adc-e.uk", 2 },
        { "s3.us-isof-south-1.csp.hci.ic.gov", "csp.hci.ic.gov", 2 },
        { "s3.eu-west-1.api.aws", "api.aws", 2 },
        { "aws.amazon.com", "aws.amazon.com", 2 },
        { "www.amazon.com", ".", 1 },
        { "ip-10-0-0-1.ec2.internal", "ec2.internal", 2 },
        { "x.eu-west-1.compute.internal", "compute.internal", 2 },
        { "registry.STACK", "registry.stack", 2 },
        { "other.stack", ".", 1 },
        { ".", ".", 1 },
    };
    struct setup s;
    set_up(&s, false, true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[DNS_NAME_TEXT_BYTES];
        const struct dns_route *r = find(&s, rows[i].name);
        assert_string_equal(dns_name_text(&r->zone, text), rows[i].zone);
        assert_int_equal(r->n_groups, rows[i].n_groups);
        assert_int_equal(r->groups[0].n_servers, 2);
        if (r->n_groups == 2)
            assert_string_equal(r->groups[1].name, "vpc");
    }
    tear_down(&s);
}

static void no_vpc_group_unless_allowed(void **state)
{
    struct setup s;
    set_up(&s, false, false);
    for (size_t i = 0; i < s.r->n; i++)
        assert_int_equal(s.r->v[i].n_groups, 1);
    tear_down(&s);
}

static void explicit_routes_are_exclusive(void **state)
{
    struct setup s;
    set_up(&s, true, true);
    const struct dns_route *r = find(&s, "bkt.s3.eu-west-1.amazonaws.com");
    assert_int_equal(r->n_groups, 1);
    assert_int_equal(r->kind, DNS_ZONE_AWS);
    assert_true(addr_eq(&r->groups[0].servers[0]->addr, &s.own[0]));
    assert_int_equal(find(&s, "bkt.s3.us-east-1.amazonaws.com")->n_groups, 2);
    r = find(&s, "x.corp.example");
    assert_int_equal(r->n_groups, 2);
    assert_int_equal(r->kind, DNS_ZONE_OTHER);
    assert_int_equal(r->groups[1].n_servers, 2);
    /* The registry stands below a zone that was given: it goes that way. */
    assert_string_equal(find(&s, "registry.stack")->from, "setting");
    /* One address is one server, whoever names it. */
    assert_ptr_equal(find(&s, "x.corp.example")->groups[0].servers[0],
                     find(&s, "bkt.s3.eu-west-1.amazonaws.com")->groups[0].servers[0]);
    tear_down(&s);
}

static void own_listeners_are_dropped(void **state)
{
    struct setup s;
    set_up(&s, false, true);
    dns_shared_add_own(s.shared, &s.system[0]);
    dns_routes_unref(s.r);
    s.r = dns_shared_routes(s.shared);
    const struct dns_route *r = find(&s, "x.example");
    assert_int_equal(r->groups[0].n_servers, 1);
    assert_true(addr_eq(&r->groups[0].servers[0]->addr, &s.system[1]));
    tear_down(&s);
}

static void equal_groups_have_equal_ids(void **state)
{
    struct setup s;
    set_up(&s, true, true);
    uint64_t system = find(&s, ".")->groups[0].id;
    assert_true(find(&s, "amazonaws.com")->groups[0].id == system);
    assert_true(find(&s, "amazonaws.com")->groups[1].id != system);
    /* The same servers read anew: what they answered is still theirs. */
    struct dns_routes *again = dns_routes_new(s.shared, &s.conf, &s.shared->own, s.system, 2);
    assert_true(again->v[0].groups[0].id == s.r->v[0].groups[0].id);
    dns_shared_set_routes(s.shared, again);
    tear_down(&s);
}

static void who_is_believed_about_validation(void **state)
{
    struct setup s;
    struct dns_server near[2], far;
    set_up(&s, false, true);
    addr_at("127.0.0.53", &near[0].addr);
    addr_at("[::1]:5353", &near[1].addr);
    addr_at("192.0.2.1", &far.addr);
    struct dns_group local = { .name = "setting",
                               .n_servers = 2,
                               .servers = { &near[0], &near[1] } };
    struct dns_group mixed = { .name = "setting", .n_servers = 2, .servers = { &near[0], &far } };
    struct dns_group system = { .name = "system", .n_servers = 1, .servers = { &far } };
    assert_true(dns_group_is_trusted(s.r, &local));
    assert_false(dns_group_is_trusted(s.r, &mixed));
    assert_false(dns_group_is_trusted(s.r, &system));
    s.r->trusts_system = true;
    assert_true(dns_group_is_trusted(s.r, &system));
    assert_false(dns_group_is_trusted(s.r, &mixed));
    tear_down(&s);
}

static void endpoints_drop_the_bucket(void **state)
{
    static const struct {
        const char *name, *endpoint;
    } rows[] = {
        { "Bucket.s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com" },
        { "aaa.b.c.s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com" },
        { "s3.eu-west-1.amazonaws.com", "s3.eu-west-1.amazonaws.com" },
        { "bkt.s3.amazonaws.com", "s3.amazonaws.com" },
        { "registry.stack", "registry.stack" },
        { "www.example", "www.example" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name name, endpoint;
        char text[DNS_NAME_TEXT_BYTES];
        assert_true(dns_name_parse(str_from_c(rows[i].name), &name));
        dns_endpoint_name(&name, &endpoint);
        assert_string_equal(dns_name_text(&endpoint, text), rows[i].endpoint);
    }
}

static void memory_of_groups(void **state)
{
    struct setup s;
    set_up(&s, false, true);
    struct dns_memory *m = calloc(1, sizeof *m);
    struct dns_endpoint due;
    const struct dns_route *r = find(&s, "amazonaws.com");
    struct dns_name name, other;
    assert_true(dns_name_parse(STR("bkt.s3.eu-west-1.amazonaws.com"), &name));
    assert_true(dns_name_parse(STR("ckt.s3.eu-west-1.amazonaws.com"), &other));
    struct dns_asked asked = { &name, DNS_A, 443, DNS_POLICY_S3 };
    assert_int_equal(dns_memory_group(m, r, &name, 0), 0);
    assert_false(dns_memory_worked(m, r, &asked, 0, 0));
    assert_false(dns_memory_has_probes(m, 0));
    assert_true(dns_memory_worked(m, r, &asked, 1, 1000));
    assert_false(dns_memory_worked(m, r, &asked, 1, 1000));
    assert_int_equal(dns_memory_group(m, r, &other, 1000), 1);
    assert_false(dns_memory_claim_probe(m, 1499, &due));
    assert_true(dns_memory_claim_probe(m, 1500, &due));
    assert_false(dns_memory_claim_probe(m, 1500, &due));
    assert_int_equal(due.port, 443);
    assert_true(dns_memory_probed(m, &due, 0, 1600));
    assert_int_equal(dns_memory_group(m, r, &name, 1600), 0);
    assert_false(dns_memory_has_probes(m, 1600));
    /* It did not last: probed half as often. */
    assert_true(dns_memory_worked(m, r, &asked, 1, 2000));
    assert_false(dns_memory_claim_probe(m, 2999, &due));
    assert_true(dns_memory_claim_probe(m, 3000, &due));
    /* Forgotten when nobody asks. */
    assert_false(dns_memory_claim_probe(m, 3000 + DNS_PROBED_WHILE_USED_MS, &due));
    assert_int_equal(dns_memory_group(m, r, &name, 3000 + DNS_PROBED_WHILE_USED_MS), 0);
    /* Made-up names do not turn into a stream of probes. */
    for (unsigned i = 0; i < 2 * DNS_MAX_REMEMBERED; i++) {
        char text[64];
        snprintf(text, sizeof text, "n%u.amazonaws.com", i);
        assert_true(dns_name_parse(str_from_c(text), &name));
        dns_memory_all_failed(m, r, &asked, 4000000);
    }
    unsigned n = 0;
    while (dns_memory_claim_probe(m, 4000500, &due))
        n++;
    assert_int_equal(n, DNS_MAX_ALL_FAILED);
    free(m);
    tear_down(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_in_routes),
        cmocka_unit_test(no_vpc_group_unless_allowed),
        cmocka_unit_test(explicit_routes_are_exclusive),
        cmocka_unit_test(own_listeners_are_dropped),
        cmocka_unit_test(equal_groups_have_equal_ids),
        cmocka_unit_test(who_is_believed_about_validation),
        cmocka_unit_test(endpoints_drop_the_bucket),
        cmocka_unit_test(memory_of_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
