/* An outage that lasts: what the servers see of many questions. */
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

/* Another server's answer ends the wait, not the watch: else each question would cost a hedge. */
static void a_silent_server_is_found_out_while_another_answers(void **state)
{
    struct rig g;
    struct want w;
    char name[64];
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    for (unsigned i = 0; i < 5; i++) {
        snprintf(name, sizeof name, "n%u.example", i);
        want(&w, &g, name);
        assert_string_equal(want_ip(&w), "127.0.0.10");
        dns_resolve_cancel(&w.r);
    }
    rig_run_for(&g, DNS_FIRST_ATTEMPT_MS);
    assert_int_equal(rig_events(&g, DNS_EVENT_SERVER_SUSPECT), 1);
    want(&w, &g, "last.example");
    assert_true(w.took_ms < 100);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void a_query_may_end_with_its_attempts_open(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    want(&w, &g, "a.example");
    dns_resolve_cancel(&w.r);
    /* The engine ends while the first server is still listened to. */
    rig_done(&g);
}

/* However many servers there are: several get up to two packets each, a question six. */
static void a_question_is_six_packets_at_most(void **state)
{
    struct rig g;
    struct want w;
    unsigned n = 0;
    rig_init(&g, 4, 0);
    rig_go(&g);
    for (unsigned i = 0; i < 4; i++)
        g.fakes[i].mode = FAKE_SILENT;
    want(&w, &g, "a.example");
    assert_int_equal(w.r.fault.kind, FAULT_DNS_TIMEOUT);
    for (unsigned i = 0; i < 4; i++) {
        assert_in_range(g.fakes[i].n_a, 1, 2);
        n += g.fakes[i].n_a;
    }
    assert_int_equal(n, 6);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dead_servers_see_few_packets),
        cmocka_unit_test(a_silent_server_is_found_out_while_another_answers),
        cmocka_unit_test(a_query_may_end_with_its_attempts_open),
        cmocka_unit_test(a_question_is_six_packets_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
