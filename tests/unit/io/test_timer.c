#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/timer.h"

#include <stdlib.h>
#include <string.h>

enum { N = 6 };

struct shot {
    struct io_timer timer;
    struct io_loop *loop;
    char *log;
    char name;
    bool is_again;          /* arms itself with 0 */
    struct io_timer *other; /* disarmed when this one fires */
};

static void on_fire(struct io_timer *t)
{
    struct shot *s = LIST_ENTRY(t, struct shot, timer);
    size_t n = strlen(s->log);
    assert_false(io_timer_is_armed(t));
    s->log[n] = s->name;
    s->log[n + 1] = 0;
    if (s->is_again)
        io_timer_arm(s->loop, t, 0);
    if (s->other != NULL)
        io_timer_disarm(s->loop, s->other);
}

/* What is done, one letter a timer: +a5 arms a for 5 ms, -a disarms it, @7 fires what is due at 7
 * ms. */
static const struct {
    const char *name, *script, *fired;
    uint64_t next; /* after the script, from the last @ */
} rows[] = {
    { "nothing is armed", "@9", "", UINT64_MAX },
    { "in the order of their deadlines", "+a5+b3+c4@9", "bca", UINT64_MAX },
    { "not before the deadline", "+a5@4", "", 1 },
    { "at the deadline", "+a5@5", "a", UINT64_MAX },
    { "a late turn fires all that is due", "+a1+b2+c9@5", "ab", 4 },
    { "disarmed ones do not fire", "+a1+b2+c3-b@9", "ac", UINT64_MAX },
    { "the first may be disarmed", "+a1+b2+c3-a@9", "bc", UINT64_MAX },
    { "disarming twice is harmless", "+a1-a-a@9", "", UINT64_MAX },
    { "arming again moves it later", "+a1+b2+a3@2", "b", 1 },
    { "moved later, it fires then", "+a1+b2+a3@2@3", "ba", UINT64_MAX },
    { "moved later and disarmed", "+a1+a3-a@9", "", UINT64_MAX },
    { "arming again moves it earlier", "+a9+b5+a2@3", "a", 2 },
    { "earlier than the first", "+a2+b3+c4+d9+d1@1", "d", 1 },
    { "later, then earlier again", "+a2+a9+a4@3@4", "a", UINT64_MAX },
    { "armed again after it fired", "+a1@1+a5@4@5", "aa", UINT64_MAX },
    { "moved inside the heap", "+a1+b2+c3+d4+e5+f6-c+e1-b@9", "aedf", UINT64_MAX },
    { "0 ms is the next turn", "+a0+b1@9", "ab", UINT64_MAX },
};

static void test_scripts(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct io_loop l;
        struct shot shots[N];
        char log[64] = "";
        uint64_t now = 0;
        memset(&l, 0, sizeof l);
        for (int k = 0; k < N; k++)
            shots[k] = (struct shot){
                .timer.on_fire = on_fire, .loop = &l, .log = log, .name = (char)('a' + k)
            };
        for (const char *c = rows[i].script; *c != 0;) {
            char op = *c++;
            struct io_timer *t = op == '@' ? NULL : &shots[*c++ - 'a'].timer;
            if (op == '+')
                io_timer_arm(&l, t, (uint64_t)(*c++ - '0'));
            else if (op == '-')
                io_timer_disarm(&l, t);
            else
                io_timers_fire(&l, now = (uint64_t)(*c++ - '0'));
        }
        if (strcmp(log, rows[i].fired) != 0 || io_timers_next(&l, now) != rows[i].next)
            fail_msg("%s: fired \"%s\"", rows[i].name, log);
    }
}

static void test_callbacks_that_arm_and_disarm(void **state)
{
    struct io_loop l;
    char log[64] = "";
    memset(&l, 0, sizeof l);
    struct shot a = { .timer.on_fire = on_fire, .loop = &l, .log = log, .name = 'a' };
    struct shot b = a;
    b.name = 'b';
    a.is_again = true;
    a.other = &b.timer;
    io_timer_arm(&l, &a.timer, 1);
    io_timer_arm(&l, &b.timer, 1);
    io_timers_fire(&l, 5);
    assert_string_equal(log, "a"); /* b was due as well; a was faster */
    assert_true(io_timer_is_armed(&a.timer));
    io_timers_fire(&l, 6);
    assert_string_equal(log, "aa");
}

static void test_far_deadlines_do_not_wrap(void **state)
{
    struct io_loop l;
    char log[64] = "";
    memset(&l, 0, sizeof l);
    l.uv.time = 1000;
    struct shot a = { .timer.on_fire = on_fire, .loop = &l, .log = log, .name = 'a' };
    io_timer_arm(&l, &a.timer, UINT64_MAX);
    io_timers_fire(&l, UINT64_MAX / 2);
    assert_string_equal(log, "");
    io_timer_disarm(&l, &a.timer);
    assert_true(io_timers_next(&l, 0) == UINT64_MAX);
}

static uint64_t fired_at;

static void on_fire_in_order(struct io_timer *t)
{
    assert_true(t->deadline_ms >= fired_at);
    fired_at = t->deadline_ms;
}

static void test_many_against_a_plain_table(void **state)
{
    enum { MANY = 2000 };
    struct io_loop l;
    struct io_timer *t = calloc(MANY, sizeof *t);
    uint64_t due[MANY] = { 0 }; /* 0: not armed */
    uint32_t random = 12345;
    memset(&l, 0, sizeof l);
    for (int i = 0; i < MANY; i++)
        t[i].on_fire = on_fire_in_order;
    for (int step = 0; step < 40000; step++) {
        random = random * 1664525 + 1013904223;
        int k = (int)(random >> 8) % MANY;
        uint64_t after = 1 + (random >> 3) % 5000;
        if (random % 4 == 0) {
            io_timer_disarm(&l, &t[k]);
            due[k] = 0;
        } else {
            io_timer_arm(&l, &t[k], after);
            due[k] = l.uv.time + after;
        }
        if (step % 100 == 0) {
            l.uv.time += 40;
            fired_at = 0;
            io_timers_fire(&l, l.uv.time);
            for (int i = 0; i < MANY; i++) {
                if (due[i] != 0 && due[i] <= l.uv.time)
                    due[i] = 0;
                assert_int_equal(io_timer_is_armed(&t[i]), due[i] != 0);
            }
        }
    }
    free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_callbacks_that_arm_and_disarm),
        cmocka_unit_test(test_far_deadlines_do_not_wrap),
        cmocka_unit_test(test_many_against_a_plain_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
