#include "doctor/log_facts.h"
#include "fact_make.h"

#define UNKNOWN(name)                                                                              \
    "2024/01/02 03:04:05 [error] 29#29: *7 " name                                                  \
    " could not be resolved (3: Host not found), request: \"GET /?X-Amz-Signature=5ec7e7 "         \
    "HTTP/1.1\""
#define S3 "s3.eu-west-1.amazonaws.com"

enum { AT_MS = 1704164645 };

static struct log_report *report_of(int64_t ms, const char *const *lines)
{
    struct log_report *r = log_report_new(LOG_MAX_GROUPS);
    assert_non_null(r);
    for (; *lines != NULL; lines++)
        log_report_line(r, ms, str_from_c(*lines));
    log_report_end(r);
    return r;
}

static void test_groups(void **arg)
{
    static const char *const lines[] = { UNKNOWN(S3), "an ordinary line", UNKNOWN(S3),
                                         "lookup c.test on 10.9.0.53:53: no such host", NULL };
    struct fact_book b;
    fact_book_init(&b);
    struct log_report *r = report_of(AT_MS * 1000LL, lines);
    log_facts(r, STR("cloudwatch:g"), &b);
    const struct fact_log *log = &b.facts.log;
    assert_true(str_eq(log->source, STR("cloudwatch:g")));
    assert_int_equal(log->lines, 4);
    assert_int_equal(log->recognised, 3);
    assert_int_equal(log->other_groups, 0);
    assert_int_equal(log->groups.n, 2);
    const struct fact_log_group *g = &log->groups.v[0];
    assert_true(str_eq(g->kind, STR("name_unknown")) && str_eq(g->name, STR(S3)));
    assert_int_equal(g->count, 2);
    assert_true(g->meaning.n > 0 && g->is_dns == FACT_YES && g->is_consequence == FACT_NO);
    assert_true(str_eq(g->first, STR("2024-01-02T03:04:05Z")) && str_eq(g->first, g->last));
    assert_null(strstr(g->sample.p, "5ec7e7"));
    assert_true(fact_has_text(&g->hints, STR("PS1001")));
    assert_true(str_starts(log->groups.v[1].server, STR("10.9.0.53")));
    log_report_free(r);
    fact_book_done(&b);
}

/* What a service says its time is may be anything. */
static void test_times(void **arg)
{
    static const char *const lines[] = { "lookup c.test on 10.9.0.53:53: no such host", NULL };
    static const int64_t times[] = { INT64_MAX, INT64_MIN, -1, 0 };
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct fact_book b;
        fact_book_init(&b);
        struct log_report *r = report_of(times[i], lines);
        log_facts(r, STR("-"), &b);
        assert_int_equal(b.facts.log.groups.n, 1);
        assert_in_range(b.facts.log.groups.v[0].first.n, 0, 31);
        log_report_free(r);
        fact_book_done(&b);
    }
}

static void test_empty_and_again(void **arg)
{
    static const char *const some[] = { UNKNOWN(S3), NULL }, *const none[] = { NULL };
    struct fact_book b;
    fact_book_init(&b);
    struct log_report *r = report_of(AT_MS * 1000LL, some), *empty = report_of(0, none);
    log_facts(r, STR("one"), &b);
    b.facts.log.error = fact_text(&b, STR("not all of it"));
    log_facts(empty, STR("two"), &b);
    assert_true(str_eq(b.facts.log.source, STR("two")));
    assert_true(str_eq(b.facts.log.error, STR("not all of it")));
    assert_int_equal(b.facts.log.groups.n, 0);
    assert_int_equal(b.facts.log.lines, 0);
    log_report_free(r);
    log_report_free(empty);
    fact_book_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_groups),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_empty_and_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
