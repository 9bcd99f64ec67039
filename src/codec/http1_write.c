#include "codec/http1.h"
#include "codec/http1_chars.h"

const char *http_reason(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } rows[] = {
        { 100, "Continue" },
        { 200, "OK" },
        { 201, "Created" },
        { 202, "Accepted" },
        { 204, "No Content" },
        { 206, "Partial Content" },
        { 301, "Moved Permanently" },
        { 302, "Found" },
        { 303, "See Other" },
        { 304, "Not Modified" },
        { 307, "Temporary Redirect" },
        { 308, "Permanent Redirect" },
        { 400, "Bad Request" },
        { 401, "Unauthorized" },
        { 403, "Forbidden" },
        { 404, "Not Found" },
        { 405, "Method Not Allowed" },
        { 408, "Request Timeout" },
        { 409, "Conflict" },
        { 411, "Length Required" },
        { 412, "Precondition Failed" },
        { 413, "Content Too Large" },
        { 414, "URI Too Long" },
        { 415, "Unsupported Media Type" },
        { 416, "Range Not Satisfiable" },
        { 417, "Expectation Failed" },
        { 429, "Too Many Requests" },
        { 431, "Request Header Fields Too Large" },
        { 499, "Client Closed Request" },
        { 500, "Internal Server Error" },
        { 501, "Not Implemented" },
        { 502, "Bad Gateway" },
        { 503, "Service Unavailable" },
        { 504, "Gateway Timeout" },
        { 505, "HTTP Version Not Supported" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].status == status)
            return rows[i].reason;
    return "Unknown";
}

static bool is_target(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!http1_is(s.p[i], HTTP1_TARGET))
            return false;
    return s.n > 0;
}

void http1_write_request_line(struct buf *out, struct str method, struct str target)
{
    if (!http1_is_token(method) || !is_target(target)) {
        out->failed = true;
        return;
    }
    buf_append(out, method);
    buf_byte(out, ' ');
    buf_append(out, target);
    buf_append(out, STR(" HTTP/1.1\r\n"));
}

void http1_write_status_line(struct buf *out, unsigned status)
{
    buf_printf(out, "HTTP/1.1 %03u %s\r\n", status, http_reason(status));
}

void http1_write_field(struct buf *out, struct str name, struct str value)
{
    if (!http1_is_token(name) ||
        (value.n > 0 && http1_skip_value(value.p, value.p + value.n) != value.p + value.n)) {
        out->failed = true;
        return;
    }
    char *to = buf_reserve(out, name.n + 2 + value.n + 2);
    if (to == NULL)
        return;
    memcpy(to, name.p, name.n);
    to += name.n;
    *to++ = ':';
    *to++ = ' ';
    if (value.n > 0)
        memcpy(to, value.p, value.n);
    to += value.n;
    *to++ = '\r';
    *to++ = '\n';
    out->n += name.n + value.n + 4;
}

void http1_copy_fields(struct buf *out, const struct http_head *head, unsigned from, unsigned to)
{
    /* The last line may have white space behind its value, or no value to tell where it ends. */
    if (to > from + 1) {
        const char *first = head->fields[from].name.p, *end = head->fields[to - 1].name.p;
        buf_append(out, str_of(first, (size_t)(end - first)));
    }
    if (to > from)
        http1_write_field(out, head->fields[to - 1].name, head->fields[to - 1].value);
}
