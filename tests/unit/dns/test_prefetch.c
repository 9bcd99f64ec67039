/* Names in use are asked for again in the last tenth of their TTL, in the background. */
#include "script.h"

#define CORP "b.corp.example"
#define OLD(age) "answered | (" age " s) b.corp.example 60 A 127.0.0.10"
#define NEW "answered | b.corp.example 60 A 127.0.0.11"

/* Asked for once, and then so many seconds ago; the server has another address by now. */
static void prefetch_init(struct rig *g, unsigned age_s)
{
    struct asked a;
    struct dns_ask ask = ask_of(CORP, DNS_A);
    rig_init(g, 1, 0);
    rig_go(g);
    ask_for(&a, g, CORP, DNS_A);
    rig_age(g, &ask, age_s);
    g->fakes[0].ip = "127.0.0.11";
}

static void in_the_last_tenth_and_not_before(void **state)
{
    static const struct {
        unsigned age_s;
        const char *want;
        unsigned n_packets;
    } rows[] = { { 50, OLD("50"), 1 }, { 53, OLD("53"), 1 }, { 55, OLD("55"), 2 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct asked a;
        prefetch_init(&g, rows[i].age_s);
        assert_string_equal(ask_for(&a, &g, CORP, DNS_A), rows[i].want);
        assert_int_equal(a.f.explain.source, DNS_FROM_CACHE);
        assert_true(a.took_ms < 100);
        rig_run_for(&g, 50);
        assert_int_equal(g.fakes[0].n_udp, rows[i].n_packets);
        if (rows[i].n_packets > 1)
            assert_string_equal(ask_for(&a, &g, CORP, DNS_A), NEW);
        assert_int_equal(g.fakes[0].n_udp, rows[i].n_packets);
        rig_done(&g);
    }
}

static void the_quick_way_too(void **state)
{
    struct rig g;
    struct dns_ask ask = ask_of(CORP, DNS_A);
    uint32_t ttl_s;
    prefetch_init(&g, 55);
    assert_string_equal(quick_for(&g, &ask, &ttl_s), OLD("55"));
    assert_int_equal(ttl_s, 5);
    rig_run_for(&g, 50);
    assert_int_equal(g.fakes[0].n_udp, 2);
    assert_string_equal(quick_for(&g, &ask, &ttl_s), NEW);
    assert_int_equal(ttl_s, 60);
    rig_done(&g);
}

static void once_however_many_ask(void **state)
{
    struct rig g;
    struct asked a;
    struct dns_ask ask = ask_of(CORP, DNS_A);
    prefetch_init(&g, 55);
    g.fakes[0].mode = FAKE_SERVFAIL;
    for (unsigned i = 0; i < 50; i++) {
        assert_string_equal(quick_for(&g, &ask, NULL), OLD("55"));
        assert_string_equal(ask_for(&a, &g, CORP, DNS_A), OLD("55"));
    }
    rig_run_for(&g, 50);
    assert_int_equal(g.fakes[0].n_udp, 2);
    rig_done(&g);
}

static void what_a_failed_one_leaves(void **state)
{
    static const struct {
        const char *name, *reply, *then;
    } rows[] = {
        { "SERVFAIL leaves the answer", "SERVFAIL", OLD("55") },
        { "silence leaves the answer", "SILENT", OLD("55") },
        { "NXDOMAIN is news", "NXDOMAIN, corp.example 60 SOA 60",
          "NXDOMAIN | corp.example 60 SOA 60" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct asked a;
        struct script_row row[2];
        prefetch_init(&g, 55);
        fake_always_says(&g.fakes[0], row, rows[i].reply);
        assert_string_equal(ask_for(&a, &g, CORP, DNS_A), OLD("55"));
        rig_run_for(&g, 50);
        if (strcmp(ask_for(&a, &g, CORP, DNS_A), rows[i].then) != 0)
            fail_msg("%s: %s", rows[i].name, a.text);
        assert_true(a.took_ms < 100);
        rig_done(&g);
    }
}

static void a_no_is_not_asked_for_ahead(void **state)
{
    struct rig g;
    struct asked a;
    struct script_row row[2];
    struct dns_ask ask = ask_of(CORP, DNS_A);
    rig_init(&g, 1, 0);
    rig_go(&g);
    fake_always_says(&g.fakes[0], row, "NXDOMAIN, corp.example 60 SOA 60");
    ask_for(&a, &g, CORP, DNS_A);
    rig_age(&g, &ask, 58);
    ask_for(&a, &g, CORP, DNS_A);
    rig_run_for(&g, 50);
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_the_last_tenth_and_not_before),
        cmocka_unit_test(the_quick_way_too),
        cmocka_unit_test(once_however_many_ask),
        cmocka_unit_test(what_a_failed_one_leaves),
        cmocka_unit_test(a_no_is_not_asked_for_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
