#include "proxy/limits.h"

#include "base/hash.h"
#include "base/list.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <uv.h>

enum { LIMITS_BUCKETS = 1024 };

struct limits_client {
    struct list node;
    struct addr addr;
    uint64_t n;
};

struct limits {
    uv_mutex_t lock;
    uint64_t max, max_per_client, n, max_parts;
    _Atomic uint64_t held[N_LIMITS_USES];
    struct hash_key key;
    struct list buckets[LIMITS_BUCKETS];
};

struct limits *limits_new(uint64_t max_connections, uint64_t max_per_client)
{
    struct limits *l = calloc(1, sizeof *l);
    if (l == NULL || uv_mutex_init(&l->lock) != 0) {
        free(l);
        return NULL;
    }
    l->max = max_connections;
    l->max_per_client = max_per_client;
    struct rlimit files;
    l->max_parts = getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur / 4 : 256;
    if (getrandom(&l->key, sizeof l->key, GRND_NONBLOCK) != (ssize_t)sizeof l->key)
        l->key = (struct hash_key){ uv_hrtime(), (uintptr_t)l };
    for (int i = 0; i < LIMITS_BUCKETS; i++)
        list_init(&l->buckets[i]);
    return l;
}

void limits_set(struct limits *l, uint64_t max_connections, uint64_t max_per_client)
{
    uv_mutex_lock(&l->lock);
    l->max = max_connections;
    l->max_per_client = max_per_client;
    uv_mutex_unlock(&l->lock);
}

void limits_free(struct limits *l)
{
    if (l == NULL)
        return;
    for (int i = 0; i < LIMITS_BUCKETS; i++)
        LIST_EACH (it, after, &l->buckets[i])
            free(LIST_ENTRY(it, struct limits_client, node));
    uv_mutex_destroy(&l->lock);
    free(l);
}

static struct list *bucket_of(struct limits *l, const struct addr *peer)
{
    size_t n;
    const uint8_t *ip = addr_bytes(peer, &n);
    return &l->buckets[hash_bytes(&l->key, str_of((const char *)ip, n)) % LIMITS_BUCKETS];
}

static struct limits_client *find(struct list *bucket, const struct addr *peer)
{
    LIST_EACH (it, after, bucket) {
        struct limits_client *c = LIST_ENTRY(it, struct limits_client, node);
        if (addr_ip_eq(&c->addr, peer))
            return c;
    }
    return NULL;
}

/* An eighth more than max, for the connections that only get their 503. */
static uint64_t most(uint64_t max)
{
    return max + max / 8 + 1;
}

/*
 * One more from this address. Without memory nobody is refused for it. Those that get their 503
 * take room from everybody, so of one address there are few of them too.
 */
static enum limits_verdict count_client(struct limits *l, const struct addr *peer, bool *is_counted)
{
    struct list *bucket = bucket_of(l, peer);
    struct limits_client *c = find(bucket, peer);
    if (c == NULL) {
        c = calloc(1, sizeof *c);
        if (c == NULL)
            return LIMITS_OK;
        c->addr = *peer;
        list_push_front(bucket, &c->node);
    }
    if (c->n >= most(l->max_per_client))
        return LIMITS_DROP;
    c->n++;
    *is_counted = true;
    return c->n <= l->max_per_client ? LIMITS_OK : LIMITS_REFUSE;
}

enum limits_verdict limits_take(struct limits *l, const struct addr *peer, bool *is_counted)
{
    enum limits_verdict v = LIMITS_OK;
    *is_counted = false;
    uv_mutex_lock(&l->lock);
    if (l->n >= most(l->max))
        v = LIMITS_DROP;
    else if (l->max_per_client > 0)
        v = count_client(l, peer, is_counted);
    if (v != LIMITS_DROP && ++l->n > l->max)
        v = LIMITS_REFUSE;
    uv_mutex_unlock(&l->lock);
    return v;
}

void limits_give(struct limits *l, const struct addr *peer, bool is_counted)
{
    uv_mutex_lock(&l->lock);
    l->n--;
    if (is_counted) {
        struct limits_client *c = find(bucket_of(l, peer), peer);
        if (c != NULL && --c->n == 0) {
            list_remove(&c->node);
            free(c);
        }
    }
    uv_mutex_unlock(&l->lock);
}

uint64_t limits_n(struct limits *l)
{
    uv_mutex_lock(&l->lock);
    uint64_t n = l->n;
    uv_mutex_unlock(&l->lock);
    return n;
}

bool limits_hold(struct limits *l, enum limits_use use, uint64_t own_bytes, uint64_t n_bytes,
                 uint64_t max_bytes)
{
    uint64_t held = atomic_load_explicit(&l->held[use], memory_order_relaxed);
    do {
        if (n_bytes > max_bytes || held > max_bytes - n_bytes ||
            own_bytes + n_bytes > (max_bytes - n_bytes - held) / 2)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&l->held[use], &held, held + n_bytes,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void limits_release(struct limits *l, enum limits_use use, uint64_t n_bytes)
{
    atomic_fetch_sub_explicit(&l->held[use], n_bytes, memory_order_relaxed);
}

uint64_t limits_held(struct limits *l, enum limits_use use)
{
    return atomic_load_explicit(&l->held[use], memory_order_relaxed);
}

uint64_t limits_max_parts(const struct limits *l)
{
    return l->max_parts;
}
