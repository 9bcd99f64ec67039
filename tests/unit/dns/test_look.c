/* Somebody looks at the servers' health: they are asked though no client asks. */
#include "rig.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

static char asked[DNS_NAME_TEXT_BYTES];
static uint16_t asked_type;

static bool note_question(struct fake *f, const struct dns_msg *q, struct buf *out)
{
    (void)f;
    (void)out;
    dns_name_text(&q->question.name, asked);
    asked_type = q->question.type;
    return false;
}

static void nobody_looks_and_nothing_is_sent(void **state)
{
    struct rig g;
    rig_init(&g, 1, 1);
    rig_go(&g);
    rig_run_for(&g, 1300);
    assert_int_equal(g.fakes[0].n_udp + g.fakes[1].n_udp, 0);
    rig_done(&g);
}

/* And of a server that no client ever asked: is there such a zone? */
static void each_server_is_asked_twice_a_second_while_somebody_looks(void **state)
{
    struct rig g;
    rig_init(&g, 1, 1);
    g.fakes[1].script = note_question;
    rig_go(&g);
    for (unsigned i = 0; i < 5; i++) {
        dns_engine_look(g.engine);
        rig_run_for(&g, 500);
    }
    assert_in_range(g.fakes[0].n_udp, 4, 5);
    assert_in_range(g.fakes[1].n_udp, 4, 5);
    assert_string_equal(asked, "amazonaws.com");
    assert_int_equal(asked_type, DNS_SOA);
    /* The last look is over some time. */
    rig_run_for(&g, DNS_LOOK_FOR_MS + 200);
    unsigned n = g.fakes[0].n_udp + g.fakes[1].n_udp;
    rig_run_for(&g, 1500);
    assert_int_equal(g.fakes[0].n_udp + g.fakes[1].n_udp, n);
    rig_done(&g);
}

static void what_a_client_asked_is_asked_again(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    want(&w, &g, S3);
    dns_resolve_cancel(&w.r);
    g.fakes[0].script = note_question;
    dns_engine_look(g.engine);
    rig_run_for(&g, 300);
    assert_string_equal(asked, S3);
    rig_done(&g);
}

static void a_dead_server_is_seen_within_two_seconds_and_so_is_its_repair(void **state)
{
    struct rig g;
    rig_init(&g, 1, 1);
    rig_go(&g);
    for (unsigned i = 0; i < 4; i++) {
        dns_engine_look(g.engine);
        rig_run_for(&g, 500);
    }
    assert_int_equal(rig_events(&g, DNS_EVENT_SERVER_SUSPECT), 0);
    g.fakes[0].mode = FAKE_SILENT;
    unsigned ms = 0, n_before = g.fakes[0].n_udp;
    for (; rig_events(&g, DNS_EVENT_SERVER_SUSPECT) == 0 && ms < 3000; ms += 100) {
        dns_engine_look(g.engine);
        rig_run_for(&g, 100);
    }
    if (ms >= 2000)
        fail_msg("seen after %u ms", ms);
    assert_true(g.fakes[0].n_udp - n_before <= 4);
    g.fakes[0].mode = FAKE_OK;
    for (ms = 0; rig_events(&g, DNS_EVENT_SERVER_WELL) == 0 && ms < 3000; ms += 100) {
        dns_engine_look(g.engine);
        rig_run_for(&g, 100);
    }
    if (ms >= 2000)
        fail_msg("well again after %u ms", ms);
    rig_done(&g);
}

static void the_budget_holds(void **state)
{
    struct rig g;
    rig_init(&g, 1, 0);
    g.conf.dns_budget = 1;
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    dns_engine_look(g.engine);
    rig_run_for(&g, 2000);
    assert_in_range(g.fakes[0].n_udp, 1, 3);
    rig_done(&g);
}

static void who_frees_the_engine_meanwhile_leaves_nothing(void **state)
{
    struct rig g;
    rig_init(&g, 2, 2);
    rig_go(&g);
    for (unsigned i = 0; i < 4; i++)
        g.fakes[i].mode = FAKE_SILENT;
    dns_engine_look(g.engine);
    rig_run_for(&g, 150);
    assert_int_equal(g.fakes[3].n_udp, 1);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_looks_and_nothing_is_sent),
        cmocka_unit_test(each_server_is_asked_twice_a_second_while_somebody_looks),
        cmocka_unit_test(what_a_client_asked_is_asked_again),
        cmocka_unit_test(a_dead_server_is_seen_within_two_seconds_and_so_is_its_repair),
        cmocka_unit_test(the_budget_holds),
        cmocka_unit_test(who_frees_the_engine_meanwhile_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
