/* What the pool remembers of addresses; time is an argument. */
#include "upstream/addr_book.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct addr ip(unsigned last)
{
    uint8_t b[4] = { 10, 0, 0, (uint8_t)last };
    struct addr a;
    addr_from_bytes(AF_INET, b, 443, &a);
    return a;
}

static void order_is(const struct addr_book *b, const unsigned *answer, unsigned n, uint64_t now,
                     const unsigned *want, unsigned n_want)
{
    struct addr in[8], out[16];
    for (unsigned i = 0; i < n; i++)
        in[i] = ip(answer[i]);
    assert_int_equal(addr_book_order(b, in, n, now, out, 16), n_want);
    for (unsigned i = 0; i < n_want; i++) {
        struct addr a = ip(want[i]);
        assert_true(addr_eq(&out[i], &a));
    }
}
#define ORDER(b, now, answer, ...)                                                                 \
    order_is(b, (unsigned[])answer, sizeof((unsigned[])answer) / sizeof(unsigned), now,            \
             (unsigned[]){ __VA_ARGS__ }, sizeof((unsigned[]){ __VA_ARGS__ }) / sizeof(unsigned))
#define LIST(...)                                                                                  \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static void seen(struct addr_book *b, unsigned last, uint64_t now)
{
    struct addr a = ip(last);
    addr_book_seen(b, &a, 1, now);
}

static void the_answer_comes_first_then_what_was_seen_lately(void **state)
{
    struct addr_book b = { 0 };
    seen(&b, 1, 1000);
    seen(&b, 2, 2000);
    ORDER(&b, 3000, LIST(3, 2), 3, 2, 1);
    ORDER(&b, 31500, LIST(3), 3, 2); /* 1 was seen more than 30 s ago */
}

static void where_the_newest_answer_counts_alone_others_are_forgotten(void **state)
{
    struct addr_book b = { .is_newest_only = true };
    struct addr one = ip(1);
    seen(&b, 1, 1000);
    assert_false(addr_book_expire(&b, 60000)); /* no other answer has come */
    assert_true(addr_book_is_good(&b, &one));
    seen(&b, 2, 61000);
    ORDER(&b, 61000, LIST(2), 2);
    assert_true(addr_book_expire(&b, 61000));
    assert_false(addr_book_is_good(&b, &one));
    assert_false(addr_book_expire(&b, 61000));
    ORDER(&b, 61000, LIST(3), 3, 2);
}

static void a_failed_address_is_dialled_last_and_is_not_offered(void **state)
{
    struct addr_book b = { 0 };
    struct addr one = ip(1), two = ip(2);
    seen(&b, 1, 0);
    seen(&b, 2, 0);
    seen(&b, 3, 0);
    addr_book_failed(&b, &one, 100);
    addr_book_failed(&b, &two, 100);
    assert_false(addr_book_is_good(&b, &one));
    ORDER(&b, 200, LIST(1, 3), 3, 1);
    ORDER(&b, 1200, LIST(1, 3), 1, 3); /* a second later it gets its turn again */
    addr_book_worked(&b, &one);
    assert_true(addr_book_is_good(&b, &one));
    ORDER(&b, 200, LIST(1, 3), 1, 3);
}

static void the_pause_doubles_up_to_30_s(void **state)
{
    static const uint64_t pauses[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000 };
    struct addr_book b = { 0 };
    struct addr one = ip(1);
    seen(&b, 1, 0);
    for (unsigned i = 0; i < 7; i++) {
        addr_book_failed(&b, &one, 500);
        assert_int_equal(b.entries[0].aside_ms, 500 + pauses[i]);
    }
}

static void an_overtaken_address_keeps_its_connections(void **state)
{
    struct addr_book b = { 0 };
    struct addr one = ip(1);
    seen(&b, 1, 0);
    addr_book_slow(&b, &one, 100);
    assert_true(addr_book_is_good(&b, &one));
    ORDER(&b, 200, LIST(1, 2), 2, 1);
}

static void a_negative_answer_offers_nothing_and_forgets_nothing(void **state)
{
    struct addr_book b = { 0 };
    struct addr one = ip(1);
    seen(&b, 1, 0);
    addr_book_negative(&b);
    assert_true(addr_book_is_good(&b, &one));
    ORDER(&b, 100, LIST(2), 2);
    seen(&b, 1, 200);
    ORDER(&b, 300, LIST(2), 2, 1);
}

static void what_is_not_named_for_30_s_is_forgotten(void **state)
{
    struct addr_book b = { 0 };
    struct addr one = ip(1), two = ip(2);
    seen(&b, 1, 0);
    seen(&b, 2, 5000);
    assert_false(addr_book_expire(&b, 29999));
    assert_true(addr_book_expire(&b, 30000));
    assert_false(addr_book_is_good(&b, &one));
    assert_true(addr_book_is_good(&b, &two));
}

static void a_full_book_drops_the_oldest(void **state)
{
    struct addr_book b = { 0 };
    for (unsigned i = 0; i < ADDR_BOOK_MAX + 1; i++)
        seen(&b, i, 100 + i);
    struct addr first = ip(0), last = ip(ADDR_BOOK_MAX);
    assert_int_equal(b.n, ADDR_BOOK_MAX);
    assert_false(addr_book_is_good(&b, &first));
    assert_true(addr_book_is_good(&b, &last));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_answer_comes_first_then_what_was_seen_lately),
        cmocka_unit_test(where_the_newest_answer_counts_alone_others_are_forgotten),
        cmocka_unit_test(a_failed_address_is_dialled_last_and_is_not_offered),
        cmocka_unit_test(the_pause_doubles_up_to_30_s),
        cmocka_unit_test(an_overtaken_address_keeps_its_connections),
        cmocka_unit_test(a_negative_answer_offers_nothing_and_forgets_nothing),
        cmocka_unit_test(what_is_not_named_for_30_s_is_forgotten),
        cmocka_unit_test(a_full_book_drops_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
