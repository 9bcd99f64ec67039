/* Which figures one lookup moves. */
#include "rig.h"
#include "../obs/counted.h"

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

struct figures {
    int hits, stale, failed, queries, answers, timeouts, ignored, tcp, failovers;
};

static struct figures read_figures(const struct counted *n)
{
    return (struct figures){ .hits = counted(n, METRIC_DNS_CACHE_HITS),
                             .stale = counted(n, METRIC_DNS_STALE),
                             .failed = counted(n, METRIC_DNS_FAILED),
                             .queries = counted(n, METRIC_DNS_QUERIES),
                             .answers = counted(n, METRIC_DNS_ANSWERS),
                             .timeouts = counted(n, METRIC_DNS_TIMEOUTS),
                             .ignored = counted(n, METRIC_DNS_IGNORED),
                             .tcp = counted(n, METRIC_DNS_TCP),
                             .failovers = counted(n, METRIC_DNS_GROUP_FAILOVERS) };
}

static const struct figure_row {
    const char *name;
    enum mode system, aws;
    unsigned n_aws;
    bool is_asked_before, is_connected;
    struct figures figures;
} figure_rows[] = {
    { "an answer", FAKE_OK, FAKE_OK, 0, false, true, { .queries = 1, .answers = 1 } },
    { "from the cache", FAKE_OK, FAKE_OK, 0, true, true, { .hits = 1 } },
    { "truncated",
      FAKE_TRUNCATED,
      FAKE_OK,
      0,
      false,
      true,
      { .queries = 1, .answers = 2, .tcp = 1 } },
    { "strangers' packets first",
      FAKE_WRONG_FIRST,
      FAKE_OK,
      0,
      false,
      true,
      { .queries = 1, .answers = 1, .ignored = 4 } },
    { "EDNS is not taken", FAKE_NO_EDNS, FAKE_OK, 0, false, true, { .queries = 2, .answers = 2 } },
    { "no such name",
      FAKE_NXDOMAIN,
      FAKE_OK,
      0,
      false,
      false,
      { .queries = 1, .answers = 1, .failed = 1 } },
    { "the other group knows",
      FAKE_NXDOMAIN,
      FAKE_OK,
      1,
      false,
      true,
      { .queries = 2, .answers = 2, .failovers = 1 } },
    { "what does not connect is no fault of DNS",
      FAKE_OK,
      FAKE_OK,
      0,
      false,
      false,
      { .queries = 1, .answers = 1 } },
};

static void one_lookup(void **state)
{
    for (size_t i = 0; i < sizeof figure_rows / sizeof figure_rows[0]; i++) {
        const struct figure_row *row = &figure_rows[i];
        struct rig g;
        struct want w;
        struct counted n;
        rig_init(&g, 1, row->n_aws);
        rig_go(&g);
        g.fakes[0].mode = row->system;
        g.fakes[1].mode = row->aws;
        if (row->is_asked_before) {
            want(&w, &g, S3);
            dns_resolve_succeeded(&w.r);
        }
        counted_begin(&n);
        want(&w, &g, S3);
        if (row->is_connected)
            dns_resolve_succeeded(&w.r);
        else if (w.r.n_addrs > 0)
            want_next(&w);
        struct figures f = read_figures(&n);
        if (counted(&n, METRIC_DNS_LOOKUPS) != 1 || memcmp(&f, &row->figures, sizeof f) != 0)
            fail_msg("%s: %d hits, %d stale, %d failed, %d queries, %d answers, %d timeouts, "
                     "%d ignored, %d over TCP, %d failovers",
                     row->name, f.hits, f.stale, f.failed, f.queries, f.answers, f.timeouts,
                     f.ignored, f.tcp, f.failovers);
        dns_resolve_cancel(&w.r);
        rig_done(&g);
    }
}

static void silence(void **state)
{
    struct rig g;
    struct want w;
    struct counted n;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].ttl_s = 1;
    want(&w, &g, S3);
    dns_resolve_succeeded(&w.r);
    g.fakes[0].mode = FAKE_SILENT;
    rig_run_for(&g, 1100);
    counted_begin(&n);
    want(&w, &g, S3);
    assert_int_equal(w.r.explain.source, DNS_FROM_STALE);
    want_next(&w);
    dns_resolve_cancel(&w.r);
    struct figures f = read_figures(&n);
    assert_int_equal(f.stale, 1);
    assert_int_equal(f.failed, 0);
    assert_int_equal(f.answers, 0);
    assert_true(f.timeouts > 0 && f.timeouts <= f.queries);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_lookup),
        cmocka_unit_test(silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
