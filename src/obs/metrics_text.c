#include "obs/metrics.h"

#include <string.h>

static void write_family(struct buf *out, const struct metric_row *row)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
               row->kind == METRIC_GAUGE ? "gauge" : "counter");
}

void metrics_write(struct buf *out)
{
    uint64_t v[N_METRICS];
    metrics_read(v);
    const struct metric_row *before = NULL;
    for (unsigned m = 0; m < N_METRICS; m++) {
        const struct metric_row *row = metric_row(m);
        if (before == NULL || strcmp(before->name, row->name) != 0)
            write_family(out, row);
        before = row;
        buf_append(out, str_from_c(row->name));
        if (row->labels[0] != 0)
            buf_printf(out, "{%s}", row->labels);
        buf_byte(out, ' ');
        /* A gauge is a difference of sums that were read one after the other: never below 0. */
        buf_u64(out, row->kind == METRIC_GAUGE && v[m] > INT64_MAX ? 0 : v[m]);
        buf_byte(out, '\n');
    }
}
