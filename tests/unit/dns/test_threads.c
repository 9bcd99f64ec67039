/*
 * Several workers share the cache, the servers' health and the routes. The value of this test shows
 * under the thread sanitizer.
 */
#include "rig.h"

#include <pthread.h>

enum { N_WORKERS = 3, N_ROUNDS = 150 };

struct worker {
    pthread_t thread;
    struct dns_shared *shared;
    unsigned n_ok, n_failed;
};

struct step {
    struct dns_resolve r;
    struct worker *worker;
    struct io_loop *loop;
};

static void on_step(struct dns_resolve *r)
{
    struct step *s = r->owner;
    if (r->n_addrs > 0)
        s->worker->n_ok++;
    else
        s->worker->n_failed++;
    io_loop_stop(s->loop);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct io_loop loop;
    struct fault f = { 0 };
    if (!io_loop_init(&loop))
        return NULL;
    struct dns_engine *e = dns_engine_new(&loop, w->shared, &f);
    for (unsigned i = 0; e != NULL && i < N_ROUNDS; i++) {
        char host[64];
        struct step s = { .worker = w, .loop = &loop };
        s.r.owner = &s;
        s.r.on_done = on_step;
        snprintf(host, sizeof host, "bucket%u.s3.eu-west-1.amazonaws.com", i % 20);
        dns_resolve_start(&s.r, e, str_from_c(host), 443, DNS_POLICY_S3);
        io_loop_run(&loop);
        if (s.r.n_addrs > 0)
            dns_resolve_succeeded(&s.r);
        else
            dns_resolve_cancel(&s.r);
    }
    dns_engine_free(e);
    io_loop_done(&loop);
    return NULL;
}

static void workers_share(void **state)
{
    struct rig g;
    struct worker workers[N_WORKERS];
    rig_init(&g, 1, 1);
    rig_go(&g);
    g.fakes[0].ttl_s = g.fakes[1].ttl_s = 1;
    for (unsigned i = 0; i < N_WORKERS; i++) {
        workers[i] = (struct worker){ .shared = g.shared };
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    /* The servers live here, and so does whoever swaps the routes. */
    for (unsigned round = 0; round < 20; round++) {
        g.fakes[0].mode = round % 4 == 1 ? FAKE_SERVFAIL : round % 4 == 3 ? FAKE_NXDOMAIN : FAKE_OK;
        rig_run_for(&g, 100);
        dns_shared_set_routes(g.shared,
                              dns_routes_new(g.shared, &g.conf, &g.shared->own, g.servers, 1));
    }
    for (unsigned i = 0; i < N_WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].n_ok, N_ROUNDS);
    }
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(workers_share) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
