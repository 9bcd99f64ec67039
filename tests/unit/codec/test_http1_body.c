#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/http1_body.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

/* What a body came to. */
struct outcome {
    enum http1_body_step step;
    struct buf data;
    struct buf trailers;
    size_t used;
    bool is_whole;
    bool is_proper_end; /* if the connection ended here */
};

/* Feeds in, in pieces of at most piece bytes, each an allocation of its own size. */
static void read_body(enum http_framing framing, uint64_t length, struct str in, size_t piece,
                      struct outcome *o)
{
    struct http1_body b;
    http1_body_init(&b, framing, length);
    *o = (struct outcome){ .step = HTTP1_BODY_MORE };
    buf_init(&o->data, 1 << 20);
    buf_init(&o->trailers, 1 << 20);
    do {
        size_t n = in.n - o->used < piece ? in.n - o->used : piece;
        char *copy = malloc(n ? n : 1);
        assert_non_null(copy);
        if (n > 0)
            memcpy(copy, in.p + o->used, n);
        struct str rest = { copy, n };
        do {
            size_t used = SIZE_MAX;
            struct str data = { NULL, 0 };
            o->step = http1_body_next(&b, rest, &used, &data);
            assert_true(used <= rest.n);
            assert_true(o->step != HTTP1_BODY_MORE || used == rest.n);
            assert_true((o->step == HTTP1_BODY_DATA) == (data.n > 0));
            buf_append(&o->data, data);
            o->used += used;
            rest = str_from(rest, used);
        } while (o->step == HTTP1_BODY_DATA);
        free(copy);
    } while (o->step == HTTP1_BODY_MORE && o->used < in.n);
    assert_int_equal(b.total, o->data.n);
    buf_append(&o->trailers, buf_str(&b.trailers));
    o->is_whole = http1_body_is_whole(&b);
    assert_true(o->is_whole == (o->step == HTTP1_BODY_END));
    o->is_proper_end = http1_body_eof(&b);
    http1_body_done(&b);
}

struct body_row {
    const char *row;
    enum http_framing framing;
    uint64_t length;
    struct str in;
    enum http1_body_step step;
    struct str data;
    struct str left; /* bytes of the next message */
    struct str trailers;
};

static void body_is(const struct body_row *r)
{
    for (size_t piece = 1; piece <= r->in.n + 1; piece++) {
        struct outcome o;
        read_body(r->framing, r->length, r->in, piece, &o);
        if (o.step != r->step)
            fail_msg("%s: step %d in pieces of %zu", r->row, (int)o.step, piece);
        if (o.step != HTTP1_BODY_BAD && !str_eq(buf_str(&o.data), r->data))
            fail_msg("%s: data %.*s", r->row, STR_ARG(buf_str(&o.data)));
        if (o.step == HTTP1_BODY_END) {
            if (!str_eq(str_from(r->in, o.used), r->left) ||
                !str_eq(buf_str(&o.trailers), r->trailers))
                fail_msg("%s: used %zu, trailers %.*s", r->row, o.used,
                         STR_ARG(buf_str(&o.trailers)));
        }
        if (o.is_proper_end != (o.step == HTTP1_BODY_END || r->framing == HTTP_UNTIL_CLOSE))
            fail_msg("%s: end of connection", r->row);
        buf_done(&o.data);
        buf_done(&o.trailers);
    }
}

static void bodies(void **state)
{
    static const struct body_row rows[] = {
        { "no body", HTTP_NO_BODY, 0, B("GET"), HTTP1_BODY_END, B(""), B("GET"), B("") },
        { "length 0", HTTP_LENGTH, 0, B("GET"), HTTP1_BODY_END, B(""), B("GET"), B("") },
        { "a length", HTTP_LENGTH, 5, B("helloGET"), HTTP1_BODY_END, B("hello"), B("GET"), B("") },
        { "a length cut short", HTTP_LENGTH, 6, B("hello"), HTTP1_BODY_MORE, B("hello"), B(""),
          B("") },
        { "nothing of it", HTTP_LENGTH, 6, B(""), HTTP1_BODY_MORE, B(""), B(""), B("") },
        { "until close", HTTP_UNTIL_CLOSE, 0, B("hello"), HTTP1_BODY_MORE, B("hello"), B(""),
          B("") },
        { "until close, nothing", HTTP_UNTIL_CLOSE, 0, B(""), HTTP1_BODY_MORE, B(""), B(""),
          B("") },
    };
    for (size_t i = 0; i < N(rows); i++)
        body_is(&rows[i]);
}

