#pragma once
/*
 * One event loop a worker, over libuv. It owns nothing but its own handles; timers and tasks are
 * embedded in their owners. Everything but io_loop_post belongs to the loop's own thread.
 */
#include "base/list.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct io_loop;
struct io_timer;

/*
 * Runs once, at the end of the current turn, before the loop waits again; the owner may free itself
 * there. What a task defers runs in the next turn, which then does not wait.
 */
struct io_task {
    void (*on_run)(struct io_task *t);
    /* private */
    struct list node;
    bool is_pending;
};

/* A pairing heap through the timers themselves (io/timer.h): arming needs no memory, so it cannot
 * fail. */
struct io_timers {
    struct io_timer *root;
    uint64_t firing_ms; /* while callbacks run: what they arm is due after this */
    bool is_firing;
};

struct io_loop {
    uv_loop_t uv;
    struct io_timers timers;
    /* private */
    uv_timer_t wake;
    uv_prepare_t prepare;
    uv_check_t check;
    uv_idle_t idle; /* runs while tasks wait that tasks deferred, so that the poll does not block */
    uv_async_t async;
    uv_mutex_t post_lock;
    struct list posted; /* under post_lock */
    struct list tasks;
    void **dead; /* io_free_later */
    size_t n_dead, cap_dead;
    struct io_block_pool *blocks; /* io/block.h: free blocks of this loop */
    uint64_t wake_ms;             /* when `wake` is set to fire */
    bool is_stopping;
    bool is_open;
};

/* False when a descriptor or memory is missing. SIGPIPE is ignored from here on, process-wide. */
bool io_loop_init(struct io_loop *l);
/*
 * Closes what the loop itself opened; streams, listeners and operations are closed before it. Tasks
 * that are pending still run; posts that did not are dropped without running.
 */
void io_loop_done(struct io_loop *l);

/* Until io_loop_stop, or until nothing is left to wait for. */
void io_loop_run(struct io_loop *l);
void io_loop_stop(struct io_loop *l);

/* Monotonic, milliseconds, as of the beginning of this turn. */
static inline uint64_t io_now_ms(const struct io_loop *l)
{
    return uv_now(&l->uv);
}
/* Monotonic, microseconds, now: for timings that people read. */
uint64_t io_now_us(void);

/* Arranges that t->on_run runs at the end of this turn. Once pending, further calls do nothing. */
void io_defer(struct io_loop *l, struct io_task *t);
void io_defer_cancel(struct io_task *t);
/* free(p) at the end of this turn. */
void io_free_later(struct io_loop *l, void *p);
/* Closes a handle of libuv's (a uv_poll_t ...) that stands in memory of its own, which is freed
 * when libuv has let go of it. */
void io_close_and_free(void *handle);

/* From any thread: runs fn(arg) once on the loop's thread. False without memory. */
bool io_loop_post(struct io_loop *l, void (*fn)(void *arg), void *arg);
