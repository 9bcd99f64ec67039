/* Which questions are one, which are not, and how they may be asked. */
#include "script.h"

#define AWS "b.amazonaws.com"
#define CORP "b.corp.example"

static void equal_questions_in_flight_are_one(void **state)
{
    enum { N = 1000 };
    static struct asked a[N];
    static const struct {
        const char *name, *other_case;
        unsigned n_packets;
    } rows[] = {
        { CORP, "B.corp.EXAMPLE", 1 },
        { AWS, "b.AmazonAWS.com", 2 }, /* A, and AAAA to know whether a no is one */
    };
    for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
        struct rig g;
        rig_init(&g, 1, 1);
        rig_go(&g);
        for (unsigned i = 0; i < N; i++) {
            struct dns_ask ask = ask_of(i % 2 ? rows[r].name : rows[r].other_case, DNS_A);
            asked_start(&a[i], &g, &ask, DNS_JOIN_USUAL, NULL);
        }
        for (unsigned i = 0; i < N; i++) {
            asked_wait(&a[i]);
            a[i].stops = false;
            assert_int_equal(a[i].f.outcome, DNS_ANSWERED);
        }
        for (unsigned i = 0; i < N; i++)
            dns_forward_done(&a[i].f);
        assert_int_equal(g.fakes[0].n_udp, rows[r].n_packets);
        assert_int_equal(g.fakes[1].n_udp, 0);
        rig_done(&g);
    }
}

static void what_changes_the_answer_makes_another_question(void **state)
{
    struct rig g;
    struct dns_ask base = ask_of(CORP, DNS_A), asks[] = { base, base, base, base, base, base };
    enum { N = sizeof asks / sizeof asks[0] };
    static struct asked a[N];
    asks[1].dnssec_ok = true;
    asks[2].checking_disabled = true;
    asks[3].dnssec_ok = asks[3].checking_disabled = true;
    asks[4].question.type = DNS_TXT;
    asks[5].question.class = DNS_CLASS_CH;
    rig_init(&g, 1, 0);
    rig_go(&g);
    /* At once: none joins another. */
    for (unsigned i = 0; i < N; i++)
        asked_start(&a[i], &g, &asks[i], DNS_JOIN_USUAL, NULL);
    for (unsigned i = 0; i < N; i++) {
        asked_wait(&a[i]);
        a[i].stops = false;
        dns_forward_done(&a[i].f);
    }
    assert_int_equal(g.fakes[0].n_udp, N);
    /* From the cache: each has its own. */
    for (unsigned i = 0; i < N; i++) {
        ask_how(&a[i], &g, &asks[i], DNS_JOIN_USUAL, NULL);
        assert_int_equal(g.fakes[0].n_udp, N);
    }
    /* Anew, one by one: the bits reach the server. */
    for (unsigned i = 0; i < N; i++) {
        ask_how(&a[i], &g, &asks[i], DNS_JOIN_ANEW, NULL);
        assert_int_equal(g.fakes[0].n_udp, N + i + 1);
        assert_int_equal(g.fakes[0].last_do, asks[i].dnssec_ok);
        assert_int_equal(g.fakes[0].last_cd, asks[i].checking_disabled);
    }
    rig_done(&g);
}

static void another_class_is_asked_for_as_it_is(void **state)
{
    static const struct script_row rows[] = { { "version.bind", DNS_TXT, "@ 0 TXT \3me!" }, { 0 } };
    struct rig g;
    struct asked a;
    struct dns_ask ask = ask_of("version.bind", DNS_TXT);
    rig_init(&g, 1, 0);
    rig_go(&g);
    fake_says(&g.fakes[0], rows);
    ask.question.class = DNS_CLASS_CH;
    ask_how(&a, &g, &ask, DNS_JOIN_USUAL, NULL);
    assert_string_equal(a.text, "answered | version.bind 0 TXT \3me!");
    rig_done(&g);
}

