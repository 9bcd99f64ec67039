/* The first group is preferred again once it works, and not before. */
#include "rig.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

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
        cmocka_unit_test(the_preferred_group_is_taken_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
