#include "upstream/pool.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <sys/resource.h>

/* ---- idle connections ---- */

static void sweep_arm(struct upstream *u, uint64_t at_ms)
{
    if (at_ms >= u->sweep_at_ms)
        return;
    uint64_t now = io_now_ms(u->loop);
    u->sweep_at_ms = at_ms;
    io_timer_arm(u->loop, &u->sweep, at_ms > now ? at_ms - now : 0);
}

static struct connection *conn_of_pool_node(struct list *n)
{
    return LIST_ENTRY(n, struct connection, pool_node);
}

static void idle_remove(struct connection *c)
{
    list_remove(&c->pool_node);
    list_remove(&c->idle_node);
    c->pool->n_idle--;
    c->pool->up->counts.n_idle--;
    upstream_board_busy(c->row);
}

/* An idle connection must not lead to where the registry was: its name is asked for when its time
 * is over, and not when the next request has come. */
static void arm_refresh(struct pool *p)
{
    if (p->book.is_newest_only && p->n_idle > 0 && p->refresh == NULL)
        sweep_arm(p->up, p->expires_ms);
}

static void idle_add(struct connection *c)
{
    struct pool *p = c->pool;
    struct upstream *u = p->up;
    if (u->counts.n_idle >= u->max_idle)
        pool_spare_one(u);
    list_push_front(&p->idle, &c->pool_node);
    list_push_back(&u->idle, &c->idle_node);
    p->n_idle++;
    u->counts.n_idle++;
    upstream_board_idle(c->row);
    c->idle_since_ms = io_now_ms(u->loop);
    sweep_arm(u, c->idle_since_ms + u->conf->upstream_idle_ms);
    arm_refresh(p);
}

bool pool_spare_one(struct upstream *u)
{
    if (list_is_empty(&u->idle))
        return false;
    connection_close(LIST_ENTRY(u->idle.next, struct connection, idle_node));
    return true;
}

static bool has_aged(const struct connection *c, uint64_t now_ms)
{
    return now_ms - c->born_ms >= c->pool->up->conf->upstream_max_age_ms;
}

/* The address may have turned bad during the lease. */
static bool has_good_addr(struct connection *c)
{
    if (c->epoch == c->pool->epoch)
        return true;
    c->epoch = c->pool->epoch;
    return addr_book_is_good(&c->pool->book, &c->addr);
}

/* Of the authorities that are trusted now. */
static bool has_identity(const struct connection *c)
{
    return c->stream->ssl == NULL || io_tls_has(c->pool->up->tls, c->stream->ssl);
}

/* Nothing to read: no end, and no bytes that nobody asked for. What is TLS's own (tickets, key
 * updates) is no data: the read then says AGAIN. */
static bool is_quiet(struct connection *c)
{
    char byte;
    size_t n;
    struct fault f = { 0 };
    return io_stream_read(c->stream, &byte, 1, &n, &f) == IO_AGAIN;
}

void pool_release(struct connection *c)
{
    struct upstream *u = c->pool->up;
    bool is_bad =
        c->is_spent || has_aged(c, io_now_ms(u->loop)) || !has_good_addr(c) || !has_identity(c);
    if (is_bad || (io_stream_has_pending(c->stream) && !is_quiet(c))) {
        connection_close(c);
        return;
    }
    io_block_give(u->loop, &c->in);
    c->x = NULL;
    c->lease_id++;
    u->counts.n_busy--;
    connection_want(c, IO_READ);
    idle_add(c);
}

void pool_on_idle_readable(struct connection *c)
{
    if (!is_quiet(c))
        connection_close(c);
}

/* Closes the idle connections of addresses that are not good any more. */
static void drain(struct pool *p)
{
    p->epoch++;
    for (struct list *it = p->idle.next, *after; it != &p->idle; it = after) {
        after = it->next;
        struct connection *c = conn_of_pool_node(it);
        if (!has_good_addr(c))
            connection_close(c);
    }
}

void pool_answered(struct pool *p, const struct addr *addrs, unsigned n, uint64_t expires_ms)
{
    uint64_t now = io_now_ms(p->up->loop);
    p->expires_ms = expires_ms;
    addr_book_seen(&p->book, addrs, n, now);
    if (addr_book_expire(&p->book, now))
        drain(p);
}

void pool_addr_failed(struct pool *p, const struct addr *a)
{
    addr_book_failed(&p->book, a, io_now_ms(p->up->loop));
    drain(p);
}

/* ---- refreshing names in the background ---- */

