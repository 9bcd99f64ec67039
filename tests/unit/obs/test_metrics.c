#include "obs/metrics.h"

#include <pthread.h>
#include <time.h>
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

/* By Prometheus' conventions: docs/METRICS.md is made of these. */
static void names_and_texts_of_families(void **state)
{
    for (unsigned i = 0; i < N_FAMILIES; i++) {
        const struct metric_family *f = metric_family(i);
        struct str name = str_from_c(f->name);
        assert_true(str_starts(name, STR("penstock_")) || str_starts(name, STR("process_")));
        assert_true(str_ends(name, STR("_total")) == (f->kind == METRIC_COUNTER));
        assert_true(str_ends(name, STR("time_seconds")) || str_ends(name, STR("stamp_seconds")) ||
                    f->kind != METRIC_TIME);
        assert_true(f->help[0] != 0 && f->use[0] != 0);
        assert_null(strpbrk(f->help, "\\\n|"));
        assert_null(strpbrk(f->use, "\\\n|"));
        /* OpenMetrics calls a counter's family by its name without _total. */
        for (unsigned j = 0; j < N_FAMILIES; j++) {
            struct str other = str_from_c(metric_family(j)->name);
            assert_true(i == j || !str_eq(name, other));
            if (f->kind == METRIC_COUNTER)
                assert_false(str_eq(str_first(name, name.n - STR("_total").n), other));
        }
    }
    assert_null(metric_family(N_FAMILIES));
}

/* Prometheus wants one HELP and TYPE a name, and all its samples behind them. */
static void rows_of_a_family_stand_together(void **state)
{
    for (unsigned i = 0; i < N_METRICS; i++) {
        const struct metric_row *a = metric_row(i);
        assert_int_not_equal(a->family->kind, METRIC_HISTOGRAM);
        for (unsigned j = i + 1; j < N_METRICS; j++) {
            const struct metric_row *b = metric_row(j);
            if (a->family != b->family)
                continue;
            assert_ptr_equal(metric_row(j - 1)->family, b->family);
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
    unsigned n_own = 0, n_times = 0;
    for (unsigned i = 0; i < x.n_samples; i++)
        n_own += !str_starts(x.samples[i], STR("process_"));
    for (unsigned i = 0; i < N_METRICS; i++)
        n_times += metric_row(i)->family->kind == METRIC_TIME;
    /* Moments that did not come are left out; the build is one more. */
    assert_int_equal(n_own, N_METRICS - n_times + N_HISTOGRAMS * (HISTOGRAM_MAX_BOUNDS + 3) + 1);
    assert_true(exposition_value(&x, "penstock_dns_queries_total") ==
                (double)metric_read(METRIC_DNS_QUERIES));
    assert_true(exposition_value(&x, "penstock_faults_total{kind=\"dns_failed\"}") >= 1);
    assert_true(exposition_value(&x, "penstock_upstream_connections_open") == 2);
    assert_true(exposition_value(&x, "penstock_client_connections_open") == 0);
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

static void a_moment_is_there_when_it_came(void **state)
{
    static struct exposition x;
    struct buf out;
    buf_init(&out, 1 << 20);
    metric_add(METRIC_TLS_NOT_AFTER, 1700000000);
    metrics_write(&out);
    metric_sub(METRIC_TLS_NOT_AFTER, 1700000000);
    exposition_parse(&x, buf_str(&out));
    assert_true(exposition_value(&x, metric_row(METRIC_TLS_NOT_AFTER)->family->name) == 1700000000);
    buf_done(&out);
}

static void the_process_tells_of_itself(void **state)
{
    static struct exposition x[2];
    struct buf out[2];
    double now = (double)time(NULL);
    for (unsigned i = 0; i < 2; i++) {
        buf_init(&out[i], 1 << 20);
        metrics_write_process(&out[i]);
        exposition_parse(&x[i], buf_str(&out[i]));
        assert_true(
            exposition_value(&x[i], "penstock_build_info{version=\"" PENSTOCK_VERSION "\"}") == 1);
        assert_true(exposition_value(&x[i], "process_resident_memory_bytes") > 100000);
        assert_true(exposition_value(&x[i], "process_max_fds") >= 16);
        double start = exposition_value(&x[i], "process_start_time_seconds");
        assert_true(start > now - 600 && start < now + 2);
    }
    assert_true(exposition_value(&x[0], "process_start_time_seconds") ==
                exposition_value(&x[1], "process_start_time_seconds"));
    assert_true(exposition_value(&x[0], "process_cpu_seconds_total") <
                exposition_value(&x[1], "process_cpu_seconds_total"));
    buf_done(&out[0]);
    buf_done(&out[1]);
}

static void histograms_agree_with_their_family(void **state)
{
    for (unsigned h = 0; h < N_HISTOGRAMS; h++) {
        const struct histogram_row *row = histogram_row(h);
        assert_int_equal(row->family->kind, METRIC_HISTOGRAM);
        assert_true(str_ends(str_from_c(row->family->name), STR("_seconds")));
        for (unsigned b = 1; b < row->n_bounds; b++)
            assert_true(row->bounds_us[b] > row->bounds_us[b - 1]);
        for (unsigned k = h + 1; k < N_HISTOGRAMS; k++) {
            const struct histogram_row *other = histogram_row(k);
            if (row->family != other->family)
                continue;
            assert_ptr_equal(histogram_row(k - 1)->family, other->family);
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
        cmocka_unit_test(names_and_texts_of_families),
        cmocka_unit_test(rows_of_a_family_stand_together),
        cmocka_unit_test(every_row_is_in_the_text),
        cmocka_unit_test(durations_find_their_buckets),
        cmocka_unit_test(buckets_are_cumulative_in_the_text),
        cmocka_unit_test(a_moment_is_there_when_it_came),
        cmocka_unit_test(the_process_tells_of_itself),
        cmocka_unit_test(histograms_agree_with_their_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
