/* ECS's metadata and what the proxy says, as JSON from outside; what is known without asking. */
#include "doctor/metadata_json.h"
#include "doctor/probe_local.h"
#include "doctor/probe_proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct str str_or_empty(const char *text)
{
    return text != NULL ? str_from_c(text) : STR("");
}

static void expect_text(struct str got, const char *wanted)
{
    if (!str_eq(got, str_or_empty(wanted)))
        fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), wanted);
}

/* Fields as Amazon documents them for Fargate. */
static const char task[] =
    "{\"Cluster\":\"arn:aws:ecs:us-west-2:111122223333:cluster/default\","
    "\"TaskARN\":\"arn:aws:ecs:us-west-2:111122223333:task/default/"
    "e9028f8d5d8e4f258373e7b93ce9a3c3\","
    "\"Family\":\"curltest\",\"Revision\":\"3\",\"LaunchType\":\"FARGATE\",\"Containers\":["
    "{\"Name\":\"~internal~ecs~pause\",\"Networks\":[{\"NetworkMode\":\"awsvpc\","
    "\"IPv4Addresses\":[\"10.0.0.108\"],\"IPv6Addresses\":[\"2600:1f14::5\"],\"MACAddress\":"
    "\"0a:62:17:7a:36:68\",\"IPv4SubnetCIDRBlock\":\"10.0.0.0/24\",\"DomainNameServers\":"
    "[\"10.0.0.2\",\"10.9.0.53\"],\"DomainNameSearchList\":[\"us-west-2.compute.internal\"],"
    "\"SubnetGatewayIpv4Address\":\"10.0.0.1/24\"}]},{\"Name\":\"curl\",\"Networks\":[{}]}]}";

static void a_tasks_networks_are_read(void **state)
{
    struct fact_book book;
    fact_book_init(&book);
    struct fact_metadata *m = &book.facts.metadata;
    assert_true(metadata_read_container(
        STR("{\"Networks\":[{\"MACAddress\":\"of the container\"}],\"Labels\":7}"), &book, m));
    assert_int_equal(m->networks.n, 1);
    assert_true(metadata_read_task(str_from_c(task), &book, m));
    assert_int_equal(m->networks.n, 2);
    const struct fact_network *n = &m->networks.v[0];
    expect_text(m->family, "curltest");
    expect_text(m->launch_type, "FARGATE");
    expect_text(n->container, "~internal~ecs~pause");
    expect_text(n->mode, "awsvpc");
    expect_text(n->mac, "0a:62:17:7a:36:68");
    expect_text(n->gateway, "10.0.0.1/24");
    expect_text(n->subnet_cidr, "10.0.0.0/24");
    assert_int_equal(n->addresses.n, 2);
    assert_int_equal(n->dns_servers.n, 2);
    expect_text(n->dns_servers.v[1], "10.9.0.53");
    expect_text(n->dns_search.v[0], "us-west-2.compute.internal");
    expect_text(metadata_region_of_arn(m->task_arn), "us-west-2");
    fact_book_done(&book);
}

static void odd_metadata_is_passed_over(void **state)
{
    static const char *const rows[] = { "", "[]", "7", "null", "{\"a\":", "{\"Networks\":[{}]} x" };
    struct fact_book book;
    fact_book_init(&book);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_false(metadata_read_container(str_from_c(rows[i]), &book, &book.facts.metadata));
        assert_false(metadata_read_task(str_from_c(rows[i]), &book, &book.facts.metadata));
    }
    assert_true(metadata_read_task(
        STR("{\"TaskARN\":7,\"Containers\":[7,{\"Networks\":7},{\"Networks\":[7,{\"MACAddress\":[],"
            "\"DomainNameServers\":[7,\"10.0.0.2\"]}]}]}"),
        &book, &book.facts.metadata));
    assert_int_equal(book.facts.metadata.networks.n, 1);
    assert_int_equal(book.facts.metadata.networks.v[0].dns_servers.n, 1);
    assert_int_equal(metadata_region_of_arn(book.facts.metadata.task_arn).n, 0);
    assert_int_equal(metadata_region_of_arn(STR("arn:aws:ecs")).n, 0);
    fact_book_done(&book);
}

