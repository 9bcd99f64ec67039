#include "doctor/facts_json.h"
#include "doctor/report.h"

#include <stdio.h>

static void put_texts(struct json *j, const char *key, const struct fact_texts *t)
{
    json_open(j, key, '[');
    for (size_t i = 0; i < t->n; i++)
        json_put_str(j, NULL, t->v[i]);
    json_close(j, '[');
}

static void put_finding(struct json *j, const struct finding *f)
{
    const char cause[] = { f->cause, 0 };
    json_open(j, NULL, '{');
    json_put_text(j, "code", finding_row(f->code)->code);
    json_put_text(j, "severity", finding_severity_name(f->severity));
    json_put_text(j, "rank", finding_rank_name(f->rank));
    if (f->rank == FINDING_CONSEQUENCE)
        json_put_text(j, "because", finding_row(f->because)->code);
    json_put_text(j, "cause", cause);
    json_put_text(j, "cause_text", finding_cause_text(f->cause));
    json_put_str(j, "title", f->title);
    json_put_str(j, "subject", f->subject);
    put_texts(j, "evidence", &f->evidence);
    put_texts(j, "fix", &f->fix);
    put_texts(j, "notes", &f->notes);
    json_close(j, '{');
}

static void put_check(struct json *j, enum finding_code code, const struct check_result *r)
{
    json_open(j, NULL, '{');
    json_put_text(j, "code", finding_row(code)->code);
    json_put_text(j, "state", check_state_name(r->state));
    if (r->why.n > 0)
        json_put_str(j, "why", r->why);
    if (r->actions.n > 0)
        put_texts(j, "actions", &r->actions);
    json_close(j, '{');
}

static void put_summary(struct json *j, const struct diagnosis *d)
{
    struct buf text;
    buf_init(&text, REPORT_TEXT_BYTES);
    report_summary(d, &text);
    json_open(j, "summary", '{');
    json_put_str(j, "text", buf_str(&text));
    json_put_u64(j, "roots", d->n_roots);
    json_put_u64(j, "consequences", d->n_consequences);
    json_put_u64(j, "notices", d->n_notices);
    json_put_u64(j, "unknown", d->n_unknown);
    json_close(j, '{');
    buf_done(&text);
}

void report_json(const struct diagnosis *d, enum finding_severity fail_on, struct buf *out)
{
    struct json j = json_begin(out);
    json_open(&j, NULL, '{');
    json_put_u64(&j, "schema", REPORT_SCHEMA);
    json_put_text(&j, "penstock", PENSTOCK_VERSION);
    json_put_u64(&j, "exit", (uint64_t)report_exit_code(d, fail_on));
    put_summary(&j, d);
    json_open(&j, "findings", '[');
    for (unsigned i = 0; i < d->n_findings; i++)
        put_finding(&j, d->findings[i]);
    json_close(&j, '[');
    json_open(&j, "checks", '[');
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        put_check(&j, (enum finding_code)i, &d->results[i]);
    json_close(&j, '[');
    facts_write(d->facts, &j, "facts");
    json_close(&j, '{');
}

/* "key": {"type": type} */
static void put_type(struct json *j, const char *key, const char *type)
{
    json_open(j, key, '{');
    json_put_text(j, "type", type);
    json_close(j, '{');
}

static void put_list_of_texts(struct json *j, const char *key)
{
    json_open(j, key, '{');
    json_put_text(j, "type", "array");
    put_type(j, "items", "string");
    json_close(j, '{');
}

static void put_words(struct json *j, const char *key, const char *const *words, size_t n)
{
    json_open(j, key, '{');
    json_open(j, "enum", '[');
    for (size_t i = 0; i < n; i++)
        json_put_text(j, NULL, words[i]);
    json_close(j, '[');
    json_close(j, '{');
}

static void put_code(struct json *j, const char *key)
{
    json_open(j, key, '{');
    json_put_text(j, "type", "string");
    json_put_text(j, "pattern", "^PS[0-9]{4}$");
    json_close(j, '{');
}

