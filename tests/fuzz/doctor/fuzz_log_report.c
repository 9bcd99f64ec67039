/*
 * Any log: in pieces it gives the same as whole, the groups and what is not in them make up all
 * that was recognised, and their texts end.
 */
#include "doctor/log_report.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void feed(struct log_report *r, struct str text, size_t piece)
{
    for (struct str rest = text; rest.n > 0; rest = str_from(rest, piece)) {
        struct str part = str_first(rest, piece);
        char *copy = exact_copy(part.p, part.n);
        log_report_feed(r, str_of(copy, part.n));
        free(copy);
    }
    log_report_end(r);
}

static void check(struct log_report *r)
{
    struct log_counts c = log_report_counts(r);
    uint64_t n = c.n_ungrouped, last = UINT64_MAX;
    struct buf text;
    buf_init(&text, 1024 * 1024);
    for (unsigned i = 0; i < log_report_n_groups(r); i++) {
        const struct log_group *g = log_report_group(r, i);
        enum finding_code codes[LOG_MAX_HINTS];
        if (g->n_lines == 0 || g->n_lines > last || g->kind == LOG_KIND_NONE ||
            strnlen(g->name, sizeof g->name) == sizeof g->name ||
            strnlen(g->server, sizeof g->server) == sizeof g->server ||
            strnlen(g->sample, sizeof g->sample) == sizeof g->sample ||
            (g->has_time && g->first_ms > g->last_ms) || log_group_hints(g, codes) > LOG_MAX_HINTS)
            abort();
        last = g->n_lines;
        n += g->n_lines;
        log_group_sentence(g, &text);
    }
    log_report_sentence(r, &text);
    if (n != c.n_recognised || c.n_dns + c.n_consequences > n || c.n_recognised > c.n_lines)
        abort();
    buf_done(&text);
}

static void check_same(struct log_report *a, struct log_report *b)
{
    struct log_counts x = log_report_counts(a), y = log_report_counts(b);
    if (memcmp(&x, &y, sizeof x) != 0 || log_report_n_groups(a) != log_report_n_groups(b))
        abort();
    for (unsigned i = 0; i < log_report_n_groups(a); i++) {
        const struct log_group *g = log_report_group(a, i), *h = log_report_group(b, i);
        if (g->kind != h->kind || g->n_lines != h->n_lines || g->first_ms != h->first_ms ||
            g->last_ms != h->last_ms || strcmp(g->name, h->name) != 0 ||
            strcmp(g->server, h->server) != 0 || strcmp(g->sample, h->sample) != 0)
            abort();
    }
}

/* The first byte is the size of the pieces, the second that of the table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct str text = str_of((const char *)data + 2, n - 2);
    unsigned max_groups = 1 + data[1] % 8;
    struct log_report *whole = log_report_new(max_groups), *pieces = log_report_new(max_groups);
    if (whole == NULL || pieces == NULL)
        abort();
    feed(whole, text, text.n);
    feed(pieces, text, 1 + (size_t)data[0]);
    check(whole);
    check(pieces);
    check_same(whole, pieces);
    log_report_free(whole);
    log_report_free(pieces);
    return 0;
}
