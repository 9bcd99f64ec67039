#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "doctor/log_report.h"

#define UNKNOWN(time, name)                                                                        \
    "2024/01/02 " time " [error] 29#29: *7 " name " could not be resolved (3: Host not found), "   \
    "client: 10.0.1.2, request: \"GET /?X-Amz-Signature=feed HTTP/1.1\"\n"
#define TIMEOUT(name)                                                                              \
    "2024/01/02 03:00:00 [error] 29#29: *7 " name " could not be resolved (110: x)\n"
#define NOISE "10.0.1.2 - - \"GET /health HTTP/1.1\" 200 8\n"
#define CLOSED(server)                                                                             \
    "2024/01/02 03:04:05 [error] 29#29: recv() failed (111: Connection refused) while resolving, " \
    "resolver: " server "\n"
#define LIVE                                                                                       \
    "2024/01/02 03:04:05 [error] 29#29: *7 no live upstreams while connecting to upstream, "       \
    "client: 10.0.1.2, request: \"GET / HTTP/1.1\", upstream: \"http://backend/\"\n"
static const int64_t jan_2_ms = 1704153600LL * 1000;

static struct log_report *report_of(const char *text, size_t piece)
{
    struct log_report *r = log_report_new(LOG_MAX_GROUPS);
    struct str rest = str_from_c(text);
    assert_non_null(r);
    for (; rest.n > 0; rest = str_from(rest, piece)) {
        struct str part = str_first(rest, piece);
        char *exact = malloc(part.n);
        assert_non_null(exact);
        memcpy(exact, part.p, part.n);
        log_report_feed(r, str_of(exact, part.n));
        free(exact);
    }
    log_report_end(r);
    return r;
}

static const char sample[] =
    NOISE UNKNOWN("03:04:07", "a.test") NOISE UNKNOWN("03:04:05", "A.Test.") "\n" TIMEOUT("b.test")
        CLOSED("10.0.2.53:53") CLOSED("10.0.2.54:53") LIVE UNKNOWN("03:04:09", "a.test") NOISE
    "last line without an end, lookup c.test on 10.0.2.53:53: no such host";

static void check_sample(struct log_report *r)
{
    struct log_counts c = log_report_counts(r);
    assert_int_equal(c.n_bytes, sizeof sample - 1);
    assert_int_equal(c.n_lines, 12);
    assert_int_equal(c.n_recognised, 8);
    assert_int_equal(c.n_dns, 7);
    assert_int_equal(c.n_consequences, 1);
    assert_int_equal(c.n_cut, 0);
    assert_int_equal(log_report_n_groups(r), 6);
    const struct log_group *g = log_report_group(r, 0);
    assert_int_equal(g->kind, LOG_KIND_NAME_UNKNOWN);
    assert_string_equal(g->name, "a.test");
    assert_int_equal(g->n_lines, 3);
    assert_int_equal(g->first_ms, jan_2_ms + (3 * 3600 + 4 * 60 + 5) * 1000);
    assert_int_equal(g->last_ms, jan_2_ms + (3 * 3600 + 4 * 60 + 9) * 1000);
    assert_non_null(strstr(g->sample, "a.test could not be resolved"));
    assert_non_null(strstr(g->sample, "X-Amz-Signature=*** HTTP/1.1"));
    assert_null(strstr(g->sample, "feed"));
    assert_string_equal(log_report_group(r, 1)->name, "b.test");
    assert_string_equal(log_report_group(r, 2)->server, "10.0.2.53:53");
    assert_string_equal(log_report_group(r, 3)->server, "10.0.2.54:53");
    assert_string_equal(log_report_group(r, 5)->name, "c.test");
    assert_false(log_report_group(r, 5)->has_time);
}

static void any_pieces_give_the_same(void **state)
{
    for (size_t piece = 1; piece < sizeof sample; piece += piece < 70 ? 1 : 61) {
        struct log_report *r = report_of(sample, piece);
        check_sample(r);
        log_report_free(r);
    }
}

