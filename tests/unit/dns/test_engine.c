#include "rig.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

static void one_server_answers(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].ip = "127.0.0.10,127.0.0.11";
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_int_equal(w.r.n_addrs, 2);
    assert_int_equal(addr_port(&w.r.addrs[0]), 443);
    assert_int_equal(w.r.explain.source, DNS_FROM_SERVER);
    assert_string_equal(w.r.explain.group_name, "setting");
    assert_string_equal(w.r.explain.route_from, "built in");
    dns_resolve_succeeded(&w.r);
    want(&w, &g, S3);
    assert_int_equal(w.r.explain.source, DNS_FROM_CACHE);
    assert_string_equal(want_ip(&w), "127.0.0.11"); /* rotated */
    dns_resolve_succeeded(&w.r);
    assert_int_equal(g.fakes[0].n_udp, 1);
    assert_int_equal(g.n_decisions, 2);
    rig_done(&g);
}

/* A breakage of the corporate server: the VPC's answers, and how fast. */
static void group_failover(void **state)
{
    static const struct {
        const char *name;
        enum mode mode;
        const char *ip;
        unsigned most_ms;
        bool is_closed;
    } rows[] = {
        { "silent", FAKE_SILENT, NULL, 480, false },
        { "NXDOMAIN", FAKE_NXDOMAIN, NULL, 100, false },
        { "SERVFAIL", FAKE_SERVFAIL, NULL, 100, false },
        { "REFUSED", FAKE_REFUSED, NULL, 100, false },
        { "REFUSED without a question", FAKE_REFUSED_HEADER, NULL, 100, false },
        { "NODATA", FAKE_NODATA, NULL, 100, false },
        { "lame", FAKE_LAME, NULL, 100, false },
        { "sinkhole 0.0.0.0", FAKE_OK, "0.0.0.0", 100, false },
        { "sinkhole link-local", FAKE_OK, "169.254.169.254", 100, false },
        { "nobody there", FAKE_OK, NULL, 100, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 1, 1);
        rig_go(&g);
        g.fakes[0].mode = rows[i].mode;
        g.fakes[0].ip = rows[i].ip;
        g.fakes[1].ip = "127.0.0.20";
        if (rows[i].is_closed)
            fake_close(&g.fakes[0]);
        want(&w, &g, S3);
        if (strcmp(want_ip(&w), "127.0.0.20") != 0 || w.took_ms > rows[i].most_ms)
            fail_msg("%s: %s after %u ms", rows[i].name, want_ip(&w), (unsigned)w.took_ms);
        assert_string_equal(w.r.explain.group_name, "vpc");
        dns_resolve_succeeded(&w.r);
        assert_int_equal(rig_events(&g, DNS_EVENT_GROUP_SWITCHED), 1);
        /* Remembered: another bucket of the endpoint goes straight to the group that worked. */
        unsigned before = g.fakes[0].n_udp;
        want(&w, &g, "other.s3.eu-west-1.amazonaws.com");
        assert_string_equal(want_ip(&w), "127.0.0.20");
        assert_true(w.took_ms < 100);
        assert_int_equal(g.fakes[0].n_udp, before);
        dns_resolve_succeeded(&w.r);
        rig_done(&g);
    }
}

static void a_healthy_first_group_is_used_alone(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ip = "127.0.0.10";
    for (unsigned i = 0; i < 20; i++) {
        char host[80];
        snprintf(host, sizeof host, "b%u.s3.eu-west-1.amazonaws.com", i);
        want(&w, &g, host);
        assert_string_equal(want_ip(&w), "127.0.0.10");
        dns_resolve_succeeded(&w.r);
    }
    assert_int_equal(g.fakes[1].n_udp, 0);
    rig_done(&g);
}

static void another_endpoint_keeps_its_own_group(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].mode = FAKE_NXDOMAIN;
    g.fakes[0].rules[0].name = "x.s3.eu-west-1.amazonaws.com";
    g.fakes[0].rules[0].mode = FAKE_OK;
    g.fakes[0].rules[0].ip = "127.0.0.10";
    g.fakes[1].ip = "127.0.0.20";
    want(&w, &g, "x.s3.us-east-1.amazonaws.com");
    assert_string_equal(want_ip(&w), "127.0.0.20");
    dns_resolve_succeeded(&w.r);
    want(&w, &g, "x.s3.eu-west-1.amazonaws.com");
    assert_string_equal(want_ip(&w), "127.0.0.10");
    dns_resolve_succeeded(&w.r);
    rig_done(&g);
}