static void proofs_are_for_those_who_ask(void **state)
{
    static const struct {
        const char *name;
        bool dnssec_ok;
        const char *reply, *want;
    } rows[] = {
        { "without DO, of an answer what was asked for", false,
          "@ 60 A 192.0.2.1, +corp.example 60 TXT \1x",
          "answered | b.corp.example 60 A 192.0.2.1" },
        { "without DO, no proof of a no", false, "corp.example 60 SOA 60, +@ 60 NSEC3 12345",
          "NODATA | corp.example 60 SOA 60" },
        { "with DO, the proof of a no", true, "corp.example 60 SOA 60, +@ 60 NSEC3 12345",
          "NODATA | corp.example 60 SOA 60, b.corp.example 60 NSEC3 12345" },
        { "with DO, the proof beside a wildcard's answer", true,
          "@ 60 A 192.0.2.1, +corp.example 60 NSEC3 12345, +corp.example 60 TXT \1x",
          "answered | b.corp.example 60 A 192.0.2.1, corp.example 60 NSEC3 12345" },
        { "with DO, a proof's TTL of a no is the no's", true,
          "corp.example 60 SOA 7, +@ 900 NSEC3 12345",
          "NODATA | corp.example 7 SOA 7, b.corp.example 7 NSEC3 12345" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct asked a;
        struct script_row row[2];
        struct dns_ask ask = ask_of(CORP, DNS_A);
        rig_init(&g, 1, 0);
        rig_go(&g);
        fake_always_says(&g.fakes[0], row, rows[i].reply);
        ask.dnssec_ok = rows[i].dnssec_ok;
        ask_how(&a, &g, &ask, DNS_JOIN_USUAL, NULL);
        if (strcmp(a.text, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].name, a.text);
        rig_done(&g);
    }
}

static void cached_only_sends_nothing(void **state)
{
    struct rig g;
    struct asked a;
    struct dns_ask ask = ask_of(AWS, DNS_A);
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ttl_s = 5;
    ask_how(&a, &g, &ask, DNS_JOIN_CACHED, NULL);
    assert_string_equal(a.text, "not asked");
    assert_int_equal(a.f.explain.source, DNS_FROM_NOWHERE);
    rig_run_for(&g, 700); /* no probe either */
    assert_int_equal(g.fakes[0].n_udp + g.fakes[1].n_udp, 0);

    ask_for(&a, &g, AWS, DNS_A);
    ask_how(&a, &g, &ask, DNS_JOIN_CACHED, NULL);
    assert_string_equal(a.text, "answered | b.amazonaws.com 5 A 127.0.0.10");
    unsigned n = g.fakes[0].n_udp;
    /* In the last tenth it is not refreshed, and past its time it will do. */
    g.fakes[0].ttl_s = 60;
    rig_age(&g, &ask, 65);
    ask_how(&a, &g, &ask, DNS_JOIN_CACHED, NULL);
    assert_string_equal(a.text, "answered | (65 s) b.amazonaws.com 5 A 127.0.0.10");
    assert_int_equal(a.f.explain.source, DNS_FROM_STALE);
    assert_true(a.took_ms < 100);
    ask_for(&a, &g, AWS, DNS_A);
    ask_for(&a, &g, AWS, DNS_A);
    assert_int_equal(g.fakes[0].n_udp, n + 1);
    rig_age(&g, &ask, 58);
    ask_how(&a, &g, &ask, DNS_JOIN_CACHED, NULL);
    assert_string_equal(a.text, "answered | (58 s) b.amazonaws.com 60 A 127.0.0.10");
    rig_run_for(&g, 50);
    assert_int_equal(g.fakes[0].n_udp, n + 1);
    rig_done(&g);
}

static void anew_asks_though_the_cache_knows(void **state)
{
    struct rig g;
    struct asked a;
    struct dns_ask ask = ask_of(CORP, DNS_A);
    rig_init(&g, 1, 0);
    rig_go(&g);
    ask_for(&a, &g, CORP, DNS_A);
    g.fakes[0].ip = "127.0.0.11";
    ask_how(&a, &g, &ask, DNS_JOIN_ANEW, NULL);
    assert_string_equal(a.text, "answered | b.corp.example 60 A 127.0.0.11");
    assert_int_equal(a.f.explain.source, DNS_FROM_SERVER);
    assert_int_equal(g.fakes[0].n_udp, 2);
    /* What was learned is everybody's. */
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A), "answered | b.corp.example 60 A 127.0.0.11");
    assert_int_equal(g.fakes[0].n_udp, 2);
    rig_done(&g);
}

/*
 * A server that forwards to us: what it asks is not asked of it. The address cannot be connected to
 * (link-local, and no interface is named), so that even an engine that asks sends nothing.
 */
static void the_askers_own_group_is_not_asked(void **state)
{
    static const struct {
        const char *asker, *qname, *want;
        enum dns_outcome first;
    } rows[] = {
        { "fe80::1", AWS, "answered | b.amazonaws.com 60 A 127.0.0.20", DNS_LOOPS },
        { "fe80::2", AWS, "answered | b.amazonaws.com 60 A 127.0.0.20", DNS_UNREACHABLE },
        { "fe80::1", CORP, "not asked (it asks us: a loop)", DNS_LOOPS },
        { "fe80::2", CORP, "unreachable", DNS_UNREACHABLE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct asked a;
        struct addr asker;
        struct dns_ask ask = ask_of(rows[i].qname, DNS_A);
        rig_init(&g, 1, 1);
        assert_true(addr_parse(STR("fe80::1"), 53, &g.servers[0]));
        rig_go(&g);
        g.fakes[1].ip = "127.0.0.20";
        assert_true(addr_parse(str_from_c(rows[i].asker), 4444, &asker));
        ask_how(&a, &g, &ask, DNS_JOIN_USUAL, &asker);
        if (strcmp(a.text, rows[i].want) != 0 || a.f.explain.tries[0].outcome != rows[i].first)
            fail_msg("%s asks for %s: %s; first: %s", rows[i].asker, rows[i].qname, a.text,
                     dns_outcome_text(a.f.explain.tries[0].outcome));
        assert_true(a.took_ms < 200);
        rig_done(&g);
    }
}

static void what_was_given_up_calls_nobody(void **state)
{
    struct rig g;
    struct asked a[2];
    struct dns_ask ask = ask_of(AWS, DNS_A), local = ask_of("localhost", DNS_A);
    rig_init(&g, 1, 1);
    rig_go(&g);
    asked_start(&a[0], &g, &ask, DNS_JOIN_USUAL, NULL);
    asked_start(&a[1], &g, &local, DNS_JOIN_USUAL, NULL);
    for (unsigned i = 0; i < 2; i++)
        dns_forward_done(&a[i].f);
    dns_forward_done(&a[0].f);
    rig_run_for(&g, 50);
    assert_false(a[0].is_done);
    assert_false(a[1].is_done);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_questions_in_flight_are_one),
        cmocka_unit_test(what_changes_the_answer_makes_another_question),
        cmocka_unit_test(another_class_is_asked_for_as_it_is),
        cmocka_unit_test(proofs_are_for_those_who_ask),
        cmocka_unit_test(cached_only_sends_nothing),
        cmocka_unit_test(anew_asks_though_the_cache_knows),
        cmocka_unit_test(the_askers_own_group_is_not_asked),
        cmocka_unit_test(what_was_given_up_calls_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
