/* The registry in Cloud Map and on the network: PS4001-PS4006. */
#include "account_make.h"

static void in_hosts_file(struct fact_book *b)
{
    build_inside(b, AMAZON);
    says(b, AMAZON, PUBLIC, "nxdomain");
    b->facts.namespaces.n = b->facts.map_services.n = 0;
    struct fact_host *h = MAKE(b, host, hosts);
    h->name = make_text(b, REGISTRY);
    h->address = make_text(b, "127.255.0.1");
}

/* From inside, Amazon's server, which is the first, says this of the registry. */
static void said(struct fact_book *b, const char *registry)
{
    build_inside(b, AMAZON);
    says(b, AMAZON, PUBLIC, registry);
}

static void no_namespace(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.namespaces.v[0].name = make_text(b, "other");
}

static void no_namespace_outside(struct fact_book *b)
{
    build_outside(b);
    b->facts.namespaces.n = b->facts.map_services.n = 0;
}

static void no_namespace_yet_answered(struct fact_book *b)
{
    said(b, "10.0.1.99");
    b->facts.namespaces.n = b->facts.map_services.n = 0;
}

static void no_namespace_yet_connects(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.namespaces.n = b->facts.map_services.n = 0;
    dial(b, REGISTRY, "registry", "10.0.1.99", "", "ok");
}

static void a_part_of_a_label(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.namespaces.v[0].name = make_text(b, "tk");
}

static void no_service(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.map_services.v[0].name = make_text(b, "registr");
}

static void another_namespaces_service(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.map_services.v[0].namespace_id = make_text(b, "ns-2");
}

static void another_vpcs(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.hosted_zones.n = 0;
}

static void another_vpcs_unknown(struct fact_book *b)
{
    another_vpcs(b);
    fail_call(b, "route53:ListHostedZonesByVPC", "denied");
}

static void http_namespace(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.namespaces.v[0].type = make_text(b, "HTTP");
}

static void srv_only(struct fact_book *b)
{
    said(b, "nodata");
    b->facts.map_services.v[0].record_types = make_texts(b, "SRV");
}

static void ipv6_records(struct fact_book *b)
{
    said(b, "nodata");
    b->facts.map_services.v[0].record_types = make_texts(b, "SRV AAAA");
}

static void namespaces_denied(struct fact_book *b)
{
    said(b, "nxdomain");
    b->facts.namespaces.n = b->facts.map_services.n = 0;
    fail_call(b, "servicediscovery:ListNamespaces", "denied");
}

static void namespaces_denied_yet_connects(struct fact_book *b)
{
    build_healthy(b);
    fail_call(b, "servicediscovery:ListNamespaces", "denied");
}

