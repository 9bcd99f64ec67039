#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/uri_query.h"

static const struct find_row {
    const char *query;
    enum uri_query found;
    struct str value;
} find_rows[] = {
    { "name=a.example", URI_QUERY_FOUND, STR_INIT("a.example") },
    { "type=A&name=b", URI_QUERY_FOUND, STR_INIT("b") },
    { "name=a&name=b", URI_QUERY_FOUND, STR_INIT("a") },
    { "name", URI_QUERY_FOUND, STR_INIT("") },
    { "name=", URI_QUERY_FOUND, STR_INIT("") },
    { "name=a=b", URI_QUERY_FOUND, STR_INIT("a=b") },
    { "name=%41%2e%00", URI_QUERY_FOUND, STR_INIT("A.\0") },
    { "name=a+b", URI_QUERY_FOUND, STR_INIT("a+b") },
    { "xname=a&names=b", URI_QUERY_NONE, STR_INIT("") },
    { "", URI_QUERY_NONE, STR_INIT("") },
    { "name=%", URI_QUERY_BAD, STR_INIT("") },
    { "name=%4", URI_QUERY_BAD, STR_INIT("") },
    { "name=%4g", URI_QUERY_BAD, STR_INIT("") },
    { "name=more-than-sixteen-bytes", URI_QUERY_BAD, STR_INIT("") },
};

static void values_are_found(void **state)
{
    for (size_t i = 0; i < sizeof find_rows / sizeof *find_rows; i++) {
        struct buf out;
        buf_init(&out, 16);
        enum uri_query found = uri_query_find(str_from_c(find_rows[i].query), STR("name"), &out);
        if (found != find_rows[i].found ||
            (found == URI_QUERY_FOUND && !str_eq(buf_str(&out), find_rows[i].value)))
            fail_msg("%s: %d, %.*s", find_rows[i].query, found, STR_ARG(buf_str(&out)));
        buf_done(&out);
    }
}

static void escaped_and_found_again(void **state)
{
    struct buf query, out;
    char all[256];
    for (unsigned i = 0; i < sizeof all; i++)
        all[i] = (char)i;
    buf_init(&query, 4096);
    buf_init(&out, 4096);
    buf_append(&query, STR("name="));
    uri_query_escape(&query, str_of(all, sizeof all));
    assert_int_equal(uri_query_find(buf_str(&query), STR("name"), &out), URI_QUERY_FOUND);
    assert_true(str_eq(buf_str(&out), str_of(all, sizeof all)));
    for (size_t i = 0; i < query.n; i++)
        assert_true(query.p[i] > ' ' && query.p[i] <= '~' && query.p[i] != '#');
    buf_done(&query);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(escaped_and_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
