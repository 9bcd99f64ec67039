#include "obs/metrics.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

/* Behind the counters: of each histogram its buckets and its sum. */
enum {
    HISTOGRAM_CELLS = HISTOGRAM_MAX_BOUNDS + 2,
    N_CELLS = N_METRICS + N_HISTOGRAMS * HISTOGRAM_CELLS,
};

/*
 * The counts of one thread. Only its thread writes, so a load and a store are enough; others read.
 * A shard outlives its thread, for its counts belong to the sums; the next new thread takes it
 * over, so there are never more shards than threads at once.
 */
struct shard {
    _Alignas(64) _Atomic uint64_t count[N_CELLS]; /* no cache line has two writers */
    atomic_bool is_taken;
    struct shard *next;
};

/* Expressly shared. The first serves whoever comes without memory for a shard, so it is counted in
 * with read-modify-write. */
static struct shard common = { .is_taken = true };
static _Atomic(struct shard *) shards = &common;

static _Thread_local struct shard *mine;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;
static bool has_key;

static const struct metric_family families[N_FAMILIES] = {
#define FAMILY(id, type, name, help, use) [FAMILY_##id] = { METRIC_##type, name, help, use },
#include "obs/metrics.def"
};

static const struct metric_row rows[N_METRICS] = {
#define METRIC(id, family, labels) [METRIC_##id] = { &families[FAMILY_##family], labels },
#include "obs/metrics.def"
#define FAULT(id, name, status, code, stage, sentence)                                             \
    [METRIC_FAULT_FIRST + FAULT_##id] = { &families[FAMILY_FAULTS_TOTAL], "kind=\"" name "\"" },
#include "base/fault.def"
#undef FAULT
};

/* Bounds in microseconds. Of a request: from what a cache next door takes to a transfer of minutes.
 */
static const uint32_t request_bounds[] = { 1000,    5000,     10000,    25000,    50000,
                                           100000,  250000,   500000,   1000000,  2500000,
                                           5000000, 10000000, 60000000, 600000000 };
static const uint32_t lookup_bounds[] = {
    100,   500,    1000,   2500,   5000,    10000,   25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000
};

#define N_BOUNDS(bounds) (sizeof(bounds) / sizeof(bounds)[0])
_Static_assert(N_BOUNDS(request_bounds) <= HISTOGRAM_MAX_BOUNDS, "buckets");
_Static_assert(N_BOUNDS(lookup_bounds) <= HISTOGRAM_MAX_BOUNDS, "buckets");

static const struct histogram_row histograms[N_HISTOGRAMS] = {
#define HISTOGRAM(id, family, bounds, labels)                                                      \
    [HISTOGRAM_##id] = { &families[FAMILY_##family], labels, N_BOUNDS(bounds), bounds },
#include "obs/metrics.def"
};

const struct metric_family *metric_family(unsigned family)
{
    return family < N_FAMILIES ? &families[family] : NULL;
}

const struct histogram_row *histogram_row(unsigned histogram)
{
    return histogram < N_HISTOGRAMS ? &histograms[histogram] : NULL;
}

const struct metric_row *metric_row(unsigned metric)
{
    return metric < N_METRICS ? &rows[metric] : NULL;
}

static void give_back(void *shard)
{
    mine = NULL;
    atomic_store_explicit(&((struct shard *)shard)->is_taken, false, memory_order_release);
}

static void make_key(void)
{
    has_key = pthread_key_create(&thread_end, give_back) == 0;
}

static struct shard *take_shard(void)
{
    for (struct shard *s = atomic_load(&shards); s; s = s->next) {
        bool is_taken = false;
        if (atomic_compare_exchange_strong(&s->is_taken, &is_taken, true))
            return s;
    }
    struct shard *s = has_key ? aligned_alloc(_Alignof(struct shard), sizeof *s) : NULL;
    if (s == NULL)
        return &common;
    memset(s, 0, sizeof *s);
    atomic_store(&s->is_taken, true);
    s->next = atomic_load(&shards);
    while (!atomic_compare_exchange_weak(&shards, &s->next, s))
        ;
    return s;
}

static struct shard *my_shard(void)
{
    if (mine == NULL) {
        pthread_once(&once, make_key);
        mine = take_shard();
        if (mine != &common)
            pthread_setspecific(thread_end, mine);
    }
    return mine;
}

static void add(struct shard *s, unsigned cell, uint64_t n)
{
    if (s == &common) {
        atomic_fetch_add_explicit(&s->count[cell], n, memory_order_relaxed);
        return;
    }
    uint64_t now = atomic_load_explicit(&s->count[cell], memory_order_relaxed);
    atomic_store_explicit(&s->count[cell], now + n, memory_order_relaxed);
}

void metric_add(enum metric m, uint64_t n)
{
    add(my_shard(), m, n);
}

void metric_observe(enum histogram h, uint64_t us)
{
    const struct histogram_row *row = &histograms[h];
    struct shard *s = my_shard();
    unsigned bucket = 0, first = N_METRICS + h * HISTOGRAM_CELLS;
    while (bucket < row->n_bounds && us > row->bounds_us[bucket])
        bucket++;
    add(s, first + bucket, 1);
    add(s, first + HISTOGRAM_CELLS - 1, us);
}

void metric_sub(enum metric m, uint64_t n)
{
    metric_add(m, -n); /* modulo 2^64: the sum over all threads is right */
}

void metric_fault(enum fault_kind kind)
{
    if ((unsigned)kind < N_FAULTS)
        metric_add((enum metric)(METRIC_FAULT_FIRST + (unsigned)kind), 1);
}

void metric_response(int http_status)
{
    int class = http_status / 100;
    if (class >= 2 && class <= 5)
        metric_add((enum metric)(METRIC_RESPONSES_2XX + class - 2), 1);
}

static uint64_t sum_of(unsigned cell)
{
    uint64_t sum = 0;
    for (struct shard *s = atomic_load(&shards); s; s = s->next)
        sum += atomic_load_explicit(&s->count[cell], memory_order_relaxed);
    return sum;
}

uint64_t metric_read(unsigned metric)
{
    return metric < N_METRICS ? sum_of(metric) : 0;
}

/* The number is that of the buckets as they were read, so that a page of them agrees with itself.
 */
void histogram_read(unsigned histogram, struct histogram_sums *out)
{
    *out = (struct histogram_sums){ 0 };
    if (histogram >= N_HISTOGRAMS)
        return;
    unsigned first = N_METRICS + histogram * HISTOGRAM_CELLS;
    for (unsigned b = 0; b <= histograms[histogram].n_bounds; b++)
        out->n += out->buckets[b] = sum_of(first + b);
    out->sum_us = sum_of(first + HISTOGRAM_CELLS - 1);
}

void metrics_read(uint64_t out[static N_METRICS])
{
    for (unsigned i = 0; i < N_METRICS; i++)
        out[i] = metric_read(i);
}
