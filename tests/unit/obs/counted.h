#pragma once
/* What was counted since a moment, for tests of whoever counts. */
#include "obs/metrics.h"

struct counted {
    uint64_t before[N_METRICS];
};

static inline void counted_begin(struct counted *c)
{
    metrics_read(c->before);
}

/* A gauge that sank gives a negative number. */
static inline int counted(const struct counted *c, enum metric m)
{
    return (int)(int64_t)(metric_read(m) - c->before[m]);
}
