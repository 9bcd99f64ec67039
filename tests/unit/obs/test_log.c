#include "obs/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

/* stdout is a pipe while a test runs; cmocka reports to stderr. */
static int reader, saved;

static int redirect(void **state)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -1;
    fflush(stdout);
    saved = dup(STDOUT_FILENO);
    dup2(fds[1], STDOUT_FILENO);
    close(fds[1]);
    reader = fds[0];
    fcntl(reader, F_SETFL, O_NONBLOCK);
    log_set_level(LOG_INFO);
    return 0;
}

static int restore(void **state)
{
    log_done();
    dup2(saved, STDOUT_FILENO);
    close(saved);
    if (reader >= 0)
        close(reader);
    return 0;
}

/* What the pipe holds now. */
static struct str drain(struct buf *into)
{
    for (;;) {
        char *p = buf_reserve(into, 65536);
        assert_non_null(p);
        ssize_t n = read(reader, p, 65536);
        if (n <= 0)
            return buf_str(into);
        into->n += (size_t)n;
    }
}

static void check(const char *want)
{
    struct buf got;
    buf_init(&got, 4 << 20);
    drain(&got);
    buf_byte(&got, 0);
    assert_string_equal(strchr(got.p, ',') ? strchr(got.p, ',') : got.p, want);
    buf_done(&got);
}

static void an_event_is_one_escaped_json_line(void **state)
{
    log_event(LOG_WARNING, "x", "a \"%s\" \\ \n\x01\xff", "quote");
    check(",\"level\":\"warning\",\"event\":\"x\","
          "\"message\":\"a \\\"quote\\\" \\\\ \\u000a\\u0001\\u00ff\"}\n");
}

static void fields_stand_before_the_message(void **state)
{
    const struct log_field fields[] = { { "code", STR_INIT("PS1001") },
                                        { "fix", STR_INIT("\"a\"\n") } };
    log_event_with(LOG_ERROR, "x", fields, 2, STR("m\xff"));
    check(",\"level\":\"error\",\"event\":\"x\",\"code\":\"PS1001\",\"fix\":\"\\\"a\\\"\\u000a\","
          "\"message\":\"m\\u00ff\"}\n");
    log_event_with(LOG_DEBUG, "x", fields, 2, STR("no"));
    check("");
}

static void what_is_below_the_level_is_silent(void **state)
{
    enum log_level level;
    log_event(LOG_DEBUG, "x", "no");
    check("");
    assert_true(log_level_parse(STR("debug"), &level));
    log_set_level(level);
    assert_true(log_is_on(LOG_DEBUG));
    log_event(LOG_DEBUG, "x", "yes");
    check(",\"level\":\"debug\",\"event\":\"x\",\"message\":\"yes\"}\n");
    assert_false(log_level_parse(STR("Debug"), &level));
    assert_false(log_level_parse(STR(""), &level));
}

static void lines_wait_for_the_flush(void **state)
{
    log_line(STR("one\n"));
    check("");
    log_line(STR("two\n"));
    log_flush();
    check("one\ntwo\n");
    log_flush();
    check("");
}

static void a_full_buffer_is_written(void **state)
{
    char line[1000];
    memset(line, 'x', sizeof line);
    line[999] = '\n';
    for (int i = 0; i < 20; i++)
        log_line(str_of(line, sizeof line));
    struct buf got;
    buf_init(&got, 4 << 20);
    assert_int_equal(drain(&got).n, 16000);
    log_flush();
    assert_int_equal(drain(&got).n, 20000);
    buf_done(&got);
}

