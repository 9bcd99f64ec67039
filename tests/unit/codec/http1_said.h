#pragma once
/*
 * What the tests of the head parsers share: a parse as one line of text, of the whole input and of
 * ever longer beginnings of it. Included by one program at a time; `said` is that program's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/http1.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

enum { RESPONSE_TO_NONE = -1 }; /* a request is parsed */

/* What a parse came to, in one line: "GET /x 1.1 len=5 keep hop(TE)", "400 repeated Host", "more".
 */
static struct buf said;

static inline void say_head(const struct http_head *h, bool is_request)
{
    static const char *const framings[] = { "none", "len", "chunked", "eof" };
    if (is_request)
        buf_printf(&said, "%.*s %.*s", STR_ARG(h->method_text), STR_ARG(h->target));
    else
        buf_printf(&said, "%u %.*s", h->status, STR_ARG(h->reason));
    buf_printf(&said, " 1.%u %s", h->minor, framings[h->framing]);
    if (h->has_content_length)
        buf_printf(&said, "=%llu", (unsigned long long)h->content_length);
    buf_printf(&said, " %s", h->keep_alive ? "keep" : "close");
    if (h->expects_continue)
        buf_printf(&said, " expects");
    const char *before = " hop(";
    for (unsigned i = 0; i < h->n_fields; i++) {
        if (!h->fields[i].is_hop)
            continue;
        buf_printf(&said, "%s%.*s", before, STR_ARG(h->fields[i].name));
        before = ",";
    }
    if (*before == ',')
        buf_byte(&said, ')');
}

static inline enum http_parse parse_into_said(struct str in, size_t *scanned, int to, size_t *used)
{
    struct http_head *head = malloc(sizeof *head);
    struct fault f = { .kind = FAULT_NONE };
    assert_non_null(head);
    memset(head, 0x5a, sizeof *head);
    /* Exactly as large as what it holds, so that a sanitizer sees a read past the end. */
    char *copy = malloc(in.n ? in.n : 1);
    assert_non_null(copy);
    memcpy(copy, in.p, in.n);
    in.p = copy;
    enum http_parse result =
        to == RESPONSE_TO_NONE
            ? http1_parse_request(in, scanned, head, used, &f)
            : http1_parse_response(in, scanned, (enum http_method)to, head, used, &f);
    buf_clear(&said);
    if (result == HTTP_DONE)
        say_head(head, to == RESPONSE_TO_NONE);
    else if (result == HTTP_BAD)
        buf_printf(&said, "%d %s", fault_row(f.kind)->http_status,
                   f.detail[0] ? f.detail : fault_row(f.kind)->name);
    else
        buf_printf(&said, "more");
    assert_true((result == HTTP_BAD) == fault_is_set(&f));
    if (result == HTTP_DONE)
        assert_int_equal(*scanned, 0);
    free(copy);
    free(head);
    return result;
}

static inline void says(const char *row, const char *expected)
{
    buf_byte(&said, 0);
    if (strcmp(said.p, expected) != 0)
        fail_msg("%s: %s, not %s", row, said.p, expected);
}

/* Whole, and byte by byte: the same. What follows the head is not touched. */
static inline void parses(const char *row, struct str in, int to, const char *expected)
{
    size_t scanned = 0, used = 0, dripped = 0;
    enum http_parse result = parse_into_said(in, &scanned, to, &used);
    says(row, expected);
    if (result == HTTP_DONE)
        assert_true(used <= in.n && memcmp(in.p + used - 4, "\r\n\r\n", 4) == 0);
    scanned = 0;
    enum http_parse drip = HTTP_MORE;
    for (size_t n = in.n > 2000 ? in.n - 2000 : 0; n <= in.n && drip == HTTP_MORE; n++)
        drip = parse_into_said(str_first(in, n), &scanned, to, &dripped);
    says(row, expected);
    assert_int_equal(drip, result);
    assert_int_equal(dripped, used);
}

static inline void repeat(struct buf *b, char c, size_t n)
{
    while (n-- > 0)
        buf_byte(b, c);
}
