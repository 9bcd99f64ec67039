#include "codec/zip_manifest.h"

#include "codec/http1_chars.h"
#include "codec/zip.h"

enum { STRIDE_BYTES = 256 };

/*
 * Index of the first CR or LF at or behind from, or of where the search ends without: at text.n, or
 * one byte too far for a line. In strides, or the search for the one that the list does not use
 * would go over all of it for each line.
 */
static size_t find_end(struct str text, size_t from)
{
    struct str rest = str_first(str_from(text, from), ZIP_LINE_BYTES + 1);
    for (size_t at = 0; at < rest.n; at += STRIDE_BYTES) {
        struct str stride = str_first(str_from(rest, at), STRIDE_BYTES);
        size_t hit = str_find(stride, '\n', 0);
        hit = str_find(str_first(stride, hit), '\r', 0);
        if (hit < stride.n)
            return from + at + hit;
    }
    return from + rest.n;
}

static bool is_blank(struct str line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] != ' ')
            return false;
    return true;
}

/* Cuts the word before the next space off, and the spaces behind it. */
static struct str take_word(struct str *line)
{
    size_t n = str_find(*line, ' ', 0);
    struct str word = str_first(*line, n);
    while (n < line->n && line->p[n] == ' ')
        n++;
    *line = str_from(*line, n);
    return word;
}

/* NULL, or what is wrong. */
static const char *read_crc(struct str word, struct zip_entry *e)
{
    uint32_t crc = 0;
    if (word.n == 0)
        return "the line begins with a space";
    e->has_crc = !str_eq(word, STR("-"));
    if (!e->has_crc)
        return NULL;
    for (size_t i = 0; i < word.n; i++) {
        int digit = ascii_hex(word.p[i]);
        if (digit < 0)
            return "the CRC is neither hexadecimal nor \"-\"";
        if (crc >> 28 != 0)
            return "the CRC has more than 32 bits";
        crc = crc << 4 | (uint32_t)digit;
    }
    e->crc = crc;
    return NULL;
}

static const char *read_size(struct str word, struct zip_entry *e)
{
    for (size_t i = 0; i < word.n; i++)
        if (!ascii_is_digit(word.p[i]))
            return "the size is not a decimal number";
    if (word.n == 0)
        return "the size is missing";
    if (e->is_directory)
        return NULL;
    return str_to_u64(word, &e->size) && e->size <= INT64_MAX ? NULL : "the size is too large";
}

static const char *check_location(struct str location)
{
    if (location.n == 0)
        return "the location is missing";
    if (location.p[0] == '@')
        return "the location begins with \"@\", and is not \"@directory\"";
    if (location.p[0] != '/')
        return "the location does not begin with a slash";
    if (location.n > ZIP_LOCATION_BYTES)
        return "the location is too long";
    for (size_t i = 0; i < location.n; i++)
        if (!http1_is(location.p[i], HTTP1_TARGET))
            return "the location holds a character that no request target has";
    return NULL;
}

/* The length of the UTF-8 sequence (RFC 3629 section 4) of more than one byte that s begins with,
 * its code point in *code; 0 when it is none. */
static size_t utf8_next(struct str s, uint32_t *code)
{
    static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    uint8_t lead = (uint8_t)s.p[0];
    size_t n = lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (n == 0 || lead > 0xf4 || n > s.n)
        return 0;
    uint32_t c = lead & (0x7fU >> n);
    for (size_t i = 1; i < n; i++) {
        if (((uint8_t)s.p[i] & 0xc0) != 0x80)
            return 0;
        c = c << 6 | ((uint8_t)s.p[i] & 0x3f);
    }
    if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
        return 0;
    *code = c;
    return n;
}

static const char *check_characters(struct str name)
{
    size_t n;
    for (size_t i = 0; i < name.n; i += n) {
        uint32_t c = (uint8_t)name.p[i];
        n = c < 0x80 ? 1 : utf8_next(str_from(name, i), &c);
        if (n == 0)
            return "the name is not UTF-8";
        if (c < 0x20 || (c >= 0x7f && c < 0xa0))
            return "the name holds a control character";
        if (c == '\\')
            return "the name holds a backslash";
    }
    return NULL;
}

static const char *check_name(struct str name, bool is_directory)
{
    struct str component;
    if (name.n == 0)
        return "the name is missing";
    bool adds_slash = is_directory && name.p[name.n - 1] != '/';
    if (name.n > ZIP_NAME_BYTES - (size_t)adds_slash)
        return "the name is too long";
    if (name.p[0] == '/')
        return "the name is absolute";
    if (name.n > 1 && ascii_is_alpha(name.p[0]) && name.p[1] == ':')
        return "the name begins with a drive letter";
    for (struct str rest = name; str_next(&rest, '/', &component);)
        if (str_eq(component, STR("..")))
            return "the name holds a \"..\" component";
    return check_characters(name);
}

static const char *read_line(struct str line, struct zip_entry *e)
{
    const char *why;
    *e = (struct zip_entry){ 0 };
    struct str crc = take_word(&line), size = take_word(&line), location = take_word(&line);
    e->is_directory = str_eq(location, STR("@directory"));
    e->name = line;
    if ((why = read_crc(crc, e)) != NULL || (why = read_size(size, e)) != NULL)
        return why;
    if (!e->is_directory) {
        if ((why = check_location(location)) != NULL)
            return why;
        e->location = location;
    }
    if ((why = check_name(e->name, e->is_directory)) != NULL)
        return why;
    if (!e->is_directory && e->size > 0)
        return NULL;
    if (!e->is_directory && e->crc != 0)
        return "an empty file's CRC is 0";
    e->crc = 0;
    e->has_crc = true;
    return NULL;
}

enum zip_manifest_step zip_manifest_next(struct str text, size_t *at, struct zip_entry *e,
                                         const char **why)
{
    size_t from = *at;
    while (*at < text.n) {
        size_t end = find_end(text, *at);
        struct str line = str_first(str_from(text, *at), end - *at);
        if (line.n > ZIP_LINE_BYTES) {
            *why = "the line is too long";
            return ZIP_MANIFEST_BAD;
        }
        if (end == text.n)
            return ZIP_MANIFEST_MORE;
        if (!is_blank(line)) {
            struct zip_entry read;
            if ((*why = read_line(line, &read)) != NULL)
                return ZIP_MANIFEST_BAD;
            *e = read;
            *at = end + 1;
            return ZIP_MANIFEST_ENTRY;
        }
        if (end + 1 - from > ZIP_BLANK_BYTES) {
            *why = "too many blank lines";
            return ZIP_MANIFEST_BAD;
        }
        *at = end + 1;
    }
    return ZIP_MANIFEST_MORE;
}
