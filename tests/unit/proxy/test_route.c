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
    conf_unref(conf);
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
    conf_unref(conf);
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
    conf_unref(conf);
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
    conf_unref(conf);
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
    conf_unref(conf);
}

/* What follows HOST in "https://HOST..." of a Location, and what would be asked for. */
static void check_location(const struct conf *conf, const char *says, const char *location,
                           enum fault_kind fault, const char *host, const char *rest)
{
    struct http_head head;
    struct route r;
    struct fault f = { .kind = FAULT_NONE };
    read_request("GET /browse/x HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    bool is_followed = route_redirect(conf, &head, str_from_c(location), &r, &f);
    if (f.kind != fault || is_followed != (fault == FAULT_NONE))
        fail_msg("%s: %s: %s %s", says, location, fault_row(f.kind)->name, f.detail);
    if (strstr(f.detail, "SECRET") != NULL)
        fail_msg("%s: %s", location, f.detail);
    assert_true(r.has_cors);
    assert_int_equal(r.kind, is_followed ? ROUTE_FOLLOW : ROUTE_REFUSED);
    if (is_followed && (!str_eq(r.host, str_from_c(host)) || !str_eq(r.rest, str_from_c(rest))))
        fail_msg("%s: %.*s %.*s", says, STR_ARG(r.host), STR_ARG(r.rest));
}

static void test_redirects(void **state)
{
    static const struct {
        const char *says, *location;
        enum fault_kind fault;
        const char *host, *rest;
    } rows[] = {
        { "object", "https://" S3 "/b/k?X=1", FAULT_NONE, S3, "/b/k?X=1" },
        { "raw", "https://" S3 "/b//a/../%2F+%zz'\"[\\\xc3\xa4@:?@:%", FAULT_NONE, S3,
          "/b//a/../%2F+%zz'\"[\\\xc3\xa4@:?@:%" },
        { "scheme in any case", "hTTps://" S3 "/b/k", FAULT_NONE, S3, "/b/k" },
        { "host's case is kept", "https://S3.us-east-1.AMAZONAWS.com/b/k", FAULT_NONE,
          "S3.us-east-1.AMAZONAWS.com", "/b/k" },
        { "443 is dropped", "https://" S3 ":443/b/k", FAULT_NONE, S3, "/b/k" },
        { "empty port", "https://" S3 ":/b/k", FAULT_NONE, S3, "/b/k" },
        { "fragment", "https://" S3 "/b/k?a#SECRET?b", FAULT_NONE, S3, "/b/k?a" },
        { "fragment at once", "https://" S3 "#/b/k", FAULT_NONE, S3, "" },
        { "no path", "https://" S3, FAULT_NONE, S3, "" },
        { "no path, query", "https://" S3 "?list", FAULT_NONE, S3, "?list" },
        { "other port", "https://" S3 ":8443/b/k", FAULT_REDIRECT, NULL, NULL },
        { "http's port", "https://" S3 ":80/b/k", FAULT_REDIRECT, NULL, NULL },
        { "zeros in the port", "https://" S3 ":0443/b/k", FAULT_REDIRECT, NULL, NULL },
        { "large port", "https://" S3 ":65979/b/k", FAULT_REDIRECT, NULL, NULL },
        { "no number", "https://" S3 ":+443/b/k", FAULT_REDIRECT, NULL, NULL },
        { "two ports", "https://" S3 ":443:443/b/k", FAULT_REDIRECT, NULL, NULL },
        { "http", "http://" S3 "/b/k?SECRET", FAULT_REDIRECT, NULL, NULL },
        { "http on 443", "http://" S3 ":443/b/k", FAULT_REDIRECT, NULL, NULL },
        { "other scheme", "s3://b/k", FAULT_REDIRECT, NULL, NULL },
        { "no slashes", "https:" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "backslashes", "https:\\\\" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "three slashes", "https:///" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "no host", "https://?x", FAULT_REDIRECT, NULL, NULL },
        { "empty", "", FAULT_REDIRECT, NULL, NULL },
        { "relative", "/b/k?SECRET", FAULT_REDIRECT, NULL, NULL },
        { "network path", "//" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "network path with a password", "//u:SECRET@" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "this proxy's own form", "/" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "userinfo", "https://u:SECRET@" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "empty userinfo", "https://@" S3 "/b/k", FAULT_REDIRECT, NULL, NULL },
        { "S3 as userinfo", "https://" S3 "@evil.test/b/k", FAULT_REDIRECT, NULL, NULL },
        { "foreign", "https://evil.test/" S3 "/b/k?SECRET", FAULT_REDIRECT, NULL, NULL },
        { "suffix only", "https://" S3 ".evil.test/k", FAULT_REDIRECT, NULL, NULL },
        { "backslash host", "https://evil.test\\." S3 "/k", FAULT_REDIRECT, NULL, NULL },
        { "escaped", "https://evil.test%2F." S3 "/k", FAULT_REDIRECT, NULL, NULL },
        { "trailing dot", "https://" S3 "./b/k", FAULT_REDIRECT, NULL, NULL },
        { "address", "https://169.254.169.254/latest", FAULT_REDIRECT, NULL, NULL },
        { "IPv6", "https://[::1]/b/k", FAULT_REDIRECT, NULL, NULL },
        { "other service", "https://sts.us-east-1.amazonaws.com/", FAULT_REDIRECT, NULL, NULL },
        { "space", "https://" S3 "/b/k SECRET", FAULT_REDIRECT, NULL, NULL },
        { "tab", "https://" S3 "/b/\tk", FAULT_REDIRECT, NULL, NULL },
        { "DEL", "https://" S3 "/b/\x7fk", FAULT_REDIRECT, NULL, NULL },
        { "control character in the fragment", "https://" S3 "/b/k#\x01", FAULT_REDIRECT, NULL,
          NULL },
        { "denied bucket", "https://" S3 "/secret/k?SECRET", FAULT_BUCKET_DENIED, NULL, NULL },
        { "denied virtual host", "https://other." S3 "/b/k", FAULT_BUCKET_DENIED, NULL, NULL },
        { "virtual host", "https://data." S3 "/k", FAULT_NONE, "data." S3, "/k" },
        { "plain rule", "http://minio.test/b/k", FAULT_NONE, "minio.test", "/b/k" },
        { "its port", "http://minio.test:9000/b/k", FAULT_NONE, "minio.test:9000", "/b/k" },
        { "http's port is dropped", "http://minio.test:80/b/k", FAULT_NONE, "minio.test", "/b/k" },
        { "https to a plain rule", "https://minio.test/b/k", FAULT_NONE, "minio.test", "/b/k" },
        { "not its port", "http://minio.test:9001/b/k", FAULT_REDIRECT, NULL, NULL },
        { "TLS rule", "https://ceph.test:8443/b/k", FAULT_NONE, "ceph.test:8443", "/b/k" },
        { "http to a TLS rule", "http://ceph.test:8443/b/k", FAULT_REDIRECT, NULL, NULL },
    };
    struct conf *conf =
        load((const char *[]){ "PENSTOCK_ALLOW_BUCKETS=b,data",
                               "PENSTOCK_ALLOW_HOSTS=minio.test:9000=http,ceph.test:8443", NULL });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].rest == NULL || rows[i].rest[0] == '/') /* else there is no bucket */
            check_location(conf, rows[i].says, rows[i].location, rows[i].fault, rows[i].host,
                           rows[i].rest);
    conf_unref(conf);
    conf = load((const char *[]){ NULL });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].fault == FAULT_NONE && strstr(rows[i].location, ".test") == NULL)
            check_location(conf, rows[i].says, rows[i].location, rows[i].fault, rows[i].host,
                           rows[i].rest);
    conf_unref(conf);
}

