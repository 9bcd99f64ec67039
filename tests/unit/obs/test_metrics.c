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
    assert_int_equal(x.n_samples, N_METRICS);
    assert_true(exposition_value(&x, "penstock_dns_queries_total") ==
                (double)metric_read(METRIC_DNS_QUERIES));
    assert_true(exposition_value(&x, "penstock_faults_total{kind=\"dns_failed\"}") >= 1);
    assert_true(exposition_value(&x, "penstock_upstream_connections") == 2);
    assert_true(exposition_value(&x, "penstock_client_connections") == 0);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ended_threads_stay_in_the_sum),
        cmocka_unit_test(one_thread_takes_away_what_another_added),
        cmocka_unit_test(responses_and_faults_find_their_rows),
        cmocka_unit_test(rows_of_a_name_stand_together_and_agree),
        cmocka_unit_test(every_row_is_in_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
