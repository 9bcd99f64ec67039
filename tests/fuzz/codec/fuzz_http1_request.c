/*
 * Any bytes as a request head. Whole and dripping give the same; what was parsed lies inside the
 * input; written out again it parses to the same, with the same framing. The input is read in a
 * copy of its own size.
 */
#include "http1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum http_parse parse(struct str in, size_t *scanned, struct http_head *head, size_t *used,
                             struct fault *f)
{
    return http1_parse_request(in, scanned, head, used, f);
}

static void check_origin_form(const struct http_head *head, struct str in)
{
    struct str authority, origin;
    if (head->method == HTTP_CONNECT)
        return;
    if (!http1_origin_form(head->target, &authority, &origin) || origin.n == 0)
        abort();
    if (authority.n > 0)
        check_inside(authority, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head head, again;
    struct str in = str_of((const char *)data, n);
    size_t used = 0;
    if (check_chunkings(in, parse, &head, &used) != HTTP_DONE)
        return 0;
    check_inside(head.method_text, in);
    check_inside(head.target, in);
    check_fields(&head, in);
    check_origin_form(&head, in);
    if (head.framing == HTTP_UNTIL_CLOSE ||
        (head.framing == HTTP_LENGTH) != head.has_content_length)
        abort();

    struct buf out;
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0;
    buf_init(&out, 1 << 20);
    http1_write_request_line(&out, head.method_text, head.target);
    write_fields(&head, &out);
    enum http_parse result = http1_parse_request(buf_str(&out), &scanned, &again, &used, &f);
    /* 1.0 without a Host is written as 1.1; added spaces may make it too large. */
    if (head.minor > 0 && fault_row(f.kind)->http_status != 431) {
        if (result != HTTP_DONE || !str_eq(again.target, head.target) ||
            !str_eq(again.method_text, head.method_text))
            abort();
        check_same_fields(&head, &again);
    }
    buf_done(&out);
    return 0;
}
