/*
 * Any bytes. No output holds what must not be there, and no secret of a target is shown that stands
 * where escape.h says.
 */
#include <stdlib.h>

#include "../exact.h"
#include "codec/escape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_control(char c)
{
    return (uint8_t)c < 0x20 || c == 0x7f;
}

/* The inside of a JSON string: quotes only behind a backslash, no control characters. */
static void check_json(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (is_control(s.p[i]) || s.p[i] == '"')
            abort();
        if (s.p[i] == '\\' && (++i == s.n || strchr("\"\\u", s.p[i]) == NULL))
            abort();
    }
}

static void check_xml(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '<' || c == '>' || c == '"' || c == '\'' ||
            ((uint8_t)c < 0x20 && c != '\t' && c != '\n'))
            abort();
        if (c == '&' && str_find(s, ';', i) > i + 5)
            abort();
    }
}

static void check_plain(struct str s, size_t max)
{
    if (s.n > max + 3)
        abort();
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            abort();
}

/* A secret behind the input's own query is masked, whatever stands before it. */
static void check_target(struct str target, struct buf *out)
{
    struct buf more;
    buf_init(&more, SIZE_MAX / 2);
    buf_append(&more, target);
    buf_append(&more, STR("?&X-Amz-Signature=SECRET/&a=b"));
    buf_clear(out);
    escape_json_target(out, buf_str(&more));
    check_json(buf_str(out));
    if (!str_contains(target, STR("SECRET/")) && str_contains(buf_str(out), STR("SECRET/")))
        abort();
    if (!str_ends(buf_str(out), STR("&X-Amz-Signature=***&a=b")))
        abort();
    buf_done(&more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact_copy(data, n);
    struct str s = str_of(copy, n);
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    escape_json(&out, s);
    check_json(buf_str(&out));
    buf_clear(&out);
    escape_xml(&out, s);
    check_xml(buf_str(&out));
    size_t max = n > 0 ? data[0] : 0;
    buf_clear(&out);
    escape_plain(&out, s, max);
    check_plain(buf_str(&out), max);
    buf_clear(&out);
    escape_json_target(&out, s);
    check_json(buf_str(&out));
    check_target(s, &out);
    buf_done(&out);
    free(copy);
    return 0;
}
