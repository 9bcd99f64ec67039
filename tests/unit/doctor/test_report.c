/* Diagnoses for programs: exit codes, the summary's words, JSON, SARIF, JUnit. */
#include "network_make.h"

#include "doctor/facts_json.h"
#include "doctor/report.h"

#include <expat.h>

typedef void build_fn(struct fact_book *b);

static void nothing(struct fact_book *b)
{
    (void)b;
}

static void healthy(struct fact_book *b)
{
    build_network(b, AMAZON);
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

static void healthy_but_asked(struct fact_book *b)
{
    healthy(b);
    b->facts.surroundings.vpc_id = make_text(b, "vpc-1");
    b->facts.identity.error = make_text(b, "nobody gives any");
}

/* A task knows its own cluster by its metadata: nobody asked AWS about it. */
static void healthy_task(struct fact_book *b)
{
    healthy(b);
    b->facts.surroundings.cluster = b->facts.metadata.cluster = make_text(b, "arn:cluster/c");
    b->facts.surroundings.task = b->facts.metadata.task_arn = make_text(b, "arn:task/c/1");
}

static void wrong_first(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    says(b, "10.9.0.53", "nxdomain", "nxdomain");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
}

/* A warning, no error. */
static void mixed(struct fact_book *b)
{
    build_network(b, AMAZON " 10.9.0.53");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    says(b, "10.9.0.53", PUBLIC, "10.0.1.99");
}

static void empty_log(struct fact_book *b)
{
    b->facts.log.source = make_text(b, "a.log");
    b->facts.log.lines = 0;
}

static void quiet_log(struct fact_book *b)
{
    b->facts.log.source = make_text(b, "a.log");
    b->facts.log.lines = 9;
}

/* Texts that want to be something else in each format. */
static void hostile(struct fact_book *b)
{
    wrong_first(b);
    make_dns_name(b, "\"}<&>]]>'\x1b[31m\xff\xc2\x9b\n\\", "registry");
    ask(b, "10.9.0.53", "\"}<&>]]>'\x1b[31m\xff\xc2\x9b\n\\", "nxdomain", "");
    ask(b, AMAZON, "\"}<&>]]>'\x1b[31m\xff\xc2\x9b\n\\", "answer", "10.0.1.99");
}

static void test_exit_codes_and_summaries(void **state)
{
    static const struct {
        build_fn *build;
        int at_errors, at_warnings;
        const char *begins; /* the summary */
    } rows[] = {
        { nothing, 2, 2, "nothing could be checked" },
        { empty_log, 2, 2, "nothing could be checked" },
        { quiet_log, 0, 0, "nothing found" },
        { healthy, 0, 0, "all is well" },
        { healthy_task, 0, 0, "all is well" },
        { healthy_but_asked, 2, 2, "1 noticed, " },
        { wrong_first, 1, 1, "1 root cause" },
        { mixed, 0, 1, "1 root cause" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact_book b;
        struct diagnosis d;
        struct buf summary;
        fact_book_init(&b);
        rows[i].build(&b);
        diagnose(&b.facts, &d);
        buf_init(&summary, 4096);
        report_summary(&d, &summary);
        assert_true(str_starts(buf_str(&summary), str_from_c(rows[i].begins)));
        assert_int_equal(report_exit_code(&d, FINDING_ERROR), rows[i].at_errors);
        assert_int_equal(report_exit_code(&d, FINDING_WARNING), rows[i].at_warnings);
        buf_done(&summary);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

/* Some actions, and how many more; each once. */
static void test_missing_actions(void **state)
{
    static const struct {
        unsigned n;
        const char *end;
    } rows[] = {
        { 1, "2 unknown (need a:A)" },
        { 4, "5 unknown (need a:A, a:B, a:C, a:D)" },
        { 5, "6 unknown (need a:A, a:B, a:C and 2 more)" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fact_facts facts;
        struct diagnosis d;
        struct buf summary;
        FACT_CLEAR(facts, &facts);
        diagnose(&facts, &d);
        for (unsigned k = 0; k <= rows[i].n; k++) {
            char action[] = "a:A";
            action[2] = (char)('A' + k % rows[i].n);
            check_unknown(&d, (enum finding_code)(PS2001 + k), "because");
            fact_add_text(&d.book, &d.results[PS2001 + k].actions, str_from_c(action));
        }
        d.n_unknown = rows[i].n + 1;
        buf_init(&summary, 4096);
        report_summary(&d, &summary);
        assert_true(str_ends(buf_str(&summary), str_from_c(rows[i].end)));
        assert_int_equal(report_exit_code(&d, FINDING_ERROR), DOCTOR_INCOMPLETE);
        buf_done(&summary);
        diagnosis_done(&d);
    }
}

struct reports {
    struct fact_book book;
    struct diagnosis d;
    struct buf json, sarif, junit;
};

static void write_all(build_fn *build, struct reports *r)
{
    fact_book_init(&r->book);
    build(&r->book);
    diagnose(&r->book.facts, &r->d);
    buf_init(&r->json, FACTS_JSON_BYTES);
    buf_init(&r->sarif, FACTS_JSON_BYTES);
    buf_init(&r->junit, FACTS_JSON_BYTES);
    report_json(&r->d, FINDING_ERROR, &r->json);
    report_sarif(&r->d, &r->sarif);
    report_junit(&r->d, FINDING_ERROR, &r->junit);
    assert_false(r->json.failed || r->sarif.failed || r->junit.failed);
}

static void done_all(struct reports *r)
{
    buf_done(&r->json);
    buf_done(&r->sarif);
    buf_done(&r->junit);
    diagnosis_done(&r->d);
    fact_book_done(&r->book);
}

static json_t *parsed(const struct buf *text)
{
    json_error_t at;
    json_t *v = json_loadb(text->p, text->n, JSON_REJECT_DUPLICATES, &at);
    if (v == NULL)
        print_error("%s at %d\n", at.text, at.position);
    assert_non_null(v);
    return v;
}

static const char *text_at(const json_t *v, const char *key)
{
    const char *text = json_string_value(json_object_get(v, key));
    assert_non_null(text);
    return text;
}

static void test_json(void **state)
{
    struct reports r;
    (void)state;
    write_all(wrong_first, &r);
    json_t *v = parsed(&r.json);
    assert_int_equal(json_integer_value(json_object_get(v, "schema")), REPORT_SCHEMA);
    assert_int_equal(json_integer_value(json_object_get(v, "exit")), 1);
    assert_int_equal(json_array_size(json_object_get(v, "checks")), N_FINDING_CODES);
    const json_t *first = json_array_get(json_object_get(v, "findings"), 0);
    assert_string_equal(text_at(first, "code"), "PS1001");
    assert_string_equal(text_at(first, "severity"), "error");
    assert_string_equal(text_at(first, "rank"), "root");
    assert_string_equal(text_at(first, "cause"), "1");
    assert_string_equal(text_at(first, "subject"), "10.9.0.53");
    assert_true(json_array_size(json_object_get(first, "evidence")) > 0);
    assert_null(json_object_get(first, "because"));
    json_decref(v);
    done_all(&r);
}

static void test_sarif(void **state)
{
    struct reports r;
    (void)state;
    write_all(wrong_first, &r);
    json_t *v = parsed(&r.sarif);
    const json_t *run = json_array_get(json_object_get(v, "runs"), 0);
    const json_t *result = json_array_get(json_object_get(run, "results"), 0);
    const json_t *rules =
        json_object_get(json_object_get(json_object_get(run, "tool"), "driver"), "rules");
    assert_string_equal(text_at(v, "version"), "2.1.0");
    assert_int_equal(json_array_size(rules), N_FINDING_CODES);
    assert_string_equal(text_at(result, "ruleId"), "PS1001");
    assert_string_equal(text_at(result, "level"), "error");
    size_t rule = (size_t)json_integer_value(json_object_get(result, "ruleIndex"));
    assert_string_equal(text_at(json_array_get(rules, rule), "id"), "PS1001");
    assert_string_equal(
        text_at(json_object_get(result, "partialFingerprints"), "codeAndSubject/v1"),
        "PS1001:10.9.0.53");
    json_decref(v);
    done_all(&r);
}

struct seen {
    unsigned n_cases, n_failures, n_skipped;
};

static void XMLCALL on_element(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct seen *s = arg;
    (void)attributes;
    s->n_cases += strcmp(name, "testcase") == 0;
    s->n_failures += strcmp(name, "failure") == 0;
    s->n_skipped += strcmp(name, "skipped") == 0;
}

static void test_junit(void **state)
{
    static build_fn *const builds[] = { nothing, healthy, wrong_first, mixed, hostile };
    (void)state;
    for (size_t i = 0; i < sizeof builds / sizeof *builds; i++) {
        struct reports r;
        struct seen seen = { 0 };
        char counts[128];
        write_all(builds[i], &r);
        XML_Parser parser = XML_ParserCreate(NULL);
        XML_SetUserData(parser, &seen);
        XML_SetStartElementHandler(parser, on_element);
        assert_int_equal(XML_Parse(parser, r.junit.p, (int)r.junit.n, 1), XML_STATUS_OK);
        XML_ParserFree(parser);
        snprintf(counts, sizeof counts, "tests=\"%u\" failures=\"%u\" errors=\"0\" skipped=\"%u\"",
                 seen.n_cases, seen.n_failures, seen.n_skipped);
        assert_true(str_contains(buf_str(&r.junit), str_from_c(counts)));
        assert_int_equal(seen.n_cases, N_FINDING_CODES);
        assert_true((seen.n_failures > 0) == (report_exit_code(&r.d, FINDING_ERROR) == 1));
        done_all(&r);
    }
}

static bool has_control(const struct buf *text)
{
    for (size_t i = 0; i < text->n; i++)
        if (((uint8_t)text->p[i] < ' ' && text->p[i] != '\n') || text->p[i] == 127)
            return true;
    return false;
}

static void test_hostile(void **state)
{
    struct reports r;
    (void)state;
    write_all(hostile, &r);
    json_decref(parsed(&r.json));
    json_decref(parsed(&r.sarif));
    assert_false(has_control(&r.json) || has_control(&r.sarif) || has_control(&r.junit));
    assert_true(
        str_contains(buf_str(&r.junit), STR("&quot;}&lt;&amp;&gt;]]&gt;&apos;?[31m????\\")));
    done_all(&r);
}

static void test_schema(void **state)
{
    struct buf text;
    (void)state;
    buf_init(&text, FACTS_JSON_BYTES);
    report_schema(&text);
    json_t *v = parsed(&text);
    const json_t *definitions = json_object_get(v, "$defs");
    assert_non_null(json_object_get(definitions, "finding"));
    assert_non_null(json_object_get(definitions, "facts"));
    assert_non_null(json_object_get(json_object_get(v, "properties"), "checks"));
    json_decref(v);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exit_codes_and_summaries),
        cmocka_unit_test(test_missing_actions),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_sarif),
        cmocka_unit_test(test_junit),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
