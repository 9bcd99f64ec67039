#include "doctor/log_facts.h"

#include <time.h>

static struct str time_text(struct fact_book *book, int64_t ms)
{
    struct tm tm;
    char text[32];
    time_t s = (time_t)(ms / 1000);
    if (gmtime_r(&s, &tm) == NULL || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        return (struct str){ NULL, 0 };
    return fact_text(book, str_from_c(text));
}

static void add_group(const struct log_group *from, struct fact_log *log, struct fact_book *book)
{
    const struct log_kind_row *row = log_kind_row(from->kind);
    enum finding_code hints[LOG_MAX_HINTS];
    struct fact_log_group g;
    FACT_CLEAR(log_group, &g);
    g.kind = fact_text(book, str_from_c(row->name));
    g.meaning = fact_text(book, str_from_c(row->meaning));
    g.name = fact_text(book, str_from_c(from->name));
    g.server = fact_text(book, str_from_c(from->server));
    g.count = (int64_t)from->n_lines;
    if (from->has_time) {
        g.first = time_text(book, from->first_ms);
        g.last = time_text(book, from->last_ms);
    }
    g.sample = fact_text(book, str_from_c(from->sample));
    g.is_dns = fact_truth_of(row->about == LOG_ABOUT_DNS);
    g.is_consequence = fact_truth_of(row->is_consequence);
    g.is_start = fact_truth_of(from->is_start);
    unsigned n = log_group_hints(from, hints);
    for (unsigned i = 0; i < n; i++)
        fact_add_text(book, &g.hints, str_from_c(finding_row(hints[i])->code));
    fact_add(book, &log->groups, &g);
}

void log_facts(struct log_report *report, struct str source, struct fact_book *book)
{
    struct fact_log *log = &book->facts.log;
    struct log_counts counts = log_report_counts(report);
    struct str error = log->error;
    FACT_CLEAR(log, log);
    log->error = error;
    log->source = fact_text(book, source);
    log->lines = (int64_t)counts.n_lines;
    log->recognised = (int64_t)counts.n_recognised;
    log->other_groups = (int64_t)counts.n_ungrouped;
    for (unsigned i = 0; i < log_report_n_groups(report); i++)
        add_group(log_report_group(report, i), log, book);
}
