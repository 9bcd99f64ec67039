/*
 * Facts as `--facts` reads them, and every report of their diagnosis: JSON and SARIF that jansson
 * reads, XML that expat reads, a text of printable ASCII without colours; the facts that are
 * written are read again and written the same.
 */
#include "cli/doctor_text.h"
#include "doctor/facts_json.h"

#include <expat.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct buf begin(void)
{
    struct buf b;
    buf_init(&b, FACTS_JSON_BYTES);
    return b;
}

static void check_json(struct buf *text)
{
    if (!text->failed) {
        json_t *document = json_loadb(text->p, text->n, JSON_REJECT_DUPLICATES, NULL);
        must(json_is_object(document));
        json_decref(document);
    }
    buf_done(text);
}

static void check_xml(struct buf *text)
{
    if (!text->failed) {
        XML_Parser parser = XML_ParserCreate(NULL);
        must(parser != NULL);
        must(XML_Parse(parser, text->p, (int)text->n, 1) == XML_STATUS_OK);
        XML_ParserFree(parser);
    }
    buf_done(text);
}

static void check_text(const struct diagnosis *d,
                       void (*write)(const struct diagnosis *d, struct output *o))
{
    struct output o = { .text = begin(), .has_colour = false };
    write(d, &o);
    for (size_t i = 0; i < o.text.n; i++)
        must(o.text.p[i] == '\n' || (o.text.p[i] >= ' ' && o.text.p[i] <= '~'));
    must(o.text.failed || (o.text.n > 0 && o.text.p[o.text.n - 1] == '\n'));
    buf_done(&o.text);
}

static void check_reports(const struct fact_facts *facts)
{
    struct diagnosis d;
    diagnose(facts, &d);
    for (enum finding_severity fail_on = FINDING_WARNING; fail_on <= FINDING_ERROR; fail_on++) {
        struct buf json = begin(), xml = begin();
        report_json(&d, fail_on, &json);
        check_json(&json);
        report_junit(&d, fail_on, &xml);
        check_xml(&xml);
    }
    struct buf sarif = begin();
    report_sarif(&d, &sarif);
    check_json(&sarif);
    check_text(&d, doctor_text);
    check_text(&d, doctor_short);
    diagnosis_done(&d);
}

static struct buf written(const struct fact_facts *facts)
{
    struct buf text = begin();
    struct json j = json_begin(&text);
    facts_write(facts, &j, NULL);
    return text;
}

static void check_round_trip(const struct fact_facts *facts)
{
    struct buf first = written(facts), errors;
    struct fact_book b;
    if (!first.failed) {
        json_t *document = json_loadb(first.p, first.n, JSON_REJECT_DUPLICATES, NULL);
        fact_book_init(&b);
        buf_init(&errors, 64 * 1024);
        must(facts_read(document, &b, &errors) || b.is_full);
        struct buf second = written(&b.facts);
        must(b.is_full || str_eq(buf_str(&first), buf_str(&second)));
        buf_done(&second);
        buf_done(&errors);
        fact_book_done(&b);
        json_decref(document);
    }
    buf_done(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct fact_book b;
    struct buf errors;
    json_t *document = json_loadb((const char *)data, n, JSON_REJECT_DUPLICATES, NULL);
    if (document == NULL)
        return 0;
    fact_book_init(&b);
    buf_init(&errors, 64 * 1024);
    /* Wrong ones are not judged by the program; here what could be read of them is. */
    facts_read(json_object_get(document, "facts"), &b, &errors);
    json_decref(document);
    check_reports(&b.facts);
    check_round_trip(&b.facts);
    buf_done(&errors);
    fact_book_done(&b);
    return 0;
}
