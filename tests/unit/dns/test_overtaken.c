/* A silent server beside one that answers: found out, although every question ends well; and two
 * that are silent get few packets. */
#include "rig.h"

static void ask(struct rig *g, const char *label, uint64_t *took_ms)
{
    char host[64];
    struct want w;
    snprintf(host, sizeof host, "%s.s3.eu-west-1.amazonaws.com", label);
    want_start(&w, g, host, 443, DNS_POLICY_S3);
    want_wait(&w);
    *took_ms = io_now_us() / 1000 - w.start_ms;
    dns_resolve_cancel(&w.r);
}

static void overtaken_is_found_out(void **state)
{
    struct rig g;
    uint64_t took_ms;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    static const char *const cold[] = { "a", "b", "c" };
    for (unsigned i = 0; i < 3; i++) {
        ask(&g, cold[i], &took_ms);
        assert_in_range(took_ms, 250, 450);
    }
    rig_run_for(&g, 450); /* until the last attempt is late */
    assert_int_equal(rig_events(&g, DNS_EVENT_SERVER_SUSPECT), 1);
    ask(&g, "d", &took_ms);
    assert_in_range(took_ms, 0, 150);
    rig_done(&g);
}

static void two_silent_servers_get_ten_packets_in_ten_seconds(void **state)
{
    struct rig g;
    uint64_t took_ms;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = g.fakes[1].mode = FAKE_SILENT;
    uint64_t start_ms = io_now_us() / 1000;
    while (io_now_us() / 1000 < start_ms + 9900) {
        ask(&g, "same", &took_ms);
        rig_run_for(&g, 10);
    }
    assert_in_range(g.fakes[0].n_udp + g.fakes[1].n_udp, 8, 10);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overtaken_is_found_out),
        cmocka_unit_test(two_silent_servers_get_ten_packets_in_ten_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