static void an_answer_of_the_cache_is_of_the_groups_server(void **state)
{
    struct fact_book book;
    fact_book_init(&book);
    struct fact_proxy *p = &book.facts.proxy;
    assert_false(probe_proxy_read_lookup(STR("{\"questions\":[]}"), &book, p));
    assert_int_equal(p->running, FACT_UNKNOWN);
    assert_true(probe_proxy_read_lookup(
        STR("{\"by\":{},\"questions\":[{\"answered\":true,\"group\":\"vpc\",\"tries\":[]}]}"),
        &book, p));
    assert_int_equal(p->used.n, 0);
    assert_true(probe_proxy_read_routes(
        STR("{\"by\":{},\"routes\":[{\"groups\":[{\"name\":\"system\",\"servers\":[{\"address\":"
            "\"10.9.0.53:53\"}]},{\"name\":\"vpc\",\"servers\":[{\"address\":"
            "\"[fd00:ec2::253]:53\"}]}]}],\"endpoints\":[{\"name\":\"s3.test\","
            "\"asked_first_for_ms\":null}]}"),
        STR("s3.test"), 1000, &book, p));
    expect_text(p->used, "fd00:ec2::253");
    assert_int_equal(p->since_s, FACT_NO_NUMBER);
    fact_book_done(&book);
}

/* -- surroundings ------------------------------------------------------------------------- */

static struct conf *conf_of(char **env)
{
    struct buf errors;
    buf_init(&errors, 4096);
    struct conf *c = conf_load(env, NULL, CONF_FOR_TOOL, &errors);
    if (c == NULL)
        fail_msg("%.*s", STR_ARG(buf_str(&errors)));
    buf_done(&errors);
    return c;
}

static void what_the_environment_says_is_noted(void **state)
{
    char *env[] = {
        (char *)"INTERNAL_REGISTRY_URL=http://registry.stk:8080/v2",
        (char *)"PENSTOCK_DNS_SERVERS=fd00::1:53,[fd00::2]:53,10.0.0.2:53,fd00:ec2::253",
        (char *)"PENSTOCK_ALLOW_HOSTS=*.s3.amazonaws.com,s3.eu-west-1.amazonaws.com",
        (char *)"https_proxy=http://user:p@ss@proxy.example:3128/",
        (char *)"NO_PROXY=169.254.170.2,.amazonaws.com",
        (char *)"ECS_CONTAINER_METADATA_URI_V4=http://127.0.0.1/",
        (char *)"AWS_SECRET_ACCESS_KEY=never",
        NULL,
    };
    struct conf *conf = conf_of(env);
    struct fact_book book;
    fact_book_init(&book);
    struct probe_request request = { .conf = conf, .env = env, .registry = &conf->registry };
    probe_surroundings(&request, &book);
    const struct fact_surroundings *s = &book.facts.surroundings;
    assert_int_equal(s->on_ecs, FACT_YES);
    expect_text(s->registry_url, "http://registry.stk:8080/v2");
    assert_int_equal(s->proxies.n, 2);
    expect_text(s->proxies.v[0].name, "https_proxy");
    expect_text(s->proxies.v[0].value, "http://proxy.example:3128/");
    expect_text(s->proxies.v[1].value, "169.254.170.2,.amazonaws.com");
    assert_int_equal(s->unbracketed.n, 1);
    expect_text(s->unbracketed.v[0], "PENSTOCK_DNS_SERVERS: fd00::1:53");
    assert_int_equal(s->legacy_names.n, 1);
    expect_text(s->legacy_names.v[0], "s3.amazonaws.com");
    fact_book_done(&book);
    conf_unref(conf);
}