static void first_does_not_know(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void first_does_not_know_yet_connects(struct fact_book *b)
{
    first_does_not_know(b);
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok");
}

static void first_does_not_know_without_account(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void known_to_cloud_map_alone(struct fact_book *b)
{
    said(b, "nxdomain");
}

static void known_to_nobody(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "nxdomain");
    says(b, AMAZON, PUBLIC, "nxdomain");
}

static void another_zones_name(struct fact_book *b)
{
    first_does_not_know(b);
    b->facts.namespaces.n = b->facts.map_services.n = 0;
}

static void no_instance(struct fact_book *b)
{
    said(b, "nodata");
    b->facts.map_services.v[0].instances.n = 0;
}

static void no_instance_yet_answered(struct fact_book *b)
{
    said(b, "10.0.1.99");
    b->facts.map_services.v[0].instances.n = 0;
}

static void no_instance_outside(struct fact_book *b)
{
    build_outside(b);
    b->facts.map_services.v[0].instances.n = 0;
}

static void no_instance_yet_connects(struct fact_book *b)
{
    build_healthy(b);
    b->facts.map_services.v[0].instances.n = 0;
}

static void instances_denied(struct fact_book *b)
{
    no_instance_outside(b);
    fail_call(b, "servicediscovery:ListInstances", "denied");
}

static void unhealthy(struct fact_book *b)
{
    said(b, "10.0.1.99");
    INSTANCE(b)->health = make_text(b, "UNHEALTHY");
}

static void one_of_two_unhealthy(struct fact_book *b)
{
    unhealthy(b);
    struct fact_instance *i = make_instance(b, &b->facts.map_services.v[0].instances);
    i->id = make_text(b, "i-2");
    i->address = make_text(b, "10.0.2.99");
    i->health = make_text(b, "HEALTHY");
}

static void health_unknown(struct fact_book *b)
{
    said(b, "10.0.1.99");
    INSTANCE(b)->health = make_text(b, "UNKNOWN");
}

static void health_denied(struct fact_book *b)
{
    said(b, "10.0.1.99");
    INSTANCE(b)->health = (struct str){ NULL, 0 };
    fail_call(b, "servicediscovery:GetInstancesHealthStatus", "denied");
}

static void no_health_checks(struct fact_book *b)
{
    health_denied(b);
    fail_call(b, "servicediscovery:GetInstancesHealthStatus", "not_found");
}

static void unhealthy_yet_connects(struct fact_book *b)
{
    build_healthy(b);
    INSTANCE(b)->health = make_text(b, "UNHEALTHY");
}

static void stale_instance(struct fact_book *b)
{
    build_outside(b);
    INSTANCE(b)->is_live = FACT_NO;
}

static void stale_but_connects(struct fact_book *b)
{
    build_healthy(b);
    INSTANCE(b)->is_live = FACT_NO;
}

static void life_unknown(struct fact_book *b)
{
    build_outside(b);
    INSTANCE(b)->is_live = FACT_UNKNOWN;
}

static void stale_answer(struct fact_book *b)
{
    build_inside(b, "10.9.0.53");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.55");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void other_answer_connects(struct fact_book *b)
{
    stale_answer(b);
    dial(b, REGISTRY, "registry", "10.0.1.55", "10.9.0.53", "ok");
}

static struct fact_connection *reach(struct fact_book *b, const char *outcome)
{
    said(b, "10.0.1.99");
    struct fact_connection *c = dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, outcome);
    c->port = 8080;
    c->tls = (struct str){ NULL, 0 };
    return c;
}

static void times_out(struct fact_book *b)
{
    reach(b, "timeout");
}

static void refused(struct fact_book *b)
{
    reach(b, "refused");
}

static void untrusted(struct fact_book *b)
{
    struct fact_connection *c = reach(b, "ok");
    c->tls = make_text(b, "untrusted");
    c->tls_detail = make_text(b, "self-signed certificate");
}

static void error_500(struct fact_book *b)
{
    reach(b, "ok")->status = 502;
}

static void not_found_404(struct fact_book *b)
{
    reach(b, "ok")->status = 404;
}

static void one_of_two_answers(struct fact_book *b)
{
    reach(b, "refused");
    dial(b, REGISTRY, "registry", "10.0.2.99", AMAZON, "ok");
}

static void s3_times_out(struct fact_book *b)
{
    reach(b, "ok");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "timeout");
}

static void refused_elsewhere(struct fact_book *b)
{
    refused(b);
    b->facts.surroundings.inside = FACT_NO;
}

static void first_answers_alone(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    build_account(b);
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
    b->facts.namespaces.n = b->facts.map_services.n = 0;
}

static void only_s3_was_dialled(struct fact_book *b)
{
    reach(b, "denied");
    dial(b, S3, "s3", "52.218.1.1", AMAZON, "timeout");
}

static void error_500_itself(struct fact_book *b)
{
    reach(b, "ok")->status = 500;
}

static void services_denied(struct fact_book *b)
{
    no_service(b);
    fail_call(b, "servicediscovery:ListServices", "denied");
}

static void services_not_asked(struct fact_book *b)
{
    build_network(b, AMAZON);
    says(b, AMAZON, PUBLIC, "nxdomain");
    b->facts.surroundings.vpc_id = make_text(b, VPC);
    make_aws_call(b, "servicediscovery:ListNamespaces", "ok");
}

static void first_of_elsewhere(struct fact_book *b)
{
    first_does_not_know(b);
    b->facts.surroundings.inside = FACT_NO;
}

