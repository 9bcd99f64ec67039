#include "io/timer.h"

/* Fredman, Sedgewick, Sleator, Tarjan: the pairing heap. A tree's root is due no later than its
 * children. */

static struct io_timer *meld(struct io_timer *a, struct io_timer *b)
{
    if (b->heap_ms < a->heap_ms) {
        struct io_timer *earlier = b;
        b = a;
        a = earlier;
    }
    b->next = a->child;
    if (b->next != NULL)
        b->next->prev = b;
    b->prev = a;
    a->child = b;
    return a;
}

/* Two passes over a list of siblings: meld pairs left to right, then the results right to left. */
static struct io_timer *meld_all(struct io_timer *first)
{
    struct io_timer *done = NULL; /* melded pairs, linked by next, the last one first */
    while (first != NULL) {
        struct io_timer *a = first, *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = a->prev = NULL;
        if (b != NULL) {
            b->next = b->prev = NULL;
            a = meld(a, b);
        }
        a->next = done;
        done = a;
    }
    struct io_timer *root = NULL;
    while (done != NULL) {
        struct io_timer *t = done;
        done = t->next;
        t->next = t->prev = NULL;
        root = root == NULL ? t : meld(root, t);
    }
    return root;
}

static void insert(struct io_timers *h, struct io_timer *t)
{
    t->next = t->prev = NULL;
    h->root = h->root == NULL ? t : meld(h->root, t);
}

/* Takes t and all below it out of the tree. t is not the root. */
static void cut(struct io_timer *t)
{
    if (t->prev->child == t)
        t->prev->child = t->next;
    else
        t->prev->next = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    t->next = t->prev = NULL;
}

static void take(struct io_timers *h, struct io_timer *t)
{
    struct io_timer *below = meld_all(t->child);
    t->child = NULL;
    if (h->root == t) {
        h->root = below;
        return;
    }
    cut(t);
    if (below != NULL)
        h->root = meld(h->root, below);
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - 1 - b ? UINT64_MAX - 1 : a + b;
}

void io_timer_arm(struct io_loop *l, struct io_timer *t, uint64_t after_ms)
{
    struct io_timers *h = &l->timers;
    uint64_t deadline = after_ms >= UINT64_MAX - 1 ? after_ms : add_sat(io_now_ms(l), after_ms);
    /* Or a timer that arms itself with 0 would be fired for ever. */
    if (h->is_firing && deadline <= h->firing_ms)
        deadline = add_sat(h->firing_ms, 1);
    t->deadline_ms = deadline;
    if (!t->is_armed) {
        t->is_armed = true;
        t->heap_ms = deadline;
        t->child = NULL;
        insert(h, t);
    } else if (deadline < t->heap_ms) {
        t->heap_ms = deadline;
        if (t != h->root) {
            cut(t);
            insert(h, t);
        }
    }
}

void io_timer_disarm(struct io_loop *l, struct io_timer *t)
{
    if (!t->is_armed)
        return;
    take(&l->timers, t);
    t->is_armed = false;
}

void io_timers_fire(struct io_loop *l, uint64_t now_ms)
{
    struct io_timers *h = &l->timers;
    h->is_firing = true;
    h->firing_ms = now_ms;
    while (h->root != NULL && h->root->heap_ms <= now_ms) {
        struct io_timer *t = h->root;
        take(h, t);
        /* It was moved to a later time, due or not: in order of deadlines all the same. */
        if (t->deadline_ms > t->heap_ms) {
            t->heap_ms = t->deadline_ms;
            insert(h, t);
            continue;
        }
        t->is_armed = false;
        t->on_fire(t);
    }
    h->is_firing = false;
}

uint64_t io_timers_next(const struct io_loop *l, uint64_t now_ms)
{
    const struct io_timer *t = l->timers.root;
    if (t == NULL)
        return UINT64_MAX;
    return t->heap_ms > now_ms ? t->heap_ms - now_ms : 0;
}
