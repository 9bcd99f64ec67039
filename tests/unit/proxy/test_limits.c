#include "proxy/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct addr peer(const char *text)
{
    struct addr a;
    assert_true(addr_parse(str_from_c(text), 0, &a));
    return a;
}

static void test_overall(void **state)
{
    struct limits *l = limits_new(8, 0);
    struct addr a = peer("192.0.2.1:1");
    bool is_counted;
    for (int i = 0; i < 8; i++)
        assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_OK);
    /* An eighth and one more get a 503; beyond that nothing is answered. */
    assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_REFUSE);
    assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_REFUSE);
    assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_DROP);
    for (int i = 0; i < 3; i++)
        limits_give(l, &a, is_counted);
    assert_int_equal(limits_n(l), 7);
    assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_OK);
    limits_free(l);
}

static void test_by_client_address(void **state)
{
    struct limits *l = limits_new(100, 2);
    struct addr a = peer("192.0.2.1:1"), same = peer("192.0.2.1:2"), b = peer("[2001:db8::1]:1");
    bool counted[4];
    assert_int_equal(limits_take(l, &a, &counted[0]), LIMITS_OK);
    assert_int_equal(limits_take(l, &same, &counted[1]), LIMITS_OK);
    assert_int_equal(limits_take(l, &a, &counted[2]), LIMITS_REFUSE);
    assert_int_equal(limits_take(l, &b, &counted[3]), LIMITS_OK);
    limits_give(l, &a, counted[2]);
    limits_give(l, &same, counted[1]);
    assert_int_equal(limits_take(l, &a, &counted[1]), LIMITS_OK);
    limits_free(l);
}

/* However many come and hold on to what they got, there is something left for the next. */
static void test_memory_is_shared(void **state)
{
    struct limits *l = limits_new(1, 0);
    uint64_t own[12] = { 0 }, sum = 0;
    for (int i = 0; i < 12; i++) {
        while (limits_hold(l, LIMITS_LISTS, own[i], 1, 3000))
            own[i]++;
        sum += own[i];
        assert_int_equal(own[i], (3000 - (sum - own[i])) / 3);
        assert_int_equal(limits_held(l, LIMITS_LISTS), sum);
    }
    assert_true(own[0] == 1000 && own[11] > 0);
    assert_int_equal(limits_held(l, LIMITS_AHEAD) + limits_held(l, LIMITS_BODIES), 0);
    for (int i = 0; i < 12; i++)
        limits_release(l, LIMITS_LISTS, own[i]);
    assert_int_equal(limits_held(l, LIMITS_LISTS), 0);
    limits_free(l);
}

static void test_memory_that_nobody_has(void **state)
{
    static const struct {
        uint64_t own, n, max;
        bool is_given;
    } rows[] = {
        { 0, 0, 0, true },  { 0, 1, 0, false },          { 0, 1, 2, false },
        { 0, 1, 3, true },  { 0, UINT64_MAX, 3, false }, { 0, UINT64_MAX / 3, UINT64_MAX, true },
        { 1, 1, 5, false }, { 1, 1, 6, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct limits *l = limits_new(1, 0);
        bool is_given = !rows[i].own || limits_hold(l, LIMITS_AHEAD, 0, rows[i].own, rows[i].max);
        is_given = is_given && limits_hold(l, LIMITS_AHEAD, rows[i].own, rows[i].n, rows[i].max);
        assert_int_equal(is_given, rows[i].is_given);
        limits_free(l);
    }
}

/* What one address opens beyond its limit is no burden to the others. */
static void test_one_client_cannot_take_all(void **state)
{
    struct limits *l = limits_new(100, 8);
    struct addr a = peer("192.0.2.1:1"), b = peer("192.0.2.2:1");
    bool is_counted;
    enum limits_verdict last = LIMITS_OK;
    unsigned n = 0;
    for (; n < 1000 && last != LIMITS_DROP; n++)
        last = limits_take(l, &a, &is_counted);
    assert_int_equal(n, 8 + 2 + 1);
    assert_false(is_counted);
    assert_int_equal(limits_n(l), 10);
    assert_int_equal(limits_take(l, &b, &is_counted), LIMITS_OK);
    for (n = 0; n < 10; n++)
        limits_give(l, &a, true);
    assert_int_equal(limits_take(l, &a, &is_counted), LIMITS_OK);
    limits_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overall),
        cmocka_unit_test(test_by_client_address),
        cmocka_unit_test(test_one_client_cannot_take_all),
        cmocka_unit_test(test_memory_is_shared),
        cmocka_unit_test(test_memory_that_nobody_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