enum { REFRESH_AGAIN_MS = 1000 };

struct pool_refresh {
    struct dns_resolve resolve;
};

static void refresh_end(struct pool *p)
{
    dns_resolve_cancel(&p->refresh->resolve);
    io_free_later(p->up->loop, p->refresh);
    p->refresh = NULL;
}

static void on_refreshed(struct dns_resolve *r)
{
    struct pool *p = r->owner;
    uint64_t again = io_now_ms(p->up->loop) + REFRESH_AGAIN_MS;
    if (r->n_addrs > 0) {
        pool_answered(p, r->addrs, r->n_addrs, r->expires_ms > again ? r->expires_ms : again);
    } else {
        /* What stands stays: a fault of DNS is none of the connections (docs/PROXY.md). */
        addr_book_negative(&p->book);
        p->expires_ms = again;
    }
    refresh_end(p);
    arm_refresh(p);
}

static void refresh_start(struct pool *p)
{
    p->refresh = calloc(1, sizeof *p->refresh);
    if (!p->refresh)
        return;
    p->refresh->resolve.owner = p;
    p->refresh->resolve.on_done = on_refreshed;
    dns_resolve_start(&p->refresh->resolve, p->up->dns, pool_name(p), p->port, p->policy);
}

struct connection *pool_lease(struct pool *p, uint64_t max_idle_ms)
{
    uint64_t now = io_now_ms(p->up->loop);
    if (now >= p->expires_ms && !p->refresh && p->n_idle > 0)
        refresh_start(p);
    while (!list_is_empty(&p->idle)) {
        struct connection *c = conn_of_pool_node(p->idle.next);
        if (now - c->idle_since_ms >= max_idle_ms)
            return NULL; /* and the others are idle for longer */
        if (has_aged(c, now)) {
            connection_close(c);
            continue;
        }
        idle_remove(c);
        return c;
    }
    return NULL;
}

/* ---- the table of pools ---- */

static void pool_free(struct pool *p)
{
    struct pool **at = &p->up->buckets[p->hash % UPSTREAM_BUCKETS];
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->up->n_pools--;
    if (p->refresh)
        refresh_end(p);
    free(p);
}

/* Frees those that nothing refers to and nobody asked for since before_ms; of one bucket. */
static void bucket_forget(struct upstream *u, size_t bucket, uint64_t before_ms)
{
    for (struct pool *p = u->buckets[bucket], *next; p; p = next) {
        next = p->next;
        if (p->n_refs == 0 && p->used_ms <= before_ms)
            pool_free(p);
    }
}

/* Makes room for one more pool: the one that was unused longest goes. */
static void pools_make_room(struct upstream *u)
{
    struct pool *oldest = NULL;
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++) {
        for (struct pool *p = u->buckets[i]; p; p = p->next) {
            if (p->n_refs == 0 && (!oldest || p->used_ms < oldest->used_ms))
                oldest = p;
        }
    }
    /* When all are in use, their number is bounded by that of connections. */
    if (oldest)
        pool_free(oldest);
}

static bool pool_is(const struct pool *p, uint64_t hash, const struct origin *o, struct str name)
{
    return p->hash == hash && p->port == o->port && p->scheme == o->scheme &&
           p->policy == o->policy && str_eq(pool_name(p), name);
}

static struct pool *pool_new(struct upstream *u, uint64_t hash, const struct origin *o,
                             struct str name)
{
    if (u->n_pools >= UPSTREAM_MAX_POOLS)
        pools_make_room(u);
    struct pool *p = calloc(1, sizeof *p + name.n);
    if (!p)
        return NULL;
    p->up = u;
    p->hash = hash;
    p->scheme = o->scheme;
    p->policy = o->policy;
    p->book.is_newest_only = o->policy == DNS_POLICY_REGISTRY;
    p->port = o->port;
    p->n_name = (uint8_t)name.n;
    memcpy(p->name, name.p, name.n);
    list_init(&p->idle);
    p->next = u->buckets[hash % UPSTREAM_BUCKETS];
    u->buckets[hash % UPSTREAM_BUCKETS] = p;
    u->n_pools++;
    sweep_arm(u, io_now_ms(u->loop) + POOL_FORGET_MS);
    return p;
}

