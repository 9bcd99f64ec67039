#include "obs/metrics.h"

#include <stdio.h>
#include <string.h>

const char *metric_kind_text(enum metric_kind kind)
{
    static const char *const names[] = {
        [METRIC_COUNTER] = "counter",     [METRIC_GAUGE] = "gauge",     [METRIC_TIME] = "gauge",
        [METRIC_HISTOGRAM] = "histogram", [METRIC_SUMMARY] = "summary",
    };
    return names[kind];
}

void metric_family_write(struct buf *out, const struct metric_family *f)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name,
               metric_kind_text(f->kind));
}

void metric_sample_write(struct buf *out, const char *name, const char *labels)
{
    buf_append(out, str_from_c(name));
    if (labels[0] != 0)
        buf_printf(out, "{%s}", labels);
    buf_byte(out, ' ');
}

/* Without the zeros at the end: "0.005", "60". */
static void write_bound(struct buf *out, uint32_t us)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%u.%06u", us / 1000000, us % 1000000);
    while (text[n - 1] == '0')
        n--;
    if (text[n - 1] == '.')
        n--;
    buf_append(out, str_of(text, (size_t)n));
}

static void write_part(struct buf *out, const struct histogram_row *row, const char *part)
{
    char name[128];
    snprintf(name, sizeof name, "%s%s", row->family->name, part);
    metric_sample_write(out, name, row->labels);
}

static void write_histogram(struct buf *out, unsigned histogram)
{
    const struct histogram_row *row = histogram_row(histogram);
    struct histogram_sums v;
    uint64_t below = 0;
    histogram_read(histogram, &v);
    for (unsigned b = 0; b <= row->n_bounds; b++) {
        below += v.buckets[b];
        buf_printf(out, "%s_bucket{%s%sle=\"", row->family->name, row->labels,
                   row->labels[0] != 0 ? "," : "");
        if (b < row->n_bounds)
            write_bound(out, row->bounds_us[b]);
        else
            buf_append(out, STR("+Inf"));
        buf_printf(out, "\"} %llu\n", (unsigned long long)below);
    }
    write_part(out, row, "_sum");
    buf_printf(out, "%llu.%06u\n", (unsigned long long)(v.sum_us / 1000000),
               (unsigned)(v.sum_us % 1000000));
    write_part(out, row, "_count");
    buf_printf(out, "%llu\n", (unsigned long long)v.n);
}

static void write_histograms(struct buf *out)
{
    const struct metric_family *before = NULL;
    for (unsigned h = 0; h < N_HISTOGRAMS; h++) {
        const struct metric_family *family = histogram_row(h)->family;
        if (family != before)
            metric_family_write(out, family);
        before = family;
        write_histogram(out, h);
    }
}

void metrics_write(struct buf *out)
{
    uint64_t v[N_METRICS];
    metrics_read(v);
    const struct metric_family *before = NULL;
    for (unsigned m = 0; m < N_METRICS; m++) {
        const struct metric_row *row = metric_row(m);
        if (row->family->kind == METRIC_TIME && v[m] == 0)
            continue;
        if (row->family != before)
            metric_family_write(out, row->family);
        before = row->family;
        metric_sample_write(out, row->family->name, row->labels);
        /* A gauge is a difference of sums that were read one after the other: never below 0. */
        buf_u64(out, row->family->kind != METRIC_COUNTER && v[m] > INT64_MAX ? 0 : v[m]);
        buf_byte(out, '\n');
    }
    write_histograms(out);
    metrics_write_process(out);
}
