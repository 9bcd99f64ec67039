/*
 * The first byte chooses framing and chunking, the rest is a body. Every chunking hands out the
 * same bytes, uses as many and ends the same way; what was handed out, framed again, reads the
 * same.
 */
#include <stdlib.h>

#include "../exact.h"
#include "codec/http1_body.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct outcome {
    enum http1_body_step step;
    size_t used;
    struct buf data;
    struct buf trailers;
};

static void take(struct http1_body *b, struct str in, struct outcome *o)
{
    do {
        size_t used = 0;
        struct str data;
        o->step = http1_body_next(b, in, &used, &data);
        if (used > in.n || (o->step == HTTP1_BODY_MORE && used != in.n) ||
            (o->step == HTTP1_BODY_DATA) != (data.n > 0) ||
            (data.n > 0 && (data.p < in.p || data.n > (size_t)(in.p + used - data.p))))
            abort();
        buf_append(&o->data, data);
        o->used += used;
        in = str_from(in, used);
    } while (o->step == HTTP1_BODY_DATA);
}

/* In pieces of `piece` bytes; 0: of ever growing size. */
static void read_body(enum http_framing framing, uint64_t length, struct str in, size_t piece,
                      struct outcome *o)
{
    struct http1_body b;
    *o = (struct outcome){ .step = HTTP1_BODY_MORE };
    buf_init(&o->data, SIZE_MAX / 2);
    buf_init(&o->trailers, SIZE_MAX / 2);
    http1_body_init(&b, framing, length);
    for (size_t grow = 1; o->step == HTTP1_BODY_MORE; grow++) {
        size_t n = piece ? piece : grow;
        if (n > in.n - o->used)
            n = in.n - o->used;
        char *copy = exact_copy(in.p + o->used, n);
        take(&b, str_of(copy, n), o);
        free(copy);
        if (o->used == in.n)
            break;
    }
    buf_append(&o->trailers, buf_str(&b.trailers));
    if (b.total != o->data.n || http1_body_is_whole(&b) != (o->step == HTTP1_BODY_END) ||
        b.trailers.n > HTTP_TRAILER_BYTES)
        abort();
    http1_body_done(&b);
}

static void outcome_done(struct outcome *o)
{
    buf_done(&o->data);
    buf_done(&o->trailers);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
    if (a->step != b->step || !str_eq(buf_str(&a->data), buf_str(&b->data)) ||
        !str_eq(buf_str(&a->trailers), buf_str(&b->trailers)) || a->used != b->used)
        abort();
}

static void check_round_trip(const struct outcome *o, size_t piece)
{
    struct buf framed;
    struct outcome again;
    buf_init(&framed, SIZE_MAX / 2);
    for (struct str rest = buf_str(&o->data); rest.n > 0;) {
        char head[HTTP1_CHUNK_HEAD_BYTES];
        struct str part = str_first(rest, piece);
        buf_append(&framed, str_of(head, http1_chunk_head(head, part.n)));
        buf_append(&framed, part);
        buf_append(&framed, STR("\r\n"));
        rest = str_from(rest, part.n);
    }
    buf_append(&framed, STR("0\r\n"));
    buf_append(&framed, buf_str(&o->trailers));
    buf_append(&framed, STR("\r\n"));
    read_body(HTTP_CHUNKED, 0, buf_str(&framed), piece + 1, &again);
    if (again.step != HTTP1_BODY_END || again.used != framed.n ||
        !str_eq(buf_str(&again.data), buf_str(&o->data)) ||
        !str_eq(buf_str(&again.trailers), buf_str(&o->trailers)))
        abort();
    outcome_done(&again);
    buf_done(&framed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n == 0)
        return 0;
    static const enum http_framing framings[] = { HTTP_CHUNKED, HTTP_CHUNKED, HTTP_LENGTH,
                                                  HTTP_UNTIL_CLOSE };
    enum http_framing framing = framings[data[0] & 3];
    size_t piece = data[0] >> 2;
    uint64_t length = n / 2;
    struct str in = str_of((const char *)data + 1, n - 1);
    struct outcome whole, ones, pieces;
    read_body(framing, length, in, n, &whole);
    read_body(framing, length, in, 1, &ones);
    read_body(framing, length, in, piece, &pieces);
    check_same(&whole, &ones);
    check_same(&whole, &pieces);
    if (whole.step == HTTP1_BODY_END)
        check_round_trip(&whole, piece + 1);
    outcome_done(&whole);
    outcome_done(&ones);
    outcome_done(&pieces);
    return 0;
}
