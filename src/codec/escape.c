#include "codec/escape.h"

static const char hex[] = "0123456789abcdef";

/* The length of the UTF-8 sequence at the start of s (RFC 3629: no overlong forms, no surrogates,
 * nothing above U+10FFFF) and its code point; 0 when there is none. */
static size_t utf8_sequence(struct str s, uint32_t *point)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t lead = (uint8_t)s.p[0];
    if (lead < 0x80) {
        *point = lead;
        return 1;
    }
    size_t n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || s.n < n)
        return 0;
    uint32_t c = lead & (0xffU >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        uint8_t next = (uint8_t)s.p[i];
        if ((next & 0xc0) != 0x80)
            return 0;
        c = c << 6 | (next & 0x3fU);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *point = c;
    return n;
}

/* What a terminal obeys (0x80-0x9f too: U+009B begins a command), and what ends a line. */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x2028 || c == 0x2029;
}

/* Unicode's Bidi_Control: what follows is shown in another order than it has. */
static bool is_turning(uint32_t c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

size_t escape_printable_length(struct str s)
{
    uint32_t c = 0;
    size_t n = s.n > 0 ? utf8_sequence(s, &c) : 0;
    bool is_none = (c & 0xfffe) == 0xfffe || (c >= 0xfdd0 && c <= 0xfdef); /* noncharacters */
    return is_control(c) || is_turning(c) || is_none ? 0 : n;
}

static void append_u(struct buf *out, uint32_t c)
{
    const char escaped[] = { '\\',       'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15],
                             hex[c & 15] };
    buf_append(out, str_of(escaped, sizeof escaped));
}

/* What a JSON string holds as it is, of ASCII. */
static bool is_json_plain(char c)
{
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void escape_json(struct buf *out, struct str s)
{
    size_t plain = 0; /* what stands before it is written */
    size_t i = 0;
    while (i < s.n) {
        if (is_json_plain(s.p[i])) {
            i++;
            continue;
        }
        uint32_t point = 0;
        size_t n = utf8_sequence(str_from(s, i), &point);
        bool is_escaped = n > 0 && (is_control(point) || is_turning(point));
        if (n > 0 && !is_escaped && point != '"' && point != '\\') {
            i += n;
            continue;
        }
        buf_append(out, str_of(s.p + plain, i - plain));
        if (n == 0)
            append_u(out, (uint8_t)s.p[i]);
        else if (is_escaped)
            append_u(out, point);
        else
            buf_append(out, str_of((const char[]){ '\\', s.p[i] }, 2));
        i += n > 0 ? n : 1;
        plain = i;
    }
    buf_append(out, str_from(s, plain));
}

static struct str xml_entity(uint32_t point)
{
    switch (point) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&apos;");
    case '\r':
        return STR("&#13;"); /* a bare one would be read as LF */
    case '\t':
    case '\n':
        return STR("");
    default: /* XML 1.0 section 2.2 */
        return point < 0x20 || point == 0xfffe || point == 0xffff ? STR("?") : STR("");
    }
}

void escape_xml(struct buf *out, struct str s)
{
    size_t plain = 0;
    size_t i = 0;
    while (i < s.n) {
        uint32_t point = 0;
        size_t n = utf8_sequence(str_from(s, i), &point);
        struct str instead = n == 0 ? STR("?") : xml_entity(point);
        n = n == 0 ? 1 : n;
        if (instead.n > 0) {
            buf_append(out, str_of(s.p + plain, i - plain));
            buf_append(out, instead);
            plain = i + n;
        }
        i += n;
    }
    buf_append(out, str_from(s, plain));
}

void escape_plain(struct buf *out, struct str s, size_t max)
{
    size_t written = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint8_t c = (uint8_t)s.p[i];
        const char escaped[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };
        bool is_printable = c >= ' ' && c <= '~';
        struct str shown = is_printable ? str_of(&s.p[i], 1) : str_of(escaped, sizeof escaped);
        if (shown.n > max - written) {
            buf_append(out, STR("..."));
            return;
        }
        buf_append(out, shown);
        written += shown.n;
    }
}

/* The name of a query parameter, percent-decoded: is its value a secret? */
static bool is_secret_name(struct str name)
{
    static const struct str secrets[] = {
        { "token", 5 },
        { "x-amz-signature", 15 },
        { "x-amz-security-token", 20 },
        { "x-amz-credential", 16 },
        { "awsaccesskeyid", 14 },
        { "signature", 9 },
    };
    char plain[24]; /* longer than any of them */
    size_t n = 0;
    for (size_t i = 0; i < name.n; i++) {
        if (n == sizeof plain)
            return false;
        bool is_encoded = name.p[i] == '%' && name.n - i > 2 && ascii_hex(name.p[i + 1]) >= 0 &&
                          ascii_hex(name.p[i + 2]) >= 0;
        plain[n++] = (char)(is_encoded ? ascii_hex(name.p[i + 1]) << 4 | ascii_hex(name.p[i + 2])
                                       : name.p[i]);
        if (is_encoded)
            i += 2;
    }
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++)
        if (str_eq_nocase(str_of(plain, n), secrets[i]))
            return true;
    return false;
}

/* Where in the parameter a secret value begins (behind its '='), or its length. Some servers end a
 * parameter at ';' also, and '?' may come twice: names are looked for behind these too. */
static size_t secret_value(struct str parameter)
{
    size_t name = 0;
    for (size_t i = 0; i < parameter.n; i++) {
        char c = parameter.p[i];
        if (c == '=' && is_secret_name(str_of(parameter.p + name, i - name)))
            return i + 1;
        if (c == ';' || c == '?')
            name = i + 1;
    }
    return parameter.n;
}

void escape_json_target(struct buf *out, struct str target)
{
    size_t query = str_find(target, '?', 0);
    escape_json(out, str_first(target, query));
    if (query == target.n)
        return;
    struct str rest = str_from(target, query);
    while (rest.n > 0) {
        buf_byte(out, rest.p[0]); /* '?', and then each '&' */
        rest = str_from(rest, 1);
        struct str parameter = str_first(rest, str_find(rest, '&', 0));
        size_t secret = secret_value(parameter);
        escape_json(out, str_first(parameter, secret));
        if (secret < parameter.n)
            buf_append(out, STR("***"));
        rest = str_from(rest, parameter.n);
    }
}
