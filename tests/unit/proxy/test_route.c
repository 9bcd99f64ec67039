#include "proxy/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

#include "head.h"

static struct conf *load(const char *const *settings)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.stk";
    char *env[8] = { registry };
    int n = 1;
    for (; *settings != NULL && n < 7; settings++)
        env[n++] = (char *)(uintptr_t)*settings;
    struct buf errors;
    buf_init(&errors, 4096);
    struct conf *c = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    if (c == NULL)
        print_error("%.*s", STR_ARG(buf_str(&errors)));
    assert_non_null(c);
    buf_done(&errors);
    return c;
}

struct row {
    const char *says;
    const char *line; /* METHOD TARGET */
    enum route_kind kind;
    enum fault_kind fault;
    const char *host, *rest, *bucket; /* NULL: not looked at */
};

static void check_rows(const struct conf *conf, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row *row = &rows[i];
        char text[2048];
        struct http_head head;
        struct route r;
        struct fault f = { .kind = FAULT_NONE };
        snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: proxy\r\n\r\n", row->line);
        read_request(text, &head);
        route_public(conf, &head, &r, &f);
        if (r.kind != row->kind || f.kind != row->fault)
            fail_msg("%s: %s: kind %d fault %s", row->says, row->line, r.kind,
                     fault_row(f.kind)->name);
        if (row->host != NULL)
            assert_true(str_eq(r.host, str_from_c(row->host)));
        if (row->rest != NULL)
            assert_true(str_eq(r.rest, str_from_c(row->rest)));
        if (row->bucket != NULL)
            assert_true(str_eq(r.bucket, str_from_c(row->bucket)));
    }
}
#define CHECK(conf, rows) check_rows(conf, rows, sizeof(rows) / sizeof *(rows))

#define S3 "s3.us-east-1.amazonaws.com"

