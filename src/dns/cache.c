#include "dns/cache.h"

#include "base/hash.h"
#include "base/list.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    KEY_FIXED_BYTES = 8 + 2 + 2 + 1,
    KEY_BYTES = KEY_FIXED_BYTES + DNS_NAME_BYTES,
    BYTES_PER_BUCKET = 512,
    MAX_FAIL_S = 30,
    MAX_SHARDS = 8,
    SHARD_BYTES = 512 * 1024, /* at least: the largest answers are an eighth of it */
};

struct entry {
    struct entry *next; /* in its bucket */
    struct list node;   /* in probation or shielded */
    uint64_t hash;
    struct dns_set *set; /* NULL: only a failure is known */
    uint64_t fresh_until_ms, stale_until_ms;
    uint64_t fail_until_ms, fail_epoch;
    enum dns_outcome fail_outcome;
    uint16_t fail_s;  /* how long the next failure is kept */
    uint32_t moved_s; /* when it went to the front of shielded */
    bool is_shielded, is_refreshed;
    uint16_t key_n;
    uint8_t key[];
};

/* A share of the entries, by hash, so that workers seldom meet at one lock. */
struct shard {
    _Alignas(64) pthread_mutex_t lock;
    size_t max_bytes, bytes, shielded_bytes, n;
    struct list probation, shielded; /* the most recently used first */
    size_t mask;
    struct entry **buckets;
};

struct dns_cache {
    struct hash_key hash_key;
    unsigned n_shards;
    struct shard shards[MAX_SHARDS];
};

struct flat_key {
    uint16_t n;
    uint8_t bytes[KEY_BYTES];
};

static void flatten(const struct dns_cache_key *k, struct flat_key *flat)
{
    memcpy(flat->bytes, &k->group, 8);
    memcpy(flat->bytes + 8, &k->type, 2);
    memcpy(flat->bytes + 10, &k->class, 2);
    flat->bytes[12] = (uint8_t)(k->dnssec_ok | k->checking_disabled << 1);
    for (unsigned i = 0; i < k->name->n; i++)
        flat->bytes[KEY_FIXED_BYTES + i] = (uint8_t)ascii_lower((char)k->name->wire[i]);
    flat->n = (uint16_t)(KEY_FIXED_BYTES + k->name->n);
}

static bool shard_init(struct shard *c, size_t max_bytes)
{
    size_t n_buckets = 64;
    while (n_buckets < max_bytes / BYTES_PER_BUCKET)
        n_buckets *= 2;
    pthread_mutex_init(&c->lock, NULL);
    list_init(&c->probation);
    list_init(&c->shielded);
    c->mask = n_buckets - 1;
    c->max_bytes = max_bytes;
    c->buckets = calloc(n_buckets, sizeof(struct entry *));
    return c->buckets != NULL;
}

struct dns_cache *dns_cache_new(size_t max_bytes)
{
    struct dns_cache *c = aligned_alloc(_Alignof(struct dns_cache), sizeof *c);
    if (c == NULL)
        return NULL;
    memset(c, 0, sizeof *c);
    bool ok = getrandom(&c->hash_key, sizeof c->hash_key, 0) > 0;
    unsigned n_shards = 1;
    while (n_shards < MAX_SHARDS && max_bytes / n_shards / 2 >= SHARD_BYTES)
        n_shards *= 2;
    for (; c->n_shards < n_shards && ok; c->n_shards++)
        ok = shard_init(&c->shards[c->n_shards], max_bytes / n_shards);
    if (ok)
        return c;
    dns_cache_free(c);
    return NULL;
}

static size_t entry_bytes(const struct entry *e)
{
    return sizeof *e + e->key_n + (e->set != NULL ? dns_set_bytes(e->set) : 0);
}

static void count(struct shard *c, const struct entry *e, bool is_added)
{
    size_t bytes = entry_bytes(e);
    c->bytes = is_added ? c->bytes + bytes : c->bytes - bytes;
    if (e->is_shielded)
        c->shielded_bytes = is_added ? c->shielded_bytes + bytes : c->shielded_bytes - bytes;
}

static void drop(struct shard *c, struct entry *e)
{
    struct entry **at = &c->buckets[e->hash & c->mask];
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    list_remove(&e->node);
    count(c, e, false);
    c->n--;
    dns_set_unref(e->set);
    free(e);
}

static void shard_done(struct shard *c)
{
    LIST_EACH (it, after, &c->probation)
        drop(c, LIST_ENTRY(it, struct entry, node));
    LIST_EACH (it, after, &c->shielded)
        drop(c, LIST_ENTRY(it, struct entry, node));
    pthread_mutex_destroy(&c->lock);
    free(c->buckets);
}