static void a_wrong_address_moves_to_the_next_group(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ip = "127.0.0.66,127.0.0.20";
    g.fakes[1].ip = "127.0.0.20,127.0.0.21";
    want(&w, &g, S3);
    assert_int_equal(w.r.n_addrs, 2);
    want_next(&w);
    assert_int_equal(w.r.n_addrs, 1); /* .20 failed already */
    assert_string_equal(want_ip(&w), "127.0.0.21");
    assert_string_equal(w.r.explain.group_name, "vpc");
    dns_resolve_succeeded(&w.r);
    want(&w, &g, S3);
    assert_string_equal(w.r.explain.group_name, "vpc");
    want_next(&w);
    want_next(&w);
    assert_int_equal(w.r.n_addrs, 0);
    assert_int_equal(w.r.fault.kind, FAULT_DNS_FAILED);
    assert_non_null(strstr(w.r.fault.detail, "do not accept a connection"));
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void other_zones_do_not_move(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].mode = FAKE_NXDOMAIN;
    want(&w, &g, "notamazonaws.com");
    assert_int_equal(w.r.fault.kind, FAULT_DNS_FAILED);
    dns_resolve_cancel(&w.r);
    want(&w, &g, "amazonaws.com.evil.test");
    assert_int_equal(w.r.n_addrs, 0);
    dns_resolve_cancel(&w.r);
    assert_int_equal(g.fakes[1].n_udp, 0);
    rig_done(&g);
}

static void a_server_of_a_group_fails_over(void **state)
{
    static const struct {
        enum mode mode;
        unsigned most_ms;
    } rows[] = { { FAKE_SILENT, 450 }, { FAKE_SERVFAIL, 100 }, { FAKE_REFUSED_HEADER, 100 } };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 2, 0);
        rig_go(&g);
        g.fakes[0].mode = rows[i].mode;
        g.fakes[1].ip = "127.0.0.20";
        want(&w, &g, "www.example.org");
        assert_string_equal(want_ip(&w), "127.0.0.20");
        assert_true(w.took_ms < rows[i].most_ms);
        dns_resolve_cancel(&w.r);
        if (rows[i].mode != FAKE_SILENT) {
            /* Avoided for this zone: the other one is asked at once. */
            unsigned before = g.fakes[0].n_udp;
            want(&w, &g, "ftp.example.org");
            assert_int_equal(g.fakes[0].n_udp, before);
            dns_resolve_cancel(&w.r);
        }
        rig_done(&g);
    }
}