static void events_have_their_own_time(void **state)
{
    struct log_report *r = log_report_new(LOG_MAX_GROUPS);
    assert_non_null(r);
    log_report_line(r, 5000, STR(UNKNOWN("03:04:07", "a.test") "more\r\n\r\n"));
    log_report_line(r, 7000, STR("x could not be resolved, lookup a.test: no such host"));
    const struct log_group *g = log_report_group(r, 0);
    assert_int_equal(log_report_counts(r).n_lines, 4);
    assert_int_equal(g->n_lines, 2);
    assert_int_equal(g->first_ms, 5000);
    assert_int_equal(g->last_ms, 7000);
    log_report_free(r);
}

static void names_beyond_the_groups_are_counted_by_kind(void **state)
{
    struct log_report *r = log_report_new(3);
    char line[256];
    assert_non_null(r);
    for (unsigned i = 0; i < 50; i++) {
        int n = snprintf(line, sizeof line, "lookup n%u.test: no such host\n", i % 10);
        log_report_feed(r, str_of(line, (size_t)n));
    }
    struct log_counts c = log_report_counts(r);
    assert_int_equal(log_report_n_groups(r), 3);
    assert_int_equal(c.n_recognised, 50);
    assert_int_equal(c.n_ungrouped, 35);
    assert_int_equal(log_report_ungrouped(r, LOG_KIND_NAME_UNKNOWN), 35);
    assert_int_equal(log_report_ungrouped(r, LOG_KIND_REFUSED), 0);
    assert_int_equal(log_report_group(r, 2)->n_lines, 5);
    log_report_free(r);
}

static void long_lines_are_cut(void **state)
{
    static const char found[] = "lookup a.test: no such host ";
    enum { LONG = LOG_LINE_BYTES * 3 };
    char *text = malloc(2 * LONG);
    assert_non_null(text);
    memset(text, 'x', 2 * LONG);
    /* One that can be read, one whose words stand behind the cut; each is one line. */
    memcpy(text + 1, " ", 1);
    memcpy(text + 2, found, sizeof found - 1);
    text[LONG - 1] = text[2 * LONG - 1] = '\n';
    memcpy(text + LONG + LOG_LINE_BYTES - 10, found, sizeof found - 1);
    memcpy(text + 2 * LONG - 50, found, sizeof found - 1);
    for (size_t piece = 1000; piece < 3 * LONG; piece *= 3) {
        struct log_report *r = log_report_new(LOG_MAX_GROUPS);
        assert_non_null(r);
        for (struct str rest = str_of(text, 2 * LONG); rest.n > 0; rest = str_from(rest, piece))
            log_report_feed(r, str_first(rest, piece));
        log_report_end(r);
        struct log_counts c = log_report_counts(r);
        assert_int_equal(c.n_lines, 2);
        assert_int_equal(c.n_cut, 2);
        assert_int_equal(c.n_recognised, 1);
        log_report_free(r);
    }
    free(text);
}

static void servers_of_a_name(void **state)
{
    struct log_report *r = report_of("lookup a.test on 10.0.0.1:53: no such host\n"
                                     "lookup a.test on 10.0.0.1:53: no such host\n",
                                     4096);
    assert_string_equal(log_report_group(r, 0)->server, "10.0.0.1:53");
    assert_false(log_report_group(r, 0)->has_more_servers);
    log_report_feed(r, STR("lookup a.test on 10.0.0.2:53: no such host\n"));
    assert_true(log_report_group(r, 0)->has_more_servers);
    assert_string_equal(log_report_group(r, 0)->server, "10.0.0.1:53");
    log_report_free(r);
}