static void names_are_made_of_region_buckets_and_registry(void **state)
{
    static const struct {
        const char *region, *bucket, *allow, *registry;
        const char *s3, *name, *path, *authority;
        uint16_t port;
        bool is_tls;
    } rows[] = {
        { "eu-west-1", "logs", "", "http://registry.stk", "s3.eu-west-1.amazonaws.com",
          "logs.s3.eu-west-1.amazonaws.com", "/", "registry.stk", 443, true },
        { "cn-north-1", "logs", "", "", "s3.cn-north-1.amazonaws.com.cn",
          "logs.s3.cn-north-1.amazonaws.com.cn", "/", NULL, 443, true },
        { "eu-west-1", "with.dots", "", "", "s3.eu-west-1.amazonaws.com",
          "s3.eu-west-1.amazonaws.com", "/with.dots", NULL, 443, true },
        { "eu-west-1", "logs", "PENSTOCK_ALLOW_HOSTS=*.amazonaws.com:8080=http", "",
          "s3.eu-west-1.amazonaws.com", "logs.s3.eu-west-1.amazonaws.com", "/", NULL, 8080, false },
        { "eu-west-1", "logs.s3.eu-central-1.amazonaws.com", "", "http://[fd00::1]:5000",
          "s3.eu-west-1.amazonaws.com", "logs.s3.eu-central-1.amazonaws.com", "/", "[fd00::1]:5000",
          443, true },
        /* No request can be made of these. */
        { "eu-west-1", "a b\r\nX: y", "", "", "s3.eu-west-1.amazonaws.com", NULL, NULL, NULL, 443,
          true },
        { "", "logs", "", "", "s3.us-east-1.amazonaws.com", NULL, NULL, NULL, 0, false },
        { "no region", "logs", "", "", "s3.us-east-1.amazonaws.com", NULL, NULL, NULL, 0, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char registry[128];
        snprintf(registry, sizeof registry, "INTERNAL_REGISTRY_URL=%s", rows[i].registry);
        char *env[] = { registry, (char *)rows[i].allow, NULL };
        struct conf *conf = conf_of(env);
        struct str bucket = str_from_c(rows[i].bucket);
        struct conf_strs buckets = { &bucket, 1 };
        struct fact_book book;
        struct probe_names names;
        const struct probe_target *of_bucket = NULL, *of_registry = NULL;
        fact_book_init(&book);
        struct probe_request request = { .conf = conf,
                                         .buckets = &buckets,
                                         .registry = &conf->registry };
        probe_names_init(&names, &request, str_from_c(rows[i].region), &book);
        for (unsigned t = 0; t < names.n_targets; t++) {
            of_bucket =
                strcmp(names.targets[t].purpose, "bucket") == 0 ? &names.targets[t] : of_bucket;
            of_registry = names.targets[t].is_registry ? &names.targets[t] : of_registry;
        }
        expect_text(names.v[0].text, rows[i].s3);
        assert_true(names.v[0].is_aws);
        assert_int_equal(of_bucket != NULL, rows[i].name != NULL);
        if (of_bucket != NULL) {
            expect_text(of_bucket->name->text, rows[i].name);
            expect_text(of_bucket->path, rows[i].path);
            assert_int_equal(of_bucket->port, rows[i].port);
            assert_int_equal(of_bucket->is_tls, rows[i].is_tls);
        }
        assert_int_equal(of_registry != NULL, rows[i].authority != NULL);
        if (of_registry != NULL)
            expect_text(of_registry->host_field, rows[i].authority);
        /* Without a region S3 is asked for, since DNS is judged by it, but not connected to. */
        assert_int_equal(names.n_targets == 0, rows[i].port == 0);
        fact_book_done(&book);
        conf_unref(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tasks_networks_are_read),
        cmocka_unit_test(odd_metadata_is_passed_over),
        cmocka_unit_test(an_answer_of_the_cache_is_of_the_groups_server),
        cmocka_unit_test(what_the_environment_says_is_noted),
        cmocka_unit_test(names_are_made_of_region_buckets_and_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
