#include "cli/doctor_text.h"

#include "cli/doctor_matrix.h"
#include "doctor/facts_view.h"

#include <stdio.h>
#include <time.h>

enum {
    TITLE_COLUMN = 10, /* behind "x PS1001  " */
    LINES_COLUMN = 4,  /* evidence, notes */
    FIX_COLUMN = 9,    /* behind "    fix: " */
    HANGING = 2,       /* further lines of one text */
    MOST_REASONS = 12, /* why something could not be checked */
    MOST_GROUPS = 20,  /* of a log */
    LOG_NAME_COLUMNS = 40,
};

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

/* A command is not wrapped: it is copied and run. */
static bool is_command(struct str text)
{
    static const char *const programs[] = { "aws ",     "penstock ", "ip ", "dig ",
                                            "openssl ", "PENSTOCK_", "  " };
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++)
        if (str_starts(text, str_from_c(programs[i])))
            return true;
    return false;
}

/* How much of text stands in a line: to the end of a word. by_clause: to a semicolon if that is not
 * too early, since what one server said and what another are such clauses. */
static size_t line_end(struct str text, size_t room, bool by_clause)
{
    size_t word = 0, clause = 0;
    if (text.n <= room)
        return text.n;
    for (size_t i = 1; i <= room; i++) {
        if (text.p[i] != ' ')
            continue;
        word = i;
        if (text.p[i - 1] == ';')
            clause = i;
    }
    if (by_clause && clause > room / 3)
        return clause;
    return word > 0 ? word : str_find(text, ' ', 1);
}

/* Words of text; the first line begins where we stand, in that column. */
static void put_wrapped(struct output *o, enum style style, unsigned column, unsigned hanging,
                        struct str text)
{
    bool is_whole = is_command(text);
    for (bool is_first = true; is_first || text.n > 0; is_first = false) {
        unsigned indent = column + (is_first ? 0 : hanging);
        size_t n = is_whole ? text.n : line_end(text, DOCTOR_TEXT_COLUMNS - indent, hanging > 0);
        if (!is_first)
            buf_printf(&o->text, "%*s", (int)indent, "");
        output_text(o, style, str_first(text, n));
        put(o, "\n");
        text = str_trim(str_from(text, n));
    }
}

static void put_lines(struct output *o, enum style style, const struct fact_texts *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        buf_printf(&o->text, "%*s", LINES_COLUMN, "");
        put_wrapped(o, style, LINES_COLUMN, HANGING, lines->v[i]);
    }
}

static struct str last_part(struct str arn)
{
    for (size_t slash; (slash = str_find(arn, '/', 0)) < arn.n;)
        arn = str_from(arn, slash + 1);
    return arn;
}

/* Who was looked at, and when: "task 2d31e8db...", "vpc-1", "nginx.log". */
static void put_head(struct output *o, const struct fact_facts *f)
{
    enum { ID_COLUMNS = 8 };
    const struct fact_surroundings *s = &f->surroundings;
    struct str task = last_part(f->metadata.task_arn.n > 0 ? f->metadata.task_arn : s->task);
    output_text(o, STYLE_BOLD, STR("penstock doctor"));
    if (task.n > 0) {
        put(o, "   task ");
        output_text(o, STYLE_PLAIN, str_first(task, ID_COLUMNS));
        put(o, task.n > ID_COLUMNS ? "..." : "");
    }
    const struct str parts[] = { s->vpc_id, s->region, last_part(f->log.source) };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (parts[i].n > 0) {
            put(o, "   ");
            output_text(o, STYLE_PLAIN, str_first(parts[i], LOG_NAME_COLUMNS));
        }
    time_t taken = (time_t)f->taken_s;
    struct tm tm;
    char when[64];
    if (f->taken_s > 0 && gmtime_r(&taken, &tm) != NULL &&
        strftime(when, sizeof when, "   %Y-%m-%d %H:%M UTC", &tm) > 0)
        output_text(o, STYLE_DIM, str_from_c(when));
    put(o, "\n");
}

static void put_title(struct output *o, const struct finding *f)
{
    char text[160];
    snprintf(text, sizeof text, "%c %s", severity_mark(f->severity), finding_row(f->code)->code);
    output_text(o, severity_style(f->severity), str_from_c(text));
    put(o, "  ");
    put_wrapped(o, STYLE_BOLD, TITLE_COLUMN, 0, f->title);
    if (f->cause == 'o')
        return;
    snprintf(text, sizeof text, "cause %c: %s", f->cause, finding_cause_text(f->cause));
    if (TITLE_COLUMN + f->title.n + 3 + strlen(text) <= DOCTOR_TEXT_COLUMNS) {
        o->text.n--; /* on the title's line */
        put(o, "   ");
    } else
        buf_printf(&o->text, "%*s", TITLE_COLUMN, "");
    output_text(o, STYLE_DIM, str_from_c(text));
    put(o, "\n");
}