static void test_where_a_redirect_dials(void **state)
{
    static const struct {
        const char *location;
        uint16_t port;
        enum conf_scheme scheme;
    } rows[] = {
        { "https://" S3 "/b/k", 443, CONF_HTTPS },
        { "http://minio.test/b/k", 9000, CONF_HTTP },
        { "https://minio.test:443/b/k", 9000, CONF_HTTP },
        { "https://ceph.test/b/k", 8443, CONF_HTTPS },
    };
    struct conf *conf =
        load((const char *[]){ "PENSTOCK_ALLOW_HOSTS=minio.test:9000=http,ceph.test:8443", NULL });
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head head;
        struct route r;
        struct fault f = { .kind = FAULT_NONE };
        read_request("GET /browse/x HTTP/1.1\r\nHost: p\r\n\r\n", &head);
        assert_true(route_redirect(conf, &head, str_from_c(rows[i].location), &r, &f));
        assert_int_equal(r.origin.port, rows[i].port);
        assert_int_equal(r.origin.scheme, rows[i].scheme);
        assert_int_equal(r.origin.policy, DNS_POLICY_S3);
    }
    conf_unref(conf);
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
            route_admin(&head, NULL, true, &r, &f[1]);
        }
        for (int k = 0; k < 2; k++)
            if (strstr(f[k].detail, "SECRET") != NULL)
                fail_msg("%s: %s", targets[i], f[k].detail);
    }
    conf_unref(conf);
}

