#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "dns/front_clients.h"

static const struct hash_key key = { 1, 2 };

static struct addr addr_of(const char *text)
{
    struct addr a;
    assert_true(addr_parse_ip(str_from_c(text), &a));
    return a;
}

/* How many of n questions at once are within the limits; each ends at once. */
static unsigned ask(struct front_clients *t, const char *who, unsigned n, uint64_t now_ms)
{
    struct addr a = addr_of(who);
    unsigned n_in = 0;
    for (unsigned i = 0; i < n; i++) {
        enum front_limit limit;
        front_clients_give(t, front_clients_take(t, &a, now_ms, &limit), false);
        n_in += limit == FRONT_WITHIN;
    }
    return n_in;
}

static void tokens_come_back_with_time(void **state)
{
    static const struct {
        const char *row;
        uint64_t now_ms;
        unsigned n, n_in;
    } steps[] = {
        { "a second's worth at once", 1000, 100, 10 },
        { "none is left", 1000, 5, 0 },
        { "one comes every 100 ms", 1099, 5, 0 },
        { "and is not lost in between", 1100, 5, 1 },
        { "half a second", 1600, 100, 5 },
        { "an hour is no more than a second", 3601600, 100, 10 },
    };
    struct front_clients *t = front_clients_new(&key, 10, 1000);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        print_message("%s\n", steps[i].row);
        assert_int_equal(ask(t, "192.0.2.1", steps[i].n, steps[i].now_ms), steps[i].n_in);
    }
    front_clients_free(t);
}

static void clients_are_counted_apart(void **state)
{
    struct front_clients *t = front_clients_new(&key, 10, 1000);
    assert_int_equal(ask(t, "192.0.2.1", 20, 5), 10);
    assert_int_equal(ask(t, "192.0.2.2", 20, 5), 10);
    assert_int_equal(ask(t, "2001:db8:1:2::1", 20, 5), 10);
    assert_int_equal(ask(t, "2001:db8:1:2:ffff::7", 20, 5), 0); /* the same /64 */
    assert_int_equal(ask(t, "2001:db8:1:3::1", 20, 5), 10);
    front_clients_free(t);
}

static void no_rate_is_no_limit(void **state)
{
    struct front_clients *t = front_clients_new(&key, 0, 1000);
    assert_int_equal(ask(t, "192.0.2.1", 5000, 5), 5000);
    front_clients_free(t);
}

static void questions_in_flight_are_limited(void **state)
{
    struct front_clients *t = front_clients_new(&key, 0, 3);
    struct addr a = addr_of("192.0.2.1");
    struct front_client *c = NULL;
    enum front_limit limit;
    for (unsigned i = 0; i < 3; i++) {
        c = front_clients_take(t, &a, 1, &limit);
        assert_int_equal(limit, FRONT_WITHIN);
    }
    front_clients_take(t, &a, 1, &limit);
    assert_int_equal(limit, FRONT_TOO_MANY);
    front_clients_give(t, c, false);
    front_clients_give(t, c, false);
    front_clients_take(t, &a, 1, &limit);
    assert_int_equal(limit, FRONT_WITHIN);
    front_clients_free(t);
}

static void what_needed_no_server_is_refunded(void **state)
{
    struct front_clients *t = front_clients_new(&key, 2, 1000);
    struct addr a = addr_of("192.0.2.1");
    enum front_limit limit;
    for (unsigned i = 0; i < 10; i++) {
        struct front_client *c = front_clients_take(t, &a, 1, &limit);
        assert_int_equal(limit, FRONT_WITHIN);
        front_clients_give(t, c, true);
        assert_int_equal(c->milli_tokens, 2000);
    }
    assert_int_equal(ask(t, "192.0.2.1", 5, 1), 2);
    front_clients_take(t, &a, 1, &limit);
    assert_int_equal(limit, FRONT_OVER_RATE);
    front_clients_free(t);
}

/* Far more clients than places, all with a question in flight: some share one place, nobody is
 * forgotten, and when all have gone, a new one has a whole allowance. */
static void a_full_table_holds(void **state)
{
    enum { N = 4 * FRONT_CLIENT_SETS * FRONT_CLIENT_WAYS };
    struct front_clients *t = front_clients_new(&key, 2, 100000);
    struct front_client **in = calloc(N, sizeof *in);
    unsigned n_crowd = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct addr a;
        uint8_t ip[4] = { 10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i };
        enum front_limit limit;
        addr_from_bytes(AF_INET, ip, 0, &a);
        in[i] = front_clients_take(t, &a, 1, &limit);
        n_crowd += in[i] == &t->crowd;
        assert_true(limit == FRONT_WITHIN || in[i] == &t->crowd);
    }
    assert_in_range(n_crowd, N - FRONT_CLIENT_SETS * FRONT_CLIENT_WAYS, N - 1);
    assert_int_equal(t->crowd.n_in_flight, n_crowd);
    for (uint32_t i = 0; i < N; i++)
        front_clients_give(t, in[i], false);
    assert_int_equal(t->crowd.n_in_flight, 0);
    assert_int_equal(ask(t, "192.0.2.77", 5, 2), 2);
    free(in);
    front_clients_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_come_back_with_time),
        cmocka_unit_test(clients_are_counted_apart),
        cmocka_unit_test(no_rate_is_no_limit),
        cmocka_unit_test(questions_in_flight_are_limited),
        cmocka_unit_test(what_needed_no_server_is_refunded),
        cmocka_unit_test(a_full_table_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
