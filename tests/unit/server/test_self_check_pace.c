#include "server/self_check_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

enum { S = 1000, START_MS = 500 * S };

/* A run that begins when it is due and takes took_ms; what it says. */
struct ran {
    bool says[N_FINDING_CODES];
    bool is_well_again;
    uint64_t end_ms;
};

static struct ran run(struct self_check_pace *p, uint64_t took_ms, enum finding_code found)
{
    bool all[N_FINDING_CODES] = { false };
    struct ran r = { .end_ms = self_check_pace_due_ms(p) + took_ms };
    if (found != N_FINDING_CODES)
        all[found] = true;
    self_check_pace_begin(p);
    r.is_well_again = self_check_pace_end(p, all, found != N_FINDING_CODES, r.end_ms, r.says);
    return r;
}

static const enum finding_code NOTHING = N_FINDING_CODES;

static void the_first_run_is_due_at_once_and_no_other_while_all_is_well(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    assert_int_equal(self_check_pace_due_ms(&p), START_MS);
    struct ran r = run(&p, 200, NOTHING);
    assert_false(r.is_well_again);
    assert_true(self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS);
    assert_false(self_check_pace_hope(&p));
    assert_true(self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS);
}

/* Failures at these seconds after the first run; whether a run is due then. */
static const struct {
    const char *what;
    unsigned n;
    unsigned at_s[8];
    bool is_due;
} rows[] = {
    { "one failure is chance", 1, { 100 }, false },
    { "four failures are few", 4, { 100, 101, 102, 103 }, false },
    { "five at once", 5, { 100, 100, 100, 100, 100 }, true },
    { "five within a minute", 5, { 100, 115, 130, 145, 160 }, true },
    { "five in more than a minute", 5, { 100, 115, 130, 145, 161 }, false },
    { "the oldest one does not count for ever", 6, { 100, 150, 155, 160, 165, 170 }, true },
    { "a slow drip", 8, { 100, 120, 140, 160, 180, 200, 220, 240 }, false },
};

static void repeated_failures_are_five_within_a_minute(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct self_check_pace p;
        bool is_due = false;
        self_check_pace_init(&p, START_MS);
        uint64_t end_ms = run(&p, 0, NOTHING).end_ms;
        for (unsigned k = 0; k < rows[i].n; k++)
            is_due |= self_check_pace_failed(&p, end_ms + rows[i].at_s[k] * (uint64_t)S);
        if (is_due != rows[i].is_due ||
            is_due == (self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS))
            fail_msg("%s", rows[i].what);
    }
}

static void failures_during_a_run_call_for_another(void **state)
{
    struct self_check_pace p;
    bool none[N_FINDING_CODES] = { false }, says[N_FINDING_CODES];
    self_check_pace_init(&p, START_MS);
    self_check_pace_begin(&p);
    for (unsigned i = 0; i < SELF_CHECK_FAILURES; i++)
        self_check_pace_failed(&p, START_MS + 10);
    self_check_pace_end(&p, none, false, START_MS + 20, says);
    assert_int_equal(self_check_pace_due_ms(&p), START_MS + 20 + SELF_CHECK_PAUSE_MS);
}

static void a_run_waits_for_a_minute_after_the_last(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    uint64_t end_ms = run(&p, 5 * S, NOTHING).end_ms;
    assert_int_equal(end_ms, START_MS + 5 * S);
    assert_true(self_check_pace_alarm(&p, end_ms + S));
    assert_false(self_check_pace_alarm(&p, end_ms + 2 * S)); /* it is called for already */
    assert_int_equal(self_check_pace_due_ms(&p), end_ms + SELF_CHECK_PAUSE_MS);
}

static void a_late_alarm_is_due_at_once(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    uint64_t end_ms = run(&p, 0, NOTHING).end_ms;
    self_check_pace_alarm(&p, end_ms + 1000 * S);
    assert_int_equal(self_check_pace_due_ms(&p), end_ms + 1000 * S);
}

static void what_is_unwell_is_looked_at_again_ever_more_rarely_and_not_repeated(void **state)
{
    static const unsigned waits_s[] = { 60, 120, 240, 480, 900, 900 };
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    struct ran r = run(&p, 100, PS1001);
    assert_true(r.says[PS1001]);
    for (size_t i = 0; i < sizeof waits_s / sizeof waits_s[0]; i++) {
        assert_int_equal(self_check_pace_due_ms(&p), r.end_ms + waits_s[i] * S);
        r = run(&p, 100, PS1001);
        assert_false(r.says[PS1001]);
        assert_false(r.is_well_again);
    }
}

static void a_look_tells_what_is_new(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    run(&p, 100, PS1001);
    run(&p, 100, PS1001);
    struct ran r = run(&p, 100, PS1004);
    assert_true(r.says[PS1004]);
    assert_false(r.says[PS1001]);
    assert_int_equal(self_check_pace_due_ms(&p), r.end_ms + 60 * S); /* and looks sooner again */
}

