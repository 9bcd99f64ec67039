#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/endpoint.h"
#include "aws/service.h"

static const struct row {
    const char *url;
    const char *authority; /* NULL: refused */
    uint16_t port;
    bool is_https, needs_no_dns;
    const char *path;
} rows[] = {
    { "http://localhost", "localhost", 80, false, true, "/" },
    { "HTTPS://Ec2.eu-west-1.amazonaws.com", "Ec2.eu-west-1.amazonaws.com", 443, true, false, "/" },
    { "https://a.example:8443/", "a.example:8443", 8443, true, false, "/" },
    { "http://127.0.0.1:5000/v4/x?y=z", "127.0.0.1:5000", 5000, false, true, "/v4/x?y=z" },
    { "http://[fd00:ec2::23]/v1", "[fd00:ec2::23]", 80, false, true, "/v1" },
    { "http://[::1]:81", "[::1]:81", 81, false, true, "/" },
    { "http://moto.localhost:80", "moto.localhost", 80, false, true, "/" },
    { "", NULL, 0, false, false, NULL },
    { "http://", NULL, 0, false, false, NULL },
    { "ftp://a/", NULL, 0, false, false, NULL },
    { "a.example", NULL, 0, false, false, NULL },
    { "http://user@a.example/", NULL, 0, false, false, NULL },
    { "http://user:pass@a.example/", NULL, 0, false, false, NULL },
    { "http://a.example#x", NULL, 0, false, false, NULL },
    { "http://a.example\\@b.example/", NULL, 0, false, false, NULL },
    { "http://a.example?x/", NULL, 0, false, false, NULL },
    { "http://a.example:/", NULL, 0, false, false, NULL },
    { "http://a.example:0/", NULL, 0, false, false, NULL },
    { "http://a.example:65536/", NULL, 0, false, false, NULL },
    { "http://a.example:80x/", NULL, 0, false, false, NULL },
    { "http://[::1/", NULL, 0, false, false, NULL },
    { "http://[::1]x/", NULL, 0, false, false, NULL },
    { "http://[fe80::1%eth0]/", NULL, 0, false, false, NULL },
    { "http://[127.0.0.1]/", NULL, 0, false, false, NULL },
    { "http://2130706433/", NULL, 0, false, false, NULL },
    { "http://127.1/", NULL, 0, false, false, NULL },
    { "http://0x7f.1/", NULL, 0, false, false, NULL },
    { "http://a b/", NULL, 0, false, false, NULL },
    { "http://a.example/\r\nx", NULL, 0, false, false, NULL },
    { "http://a.example./", NULL, 0, false, false, NULL },
};

static void urls_are_read(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct aws_endpoint e;
        char authority[AWS_AUTHORITY_BYTES];
        bool ok = aws_endpoint_parse(str_from_c(r->url), &e);
        if (ok != (r->authority != NULL))
            fail_msg("%s: %d", r->url, ok);
        if (!ok)
            continue;
        aws_endpoint_authority(&e, authority);
        if (strcmp(authority, r->authority) != 0 || e.port != r->port ||
            e.is_https != r->is_https || aws_endpoint_needs_no_dns(&e) != r->needs_no_dns ||
            !str_eq(e.path, str_from_c(r->path)))
            fail_msg("%s: %s %u %.*s", r->url, authority, e.port, STR_ARG(e.path));
    }
}

static const struct {
    enum aws_service service;
    const char *region, *host, *signing;
} hosts[] = {
    { AWS_EC2, "eu-west-1", "ec2.eu-west-1.amazonaws.com", "eu-west-1" },
    { AWS_CLOUD_MAP_DATA, "us-east-1", "data-servicediscovery.us-east-1.amazonaws.com",
      "us-east-1" },
    { AWS_LOGS, "cn-north-1", "logs.cn-north-1.amazonaws.com.cn", "cn-north-1" },
    { AWS_ECS, "us-gov-west-1", "ecs.us-gov-west-1.amazonaws.com", "us-gov-west-1" },
    { AWS_STS, "us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov", "us-iso-east-1" },
    { AWS_STS, "us-isob-east-1", "sts.us-isob-east-1.sc2s.sgov.gov", "us-isob-east-1" },
    { AWS_EC2, "eusc-de-east-1", "ec2.eusc-de-east-1.amazonaws.eu", "eusc-de-east-1" },
    { AWS_ROUTE53, "ap-southeast-2", "route53.amazonaws.com", "us-east-1" },
    { AWS_ROUTE53, "us-gov-east-1", "route53.us-gov.amazonaws.com", "us-gov-west-1" },
    { AWS_ROUTE53, "cn-north-1", "route53.amazonaws.com.cn", "cn-northwest-1" },
    { AWS_ROUTE53, "us-iso-west-1", "route53.c2s.ic.gov", "us-iso-east-1" },
    { AWS_ROUTE53_RESOLVER, "xx-new-9", "route53resolver.xx-new-9.amazonaws.com", "xx-new-9" },
};

static void services_have_hosts(void **state)
{
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char host[AWS_HOST_BYTES], region[AWS_REGION_BYTES];
        aws_service_host(hosts[i].service, str_from_c(hosts[i].region), host, region);
        assert_string_equal(host, hosts[i].host);
        assert_string_equal(region, hosts[i].signing);
    }
}

static void regions(void **state)
{
    static const char *const good[] = { "eu-west-1", "us-gov-west-1", "ap-southeast-12" };
    static const char *const bad[] = {
        "",           "eu",         "eu-west",   "eu-west-1-", "-eu-west-1",
        "Eu-west-1",  "eu--west-1", "eu-west-x", "eu-1-west",  "a.b-c-1",
        "eu-west-1 ", "eu-west-1/", "eu_west-1", "e-w-1@evil", "aaaaaaaaaaaa-aaaaaaaaaaaaaaaa-1111"
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(aws_region_is_valid(str_from_c(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (aws_region_is_valid(str_from_c(bad[i])))
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_are_read),
        cmocka_unit_test(services_have_hosts),
        cmocka_unit_test(regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