struct pool *pool_get(struct upstream *u, const struct origin *o)
{
    char lower[POOL_NAME_BYTES];
    if (o->host.n == 0 || o->host.n > sizeof lower)
        return NULL;
    for (size_t i = 0; i < o->host.n; i++)
        lower[i] = ascii_lower(o->host.p[i]);
    struct str name = str_of(lower, o->host.n);
    uint64_t hash = hash_bytes(&u->key, name);
    struct pool *p = u->buckets[hash % UPSTREAM_BUCKETS];
    while (p && !pool_is(p, hash, o, name))
        p = p->next;
    if (!p)
        p = pool_new(u, hash, o, name);
    if (p)
        p->used_ms = io_now_ms(u->loop);
    return p;
}

/* ---- the worker's upstream ---- */

/* Of one bucket: the names of idle connections whose time is over. */
static void bucket_refresh(struct upstream *u, size_t bucket, uint64_t now_ms)
{
    for (struct pool *p = u->buckets[bucket]; p; p = p->next) {
        bool is_due = p->book.is_newest_only && p->n_idle > 0 && now_ms >= p->expires_ms;
        if (is_due && p->refresh == NULL)
            refresh_start(p);
        arm_refresh(p);
    }
}

/* Closes what was idle too long; refreshes names; then forgets pools that nobody uses. */
static void on_sweep(struct io_timer *t)
{
    struct upstream *u = LIST_ENTRY(t, struct upstream, sweep);
    uint64_t now = io_now_ms(u->loop);
    u->sweep_at_ms = UINT64_MAX;
    while (!list_is_empty(&u->idle)) {
        struct connection *c = LIST_ENTRY(u->idle.next, struct connection, idle_node);
        uint64_t end = c->idle_since_ms + u->conf->upstream_idle_ms;
        if (end > now) {
            sweep_arm(u, end);
            break;
        }
        connection_close(c);
    }
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++) {
        bucket_refresh(u, i, now);
        if (now > POOL_FORGET_MS)
            bucket_forget(u, i, now - POOL_FORGET_MS);
    }
    if (u->n_pools > 0)
        sweep_arm(u, now + POOL_FORGET_MS);
}

/* What is idle now was in use seconds ago, so descriptors are all that it takes from others: a
 * quarter of them, for all workers together. A lower bound costs a handshake for each request as
 * soon as more than that many come and go at a time. */
static size_t most_idle(const struct conf *conf)
{
    struct rlimit files;
    size_t n = UPSTREAM_MAX_IDLE;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur / 4 / conf->workers < n)
        n = (size_t)(files.rlim_cur / 4 / conf->workers);
    return n > UPSTREAM_MIN_IDLE ? n : UPSTREAM_MIN_IDLE;
}

struct upstream *upstream_new(struct io_loop *loop, struct dns_engine *dns, struct io_tls *tls,
                              const struct conf *conf, struct fault *f)
{
    struct upstream *u = calloc(1, sizeof *u);
    if (!u) {
        fault_set(f, FAULT_NO_MEMORY, "start", NULL);
        return NULL;
    }
    u->loop = loop;
    u->dns = dns;
    u->tls = tls;
    u->conf = conf;
    list_init(&u->idle);
    u->sweep.on_fire = on_sweep;
    u->sweep_at_ms = UINT64_MAX;
    u->max_idle = most_idle(conf);
    if (RAND_bytes((unsigned char *)&u->key, sizeof u->key) != 1) {
        fault_set(f, FAULT_SYSTEM, "start", "no random bytes");
        free(u);
        return NULL;
    }
    return u;
}

void upstream_on_board(struct upstream *u, struct upstream_board *board)
{
    u->board = board;
}

void upstream_set(struct upstream *u, struct io_tls *tls, const struct conf *conf)
{
    u->tls = tls;
    u->conf = conf;
    for (struct list *it = u->idle.next, *after; it != &u->idle; it = after) {
        after = it->next;
        struct connection *c = LIST_ENTRY(it, struct connection, idle_node);
        if (!has_identity(c))
            connection_close(c);
    }
    /* What is idle may be idle for too long now. */
    if (!list_is_empty(&u->idle))
        sweep_arm(u, io_now_ms(u->loop));
}

void upstream_free(struct upstream *u)
{
    if (!u)
        return;
    while (!list_is_empty(&u->idle))
        connection_close(LIST_ENTRY(u->idle.next, struct connection, idle_node));
    for (size_t i = 0; i < UPSTREAM_BUCKETS; i++)
        bucket_forget(u, i, UINT64_MAX);
    io_timer_disarm(u->loop, &u->sweep);
    free(u);
}

struct upstream_counts upstream_count(const struct upstream *u)
{
    return u->counts;
}
