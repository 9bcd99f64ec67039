#pragma once
/* The Range field of a request (RFC 9110 section 14). Pure. */
#include "base/str.h"

struct byte_range {
    uint64_t first, last; /* inclusive */
};

enum byte_range_result {
    BYTE_RANGE_IGNORED, /* another unit, broken, too many ranges, or together more than the whole:
                           the answer is the whole representation */
    BYTE_RANGE_OK,
    BYTE_RANGE_UNSATISFIABLE, /* 416 */
};

/*
 * What of a representation of total bytes is asked for: at most max ranges, in the order asked for,
 * each clipped to what is there; those behind its end are left out. *n is set with OK.
 */
enum byte_range_result byte_range_parse(struct str value, uint64_t total, struct byte_range *out,
                                        unsigned max, unsigned *n);