static void another_address_connects(struct fact_book *b)
{
    stale_answer(b);
    dial(b, REGISTRY, "registry", "10.0.1.99", AMAZON, "ok");
}

static void no_http_yet(struct fact_book *b)
{
    struct fact_connection *c = reach(b, "ok");
    c->http = (struct str){ NULL, 0 };
    c->status = FACT_NO_NUMBER;
}

static const struct check_row rows[] = {
    { "all is there", build_outside, PS4001, CHECK_PASS, NULL, NULL },
    { "no registry", build_elsewhere, PS4001, CHECK_SKIPPED, "no registry", NULL },
    { "Service Connect", in_hosts_file, PS4001, CHECK_SKIPPED, "hosts file", NULL },
    { "no namespace", no_namespace, PS4001, CHECK_FAIL, "none of the 1 Cloud Map namespaces",
      "create-private-dns-namespace --region eu-west-1 --name NAMESPACE --vpc vpc-1" },
    { "no namespace, seen from outside", no_namespace_outside, PS4001, CHECK_FAIL, REGISTRY, NULL },
    { "no namespace, yet answered", no_namespace_yet_answered, PS4001, CHECK_PASS, NULL, NULL },
    { "no namespace, yet it connects", no_namespace_yet_connects, PS4001, CHECK_PASS, NULL, NULL },
    { "a namespace ends at a label", a_part_of_a_label, PS4001, CHECK_FAIL, "none of the", NULL },
    { "no service", no_service, PS4001, CHECK_FAIL, "stk (ns-1) has no service", NULL },
    { "another namespace's service", another_namespaces_service, PS4001, CHECK_FAIL, "no service",
      NULL },
    { "another VPC's", another_vpcs, PS4001, CHECK_FAIL, "Z1 of namespace stk",
      "associate-vpc-with-hosted-zone --hosted-zone-id Z1 --vpc VPCRegion=eu-west-1,VPCId=vpc-1" },
    { "whose it is cannot be known", another_vpcs_unknown, PS4001, CHECK_PASS, NULL, NULL },
    { "a namespace without DNS", http_namespace, PS4001, CHECK_FAIL, "HTTP", NULL },
    { "a service without addresses", srv_only, PS4001, CHECK_FAIL, "SRV", NULL },
    { "a service with IPv6 addresses", ipv6_records, PS4001, CHECK_PASS, NULL, NULL },
    { "namespaces may not be read", namespaces_denied, PS4001, CHECK_UNKNOWN,
      "servicediscovery:ListNamespaces", NULL },
    { "namespaces may not be read, it connects", namespaces_denied_yet_connects, PS4001, CHECK_PASS,
      NULL, NULL },
    { "the first server does not know it", first_does_not_know, PS4002, CHECK_FAIL,
      "10.9.0.53: NXDOMAIN in 3 ms for registry.stk", "penstock fix dhcp --vpc vpc-1" },
    { "and it connects by Amazon's answer", first_does_not_know_yet_connects, PS4002, CHECK_FAIL,
      "Cloud Map has 10.0.1.99", NULL },
    { "and nobody knows the account", first_does_not_know_without_account, PS4002, CHECK_FAIL,
      "169.254.169.253: 10.0.1.99 in", NULL },
    { "Amazon's server does not know it", known_to_cloud_map_alone, PS4002, CHECK_FAIL,
      "Cloud Map has 10.0.1.99", NULL },
    { "nobody knows it", known_to_nobody, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "a name of another zone", another_zones_name, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "not registered for this VPC", another_vpcs, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "the first server knows it", build_healthy, PS4002, CHECK_PASS, NULL, NULL },
    { "nobody asked", build_outside, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "in the hosts file", in_hosts_file, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "no instance", no_instance, PS4003, CHECK_FAIL, "registry (srv-1) of namespace stk",
      "--cluster stk" },
    { "no instance, seen from outside", no_instance_outside, PS4003, CHECK_FAIL, "no instance",
      NULL },
    { "no instance, yet answered", no_instance_yet_answered, PS4003, CHECK_PASS, NULL, NULL },
    { "no instance, yet it connects", no_instance_yet_connects, PS4003, CHECK_PASS, NULL, NULL },
    { "an instance", build_outside, PS4003, CHECK_PASS, NULL, NULL },
    { "instances may not be read", instances_denied, PS4003, CHECK_UNKNOWN,
      "servicediscovery:ListInstances", NULL },
    { "nothing registered there", no_service, PS4003, CHECK_SKIPPED, NULL, NULL },
    { "all unhealthy", unhealthy, PS4004, CHECK_FAIL, "i-1 (10.0.1.99) is unhealthy",
      "--service-id srv-1" },
    { "one of two", one_of_two_unhealthy, PS4004, CHECK_PASS, NULL, NULL },
    { "health is not known", health_unknown, PS4004, CHECK_PASS, NULL, NULL },
    { "health may not be read", health_denied, PS4004, CHECK_UNKNOWN,
      "servicediscovery:GetInstancesHealthStatus", NULL },
    { "no health checks", no_health_checks, PS4004, CHECK_PASS, NULL, NULL },
    { "unhealthy, yet it connects", unhealthy_yet_connects, PS4004, CHECK_PASS, NULL, NULL },
    { "nothing to be healthy", no_instance, PS4004, CHECK_SKIPPED, NULL, NULL },
    { "an instance that is gone", stale_instance, PS4005, CHECK_FAIL, "10.0.1.99",
      "deregister-instance --region eu-west-1 --service-id srv-1" },
    { "gone, yet it connects", stale_but_connects, PS4005, CHECK_PASS, NULL, NULL },
    { "whether it lives is not known", life_unknown, PS4005, CHECK_PASS, NULL, NULL },
    { "an old answer", stale_answer, PS4005, CHECK_FAIL, "10.9.0.53 says 10.0.1.55", NULL },
    { "an answer that connects", other_answer_connects, PS4005, CHECK_PASS, NULL, NULL },
    { "instances not readable", instances_denied, PS4005, CHECK_UNKNOWN, NULL, NULL },
    { "no such service", no_service, PS4005, CHECK_SKIPPED, NULL, NULL },
    { "a timeout", times_out, PS4006, CHECK_FAIL, "10.0.1.99:8080: timeout", "TCP 8080" },
    { "refused", refused, PS4006, CHECK_FAIL, "refused", "Nobody listens" },
    { "a wrong certificate", untrusted, PS4006, CHECK_FAIL, "self-signed certificate",
      "certificate" },
    { "502", error_500, PS4006, CHECK_FAIL, "HTTP status 502", "log" },
    { "404 is an answer", not_found_404, PS4006, CHECK_PASS, NULL, NULL },
    { "one of two answers", one_of_two_answers, PS4006, CHECK_PASS, NULL, NULL },
    { "S3 is another matter", s3_times_out, PS4006, CHECK_PASS, NULL, NULL },
    { "refused elsewhere", refused_elsewhere, PS4006, CHECK_SKIPPED, NULL, NULL },
    { "never dialled", build_outside, PS4006, CHECK_SKIPPED, NULL, NULL },
    { "the first server alone was asked", first_answers_alone, PS4001, CHECK_PASS, NULL, NULL },
    { "never dialled, but S3", only_s3_was_dialled, PS4006, CHECK_SKIPPED, NULL, NULL },
    { "500", error_500_itself, PS4006, CHECK_FAIL, "500", NULL },
    { "services may not be read", services_denied, PS4001, CHECK_UNKNOWN,
      "servicediscovery:ListServices", NULL },
    { "and instances", services_denied, PS4003, CHECK_UNKNOWN, "servicediscovery:ListServices",
      NULL },
    { "no namespace, no services asked", services_not_asked, PS4001, CHECK_FAIL, "none of the 0",
      NULL },
    { "and no instances", services_not_asked, PS4003, CHECK_SKIPPED, NULL, NULL },
    { "another place's first server", first_of_elsewhere, PS4002, CHECK_SKIPPED, NULL, NULL },
    { "another address connects", another_address_connects, PS4005, CHECK_FAIL, "10.0.1.55", NULL },
    { "it connects, more was not tried", no_http_yet, PS4006, CHECK_PASS, NULL, NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
