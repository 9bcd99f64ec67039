#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dns/cache.h"

#include "../codec/name_of.h"

#include <stdio.h>
#include <stdlib.h>

/* An answer without records: the cache looks at outcome and TTL alone. */
static struct dns_set *set_of(enum dns_outcome outcome, uint32_t ttl_s)
{
    struct dns_msg m = { 0 };
    struct dns_question q = { .name = name_of("x"), .type = DNS_A, .class = DNS_CLASS_IN };
    struct dns_verdict v = { .outcome = outcome };
    return dns_set_new(&m, &q, &v, ttl_s, ttl_s);
}

static void put(struct dns_cache *c, const struct dns_cache_key *k, enum dns_outcome outcome,
                uint32_t ttl_s, uint64_t now_ms)
{
    struct dns_set *s = set_of(outcome, ttl_s);
    dns_cache_put(c, k, s, 3600, now_ms);
    dns_set_unref(s);
}

static enum dns_cache_state get(struct dns_cache *c, const struct dns_cache_key *k, uint64_t now_ms,
                                struct dns_cache_hit *hit)
{
    dns_cache_get(c, k, now_ms, 1, hit);
    dns_set_unref(hit->set);
    return hit->state;
}

/* Another worker's clock was ahead when it put the answer: no TTL is more than was said, so nobody
 * computes an age below zero. */
static void a_clock_behind_sees_the_whole_ttl(void **state)
{
    struct dns_cache *c = dns_cache_new(1 << 20);
    struct dns_name name = name_of("a.example");
    struct dns_cache_key k = { 7, &name, DNS_A, DNS_CLASS_IN, false, false };
    struct dns_cache_hit hit;
    put(c, &k, DNS_ANSWERED, 5, 1000);
    assert_int_equal(get(c, &k, 990, &hit), DNS_CACHE_FRESH);
    assert_int_equal(hit.ttl_s, 5);
    assert_true(dns_cache_get_stale(c, &k, 990, &hit));
    dns_set_unref(hit.set);
    assert_int_equal(hit.ttl_s, 5);
    dns_cache_free(c);
}

static void ttl_counts_down(void **state)
{
    struct dns_cache *c = dns_cache_new(1 << 20);
    struct dns_name lower = name_of("a.example"), upper = name_of("A.EXAMPLE");
    struct dns_cache_key k = { 7, &lower, DNS_A, DNS_CLASS_IN, false, false }, other = k;
    struct dns_cache_hit hit;
    put(c, &k, DNS_ANSWERED, 5, 1000);
    assert_int_equal(get(c, &k, 5000, &hit), DNS_CACHE_FRESH);
    assert_int_equal(hit.ttl_s, 1);
    other.name = &upper;
    assert_int_equal(get(c, &other, 1000, &hit), DNS_CACHE_FRESH);
    assert_int_equal(hit.ttl_s, 5);
    assert_int_equal(get(c, &k, 6000, &hit), DNS_CACHE_NONE);
    /* Every part of the key tells entries apart. */
    struct dns_cache_key keys[] = { k, k, k, k, k };
    keys[0].group = 8;
    keys[1].type = DNS_AAAA;
    keys[2].class = DNS_CLASS_CH;
    keys[3].dnssec_ok = true;
    keys[4].checking_disabled = true;
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(get(c, &keys[i], 1000, &hit), DNS_CACHE_NONE);
    dns_cache_free(c);
}

static void stale_is_served_for_its_time(void **state)
{
    struct dns_cache *c = dns_cache_new(1 << 20);
    struct dns_name n = name_of("a.example");
    struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
    struct dns_cache_hit hit;
    put(c, &k, DNS_ANSWERED, 5, 0);
    assert_true(dns_cache_get_stale(c, &k, 65000, &hit));
    assert_int_equal(hit.stale_s, 60);
    dns_set_unref(hit.set);
    assert_false(dns_cache_get_stale(c, &k, 3606000, &hit));
    put(c, &k, DNS_NODATA_OUTCOME, 5, 0); /* the name is there: that may be old, too */
    assert_true(dns_cache_get_stale(c, &k, 65000, &hit));
    assert_int_equal(hit.outcome, DNS_NODATA_OUTCOME);
    dns_set_unref(hit.set);
    put(c, &k, DNS_NXDOMAIN_OUTCOME, 5, 0); /* a no replaces a good one and is never stale */
    assert_int_equal(get(c, &k, 4000, &hit), DNS_CACHE_FRESH);
    assert_int_equal(hit.outcome, DNS_NXDOMAIN_OUTCOME);
    assert_false(dns_cache_get_stale(c, &k, 4000, &hit));
    dns_cache_free(c);
}

