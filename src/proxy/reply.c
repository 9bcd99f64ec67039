#include "proxy/reply.h"

#include "codec/escape.h"
#include "proxy/cors.h"
#include "proxy/rewrite.h"

/* The body of a failure, as S3's clients parse it (Amazon S3 API Reference, "Error responses"). */
static void write_error(struct buf *body, const struct reply *r)
{
    const struct fault_row *row = fault_row(r->fault->kind);
    if (r->fault->kind == FAULT_UNEXPECTED_HOST) {
        buf_append(body, STR("Unexpected host: "));
        buf_append(body, str_from_c(r->fault->detail));
        return;
    }
    buf_append(body, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>"));
    buf_append(body, str_from_c(row->s3_code));
    buf_append(body, STR("</Code><Message>"));
    escape_xml(body, str_from_c(row->sentence));
    if (r->shows_detail && r->fault->detail[0] != 0) {
        buf_append(body, STR(": "));
        escape_xml(body, str_from_c(r->fault->detail));
    }
    buf_append(body, STR("</Message><Stage>"));
    buf_append(body, str_from_c(row->stage));
    buf_append(body, STR("</Stage>"));
    if (r->route->host.n > 0) {
        buf_append(body, STR("<HostName>"));
        escape_xml(body, r->route->host);
        buf_append(body, STR("</HostName>"));
    }
    buf_append(body, STR("<RequestId>"));
    buf_append(body, r->id);
    buf_append(body, STR("</RequestId></Error>\n"));
}

static uint16_t write_body(struct buf *body, const struct reply *r, struct str *type)
{
    *type = STR("text/plain");
    /* A fault decides even where the route was fine: the exchange failed. */
    if (r->fault != NULL) {
        if (r->fault->kind != FAULT_UNEXPECTED_HOST)
            *type = STR("application/xml");
        write_error(body, r);
        return (uint16_t)fault_row(r->fault->kind)->http_status;
    }
    switch (r->route->kind) {
    case ROUTE_ROOT:
        buf_append(body, STR("S3 Proxy"));
        return 200;
    case ROUTE_ROBOTS:
        buf_append(body, STR("User-agent: *\nDisallow: /\n"));
        return 200;
    case ROUTE_LIVEZ:
        buf_append(body, STR("ok\n"));
        return 200;
    case ROUTE_PAGE:
        *type = r->page->type;
        return r->page->status;
    default:
        *type = STR("");
        return 200;
    }
}

uint16_t reply_write(struct buf *out, const struct reply *r, uint64_t *body_bytes)
{
    enum { BODY_BYTES = 16 * 1024 };
    static const struct http_head unread = { .minor = 1, .method = HTTP_OTHER_METHOD };
    const struct http_head *request = r->request != NULL ? r->request : &unread;
    struct buf body;
    struct str type;
    buf_init(&body, BODY_BYTES);
    uint16_t status = write_body(&body, r, &type);
    struct str text = r->page != NULL ? buf_str(&r->page->body) : buf_str(&body);

    buf_append(out, STR("HTTP/1.1 "));
    buf_u64(out, status);
    buf_byte(out, ' ');
    buf_append(out, str_from_c(http_reason(status)));
    buf_append(out, STR("\r\n"));
    if (type.n > 0)
        http1_write_field(out, STR("Content-Type"), type);
    buf_append(out, STR("Content-Length: "));
    buf_u64(out, text.n);
    buf_append(out, STR("\r\n"));
    if (r->route->is_get_only)
        buf_append(out, status == 405 ? STR("Allow: GET, HEAD\r\n")
                                      : STR("Cache-Control: no-store\r\n"));
    else if (status == 405)
        buf_append(out, STR("Allow: GET, HEAD, PUT, POST, DELETE, OPTIONS, PATCH\r\n"));
    if (r->page != NULL)
        buf_append(out, r->page->headers);
    if (status == 503)
        buf_append(out, STR("Retry-After: 1\r\n"));
    if (r->fault != NULL)
        http1_write_field(out, STR("x-amz-request-id"), r->id);
    if (r->route->has_cors)
        cors_write(out, r->request, r->expose);
    rewrite_connection(out, request, r->keep_alive);
    buf_append(out, STR("\r\n"));
    *body_bytes = request->method == HTTP_HEAD ? 0 : text.n;
    buf_append(out, str_first(text, *body_bytes));
    buf_done(&body);
    return status;
}
