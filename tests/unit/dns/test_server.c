#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/server.h"

static struct dns_server server(void)
{
    struct dns_server s;
    struct addr a;
    assert_true(addr_parse(STR("192.0.2.1"), 53, &a));
    dns_server_init(&s, &a, 0, 0);
    assert_true(dns_name_parse(STR("x.example"), &s.sample.question.name));
    return s;
}

static void three_failures_make_a_suspect(void **state)
{
    struct dns_server s = server();
    assert_false(dns_server_failed(&s, 0));
    assert_false(dns_server_failed(&s, 0));
    assert_false(dns_server_answered(&s, 1000)); /* in a row, that is */
    assert_false(dns_server_failed(&s, 0));
    assert_false(dns_server_failed(&s, 0));
    assert_true(dns_server_failed(&s, 0));
    assert_false(dns_server_failed(&s, 0));
    assert_true(s.is_suspect);
    assert_true(dns_server_answered(&s, 1000));
    assert_false(s.is_suspect);
}

static void probes_follow_their_schedule(void **state)
{
    static const uint64_t at_ms[] = { 500, 1500, 3500, 8000, 12500, 17000 };
    struct dns_server s = server();
    s.used_ms = 0;
    for (int i = 0; i < 3; i++)
        dns_server_failed(&s, 0);
    for (size_t i = 0; i < sizeof at_ms / sizeof at_ms[0]; i++) {
        assert_false(dns_server_claim_probe(&s, at_ms[i] - 1));
        assert_true(dns_server_claim_probe(&s, at_ms[i]));
        assert_false(dns_server_claim_probe(&s, at_ms[i]));
    }
    /* Nobody asks for it any more: no probes either, until somebody does. */
    assert_false(dns_server_claim_probe(&s, DNS_PROBED_WHILE_USED_MS + 1));
    s.used_ms = DNS_PROBED_WHILE_USED_MS;
    assert_true(dns_server_claim_probe(&s, DNS_PROBED_WHILE_USED_MS + 1));
}

static void times_adapt(void **state)
{
    struct dns_server s = server();
    assert_int_equal(dns_server_attempt_ms(&s), 400);
    assert_int_equal(dns_server_hedge_ms(&s, 50), 300);
    for (int i = 0; i < 50; i++)
        dns_server_answered(&s, 200); /* a fifth of a millisecond */
    assert_int_equal(dns_server_attempt_ms(&s), 50);
    assert_int_equal(dns_server_hedge_ms(&s, 50), 50);
    assert_int_equal(dns_server_hedge_ms(&s, 150), 150);
    for (int i = 0; i < 100; i++)
        dns_server_answered(&s, 60 * 1000);
    assert_in_range(dns_server_attempt_ms(&s), 60, 100);
    assert_in_range(dns_server_hedge_ms(&s, 50), 170, 190);
    for (int i = 0; i < 100; i++)
        dns_server_answered(&s, 60 * 1000 * 1000);
    assert_int_equal(dns_server_attempt_ms(&s), 2000);
    assert_int_equal(dns_server_hedge_ms(&s, 50), 300);
}

static void a_zone_is_avoided_for_a_while(void **state)
{
    struct dns_server s = server();
    dns_server_avoid(&s, 11, 1000);
    assert_true(dns_server_is_avoided(&s, 11, 5999));
    assert_false(dns_server_is_avoided(&s, 11, 6000));
    assert_false(dns_server_is_avoided(&s, 12, 1000));
    /* More zones than there is room for: the oldest goes. */
    for (uint64_t zone = 100; zone < 100 + DNS_MAX_AVOIDED_ZONES; zone++)
        dns_server_avoid(&s, zone, 7000 + zone);
    assert_false(dns_server_is_avoided(&s, 11, 5000));
    for (uint64_t zone = 100; zone < 100 + DNS_MAX_AVOIDED_ZONES; zone++)
        assert_true(dns_server_is_avoided(&s, zone, 7200));
}

