#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/http_date.h"

#include <time.h>

static const struct date_row {
    const char *what;
    const char *value;
    int64_t unix_s;
} good_rows[] = {
    { "IMF-fixdate", "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "RFC 850", "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
    { "asctime", "Sun Nov  6 08:49:37 1994", 784111777 },
    { "asctime, a day of two digits", "Wed Nov 16 08:49:37 1994", 784975777 },
    { "asctime, a day with a zero", "Sun Nov 06 08:49:37 1994", 784111777 },
    { "the epoch", "Thu, 01 Jan 1970 00:00:00 GMT", 0 },
    { "before it", "Wed, 31 Dec 1969 23:59:59 GMT", -1 },
    { "a leap day", "Thu, 29 Feb 2024 12:00:00 GMT", 1709208000 },
    { "a leap day of a century", "Tue, 29 Feb 2000 00:00:00 GMT", 951782400 },
    { "a leap second is the next minute's first", "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 },
    { "year 69 of this century", "Monday, 31-Dec-69 00:00:00 GMT", 3155673600 },
    { "year 70 of the last", "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
    { "a weekday that does not fit", "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 },
    { "year 0", "Sat, 01 Jan 0000 00:00:00 GMT", -62167219200 },
    { "year 9999", "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
};

static const char *const bad_rows[] = {
    "",
    "Sun",
    "784111777",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 06 Nov 1994 08:49:37 UTC",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    " Sun, 06 Nov 1994 08:49:37 GMT",
    "sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 94 08:49:37 GMT",
    "Sun, 00 Nov 1994 08:49:37 GMT",
    "Sun, 31 Nov 1994 08:49:37 GMT",
    "Wed, 29 Feb 1995 08:49:37 GMT",
    "Thu, 29 Feb 1900 08:49:37 GMT",
    "Sun, 06 Nov 1994 24:00:00 GMT",
    "Sun, 06 Nov 1994 08:60:37 GMT",
    "Sun, 06 Nov 1994 08:49:61 GMT",
    "Sun, 06 Nov 1994 8:49:37 GMT",
    "Sun, +6 Nov 1994 08:49:37 GMT",
    "Sund, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-1994 08:49:37 GMT",
    "Sunday, 06 Nov 94 08:49:37 GMT",
    "Sun, 06-Nov-94 08:49:37 GMT",
    "Sun Nov 6 08:49:37 1994",
    "Sun Nov  6 08:49:37 1994 GMT",
};

static void every_form_is_read(void **state)
{
    for (size_t i = 0; i < sizeof good_rows / sizeof *good_rows; i++) {
        int64_t unix_s = 42;
        if (!http_date_parse(str_from_c(good_rows[i].value), &unix_s) ||
            unix_s != good_rows[i].unix_s)
            fail_msg("%s: %lld", good_rows[i].what, (long long)unix_s);
    }
}

static void anything_else_is_not(void **state)
{
    for (size_t i = 0; i < sizeof bad_rows / sizeof *bad_rows; i++) {
        int64_t unix_s = 42;
        if (http_date_parse(str_from_c(bad_rows[i]), &unix_s) || unix_s != 42)
            fail_msg("'%s' gave %lld", bad_rows[i], (long long)unix_s);
    }
    int64_t unix_s;
    assert_false(http_date_parse((struct str){ NULL, 0 }, &unix_s));
    assert_false(http_date_parse(STR("Sun, 06 Nov 1994 08:49:37 GMT\0"), &unix_s));
}

static void check_text(const char *text, size_t n, int64_t expected)
{
    int64_t unix_s = 0;
    if (!http_date_parse(str_of(text, n), &unix_s) || unix_s != expected)
        fail_msg("%.*s: %lld", (int)n, text, (long long)unix_s);
}

/* Over 600 years. */
static void every_day_is_counted_as_libc_counts_it(void **state)
{
    for (int64_t t = -9000000000; t < 10000000000; t += 86400 * 11 + 3607) {
        struct tm tm;
        char text[64];
        gmtime_r(&(time_t){ t }, &tm);
        check_text(text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm), t);
        check_text(text, strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm), t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form_is_read),
        cmocka_unit_test(anything_else_is_not),
        cmocka_unit_test(every_day_is_counted_as_libc_counts_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
