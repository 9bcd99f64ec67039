#include "cli/doctor_text.h"

#include "doctor/facts_view.h"

#include <stdio.h>

static enum style severity_style(enum finding_severity s)
{
    return s == FINDING_ERROR ? STYLE_BAD : s == FINDING_WARNING ? STYLE_WARN : STYLE_PLAIN;
}

static char severity_mark(enum finding_severity s)
{
    return s == FINDING_ERROR ? 'x' : s == FINDING_WARNING ? '!' : 'i';
}

static void put(struct output *o, const char *text)
{
    buf_append(&o->text, str_from_c(text));
}

/* Words of text, wrapped; every line begins with so many spaces. A command is not wrapped: it is
 * copied and run. */
static void put_wrapped(struct output *o, enum style style, unsigned indent, struct str text)
{
    bool is_command = str_starts(text, STR("aws ")) || str_starts(text, STR("penstock ")) ||
                      str_starts(text, STR("  "));
    while (text.n > 0) {
        size_t room = DOCTOR_TEXT_COLUMNS - indent, n = text.n;
        if (n > room && !is_command) {
            n = room;
            while (n > 0 && text.p[n] != ' ')
                n--;
            if (n == 0)
                n = str_find(text, ' ', 0);
        }
        buf_printf(&o->text, "%*s", (int)indent, "");
        output_text(o, style, str_first(text, n));
        buf_byte(&o->text, '\n');
        text = str_trim(str_from(text, n));
    }
}

static void put_lines(struct output *o, enum style style, unsigned indent,
                      const struct fact_texts *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        put_wrapped(o, style, indent, lines->v[i]);
}

static void put_head(struct output *o, const struct fact_facts *f)
{
    struct str task = f->metadata.task_arn.n > 0 ? f->metadata.task_arn : f->surroundings.task;
    for (size_t slash; (slash = str_find(task, '/', 0)) < task.n;)
        task = str_from(task, slash + 1);
    output_text(o, STYLE_BOLD, STR("penstock doctor"));
    if (task.n > 0)
        buf_printf(&o->text, "   task %.*s", STR_ARG(str_first(task, 12)));
    if (f->surroundings.region.n > 0)
        buf_printf(&o->text, "   %.*s", STR_ARG(f->surroundings.region));
    put(o, "\n");
}

static void put_title(struct output *o, const struct finding *f)
{
    char mark[16];
    snprintf(mark, sizeof mark, "%c %s", severity_mark(f->severity), finding_row(f->code)->code);
    output_text(o, severity_style(f->severity), str_from_c(mark));
    put(o, "  ");
    output_text(o, STYLE_BOLD, f->title);
    if (f->cause != 'o') {
        char cause[128];
        snprintf(cause, sizeof cause, "   cause %c: %s", f->cause, finding_cause_text(f->cause));
        output_text(o, STYLE_DIM, str_from_c(cause));
    }
    put(o, "\n");
}

static void put_finding(struct output *o, const struct finding *f)
{
    put_title(o, f);
    put_lines(o, STYLE_PLAIN, 4, &f->evidence);
    for (size_t i = 0; i < f->fix.n; i++) {
        if (i == 0) {
            put(o, "    ");
            output_text(o, STYLE_GOOD, STR("fix:"));
            put(o, "\n");
        }
        put_wrapped(o, STYLE_PLAIN, 6, f->fix.v[i]);
    }
    put_lines(o, STYLE_DIM, 4, &f->notes);
}

/* What follows from a root cause: counted, not told again. */
static void put_consequences(struct output *o, const struct diagnosis *d)
{
    for (unsigned i = 0; i < d->n_findings; i++) {
        const struct finding *f = d->findings[i];
        if (f->rank != FINDING_CONSEQUENCE)
            continue;
        char line[64];
        snprintf(line, sizeof line, "  %s  follows from %s: ", finding_row(f->code)->code,
                 finding_row(f->because)->code);
        output_text(o, STYLE_DIM, str_from_c(line));
        output_text(o, STYLE_DIM, f->title);
        put(o, "\n");
    }
}

static void put_rank(struct output *o, const struct diagnosis *d, enum finding_rank rank)
{
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->rank == rank)
            put_finding(o, d->findings[i]);
}

/* "NXDOMAIN 4 ms", "10.0.1.99 1 ms", "8 addresses 1 ms" */
static void put_answer(struct table *t, const struct fact_question *q)
{
    struct buf text;
    if (q == NULL) {
        table_cell(t, STYLE_DIM, "-");
        return;
    }
    bool is_answer = view_is(q->outcome, "answer");
    buf_init(&text, 4096);
    if (is_answer && q->addresses.n > 1)
        buf_printf(&text, "%zu addresses, %.*s ...", q->addresses.n, STR_ARG(q->addresses.v[0]));
    else
        view_answer_text(q, &text);
    if (q->replies > 0 && q->time_us >= 0)
        buf_printf(&text, "  %lld.%lld ms", (long long)(q->time_us / 1000),
                   (long long)(q->time_us / 100 % 10));
    if (q->tries > 1 && q->replies >= 0 && q->replies < q->tries)
        buf_printf(&text, "  (%lld of %lld tries)", (long long)q->replies, (long long)q->tries);
    table_cell(t, is_answer ? STYLE_PLAIN : STYLE_BAD, "%.*s", STR_ARG(buf_str(&text)));
    buf_done(&text);
}

