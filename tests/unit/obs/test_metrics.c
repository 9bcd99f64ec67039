#include "obs/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#include "exposition.h"

enum { N_THREADS = 8, N_COUNTS = 20000 };

static void *count(void *arg)
{
    (void)arg;
    for (int i = 0; i < N_COUNTS; i++) {
        metric_add(METRIC_DNS_QUERIES, 2);
        metric_add(METRIC_CLIENTS_OPEN, 1);
        metric_sub(METRIC_CLIENTS_OPEN, 1);
    }
    return NULL;
}

static void ended_threads_stay_in_the_sum(void **state)
{
    for (uint64_t round = 1; round <= 3; round++) {
        pthread_t t[N_THREADS];
        for (int i = 0; i < N_THREADS; i++)
            assert_int_equal(pthread_create(&t[i], NULL, count, NULL), 0);
        for (int i = 0; i < N_THREADS; i++)
            pthread_join(t[i], NULL);
        assert_int_equal(metric_read(METRIC_DNS_QUERIES), round * N_THREADS * N_COUNTS * 2);
        assert_int_equal(metric_read(METRIC_CLIENTS_OPEN), 0);
    }
}

static void *take_away(void *arg)
{
    (void)arg;
    metric_sub(METRIC_REQUESTS_OPEN, 2);
    return NULL;
}

static void one_thread_takes_away_what_another_added(void **state)
{
    pthread_t t;
    metric_add(METRIC_REQUESTS_OPEN, 5);
    assert_int_equal(pthread_create(&t, NULL, take_away, NULL), 0);
    pthread_join(t, NULL);
    assert_int_equal(metric_read(METRIC_REQUESTS_OPEN), 3);
}

static void responses_and_faults_find_their_rows(void **state)
{
    uint64_t before[N_METRICS], after[N_METRICS];
    metrics_read(before);
    metric_response(206);
    metric_response(304);
    metric_response(599);
    metric_response(100);
    metric_response(-1);
    metric_response(600);
    metric_fault(FAULT_DNS_TIMEOUT);
    metric_fault((enum fault_kind)N_FAULTS);
    metrics_read(after);
    for (unsigned i = 0; i < N_METRICS; i++) {
        bool counts = i == METRIC_RESPONSES_2XX || i == METRIC_RESPONSES_3XX ||
                      i == METRIC_RESPONSES_5XX || i == METRIC_FAULT_FIRST + FAULT_DNS_TIMEOUT;
        assert_int_equal(after[i] - before[i], counts);
    }
    assert_string_equal(metric_row(METRIC_FAULT_FIRST + FAULT_DNS_TIMEOUT)->labels,
                        "kind=\"dns_timeout\"");
    assert_null(metric_row(N_METRICS));
    assert_int_equal(metric_read(N_METRICS), 0);
}

/* Prometheus wants one HELP and TYPE a name, and all its samples behind them. */
static void rows_of_a_name_stand_together_and_agree(void **state)
{
    for (unsigned i = 0; i < N_METRICS; i++) {
        const struct metric_row *a = metric_row(i);
        assert_non_null(a->name);
        assert_true(str_ends(str_from_c(a->name), STR("_total")) == (a->kind == METRIC_COUNTER));
        for (unsigned j = i + 1; j < N_METRICS; j++) {
            const struct metric_row *b = metric_row(j);
            if (strcmp(a->name, b->name) != 0)
                continue;
            assert_string_equal(metric_row(j - 1)->name, b->name);
            assert_string_equal(a->help, b->help);
            assert_string_not_equal(a->labels, b->labels);
        }
    }
}

static void every_row_is_in_the_text(void **state)
{
    static struct exposition x;
    struct buf out;
    buf_init(&out, 1 << 20);
    metric_fault(FAULT_DNS_FAILED);
    metric_add(METRIC_DNS_QUERIES, 3);
    metric_add(METRIC_UPSTREAM_OPEN, 2);
    /* What one thread gave and another took may be read in that order. */
    metric_sub(METRIC_CLIENTS_OPEN, 1);
    metrics_write(&out);
    metric_add(METRIC_CLIENTS_OPEN, 1);
    assert_false(out.failed);
    exposition_parse(&x, buf_str(&out));
    /* Of a histogram: its buckets, that of all, sum and count. */
    assert_int_equal(x.n_samples, N_METRICS + N_HISTOGRAMS * (HISTOGRAM_MAX_BOUNDS + 3));
    assert_true(exposition_value(&x, "penstock_dns_queries_total") ==
                (double)metric_read(METRIC_DNS_QUERIES));
    assert_true(exposition_value(&x, "penstock_faults_total{kind=\"dns_failed\"}") >= 1);
    assert_true(exposition_value(&x, "penstock_upstream_connections") == 2);
    assert_true(exposition_value(&x, "penstock_client_connections") == 0);
    buf_done(&out);
}

