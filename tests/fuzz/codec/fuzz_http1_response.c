/*
 * The first byte chooses GET or HEAD, the rest is a response head. The same properties as those of
 * requests; the reason phrase is not written back.
 */
#include "http1_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static enum http_method method;

static enum http_parse parse(struct str in, size_t *scanned, struct http_head *head, size_t *used,
                             struct fault *f)
{
    return http1_parse_response(in, scanned, method, head, used, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head head, again;
    if (n == 0)
        return 0;
    method = data[0] & 1 ? HTTP_HEAD : HTTP_GET;
    struct str in = str_of((const char *)data + 1, n - 1);
    size_t used = 0;
    if (check_chunkings(in, parse, &head, &used) != HTTP_DONE)
        return 0;
    check_inside(head.reason, in);
    check_fields(&head, in);
    if (head.status < 100 || head.status > 999 ||
        (head.framing == HTTP_UNTIL_CLOSE && head.keep_alive) ||
        (method == HTTP_HEAD && head.framing != HTTP_NO_BODY))
        abort();

    struct buf out;
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0;
    buf_init(&out, 1 << 20);
    http1_write_status_line(&out, head.status);
    write_fields(&head, &out);
    enum http_parse result =
        http1_parse_response(buf_str(&out), &scanned, method, &again, &used, &f);
    if (f.kind != FAULT_UPSTREAM_HEAD_TOO_LARGE) {
        if (result != HTTP_DONE || again.status != head.status)
            abort();
        check_same_fields(&head, &again);
    }
    buf_done(&out);
    return 0;
}
