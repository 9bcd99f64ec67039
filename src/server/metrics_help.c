#include "server/metrics_help.h"

#include "dns/counts.h"

enum { LABEL_BYTES = 4096, MAX_VALUES = 12 };

/* Of all samples of a family: labels in the exposition's form, NULL behind the last one. */
typedef const char *(*labels_at)(unsigned family, unsigned n, const char **dynamic);

static const char *own_labels(unsigned family, unsigned n, const char **dynamic)
{
    const struct metric_family *f = metric_family(family);
    *dynamic = NULL;
    if (family == FAMILY_BUILD_INFO)
        *dynamic = "version";
    for (unsigned m = 0; m < N_METRICS; m++)
        if (metric_row(m)->family == f && n-- == 0)
            return metric_row(m)->labels;
    for (unsigned h = 0; h < N_HISTOGRAMS; h++)
        if (histogram_row(h)->family == f && n-- == 0)
            return histogram_row(h)->labels;
    return NULL;
}

static const struct group {
    const char *title;
    const struct metric_family *(*family)(unsigned family);
    labels_at labels;
} groups[] = {
    { "The process", metric_family, own_labels },
    { "Each DNS server, each zone, the cache of answers", dns_counts_family, dns_counts_labels },
};

/* `key="value"` of one label, as all rows have it. */
static struct str value_of(const char *labels, struct str *key)
{
    struct str text = str_from_c(labels);
    size_t eq = str_find(text, '=', 0);
    *key = str_first(text, eq);
    struct str quoted = str_from(text, eq + 1);
    return quoted.n >= 2 ? str_of(quoted.p + 1, quoted.n - 2) : STR("");
}

/* "server; rcode: NOERROR, NXDOMAIN". Of many values only their number is told. */
static void write_labels(const struct group *g, unsigned family, const char *mark, struct buf *out)
{
    const char *dynamic, *labels;
    struct str key = STR("");
    struct buf values;
    unsigned n = 0;
    buf_init(&values, LABEL_BYTES);
    for (; (labels = g->labels(family, n, &dynamic)) != NULL && labels[0] != 0; n++) {
        struct str value = value_of(labels, &key);
        buf_printf(&values, "%s%s%.*s%s", n > 0 ? ", " : "", mark, STR_ARG(value), mark);
    }
    g->labels(family, 0, &dynamic);
    if (dynamic != NULL)
        buf_printf(out, "%s%s%s%s", mark, dynamic, mark, n > 0 ? "; " : "");
    if (n > MAX_VALUES)
        buf_printf(out, "%s%.*s%s: one of %u", mark, STR_ARG(key), mark, n);
    else if (n > 0)
        buf_printf(out, "%s%.*s%s: %.*s", mark, STR_ARG(key), mark, STR_ARG(buf_str(&values)));
    buf_done(&values);
}

/* By Prometheus' conventions the name says it. */
static const char *unit_of(const struct metric_family *f)
{
    static const struct {
        struct str end;
        const char *unit;
    } units[] = {
        { STR_INIT("_bytes"), "bytes" },
        { STR_INIT("_packets"), "packets" },
        { STR_INIT("_seconds"), "seconds" },
    };
    struct str name = str_from_c(f->name);
    if (f->kind == METRIC_TIME)
        return "Unix time, seconds";
    if (str_ends(name, STR("_total")))
        name = str_first(name, name.n - STR("_total").n);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_ends(name, units[i].end))
            return units[i].unit;
    return "";
}

void metrics_help(struct buf *out)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct metric_family *f;
        for (unsigned n = 0; (f = groups[i].family(n)) != NULL; n++) {
            buf_printf(out, "%s (%s) ", f->name, metric_kind_text(f->kind));
            write_labels(&groups[i], n, "", out);
            while (out->n > 0 && out->p[out->n - 1] == ' ')
                out->n--;
            buf_printf(out, "\n    %s\n    %s\n", f->help, f->use);
        }
    }
}

void metrics_help_markdown(struct buf *out)
{
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        const struct metric_family *f;
        buf_printf(out,
                   "%s### %s\n\n| metric | type | labels | unit | meaning | what to do with it |\n"
                   "| --- | --- | --- | --- | --- | --- |\n",
                   i > 0 ? "\n" : "", groups[i].title);
        for (unsigned n = 0; (f = groups[i].family(n)) != NULL; n++) {
            buf_printf(out, "| `%s` | %s | ", f->name, metric_kind_text(f->kind));
            write_labels(&groups[i], n, "`", out);
            buf_printf(out, " | %s | %s | %s |\n", unit_of(f), f->help, f->use);
        }
    }
}
