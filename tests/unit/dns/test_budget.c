/* Questions that are not asked because a server had enough packets in this second. */
#include "script.h"

#include <sys/resource.h>

#define CORP "b.corp.example"
#define OTHER "c.corp.example"
#define OVER "not asked: over the packet budget"

static void budget_init(struct rig *g, unsigned n_system, unsigned per_s)
{
    rig_init(g, n_system, 0);
    g->conf.dns_budget = per_s;
    rig_go(g);
}

static enum dns_cache_state state_of(struct rig *g, const char *name)
{
    struct dns_ask ask = ask_of(name, DNS_A);
    struct dns_routes *routes = dns_shared_routes(g->shared);
    const struct dns_route *route = dns_routes_find(routes, &ask.question.name);
    struct dns_cache_key key = dns_cache_key_of(route->groups[0].id, &ask);
    struct dns_cache_hit hit;
    dns_cache_get(g->shared->cache, &key, io_now_ms(&g->loop), atomic_load(&g->shared->epoch),
                  &hit);
    dns_set_unref(hit.set);
    dns_routes_unref(routes);
    return hit.state;
}

static bool has_probes(struct rig *g)
{
    pthread_mutex_lock(&g->shared->lock);
    bool has = dns_memory_has_probes(&g->shared->memory, io_now_ms(&g->loop));
    pthread_mutex_unlock(&g->shared->lock);
    return has;
}

static void what_is_over_budget_is_not_sent_nor_remembered(void **state)
{
    struct rig g;
    struct asked a;
    budget_init(&g, 1, 1);
    ask_for(&a, &g, CORP, DNS_A);
    assert_int_equal(a.f.outcome, DNS_ANSWERED);
    for (unsigned i = 0; i < 5; i++) {
        assert_string_equal(ask_for(&a, &g, OTHER, DNS_A), OVER);
        assert_true(a.took_ms < 100);
        assert_int_equal(a.f.explain.n_tries, 1);
        assert_int_equal(state_of(&g, OTHER), DNS_CACHE_NONE);
    }
    assert_int_equal(g.fakes[0].n_udp, 1);
    /* It says nothing of the server, nor is there anything to probe. */
    assert_false(has_probes(&g));
    assert_int_equal(rig_events(&g, DNS_EVENT_OVER_BUDGET), 1); /* once a minute, not five times */
    assert_int_equal(g.n_events, 1);
    rig_run_for(&g, 1050);
    assert_string_equal(ask_for(&a, &g, OTHER, DNS_A), "answered | c.corp.example 60 A 127.0.0.10");
    rig_done(&g);
}

static void over_budget_gives_a_stale_answer(void **state)
{
    struct rig g;
    struct asked a;
    struct dns_ask ask = ask_of(CORP, DNS_A);
    budget_init(&g, 1, 1);
    ask_for(&a, &g, CORP, DNS_A);
    rig_age(&g, &ask, 100);
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A),
                        "answered | (100 s) b.corp.example 60 A 127.0.0.10");
    assert_true(a.took_ms < 100);
    assert_int_equal(a.f.explain.source, DNS_FROM_STALE);
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

static void the_next_server_is_asked(void **state)
{
    struct rig g;
    struct asked a;
    budget_init(&g, 2, 1);
    g.fakes[1].ip = "127.0.0.20";
    ask_for(&a, &g, CORP, DNS_A);
    assert_string_equal(ask_for(&a, &g, OTHER, DNS_A), "answered | c.corp.example 60 A 127.0.0.20");
    assert_true(a.took_ms < 100);
    assert_int_equal(a.f.explain.tries[0].outcome, DNS_OVER_BUDGET);
    rig_done(&g);
}

/* Whoever was not asked might have known: the next question may ask. */
static void another_servers_failure_is_not_remembered_either(void **state)
{
    struct rig g;
    struct asked a;
    budget_init(&g, 2, 1);
    g.fakes[1].mode = FAKE_SERVFAIL;
    ask_for(&a, &g, CORP, DNS_A);
    assert_string_equal(ask_for(&a, &g, OTHER, DNS_A), "SERVFAIL");
    assert_int_equal(state_of(&g, OTHER), DNS_CACHE_NONE);
    rig_run_for(&g, 1050);
    ask_for(&a, &g, OTHER, DNS_A);
    assert_int_equal(a.f.outcome, DNS_ANSWERED);
    rig_done(&g);
}

/* A retry that may not be sent is no reason to stop waiting for the packet that was. */
static void a_packet_that_was_sent_is_waited_for(void **state)
{
    struct rig g;
    struct asked a;
    budget_init(&g, 1, 1);
    /* It has answered with EDNS before: silence is no reason to ask it without. */
    ask_for(&a, &g, OTHER, DNS_A);
    rig_run_for(&g, 1050);
    g.fakes[0].mode = FAKE_SILENT;
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A), "no reply");
    assert_in_range(a.took_ms, 1000, 4900);
    rig_done(&g);
}

static void without_descriptors_nothing_is_learned(void **state)
{
    struct rig g;
    struct asked a;
    struct rlimit old, none;
    rig_init(&g, 1, 0);
    rig_go(&g);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = (struct rlimit){ .rlim_cur = 3, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (unsigned i = 0; i < 4; i++) {
        ask_for(&a, &g, CORP, DNS_A);
        assert_int_equal(a.f.outcome, DNS_NOT_SENT);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(g.n_events, 0); /* nobody is suspect */
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A), "answered | b.corp.example 60 A 127.0.0.10");
    rig_done(&g);
}

static void a_flood_stays_inside_the_budget(void **state)
{
    enum { N = 200, PER_S = 20 };
    struct rig g;
    static struct asked a[N];
    budget_init(&g, 1, PER_S);
    uint64_t start_ms = io_now_us() / 1000, took_ms;
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.corp.example", i);
        struct dns_ask ask = ask_of(name, DNS_A);
        asked_start(&a[i], &g, &ask, DNS_JOIN_USUAL, NULL);
        rig_run_for(&g, 5);
    }
    rig_run_for(&g, 100);
    took_ms = io_now_us() / 1000 - start_ms;
    unsigned n_answered = 0;
    for (unsigned i = 0; i < N; i++) {
        assert_true(a[i].is_done);
        n_answered += a[i].f.outcome == DNS_ANSWERED;
        dns_forward_done(&a[i].f);
    }
    assert_int_equal(n_answered, g.fakes[0].n_udp);
    assert_true(g.fakes[0].n_udp >= PER_S);
    if (g.fakes[0].n_udp > PER_S + PER_S * took_ms / 1000 + 1)
        fail_msg("%u packets in %u ms", g.fakes[0].n_udp, (unsigned)took_ms);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_over_budget_is_not_sent_nor_remembered),
        cmocka_unit_test(over_budget_gives_a_stale_answer),
        cmocka_unit_test(the_next_server_is_asked),
        cmocka_unit_test(another_servers_failure_is_not_remembered_either),
        cmocka_unit_test(a_packet_that_was_sent_is_waited_for),
        cmocka_unit_test(without_descriptors_nothing_is_learned),
        cmocka_unit_test(a_flood_stays_inside_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
