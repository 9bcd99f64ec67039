#include "http1_said.h"

static void names_are_known(void **state)
{
    static const struct {
        struct str name;
        enum http_field_id id;
    } rows[] = {
#define FIELD(id, name, n, first, fourth, last) { B(name), HTTP_F_##id },
#include "codec/http1_fields.def"
#undef FIELD
        { B(""), HTTP_F_OTHER },       { B("x"), HTTP_F_OTHER },
        { B("te "), HTTP_F_OTHER },    { B("hosT"), HTTP_F_HOST },
        { B("hest"), HTTP_F_OTHER },   { B("content_length"), HTTP_F_OTHER },
        { B("accept"), HTTP_F_OTHER },
    };
    assert_int_equal(N(rows), N_HTTP_FIELD_IDS - 1 + 7);
    for (size_t i = 0; i < N(rows); i++) {
        assert_int_equal(http_field_id(rows[i].name), rows[i].id);
        char upper[64] = "";
        for (size_t k = 0; k < rows[i].name.n; k++) {
            char c = rows[i].name.p[k];
            upper[k] = (char)(c >= 'a' && c <= 'z' ? c - 32 : c);
        }
        assert_int_equal(http_field_id(str_of(upper, rows[i].name.n)), rows[i].id);
    }
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    assert_int_equal(http_field_id(str_of(long_name, sizeof long_name)), HTTP_F_OTHER);
}

static void fields_are_found(void **state)
{
    struct http_head *head = malloc(sizeof *head);
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0, used = 0;
    struct str in = STR("GET / HTTP/1.1\r\nhost: h\r\nX-A:  1 \r\nx-a: 2\r\nVary: a, B ,c\r\n\r\n");
    assert_int_equal(http1_parse_request(in, &scanned, head, &used, &f), HTTP_DONE);
    assert_int_equal(used, in.n);
    assert_int_equal(head->method, HTTP_GET);
    assert_int_equal(head->n_fields, 4);
    assert_ptr_equal(http_find(head, HTTP_F_HOST), &head->fields[0]);
    assert_null(http_find(head, HTTP_F_COOKIE));
    assert_true(str_eq(http_find_name(head, STR("X-a"))->value, STR("1")));
    assert_null(http_find_name(head, STR("x-b")));
    assert_int_equal(http_value(head, HTTP_F_COOKIE).n, 0);
    struct str vary = http_value(head, HTTP_F_VARY);
    assert_true(http_list_has(vary, STR("A")) && http_list_has(vary, STR("b")) &&
                http_list_has(vary, STR("c")));
    assert_false(http_list_has(vary, STR("")) || http_list_has(vary, STR("a, B")));
    free(head);
}

static void targets_come_apart(void **state)
{
    static const struct {
        struct str target;
        bool is_valid;
        const char *authority, *origin;
    } rows[] = {
        { B("/"), true, "", "/" },
        { B("/a?b"), true, "", "/a?b" },
        { B("//x"), true, "", "//x" },
        { B("*"), true, "", "*" },
        { B("http://h/a/b?c"), true, "h", "/a/b?c" },
        { B("HTTPS://H:443/a"), true, "H:443", "/a" },
        { B("hTTp://[::1]:80/"), true, "[::1]:80", "/" },
        { B("http://h"), true, "h", "/" },
        { B("http://h?a=b"), true, "h", "/" },
        { B("http://h?a=/b"), true, "h", "/" },
        { B("http://h//a"), true, "h", "//a" },
        { B(""), false, "", "" },
        { B("http:/h/a"), false, "", "" },
        { B("http:h"), false, "", "" },
        { B("http://"), false, "", "" },
        { B("http:///a"), false, "", "" },
        { B("http://:80/a"), false, "", "" },
        { B("http://a@h/"), false, "", "" },
        { B("http://a:b@h/"), false, "", "" },
        { B("http://h:x/"), false, "", "" },
        { B("http://h%2f/"), false, "", "" },
        { B("ftp://h/"), false, "", "" },
        { B("httpx://h/"), false, "", "" },
        { B("://h/"), false, "", "" },
        { B("h:443"), false, "", "" },
        { B("**"), false, "", "" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct str authority = STR("untouched"), origin = STR("untouched");
        bool is_valid = http1_origin_form(rows[i].target, &authority, &origin);
        if (is_valid != rows[i].is_valid ||
            !str_eq(authority, is_valid ? str_from_c(rows[i].authority) : STR("untouched")) ||
            !str_eq(origin, is_valid ? str_from_c(rows[i].origin) : STR("untouched")))
            fail_msg("%s: %.*s %.*s", rows[i].target.p, STR_ARG(authority), STR_ARG(origin));
    }
}

static void what_is_written_is_read(void **state)
{
    struct buf b;
    buf_init(&b, 65536);
    http1_write_request_line(&b, STR("PUT"), STR("/a?b\xff"));
    http1_write_field(&b, STR("Host"), STR("h"));
    http1_write_field(&b, STR("Content-Length"), STR("7"));
    http1_write_field(&b, STR("Empty"), (struct str){ NULL, 0 });
    http1_write_field(&b, STR("Tabs"), STR("a\tb \xff"));
    buf_append(&b, STR("\r\n"));
    assert_false(b.failed);
    parses("request", buf_str(&b), RESPONSE_TO_NONE, "PUT /a?b\xff 1.1 len=7 keep");
    for (unsigned status = 100; status < 1000; status++) {
        if (status == 101)
            continue;
        buf_clear(&b);
        http1_write_status_line(&b, status);
        http1_write_field(&b, STR("Content-Length"), STR("0"));
        buf_append(&b, STR("\r\n"));
        struct http_head *head = malloc(sizeof *head);
        struct fault f = { .kind = FAULT_NONE };
        size_t scanned = 0, used = 0;
        assert_int_equal(http1_parse_response(buf_str(&b), &scanned, HTTP_GET, head, &used, &f),
                         HTTP_DONE);
        assert_int_equal(head->status, status);
        assert_true(str_eq(head->reason, str_from_c(http_reason(status))));
        free(head);
    }
    buf_done(&b);
}

static void nothing_is_injected(void **state)
{
    static const struct {
        struct str name, value;
    } rows[] = {
        { B(""), B("a") },       { B("a b"), B("a") },       { B("a:"), B("a") },
        { B("a\r\nb"), B("a") }, { B("a"), B("a\r\nb: c") }, { B("a"), B("a\nb") },
        { B("a"), B("a\rb") },   { B("a"), B("a\0b") },      { B("a"), B("a\x7f") },
        { B("a\0"), B("a") },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct buf b;
        buf_init(&b, 4096);
        http1_write_field(&b, rows[i].name, rows[i].value);
        assert_true(b.failed);
        assert_int_equal(b.n, 0);
        buf_done(&b);
    }
    static const struct str lines[][2] = {
        { B("GET"), B("/ HTTP/1.1\r\n") },
        { B("GET"), B("/a b") },
        { B("GET"), B("") },
        { B("G T"), B("/") },
        { B(""), B("/") },
        { B("GET"), B("/\0") },
    };
    for (size_t i = 0; i < N(lines); i++) {
        struct buf b;
        buf_init(&b, 4096);
        http1_write_request_line(&b, lines[i][0], lines[i][1]);
        assert_true(b.failed);
        assert_int_equal(b.n, 0);
        buf_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_known),     cmocka_unit_test(fields_are_found),
        cmocka_unit_test(targets_come_apart),  cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_is_injected),
    };
    buf_init(&said, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&said);
    return failed;
}