static void test_admin_port(void **state)
{
    struct http_head head;
    struct route r;
    struct fault f = { .kind = FAULT_NONE };
    read_request("GET /livez HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    route_admin(&head, NULL, true, &r, &f);
    assert_int_equal(r.kind, ROUTE_LIVEZ);
    read_request("GET /" S3 "/b/k HTTP/1.1\r\nHost: localhost\r\n\r\n", &head);
    route_admin(&head, NULL, true, &r, &f);
    assert_int_equal(f.kind, FAULT_NOT_FOUND);
}

static bool has_page(void *arg, struct str path)
{
    return str_eq(path, STR("/page"));
}

#define SENT_BY(site, mode, dest)                                                                  \
    "Host: localhost:9901\r\nSec-Fetch-Site: " site "\r\nSec-Fetch-Mode: " mode                    \
    "\r\nSec-Fetch-Dest: " dest "\r\n"

/* Who asks the admin port: programs, people, and pages of other sites in a person's browser. */
static const struct asker_row {
    const char *name, *fields;
    enum fault_kind on_loopback, elsewhere;
} asker_rows[] = {
    { "a program", "Host: 127.0.0.1:9901\r\n", FAULT_NONE, FAULT_NONE },
    { "without a port", "Host: 127.0.0.1\r\n", FAULT_NONE, FAULT_NONE },
    { "IPv6", "Host: [::1]:9901\r\n", FAULT_NONE, FAULT_NONE },
    { "IPv6 without a port", "Host: [fd00::1]\r\n", FAULT_NONE, FAULT_NONE },
    { "a forwarded port", "Host: LocalHost:8080\r\n", FAULT_NONE, FAULT_NONE },
    { "a name for it", "Host: penstock.localhost:8080\r\n", FAULT_NONE, FAULT_NONE },
    { "another address", "Host: 10.0.0.7:9901\r\n", FAULT_NONE, FAULT_NONE },
    { "no name", "Host:\r\n", FAULT_NONE, FAULT_NONE },
    { "a name", "Host: penstock.internal:9901\r\n", FAULT_OTHER_SITE, FAULT_NONE },
    { "a rebound name", "Host: evil.example:9901\r\n", FAULT_OTHER_SITE, FAULT_NONE },
    { "like an address", "Host: 127.0.0.1.evil.example\r\n", FAULT_OTHER_SITE, FAULT_NONE },
    { "like localhost", "Host: notlocalhost\r\n", FAULT_OTHER_SITE, FAULT_NONE },
    { "not localhost", "Host: localhost.evil.example\r\n", FAULT_OTHER_SITE, FAULT_NONE },
    { "our page", SENT_BY("same-origin", "cors", "empty"), FAULT_NONE, FAULT_NONE },
    { "typed in", SENT_BY("none", "navigate", "document"), FAULT_NONE, FAULT_NONE },
    { "a link to it", SENT_BY("cross-site", "navigate", "document"), FAULT_NONE, FAULT_NONE },
    { "fetched by another site", SENT_BY("cross-site", "no-cors", "empty"), FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
    { "as its image", SENT_BY("cross-site", "no-cors", "image"), FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
    { "in its frame", SENT_BY("cross-site", "navigate", "iframe"), FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
    { "by another port", SENT_BY("same-site", "cors", "empty"), FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
    { "our origin", "Host: 10.0.0.7:9901\r\nOrigin: http://10.0.0.7:9901\r\n", FAULT_NONE,
      FAULT_NONE },
    { "another origin", "Host: 10.0.0.7:9901\r\nOrigin: https://evil.example\r\n", FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
    { "a hidden origin", "Host: localhost\r\nOrigin: null\r\n", FAULT_OTHER_SITE,
      FAULT_OTHER_SITE },
};

static void test_other_sites_at_the_admin_port(void **state)
{
    const struct page_maker pages = { .has = has_page };
    for (size_t i = 0; i < sizeof asker_rows / sizeof *asker_rows; i++) {
        const struct asker_row *row = &asker_rows[i];
        char text[1024];
        struct http_head head;
        struct route r;
        for (int is_loopback = 0; is_loopback < 2; is_loopback++) {
            struct fault f = { .kind = FAULT_NONE };
            snprintf(text, sizeof text, "GET /page HTTP/1.1\r\n%s\r\n", row->fields);
            read_request(text, &head);
            route_admin(&head, &pages, is_loopback, &r, &f);
            if (f.kind != (is_loopback ? row->on_loopback : row->elsewhere))
                fail_msg("%s, loopback %d: %s", row->name, is_loopback, fault_row(f.kind)->name);
            assert_int_equal(r.kind, f.kind == FAULT_NONE ? ROUTE_PAGE : ROUTE_REFUSED);
            assert_false(r.has_cors);
        }
        struct fault f = { .kind = FAULT_NONE };
        snprintf(text, sizeof text, "GET /livez HTTP/1.1\r\n%s\r\n", row->fields);
        read_request(text, &head);
        route_admin(&head, &pages, true, &r, &f);
        assert_int_equal(r.kind, ROUTE_LIVEZ);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_routes),
        cmocka_unit_test(test_allowed_buckets),
        cmocka_unit_test(test_copy_source_is_no_way_around),
        cmocka_unit_test(test_allowed_hosts),
        cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_where_a_redirect_dials),
        cmocka_unit_test(test_faults_hold_no_secrets),
        cmocka_unit_test(test_admin_port),
        cmocka_unit_test(test_other_sites_at_the_admin_port),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
