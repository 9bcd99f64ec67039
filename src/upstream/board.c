#include "upstream/board.h"

#include <stdlib.h>

void upstream_board_init(struct upstream_board *b)
{
    pthread_mutex_init(&b->lock, NULL);
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++)
        b->rows[i].n_host = 0;
}

void upstream_board_done(struct upstream_board *b)
{
    pthread_mutex_destroy(&b->lock);
}

static bool is_of(const struct upstream_board_row *r, const struct upstream_board_key *key)
{
    return r->port == key->port && r->scheme == key->scheme && addr_eq(&r->addr, key->addr) &&
           str_eq(str_of(r->host, r->n_host), key->host);
}

/* Which of two may go: a free row before all, then the one that was unused for longer. */
static bool goes_before(const struct upstream_board_row *a, const struct upstream_board_row *b)
{
    if (b == NULL || b->n_host == 0)
        return b == NULL;
    return a->n_host == 0 || atomic_load(&a->used_ms) < atomic_load(&b->used_ms);
}

/* Under the lock. Who closes a row's last connection does not look at it afterwards. */
static struct upstream_board_row *row_of(struct upstream_board *b,
                                         const struct upstream_board_key *key)
{
    struct upstream_board_row *victim = NULL;
    if (key->host.n == 0 || key->host.n > UPSTREAM_BOARD_NAME_BYTES)
        return NULL;
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++) {
        struct upstream_board_row *r = &b->rows[i];
        if (r->n_host > 0 && is_of(r, key))
            return r;
        if ((r->n_host == 0 || atomic_load(&r->n_open) == 0) && goes_before(r, victim))
            victim = r;
    }
    if (victim == NULL)
        return NULL;
    victim->connects = victim->failed = victim->failed_ms = 0;
    atomic_store(&victim->n_open, 0);
    atomic_store(&victim->n_idle, 0);
    victim->addr = *key->addr;
    victim->scheme = key->scheme;
    victim->port = key->port;
    victim->n_host = (uint8_t)key->host.n;
    memcpy(victim->host, key->host.p, key->host.n);
    return victim;
}

struct upstream_board_row *upstream_board_opened(struct upstream_board *b,
                                                 const struct upstream_board_key *key,
                                                 uint64_t now_ms)
{
    if (b == NULL)
        return NULL;
    pthread_mutex_lock(&b->lock);
    struct upstream_board_row *r = row_of(b, key);
    if (r != NULL) {
        r->connects++;
        atomic_store(&r->used_ms, now_ms);
        atomic_fetch_add(&r->n_open, 1);
    }
    pthread_mutex_unlock(&b->lock);
    return r;
}

void upstream_board_idle(struct upstream_board_row *r)
{
    if (r != NULL)
        atomic_fetch_add_explicit(&r->n_idle, 1, memory_order_relaxed);
}

void upstream_board_busy(struct upstream_board_row *r)
{
    if (r != NULL)
        atomic_fetch_sub_explicit(&r->n_idle, 1, memory_order_relaxed);
}

void upstream_board_closed(struct upstream_board_row *r, uint64_t now_ms)
{
    if (r == NULL)
        return;
    atomic_store(&r->used_ms, now_ms);
    atomic_fetch_sub(&r->n_open, 1);
}

void upstream_board_failed(struct upstream_board *b, const struct upstream_board_key *key,
                           uint64_t now_ms)
{
    if (b == NULL)
        return;
    pthread_mutex_lock(&b->lock);
    struct upstream_board_row *r = row_of(b, key);
    if (r != NULL) {
        r->failed++;
        r->failed_ms = now_ms;
        atomic_store(&r->used_ms, now_ms);
    }
    pthread_mutex_unlock(&b->lock);
}

static int compare(const void *a, const void *b)
{
    const struct upstream_board_entry *x = a, *y = b;
    if (x->connects != y->connects)
        return x->connects < y->connects ? 1 : -1;
    size_t n = x->n_host < y->n_host ? x->n_host : y->n_host;
    int by_host = memcmp(x->host, y->host, n);
    if (by_host != 0)
        return by_host;
    return x->n_host < y->n_host ? -1 : x->n_host > y->n_host;
}

unsigned upstream_board_read(struct upstream_board *b, uint64_t now_ms,
                             struct upstream_board_entry out[static UPSTREAM_BOARD_N])
{
    unsigned n = 0;
    pthread_mutex_lock(&b->lock);
    for (unsigned i = 0; i < UPSTREAM_BOARD_N; i++) {
        struct upstream_board_row *r = &b->rows[i];
        unsigned open = atomic_load(&r->n_open), idle = atomic_load(&r->n_idle);
        if (r->n_host == 0 || (open == 0 && atomic_load(&r->used_ms) + UPSTREAM_BOARD_MS <= now_ms))
            continue;
        /* Read one after the other: never more idle ones than there are. */
        idle = idle < open ? idle : open;
        struct upstream_board_entry *e = &out[n++];
        *e = (struct upstream_board_entry){
            .scheme = r->scheme,
            .port = r->port,
            .n_host = r->n_host,
            .addr = r->addr,
            .idle = idle,
            .busy = open - idle,
            .connects = r->connects,
            .failed = r->failed,
            .failed_ms = r->failed_ms,
        };
        memcpy(e->host, r->host, r->n_host);
    }
    pthread_mutex_unlock(&b->lock);
    qsort(out, n, sizeof *out, compare);
    return n;
}
