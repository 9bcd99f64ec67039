#include "codec/dns_name.h"

/* One character of text at *i, escapes resolved; false for a broken escape. */
static bool text_byte(struct str text, size_t *i, uint8_t *byte)
{
    char c = text.p[(*i)++];
    if (c != '\\') {
        *byte = (uint8_t)c;
        return true;
    }
    if (*i >= text.n)
        return false;
    c = text.p[*i];
    if (!ascii_is_digit(c)) {
        *byte = (uint8_t)c;
        *i += 1;
        return true;
    }
    uint64_t value;
    if (text.n - *i < 3 || !str_to_u64(str_of(text.p + *i, 3), &value) || value > UINT8_MAX)
        return false;
    *byte = (uint8_t)value;
    *i += 3;
    return true;
}

bool dns_name_parse(struct str text, struct dns_name *out)
{
    if (str_eq(text, STR("."))) {
        out->n = 1;
        out->wire[0] = 0;
        return true;
    }
    uint8_t wire[DNS_NAME_BYTES];
    size_t label = 0, n = 1; /* n is behind the open label, whose length goes to wire[label] */
    for (size_t i = 0; i < text.n;) {
        if (text.p[i] == '.') {
            if (n == label + 1)
                return false;
            wire[label] = (uint8_t)(n - label - 1);
            label = n++;
            i++;
            continue;
        }
        /* The root's byte must fit behind it. */
        if (n - label - 1 == DNS_LABEL_BYTES || n + 1 >= DNS_NAME_BYTES)
            return false;
        if (!text_byte(text, &i, &wire[n]))
            return false;
        n++;
    }
    if (n > label + 1) {
        wire[label] = (uint8_t)(n - label - 1);
        label = n++;
    }
    if (label == 0)
        return false;
    wire[label] = 0;
    memcpy(out->wire, wire, n);
    out->n = (uint8_t)n;
    return true;
}

static size_t escape_byte(uint8_t c, char *to)
{
    if (c <= ' ' || c >= 0x7f) {
        to[0] = '\\';
        to[1] = (char)('0' + c / 100);
        to[2] = (char)('0' + c / 10 % 10);
        to[3] = (char)('0' + c % 10);
        return 4;
    }
    size_t n = 0;
    if (strchr(".\\\"();@$", c) != NULL)
        to[n++] = '\\';
    to[n++] = (char)c;
    return n;
}

const char *dns_name_text(const struct dns_name *name, char text[static DNS_NAME_TEXT_BYTES])
{
    size_t n = 0;
    for (size_t at = 0; at < name->n && name->wire[at] != 0;) {
        size_t end = at + 1 + name->wire[at];
        if (at > 0)
            text[n++] = '.';
        for (at++; at < end; at++)
            n += escape_byte(name->wire[at], text + n);
    }
    if (n == 0 && name->n > 0)
        text[n++] = '.';
    text[n] = 0;
    return text;
}

bool dns_name_read(struct str message, size_t *at, struct dns_name *out)
{
    const uint8_t *p = (const uint8_t *)message.p;
    size_t i = *at, segment = i, limit = message.n, end = 0, n = 0;
    unsigned n_pointers = 0;
    for (;;) {
        if (i >= limit)
            return false;
        size_t len = p[i];
        if (len >= 0xc0) {
            if (limit - i < 2 || ++n_pointers > DNS_NAME_MAX_POINTERS)
                return false;
            size_t to = (len & 0x3f) << 8 | p[i + 1];
            if (to >= segment)
                return false;
            if (end == 0)
                end = i + 2;
            limit = segment;
            i = segment = to;
            continue;
        }
        if (len > DNS_LABEL_BYTES || limit - i < len + 1 || n + len + 1 > DNS_NAME_BYTES)
            return false;
        memcpy(out->wire + n, p + i, len + 1);
        n += len + 1;
        i += len + 1;
        if (len == 0)
            break;
    }
    out->n = (uint8_t)n;
    *at = end != 0 ? end : i;
    return true;
}

/* Length bytes are below 'A', so whole wire forms may be folded. */
static struct str name_str(const struct dns_name *name, size_t from)
{
    return str_of((const char *)name->wire + from, name->n - from);
}

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b)
{
    return str_eq_nocase(name_str(a, 0), name_str(b, 0));
}

bool dns_name_is_in(const struct dns_name *name, const struct dns_name *zone)
{
    if (zone->n == 0 || name->n < zone->n)
        return false;
    size_t at = 0, above = name->n - zone->n;
    while (at < above)
        at += 1 + (size_t)name->wire[at];
    return at == above && str_eq_nocase(name_str(name, at), name_str(zone, 0));
}

void dns_name_lower(struct dns_name *name)
{
    for (size_t i = 0; i < name->n; i++)
        name->wire[i] = (uint8_t)ascii_lower((char)name->wire[i]);
}