static void failures_have_all_said_again(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    struct ran r = run(&p, 100, PS1001);
    for (unsigned i = 0; i < SELF_CHECK_FAILURES; i++)
        self_check_pace_failed(&p, r.end_ms + S);
    assert_true(run(&p, 100, PS1001).says[PS1001]);
}

static void well_again_is_told_once(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    run(&p, 100, PS1001);
    struct ran r = run(&p, 100, NOTHING);
    assert_true(r.is_well_again);
    assert_true(self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS);
    self_check_pace_alarm(&p, r.end_ms + S);
    assert_false(run(&p, 100, NOTHING).is_well_again);
}

static void hope_brings_the_next_look_forward(void **state)
{
    struct self_check_pace p;
    uint64_t end_ms = 0;
    self_check_pace_init(&p, START_MS);
    for (int i = 0; i < 5; i++)
        end_ms = run(&p, 100, PS1001).end_ms;
    assert_int_equal(self_check_pace_due_ms(&p), end_ms + 900 * S);
    assert_true(self_check_pace_hope(&p));
    assert_int_equal(self_check_pace_due_ms(&p), end_ms + SELF_CHECK_PAUSE_MS);
    assert_false(self_check_pace_hope(&p));
}

static void information_alone_is_said_and_not_looked_at_again(void **state)
{
    struct self_check_pace p;
    bool found[N_FINDING_CODES] = { [PS1019] = true }, says[N_FINDING_CODES];
    self_check_pace_init(&p, START_MS);
    self_check_pace_begin(&p);
    assert_false(self_check_pace_end(&p, found, false, START_MS, says));
    assert_true(says[PS1019]);
    assert_true(self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS);
}

static void a_run_that_could_not_be_made_is_not_tried_at_once_again(void **state)
{
    struct self_check_pace p;
    self_check_pace_init(&p, START_MS);
    self_check_pace_begin(&p);
    self_check_pace_failed_to_run(&p, START_MS + 5);
    assert_true(self_check_pace_due_ms(&p) == SELF_CHECK_NEVER_MS);
    self_check_pace_alarm(&p, START_MS + 6);
    assert_int_equal(self_check_pace_due_ms(&p), START_MS + 5 + SELF_CHECK_PAUSE_MS);
}

/* Whatever happens, and however long runs take. */
static void nothing_is_said_twice_within_a_minute(void **state)
{
    struct self_check_pace p;
    uint64_t now_ms = START_MS, said_ms[N_FINDING_CODES] = { 0 };
    unsigned n_said = 0;
    srand(7);
    self_check_pace_init(&p, now_ms);
    for (int i = 0; i < 20000; i++) {
        now_ms += (uint64_t)(rand() % 5000);
        if (rand() % 3 != 0)
            self_check_pace_failed(&p, now_ms);
        if (rand() % 40 == 0)
            self_check_pace_alarm(&p, now_ms);
        if (rand() % 40 == 0)
            self_check_pace_hope(&p);
        if (self_check_pace_due_ms(&p) > now_ms)
            continue;
        bool found[N_FINDING_CODES] = { false }, says[N_FINDING_CODES];
        for (unsigned c = 0; c < N_FINDING_CODES; c++)
            found[c] = rand() % 3 == 0;
        self_check_pace_begin(&p);
        now_ms += (uint64_t)(rand() % 8000);
        self_check_pace_end(&p, found, rand() % 2 == 0, now_ms, says);
        for (unsigned c = 0; c < N_FINDING_CODES; c++) {
            if (!says[c])
                continue;
            assert_true(found[c]);
            assert_true(said_ms[c] == 0 || now_ms - said_ms[c] >= SELF_CHECK_PAUSE_MS);
            said_ms[c] = now_ms;
            n_said++;
        }
    }
    assert_true(n_said > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_run_is_due_at_once_and_no_other_while_all_is_well),
        cmocka_unit_test(repeated_failures_are_five_within_a_minute),
        cmocka_unit_test(failures_during_a_run_call_for_another),
        cmocka_unit_test(a_run_waits_for_a_minute_after_the_last),
        cmocka_unit_test(a_late_alarm_is_due_at_once),
        cmocka_unit_test(what_is_unwell_is_looked_at_again_ever_more_rarely_and_not_repeated),
        cmocka_unit_test(a_look_tells_what_is_new),
        cmocka_unit_test(failures_have_all_said_again),
        cmocka_unit_test(well_again_is_told_once),
        cmocka_unit_test(hope_brings_the_next_look_forward),
        cmocka_unit_test(information_alone_is_said_and_not_looked_at_again),
        cmocka_unit_test(a_run_that_could_not_be_made_is_not_tried_at_once_again),
        cmocka_unit_test(nothing_is_said_twice_within_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