static bool is_listed(const struct fact_server *s)
{
    return view_is(s->source, "resolv.conf") || view_is(s->source, "settings");
}

static void put_matrix_head(struct table *t, const struct fact_facts *f, size_t n_servers)
{
    table_cell(t, STYLE_DIM, "%s", "");
    for (size_t i = 0; i < n_servers; i++) {
        const struct fact_server *s = &f->servers.v[i];
        table_cell(t, STYLE_DIM, "%.*s%s", STR_ARG(s->address),
                   s->is_amazon == FACT_YES ? " (Amazon)"
                   : is_listed(s)           ? ""
                                            : " (asked for)");
    }
    table_next(t);
}

/* Every name against every server. */
static void put_matrix(struct output *o, const struct fact_facts *f)
{
    size_t n_servers = f->servers.n < TABLE_COLUMNS - 2 ? f->servers.n : (size_t)TABLE_COLUMNS - 2;
    struct table t;
    if (n_servers == 0 || f->questions.n == 0 || !table_init(&t))
        return;
    put_matrix_head(&t, f, n_servers);
    for (size_t i = 0; i < f->names.n && i < TABLE_ROWS / 2; i++) {
        table_cell(&t, STYLE_PLAIN, "%.*s", STR_ARG(f->names.v[i].name));
        for (size_t k = 0; k < n_servers; k++)
            put_answer(&t, view_question(f, f->servers.v[k].address, f->names.v[i].name, NULL));
        table_next(&t);
    }
    put(o, "\n");
    table_print(o, &t, 2);
    table_done(&t);
}

/* From which log, how many lines, and its groups. */
static void put_log(struct output *o, const struct fact_log *log)
{
    struct table t;
    if (log->groups.n == 0 || !table_init(&t))
        return;
    put(o, "\n");
    output_line(o, STYLE_PLAIN, "  %.*s: %lld lines read, %lld of them say something",
                STR_ARG(log->source), (long long)log->lines, (long long)log->recognised);
    for (size_t i = 0; i < log->groups.n && i < 20; i++) {
        const struct fact_log_group *g = &log->groups.v[i];
        table_cell(&t, STYLE_PLAIN, "%lld", (long long)g->count);
        table_cell(&t, g->is_dns == FACT_YES ? STYLE_BAD : STYLE_PLAIN, "%.*s", STR_ARG(g->kind));
        table_cell(&t, STYLE_PLAIN, "%.*s", STR_ARG(g->name));
        table_cell(&t, STYLE_DIM, "%.*s", STR_ARG(g->first));
        table_cell(&t, STYLE_DIM, "%.*s", STR_ARG(g->last));
        table_next(&t);
    }
    table_print(o, &t, 2);
    table_done(&t);
}

static void put_summary(struct output *o, const struct diagnosis *d)
{
    struct buf text;
    buf_init(&text, 64 * 1024);
    report_summary(d, &text);
    enum style style = d->n_roots > 0 ? STYLE_BAD : d->n_unknown > 0 ? STYLE_WARN : STYLE_GOOD;
    output_text(o, style, buf_str(&text));
    put(o, "\n");
    buf_done(&text);
}

void doctor_text(const struct diagnosis *d, struct output *o)
{
    put_head(o, d->facts);
    put_rank(o, d, FINDING_ROOT);
    put_consequences(o, d);
    put_rank(o, d, FINDING_NOTICE);
    put_matrix(o, d->facts);
    put_log(o, &d->facts->log);
    put(o, "\n");
    put_summary(o, d);
    if (d->n_findings > 0)
        output_line(o, STYLE_DIM, "penstock explain %s tells more",
                    finding_row(d->findings[0]->code)->code);
}

void doctor_short(const struct diagnosis *d, struct output *o)
{
    for (unsigned i = 0; i < d->n_findings; i++) {
        const struct finding *f = d->findings[i];
        char head[64];
        snprintf(head, sizeof head, "%s %s %s: ", finding_row(f->code)->code,
                 finding_severity_name(f->severity), finding_rank_name(f->rank));
        output_text(o, severity_style(f->severity), str_from_c(head));
        output_text(o, STYLE_PLAIN, f->title);
        if (f->subject.n > 0) {
            put(o, " [");
            output_text(o, STYLE_PLAIN, f->subject);
            put(o, "]");
        }
        put(o, "\n");
    }
    put_summary(o, d);
}