void dns_cache_free(struct dns_cache *c)
{
    if (c == NULL)
        return;
    for (unsigned i = 0; i < c->n_shards; i++)
        shard_done(&c->shards[i]);
    free(c);
}

static uint64_t hash_of(const struct dns_cache *c, const struct flat_key *k)
{
    return hash_bytes(&c->hash_key, str_of((const char *)k->bytes, k->n));
}

/* Buckets take the low bits. */
static struct shard *shard_of(struct dns_cache *cache, uint64_t hash)
{
    return &cache->shards[(hash >> 56) % cache->n_shards];
}

static struct entry *find(struct shard *c, const struct flat_key *k, uint64_t hash)
{
    struct entry *e = c->buckets[hash & c->mask];
    while (e != NULL &&
           (e->hash != hash || e->key_n != k->n || memcmp(e->key, k->bytes, k->n) != 0))
        e = e->next;
    return e;
}

static struct entry *oldest(struct list *head)
{
    return LIST_ENTRY(head->prev, struct entry, node);
}

/*
 * Hit again: protected, up to four fifths of the room. It goes to the front once a second at most:
 * its neighbours are seldom in the processor's cache, and within one the order is of no use.
 */
static void shield(struct shard *c, struct entry *e, uint64_t now_ms)
{
    uint32_t now_s = (uint32_t)(now_ms / 1000);
    if (e->is_shielded && e->moved_s == now_s)
        return;
    e->moved_s = now_s;
    list_remove(&e->node);
    list_push_front(&c->shielded, &e->node);
    if (e->is_shielded)
        return;
    e->is_shielded = true;
    c->shielded_bytes += entry_bytes(e);
    while (c->shielded_bytes > c->max_bytes / 5 * 4 && oldest(&c->shielded) != e) {
        struct entry *old = oldest(&c->shielded);
        list_remove(&old->node);
        c->shielded_bytes -= entry_bytes(old);
        old->is_shielded = false;
        list_push_front(&c->probation, &old->node);
    }
}

static void make_room_in(struct shard *c, struct list *head, const struct entry *but)
{
    for (struct list *it = head->prev, *newer; it != head && c->bytes > c->max_bytes; it = newer) {
        newer = it->prev;
        struct entry *e = LIST_ENTRY(it, struct entry, node);
        if (e != but)
            drop(c, e);
    }
}

static void make_room(struct shard *c, const struct entry *but)
{
    make_room_in(c, &c->probation, but);
    make_room_in(c, &c->shielded, but);
}

static struct entry *find_or_add(struct shard *c, const struct flat_key *k, uint64_t hash)
{
    struct entry *e = find(c, k, hash);
    if (e != NULL)
        return e;
    e = malloc(sizeof *e + k->n);
    if (e == NULL)
        return NULL;
    *e = (struct entry){ .hash = hash, .key_n = k->n, .next = c->buckets[hash & c->mask] };
    memcpy(e->key, k->bytes, k->n);
    c->buckets[hash & c->mask] = e;
    list_push_front(&c->probation, &e->node);
    c->n++;
    count(c, e, true);
    return e;
}

/* Of a fresh entry. The worker that put it may have a clock ahead of this one's: never more than
 * the TTL, from which ages are computed. */
static uint32_t ttl_left(const struct entry *e, uint64_t now_ms)
{
    uint64_t left_s = (e->fresh_until_ms - now_ms + 999) / 1000;
    return left_s < e->set->ttl_s ? (uint32_t)left_s : e->set->ttl_s;
}

/* What was asked for once is no name in use. */
static bool wants_refresh(const struct entry *e, uint64_t now_ms)
{
    return e->is_shielded && !e->is_refreshed && e->set->outcome == DNS_ANSWERED &&
           (e->fresh_until_ms - now_ms) * 10 <= (uint64_t)e->set->ttl_s * 1000;
}

void dns_cache_get(struct dns_cache *cache, const struct dns_cache_key *k, uint64_t now_ms,
                   uint64_t epoch, struct dns_cache_hit *hit)
{
    *hit = (struct dns_cache_hit){ .state = DNS_CACHE_NONE };
    struct flat_key flat;
    flatten(k, &flat);
    uint64_t hash = hash_of(cache, &flat);
    struct shard *c = shard_of(cache, hash);
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, &flat, hash);
    if (e != NULL && e->set != NULL && now_ms < e->fresh_until_ms) {
        hit->state = DNS_CACHE_FRESH;
        hit->set = dns_set_ref(e->set);
        hit->outcome = e->set->outcome;
        hit->ttl_s = ttl_left(e, now_ms);
        hit->wants_refresh = wants_refresh(e, now_ms);
        e->is_refreshed |= hit->wants_refresh;
        shield(c, e, now_ms);
    } else if (e != NULL && now_ms < e->fail_until_ms && e->fail_epoch == epoch) {
        hit->state = DNS_CACHE_FAILED;
        hit->outcome = e->fail_outcome;
    }
    pthread_mutex_unlock(&c->lock);
}

