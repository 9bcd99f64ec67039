#include "answer_rows.h"

/* What gets lost, or comes late: PS1016, PS1017, PS1019. */

static void two_lost(struct fact_book *b)
{
    lose(question(b, SERVER, S3), 1, 2);
    lose(question(b, SERVER, REGISTRY), 1, 2);
}

static void one_lost(struct fact_book *b)
{
    lose(question(b, SERVER, S3), 1, 2);
}

static void registry_lossy(struct fact_book *b)
{
    lose(question(b, SERVER, REGISTRY), 1, 3);
}

static void amazon_lossy(struct fact_book *b)
{
    lose(question(b, AMAZON, S3), 1, 3);
}

static void slow(struct fact_book *b)
{
    question(b, SERVER, S3)->time_us = 1600000;
}

static void not_quite_slow(struct fact_book *b)
{
    question(b, SERVER, S3)->time_us = 1000000;
}

static const struct row rows[] = {
    /* PS1016 */
    { "two queries lost",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      two_lost,
      FAILS(PS1016, W, SERVER ": 2 of 4 queries lost") },
    { "one query lost",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      one_lost,
      IS(PS1016, CHECK_PASS) },
    { "so many that a name never came",
      SERVER,
      { "timeout", REG, 0, 0, PRIVATE, REG },
      registry_lossy,
      FAILS(PS1016, E, SERVER ": 5 of 6 queries lost") },
    { "all lost is silence",
      SERVER,
      { "timeout", "timeout", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1016, CHECK_SKIPPED) },
    { "EDNS lost is another finding",
      SERVER,
      { "timeout", "timeout", 0, 0, PUBLIC, REG },
      plain_works,
      IS(PS1016, CHECK_PASS) },
    { "loss, outside",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      outside,
      IS(PS1016, CHECK_SKIPPED) },
    /* PS1017 */
    { "Amazon's server drops",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      amazon_lossy,
      FAILS(PS1017, W, AMAZON ": 2 of 4 queries lost") },
    { "and is not one of the corporate ones",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      amazon_lossy,
      IS(PS1016, CHECK_PASS) },
    { "Amazon's server drops nothing",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      two_lost,
      IS(PS1017, CHECK_PASS) },
    { "Amazon's server is silent",
      SERVER,
      { PRIVATE, REG, 0, 0, "timeout", "timeout" },
      NULL,
      IS(PS1017, CHECK_SKIPPED) },
    /* PS1019 */
    { "an answer after 1.6 s",
      SERVER,
      { PUBLIC, REG, 0, 0, PUBLIC, REG },
      slow,
      FAILS(PS1019, I, "in 1600 ms for " S3) },
    { "an answer after 1 s",
      SERVER,
      { PUBLIC, REG, 0, 0, PUBLIC, REG },
      not_quite_slow,
      IS(PS1019, CHECK_PASS) },
    { "waiting for a dead server each time",
      TWO,
      { "timeout", "timeout", PUBLIC, REG, PUBLIC, REG },
      NULL,
      FAILS(PS1019, I, "programs wait 5 s for it at each lookup before they ask " SECOND) },
    { "nobody answers",
      SERVER,
      { "timeout", "timeout", 0, 0, PUBLIC, REG },
      NULL,
      IS(PS1019, CHECK_SKIPPED) },
};

static void test_rows(void **state)
{
    (void)state;
    expect_rows(rows, sizeof rows / sizeof *rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