static void hints_fit_the_name(void **state)
{
    static const struct {
        const char *line, *hints;
    } rows[] = {
        { "lookup s3.eu-west-1.amazonaws.com: no such host", "PS1001 PS1005 PS2006 " },
        { "lookup registry.stk: no such host", "PS1001 PS1005 PS2006 PS4001 PS4002 PS4003 " },
        { "ResourceInitializationError: lookup api.ecr.eu-west-1.amazonaws.com: no such host",
          "PS5001 PS1001 PS1005 PS2006 " },
        { "Get \"https://s3.eu-west-1.amazonaws.com/\": dial tcp 1.2.3.4:443: i/o timeout",
          "PS3005 PS3001 PS3002 PS3004 PS3016 " },
        { "Get \"https://logs.eu-west-1.amazonaws.com/\": dial tcp 1.2.3.4:443: i/o timeout",
          "PS3015 " },
        { "Get \"http://registry.stk/\": dial tcp 1.2.3.4:80: i/o timeout", "PS4005 PS4006 " },
        { "dial tcp 1.2.3.4:80: connect: connection refused", "PS3006 PS4005 PS4006 " },
        { "net/http: TLS handshake timeout", "PS3008 " },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        enum finding_code codes[LOG_MAX_HINTS];
        char text[128] = "";
        struct log_report *r = report_of(rows[i].line, 4096);
        unsigned n = log_group_hints(log_report_group(r, 0), codes);
        for (unsigned k = 0; k < n; k++) {
            strcat(text, finding_row(codes[k])->code);
            strcat(text, " ");
        }
        assert_string_equal(text, rows[i].hints);
        log_report_free(r);
    }
}

/* A code that is none would be left out without a word; and there is room for all of a row. */
static void every_hint_of_the_table_is_a_code(void **state)
{
    for (unsigned kind = 1; kind < N_LOG_KINDS; kind++) {
        struct str rest = str_from_c(log_kind_row(kind)->hints), word;
        unsigned n = 0;
        for (enum finding_code code; str_next(&rest, ' ', &word); n++)
            assert_true(word.n == 6 && finding_parse(word, &code));
        assert_true(n < LOG_MAX_HINTS);
        assert_true(log_kind_row(kind)->meaning[0] != 0);
    }
}

static void sentences(void **state)
{
    struct log_report *r = report_of(sample, 4096);
    struct buf out;
    buf_init(&out, 4096);
    log_group_sentence(log_report_group(r, 0), &out);
    buf_append(&out, STR("\n"));
    log_group_sentence(log_report_group(r, 2), &out);
    buf_append(&out, STR("\n"));
    log_report_sentence(r, &out);
    buf_append(&out, STR("\n"));
    log_report_free(r);
    r = report_of(NOISE, 4096);
    log_report_sentence(r, &out);
    buf_byte(&out, 0);
    assert_string_equal(
        out.p,
        "3 times from 2024-01-02 03:04:05 to 2024-01-02 03:04:09: a.test: a DNS server says that "
        "there is no such name, or no address of it: the line does not tell which\n"
        "1 time at 2024-01-02 03:04:05: nobody listens on the DNS server's port (10.0.2.53:53)\n"
        "12 lines: 7 about DNS; 1 more follow from others\n"
        "1 line, none of which tells of a failure that the doctor knows");
    log_report_free(r);
    buf_done(&out);
}

static void files(void **state)
{
    char path[] = "/tmp/test_log_reportXXXXXX";
    struct fault f = { .kind = FAULT_NONE };
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, sample, sizeof sample - 1), sizeof sample - 1);
    close(fd);
    struct log_report *r = log_report_new(LOG_MAX_GROUPS);
    assert_non_null(r);
    assert_true(log_report_file(r, path, &f));
    check_sample(r);
    unlink(path);
    assert_false(log_report_file(r, path, &f));
    assert_string_equal(f.detail, "No such file or directory");
    fault_clear(&f);
    f.kind = FAULT_NONE;
    assert_false(log_report_file(r, "/tmp", &f));
    assert_string_equal(f.detail, "Is a directory");
    log_report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_pieces_give_the_same),
        cmocka_unit_test(events_have_their_own_time),
        cmocka_unit_test(names_beyond_the_groups_are_counted_by_kind),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(servers_of_a_name),
        cmocka_unit_test(hints_fit_the_name),
        cmocka_unit_test(every_hint_of_the_table_is_a_code),
        cmocka_unit_test(sentences),
        cmocka_unit_test(files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
