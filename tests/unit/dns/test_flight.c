/* Equal questions of several workers are one: several threads, each with an engine of its own. */
#include "rig.h"

#include "dns/forward.h"

#include <pthread.h>

enum { N_WORKERS = 4, N_EACH = 250 };

struct asker {
    pthread_t thread;
    pthread_barrier_t *barrier;
    struct dns_shared *shared;
    unsigned n_asked, leaves_after_ms;
    struct io_loop loop;
    struct dns_forward *questions;
    unsigned n_left, n_ok;
    struct io_timer leave;
};

static void on_forwarded(struct dns_forward *f)
{
    struct asker *a = f->owner;
    a->n_ok += f->outcome == DNS_ANSWERED && f->n_parts == 1;
    if (--a->n_left == 0)
        io_loop_stop(&a->loop);
}

static void on_leave(struct io_timer *t)
{
    io_loop_stop(&LIST_ENTRY(t, struct asker, leave)->loop);
}

static void *ask(void *arg)
{
    struct asker *a = arg;
    struct fault fault = { 0 };
    assert_true(io_loop_init(&a->loop));
    struct dns_engine *e = dns_engine_new(&a->loop, a->shared, &fault);
    a->questions = calloc(a->n_asked, sizeof *a->questions);
    a->n_left = a->n_asked;
    pthread_barrier_wait(a->barrier);
    for (unsigned i = 0; i < a->n_asked; i++) {
        struct dns_forward *f = &a->questions[i];
        f->owner = a;
        f->on_done = on_forwarded;
        f->ask.question = (struct dns_question){ .type = DNS_A, .class = DNS_CLASS_IN };
        dns_name_parse(STR("db.corp.example"), &f->ask.question.name);
        dns_forward_start(f, e, NULL);
    }
    a->leave.on_fire = on_leave;
    io_timer_arm(&a->loop, &a->leave, a->leaves_after_ms > 0 ? a->leaves_after_ms : 10000);
    io_loop_run(&a->loop);
    io_timer_disarm(&a->loop, &a->leave);
    for (unsigned i = 0; i < a->n_asked; i++)
        dns_forward_done(&a->questions[i]);
    dns_engine_free(e);
    io_loop_done(&a->loop);
    free(a->questions);
    return NULL;
}

/* Runs the rig until all threads have ended. */
static void run_askers(struct rig *g, struct asker *askers, unsigned n)
{
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        askers[i].barrier = &barrier;
        askers[i].shared = g->shared;
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (unsigned i = 0; i < n; i++)
        while (pthread_tryjoin_np(askers[i].thread, NULL) == EBUSY)
            rig_run_for(g, 20);
    pthread_barrier_destroy(&barrier);
}

static void a_thousand_misses_are_one_query(void **state)
{
    struct rig g;
    struct asker askers[N_WORKERS] = { 0 };
    rig_init(&g, 1, 0);
    rig_go(&g);
    for (unsigned i = 0; i < N_WORKERS; i++)
        askers[i].n_asked = N_EACH;
    run_askers(&g, askers, N_WORKERS);
    for (unsigned i = 0; i < N_WORKERS; i++)
        assert_int_equal(askers[i].n_ok, N_EACH);
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

static void a_failure_is_everybodys(void **state)
{
    struct rig g;
    struct asker askers[N_WORKERS] = { 0 };
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_REFUSED;
    for (unsigned i = 0; i < N_WORKERS; i++)
        askers[i].n_asked = N_EACH;
    run_askers(&g, askers, N_WORKERS);
    for (unsigned i = 0; i < N_WORKERS; i++) {
        assert_int_equal(askers[i].n_ok, 0);
        assert_int_equal(askers[i].n_left, 0);
    }
    assert_int_equal(g.fakes[0].n_udp, 1);
    rig_done(&g);
}

static struct io_timer repair;
static struct rig *repaired;

static void on_repair(struct io_timer *t)
{
    repaired->fakes[0].mode = FAKE_OK;
}

/* The leader asks a silent server and ends; whoever followed asks again, and is answered. */
static void a_leader_that_leaves_hands_over(void **state)
{
    struct rig g;
    struct asker askers[3] = {
        { .n_asked = 1, .leaves_after_ms = 150 },
        { .n_asked = 1, .leaves_after_ms = 200 },
        { .n_asked = 1 },
    };
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    repaired = &g;
    repair = (struct io_timer){ .on_fire = on_repair };
    io_timer_arm(&g.loop, &repair, 260);
    run_askers(&g, askers, 3);
    assert_int_equal(askers[0].n_left + askers[1].n_left, 2);
    assert_int_equal(askers[2].n_ok, 1);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_thousand_misses_are_one_query),
        cmocka_unit_test(a_failure_is_everybodys),
        cmocka_unit_test(a_leader_that_leaves_hands_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
