/* How long a caller waits at most. */
#include "script.h"

static void one_family_waits_fifty_ms_for_the_other(void **state)
{
    static const struct script_row only_a[] = {
        { NULL, DNS_A, "@ 60 A 127.0.0.10" },
        { NULL, DNS_AAAA, "SILENT" },
        { NULL, 0, NULL },
    };
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.engine->has_ipv6 = true;
    fake_says(&g.fakes[0], only_a);
    want(&w, &g, "bucket.s3.eu-west-1.amazonaws.com");
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_in_range(w.took_ms, 40, 250);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

/* Each silent group brings the next one in after 300 ms, and would itself be waited for 4 s: with
 * four of them the last would end at 4.9 s. */
static void a_name_fails_after_four_and_a_half_seconds(void **state)
{
    enum { N_GROUPS = 4 };
    struct rig g;
    struct want w;
    rig_init(&g, N_GROUPS, 0);
    for (unsigned i = 0; i < N_GROUPS; i++) {
        g.fakes[i].mode = FAKE_SILENT;
        g.groups[i] = (struct conf_addrs){ &g.servers[i], 1 };
    }
    g.routes[0] = (struct conf_dns_route){ STR("corp.example"), N_GROUPS, g.groups };
    g.conf.dns_routes.v = g.routes;
    g.conf.dns_routes.n = 1;
    rig_go(&g);
    want(&w, &g, "db.corp.example");
    assert_int_equal(w.r.n_addrs, 0);
    assert_int_equal(w.r.fault.kind, FAULT_DNS_TIMEOUT);
    assert_in_range(w.took_ms, 4000, 4750);
    for (unsigned i = 0; i < N_GROUPS; i++)
        assert_true(g.fakes[i].n_udp > 0);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_family_waits_fifty_ms_for_the_other),
        cmocka_unit_test(a_name_fails_after_four_and_a_half_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