bool dns_cache_get_stale(struct dns_cache *cache, const struct dns_cache_key *k, uint64_t now_ms,
                         struct dns_cache_hit *hit)
{
    *hit = (struct dns_cache_hit){ .state = DNS_CACHE_NONE };
    struct flat_key flat;
    flatten(k, &flat);
    uint64_t hash = hash_of(cache, &flat);
    struct shard *c = shard_of(cache, hash);
    pthread_mutex_lock(&c->lock);
    struct entry *e = find(c, &flat, hash);
    if (e != NULL && e->set != NULL && e->set->outcome != DNS_NXDOMAIN_OUTCOME &&
        now_ms < e->stale_until_ms) {
        hit->state = DNS_CACHE_FRESH;
        hit->set = dns_set_ref(e->set);
        hit->outcome = e->set->outcome;
        hit->ttl_s = now_ms < e->fresh_until_ms ? ttl_left(e, now_ms) : 0;
        hit->stale_s =
            now_ms < e->fresh_until_ms ? 0 : (uint32_t)((now_ms - e->fresh_until_ms) / 1000);
        shield(c, e, now_ms);
    }
    pthread_mutex_unlock(&c->lock);
    return hit->set != NULL;
}

void dns_cache_put(struct dns_cache *cache, const struct dns_cache_key *k, struct dns_set *set,
                   uint32_t stale_s, uint64_t now_ms)
{
    struct flat_key flat;
    flatten(k, &flat);
    uint64_t hash = hash_of(cache, &flat);
    struct shard *c = shard_of(cache, hash);
    pthread_mutex_lock(&c->lock);
    struct entry *e = find_or_add(c, &flat, hash);
    if (e != NULL) {
        count(c, e, false);
        dns_set_unref(e->set);
        e->set = dns_set_ref(set);
        count(c, e, true);
        e->fresh_until_ms = now_ms + (uint64_t)set->ttl_s * 1000;
        e->stale_until_ms = e->fresh_until_ms +
                            (set->outcome != DNS_NXDOMAIN_OUTCOME ? (uint64_t)stale_s * 1000 : 0);
        e->fail_until_ms = 0;
        e->fail_s = 0;
        e->is_refreshed = false;
        make_room(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

void dns_cache_fail(struct dns_cache *cache, const struct dns_cache_key *k,
                    enum dns_outcome outcome, unsigned least_s, uint64_t now_ms, uint64_t epoch)
{
    struct flat_key flat;
    flatten(k, &flat);
    uint64_t hash = hash_of(cache, &flat);
    struct shard *c = shard_of(cache, hash);
    pthread_mutex_lock(&c->lock);
    struct entry *e = find_or_add(c, &flat, hash);
    if (e != NULL) {
        /* RFC 9520 section 3.2: at least a second, backing off while it goes on. */
        bool goes_on = e->fail_s > 0 && e->fail_epoch == epoch &&
                       now_ms < e->fail_until_ms + (uint64_t)MAX_FAIL_S * 1000;
        unsigned s = goes_on ? e->fail_s * 2u : 1;
        s = s < least_s ? least_s : s;
        e->fail_s = (uint16_t)(s < MAX_FAIL_S ? s : MAX_FAIL_S);
        e->fail_until_ms = now_ms + (uint64_t)e->fail_s * 1000;
        e->fail_epoch = epoch;
        e->fail_outcome = outcome;
        make_room(c, e);
    }
    pthread_mutex_unlock(&c->lock);
}

size_t dns_cache_bytes(struct dns_cache *cache)
{
    size_t bytes = 0;
    for (unsigned i = 0; i < cache->n_shards; i++) {
        pthread_mutex_lock(&cache->shards[i].lock);
        bytes += cache->shards[i].bytes;
        pthread_mutex_unlock(&cache->shards[i].lock);
    }
    return bytes;
}

size_t dns_cache_n(struct dns_cache *cache)
{
    size_t n = 0;
    for (unsigned i = 0; i < cache->n_shards; i++) {
        pthread_mutex_lock(&cache->shards[i].lock);
        n += cache->shards[i].n;
        pthread_mutex_unlock(&cache->shards[i].lock);
    }
    return n;
}
