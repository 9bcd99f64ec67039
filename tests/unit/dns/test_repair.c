/* What takes its seconds: outages that last, and what is done about their end. */
#include "rig.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

static void dead_servers_see_few_packets(void **state)
{
    struct rig g;
    static struct want w[100];
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    /* 1000 equal questions in ten seconds. */
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 100; i++)
            want_start(&w[i], &g, S3, 443, DNS_POLICY_S3);
        rig_run_for(&g, 1000);
        for (unsigned i = 0; i < 100; i++)
            dns_resolve_cancel(&w[i].r);
    }
    if (g.fakes[0].n_udp > 10)
        fail_msg("%u packets", g.fakes[0].n_udp);
    assert_int_equal(rig_events(&g, DNS_EVENT_SERVER_SUSPECT), 1);
    rig_done(&g);
}

static void repair_is_followed(void **state)
{
    static const enum mode modes[] = { FAKE_SILENT, FAKE_SERVFAIL, FAKE_REFUSED };
    for (unsigned i = 0; i < 3; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 1, 0);
        rig_go(&g);
        g.fakes[0].mode = modes[i];
        uint64_t start = io_now_us() / 1000, at;
        do {
            want(&w, &g, S3);
            dns_resolve_cancel(&w.r);
            rig_run_for(&g, 100);
        } while (io_now_us() / 1000 - start < (i == 0 ? 6000 : 2500));
        g.fakes[0].mode = FAKE_OK;
        start = io_now_us() / 1000;
        do {
            rig_run_for(&g, 100);
            want(&w, &g, S3);
            dns_resolve_cancel(&w.r);
            at = io_now_us() / 1000 - start;
        } while (w.r.n_addrs == 0 && at < 8000);
        if (at >= 5000)
            fail_msg("mode %u: back after %u ms", i, (unsigned)at);
        rig_done(&g);
    }
}

static void the_preferred_group_is_taken_back(void **state)
{
    static const enum mode modes[] = { FAKE_SILENT, FAKE_NXDOMAIN };
    for (unsigned i = 0; i < 2; i++) {
        struct rig g;
        struct want w;
        struct io_listener origin = { .on_accept = fake_on_tcp };
        struct fault f = { 0 };
        struct addr at;
        rig_init(&g, 1, 1);
        rig_go(&g);
        origin.owner = &g.fakes[2]; /* only counts */
        assert_true(addr_parse(STR("127.0.0.10"), 0, &at));
        assert_true(io_listener_open(&origin, &g.loop, &at, false, &f));
        uint16_t port = addr_port(&origin.local);
        g.fakes[0].mode = modes[i];
        g.fakes[1].ip = "127.0.0.20";
        want_start(&w, &g, S3, port, DNS_POLICY_S3);
        want_wait(&w);
        assert_string_equal(w.r.explain.group_name, "vpc");
        dns_resolve_succeeded(&w.r);
        rig_run_for(&g, 1200);
        want_start(&w, &g, S3, port, DNS_POLICY_S3);
        want_wait(&w);
        assert_string_equal(w.r.explain.group_name, "vpc");
        dns_resolve_succeeded(&w.r);
        /* Repaired, but its address takes no connection: not taken back. */
        g.fakes[0].mode = FAKE_OK;
        g.fakes[0].ip = "127.0.0.99";
        rig_run_for(&g, 5200);
        want_start(&w, &g, S3, port, DNS_POLICY_S3);
        want_wait(&w);
        assert_string_equal(w.r.explain.group_name, "vpc");
        dns_resolve_succeeded(&w.r);
        g.fakes[0].ip = "127.0.0.10";
        rig_run_for(&g, 5000);
        want_start(&w, &g, S3, port, DNS_POLICY_S3);
        want_wait(&w);
        assert_string_equal(w.r.explain.group_name, "setting");
        dns_resolve_succeeded(&w.r);
        io_listener_close(&origin);
        rig_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_servers_see_few_packets),
        cmocka_unit_test(repair_is_followed),
        cmocka_unit_test(the_preferred_group_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