static const struct bucket_row {
    const char *name;
    uint64_t us;
    unsigned bucket;
} bucket_rows[] = {
    { "nothing is in the first bucket", 0, 0 }, { "a bound is in its own bucket", 1000, 0 },
    { "one more is in the next", 1001, 1 },     { "the last bound", 600000000, 13 },
    { "beyond all bounds", 600000001, 14 },     { "hours", 36000000000, 14 },
};

static void durations_find_their_buckets(void **state)
{
    for (size_t i = 0; i < sizeof bucket_rows / sizeof *bucket_rows; i++) {
        const struct bucket_row *row = &bucket_rows[i];
        struct histogram_sums before, after;
        histogram_read(HISTOGRAM_REQUEST_S3, &before);
        metric_observe(HISTOGRAM_REQUEST_S3, row->us);
        histogram_read(HISTOGRAM_REQUEST_S3, &after);
        assert_int_equal(after.n - before.n, 1);
        assert_int_equal(after.sum_us - before.sum_us, row->us);
        for (unsigned b = 0; b <= HISTOGRAM_MAX_BOUNDS; b++)
            if (after.buckets[b] - before.buckets[b] != (b == row->bucket))
                fail_msg("%s: bucket %u", row->name, b);
    }
}

static void buckets_are_cumulative_in_the_text(void **state)
{
    static struct exposition x;
    struct buf out;
    buf_init(&out, 1 << 20);
    for (uint64_t us = 500; us < 100000000; us *= 3)
        metric_observe(HISTOGRAM_DNS_LOOKUP, us);
    metrics_write(&out);
    exposition_parse(&x, buf_str(&out));
    double before = 0, all = exposition_value(&x, "penstock_dns_lookup_seconds_count");
    assert_true(all == 12);
    assert_true(exposition_value(&x, "penstock_dns_lookup_seconds_bucket{le=\"0.0001\"}") == 0);
    assert_true(exposition_value(&x, "penstock_dns_lookup_seconds_bucket{le=\"+Inf\"}") == all);
    assert_true(exposition_value(&x, "penstock_dns_lookup_seconds_sum") > 130);
    for (unsigned i = 0; i < x.n_samples; i++)
        if (str_starts(x.samples[i], STR("penstock_dns_lookup_seconds_bucket"))) {
            assert_true(x.values[i] >= before);
            before = x.values[i];
        }
    buf_done(&out);
}

static void histograms_agree_with_their_family(void **state)
{
    for (unsigned h = 0; h < N_HISTOGRAMS; h++) {
        const struct histogram_row *row = histogram_row(h);
        assert_true(str_ends(str_from_c(row->name), STR("_seconds")));
        for (unsigned b = 1; b < row->n_bounds; b++)
            assert_true(row->bounds_us[b] > row->bounds_us[b - 1]);
        for (unsigned k = h + 1; k < N_HISTOGRAMS; k++) {
            const struct histogram_row *other = histogram_row(k);
            if (strcmp(row->name, other->name) != 0)
                continue;
            assert_string_equal(histogram_row(k - 1)->name, other->name);
            assert_string_equal(row->help, other->help);
            assert_string_not_equal(row->labels, other->labels);
        }
    }
    assert_null(histogram_row(N_HISTOGRAMS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended_threads_stay_in_the_sum),
        cmocka_unit_test(one_thread_takes_away_what_another_added),
        cmocka_unit_test(responses_and_faults_find_their_rows),
        cmocka_unit_test(rows_of_a_name_stand_together_and_agree),
        cmocka_unit_test(every_row_is_in_the_text),
        cmocka_unit_test(durations_find_their_buckets),
        cmocka_unit_test(buckets_are_cumulative_in_the_text),
        cmocka_unit_test(histograms_agree_with_their_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
