#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"

static void a_buffer_grows_to_its_ceiling(void **state)
{
    struct buf b;
    buf_init(&b, 1000);
    assert_true(buf_str(&b).n == 0 && b.cap == 0);
    for (int i = 0; i < 1000; i++)
        buf_byte(&b, (char)('a' + i % 26));
    assert_false(b.failed);
    assert_int_equal(b.n, 1000);
    assert_true(b.cap <= 1000);
    buf_byte(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.n, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_clear(&b);
    assert_false(b.failed);
    assert_int_equal(b.n, 0);
    buf_append(&b, STR("again"));
    assert_true(str_eq(buf_str(&b), STR("again")));
    buf_done(&b);
    buf_done(&b);
}

static void a_failed_buffer_stays_failed(void **state)
{
    struct buf b;
    buf_init(&b, 4);
    buf_append(&b, STR("abc"));
    buf_append(&b, STR("de"));
    buf_append(&b, STR("f"));
    assert_true(b.failed && str_eq(buf_str(&b), STR("abc")));
    buf_printf(&b, "%d", 1);
    assert_true(str_eq(buf_str(&b), STR("abc")));
    assert_null(buf_reserve(&b, 1));
    buf_done(&b);
    buf_init(&b, 4);
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_done(&b);
}

static void nothing_is_appended_harmlessly(void **state)
{
    struct buf b;
    buf_init(&b, 4);
    buf_append(&b, (struct str){ NULL, 0 });
    buf_append(&b, STR(""));
    buf_drop(&b, 0);
    buf_drop(&b, 9);
    assert_true(!b.failed && b.n == 0 && b.p == NULL);
    buf_done(&b);
}

static void numbers_and_formats(void **state)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_u64(&b, 0);
    buf_byte(&b, ' ');
    buf_u64(&b, UINT64_MAX);
    buf_printf(&b, " %s-%03d", "x", 7);
    assert_true(str_eq(buf_str(&b), STR("0 18446744073709551615 x-007")));
    buf_done(&b);
}

static void bytes_are_reserved_and_dropped(void **state)
{
    struct buf b;
    buf_init(&b, 4096);
    char *to = buf_reserve(&b, 5);
    assert_non_null(to);
    memcpy(to, "hello", 5);
    b.n += 5;
    buf_drop(&b, 2);
    assert_true(str_eq(buf_str(&b), STR("llo")));
    buf_drop(&b, 3);
    assert_int_equal(b.n, 0);
    buf_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_to_its_ceiling),
        cmocka_unit_test(a_failed_buffer_stays_failed),
        cmocka_unit_test(nothing_is_appended_harmlessly),
        cmocka_unit_test(numbers_and_formats),
        cmocka_unit_test(bytes_are_reserved_and_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
