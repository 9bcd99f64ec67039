/* The last hour, from counters that only grow. */
#include "server/history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { START = 5000, LAST = HISTORY_N - 1 };
#define NONE HISTORY_UNKNOWN

static struct history h;
static uint32_t v[HISTORY_N];

static struct addr server(unsigned n)
{
    char text[32];
    struct addr a;
    snprintf(text, sizeof text, "10.0.%u.%u:53", n / 250, n % 250 + 1);
    assert_true(addr_parse(str_from_c(text), 53, &a));
    return a;
}

static void see(uint64_t now_ms, uint64_t requests, uint64_t errors, uint64_t n, uint64_t us)
{
    const struct history_totals t = { requests, errors, n, us };
    history_see(&h, now_ms, &t, NULL, 0);
}

static void see_server(uint64_t now_ms, struct history_server_totals s)
{
    const struct history_totals t = { 0 };
    history_see(&h, now_ms, &t, &s, 1);
}

static uint32_t ago(enum history_of of, unsigned steps)
{
    history_read(&h, of, v);
    return v[LAST - steps];
}

static uint32_t server_ago(unsigned n, enum history_server_of of, unsigned steps)
{
    struct addr a = server(n);
    history_read_server(&h, &a, of, v);
    return v[LAST - steps];
}

static void the_step_under_way_is_the_last_and_grows(void **state)
{
    history_init(&h, START);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 0);
    assert_int_equal(ago(HISTORY_REQUESTS, 1), NONE);
    see(START + 100, 3, 1, 2, 500);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 3);
    see(START + 9999, 7, 1, 4, 1500);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 7);
    assert_int_equal(ago(HISTORY_ERRORS, 0), 1);
    assert_int_equal(ago(HISTORY_FIRST_BYTE_US, 0), 375);
    see(START + 10000, 9, 1, 4, 1500);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 2);
    assert_int_equal(ago(HISTORY_REQUESTS, 1), 7);
    assert_int_equal(ago(HISTORY_ERRORS, 0), 0);
    assert_int_equal(ago(HISTORY_FIRST_BYTE_US, 0), NONE);
    assert_int_equal(ago(HISTORY_FIRST_BYTE_US, 1), 375);
}

static void what_nobody_looked_at_is_not_known(void **state)
{
    history_init(&h, START);
    see(START + 1, 1, 0, 0, 0);
    see(START + 35000, 5, 0, 0, 0);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 4);
    assert_int_equal(ago(HISTORY_REQUESTS, 1), NONE);
    assert_int_equal(ago(HISTORY_REQUESTS, 2), NONE);
    assert_int_equal(ago(HISTORY_REQUESTS, 3), 1);
}

static void an_hour_is_kept_and_no_more(void **state)
{
    history_init(&h, START);
    for (uint64_t i = 0; i < 3 * HISTORY_N; i++)
        see(START + i * HISTORY_STEP_MS, (i + 1) * (i + 2) / 2, 0, 0, 0);
    history_read(&h, HISTORY_REQUESTS, v);
    for (unsigned i = 0; i < HISTORY_N; i++)
        assert_int_equal(v[i], 2 * HISTORY_N + i + 1);
    /* and after a sleep of hours nothing of it */
    see(START + 100000ULL * HISTORY_STEP_MS, 3 * HISTORY_N * (3 * HISTORY_N + 1) / 2 + 2, 0, 0, 0);
    history_read(&h, HISTORY_REQUESTS, v);
    for (unsigned i = 0; i < LAST; i++)
        assert_int_equal(v[i], NONE);
    assert_int_equal(v[LAST], 2);
}

static void time_that_stands_still_or_goes_back_is_the_same_step(void **state)
{
    history_init(&h, START);
    see(START + 10500, 1, 0, 0, 0);
    see(START + 9000, 2, 0, 0, 0);
    see(0, 3, 0, 0, 0);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), 3);
    assert_int_equal(ago(HISTORY_REQUESTS, 1), 0);
}

static void numbers_beyond_a_cell_are_its_most(void **state)
{
    history_init(&h, START);
    see(START, UINT64_MAX, 5, 1, UINT64_MAX);
    assert_int_equal(ago(HISTORY_REQUESTS, 0), NONE - 1);
    assert_int_equal(ago(HISTORY_FIRST_BYTE_US, 0), NONE - 1);
}

static void a_server_has_its_own_rows(void **state)
{
    history_init(&h, START);
    see_server(START, (struct history_server_totals){ server(1), 4, 1, 2, 3000 });
    assert_int_equal(server_ago(1, HISTORY_LATENCY_US, 0), 1500);
    assert_int_equal(server_ago(1, HISTORY_QUERIES, 0), 4);
    assert_int_equal(server_ago(1, HISTORY_FAILURES, 0), 1);
    assert_int_equal(server_ago(2, HISTORY_QUERIES, 0), NONE);
    see_server(START + 10000, (struct history_server_totals){ server(1), 5, 2, 2, 3000 });
    assert_int_equal(server_ago(1, HISTORY_LATENCY_US, 0), NONE);
    assert_int_equal(server_ago(1, HISTORY_QUERIES, 0), 1);
    assert_int_equal(server_ago(1, HISTORY_LATENCY_US, 1), 1500);
}

static void a_server_that_came_back_anew_counts_from_zero(void **state)
{
    history_init(&h, START);
    see_server(START, (struct history_server_totals){ server(1), 100, 50, 10, 10000 });
    see_server(START + 10000, (struct history_server_totals){ server(1), 3, 1, 1, 700 });
    assert_int_equal(server_ago(1, HISTORY_QUERIES, 0), 3);
    assert_int_equal(server_ago(1, HISTORY_FAILURES, 0), 1);
    assert_int_equal(server_ago(1, HISTORY_LATENCY_US, 0), 700);
}

static void servers_come_and_go_in_bounded_memory(void **state)
{
    const struct history_totals t = { 0 };
    struct history_server_totals s[HISTORY_SERVERS + 8];
    history_init(&h, START);
    for (unsigned i = 0; i < HISTORY_SERVERS + 8; i++)
        s[i] = (struct history_server_totals){ server(i), 1, 0, 0, 0 };
    /* more than there is room for: the first keep their places */
    history_see(&h, START, &t, s, HISTORY_SERVERS + 8);
    assert_int_equal(server_ago(0, HISTORY_QUERIES, 0), 1);
    assert_int_equal(server_ago(HISTORY_SERVERS, HISTORY_QUERIES, 0), NONE);
    /* 1 and up are named again, 0 is not: a newcomer gets its place */
    history_see(&h, START + 1, &t, s + 1, HISTORY_SERVERS);
    assert_int_equal(server_ago(0, HISTORY_QUERIES, 0), NONE);
    assert_int_equal(server_ago(HISTORY_SERVERS, HISTORY_QUERIES, 0), 1);
    assert_int_equal(server_ago(1, HISTORY_QUERIES, 0), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_step_under_way_is_the_last_and_grows),
        cmocka_unit_test(what_nobody_looked_at_is_not_known),
        cmocka_unit_test(an_hour_is_kept_and_no_more),
        cmocka_unit_test(time_that_stands_still_or_goes_back_is_the_same_step),
        cmocka_unit_test(numbers_beyond_a_cell_are_its_most),
        cmocka_unit_test(a_server_has_its_own_rows),
        cmocka_unit_test(a_server_that_came_back_anew_counts_from_zero),
        cmocka_unit_test(servers_come_and_go_in_bounded_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
