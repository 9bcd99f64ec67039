/* Whose connections lead where: rows, their counts, and who makes room. */
#include "upstream/board.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

static struct upstream_board board;
static struct upstream_board_entry seen[UPSTREAM_BOARD_N];

struct who {
    char host[32];
    struct addr addr;
    struct upstream_board_key key;
};

static const struct upstream_board_key *who(struct who *w, unsigned host, unsigned last)
{
    uint8_t b[4] = { 10, 0, (uint8_t)(last >> 8), (uint8_t)last };
    addr_from_bytes(AF_INET, b, 443, &w->addr);
    snprintf(w->host, sizeof w->host, "h%u.test", host);
    w->key = (struct upstream_board_key){ .scheme = CONF_HTTPS,
                                          .host = str_of(w->host, strlen(w->host)),
                                          .port = 443,
                                          .addr = &w->addr };
    return &w->key;
}

static struct upstream_board_row *opened(unsigned host, unsigned last, uint64_t now_ms)
{
    struct who w;
    return upstream_board_opened(&board, who(&w, host, last), now_ms);
}

static void failed(unsigned host, unsigned last, uint64_t now_ms)
{
    struct who w;
    upstream_board_failed(&board, who(&w, host, last), now_ms);
}

static int setup(void **state)
{
    board = (struct upstream_board){ 0 };
    upstream_board_init(&board);
    return 0;
}

static int teardown(void **state)
{
    upstream_board_done(&board);
    return 0;
}

static void test_a_connection_is_busy_then_idle_then_gone(void **state)
{
    struct upstream_board_row *r = opened(1, 1, 1000);
    assert_int_equal(upstream_board_read(&board, 1000, seen), 1);
    assert_true(seen[0].busy == 1 && seen[0].idle == 0 && seen[0].connects == 1);
    assert_true(str_eq(str_of(seen[0].host, seen[0].n_host), STR("h1.test")));
    upstream_board_idle(r);
    upstream_board_read(&board, 1000, seen);
    assert_true(seen[0].busy == 0 && seen[0].idle == 1);
    assert_ptr_equal(opened(1, 1, 1500), r);
    upstream_board_read(&board, 1500, seen);
    assert_true(seen[0].busy == 1 && seen[0].idle == 1 && seen[0].connects == 2);
    upstream_board_busy(r);
    upstream_board_closed(r, 2000);
    upstream_board_closed(r, 2000);
    upstream_board_read(&board, 2000, seen);
    assert_true(seen[0].busy == 0 && seen[0].idle == 0 && seen[0].connects == 2);
}

static void test_addresses_ports_schemes_and_hosts_are_apart(void **state)
{
    struct who w;
    struct upstream_board_key key = *who(&w, 1, 1);
    upstream_board_opened(&board, &key, 1);
    key.port = 8443;
    upstream_board_opened(&board, &key, 1);
    key.scheme = CONF_HTTP;
    upstream_board_opened(&board, &key, 1);
    opened(1, 2, 1);
    opened(2, 1, 1);
    assert_int_equal(upstream_board_read(&board, 1, seen), 5);
}

static void test_failures_have_a_row_and_a_time(void **state)
{
    failed(1, 1, 100);
    failed(1, 1, 200);
    opened(2, 1, 300);
    assert_int_equal(upstream_board_read(&board, 300, seen), 2);
    assert_true(seen[0].connects == 1 && seen[0].failed == 0 && seen[0].failed_ms == 0);
    assert_true(seen[1].connects == 0 && seen[1].failed == 2 && seen[1].failed_ms == 200);
}

static void test_what_nobody_used_for_long_is_not_told(void **state)
{
    upstream_board_closed(opened(1, 1, 1000), 1000);
    opened(2, 1, 1000);
    assert_int_equal(upstream_board_read(&board, 1000 + UPSTREAM_BOARD_MS - 1, seen), 2);
    assert_int_equal(upstream_board_read(&board, 1000 + UPSTREAM_BOARD_MS, seen), 1);
    assert_true(seen[0].busy == 1);
}

static void test_the_one_unused_longest_makes_room(void **state)
{
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++)
        upstream_board_closed(opened(i, 1, 1000 + i), 1000 + i);
    failed(0, 1, 5000); /* the first one was used again */
    opened(999, 1, 6000);
    assert_int_equal(upstream_board_read(&board, 6000, seen), UPSTREAM_BOARD_N);
    unsigned n_first = 0, n_second = 0, n_new = 0;
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++) {
        struct str host = str_of(seen[i].host, seen[i].n_host);
        n_first += str_eq(host, STR("h0.test"));
        n_second += str_eq(host, STR("h1.test"));
        n_new += str_eq(host, STR("h999.test"));
    }
    assert_true(n_first == 1 && n_second == 0 && n_new == 1);
}

static void test_a_row_in_use_makes_no_room(void **state)
{
    struct upstream_board_row *rows[UPSTREAM_BOARD_N];
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++)
        rows[i] = opened(i, 1, 1000);
    assert_null(opened(500, 1, 2000));
    failed(501, 1, 2000);
    assert_int_equal(upstream_board_read(&board, 2000, seen), UPSTREAM_BOARD_N);
    upstream_board_closed(rows[7], 3000);
    assert_ptr_equal(opened(500, 1, 3000), rows[7]);
    upstream_board_read(&board, 3000, seen);
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++)
        assert_int_equal(seen[i].connects, 1);
}

static void test_nobody_looks(void **state)
{
    struct who w;
    struct upstream_board_key key = *who(&w, 1, 1);
    struct upstream_board_row *r = upstream_board_opened(NULL, &key, 1);
    upstream_board_idle(r);
    upstream_board_busy(r);
    upstream_board_closed(r, 1);
    upstream_board_failed(NULL, &key, 1);
    assert_null(r);
    key.host.n = 0;
    assert_null(upstream_board_opened(&board, &key, 1));
    key.host.n = UPSTREAM_BOARD_NAME_BYTES + 1;
    assert_null(upstream_board_opened(&board, &key, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_connection_is_busy_then_idle_then_gone, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_addresses_ports_schemes_and_hosts_are_apart, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_failures_have_a_row_and_a_time, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_nobody_used_for_long_is_not_told, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_the_one_unused_longest_makes_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_row_in_use_makes_no_room, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nobody_looks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
