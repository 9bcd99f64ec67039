#include "codec/json_write.h"
#include "doctor/finding_text.h"
#include "doctor/report.h"

static const char *level_of(enum finding_severity s)
{
    return s == FINDING_ERROR ? "error" : s == FINDING_WARNING ? "warning" : "note";
}

/* "key": {"text": text} */
static void put_message(struct json *j, const char *key, struct str text)
{
    json_open(j, key, '{');
    json_put_str(j, "text", text);
    json_close(j, '{');
}

static void put_rule(struct json *j, enum finding_code code)
{
    const struct finding_row *row = finding_row(code);
    struct str text = finding_text(code);
    json_open(j, NULL, '{');
    json_put_text(j, "id", row->code);
    put_message(j, "shortDescription", str_from_c(row->title));
    json_open(j, "help", '{');
    json_put_str(j, "text", text);
    json_put_str(j, "markdown", text);
    json_close(j, '{');
    json_open(j, "defaultConfiguration", '{');
    json_put_text(j, "level", level_of(row->severity));
    json_close(j, '{');
    json_close(j, '{');
}

/* before: in front of the first line. */
static void put_lines(struct buf *text, const struct fact_texts *lines, const char *before)
{
    for (size_t i = 0; i < lines->n; i++)
        buf_printf(text, "\n%s%.*s", i == 0 ? before : "", STR_ARG(lines->v[i]));
}

static void put_text(struct json *j, const struct finding *f)
{
    struct buf text;
    buf_init(&text, REPORT_TEXT_BYTES);
    buf_append(&text, f->title);
    put_lines(&text, &f->evidence, "");
    put_lines(&text, &f->fix, "fix: ");
    put_lines(&text, &f->notes, "");
    put_message(j, "message", buf_str(&text));
    buf_done(&text);
}

static void put_location(struct json *j, const struct finding *f)
{
    json_open(j, "locations", '[');
    json_open(j, NULL, '{');
    json_open(j, "physicalLocation", '{');
    json_open(j, "artifactLocation", '{');
    json_put_text(j, "uri", PENSTOCK_SARIF_URI);
    json_close(j, '{');
    json_open(j, "region", '{');
    json_put_u64(j, "startLine", 1);
    json_close(j, '{');
    json_close(j, '{');
    json_open(j, "logicalLocations", '[');
    json_open(j, NULL, '{');
    json_put_str(j, "fullyQualifiedName", f->subject.n > 0 ? f->subject : STR("network"));
    json_put_text(j, "kind", "resource");
    json_close(j, '{');
    json_close(j, '[');
    json_close(j, '{');
    json_close(j, '[');
}

/* The same finding about the same thing is the same result, whatever the times in its text. */
static void put_fingerprint(struct json *j, const struct finding *f)
{
    struct buf text;
    buf_init(&text, REPORT_TEXT_BYTES);
    buf_printf(&text, "%s:%.*s", finding_row(f->code)->code, STR_ARG(f->subject));
    json_open(j, "partialFingerprints", '{');
    json_put_str(j, "codeAndSubject/v1", buf_str(&text));
    json_close(j, '{');
    buf_done(&text);
}

static void put_result(struct json *j, const struct finding *f)
{
    const char cause[] = { f->cause, 0 };
    json_open(j, NULL, '{');
    json_put_text(j, "ruleId", finding_row(f->code)->code);
    json_put_u64(j, "ruleIndex", f->code);
    json_put_text(j, "level", level_of(f->severity));
    put_text(j, f);
    put_location(j, f);
    put_fingerprint(j, f);
    json_open(j, "properties", '{');
    json_put_text(j, "rank", finding_rank_name(f->rank));
    json_put_text(j, "cause", cause);
    if (f->rank == FINDING_CONSEQUENCE)
        json_put_text(j, "because", finding_row(f->because)->code);
    json_close(j, '{');
    json_close(j, '{');
}

/* What could not be checked stands with the run, not among the results. */
static void put_unknown(struct json *j, enum finding_code code, const struct check_result *r)
{
    json_open(j, NULL, '{');
    json_put_text(j, "level", "warning");
    put_message(j, "message", r->why);
    json_open(j, "associatedRule", '{');
    json_put_text(j, "id", finding_row(code)->code);
    json_put_u64(j, "index", code);
    json_close(j, '{');
    json_close(j, '{');
}

static void put_tool(struct json *j)
{
    json_open(j, "tool", '{');
    json_open(j, "driver", '{');
    json_put_text(j, "name", "penstock doctor");
    json_put_text(j, "version", PENSTOCK_VERSION);
    json_open(j, "rules", '[');
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        put_rule(j, (enum finding_code)i);
    json_close(j, '[');
    json_close(j, '{');
    json_close(j, '{');
}

void report_sarif(const struct diagnosis *d, struct buf *out)
{
    struct json j = json_begin(out);
    json_open(&j, NULL, '{');
    json_put_text(&j, "$schema", "https://json.schemastore.org/sarif-2.1.0.json");
    json_put_text(&j, "version", "2.1.0");
    json_open(&j, "runs", '[');
    json_open(&j, NULL, '{');
    put_tool(&j);
    json_open(&j, "invocations", '[');
    json_open(&j, NULL, '{');
    json_put_bool(&j, "executionSuccessful", d->n_unknown == 0);
    json_open(&j, "toolExecutionNotifications", '[');
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        if (d->results[i].state == CHECK_UNKNOWN)
            put_unknown(&j, (enum finding_code)i, &d->results[i]);
    json_close(&j, '[');
    json_close(&j, '{');
    json_close(&j, '[');
    json_open(&j, "results", '[');
    for (unsigned i = 0; i < d->n_findings; i++)
        put_result(&j, d->findings[i]);
    json_close(&j, '[');
    json_close(&j, '{');
    json_close(&j, '[');
    json_close(&j, '{');
}
