#include "server/metrics_help.h"

#include "dns/counts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

enum { TEXT_BYTES = 1 << 20 };

static const char begin_mark[] = "<!-- penstock metrics --markdown -->\n\n";
static const char end_mark[] = "\n<!-- end -->\n";

static void the_documentation_is_current(void **state)
{
    char name[4096];
    static char page[TEXT_BYTES];
    const char *root = getenv("PENSTOCK_SOURCE_ROOT");
    if (root == NULL)
        skip(); /* not under meson test */
    snprintf(name, sizeof name, "%s/docs/METRICS.md", root);
    FILE *f = fopen(name, "re");
    if (f == NULL)
        fail_msg("docs/METRICS.md is missing");
    page[fread(page, 1, sizeof page - 1, f)] = 0;
    fclose(f);
    const char *from = strstr(page, begin_mark), *to = strstr(page, end_mark);
    if (from == NULL || to == NULL)
        fail_msg("docs/METRICS.md has lost its marks");
    from += sizeof begin_mark - 1;
    struct buf want;
    buf_init(&want, TEXT_BYTES);
    metrics_help_markdown(&want);
    assert_false(want.failed);
    if (!str_eq(buf_str(&want), str_of(from, (size_t)(to - from))))
        fail_msg("docs/METRICS.md is old: between its marks belongs what "
                 "`penstock metrics --markdown` says");
    buf_done(&want);
}

static size_t n_of(struct str text, struct str part)
{
    size_t n = 0;
    for (size_t i = 0; i + part.n <= text.n; i++)
        n += str_eq(str_of(text.p + i, part.n), part);
    return n;
}

static void every_family_is_told_once(void **state)
{
    struct buf text;
    char line[256];
    const struct metric_family *f;
    buf_init(&text, TEXT_BYTES);
    metrics_help(&text);
    for (unsigned i = 0; (f = metric_family(i)) != NULL; i++) {
        snprintf(line, sizeof line, "%s (%s)", f->name, metric_kind_text(f->kind));
        assert_int_equal(n_of(buf_str(&text), str_from_c(line)), 1);
    }
    for (unsigned i = 0; (f = dns_counts_family(i)) != NULL; i++) {
        snprintf(line, sizeof line, "%s (%s)", f->name, metric_kind_text(f->kind));
        assert_int_equal(n_of(buf_str(&text), str_from_c(line)), 1);
    }
    buf_done(&text);
}

static const char *const label_rows[] = {
    "\npenstock_responses_total (counter) status: 2xx, 3xx, 4xx, 5xx\n",
    "\npenstock_requests_in_flight (gauge)\n",
    "\npenstock_faults_total (counter) kind: one of ",
    "\npenstock_build_info (gauge) version\n",
    "\npenstock_dns_server_queries_total (counter) server; transport: udp, tcp\n",
    "\npenstock_dns_route_lookups_total (counter) zone\n",
    "\npenstock_dns_server_round_trip_seconds (summary) server\n",
    "\npenstock_dns_cache_bytes (gauge)\n",
    "\npenstock_dns_lookup_seconds (histogram)\n",
};

static void labels_are_told(void **state)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    metrics_help(&text);
    for (size_t i = 0; i < sizeof label_rows / sizeof *label_rows; i++)
        if (n_of(buf_str(&text), str_from_c(label_rows[i])) != 1)
            fail_msg("%s", label_rows[i]);
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documentation_is_current),
        cmocka_unit_test(every_family_is_told_once),
        cmocka_unit_test(labels_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
