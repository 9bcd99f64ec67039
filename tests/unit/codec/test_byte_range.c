#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "codec/byte_range.h"

enum { MAX_RANGES = 4 };

/* shown: the ranges in order; "ignored" or "unsatisfiable". */
static const struct range_row {
    const char *what;
    const char *value;
    uint64_t total;
    const char *shown;
} rows[] = {
    { "one", "bytes=0-4", 10, "0-4" },
    { "one byte", "bytes=9-9", 10, "9-9" },
    { "to the end", "bytes=3-", 10, "3-9" },
    { "the last is clipped", "bytes=3-10", 10, "3-9" },
    { "the whole", "bytes=0-", 10, "0-9" },
    { "a suffix", "bytes=-3", 10, "7-9" },
    { "a suffix of all", "bytes=-10", 10, "0-9" },
    { "a suffix of more than all", "bytes=-11", 10, "0-9" },
    { "a suffix beyond 64 bits", "bytes=-99999999999999999999", 10, "0-9" },
    { "a suffix of nothing", "bytes=-0", 10, "unsatisfiable" },
    { "several, in the order asked for", "bytes=8-9,0-1,-3", 10, "8-9 0-1 7-9" },
    { "overlapping, no more than all", "bytes=0-4,0-4", 10, "0-4 0-4" },
    { "overlapping, more than all", "bytes=0-4,0-5", 10, "ignored" },
    { "the whole twice", "bytes=0-,0-", 10, "ignored" },
    { "behind the end", "bytes=10-", 10, "unsatisfiable" },
    { "far behind the end", "bytes=18446744073709551615-", 10, "unsatisfiable" },
    { "one of two behind the end", "bytes=10-11,2-3", 10, "2-3" },
    { "both behind the end", "bytes=10-11,-0", 10, "unsatisfiable" },
    { "the first beyond 64 bits", "bytes=99999999999999999999-", 10, "unsatisfiable" },
    { "the last beyond 64 bits", "bytes=2-99999999999999999999", 10, "2-9" },
    { "both, in order", "bytes=99999999999999999998-99999999999999999999", 10, "unsatisfiable" },
    { "both, in disorder", "bytes=99999999999999999999-99999999999999999998", 10, "ignored" },
    { "the first alone, in disorder", "bytes=99999999999999999999-5", 10, "ignored" },
    { "of the largest whole", "bytes=0-18446744073709551615", UINT64_MAX,
      "0-18446744073709551614" },
    { "at the end of the largest whole", "bytes=18446744073709551614-", UINT64_MAX,
      "18446744073709551614-18446744073709551614" },
    { "behind the largest whole", "bytes=18446744073709551615-", UINT64_MAX, "unsatisfiable" },
    { "a sum beyond 64 bits", "bytes=0-,0-", UINT64_MAX, "ignored" },
    { "leading zeros", "bytes=0000000000000000000000001-0000000000000000000000000002", 10, "1-2" },
    { "in disorder", "bytes=5-4", 10, "ignored" },
    { "in disorder, behind the end", "bytes=15-14", 10, "ignored" },
    { "one of two in disorder", "bytes=0-1,5-4", 10, "ignored" },
    { "the unit in another case", "BYTES=0-4", 10, "0-4" },
    { "another unit", "items=0-4", 10, "ignored" },
    { "a longer unit", "bytess=0-4", 10, "ignored" },
    { "no unit", "0-4", 10, "ignored" },
    { "no equals sign", "bytes 0-4", 10, "ignored" },
    { "nothing", "", 10, "ignored" },
    { "a unit alone", "bytes", 10, "ignored" },
    { "an empty list", "bytes=", 10, "ignored" },
    { "a list of nothing", "bytes= , ,", 10, "ignored" },
    { "space around members", "bytes=  0-1\t , \t2-3 ", 10, "0-1 2-3" },
    { "empty members", "bytes=,0-1,,2-3,", 10, "0-1 2-3" },
    { "space within a member", "bytes=0 -1", 10, "ignored" },
    { "space before the equals sign", "bytes =0-1", 10, "ignored" },
    { "a dash alone", "bytes=-", 10, "ignored" },
    { "no dash", "bytes=5", 10, "ignored" },
    { "two dashes", "bytes=0-1-2", 10, "ignored" },
    { "a sign", "bytes=+0-1", 10, "ignored" },
    { "hexadecimal", "bytes=0x0-1", 10, "ignored" },
    { "letters", "bytes=a-b", 10, "ignored" },
    { "as many as may be", "bytes=0-0,1-1,2-2,3-3", 10, "0-0 1-1 2-2 3-3" },
    { "one more than may be", "bytes=0-0,1-1,2-2,3-3,4-4", 10, "ignored" },
    { "the fifth behind the end", "bytes=0-0,1-1,2-2,3-3,10-", 10, "ignored" },
    { "the fifth is empty", "bytes=0-0,1-1,2-2,3-3,", 10, "0-0 1-1 2-2 3-3" },
    { "of nothing", "bytes=0-", 0, "unsatisfiable" },
    { "a suffix of an empty whole", "bytes=-5", 0, "unsatisfiable" },
    { "broken, of nothing", "bytes=x", 0, "ignored" },
    { "in disorder, of nothing", "bytes=2-1", 0, "ignored" },
};

static void show(const struct range_row *row, char *text, size_t text_bytes)
{
    struct byte_range out[MAX_RANGES];
    unsigned n = 77;
    size_t at = 0;
    text[0] = 0;
    switch (byte_range_parse(str_from_c(row->value), row->total, out, MAX_RANGES, &n)) {
    case BYTE_RANGE_IGNORED:
        snprintf(text, text_bytes, "ignored");
        return;
    case BYTE_RANGE_UNSATISFIABLE:
        snprintf(text, text_bytes, "unsatisfiable");
        return;
    case BYTE_RANGE_OK:
        for (unsigned i = 0; i < n; i++)
            at +=
                (size_t)snprintf(text + at, text_bytes - at, "%s%llu-%llu", i ? " " : "",
                                 (unsigned long long)out[i].first, (unsigned long long)out[i].last);
    }
}

static void ranges_are_read(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[256];
        show(&rows[i], text, sizeof text);
        if (strcmp(text, rows[i].shown) != 0)
            fail_msg("%s (%s): %s", rows[i].what, rows[i].value, text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ranges_are_read) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
