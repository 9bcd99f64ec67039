#include "codec/escape.h"
#include "doctor/report.h"

/*  name="value" */
static void put_attribute(struct buf *out, const char *name, struct str value)
{
    buf_printf(out, " %s=\"", name);
    escape_xml(out, value);
    buf_byte(out, '"');
}

static void put_lines(struct buf *out, const struct fact_texts *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        escape_xml(out, lines->v[i]);
        buf_byte(out, '\n');
    }
}

static void put_finding(struct buf *out, const struct finding *f, bool fails)
{
    buf_printf(out, "\n    <%s", fails ? "failure" : "system-out");
    if (fails) {
        put_attribute(out, "message", f->title);
        put_attribute(out, "type", str_from_c(finding_severity_name(f->severity)));
    }
    buf_byte(out, '>');
    if (!fails) {
        escape_xml(out, f->title);
        buf_byte(out, '\n');
    }
    put_lines(out, &f->evidence);
    put_lines(out, &f->fix);
    put_lines(out, &f->notes);
    buf_printf(out, "</%s>\n  ", fails ? "failure" : "system-out");
}

static void put_case(struct buf *out, enum finding_code code, const struct check_result *r,
                     enum finding_severity fail_on)
{
    const struct finding_row *row = finding_row(code);
    buf_append(out, STR("  <testcase classname=\"penstock.doctor\""));
    buf_printf(out, " name=\"%s ", row->code);
    escape_xml(out, str_from_c(row->title));
    buf_append(out, STR("\">"));
    if (r->state == CHECK_FAIL)
        put_finding(out, r->finding, r->finding->severity >= fail_on);
    if (r->state == CHECK_SKIPPED || r->state == CHECK_UNKNOWN) {
        buf_append(out, STR("<skipped"));
        struct buf why;
        buf_init(&why, REPORT_TEXT_BYTES);
        buf_printf(&why, "%s: %.*s", check_state_name(r->state), STR_ARG(r->why));
        put_attribute(out, "message", buf_str(&why));
        buf_done(&why);
        buf_append(out, STR("/>"));
    }
    buf_append(out, STR("</testcase>\n"));
}

void report_junit(const struct diagnosis *d, enum finding_severity fail_on, struct buf *out)
{
    unsigned n_failures = 0, n_skipped = 0;
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        const struct check_result *r = &d->results[i];
        n_failures += r->state == CHECK_FAIL && r->finding->severity >= fail_on;
        n_skipped += r->state == CHECK_SKIPPED || r->state == CHECK_UNKNOWN;
    }
    buf_append(out, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"));
    buf_printf(out,
               "<testsuite name=\"penstock doctor\" tests=\"%u\" failures=\"%u\" errors=\"0\" "
               "skipped=\"%u\">\n",
               (unsigned)N_FINDING_CODES, n_failures, n_skipped);
    for (unsigned i = 0; i < N_FINDING_CODES; i++)
        put_case(out, (enum finding_code)i, &d->results[i], fail_on);
    buf_append(out, STR("</testsuite>"));
}
