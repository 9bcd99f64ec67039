#include "io/loop.h"

#include "io/block.h"
#include "io/timer.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct post {
    struct list node;
    void (*fn)(void *arg);
    void *arg;
};

uint64_t io_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void free_dead(struct io_loop *l)
{
    for (size_t i = 0; i < l->n_dead; i++)
        free(l->dead[i]);
    l->n_dead = 0;
}

/* Those that were pending at the beginning: a task that defers itself again does not hold the turn
 * up. */
static void run_tasks(struct io_loop *l)
{
    struct list now;
    if (!list_is_empty(&l->tasks)) {
        list_init(&now);
        now.next = l->tasks.next;
        now.prev = l->tasks.prev;
        now.next->prev = now.prev->next = &now;
        list_init(&l->tasks);
        while (!list_is_empty(&now)) {
            struct io_task *t = LIST_ENTRY(now.next, struct io_task, node);
            list_remove(&t->node);
            t->is_pending = false;
            t->on_run(t);
        }
    }
    if (l->n_dead > 0)
        free_dead(l);
}

static void on_wake(uv_timer_t *h)
{
    struct io_loop *l = h->loop->data;
    io_timers_fire(l, uv_now(&l->uv));
}

/* A wake-up that comes too early costs one turn; setting it anew on every change would cost more.
 */
static void set_wake(struct io_loop *l)
{
    uint64_t now = uv_now(&l->uv);
    uint64_t after = io_timers_next(l, now);
    if (after == UINT64_MAX) {
        uv_timer_stop(&l->wake);
    } else if (!uv_is_active((uv_handle_t *)&l->wake) || l->wake_ms > now + after) {
        uv_timer_start(&l->wake, on_wake, after, 0);
        l->wake_ms = now + after;
    }
}

static void on_idle(uv_idle_t *h)
{
    uv_idle_stop(h);
}

static void on_prepare(uv_prepare_t *h)
{
    struct io_loop *l = h->loop->data;
    run_tasks(l);
    if (!list_is_empty(&l->tasks))
        uv_idle_start(&l->idle, on_idle);
    set_wake(l);
}

static void on_check(uv_check_t *h)
{
    struct io_loop *l = h->loop->data;
    run_tasks(l);
    set_wake(l);
}

static struct post *next_post(struct io_loop *l)
{
    struct post *p = NULL;
    uv_mutex_lock(&l->post_lock);
    if (!list_is_empty(&l->posted)) {
        p = LIST_ENTRY(l->posted.next, struct post, node);
        list_remove(&p->node);
    }
    uv_mutex_unlock(&l->post_lock);
    return p;
}

static void run_posts(struct io_loop *l)
{
    for (struct post *p; (p = next_post(l)) != NULL;) {
        p->fn(p->arg);
        free(p);
    }
}

static void on_async(uv_async_t *h)
{
    run_posts(h->loop->data);
}

bool io_loop_init(struct io_loop *l)
{
    memset(l, 0, sizeof *l);
    list_init(&l->posted);
    list_init(&l->tasks);
    if (uv_mutex_init(&l->post_lock) != 0)
        return false;
    if (uv_loop_init(&l->uv) != 0) {
        uv_mutex_destroy(&l->post_lock);
        return false;
    }
    l->uv.data = l;
    if (uv_async_init(&l->uv, &l->async, on_async) != 0) {
        uv_loop_close(&l->uv);
        uv_mutex_destroy(&l->post_lock);
        return false;
    }
    signal(SIGPIPE, SIG_IGN);
    uv_timer_init(&l->uv, &l->wake);
    uv_idle_init(&l->uv, &l->idle);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_check_init(&l->uv, &l->check);
    uv_check_start(&l->check, on_check);
    /* They serve others and are nothing to wait for. */
    uv_unref((uv_handle_t *)&l->async);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->check);
    l->is_open = true;
    return true;
}

void io_loop_done(struct io_loop *l)
{
    if (!l->is_open)
        return;
    l->is_open = false;
    while (!list_is_empty(&l->tasks))
        run_tasks(l);
    uv_close((uv_handle_t *)&l->async, NULL);
    uv_close((uv_handle_t *)&l->wake, NULL);
    uv_close((uv_handle_t *)&l->idle, NULL);
    uv_close((uv_handle_t *)&l->prepare, NULL);
    uv_close((uv_handle_t *)&l->check, NULL);
    /* Until the handles of streams and listeners, closed just now, have been freed too. */
    do {
        uv_run(&l->uv, UV_RUN_NOWAIT);
        run_tasks(l);
    } while (l->uv.closing_handles != NULL || !list_is_empty(&l->tasks));
    free_dead(l);
    free(l->dead);
    for (struct post *p; (p = next_post(l)) != NULL;)
        free(p);
    io_blocks_done(l);
    uv_mutex_destroy(&l->post_lock);
    uv_loop_close(&l->uv);
}

static bool has_posts(struct io_loop *l)
{
    uv_mutex_lock(&l->post_lock);
    bool has = !list_is_empty(&l->posted);
    uv_mutex_unlock(&l->post_lock);
    return has;
}

void io_loop_run(struct io_loop *l)
{
    /* uv_run looks at handles only: what waits in our own lists would not keep it going. */
    while (!l->is_stopping) {
        run_posts(l);
        run_tasks(l);
        set_wake(l);
        if (l->is_stopping)
            break;
        bool is_alive = uv_run(&l->uv, UV_RUN_DEFAULT) != 0;
        if (!is_alive && list_is_empty(&l->tasks) && l->timers.root == NULL && !has_posts(l))
            break;
    }
    l->is_stopping = false;
}

void io_loop_stop(struct io_loop *l)
{
    l->is_stopping = true;
    uv_stop(&l->uv);
}

void io_defer(struct io_loop *l, struct io_task *t)
{
    if (t->is_pending)
        return;
    t->is_pending = true;
    list_push_back(&l->tasks, &t->node);
}

void io_defer_cancel(struct io_task *t)
{
    if (!t->is_pending)
        return;
    t->is_pending = false;
    list_remove(&t->node);
}

void io_free_later(struct io_loop *l, void *p)
{
    if (p == NULL)
        return;
    if (l->n_dead == l->cap_dead) {
        size_t cap = l->cap_dead == 0 ? 64 : l->cap_dead * 2;
        void **dead = realloc(l->dead, cap * sizeof *dead);
        /* Without memory for the list, losing p is the lesser harm: it may still be in use. */
        if (dead == NULL)
            return;
        l->dead = dead;
        l->cap_dead = cap;
    }
    l->dead[l->n_dead++] = p;
}

static void on_closed(uv_handle_t *h)
{
    free(h);
}

void io_close_and_free(void *handle)
{
    uv_close(handle, on_closed);
}

bool io_loop_post(struct io_loop *l, void (*fn)(void *arg), void *arg)
{
    struct post *p = malloc(sizeof *p);
    if (p == NULL)
        return false;
    p->fn = fn;
    p->arg = arg;
    uv_mutex_lock(&l->post_lock);
    list_push_back(&l->posted, &p->node);
    uv_mutex_unlock(&l->post_lock);
    uv_async_send(&l->async);
    return true;
}