static void the_budget_refills(void **state)
{
    struct dns_server s = server();
    for (int i = 0; i < DNS_BUDGET_PER_S; i++)
        assert_true(dns_server_spend(&s, 1, 0));
    assert_false(dns_server_spend(&s, 1, 0));
    assert_false(dns_server_spend(&s, 1, 2));
    assert_true(dns_server_spend(&s, 1, 3));
    int n = 0;
    while (dns_server_spend(&s, 1, 1000000))
        n++;
    assert_int_equal(n, DNS_BUDGET_PER_S); /* never more than a second's worth */
}

static void the_budget_is_the_setting(void **state)
{
    static const struct {
        uint64_t setting;
        unsigned at_once, in_10_ms;
    } rows[] = { { 0, DNS_BUDGET_PER_S, DNS_BUDGET_PER_S / 100 },
                 { 1, 1, 0 },
                 { 50, 50, 0 },
                 { 1000, 1000, 10 },
                 { DNS_MAX_BUDGET_PER_S, DNS_MAX_BUDGET_PER_S, DNS_MAX_BUDGET_PER_S / 100 },
                 { UINT64_MAX, DNS_MAX_BUDGET_PER_S, DNS_MAX_BUDGET_PER_S / 100 } };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_server s;
        struct addr a;
        unsigned n = 0;
        assert_true(addr_parse(STR("192.0.2.1"), 53, &a));
        dns_server_init(&s, &a, rows[i].setting, 5000);
        while (n < DNS_MAX_BUDGET_PER_S + 1 && dns_server_spend(&s, 1, 5000))
            n++;
        assert_int_equal(n, rows[i].at_once);
        for (n = 0; n < DNS_MAX_BUDGET_PER_S && dns_server_spend(&s, 1, 5010);)
            n++;
        assert_int_equal(n, rows[i].in_10_ms);
    }
}

/* Workers' clocks stand still for a turn, each at another time: what one has spent by its clock is
 * not refilled because another one's is behind. */
static void clocks_of_workers_differ(void **state)
{
    struct dns_server s = server();
    unsigned n = 0;
    for (unsigned i = 0; i < 10 * DNS_BUDGET_PER_S; i++)
        n += dns_server_spend(&s, 1, i % 2 == 0 ? 1000 : 990);
    assert_int_equal(n, DNS_BUDGET_PER_S);
    assert_true(dns_server_spend(&s, 1, 1003));
}

static void several_packets_go_all_or_none(void **state)
{
    struct dns_server s = server();
    assert_true(dns_server_spend(&s, DNS_BUDGET_PER_S - 3, 0));
    assert_false(dns_server_spend(&s, 4, 0));
    assert_true(dns_server_spend(&s, 3, 0));
    assert_false(dns_server_spend(&s, 1, 0));
}

/* Twice a second; what has begun to fail at once again, until it is known for dead; one at a time.
 */
static void looks_follow_their_schedule(void **state)
{
    struct dns_server s = server();
    assert_true(dns_server_claim_look(&s, 5000));
    assert_false(dns_server_claim_look(&s, 5500));
    assert_false(dns_server_claim_look(&s, 7000));
    dns_server_looked(&s);
    assert_true(dns_server_claim_look(&s, 7000));
    dns_server_looked(&s);
    assert_false(dns_server_claim_look(&s, 7499));
    dns_server_failed(&s, 7100);
    assert_true(dns_server_claim_look(&s, 7100));
    dns_server_looked(&s);
    dns_server_failed(&s, 7200);
    assert_true(dns_server_claim_look(&s, 7200));
    dns_server_looked(&s);
    assert_true(dns_server_failed(&s, 7300));
    assert_false(dns_server_claim_look(&s, 7699));
    assert_true(dns_server_claim_look(&s, 7700));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_failures_make_a_suspect),
        cmocka_unit_test(probes_follow_their_schedule),
        cmocka_unit_test(times_adapt),
        cmocka_unit_test(a_zone_is_avoided_for_a_while),
        cmocka_unit_test(the_budget_refills),
        cmocka_unit_test(the_budget_is_the_setting),
        cmocka_unit_test(clocks_of_workers_differ),
        cmocka_unit_test(several_packets_go_all_or_none),
        cmocka_unit_test(looks_follow_their_schedule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