static void test_default_routes(void **state)
{
    static const struct row rows[] = {
        { "health check", "GET /", ROUTE_ROOT, FAULT_NONE, NULL, NULL, NULL },
        { "any method on /", "BREW /", ROUTE_ROOT, FAULT_NONE, NULL, NULL, NULL },
        { "/ with a query", "GET /?x", ROUTE_ROOT, FAULT_NONE, NULL, NULL, NULL },
        { "robots", "GET /robots.txt", ROUTE_ROBOTS, FAULT_NONE, NULL, NULL, NULL },
        { "object", "GET /" S3 "/b/k?v=1", ROUTE_S3, FAULT_NONE, S3, "/b/k?v=1", "b" },
        { "raw target", "GET /" S3 "/b//a/../%2F+%zz'\"[\\", ROUTE_S3, FAULT_NONE, S3,
          "/b//a/../%2F+%zz'\"[\\", "b" },
        { "no slash", "GET /" S3, ROUTE_S3, FAULT_NONE, S3, "", NULL },
        { "no slash, query", "GET /" S3 "?list", ROUTE_S3, FAULT_NONE, S3, "?list", NULL },
        { "case is kept", "GET /S3.US-East-1.amazonaws.COM/b/k", ROUTE_S3, FAULT_NONE,
          "S3.US-East-1.amazonaws.COM", "/b/k", NULL },
        { "virtual host", "GET /buck." S3 "/k", ROUTE_S3, FAULT_NONE, NULL, "/k", "buck" },
        { "preflight", "OPTIONS /" S3 "/b/k", ROUTE_PREFLIGHT, FAULT_NONE, NULL, NULL, NULL },
        { "absolute form", "GET http://proxy.example/" S3 "/b/k", ROUTE_S3, FAULT_NONE, S3, "/b/k",
          NULL },
        { "other host", "GET /evil.test/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL, NULL,
          NULL },
        { "other host, preflight", "OPTIONS /evil.test/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST,
          NULL, NULL, NULL },
        { "escaped question mark", "GET /evil.test%3F.amazonaws.com/k", ROUTE_REFUSED,
          FAULT_UNEXPECTED_HOST, NULL, NULL, NULL },
        { "escaped slash", "GET /evil.test%2F." S3 "/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL,
          NULL, NULL },
        { "userinfo", "GET /" S3 "@evil.test/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL, NULL,
          NULL },
        { "port", "GET /" S3 ":22/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL, NULL, NULL },
        { "trailing dot", "GET /" S3 "./k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL, NULL,
          NULL },
        { "address", "GET /169.254.169.254/latest", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL,
          NULL, NULL },
        { "other service", "GET /ec2.us-east-1.amazonaws.com/", ROUTE_REFUSED,
          FAULT_UNEXPECTED_HOST, NULL, NULL, NULL },
        { "suffix only", "GET /" S3 ".evil.test/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL,
          NULL, NULL },
        { "not a host", "GET /favicon.ico", ROUTE_REFUSED, FAULT_NOT_FOUND, NULL, NULL, NULL },
        { "double slash", "GET //x", ROUTE_REFUSED, FAULT_NOT_FOUND, NULL, NULL, NULL },
        { "asterisk", "OPTIONS *", ROUTE_REFUSED, FAULT_NOT_FOUND, NULL, NULL, NULL },
        { "TRACE", "TRACE /" S3 "/b/k", ROUTE_REFUSED, FAULT_METHOD, NULL, NULL, NULL },
        { "CONNECT", "CONNECT " S3 ":443", ROUTE_REFUSED, FAULT_BAD_REQUEST, NULL, NULL, NULL },
    };
    struct conf *conf = load((const char *[]){ NULL });
    CHECK(conf, rows);
    conf_free(conf);
}

static void test_allowed_buckets(void **state)
{
    static const struct row rows[] = {
        { "path bucket", "GET /" S3 "/data-1/k", ROUTE_S3, FAULT_NONE, NULL, NULL, "data-1" },
        { "host bucket", "GET /data-2." S3 "/k", ROUTE_S3, FAULT_NONE, NULL, NULL, "data-2" },
        { "other bucket", "GET /" S3 "/secret/k", ROUTE_REFUSED, FAULT_BUCKET_DENIED, NULL, NULL,
          NULL },
        { "other host bucket", "GET /secret." S3 "/data-1/k", ROUTE_REFUSED, FAULT_BUCKET_DENIED,
          NULL, NULL, NULL },
        { "a path has case", "GET /" S3 "/Data-1/k", ROUTE_REFUSED, FAULT_BUCKET_DENIED, NULL, NULL,
          NULL },
        { "a host has none", "GET /Data-2." S3 "/k", ROUTE_S3, FAULT_NONE, NULL, NULL, NULL },
        { "escaped bucket", "GET /" S3 "/data%2D1/k", ROUTE_REFUSED, FAULT_BUCKET_DENIED, NULL,
          NULL, NULL },
        { "list of buckets", "GET /" S3 "/", ROUTE_REFUSED, FAULT_BUCKET_DENIED, NULL, NULL, NULL },
        { "empty segment", "GET /" S3 "//data-1/k", ROUTE_REFUSED, FAULT_BUCKET_DENIED, NULL, NULL,
          NULL },
        { "preflight asks nobody", "OPTIONS /" S3 "/secret/k", ROUTE_PREFLIGHT, FAULT_NONE, NULL,
          NULL, NULL },
    };
    struct conf *conf = load((const char *[]){ "PENSTOCK_ALLOW_BUCKETS=data-*", NULL });
    CHECK(conf, rows);
    conf_free(conf);
}

static void test_copy_source_is_no_way_around(void **state)
{
    static const struct {
        const char *source;
        enum fault_kind fault;
    } rows[] = {
        { "/data-1/k", FAULT_NONE },
        { "data-1/k", FAULT_NONE },
        { "/secret/k", FAULT_BUCKET_DENIED },
        { "secret%2Fk", FAULT_BUCKET_DENIED },
        { "%2Fsecret/k", FAULT_BUCKET_DENIED },
        { "//secret/k", FAULT_BUCKET_DENIED },
        { "arn:aws:s3:us-east-1:1:accesspoint/data-1/object/k", FAULT_BUCKET_DENIED },
        { "/data-1/k\r\nx-amz-copy-source: /secret/k", FAULT_BUCKET_DENIED },
    };
    struct conf *conf = load((const char *[]){ "PENSTOCK_ALLOW_BUCKETS=data-*", NULL });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        struct http_head head;
        struct route r;
        struct fault f = { .kind = FAULT_NONE };
        snprintf(text, sizeof text,
                 "PUT /" S3 "/data-1/k HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n"
                 "X-Amz-Copy-Source: %s\r\n\r\n",
                 rows[i].source);
        read_request(text, &head);
        route_public(conf, &head, &r, &f);
        if (f.kind != rows[i].fault)
            fail_msg("%s: %s", rows[i].source, fault_row(f.kind)->name);
    }
    conf_free(conf);
}