static void truncated_goes_over_tcp(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_TRUNCATED;
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_int_equal(g.fakes[0].n_tcp, 1);
    assert_true(w.r.explain.tries[0].by_tcp);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void wrong_replies_are_passed_over(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_WRONG_FIRST;
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_int_equal(w.r.n_addrs, 1);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void without_edns_when_it_is_not_taken(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_NO_EDNS;
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_int_equal(g.fakes[0].n_udp, 2);
    dns_resolve_cancel(&w.r);
    want(&w, &g, "x.s3.eu-west-1.amazonaws.com"); /* remembered */
    assert_int_equal(g.fakes[0].n_udp, 3);
    dns_resolve_cancel(&w.r);
    /* For ten minutes, and then tried anew. */
    struct dns_routes *routes = dns_shared_routes(g.shared);
    struct dns_name name;
    assert_true(dns_name_parse(STR(S3), &name));
    const struct dns_server *s = dns_routes_find(routes, &name)->groups[0].servers[0];
    uint64_t now_ms = io_now_ms(&g.loop);
    assert_false(dns_server_takes_edns(s, true, now_ms + 595 * 1000));
    assert_true(dns_server_takes_edns(s, true, now_ms + 605 * 1000));
    dns_routes_unref(routes);
    rig_done(&g);
}

static void a_cname_is_routed_again(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].mode = FAKE_NXDOMAIN; /* knows nothing of AWS */
    g.fakes[0].rules[0].name = "data.corp.example";
    g.fakes[0].rules[0].mode = FAKE_CNAME;
    g.fakes[0].rules[0].alias = "s3.eu-west-1.amazonaws.com";
    g.fakes[0].ttl_s = 7;
    g.fakes[1].ip = "127.0.0.20";
    want(&w, &g, "data.corp.example");
    assert_string_equal(want_ip(&w), "127.0.0.20");
    assert_int_equal(w.r.explain.n_cnames, 1);
    assert_int_equal(w.r.explain.ttl_s, 7);
    dns_resolve_succeeded(&w.r);
    unsigned before = g.fakes[0].n_udp;
    want(&w, &g, "data.corp.example");
    assert_string_equal(want_ip(&w), "127.0.0.20");
    assert_int_equal(w.r.explain.source, DNS_FROM_CACHE);
    assert_int_equal(g.fakes[0].n_udp, before);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void cname_loops_end(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_CNAME;
    g.fakes[0].alias = "b.example";
    g.fakes[0].rules[0].name = "b.example";
    g.fakes[0].rules[0].mode = FAKE_CNAME;
    g.fakes[0].rules[0].alias = "a.example";
    want(&w, &g, "a.example");
    assert_int_equal(w.r.n_addrs, 0);
    assert_true(w.took_ms < 200);
    assert_true(g.fakes[0].n_udp <= 3);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void a_no_is_remembered(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_NXDOMAIN;
    for (unsigned i = 0; i < 3; i++) {
        want(&w, &g, "gone.example");
        assert_int_equal(w.r.fault.kind, FAULT_DNS_FAILED);
        assert_non_null(strstr(w.r.fault.detail, "NXDOMAIN"));
        dns_resolve_cancel(&w.r);
    }
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

static void equal_questions_are_one(void **state)
{
    enum { N = 200 };
    struct rig g;
    static struct want w[N];
    rig_init(&g, 1, 0);
    rig_go(&g);
    for (unsigned i = 0; i < N; i++)
        want_start(&w[i], &g, i % 2 ? S3 : "BUCKET.S3.EU-west-1.amazonaws.com", 443, DNS_POLICY_S3);
    for (unsigned i = 0; i < N; i++) {
        want_wait(&w[i]);
        w[i].stops = false;
        assert_string_equal(want_ip(&w[i]), "127.0.0.10");
        dns_resolve_cancel(&w[i].r);
    }
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

static void all_dead_and_cold(void **state)
{
    struct rig g;
    struct want w;
    char port[16];
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].mode = g.fakes[1].mode = FAKE_SILENT;
    want(&w, &g, S3);
    assert_int_equal(w.r.fault.kind, FAULT_DNS_TIMEOUT);
    assert_in_range(w.took_ms, 300, 4900);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(port, sizeof port, ":%u no reply", addr_port(&g.fakes[i].addr));
        assert_non_null(strstr(w.r.fault.detail, port));
    }
    dns_resolve_cancel(&w.r);
    /* Remembered: the next one fails at once, and says so. */
    want(&w, &g, S3);
    assert_true(w.took_ms < 100);
    assert_non_null(strstr(w.r.fault.detail, "a moment ago"));
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void stale_when_all_are_dead(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ttl_s = 1;
    want(&w, &g, S3);
    dns_resolve_succeeded(&w.r);
    g.fakes[0].mode = g.fakes[1].mode = FAKE_SILENT;
    rig_run_for(&g, 1100);
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_int_equal(w.r.explain.source, DNS_FROM_STALE);
    assert_int_equal(w.r.explain.ttl_s, 30);
    assert_true(w.took_ms < 1950);
    want_next(&w); /* nothing more to give */
    assert_int_equal(w.r.n_addrs, 0);
    dns_resolve_cancel(&w.r);
    /* A server that says SERVFAIL is no better. */
    g.fakes[0].mode = g.fakes[1].mode = FAKE_SERVFAIL;
    rig_run_for(&g, 1500);
    want(&w, &g, S3);
    assert_int_equal(w.r.explain.source, DNS_FROM_STALE);
    assert_true(w.took_ms < 200);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void another_group_is_better_than_stale(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ttl_s = 1;
    g.fakes[1].ip = "127.0.0.20";
    want(&w, &g, S3);
    dns_resolve_succeeded(&w.r);
    g.fakes[0].mode = FAKE_SILENT;
    rig_run_for(&g, 1100);
    want(&w, &g, S3);
    assert_string_equal(want_ip(&w), "127.0.0.20");
    assert_true(w.took_ms < 480);
    dns_resolve_succeeded(&w.r);
    rig_done(&g);
}

static void names_that_no_server_is_asked_for(void **state)
{
    static const struct {
        const char *host, *ip;
        enum dns_policy policy;
        enum fault_kind fault;
    } rows[] = {
        { "127.0.0.1", "127.0.0.1", DNS_POLICY_S3, FAULT_NONE },
        { "::1", "::1", DNS_POLICY_REGISTRY, FAULT_NONE },
        { "::1", NULL, DNS_POLICY_S3, FAULT_ADDRESS_DENIED },
        { "169.254.169.254", NULL, DNS_POLICY_S3, FAULT_ADDRESS_DENIED },
        { "0.0.0.0", NULL, DNS_POLICY_REGISTRY, FAULT_ADDRESS_DENIED },
        { "localhost", "127.0.0.1", DNS_POLICY_S3, FAULT_NONE },
        { "x.invalid", NULL, DNS_POLICY_REGISTRY, FAULT_DNS_FAILED },
        { "x.onion", NULL, DNS_POLICY_REGISTRY, FAULT_DNS_FAILED },
        { "a..b", NULL, DNS_POLICY_REGISTRY, FAULT_DNS_FAILED },
    };
    struct rig g;
    rig_init(&g, 1, 0);
    rig_go(&g);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct want w;
        want_start(&w, &g, rows[i].host, 80, rows[i].policy);
        want_wait(&w);
        assert_int_equal(w.r.fault.kind, rows[i].fault);
        if (rows[i].ip != NULL)
            assert_string_equal(want_ip(&w), rows[i].ip);
        dns_resolve_cancel(&w.r);
    }
    assert_int_equal(g.fakes[0].n_udp, 0);
    rig_done(&g);
}

static void both_families(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.engine->has_ipv6 = true;
    g.fakes[0].ip = "127.0.0.10,2001:db8::1,127.0.0.11";
    want(&w, &g, S3);
    assert_int_equal(w.r.n_addrs, 3);
    assert_int_equal(g.fakes[0].n_aaaa, 1);
    dns_resolve_cancel(&w.r);
    /* NODATA for AAAA does not hide A. */
    g.fakes[0].ip = "127.0.0.10";
    want(&w, &g, "x.s3.eu-west-1.amazonaws.com");
    assert_int_equal(w.r.n_addrs, 1);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void our_own_listener_is_never_dialled(void **state)
{
    struct rig g;
    struct want w;
    struct addr own;
    rig_init(&g, 1, 0);
    rig_go(&g);
    assert_true(addr_parse(STR("0.0.0.0:443"), 0, &own));
    dns_shared_add_own(g.shared, &own);
    want(&w, &g, S3);
    assert_int_equal(w.r.fault.kind, FAULT_ADDRESS_DENIED);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void every_attempt_is_unforeseeable(void **state)
{
    struct rig g;
    struct want w;
    unsigned n_equal_ports = 0, n_equal_ids = 0;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    for (unsigned i = 0; i < 20; i++) {
        char host[32];
        snprintf(host, sizeof host, "n%u.example", i);
        want_start(&w, &g, host, 443, DNS_POLICY_S3);
        rig_run_for(&g, 20);
        dns_resolve_cancel(&w.r);
    }
    assert_true(g.fakes[0].n_udp >= 20);
    for (unsigned i = 1; i < 20; i++) {
        n_equal_ports += g.fakes[0].ports[i] == g.fakes[0].ports[i - 1];
        n_equal_ids += g.fakes[0].ids[i] == g.fakes[0].ids[i - 1];
    }
    assert_in_range(n_equal_ports, 0, 2);
    assert_in_range(n_equal_ids, 0, 2);
    rig_done(&g);
}

static void cancelled_in_flight(void **state)
{
    struct rig g;
    struct want w[3];
    rig_init(&g, 2, 1);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    for (unsigned i = 0; i < 3; i++)
        want_start(&w[i], &g, S3, 443, DNS_POLICY_S3);
    rig_run_for(&g, 50);
    for (unsigned i = 0; i < 3; i++)
        dns_resolve_cancel(&w[i].r);
    dns_resolve_cancel(&w[0].r);
    rig_run_for(&g, 10);
    assert_false(w[0].is_done);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_server_answers),
        cmocka_unit_test(group_failover),
        cmocka_unit_test(a_healthy_first_group_is_used_alone),
        cmocka_unit_test(another_endpoint_keeps_its_own_group),
        cmocka_unit_test(a_wrong_address_moves_to_the_next_group),
        cmocka_unit_test(other_zones_do_not_move),
        cmocka_unit_test(a_server_of_a_group_fails_over),
        cmocka_unit_test(truncated_goes_over_tcp),
        cmocka_unit_test(wrong_replies_are_passed_over),
        cmocka_unit_test(without_edns_when_it_is_not_taken),
        cmocka_unit_test(a_cname_is_routed_again),
        cmocka_unit_test(cname_loops_end),
        cmocka_unit_test(a_no_is_remembered),
        cmocka_unit_test(equal_questions_are_one),
        cmocka_unit_test(names_that_no_server_is_asked_for),
        cmocka_unit_test(both_families),
        cmocka_unit_test(our_own_listener_is_never_dialled),
        cmocka_unit_test(every_attempt_is_unforeseeable),
        cmocka_unit_test(cancelled_in_flight),
        cmocka_unit_test(all_dead_and_cold),
        cmocka_unit_test(stale_when_all_are_dead),
        cmocka_unit_test(another_group_is_better_than_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
