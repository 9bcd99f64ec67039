#pragma once
/*
 * Counters and histograms: rows of metrics.def, and one per row of fault.def. Each thread counts in
 * a shard of its own without atomic read-modify-write; reading sums the shards, so a sum may be a
 * moment old but never loses a count. Nothing is ever reset: a thread that ends leaves its counts
 * in the sum.
 */
#include "base/buf.h"
#include "base/fault.h"

#include <stdint.h>

enum metric {
#define METRIC(id, kind, name, labels, help) METRIC_##id,
#include "obs/metrics.def"
#undef METRIC
    METRIC_FAULT_FIRST,
    N_METRICS = METRIC_FAULT_FIRST + N_FAULTS
};

enum histogram {
#define HISTOGRAM(id, bounds, name, labels, help) HISTOGRAM_##id,
#include "obs/metrics.def"
#undef HISTOGRAM
    N_HISTOGRAMS
};

enum { HISTOGRAM_MAX_BOUNDS = 14 };

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE };

struct metric_row {
    enum metric_kind kind;
    const char *name;   /* penstock_client_bytes_total */
    const char *labels; /* direction="in"; empty for none */
    const char *help;   /* the same for all rows of a name */
};

/* Faults are penstock_faults_total with the label kind. */
const struct metric_row *metric_row(unsigned metric);

void metric_add(enum metric m, uint64_t n);
/* Gauges only. What one thread adds another may take away. */
void metric_sub(enum metric m, uint64_t n);
/* A request (or an operation of ours) ended with this fault; FAULT_NONE is counted too. */
void metric_fault(enum fault_kind kind);
/* By status: 1xx and strange ones are counted nowhere. */
void metric_response(int http_status);

/* A duration: one more in its bucket, and so much more in the sum. */
void metric_observe(enum histogram h, uint64_t us);

uint64_t metric_read(unsigned metric);

struct histogram_row {
    const char *name, *labels, *help; /* as of metric_row */
    unsigned n_bounds;
    const uint32_t *bounds_us; /* growing; a bucket has what is at most its bound */
};
const struct histogram_row *histogram_row(unsigned histogram);
struct histogram_sums {
    uint64_t n, sum_us;
    uint64_t buckets[HISTOGRAM_MAX_BOUNDS + 1]; /* not cumulative; the last: beyond all bounds */
};
void histogram_read(unsigned histogram, struct histogram_sums *out);
/* All at once, for one page of figures. */
void metrics_read(uint64_t out[static N_METRICS]);
/* All rows in Prometheus' text format (version 0.0.4). */
void metrics_write(struct buf *out);
