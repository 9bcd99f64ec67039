#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

/* One variable (and the registry's, where it is another); NULL and the errors, or the settings. */
static struct conf *load_one(const char *variable, struct buf *errors)
{
    char entry[4096];
    char registry[] = "INTERNAL_REGISTRY_URL=http://registry.x";
    snprintf(entry, sizeof entry, "%s", variable);
    bool is_registry = str_starts(str_from_c(variable), STR("INTERNAL_REGISTRY_URL="));
    char *env[] = { entry, is_registry ? NULL : registry, NULL };
    buf_init(errors, 65536);
    struct conf *c = conf_load(env, NULL, CONF_FOR_SERVE, errors);
    buf_byte(errors, 0);
    return c;
}

static struct conf *load_good(const char *variable)
{
    struct buf errors;
    struct conf *c = load_one(variable, &errors);
    if (c == NULL)
        fail_msg("%s: %s", variable, errors.p);
    buf_done(&errors);
    return c;
}

static void wrong_values_are_told_in_one_line(void **state)
{
    static const struct {
        const char *variable, *want;
    } rows[] = {
        { "INTERNAL_REGISTRY_URL=registry", "must begin with http:// or https://" },
        { "INTERNAL_REGISTRY_URL=ftp://registry", "must begin with http:// or https://" },
        { "INTERNAL_REGISTRY_URL=http:/registry", "must begin with http:// or https://" },
        { "INTERNAL_REGISTRY_URL=http://", "there is no host" },
        { "INTERNAL_REGISTRY_URL=http:///x", "there is no host" },
        { "INTERNAL_REGISTRY_URL=http://:80", "there is no host" },
        { "INTERNAL_REGISTRY_URL=http://[::1", "there is no host" },
        { "INTERNAL_REGISTRY_URL=http://[]", "there is no host" },
        { "INTERNAL_REGISTRY_URL=http://user:secret@registry", "a user name, a password" },
        { "INTERNAL_REGISTRY_URL=http://user:sec/ret@registry", "a user name, a password" },
        { "INTERNAL_REGISTRY_URL=user:secret@registry", "a user name, a password" },
        { "INTERNAL_REGISTRY_URL=http://registry:", "is no port" },
        { "INTERNAL_REGISTRY_URL=http://registry:0", "is no port" },
        { "INTERNAL_REGISTRY_URL=http://registry:65536", "is no port" },
        { "INTERNAL_REGISTRY_URL=http://registry:8x", "is no port" },
        { "INTERNAL_REGISTRY_URL=http://[::1]x", "is no port" },
        { "INTERNAL_REGISTRY_URL=http://a..b", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://a b", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://a%41", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://10.0.0.256", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://1.2.3", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://[1.2.3.4]", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://[registry]", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://[fe80::1%25eth0]", "neither a host name nor an address" },
        { "INTERNAL_REGISTRY_URL=http://0.0.0.0", "no address to connect to" },
        { "INTERNAL_REGISTRY_URL=http://[::]:8080", "no address to connect to" },
        { "INTERNAL_REGISTRY_URL=http://registry/?x", "a query or fragment" },
        { "INTERNAL_REGISTRY_URL=http://registry#x", "a query or fragment" },
        { "INTERNAL_REGISTRY_URL=http://registry/a b", "a character that no URL has" },
        { "INTERNAL_REGISTRY_URL=http://registry/\xc3\xa4", "a character that no URL has" },
        { "INTERNAL_REGISTRY_URL=http://reg\nistry", "a control character" },
        { "PENSTOCK_LISTEN=localhost:80", "\"localhost:80\" is no address" },
        { "PENSTOCK_LISTEN=:80,", "an empty item" },
        { "PENSTOCK_LISTEN=:80,,:81", "an empty item" },
        { "PENSTOCK_LISTEN=:65536", "is no address" },
        { "PENSTOCK_LISTEN=127.0.0.1:80,127.0.0.1:80", "is there twice" },
        { "PENSTOCK_LISTEN=off", "is no address" },
        { "PENSTOCK_ADMIN=[::]:80", "the same address as PENSTOCK_LISTEN" },
        { "PENSTOCK_DNS_LISTEN=[::]:80", "the same address as PENSTOCK_LISTEN" },
        { "PENSTOCK_DNS_LISTEN=127.0.0.1:9901", "the same address as PENSTOCK_ADMIN" },
        { "PENSTOCK_TLS_LISTEN=[::]:80", "the same address as PENSTOCK_LISTEN" },
        { "PENSTOCK_TLS_LISTEN=127.0.0.1:9901", "the same address as PENSTOCK_ADMIN" },
        { "PENSTOCK_TLS_LISTEN=:443", "PENSTOCK_TLS_CERT is not set; " },
        { "PENSTOCK_TLS_CERT=/c.pem", "PENSTOCK_TLS_LISTEN is not set; " },
        { "PENSTOCK_TLS_KEY=/k.pem", "PENSTOCK_TLS_LISTEN is not set; " },
        { "PENSTOCK_MAX_MANIFEST=86M", "more than a third of PENSTOCK_MAX_MANIFEST_TOTAL" },
        { "PENSTOCK_WORKERS=0", "0 is not between 1 and 256" },
        { "PENSTOCK_WORKERS=257", "not between" },
        { "PENSTOCK_WORKERS=many", "neither auto nor a whole number" },
        { "PENSTOCK_DNS_SERVERS=ns.example", "is no address" },
        { "PENSTOCK_DNS_SERVERS=10.0.0.2:0", "no address that can be asked" },
        { "PENSTOCK_DNS_SERVERS=0.0.0.0", "no address that can be asked" },
        { "PENSTOCK_DNS_SERVERS=ff02::fb", "no address that can be asked" },
        { "PENSTOCK_DNS_SERVERS=10.0.0.2,10.0.0.2:53", "is there twice" },
        { "PENSTOCK_DNS_ROUTES=example.com", "is no route" },
        { "PENSTOCK_DNS_ROUTES=example.com=", "an empty item" },
        { "PENSTOCK_DNS_ROUTES==10.0.0.2", "is no zone" },
        { "PENSTOCK_DNS_ROUTES=.example.com=10.0.0.2", "is no zone" },
        { "PENSTOCK_DNS_ROUTES=a..b=10.0.0.2", "is no zone" },
        { "PENSTOCK_DNS_ROUTES=a=10.0.0.2||10.0.0.3", "an empty item" },
        { "PENSTOCK_DNS_ROUTES=a=10.0.0.2,", "an empty item" },
        { "PENSTOCK_DNS_ROUTES=a=10.0.0.2;", "an empty item" },
        { "PENSTOCK_DNS_ROUTES=a=10.0.0.2;A.=10.0.0.3", "the zone a is there twice" },
        { "PENSTOCK_DNS_ROUTES=a=1.1.1.1|2.2.2.2|3.3.3.3|4.4.4.4|5.5.5.5|6.6.6.6|7.7.7.7|8.8.8.8|"
          "9.9.9.9",
          "more than 8 items" },
        { "PENSTOCK_DNS_AWS=maybe", "none of auto, on, off" },
        { "PENSTOCK_DNS_AWS=On", "none of auto, on, off" },
        { "PENSTOCK_ALLOW_HOSTS=minio:", "the port is a number" },
        { "PENSTOCK_ALLOW_HOSTS=minio:70000", "the port is a number" },
        { "PENSTOCK_ALLOW_HOSTS=minio=ftp", "the scheme is http or https" },
        { "PENSTOCK_ALLOW_HOSTS=minio=", "the scheme is http or https" },
        { "PENSTOCK_ALLOW_HOSTS=http://minio", "no URL" },
        { "PENSTOCK_ALLOW_HOSTS=minio:9000/http", "no URL" },
        { "PENSTOCK_ALLOW_HOSTS=a/b", "no URL" },
        { "PENSTOCK_ALLOW_HOSTS=:80", "is no host name" },
        { "PENSTOCK_ALLOW_HOSTS=a.", "is no host name" },
        { "PENSTOCK_ALLOW_BUCKETS=a/b", "cannot match any bucket" },
        { "PENSTOCK_ALLOW_BUCKETS=,", "an empty item" },
        { "PENSTOCK_ALLOW_ADDRESSES=10.0.0.1/8", "is no prefix" },
        { "PENSTOCK_ALLOW_ADDRESSES=10.0.0.0/33", "is no prefix" },
        { "PENSTOCK_ALLOW_ADDRESSES=all", "is no prefix" },
        { "PENSTOCK_EXPOSE_HEADERS=x-a, x b", "is no header name" },
        { "PENSTOCK_EXPOSE_HEADERS=x-a:", "is no header name" },
        { "PENSTOCK_MAX_BODY=10X", "is no size" },
        { "PENSTOCK_MAX_BODY=K", "is no size" },
        { "PENSTOCK_MAX_BODY=-1", "is no size" },
        { "PENSTOCK_MAX_BODY=1.5G", "is no size" },
        { "PENSTOCK_MAX_BODY=99999999999G", "is too large" },
        { "PENSTOCK_MAX_BODY=18446744073709551615", "is not between" },
        { "PENSTOCK_MAX_CONNECTIONS=0", "is not between 1 and" },
        { "PENSTOCK_HEAD_TIMEOUT_MS=60s", "is no whole number of ms" },
        { "PENSTOCK_HEAD_TIMEOUT_MS=0", "is not between 1 and 86400000" },
        { "PENSTOCK_ERROR_DETAIL=maybe", "neither on nor off" },
        { "PENSTOCK_LOG_LEVEL=trace", "none of error, warning, info, debug" },
        { "PENSTOCK_LOG_LEVEL=in\xff\x01"
          "fo",
          "a control character" },
        { "PENSTOCK_LOG_LEVEL=in\xffo", "\"in?o\" is none of" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf errors;
        struct conf *c = load_one(rows[i].variable, &errors);
        struct str key =
            str_first(str_from_c(rows[i].variable), str_find(str_from_c(rows[i].variable), '=', 0));
        if (c != NULL || strstr(errors.p, rows[i].want) == NULL ||
            strncmp(errors.p, key.p, key.n) != 0 || strchr(errors.p, '\n')[1] != 0)
            fail_msg("%s: %s", rows[i].variable, errors.p);
        assert_null(strstr(errors.p, "sec"));
        buf_done(&errors);
    }
}

static void a_registry_url_is_taken_apart(void **state)
{
    static const struct {
        const char *url;
        enum conf_scheme scheme;
        const char *host;
        bool is_literal;
        uint16_t port;
        const char *authority, *path;
    } rows[] = {
        { "http://registry", CONF_HTTP, "registry", false, 80, "registry", "" },
        { "http://registry/", CONF_HTTP, "registry", false, 80, "registry", "" },
        { "http://registry///", CONF_HTTP, "registry", false, 80, "registry", "" },
        { "HTTPS://Registry.Stack:8443/a/b//", CONF_HTTPS, "Registry.Stack", false, 8443,
          "Registry.Stack:8443", "/a/b" },
        { "https://registry.stack.", CONF_HTTPS, "registry.stack", false, 443, "registry.stack",
          "" },
        { "http://registry.stack.:8080", CONF_HTTP, "registry.stack", false, 8080,
          "registry.stack:8080", "" },
        { "http://10.0.0.7:81", CONF_HTTP, "10.0.0.7", true, 81, "10.0.0.7:81", "" },
        { "http://[fd00::7]:81/x", CONF_HTTP, "fd00::7", true, 81, "[fd00::7]:81", "/x" },
        { "http://[::1]", CONF_HTTP, "::1", true, 80, "[::1]", "" },
        { "http://127.0.0.1", CONF_HTTP, "127.0.0.1", true, 80, "127.0.0.1", "" },
        { "http://my_registry_1/%2Fx", CONF_HTTP, "my_registry_1", false, 80, "my_registry_1",
          "/%2Fx" },
        { " http://registry ", CONF_HTTP, "registry", false, 80, "registry", "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char variable[256];
        snprintf(variable, sizeof variable, "INTERNAL_REGISTRY_URL=%s", rows[i].url);
        struct conf *c = load_good(variable);
        const struct conf_registry *r = &c->registry;
        assert_int_equal(r->scheme, rows[i].scheme);
        assert_string_equal(r->host.p, rows[i].host);
        assert_int_equal(r->is_literal, rows[i].is_literal);
        assert_int_equal(r->port, rows[i].port);
        assert_string_equal(r->authority.p, rows[i].authority);
        assert_string_equal(r->path.p, rows[i].path);
        conf_unref(c);
    }
}

static void check_addrs(const struct conf_addrs *got, const char *want)
{
    char text[ADDR_TEXT_BYTES], all[1024] = "";
    for (size_t i = 0; i < got->n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "",
                 addr_text(&got->v[i], text));
    assert_string_equal(all, want);
}

static void addresses_take_their_default_port(void **state)
{
    struct conf *c = load_good("PENSTOCK_LISTEN=:8080, 127.0.0.1:0 ,[::1]:81");
    check_addrs(&c->listen, "[::]:8080 127.0.0.1:0 [::1]:81");
    check_addrs(&c->admin, "127.0.0.1:9901");
    check_addrs(&c->dns_aws_servers, "169.254.169.253:53 [fd00:ec2::253]:53");
    check_addrs(&c->dns_servers, "");
    conf_unref(c);
    c = load_good("PENSTOCK_DNS_SERVERS=10.0.0.2,10.0.0.3:5353,[fd00::2]:54,fd00::3,127.0.0.1");
    check_addrs(&c->dns_servers,
                "10.0.0.2:53 10.0.0.3:5353 [fd00::2]:54 [fd00::3]:53 127.0.0.1:53");
    conf_unref(c);
    c = load_good("PENSTOCK_ADMIN=off");
    check_addrs(&c->admin, "");
    check_addrs(&c->listen, "[::]:80");
    conf_unref(c);
}

static void dns_routes_have_groups_in_order(void **state)
{
    struct conf *c =
        load_good("PENSTOCK_DNS_ROUTES=AmazonAWS.com.=10.0.0.2,10.0.0.3|[fd00::2]:54 ; "
                  ". = 10.9.9.9;_x.svc.local=127.0.0.1:5353");
    assert_int_equal(c->dns_routes.n, 3);
    const struct conf_dns_route *r = c->dns_routes.v;
    assert_string_equal(r[0].zone.p, "amazonaws.com");
    assert_int_equal(r[0].n_groups, 2);
    check_addrs(&r[0].groups[0], "10.0.0.2:53 10.0.0.3:53");
    check_addrs(&r[0].groups[1], "[fd00::2]:54");
    assert_string_equal(r[1].zone.p, ".");
    assert_int_equal(r[1].n_groups, 1);
    check_addrs(&r[1].groups[0], "10.9.9.9:53");
    assert_string_equal(r[2].zone.p, "_x.svc.local");
    check_addrs(&r[2].groups[0], "127.0.0.1:5353");
    conf_unref(c);
}

static void host_rules_have_port_and_scheme(void **state)
{
    static const struct {
        const char *pattern;
        uint16_t port;
        enum conf_scheme scheme;
    } want[] = {
        { "minio", 80, CONF_HTTP },
        { "*.ceph.local", 7480, CONF_HTTP },
        { "s3.example.org", 443, CONF_HTTPS },
        { "b?", 8443, CONF_HTTPS },
        { "c", 444, CONF_HTTPS },
    };
    struct conf *c = load_good("PENSTOCK_ALLOW_HOSTS=minio=http,*.ceph.local:7480=http,"
                               "s3.example.org, b?:8443 = https ,c:444");
    assert_int_equal(c->allow_hosts.n, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(c->allow_hosts.v[i].pattern.p, want[i].pattern);
        assert_int_equal(c->allow_hosts.v[i].port, want[i].port);
        assert_int_equal(c->allow_hosts.v[i].scheme, want[i].scheme);
    }
    conf_unref(c);
}

static void lists_of_texts_and_prefixes(void **state)
{
    struct conf *c = load_good("PENSTOCK_ALLOW_BUCKETS=data-*, Old_Bucket ,a.b");
    assert_int_equal(c->allow_buckets.n, 3);
    assert_string_equal(c->allow_buckets.v[0].p, "data-*");
    assert_string_equal(c->allow_buckets.v[1].p, "Old_Bucket");
    conf_unref(c);
    c = load_good("PENSTOCK_EXPOSE_HEADERS=x-amz-meta-a,X_B");
    assert_int_equal(c->expose_headers.n, 2);
    assert_string_equal(c->expose_headers.v[1].p, "X_B");
    conf_unref(c);
    c = load_good("PENSTOCK_ALLOW_ADDRESSES=127.0.0.0/8,::1");
    struct addr inside;
    assert_true(addr_parse_ip(STR("127.9.9.9"), &inside));
    assert_int_equal(c->allow_addresses.n, 2);
    assert_true(cidr_has(&c->allow_addresses.v[0], &inside));
    assert_false(cidr_has(&c->allow_addresses.v[1], &inside));
    conf_unref(c);
}

static void numbers_sizes_and_words(void **state)
{
    static const struct {
        const char *variable;
        uint64_t want;
    } sizes[] = {
        { "PENSTOCK_MAX_BODY=0", 0 },
        { "PENSTOCK_MAX_BODY=12345", 12345 },
        { "PENSTOCK_MAX_BODY=3k", 3 << 10 },
        { "PENSTOCK_MAX_BODY=5M", 5 << 20 },
        { "PENSTOCK_MAX_BODY=100G", 100ull << 30 },
        { "PENSTOCK_MAX_BODY=", 10ull << 30 },
    };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct conf *c = load_good(sizes[i].variable);
        assert_int_equal(c->max_body, sizes[i].want);
        conf_unref(c);
    }
    struct conf *c = load_good("PENSTOCK_WORKERS=7");
    assert_int_equal(c->workers, 7);
    conf_unref(c);
    c = load_good("PENSTOCK_ERROR_DETAIL=OFF");
    assert_false(c->error_detail);
    conf_unref(c);
    c = load_good("PENSTOCK_LOG_LEVEL=debug");
    assert_true(str_eq(c->log_level, STR("debug")));
    conf_unref(c);
}

static void defaults_are_those_of_the_contract(void **state)
{
    struct conf *c = load_good("PENSTOCK_LISTEN=");
    check_addrs(&c->listen, "[::]:80");
    assert_true(c->workers >= 1);
    assert_int_equal(c->max_body, 10ull << 30);
    assert_int_equal(c->max_registry_body, 64 << 20);
    assert_int_equal(c->max_connections_per_client, 0);
    assert_int_equal(c->idle_timeout_ms, 1020000);
    assert_int_equal(c->head_timeout_ms, 60000);
    assert_int_equal(c->body_timeout_ms, 60000);
    assert_int_equal(c->connect_timeout_ms, 3000);
    assert_int_equal(c->tls_timeout_ms, 5000);
    assert_int_equal(c->connect_total_ms, 10000);
    assert_int_equal(c->upstream_head_timeout_ms, 60000);
    assert_int_equal(c->upstream_idle_ms, 4000);
    assert_true(c->error_detail);
    assert_false(c->dns_aws_allowed);
    assert_string_equal(c->resolv_conf.p, "/etc/resolv.conf");
    assert_string_equal(c->hosts_file.p, "/etc/hosts");
    assert_int_equal(c->ca_file.n, 0);
    conf_unref(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_values_are_told_in_one_line),
        cmocka_unit_test(a_registry_url_is_taken_apart),
        cmocka_unit_test(addresses_take_their_default_port),
        cmocka_unit_test(dns_routes_have_groups_in_order),
        cmocka_unit_test(host_rules_have_port_and_scheme),
        cmocka_unit_test(lists_of_texts_and_prefixes),
        cmocka_unit_test(numbers_sizes_and_words),
        cmocka_unit_test(defaults_are_those_of_the_contract),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
