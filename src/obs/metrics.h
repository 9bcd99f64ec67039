#pragma once
/*
 * Counters and histograms: rows of metrics.def, and one per row of fault.def. Rows of one name are
 * a family; those of metrics that other rooms count are theirs (dns/counts.h). Each thread counts
 * in a shard of its own without atomic read-modify-write; reading sums the shards, so a sum may be
 * a moment old but never loses a count. Nothing is ever reset: a thread that ends leaves its counts
 * in the sum.
 */
#include "base/buf.h"
#include "base/fault.h"

#include <stdint.h>

enum metric {
#define METRIC(id, family, labels) METRIC_##id,
#include "obs/metrics.def"
    METRIC_FAULT_FIRST,
    N_METRICS = METRIC_FAULT_FIRST + N_FAULTS
};

enum histogram {
#define HISTOGRAM(id, family, bounds, labels) HISTOGRAM_##id,
#include "obs/metrics.def"
    N_HISTOGRAMS
};

enum metric_family_id {
#define FAMILY(id, type, name, help, use) FAMILY_##id,
#include "obs/metrics.def"
    N_FAMILIES
};

enum { HISTOGRAM_MAX_BOUNDS = 14 };

/* TIME: a gauge, a moment in Unix time; it has no sample while it is 0. */
enum metric_kind {
    METRIC_COUNTER,
    METRIC_GAUGE,
    METRIC_TIME,
    METRIC_HISTOGRAM,
    METRIC_SUMMARY,
};

struct metric_family {
    enum metric_kind kind;
    const char *name; /* penstock_client_bytes_total */
    const char *help;
    const char *use; /* what to do with it: docs/METRICS.md */
};
/* Those of this process's own rows, in their order; NULL behind the last one. */
const struct metric_family *metric_family(unsigned family);
const char *metric_kind_text(enum metric_kind kind); /* as Prometheus calls it */
/* HELP and TYPE. Texts of tables need no escapes: neither backslashes nor line ends are in them. */
void metric_family_write(struct buf *out, const struct metric_family *f);
/* The name, labels in braces where there are some, a space. */
void metric_sample_write(struct buf *out, const char *name, const char *labels);

struct metric_row {
    const struct metric_family *family;
    const char *labels; /* direction="in"; empty for none */
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
    const struct metric_family *family;
    const char *labels;
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
/* All rows in Prometheus' text format (version 0.0.4), then metrics_write_process. */
void metrics_write(struct buf *out);
/* What the kernel says of the process; what it does not say is left out. */
void metrics_write_process(struct buf *out);
