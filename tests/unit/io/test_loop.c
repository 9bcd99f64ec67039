#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/loop.h"
#include "io/timer.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct job {
    struct io_task task;
    struct io_loop *loop;
    char *log;
    char name;
    struct job *defers, *cancels;
    bool is_freed, is_last;
};

static void on_run(struct io_task *t)
{
    struct job *j = LIST_ENTRY(t, struct job, task);
    size_t n = strlen(j->log);
    assert_false(t->is_pending);
    j->log[n] = j->name;
    j->log[n + 1] = 0;
    if (j->defers != NULL)
        io_defer(j->loop, &j->defers->task);
    if (j->cancels != NULL)
        io_defer_cancel(&j->cancels->task);
    if (j->is_last)
        io_loop_stop(j->loop);
    if (j->is_freed)
        free(j);
}

static struct job job(struct io_loop *l, char *log, char name)
{
    return (struct job){ .task.on_run = on_run, .loop = l, .log = log, .name = name };
}

static int setup(void **state)
{
    struct io_loop *l = malloc(sizeof *l);
    assert_true(io_loop_init(l));
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    io_loop_done(*state);
    io_loop_done(*state); /* harmless */
    free(*state);
    return 0;
}

static void test_tasks_run_in_order_and_once(void **state)
{
    struct io_loop *l = *state;
    char log[64] = "";
    struct job a = job(l, log, 'a'), b = job(l, log, 'b'), c = job(l, log, 'c');
    io_defer(l, &a.task);
    io_defer(l, &b.task);
    io_defer(l, &a.task);
    io_defer(l, &c.task);
    io_loop_run(l); /* comes back: nothing is left */
    assert_string_equal(log, "abc");
}

static void test_tasks_may_cancel_and_defer(void **state)
{
    struct io_loop *l = *state;
    char log[64] = "";
    struct job a = job(l, log, 'a'), b = job(l, log, 'b'), c = job(l, log, 'c');
    a.cancels = &b;
    a.defers = &c;
    io_defer(l, &a.task);
    io_defer(l, &b.task);
    io_defer_cancel(&c.task); /* not pending: harmless */
    io_loop_run(l);
    assert_string_equal(log, "ac");
}

static void test_a_task_may_free_itself(void **state)
{
    struct io_loop *l = *state;
    char log[64] = "";
    struct job *a = malloc(sizeof *a);
    *a = job(l, log, 'a');
    a->is_freed = true;
    io_defer(l, &a->task);
    io_free_later(l, malloc(10));
    io_free_later(l, NULL);
    for (int i = 0; i < 1000; i++)
        io_free_later(l, malloc(1));
    io_loop_run(l);
    assert_string_equal(log, "a");
}

struct tick {
    struct io_timer timer;
    struct io_loop *loop;
    struct job *defers;
    unsigned n;
};

static void on_tick(struct io_timer *t)
{
    struct tick *k = LIST_ENTRY(t, struct tick, timer);
    k->n++;
    if (k->defers != NULL)
        io_defer(k->loop, &k->defers->task);
}

/* The loop would wait 10 s for the far timer if it went to wait with tasks pending. */
static void test_tasks_run_before_the_loop_waits(void **state)
{
    struct io_loop *l = *state;
    char log[64] = "";
    struct job c = job(l, log, 'c'), b = job(l, log, 'b'), a = job(l, log, 'a');
    struct tick near = { .timer.on_fire = on_tick, .loop = l, .defers = &a }, far = near;
    c.is_last = true;
    b.defers = &c;
    a.defers = &b;
    io_timer_arm(l, &near.timer, 1);
    io_timer_arm(l, &far.timer, 10000);
    uint64_t began = io_now_us();
    io_loop_run(l);
    assert_string_equal(log, "abc");
    assert_true(io_now_us() - began < 5000000);
    assert_int_equal(far.n, 0);
    io_timer_disarm(l, &far.timer);
}

/* A task that defers itself for ever leaves the loop its turns. */
static void test_tasks_do_not_starve_the_loop(void **state)
{
    struct io_loop *l = *state;
    char *log = calloc(1, 1 << 20);
    struct job a = job(l, log, 'a'), z = job(l, log, 'z');
    struct tick tick = { .timer.on_fire = on_tick, .loop = l, .defers = &z };
    a.defers = &a;
    z.is_last = true;
    z.cancels = &a;
    io_defer(l, &a.task);
    io_timer_arm(l, &tick.timer, 1);
    io_loop_run(l);
    io_defer_cancel(&a.task);
    assert_int_equal(tick.n, 1);
    free(log);
}

static void test_timers_keep_the_loop_running(void **state)
{
    struct io_loop *l = *state;
    struct tick a = { .timer.on_fire = on_tick, .loop = l }, b = a;
    io_timer_arm(l, &a.timer, 3);
    io_timer_arm(l, &b.timer, 8);
    io_timer_arm(l, &b.timer, 5);
    uint64_t began = io_now_us();
    io_loop_run(l);
    assert_true(io_now_us() - began >= 4000);
    assert_int_equal(a.n + b.n, 2);
    io_loop_run(l); /* nothing to wait for */
}

enum { N_POSTS = 1000, N_THREADS = 3 };

struct counter {
    struct io_loop *loop;
    unsigned n;
};

static void count(void *arg)
{
    struct counter *c = arg;
    if (++c->n == N_POSTS * N_THREADS)
        io_loop_stop(c->loop);
}

static void *post_many(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < N_POSTS; i++)
        assert_true(io_loop_post(c->loop, count, c));
    return NULL;
}

static void test_posts_from_threads(void **state)
{
    struct io_loop *l = *state;
    struct counter c = { l, 0 };
    struct tick keep = { .timer.on_fire = on_tick, .loop = l };
    pthread_t t[N_THREADS];
    io_timer_arm(l, &keep.timer, 10000);
    for (int i = 0; i < N_THREADS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, post_many, &c), 0);
    io_loop_run(l);
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(c.n, N_POSTS * N_THREADS);
    io_timer_disarm(l, &keep.timer);
    /* One that nobody runs any more is freed with the loop. */
    assert_true(io_loop_post(l, count, &c));
}

static void test_posts_before_the_loop_runs(void **state)
{
    struct io_loop *l = *state;
    struct counter c = { l, 0 };
    assert_true(io_loop_post(l, count, &c));
    io_loop_run(l);
    assert_int_equal(c.n, 1);
}

static void test_stop_before_run(void **state)
{
    struct io_loop *l = *state;
    struct tick far = { .timer.on_fire = on_tick, .loop = l };
    io_timer_arm(l, &far.timer, 10000);
    io_loop_stop(l);
    io_loop_run(l);
    assert_int_equal(far.n, 0);
    io_timer_arm(l, &far.timer, 1);
    io_loop_run(l);
    assert_int_equal(far.n, 1);
}

static void test_sigpipe_is_ignored(void **state)
{
    raise(SIGPIPE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_tasks_run_in_order_and_once),
        T(test_tasks_may_cancel_and_defer),
        T(test_a_task_may_free_itself),
        T(test_tasks_run_before_the_loop_waits),
        T(test_tasks_do_not_starve_the_loop),
        T(test_timers_keep_the_loop_running),
        T(test_posts_from_threads),
        T(test_posts_before_the_loop_runs),
        T(test_stop_before_run),
        T(test_sigpipe_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
