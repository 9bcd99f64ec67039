#include "answer_rows.h"

/* Whether servers agree: PS1006. */

static void public_fails(struct fact_book *b)
{
    dial(b, S3, "s3", "52.218.1.1", SERVER, "timeout");
    dial(b, S3, "s3", PRIVATE, AMAZON, "ok");
}

static void both_connect(struct fact_book *b)
{
    dial(b, S3, "s3", "52.218.1.1", SERVER, "ok");
    dial(b, S3, "s3", PRIVATE, AMAZON, "ok");
}

static void public_vpc(struct fact_book *b)
{
    fact_add_text(b, &b->facts.vpc.cidrs, STR("52.218.1.0/24"));
}

#define EIGHT(net) net "1 " net "2 " net "3 " net "4 " net "5 " net "6 " net "7 " net "8"

static const struct row rows[] = {
    { "private here, public there",
      SERVER,
      { PUBLIC, REG, 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1006, W, AMAZON ": " PRIVATE " in 3 ms for " S3 " (private)") },
    { "and the public one does not connect",
      SERVER,
      { PUBLIC, REG, 0, 0, PRIVATE, REG },
      public_fails,
      FAILS(PS1006, E, "(public; it does not connect)") },
    { "both connect",
      SERVER,
      { PUBLIC, REG, 0, 0, PRIVATE, REG },
      both_connect,
      FAILS(PS1006, I, "(private; it connects)") },
    { "S3 changes its addresses all the time",
      TWO,
      { PUBLIC, REG, PUBLIC_TOO, REG, "52.218.9.9", REG },
      NULL,
      IS(PS1006, CHECK_PASS) },
    { "a VPC of public addresses",
      SERVER,
      { "52.218.1.9", REG, 0, 0, PRIVATE, REG },
      public_vpc,
      IS(PS1006, CHECK_PASS) },
    { "two registries",
      SERVER,
      { PRIVATE, "10.50.0.1", 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1006, W, "10.50.0.1 in 3 ms for registry.stk") },
    { "a registry of several instances",
      SERVER,
      { PRIVATE, "10.0.1.99 10.0.2.99", 0, 0, PRIVATE, "10.0.2.99 10.0.3.99" },
      NULL,
      IS(PS1006, CHECK_PASS) },
    { "Cloud Map gives eight of many",
      SERVER,
      { PRIVATE, EIGHT("10.0.1."), 0, 0, PRIVATE, EIGHT("10.0.2.") },
      NULL,
      IS(PS1006, CHECK_PASS) },
    { "Cloud Map gives eight of many, a cache one",
      SERVER,
      { PRIVATE, EIGHT("10.0.1."), 0, 0, PRIVATE, "10.0.2.1" },
      NULL,
      IS(PS1006, CHECK_PASS) },
    { "a no is another finding",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1006, CHECK_PASS) },
    { "nobody to compare with",
      SERVER,
      { PRIVATE, REG, 0, 0, 0, 0 },
      NULL,
      IS(PS1006, CHECK_SKIPPED) },
    { "views, outside",
      SERVER,
      { PUBLIC, REG, 0, 0, PRIVATE, REG },
      outside,
      IS(PS1006, CHECK_SKIPPED) },
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
