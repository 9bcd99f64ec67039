#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/str.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

static const struct str nothing = { NULL, 0 };

static void characters(void **state)
{
    for (int c = 0; c < 256; c++) {
        bool is_upper = c >= 'A' && c <= 'Z';
        bool is_lower = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        assert_int_equal((uint8_t)ascii_lower((char)c), is_upper ? c + 32 : c);
        assert_int_equal(ascii_is_alpha((char)c), is_upper || is_lower);
        assert_int_equal(ascii_is_digit((char)c), is_digit);
        const char *digits = "0123456789abcdef0123456789ABCDEF";
        const char *at = c ? strchr(digits, c) : NULL;
        assert_int_equal(ascii_hex((char)c), at ? (at - digits) % 16 : -1);
    }
}

static void parts(void **state)
{
    struct str s = STR("hello");
    assert_true(str_eq(str_from(s, 0), s) && str_eq(str_from(s, 3), STR("lo")));
    assert_true(str_eq(str_from(s, 5), STR("")) && str_eq(str_from(s, 9), STR("")));
    assert_true(str_eq(str_first(s, 2), STR("he")) && str_eq(str_first(s, 9), s));
    assert_int_equal(str_from(nothing, 0).n + str_from(nothing, 3).n, 0);
    assert_int_equal(str_from_c(NULL).n, 0);
    assert_true(str_eq(str_from_c("hello"), s));
    assert_true(str_eq(nothing, STR("")));
    assert_int_equal(str_find(s, 'l', 0), 2);
    assert_int_equal(str_find(s, 'l', 3), 3);
    assert_int_equal(str_find(s, 'l', 4), 5);
    assert_int_equal(str_find(s, 'h', 99), 5);
    assert_int_equal(str_find(nothing, 'h', 0), 0);
}

static void comparisons(void **state)
{
    static const struct {
        struct str a, b;
        bool eq, nocase, starts, ends, ends_nocase, contains; /* does a ... b */
    } rows[] = {
        { B(""), B(""), true, true, true, true, true, true },
        { B("a"), B(""), false, false, true, true, true, true },
        { B(""), B("a"), false, false, false, false, false, false },
        { B("abc"), B("abc"), true, true, true, true, true, true },
        { B("abc"), B("ABC"), false, true, false, false, true, false },
        { B("abc"), B("ab"), false, false, true, false, false, true },
        { B("abc"), B("bc"), false, false, false, true, true, true },
        { B("abc"), B("BC"), false, false, false, false, true, false },
        { B("abc"), B("abcd"), false, false, false, false, false, false },
        { B("abcbd"), B("b"), false, false, false, false, false, true },
        { B("a\0b"), B("a\0c"), false, false, false, false, false, false },
        { B("\xc3\xa9"), B("\xc3\x89"), false, false, false, false, false, false },
        { B("[@`{"), B("{`@["), false, false, false, false, false, false },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct str a = rows[i].a, b = rows[i].b;
        if (str_eq(a, b) != rows[i].eq || str_eq_nocase(a, b) != rows[i].nocase ||
            str_starts(a, b) != rows[i].starts || str_ends(a, b) != rows[i].ends ||
            str_ends_nocase(a, b) != rows[i].ends_nocase || str_contains(a, b) != rows[i].contains)
            fail_msg("%s %s", a.p, b.p);
    }
}

static void white_space(void **state)
{
    assert_true(str_eq(str_trim(STR(" \t a b\t ")), STR("a b")));
    assert_true(str_eq(str_trim(STR("a")), STR("a")));
    assert_true(str_eq(str_trim(STR(" \t")), STR("")));
    assert_true(str_eq(str_trim(STR("\r\na\n")), STR("\r\na\n")));
    assert_int_equal(str_trim(nothing).n, 0);
}

static void lists(void **state)
{
    static const struct {
        struct str list;
        const char *parts; /* with bars for the commas */
        int n;
    } rows[] = {
        { B(""), "", 0 },          { B("a"), "a|", 1 }, { B("a,b"), "a|b|", 2 },
        { B("a,,b"), "a||b|", 3 }, { B(","), "|", 1 },  { B("a,"), "a|", 1 },
        { B(",a"), "|a|", 2 },
    };
    for (size_t i = 0; i < N(rows); i++) {
        char joined[64] = "";
        int n = 0;
        struct str rest = rows[i].list, part;
        for (; str_next(&rest, ',', &part); n++) {
            strncat(joined, part.p, part.n);
            strcat(joined, "|");
        }
        assert_int_equal(n, rows[i].n);
        assert_string_equal(joined, rows[i].parts);
    }
    struct str rest = nothing, part;
    assert_false(str_next(&rest, ',', &part));
}

static void numbers(void **state)
{
    static const struct {
        struct str text;
        bool is_number;
        uint64_t value;
    } rows[] = {
        { B("0"), true, 0 },
        { B("007"), true, 7 },
        { B("18446744073709551615"), true, UINT64_MAX },
        { B("18446744073709551616"), false, 0 },
        { B("18446744073709551620"), false, 0 },
        { B("99999999999999999999"), false, 0 },
        { B("100000000000000000000000000000"), false, 0 },
        { B(""), false, 0 },
        { B("+1"), false, 0 },
        { B("-1"), false, 0 },
        { B(" 1"), false, 0 },
        { B("1 "), false, 0 },
        { B("1a"), false, 0 },
        { B("0x1"), false, 0 },
        { B("1\0"), false, 0 },
    };
    for (size_t i = 0; i < N(rows); i++) {
        uint64_t value = 42;
        if (str_to_u64(rows[i].text, &value) != rows[i].is_number ||
            value != (rows[i].is_number ? rows[i].value : 42))
            fail_msg("%s", rows[i].text.p);
    }
}

static void globs(void **state)
{
    static const struct {
        struct str pattern, s;
        bool is_match;
    } rows[] = {
        { B(""), B(""), true },
        { B(""), B("a"), false },
        { B("*"), B(""), true },
        { B("*"), B("anything"), true },
        { B("?"), B(""), false },
        { B("?"), B("a"), true },
        { B("?"), B("ab"), false },
        { B("a*"), B("a"), true },
        { B("a*c"), B("abc"), true },
        { B("a*c"), B("abcd"), false },
        { B("a*c*"), B("abcd"), true },
        { B("*-prod"), B("data-prod"), true },
        { B("*-prod"), B("data-prod-prod"), true },
        { B("*-prod"), B("data-prod-x"), false },
        { B("DATA-?"), B("data-1"), true },
        { B("data-?"), B("DATA-1"), true },
        { B("**a**"), B("bab"), true },
        { B("a.c"), B("abc"), false },
        { B("a[b]c"), B("abc"), false },
        { B("*a*a*a*a*b"), B("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), false },
    };
    for (size_t i = 0; i < N(rows); i++)
        if (str_glob_nocase(rows[i].pattern, rows[i].s) != rows[i].is_match)
            fail_msg("%s %s", rows[i].pattern.p, rows[i].s.p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters),  cmocka_unit_test(parts), cmocka_unit_test(comparisons),
        cmocka_unit_test(white_space), cmocka_unit_test(lists), cmocka_unit_test(numbers),
        cmocka_unit_test(globs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
