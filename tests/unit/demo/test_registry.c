#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/zip_manifest.h"
#include "demo/registry.h"
#include "folder.h"

struct rig {
    char path[64];
    struct demo_store store;
    struct buf out;
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    struct fault f = { 0 };
    if (r == NULL)
        return -1;
    folder_make(r->path);
    assert_true(demo_store_open(&r->store, r->path, &f));
    buf_init(&r->out, DEMO_REGISTRY_REPLY_BYTES + 4096);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    buf_done(&r->out);
    demo_store_close(&r->store);
    folder_remove(r->path);
    free(r);
    return 0;
}

/* The reply in r->out, NUL-terminated. */
static void ask(struct rig *r, const char *request, const char *fields)
{
    struct http_head head;
    struct fault f = { 0 };
    struct buf in;
    size_t scanned = 0, used;
    buf_init(&in, 1 << 16);
    buf_printf(&in, "%s HTTP/1.1\r\nHost: registry.demo\r\n%s\r\n", request, fields);
    assert_int_equal(http1_parse_request(buf_str(&in), &scanned, &head, &used, &f), HTTP_DONE);
    buf_clear(&r->out);
    demo_registry_reply(&r->store, &head, &r->out);
    buf_byte(&r->out, 0);
    assert_false(r->out.failed);
    buf_done(&in);
}

static const char *body_of(const struct rig *r)
{
    return strstr(r->out.p, "\r\n\r\n") + 4;
}

static void replies(void **state)
{
    static const struct {
        const char *says, *request, *fields, *status, *has, *has_not;
    } rows[] = {
        { "the list", "GET /zip/demo.zip", "", "200", "X-Archive-Files: zip\r\n", "close" },
        { "and its name", "GET /zip/demo.zip", "", "200",
          "Content-Disposition: attachment; filename=\"demo-bucket.zip\"\r\n", "@" },
        { "a line", "GET /zip/demo.zip", "", "200",
          "\r\n\r\n3610a686 5 /s3.us-east-1.amazonaws.com/demo-bucket/a.txt a.txt\n",
          "\r\n\r\n\n" },
        { "for a form too", "POST /zip/demo.zip", "Content-Length: 7\r\n", "200",
          "X-Archive-Files: zip\r\n", "close" },
        { "a query is nothing", "GET /zip/demo.zip?token=1", "", "200", "X-Archive-Files",
          "token" },
        { "HEAD has no list", "HEAD /zip/demo.zip", "", "200", "X-Archive-Files", "a.txt" },
        { "nobody deletes it", "DELETE /zip/demo.zip", "", "404", "demo's registry", "X-Archive" },
        { "another archive", "GET /zip/demo.zipx", "", "404", "demo's registry", "X-Archive" },
        { "a redirect", "GET /browse/demo/a.txt", "", "302",
          "\r\nLocation: https://s3.us-east-1.amazonaws.com/demo-bucket/a.txt\r\n", "Access-" },
        { "with a cookie", "GET /browse/demo/a.txt", "", "302",
          "\r\nSet-Cookie: demo_browse=seen; Path=/browse/; HttpOnly\r\n", "Access-" },
        { "of any method", "PUT /browse/demo/a.txt", "", "302", "Location: ", "Access-" },
        { "as it was asked for", "GET /browse/demo//%2e+b%20c?x=%2F", "", "302",
          "demo-bucket//%2e+b%20c?x=%2F\r\n", "Access-" },
        { "to what is not there", "GET /browse/demo/none", "", "302", "/none\r\n", "Access-" },
        { "absolute form", "GET http://registry.demo/browse/demo/b", "", "302",
          "/demo-bucket/b\r\n", "Access-" },
        { "another session", "GET /browse/other/a.txt", "", "404", "demo's registry", "Location" },
        { "the cookie", "POST /browse/set_browse_cookie", "Origin: http://a.test\r\n", "200",
          "Set-Cookie: demo_session=open; ", "*" },
        { "CORS for its page", "POST /browse/set_browse_cookie", "Origin: http://a.test\r\n", "200",
          "Access-Control-Allow-Origin: http://a.test\r\n", "*" },
        { "and its credentials", "POST /browse/set_browse_cookie", "Origin: http://a.test\r\n",
          "200", "Access-Control-Allow-Credentials: true\r\n", "*" },
        { "without a page", "POST /browse/set_browse_cookie", "", "200", "Set-Cookie", "Access-" },
        { "only by POST", "GET /browse/set_browse_cookie", "", "404", "demo's registry", "Cookie" },
        { "all else", "GET /", "", "404", "demo's registry", "Cookie" },
        { "the connection's end", "GET /", "Connection: close\r\n", "404", "Connection: close\r\n",
          "Cookie" },
    };
    struct rig *r = *state;
    folder_put(r->path, "a.txt", "hello");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char expected[32];
        ask(r, rows[i].request, rows[i].fields);
        snprintf(expected, sizeof expected, "HTTP/1.1 %s ", rows[i].status);
        if (strncmp(r->out.p, expected, strlen(expected)) != 0 ||
            strstr(r->out.p, rows[i].has) == NULL || strstr(r->out.p, rows[i].has_not) != NULL)
            fail_msg("%s: %s", rows[i].says, r->out.p);
    }
}

