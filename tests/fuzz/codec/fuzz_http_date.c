/* Any bytes. A date that is read and written by libc, in either form that has four digits for the
 * year, is read the same. */
#include <stdlib.h>
#include <time.h>

#include "../exact.h"
#include "codec/http_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_again(const char *text, size_t n, int64_t expected)
{
    int64_t unix_s;
    if (!http_date_parse(str_of(text, n), &unix_s) || unix_s != expected)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact_copy(data, n), text[64];
    int64_t unix_s;
    struct tm tm;
    /* Years of fewer digits libc pads otherwise; and a leap second may lead behind year 9999. */
    if (http_date_parse(str_of(copy, n), &unix_s) && unix_s >= -30610224000 &&
        unix_s < 253402300800) {
        gmtime_r(&(time_t){ unix_s }, &tm);
        check_again(text, strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm), unix_s);
        check_again(text, strftime(text, sizeof text, "%a %b %e %H:%M:%S %Y", &tm), unix_s);
    }
    free(copy);
    return 0;
}
