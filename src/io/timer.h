#pragma once
/*
 * Deadlines of one loop: a heap of timers that their owners embed, zeroed at first. Moving an armed
 * deadline to a later time only stores it, so that re-arming on every request costs nothing. A
 * disarmed timer may be freed at once.
 */
#include "io/loop.h"

struct io_timer {
    void (*on_fire)(struct io_timer *t);
    /* private */
    uint64_t deadline_ms;   /* when it fires */
    uint64_t heap_ms;       /* the key under which it stands in the heap, at most deadline_ms */
    struct io_timer *child; /* the first of those that are due later */
    struct io_timer *next;  /* sibling */
    struct io_timer *prev;  /* sibling, or the parent of a first child */
    bool is_armed;
};

/* on_fire runs once, at or after `after_ms` from now, in a later turn. Arming again moves the
 * deadline. */
void io_timer_arm(struct io_loop *l, struct io_timer *t, uint64_t after_ms);
void io_timer_disarm(struct io_loop *l, struct io_timer *t);

static inline bool io_timer_is_armed(const struct io_timer *t)
{
    return t->is_armed;
}

/* For io/loop: fires what is due; milliseconds to the next deadline, or UINT64_MAX. */
void io_timers_fire(struct io_loop *l, uint64_t now_ms);
uint64_t io_timers_next(const struct io_loop *l, uint64_t now_ms);