static void check_whole_lines(struct str got)
{
    struct str rest = got, line;
    assert_true(str_ends(got, STR("\n")));
    while (str_next(&rest, '\n', &line)) {
        assert_true(line.n > 0);
        if (str_contains(line, STR("log_lost")))
            continue;
        for (size_t i = 1; i < line.n; i++)
            assert_int_equal(line.p[i], line.p[0]);
    }
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Nobody reads for a while: no call waits, memory is bounded, lines stay whole, the loss is told.
 */
static void a_stuck_reader_stops_nobody(void **state)
{
    static char line[700];
    memset(line, 'y', sizeof line);
    line[sizeof line - 1] = '\n';
    int64_t start = now_ms();
    for (int i = 0; i < 3000; i++) {
        log_line(str_of(line, sizeof line));
        log_flush();
    }
    assert_true(now_ms() - start < 5000);
    struct buf got;
    buf_init(&got, 16 << 20);
    for (int i = 0; i < 200; i++) {
        drain(&got);
        log_flush();
    }
    drain(&got);
    check_whole_lines(buf_str(&got));
    assert_true(got.n > LOG_BACKLOG_BYTES);
    assert_true(str_contains(buf_str(&got), STR("\"event\":\"log_lost\"")));
    assert_true(str_contains(buf_str(&got), STR("were dropped")));
    buf_done(&got);
}

static void a_long_line_that_is_cut_is_ended_before_the_next(void **state)
{
    static char line[200000];
    memset(line, 'z', sizeof line);
    line[sizeof line - 1] = '\n';
    log_line(str_of(line, sizeof line)); /* more than the pipe holds */
    log_flush();
    log_line(STR("aaa\n"));
    struct buf got;
    buf_init(&got, 4 << 20);
    for (int i = 0; i < 10; i++) {
        drain(&got);
        log_flush();
    }
    drain(&got);
    check_whole_lines(buf_str(&got));
    assert_true(str_contains(buf_str(&got), STR("z\n{\"time")));
    assert_true(str_contains(
        buf_str(&got), STR("\"1 log lines were dropped: stdout was not read in time\"}\naaa\n")));
    buf_done(&got);
}

static void *write_lines(void *arg)
{
    char line[3000];
    for (size_t n = 2; n < sizeof line; n += 7) {
        memset(line, *(char *)arg, n);
        line[n - 1] = '\n';
        log_line(str_of(line, n));
    }
    log_done();
    return NULL;
}

static void threads_never_mix_their_lines(void **state)
{
    pthread_t t[3];
    char names[] = "pqr";
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&t[i], NULL, write_lines, &names[i]), 0);
    struct buf got;
    buf_init(&got, 16 << 20);
    size_t want = 0;
    for (size_t n = 2; n < 3000; n += 7)
        want += 3 * n;
    for (int64_t end = now_ms() + 20000; got.n < want && now_ms() < end;) {
        struct timespec pause = { .tv_nsec = 200000 };
        drain(&got);
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(got.n, want);
    check_whole_lines(buf_str(&got));
    buf_done(&got);
}

static void the_clock_is_rfc_3339(void **state)
{
    char text[32];
    struct str now = log_now(text);
    assert_int_equal(now.n, 24);
    assert_int_equal(now.p[10], 'T');
    assert_int_equal(now.p[19], '.');
    assert_int_equal(now.p[23], 'Z');
}

/* The last test: stdout stays gone for the process. */
static void a_closed_stdout_is_silence(void **state)
{
    close(reader);
    reader = -1;
    for (int i = 0; i < 100000; i++)
        log_line(STR("nobody reads this\n"));
    log_event(LOG_ERROR, "x", "nor this");
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    cmocka_set_message_output(CM_OUTPUT_STDOUT);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_event_is_one_escaped_json_line, redirect, restore),
        cmocka_unit_test_setup_teardown(fields_stand_before_the_message, redirect, restore),
        cmocka_unit_test_setup_teardown(what_is_below_the_level_is_silent, redirect, restore),
        cmocka_unit_test_setup_teardown(lines_wait_for_the_flush, redirect, restore),
        cmocka_unit_test_setup_teardown(a_full_buffer_is_written, redirect, restore),
        cmocka_unit_test_setup_teardown(a_stuck_reader_stops_nobody, redirect, restore),
        cmocka_unit_test_setup_teardown(a_long_line_that_is_cut_is_ended_before_the_next, redirect,
                                        restore),
        cmocka_unit_test_setup_teardown(threads_never_mix_their_lines, redirect, restore),
        cmocka_unit_test_setup_teardown(the_clock_is_rfc_3339, redirect, restore),
        cmocka_unit_test_setup_teardown(a_closed_stdout_is_silence, redirect, restore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