static void test_allowed_hosts(void **state)
{
    static const struct row rows[] = {
        { "added host", "GET /minio.internal/b/k", ROUTE_S3, FAULT_NONE, "minio.internal", "/b/k",
          "b" },
        { "virtual host of a pattern", "GET /bk.minio.internal/k", ROUTE_S3, FAULT_NONE, NULL, NULL,
          "bk" },
        { "still no address", "GET /10.0.0.1/k", ROUTE_REFUSED, FAULT_UNEXPECTED_HOST, NULL, NULL,
          NULL },
        { "Amazon's as before", "GET /" S3 "/b/k", ROUTE_S3, FAULT_NONE, NULL, NULL, NULL },
    };
    struct conf *conf = load((const char *[]){
        "PENSTOCK_ALLOW_HOSTS=minio.internal:9000=http,*.minio.internal:9000=http", NULL });
    CHECK(conf, rows);
    struct http_head head;
    struct route r;
    struct fault f = { .kind = FAULT_NONE };
    read_request("GET /minio.internal/b/k HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    route_public(conf, &head, &r, &f);
    assert_int_equal(r.origin.port, 9000);
    assert_int_equal(r.origin.scheme, CONF_HTTP);
    conf_free(conf);
}

static void test_expectations(void **state)
{
    static const struct {
        const char *rest; /* of the request line, and fields */
        enum fault_kind fault;
    } rows[] = {
        { "1.1\r\nExpect: 100-continue\r\n", FAULT_NONE },
        { "1.1\r\nExpect: 100-Continue, 100-continue\r\n", FAULT_NONE },
        { "1.1\r\nExpect:\r\n", FAULT_NONE },
        { "1.1\r\nExpect: 200-ok\r\n", FAULT_EXPECTATION },
        { "1.1\r\nExpect: 100-continue, more\r\n", FAULT_EXPECTATION },
        { "1.1\r\nExpect: 100-continue\r\nExpect: more\r\n", FAULT_EXPECTATION },
        { "1.0\r\nExpect: more\r\n", FAULT_NONE },
    };
    struct conf *conf = load((const char *[]){ NULL });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512];
        struct http_head head;
        struct route r;
        struct fault f = { .kind = FAULT_NONE };
        snprintf(text, sizeof text, "GET /" S3 "/b/k HTTP/%sHost: p\r\n\r\n", rows[i].rest);
        read_request(text, &head);
        route_public(conf, &head, &r, &f);
        if (f.kind != rows[i].fault)
            fail_msg("%s: %s", rows[i].rest, fault_row(f.kind)->name);
    }
    conf_free(conf);
}

/* The access log shows a fault's detail. */
static void test_faults_hold_no_secrets(void **state)
{
    static const char *const targets[] = {
        "//x?X-Amz-Signature=SECRET",
        "/x?token=SECRET",
        "/x/y?token=SECRET",
        "http://u:SECRET@h/k",
        "https://h?X-Amz-Signature=SECRET",
    };
    struct conf *conf = load((const char *[]){ NULL });
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char text[512];
        struct http_head head;
        struct route r;
        struct fault f[2] = { { .kind = FAULT_NONE } };
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: p\r\n\r\n", targets[i]);
        size_t scanned = 0, used = 0;
        if (http1_parse_request(str_from_c(text), &scanned, &head, &used, &f[0]) == HTTP_DONE) {
            route_public(conf, &head, &r, &f[0]);
            route_admin(&head, NULL, &r, &f[1]);
        }
        for (int k = 0; k < 2; k++)
            if (strstr(f[k].detail, "SECRET") != NULL)
                fail_msg("%s: %s", targets[i], f[k].detail);
    }
    conf_free(conf);
}

static void test_admin_port(void **state)
{
    struct http_head head;
    struct route r;
    struct fault f = { .kind = FAULT_NONE };
    read_request("GET /livez HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    route_admin(&head, NULL, &r, &f);
    assert_int_equal(r.kind, ROUTE_LIVEZ);
    read_request("GET /" S3 "/b/k HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    route_admin(&head, NULL, &r, &f);
    assert_int_equal(f.kind, FAULT_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_routes),
        cmocka_unit_test(test_allowed_buckets),
        cmocka_unit_test(test_copy_source_is_no_way_around),
        cmocka_unit_test(test_allowed_hosts),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_faults_hold_no_secrets),
        cmocka_unit_test(test_admin_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
