#pragma once
/* Heads for tests, from text with \r\n. */
#include "codec/http1.h"

#include <assert.h>

static inline void read_request(const char *text, struct http_head *head)
{
    size_t scanned = 0, used = 0;
    struct fault f = { .kind = FAULT_NONE };
    enum http_parse r = http1_parse_request(str_from_c(text), &scanned, head, &used, &f);
    assert(r == HTTP_DONE);
    (void)r;
}

static inline void read_response(const char *text, enum http_method method, struct http_head *head)
{
    size_t scanned = 0, used = 0;
    struct fault f = { .kind = FAULT_NONE };
    enum http_parse r = http1_parse_response(str_from_c(text), &scanned, method, head, &used, &f);
    assert(r == HTTP_DONE);
    (void)r;
}