#define WHOLE_ROW(row, in, data, left, trailers)                                                   \
    {                                                                                              \
        row, HTTP_CHUNKED, 0, B(in), HTTP1_BODY_END, B(data), B(left), B(trailers)                 \
    }
#define BAD_ROW(row, in)                                                                           \
    {                                                                                              \
        row, HTTP_CHUNKED, 0, B(in), HTTP1_BODY_BAD, B(""), B(""), B("")                           \
    }
#define MORE_ROW(row, in, data)                                                                    \
    {                                                                                              \
        row, HTTP_CHUNKED, 0, B(in), HTTP1_BODY_MORE, B(data), B(""), B("")                        \
    }

static void chunked_bodies(void **state)
{
    static const struct body_row rows[] = {
        WHOLE_ROW("no chunk", "0\r\n\r\nGET", "", "GET", ""),
        WHOLE_ROW("one chunk", "5\r\nhello\r\n0\r\n\r\n", "hello", "", ""),
        WHOLE_ROW("two chunks", "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nX", "hello", "X", ""),
        WHOLE_ROW("letters", "a\r\n0123456789\r\nB\r\n0123456789a\r\n0\r\n\r\n",
                  "01234567890123456789a", "", ""),
        WHOLE_ROW("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello", "", ""),
        WHOLE_ROW("more zeros than a number has",
                  "00000000000000000000000000000001\r\na\r\n0\r\n\r\n", "a", "", ""),
        WHOLE_ROW("data that looks like framing", "7\r\n0\r\n\r\nGE\r\n0\r\n\r\n", "0\r\n\r\nGE",
                  "", ""),
        WHOLE_ROW("extensions", "5;a=b;c=\"d;e\"\r\nhello\r\n0;x\r\n\r\n", "hello", "", ""),
        WHOLE_ROW("space before an extension", "5 \t; a = b\r\nhello\r\n0 ;\r\n\r\n", "hello", "",
                  ""),
        WHOLE_ROW("tabs and raw bytes in an extension", "1;\t\xff\r\na\r\n0\r\n\r\n", "a", "", ""),
        WHOLE_ROW("trailers", "1\r\na\r\n0\r\nX-A: b\r\nC:\r\n\r\nGET", "a", "GET",
                  "X-A: b\r\nC:\r\n"),
        BAD_ROW("no size", "\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("an extension without size", ";a\r\n"),
        BAD_ROW("space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("space behind the size", "5 \r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("minus", "-1\r\n"),
        BAD_ROW("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("an underscore", "1_0\r\n"),
        BAD_ROW("no hexadecimal digit", "5g\r\n"),
        BAD_ROW("2^63", "8000000000000000\r\n"),
        BAD_ROW("2^64", "10000000000000000\r\n"),
        BAD_ROW("2^64 + 5", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
        BAD_ROW("bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
        BAD_ROW("CR CR LF", "5\r\r\nhello"),
        BAD_ROW("bare LF behind an extension", "5;a\nhello\r\n0\r\n\r\n"),
        BAD_ROW("bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("NUL in an extension", "5;\0\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("DEL in an extension", "5;\x7f\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("space, then no extension", "5 5\r\nhello\r\n0\r\n\r\n"),
        BAD_ROW("data longer than the size", "5\r\nhello!\r\n0\r\n\r\n"),
        BAD_ROW("data without CR LF", "5\r\nhello0\r\n\r\n"),
        BAD_ROW("data with bare LF", "5\r\nhello\n0\r\n\r\n"),
        BAD_ROW("data with bare CR", "5\r\nhello\r0\r\n\r\n"),
        BAD_ROW("the last line is LF", "0\r\n\n"),
        BAD_ROW("the last line is CR x", "0\r\n\rx"),
        BAD_ROW("a trailer with space before the colon", "0\r\nA : b\r\n\r\n"),
        BAD_ROW("a folded trailer", "0\r\nA: b\r\n c\r\n\r\n"),
        BAD_ROW("a trailer without colon", "0\r\nA\r\n\r\n"),
        BAD_ROW("a trailer without name", "0\r\n: b\r\n\r\n"),
        BAD_ROW("a trailer with bare LF", "0\r\nA: b\n\r\n"),
        BAD_ROW("a trailer with bare CR", "0\r\nA: b\rc\r\n\r\n"),
        BAD_ROW("a trailer with NUL", "0\r\nA: \0\r\n\r\n"),
        BAD_ROW("a length as trailer", "0\r\nX: y\r\nContent-Length: 5\r\n\r\n"),
        BAD_ROW("a coding as trailer", "0\r\ntransfer-encoding: chunked\r\n\r\n"),
        BAD_ROW("a Host as trailer", "0\r\nHost: x\r\n\r\n"),
        BAD_ROW("a request instead of an end", "0\r\nGET / HTTP/1.1\r\n\r\n"),
        MORE_ROW("nothing", "", ""),
        MORE_ROW("a size", "5", ""),
        MORE_ROW("a part of a chunk", "5\r\nhel", "hel"),
        MORE_ROW("no last chunk", "5\r\nhello\r\n", "hello"),
        MORE_ROW("no empty line", "5\r\nhello\r\n0\r\n", "hello"),
        MORE_ROW("no LF of it", "5\r\nhello\r\n0\r\nA: b\r\n\r", "hello"),
        MORE_ROW("2^63 - 1", "7fffffffffffffff\r\na", "a"),
    };
    for (size_t i = 0; i < N(rows); i++)
        body_is(&rows[i]);
}

static void lines_have_limits(void **state)
{
    static const struct {
        const char *row;
        const char *before;
        size_t n;
        const char *behind;
        bool is_good;
    } rows[] = {
        { "the longest extension", "0;", HTTP_CHUNK_LINE_BYTES - 4, "\r\n\r\n", true },
        { "one byte more", "0;", HTTP_CHUNK_LINE_BYTES - 3, "\r\n\r\n", false },
        { "the longest trailers", "0\r\na:", HTTP_TRAILER_BYTES - 4, "\r\n\r\n", true },
        { "one byte more", "0\r\na:", HTTP_TRAILER_BYTES - 3, "\r\n\r\n", false },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct buf b;
        buf_init(&b, 1 << 20);
        buf_printf(&b, "%s", rows[i].before);
        for (size_t k = 0; k < rows[i].n; k++)
            buf_byte(&b, '0');
        buf_printf(&b, "%s", rows[i].behind);
        struct outcome o;
        read_body(HTTP_CHUNKED, 0, buf_str(&b), 1000, &o);
        if (o.step != (rows[i].is_good ? HTTP1_BODY_END : HTTP1_BODY_BAD))
            fail_msg("%s", rows[i].row);
        buf_done(&o.data);
        buf_done(&o.trailers);
        buf_done(&b);
    }
}

static void what_is_written_is_read(void **state)
{
    static const uint64_t sizes[] = { 1, 9, 10, 15, 16, 255, 256, 4096, 65535, 65536 };
    static char data[65536];
    memset(data, 'x', sizeof data);
    for (size_t i = 0; i < N(sizes); i++) {
        struct buf b;
        char head[HTTP1_CHUNK_HEAD_BYTES];
        buf_init(&b, 1 << 20);
        buf_append(&b, str_of(head, http1_chunk_head(head, sizes[i])));
        buf_append(&b, str_of(data, sizes[i]));
        buf_append(&b, STR("\r\n0\r\n\r\n"));
        struct outcome o;
        read_body(HTTP_CHUNKED, 0, buf_str(&b), 777, &o);
        assert_int_equal(o.step, HTTP1_BODY_END);
        assert_int_equal(o.data.n, sizes[i]);
        buf_done(&o.data);
        buf_done(&o.trailers);
        buf_done(&b);
    }
    char head[HTTP1_CHUNK_HEAD_BYTES];
    assert_true(
        str_eq(str_of(head, http1_chunk_head(head, UINT64_MAX)), STR("ffffffffffffffff\r\n")));
    assert_true(str_eq(str_of(head, http1_chunk_head(head, 0x1a2b)), STR("1a2b\r\n")));
}

static void a_broken_body_stays_broken(void **state)
{
    struct http1_body b;
    size_t used;
    struct str data;
    http1_body_init(&b, HTTP_CHUNKED, 0);
    assert_int_equal(http1_body_next(&b, STR("x"), &used, &data), HTTP1_BODY_BAD);
    assert_int_equal(http1_body_next(&b, STR("0\r\n\r\n"), &used, &data), HTTP1_BODY_BAD);
    assert_int_equal(used, 0);
    assert_false(http1_body_is_whole(&b) || http1_body_eof(&b));
    http1_body_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies),
        cmocka_unit_test(chunked_bodies),
        cmocka_unit_test(lines_have_limits),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(a_broken_body_stays_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
