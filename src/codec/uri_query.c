#include "codec/uri_query.h"

static bool decode(struct str value, struct buf *out)
{
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] != '%') {
            buf_byte(out, value.p[i]);
            continue;
        }
        if (value.n - i < 3 || ascii_hex(value.p[i + 1]) < 0 || ascii_hex(value.p[i + 2]) < 0)
            return false;
        buf_byte(out, (char)(ascii_hex(value.p[i + 1]) << 4 | ascii_hex(value.p[i + 2])));
        i += 2;
    }
    return !out->failed;
}

enum uri_query uri_query_find(struct str query, struct str name, struct buf *out)
{
    struct str pair;
    while (str_next(&query, '&', &pair)) {
        size_t end = str_find(pair, '=', 0);
        if (str_eq(str_first(pair, end), name))
            return decode(str_from(pair, end + 1), out) ? URI_QUERY_FOUND : URI_QUERY_BAD;
    }
    return URI_QUERY_NONE;
}

void uri_query_escape(struct buf *out, struct str value)
{
    static const char hex[] = "0123456789ABCDEF";
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c != 0 && strchr("-._~", c) != NULL)) {
            buf_byte(out, c);
            continue;
        }
        buf_byte(out, '%');
        buf_byte(out, hex[(uint8_t)c >> 4]);
        buf_byte(out, hex[(uint8_t)c & 15]);
    }
}