static void put_fix(struct output *o, const struct finding *f)
{
    for (size_t i = 0; i < f->fix.n; i++) {
        if (i == 0) {
            buf_printf(&o->text, "%*s", LINES_COLUMN, "");
            output_text(o, STYLE_GOOD, STR("fix:"));
            put(o, " ");
        } else
            buf_printf(&o->text, "%*s", FIX_COLUMN, "");
        bool is_bold = is_command(f->fix.v[i]);
        put_wrapped(o, is_bold ? STYLE_BOLD : STYLE_PLAIN, FIX_COLUMN, 0, f->fix.v[i]);
    }
}

/* What goes away with a root cause: named, not told again. */
static void put_consequences(struct output *o, const struct diagnosis *d, enum finding_code root)
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n_findings; i++) {
        const struct finding *f = d->findings[i];
        if (f->rank != FINDING_CONSEQUENCE || f->because != root)
            continue;
        if (n++ == 0) {
            buf_printf(&o->text, "%*s", LINES_COLUMN, "");
            output_text(o, STYLE_DIM, STR("goes away with it:"));
            put(o, "\n");
        }
        buf_printf(&o->text, "%*s%s  ", LINES_COLUMN + HANGING, "", finding_row(f->code)->code);
        put_wrapped(o, STYLE_DIM, LINES_COLUMN + HANGING + 8, 0, f->title);
    }
}

static void put_finding(struct output *o, const struct diagnosis *d, const struct finding *f)
{
    put(o, "\n");
    put_title(o, f);
    put_lines(o, STYLE_PLAIN, &f->evidence);
    put_fix(o, f);
    put_lines(o, STYLE_DIM, &f->notes);
    put_consequences(o, d, f->code);
}

static void put_rank(struct output *o, const struct diagnosis *d, enum finding_rank rank)
{
    for (unsigned i = 0; i < d->n_findings; i++)
        if (d->findings[i]->rank == rank)
            put_finding(o, d, d->findings[i]);
}

static unsigned count_state(const struct diagnosis *d, enum check_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        n += d->results[i].state == state;
    return n;
}

/* Codes that have the same reason, and the reason. */
static void put_reason(struct output *o, const struct diagnosis *d, enum finding_code first)
{
    const struct check_result *r = &d->results[first];
    struct buf text;
    buf_init(&text, REPORT_TEXT_BYTES);
    for (unsigned i = first; i < N_FINDING_CODES; i++)
        if (d->results[i].state == r->state && str_eq(d->results[i].why, r->why))
            buf_printf(&text, "%s%s", i > first ? ", " : "",
                       finding_row((enum finding_code)i)->code);
    buf_printf(&text, ": %.*s", STR_ARG(r->why));
    buf_printf(&o->text, "%*s", LINES_COLUMN, "");
    put_wrapped(o, STYLE_PLAIN, LINES_COLUMN, HANGING, buf_str(&text));
    buf_done(&text);
}

static bool is_first_of_reason(const struct diagnosis *d, unsigned code)
{
    for (unsigned i = 0; i < code; i++)
        if (d->results[i].state == d->results[code].state &&
            str_eq(d->results[i].why, d->results[code].why))
            return false;
    return d->results[code].why.n > 0;
}

static unsigned put_reasons(struct output *o, const struct diagnosis *d, enum check_state state)
{
    unsigned n = 0;
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        if (d->results[i].state == state && is_first_of_reason(d, i) && n++ < MOST_REASONS)
            put_reason(o, d, (enum finding_code)i);
    if (n > MOST_REASONS)
        output_line(o, STYLE_PLAIN, "    %u more reasons: -o json", n - MOST_REASONS);
    return n;
}

static bool lacks_permission(const struct diagnosis *d)
{
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        if (d->results[i].state == CHECK_UNKNOWN && d->results[i].actions.n > 0)
            return true;
    return false;
}

