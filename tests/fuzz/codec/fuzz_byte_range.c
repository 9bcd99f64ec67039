/*
 * The first byte chooses how much there is, and how many ranges may be asked for; the rest is the
 * field. What is given lies inside, is no more than the whole, and asked for again is the same.
 * What cannot be satisfied cannot of nothing either.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "codec/byte_range.h"

enum { MAX_RANGES = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static void check_again(const struct byte_range *ranges, unsigned n, uint64_t total)
{
    struct byte_range again[MAX_RANGES];
    struct buf text;
    unsigned n_again = 0;
    buf_init(&text, SIZE_MAX / 2);
    buf_append(&text, STR("bytes="));
    for (unsigned i = 0; i < n; i++) {
        buf_u64(&text, ranges[i].first);
        buf_byte(&text, '-');
        buf_u64(&text, ranges[i].last);
        buf_byte(&text, ',');
    }
    check(byte_range_parse(buf_str(&text), total, again, n, &n_again) == BYTE_RANGE_OK);
    check(n_again == n && memcmp(again, ranges, n * sizeof *ranges) == 0);
    buf_done(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint64_t totals[] = {
        0, 1, 10, 1000, UINT32_MAX, INT64_MAX, UINT64_MAX - 1, UINT64_MAX
    };
    if (n == 0)
        return 0;
    uint64_t total = totals[data[0] & 7], sum = 0;
    unsigned max = (data[0] >> 3) % MAX_RANGES + 1U, n_ranges = MAX_RANGES + 1;
    struct str value = str_of((const char *)data + 1, n - 1);
    struct byte_range ranges[MAX_RANGES];
    switch (byte_range_parse(value, total, ranges, max, &n_ranges)) {
    case BYTE_RANGE_IGNORED:
        check(n_ranges == MAX_RANGES + 1);
        break;
    case BYTE_RANGE_UNSATISFIABLE:
        check(n_ranges == MAX_RANGES + 1);
        check(byte_range_parse(value, 0, ranges, max, &n_ranges) == BYTE_RANGE_UNSATISFIABLE);
        break;
    case BYTE_RANGE_OK:
        check(n_ranges > 0 && n_ranges <= max);
        for (unsigned i = 0; i < n_ranges; i++) {
            check(ranges[i].first <= ranges[i].last && ranges[i].last < total);
            check(ranges[i].last - ranges[i].first + 1 <= total - sum);
            sum += ranges[i].last - ranges[i].first + 1;
        }
        check_again(ranges, n_ranges, total);
    }
    return 0;
}