/* The reply's entries, as the proxy reads them; their number. */
static size_t read_list(struct rig *r, struct zip_entry *entries, size_t max)
{
    size_t at = 0, n = 0;
    const char *why;
    struct zip_entry e;
    enum zip_manifest_step step;
    ask(r, "GET /zip/demo.zip", "");
    assert_true(strncmp(r->out.p, "HTTP/1.1 200 ", 13) == 0);
    struct str text = str_from_c(body_of(r));
    while ((step = zip_manifest_next(text, &at, &e, &why)) == ZIP_MANIFEST_ENTRY)
        if (n++ < max)
            entries[n - 1] = e;
    assert_int_equal(step, ZIP_MANIFEST_MORE);
    assert_int_equal(at, text.n);
    return n;
}

static void entries_as_the_proxy_reads_them(void **state)
{
    static const struct {
        const char *name, *text, *location;
        uint32_t crc;
    } rows[] = {
        /* in the order of their keys */
        { "b c+d%d \xc3\xa4.txt", "123456789", "b%20c%2Bd%25d%20%C3%A4.txt", 0xcbf43926 },
        { "c?#\"'", "hello", "c%3F%23%22%27", 0x3610a686 },
        { "d/empty", "", "d/empty", 0 },
        { "d/trailing ", "hello", "d/trailing%20", 0x3610a686 },
    };
    enum { N = sizeof rows / sizeof *rows };
    struct rig *r = *state;
    struct zip_entry e[N];
    for (size_t i = 0; i < N; i++)
        folder_put(r->path, rows[i].name, rows[i].text);
    assert_int_equal(read_list(r, e, N), N);
    for (size_t i = 0; i < N; i++) {
        char location[128];
        snprintf(location, sizeof location, "/s3.us-east-1.amazonaws.com/demo-bucket/%s",
                 rows[i].location);
        assert_true(str_eq(e[i].name, str_from_c(rows[i].name)));
        assert_true(str_eq(e[i].location, str_from_c(location)));
        assert_int_equal(e[i].size, strlen(rows[i].text));
        assert_true(e[i].has_crc);
        assert_int_equal(e[i].crc, rows[i].crc);
    }
}

/* A name that the proxy refuses would cost the whole archive; one that it reads otherwise, an
 * entry. */
static void names_that_no_list_holds(void **state)
{
    static const char *const names[] = {
        " x",         "C:x",    "a\\b", "line\nfeed", "tab\tx", "\x7f", "carriage\rreturn",
        "c1\xc2\x85", "bad\xff"
    };
    struct rig *r = *state;
    struct zip_entry e;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        folder_put(r->path, names[i], "x");
    assert_int_equal(read_list(r, &e, 1), 0);
    folder_put(r->path, "safe", "x");
    assert_int_equal(read_list(r, &e, 1), 1);
    assert_true(str_eq(e.name, STR("safe")));
}

static void put_sparse(const struct rig *r, const char *name, off_t size)
{
    char path[128];
    folder_put(r->path, name, "");
    snprintf(path, sizeof path, "%s/%s", r->path, name);
    assert_int_equal(truncate(path, size), 0);
}

static void crcs_of_so_many_bytes(void **state)
{
    struct rig *r = *state;
    struct zip_entry e[4];
    put_sparse(r, "1", DEMO_REGISTRY_CRC_BYTES - 1);
    put_sparse(r, "2", 2);
    put_sparse(r, "3", 1);
    put_sparse(r, "4", (off_t)1 << 40);
    assert_int_equal(read_list(r, e, 4), 4);
    assert_true(e[0].has_crc);
    assert_false(e[1].has_crc);
    assert_true(e[2].has_crc);
    assert_int_equal(e[2].crc, 0xd202ef8d);
    assert_false(e[3].has_crc);
    assert_int_equal(e[3].size, (uint64_t)1 << 40);
}

static void keep_validators(const struct rig *r, char text[static 128])
{
    const char *from = strstr(r->out.p, "ETag: ");
    snprintf(text, 128, "%.*s", (int)(strstr(from, "Content-Type") - from), from);
}

static void validators_follow_the_objects(void **state)
{
    struct rig *r = *state;
    char first[128], again[128], other[128];
    folder_put(r->path, "a", "1");
    ask(r, "GET /zip/demo.zip", "");
    keep_validators(r, first);
    assert_non_null(strstr(first, "\r\nLast-Modified: "));
    ask(r, "POST /zip/demo.zip", "Content-Length: 0\r\n");
    keep_validators(r, again);
    assert_string_equal(first, again);
    folder_put(r->path, "b", "2");
    ask(r, "GET /zip/demo.zip", "");
    keep_validators(r, other);
    assert_string_not_equal(first, other);
}

static void an_empty_bucket_and_a_full_one(void **state)
{
    struct rig *r = *state;
    struct zip_entry e;
    assert_int_equal(read_list(r, &e, 1), 0);
    for (int i = 0; i < DEMO_REGISTRY_MAX_FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d", i);
        folder_put(r->path, name, "");
    }
    assert_int_equal(read_list(r, &e, 1), DEMO_REGISTRY_MAX_FILES);
    folder_put(r->path, "more", "");
    ask(r, "GET /zip/demo.zip", "");
    assert_true(strncmp(r->out.p, "HTTP/1.1 501 ", 13) == 0);
    assert_null(strstr(r->out.p, "X-Archive"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(replies),
        TEST(entries_as_the_proxy_reads_them),
        TEST(names_that_no_list_holds),
        TEST(crcs_of_so_many_bytes),
        TEST(validators_follow_the_objects),
        TEST(an_empty_bucket_and_a_full_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
