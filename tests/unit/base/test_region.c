#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/region.h"

static void what_was_appended_stays_while_it_grows(void **state)
{
    struct region r = { 0 };
    char line[1000];
    for (unsigned i = 0; i < 2000; i++) {
        memset(line, (int)('a' + i % 26), sizeof line);
        assert_true(region_append(&r, str_of(line, i % sizeof line)));
    }
    struct str text = region_str(&r);
    size_t at = 0;
    for (unsigned i = 0; i < 2000; i++)
        for (unsigned k = 0; k < i % sizeof line; k++)
            assert_int_equal(text.p[at++], 'a' + i % 26);
    assert_int_equal(text.n, at);
    region_done(&r);
}

static void nothing_takes_no_memory_and_is_harmless_to_end(void **state)
{
    struct region r = { 0 };
    assert_true(region_append(&r, STR("")));
    assert_null(r.p);
    assert_int_equal(region_str(&r).n, 0);
    region_done(&r);
    region_done(&r);
}

static void what_cannot_be_had_is_told_and_leaves_the_text(void **state)
{
    struct region r = { 0 };
    assert_true(region_append(&r, STR("kept")));
    assert_false(region_append(&r, str_of("x", SIZE_MAX - 2)));
    assert_false(region_append(&r, str_of("x", SIZE_MAX / 2)));
    assert_true(str_eq(region_str(&r), STR("kept")));
    region_done(&r);
    assert_true(region_append(&r, STR("again")));
    assert_true(str_eq(region_str(&r), STR("again")));
    region_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_appended_stays_while_it_grows),
        cmocka_unit_test(nothing_takes_no_memory_and_is_harmless_to_end),
        cmocka_unit_test(what_cannot_be_had_is_told_and_leaves_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
