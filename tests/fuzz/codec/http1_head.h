#pragma once
/* What the fuzz targets of request and response heads share. Each includes it once; copies that are
 * made here are freed here. */
#include <stdlib.h>

#include "../exact.h"
#include "codec/http1.h"

typedef enum http_parse parse_head(struct str in, size_t *scanned, struct http_head *head,
                                   size_t *used, struct fault *f);

static inline void check_inside(struct str part, struct str in)
{
    if (part.n > 0 && (part.p < in.p || part.n > (size_t)(in.p + in.n - part.p)))
        abort();
}

/* One call on a copy that ends where the input ends; the head's strings are dead after it. */
static inline enum http_parse parse_copy(struct str in, parse_head *parse, size_t *scanned,
                                         struct http_head *head, size_t *used, struct fault *f)
{
    char *copy = exact_copy(in.p, in.n);
    fault_clear(f);
    enum http_parse result = parse(str_of(copy, in.n), scanned, head, used, f);
    if (result == HTTP_BAD && !fault_is_set(f))
        abort();
    free(copy);
    return result;
}

/* In growing pieces; steps are small at the start and the end of small inputs. */
static inline enum http_parse check_chunkings(struct str in, parse_head *parse,
                                              struct http_head *head, size_t *used)
{
    static struct http_head dripped;
    struct fault f, drip_f;
    size_t scanned = 0, drip_scanned = 0, drip_used = 0;
    enum http_parse result = parse_copy(in, parse, &scanned, head, used, &f);
    enum http_parse drip = HTTP_MORE;
    size_t step = in.n / 64 + 1;
    for (size_t n = 0; drip == HTTP_MORE; n = n + step < in.n ? n + step : in.n) {
        drip = parse_copy(str_first(in, n), parse, &drip_scanned, &dripped, &drip_used, &drip_f);
        if (n == in.n)
            break;
    }
    if (drip != result)
        abort();
    if (result == HTTP_BAD && (f.kind != drip_f.kind || strcmp(f.detail, drip_f.detail) != 0))
        abort();
    if (result != HTTP_DONE)
        return result;
    if (drip_used != *used || *used > in.n || dripped.n_fields != head->n_fields ||
        dripped.framing != head->framing || dripped.content_length != head->content_length)
        abort();
    /* Again in place, for strings that live. */
    scanned = 0;
    fault_clear(&f);
    return parse(in, &scanned, head, used, &f);
}

static inline void check_fields(const struct http_head *head, struct str in)
{
    if (head->n_fields > HTTP_MAX_FIELDS)
        abort();
    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        check_inside(field->name, in);
        check_inside(field->value, in);
        if (field->name.n == 0 || field->id != http_field_id(field->name))
            abort();
        for (size_t k = 0; k < field->value.n; k++)
            if (field->value.p[k] == '\r' || field->value.p[k] == '\n' || field->value.p[k] == 0)
                abort();
    }
}

static inline void write_fields(const struct http_head *head, struct buf *out)
{
    for (unsigned i = 0; i < head->n_fields; i++)
        http1_write_field(out, head->fields[i].name, head->fields[i].value);
    buf_append(out, STR("\r\n"));
    if (out->failed)
        abort();
}

static inline void check_same_fields(const struct http_head *a, const struct http_head *b)
{
    if (a->n_fields != b->n_fields || a->framing != b->framing ||
        a->content_length != b->content_length)
        abort();
    for (unsigned i = 0; i < a->n_fields; i++)
        if (!str_eq(a->fields[i].name, b->fields[i].name) ||
            !str_eq(a->fields[i].value, b->fields[i].value) ||
            a->fields[i].is_hop != b->fields[i].is_hop)
            abort();
}
