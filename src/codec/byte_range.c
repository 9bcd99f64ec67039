#include "codec/byte_range.h"

/* Any number of digits. Those beyond 64 bits lie behind every end, whatever they are. */
static bool read_number(struct str *digits, uint64_t *value)
{
    for (size_t i = 0; i < digits->n; i++)
        if (!ascii_is_digit(digits->p[i]))
            return false;
    while (digits->n > 1 && digits->p[0] == '0')
        *digits = str_from(*digits, 1);
    if (digits->n > 0 && !str_to_u64(*digits, value))
        *value = UINT64_MAX;
    return digits->n > 0;
}

/* Of digits without leading zeros. */
static bool is_greater(struct str a, struct str b)
{
    return a.n != b.n ? a.n > b.n : memcmp(a.p, b.p, a.n) > 0;
}

/* One member of the list, clipped; UNSATISFIABLE when nothing of it is there. */
static enum byte_range_result read_member(struct str member, uint64_t total, struct byte_range *out)
{
    size_t dash = str_find(member, '-', 0);
    if (dash == member.n)
        return BYTE_RANGE_IGNORED;
    struct str first = str_first(member, dash), last = str_from(member, dash + 1);
    uint64_t from = 0, to = UINT64_MAX;
    if (first.n == 0) {
        uint64_t suffix;
        if (!read_number(&last, &suffix))
            return BYTE_RANGE_IGNORED;
        from = suffix < total ? total - suffix : 0;
        if (suffix == 0)
            return BYTE_RANGE_UNSATISFIABLE;
    } else if (!read_number(&first, &from) ||
               (last.n > 0 && (!read_number(&last, &to) || is_greater(first, last)))) {
        return BYTE_RANGE_IGNORED;
    }
    if (from >= total)
        return BYTE_RANGE_UNSATISFIABLE;
    *out = (struct byte_range){ from, to < total ? to : total - 1 };
    return BYTE_RANGE_OK;
}

enum byte_range_result byte_range_parse(struct str value, uint64_t total, struct byte_range *out,
                                        unsigned max, unsigned *n)
{
    static const struct str unit = STR_INIT("bytes=");
    struct str rest = str_from(value, unit.n), member;
    unsigned n_members = 0, n_out = 0;
    uint64_t sum = 0;
    if (!str_eq_nocase(str_first(value, unit.n), unit))
        return BYTE_RANGE_IGNORED;
    while (str_next(&rest, ',', &member)) {
        struct byte_range range;
        member = str_trim(member);
        if (member.n == 0)
            continue; /* RFC 9110 section 5.6.1.2: a recipient bears empty members */
        enum byte_range_result result = read_member(member, total, &range);
        if (result == BYTE_RANGE_IGNORED || n_members++ == max)
            return BYTE_RANGE_IGNORED;
        if (result == BYTE_RANGE_UNSATISFIABLE)
            continue;
        uint64_t n_bytes = range.last - range.first + 1;
        if (n_bytes > total - sum)
            return BYTE_RANGE_IGNORED;
        sum += n_bytes;
        out[n_out++] = range;
    }
    if (n_members == 0)
        return BYTE_RANGE_IGNORED;
    if (n_out == 0)
        return BYTE_RANGE_UNSATISFIABLE;
    *n = n_out;
    return BYTE_RANGE_OK;
}