/* An object with these members and no others; between begin and end its properties are put. */
static void begin_object(struct json *j, const char *key)
{
    json_open(j, key, '{');
    json_put_text(j, "type", "object");
    json_open(j, "properties", '{');
}

static void end_object(struct json *j, const char *const *required, size_t n)
{
    json_close(j, '{');
    json_open(j, "required", '[');
    for (size_t i = 0; i < n; i++)
        json_put_text(j, NULL, required[i]);
    json_close(j, '[');
    json_put_bool(j, "additionalProperties", false);
    json_close(j, '{');
}

#define N_OF(array) (sizeof(array) / sizeof *(array))

static void put_finding_schema(struct json *j)
{
    static const char *const severities[] = { "error", "warning", "information" };
    static const char *const ranks[] = { "root", "consequence", "notice" };
    static const char *const causes[] = { "1", "2", "3", "o" };
    static const char *const required[] = { "code",  "severity", "rank",     "cause", "cause_text",
                                            "title", "subject",  "evidence", "fix",   "notes" };
    begin_object(j, "finding");
    put_code(j, "code");
    put_words(j, "severity", severities, N_OF(severities));
    put_words(j, "rank", ranks, N_OF(ranks));
    put_code(j, "because");
    put_words(j, "cause", causes, N_OF(causes));
    put_type(j, "cause_text", "string");
    put_type(j, "title", "string");
    put_type(j, "subject", "string");
    put_list_of_texts(j, "evidence");
    put_list_of_texts(j, "fix");
    put_list_of_texts(j, "notes");
    end_object(j, required, N_OF(required));
}

static void put_check_schema(struct json *j)
{
    static const char *const states[] = { "pass", "fail", "skipped", "unknown" };
    static const char *const required[] = { "code", "state" };
    begin_object(j, "check");
    put_code(j, "code");
    put_words(j, "state", states, N_OF(states));
    put_type(j, "why", "string");
    put_list_of_texts(j, "actions");
    end_object(j, required, N_OF(required));
}

static void put_list_of(struct json *j, const char *key, const char *definition)
{
    char path[64];
    snprintf(path, sizeof path, "#/$defs/%s", definition);
    json_open(j, key, '{');
    json_put_text(j, "type", "array");
    json_open(j, "items", '{');
    json_put_text(j, "$ref", path);
    json_close(j, '{');
    json_close(j, '{');
}

static void put_summary_schema(struct json *j)
{
    static const char *const required[] = { "text", "roots", "consequences", "notices", "unknown" };
    begin_object(j, "summary");
    put_type(j, "text", "string");
    for (size_t i = 1; i < N_OF(required); i++)
        put_type(j, required[i], "integer");
    end_object(j, required, N_OF(required));
}

static void put_document_schema(struct json *j)
{
    static const char *const required[] = { "schema",   "penstock", "exit", "summary",
                                            "findings", "checks",   "facts" };
    json_open(j, "properties", '{');
    json_open(j, "schema", '{');
    json_put_u64(j, "const", REPORT_SCHEMA);
    json_close(j, '{');
    put_type(j, "penstock", "string");
    put_type(j, "exit", "integer");
    put_summary_schema(j);
    put_list_of(j, "findings", "finding");
    put_list_of(j, "checks", "check");
    json_open(j, "facts", '{');
    json_put_text(j, "$ref", "#/$defs/facts");
    json_close(j, '{');
    end_object(j, required, N_OF(required));
}

void report_schema(struct buf *out)
{
    struct json j = json_begin(out);
    json_open(&j, NULL, '{');
    json_put_text(&j, "$schema", "https://json-schema.org/draft/2020-12/schema");
    json_put_text(&j, "title", "penstock doctor -o json");
    json_open(&j, "$defs", '{');
    put_finding_schema(&j);
    put_check_schema(&j);
    facts_write_schema(&j);
    json_close(&j, '{');
    json_put_text(&j, "type", "object");
    put_document_schema(&j);
}