/* What was asked for and could not be judged; all reasons where nothing was. */
static void put_gaps(struct output *o, const struct diagnosis *d)
{
    if (d->n_unknown > 0) {
        put(o, "\n");
        output_text(o, STYLE_WARN, STR("? could not be checked:"));
        put(o, "\n");
        put_reasons(o, d, CHECK_UNKNOWN);
        if (lacks_permission(d))
            put(o, "    penstock explain PS6001: the permissions that it takes\n");
    }
    if (report_has_judged(d))
        return;
    put(o, "\n");
    output_text(o, STYLE_WARN, STR("? there was nothing to judge"));
    put(o, "\n");
    put_reasons(o, d, CHECK_SKIPPED);
    put(o,
        "    Run it in the task (penstock doctor), or name what to look at from here: --vpc ID,\n"
        "    --cluster C --task T, --log FILE.\n");
}

static void put_log_group(struct table *t, const struct fact_log_group *g)
{
    struct str first = g->first, last = g->last;
    /* The second time without the day, where it is the same. */
    if (first.n > 11 && last.n > 11 && str_eq(str_first(first, 11), str_first(last, 11)))
        last = str_from(last, 11);
    table_cell(t, STYLE_PLAIN, "%lld x", (long long)(g->count > 0 ? g->count : 0));
    table_cell(t, STYLE_PLAIN, "%.*s", STR_ARG(str_first(g->name, LOG_NAME_COLUMNS)));
    table_cell(t, STYLE_DIM, "%.*s", STR_ARG(str_first(first, 20)));
    table_cell(t, STYLE_DIM, "%.*s", STR_ARG(str_first(last, 20)));
    table_next(t);
}

/* From which log, how many lines, and its groups: each with what it means below. */
static void put_log(struct output *o, const struct fact_log *log)
{
    if (log->source.n == 0)
        return;
    put(o, "\n");
    if (log->error.n > 0)
        output_line(o, STYLE_WARN, "  %.*s: %.*s", STR_ARG(log->source), STR_ARG(log->error));
    output_line(o, STYLE_PLAIN, "  %.*s: %lld lines read, %lld of them tell of a failure",
                STR_ARG(str_first(log->source, 60)), (long long)(log->lines > 0 ? log->lines : 0),
                (long long)(log->recognised > 0 ? log->recognised : 0));
    for (size_t i = 0; i < log->groups.n && i < MOST_GROUPS; i++) {
        const struct fact_log_group *g = &log->groups.v[i];
        struct table t;
        if (!table_init(&t))
            return;
        put_log_group(&t, g);
        table_print(o, &t, LINES_COLUMN);
        table_done(&t);
        buf_printf(&o->text, "%*s", LINES_COLUMN + HANGING, "");
        put_wrapped(o, g->is_dns == FACT_YES ? STYLE_BAD : STYLE_PLAIN, LINES_COLUMN + HANGING, 0,
                    g->meaning.n > 0 ? g->meaning : g->kind);
    }
    if (log->groups.n > MOST_GROUPS)
        output_line(o, STYLE_DIM, "    %zu more: -o json", log->groups.n - MOST_GROUPS);
}

static void put_summary(struct output *o, const struct diagnosis *d)
{
    struct buf text;
    buf_init(&text, REPORT_TEXT_BYTES);
    report_summary(d, &text);
    enum style style = d->n_roots > 0 ? STYLE_BAD : d->n_unknown > 0 ? STYLE_WARN : STYLE_GOOD;
    put_wrapped(o, style, 0, HANGING, buf_str(&text));
    buf_done(&text);
}

/* "38 checks passed; it took 1.2 s and 31 DNS packets" */
static void put_effort(struct output *o, const struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    char text[128];
    if (f->took_ms < 0 || f->dns_packets <= 0)
        return;
    snprintf(text, sizeof text, "%u checks passed; it took %lld.%lld s and %lld DNS packets",
             count_state(d, CHECK_PASS), (long long)(f->took_ms / 1000),
             (long long)(f->took_ms / 100 % 10), (long long)f->dns_packets);
    output_text(o, STYLE_DIM, str_from_c(text));
    put(o, "\n");
}

void doctor_text(const struct diagnosis *d, struct output *o)
{
    put_head(o, d->facts);
    put_rank(o, d, FINDING_ROOT);
    put_rank(o, d, FINDING_NOTICE);
    put_gaps(o, d);
    doctor_matrix(d->facts, o);
    put_log(o, &d->facts->log);
    put(o, "\n");
    put_summary(o, d);
    put_effort(o, d);
    if (d->n_findings > 0)
        output_line(o, STYLE_DIM, "more about it: penstock explain %s",
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