static void failures_back_off_and_replace_nothing(void **state)
{
    static const uint32_t held_s[] = { 1, 2, 4, 8, 16, 30, 30 };
    struct dns_cache *c = dns_cache_new(1 << 20);
    struct dns_name n = name_of("a.example");
    struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
    struct dns_cache_hit hit;
    uint64_t now_ms = 10000;
    put(c, &k, DNS_ANSWERED, 5, 0);
    for (size_t i = 0; i < sizeof held_s / sizeof held_s[0]; i++) {
        dns_cache_fail(c, &k, DNS_TIMED_OUT, 1, now_ms, 1);
        assert_int_equal(get(c, &k, now_ms + held_s[i] * 1000 - 1, &hit), DNS_CACHE_FAILED);
        assert_int_equal(hit.outcome, DNS_TIMED_OUT);
        now_ms += held_s[i] * 1000;
        assert_int_equal(get(c, &k, now_ms, &hit), DNS_CACHE_NONE);
    }
    assert_true(dns_cache_get_stale(c, &k, now_ms, &hit));
    dns_set_unref(hit.set);
    /* A server came back (another epoch): void at once, and the next one begins at a second. */
    dns_cache_fail(c, &k, DNS_TIMED_OUT, 1, now_ms, 1);
    dns_cache_get(c, &k, now_ms, 2, &hit);
    assert_int_equal(hit.state, DNS_CACHE_NONE);
    dns_cache_fail(c, &k, DNS_TIMED_OUT, 1, now_ms, 2);
    dns_cache_get(c, &k, now_ms + 1000, 2, &hit);
    assert_int_equal(hit.state, DNS_CACHE_NONE);
    /* So does one that comes half a minute after the last was over. */
    dns_cache_fail(c, &k, DNS_TIMED_OUT, 16, now_ms, 2);
    now_ms += (16 + 30) * 1000;
    dns_cache_fail(c, &k, DNS_TIMED_OUT, 1, now_ms, 2);
    dns_cache_get(c, &k, now_ms + 1000, 2, &hit);
    assert_int_equal(hit.state, DNS_CACHE_NONE);
    put(c, &k, DNS_ANSWERED, 5, now_ms);
    assert_int_equal(get(c, &k, now_ms, &hit), DNS_CACHE_FRESH);
    dns_cache_free(c);
}

/* A name that nobody asked for before: digits of i in front. */
static struct dns_name random_name(uint32_t i)
{
    static const struct dns_name base = { 18, "\10xxxxxxxx\7example" };
    struct dns_name n = base;
    for (unsigned k = 0; k < 8; k++)
        n.wire[1 + k] = (uint8_t)('a' + (i >> 4 * k) % 16);
    return n;
}

static void a_flood_of_names_leaves_the_hot_ones(void **state)
{
    enum { HOT = 100, FLOOD = 1000000, MAX = 256 * 1024, HOT_NAME = 0x70000000 };
    struct dns_cache *c = dns_cache_new(MAX);
    struct dns_set *yes = set_of(DNS_ANSWERED, 300), *no = set_of(DNS_NXDOMAIN_OUTCOME, 300);
    struct dns_cache_hit hit;
    for (unsigned round = 0; round < 2; round++)
        for (unsigned i = 0; i < HOT; i++) {
            struct dns_name n = random_name(HOT_NAME + i);
            struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
            if (round == 0)
                dns_cache_put(c, &k, yes, 3600, 0);
            else
                assert_int_equal(get(c, &k, 0, &hit), DNS_CACHE_FRESH);
        }
    /* Answers, noes and failures, as a flood brings them; nobody asks for the hot ones meanwhile.
     */
    for (unsigned i = 0; i < FLOOD; i++) {
        struct dns_name n = random_name(i);
        struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
        assert_int_equal(get(c, &k, 0, &hit), DNS_CACHE_NONE);
        if (i % 3 == 2)
            dns_cache_fail(c, &k, DNS_TIMED_OUT, 1, 0, 1);
        else
            dns_cache_put(c, &k, i % 3 == 0 ? yes : no, 3600, 0);
        if (dns_cache_bytes(c) > MAX)
            fail_msg("%zu bytes after %u names", dns_cache_bytes(c), i);
    }
    for (unsigned i = 0; i < HOT; i++) {
        struct dns_name n = random_name(HOT_NAME + i);
        struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
        assert_int_equal(get(c, &k, 0, &hit), DNS_CACHE_FRESH);
    }
    dns_set_unref(yes);
    dns_set_unref(no);
    dns_cache_free(c);
}

/* Asked for once, a name is in nobody's use; asked for again, it is, in the last tenth and once. */
static void refreshed_is_what_is_in_use(void **state)
{
    struct dns_cache *c = dns_cache_new(1 << 20);
    struct dns_name n = name_of("a.example");
    struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
    struct dns_cache_hit hit;
    put(c, &k, DNS_ANSWERED, 60, 0);
    get(c, &k, 54500, &hit); /* the second time: from now on it is in use */
    assert_false(hit.wants_refresh);
    get(c, &k, 54500, &hit);
    assert_true(hit.wants_refresh);
    get(c, &k, 59000, &hit);
    assert_false(hit.wants_refresh); /* said once */
    put(c, &k, DNS_ANSWERED, 60, 59000);
    get(c, &k, 59000 + 53999, &hit);
    assert_false(hit.wants_refresh); /* not yet */
    get(c, &k, 59000 + 54000, &hit);
    assert_true(hit.wants_refresh);
    put(c, &k, DNS_NXDOMAIN_OUTCOME, 60, 200000);
    get(c, &k, 259000, &hit);
    assert_false(hit.wants_refresh); /* a no is not refreshed */
    dns_cache_free(c);
}

static void many_hot_names_stay_bounded(void **state)
{
    enum { N = 20000, MAX = 128 * 1024 };
    struct dns_cache *c = dns_cache_new(MAX);
    struct dns_cache_hit hit;
    for (unsigned i = 0; i < N; i++) {
        char text[64];
        snprintf(text, sizeof text, "n%u.example", i);
        struct dns_name n = name_of(text);
        struct dns_cache_key k = { 7, &n, DNS_A, DNS_CLASS_IN, false, false };
        put(c, &k, DNS_ANSWERED, 300, 0);
        get(c, &k, 0, &hit);
        assert_true(dns_cache_bytes(c) <= MAX);
    }
    assert_true(dns_cache_n(c) > 100);
    dns_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_behind_sees_the_whole_ttl),
        cmocka_unit_test(ttl_counts_down),
        cmocka_unit_test(stale_is_served_for_its_time),
        cmocka_unit_test(failures_back_off_and_replace_nothing),
        cmocka_unit_test(a_flood_of_names_leaves_the_hot_ones),
        cmocka_unit_test(refreshed_is_what_is_in_use),
        cmocka_unit_test(many_hot_names_stay_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
