#include "proxy/rewrite.h"

#include "proxy/cors.h"

void rewrite_request_line(struct buf *out, struct str method, const struct route *route)
{
    buf_append(out, method);
    buf_byte(out, ' ');
    buf_append(out, route->prefix);
    if (route->rest.n == 0 || route->rest.p[0] != '/')
        buf_byte(out, '/');
    buf_append(out, route->rest);
    buf_append(out, STR(" HTTP/1.1\r\nHost: "));
    buf_append(out, route->host);
    buf_append(out, STR("\r\n"));
}

/* What a head's fields are judged by. */
struct reader {
    enum route_kind kind;
    bool is_resume;     /* a request for the rest of a body */
    bool is_no_archive; /* a response whose X-Archive- fields mean nothing */
};

/* What passes goes in runs: between two fields that stay here nothing is looked at twice. */
static void copy_fields(struct buf *out, const struct http_head *head,
                        bool (*stays_here)(const struct http_field *field, struct reader r),
                        struct reader r)
{
    unsigned from = 0;
    for (unsigned i = 0; i < head->n_fields; i++)
        if (stays_here(&head->fields[i], r)) {
            http1_copy_fields(out, head, from, i);
            from = i + 1;
        }
    http1_copy_fields(out, head, from, head->n_fields);
}

static bool request_field_stays_here(const struct http_field *field, struct reader r)
{
    switch (field->id) {
    case HTTP_F_HOST:
        return true;
    case HTTP_F_COOKIE: /* a cookie goes to the registry only */
        return !route_is_registry(r.kind);
    case HTTP_F_ACCEPT_ENCODING: /* a list of files is read here */
        return r.kind == ROUTE_ZIP;
    case HTTP_F_RANGE: /* and the archive's bytes are counted here */
    case HTTP_F_IF_RANGE:
        return r.is_resume || r.kind == ROUTE_ZIP;
    case HTTP_F_IF_MATCH:
    case HTTP_F_EXPECT:
    case HTTP_F_CONTENT_LENGTH:
        return r.is_resume;
    default:
        return field->is_hop;
    }
}

static bool has_prefix(struct str name, struct str prefix)
{
    return str_eq_nocase(str_first(name, prefix.n), prefix);
}

/* The registry's own fields, a token, a cookie and whatever else are not for S3, whose URL has all
 * the rights that it needs. */
static bool followed_field_stays_here(const struct http_field *field, struct reader r)
{
    struct str name = field->name;
    if (request_field_stays_here(field, r) || field->id == HTTP_F_CONTENT_LENGTH)
        return true;
    return field->id != HTTP_F_RANGE && field->id != HTTP_F_USER_AGENT &&
           !has_prefix(name, STR("if-")) && !has_prefix(name, STR("content-")) &&
           !has_prefix(name, STR("accept-")) && !str_eq_nocase(name, STR("accept"));
}

void rewrite_range(struct buf *out, uint64_t first, uint64_t last)
{
    buf_append(out, STR("Range: bytes="));
    buf_u64(out, first);
    buf_byte(out, '-');
    buf_u64(out, last);
    buf_append(out, STR("\r\n"));
}

/* The rest is asked for by fields of ours instead of the client's. */
static void write_resume(struct buf *out, const struct resume_plan *resume)
{
    rewrite_range(out, resume->from, resume->to);
    buf_append(out, STR("If-Match: "));
    buf_append(out, resume->etag);
    buf_append(out, STR("\r\n"));
}

void rewrite_request(struct buf *out, const struct http_head *request, const struct route *route,
                     const struct resume_plan *resume)
{
    rewrite_request_line(out, request->method_text, route);
    struct reader reader = { .kind = route->kind, .is_resume = resume != NULL };
    copy_fields(out, request, request_field_stays_here, reader);
    if (resume != NULL)
        write_resume(out, resume);
    else if (request->framing == HTTP_CHUNKED)
        buf_append(out, STR("Transfer-Encoding: chunked\r\n"));
    buf_append(out, STR("\r\n"));
}

void rewrite_followed(struct buf *out, const struct http_head *request, const struct route *route,
                      uint64_t body_bytes, const struct resume_plan *resume)
{
    rewrite_request_line(out, request->method_text, route);
    struct reader reader = { .kind = route->kind, .is_resume = resume != NULL };
    copy_fields(out, request, followed_field_stays_here, reader);
    if (resume != NULL) {
        write_resume(out, resume);
    } else if (request->framing != HTTP_NO_BODY) {
        buf_append(out, STR("Content-Length: "));
        buf_u64(out, body_bytes);
        buf_append(out, STR("\r\n"));
    }
    buf_append(out, STR("\r\n"));
}

enum down_framing rewrite_framing(const struct http_head *request, const struct http_head *response)
{
    if (response->framing == HTTP_NO_BODY || response->framing == HTTP_LENGTH)
        return DOWN_AS_IT_IS;
    return request->minor == 0 ? DOWN_UNTIL_CLOSE : DOWN_CHUNKED;
}

static bool response_field_stays_here(const struct http_field *field, struct reader r)
{
    if (route_is_registry(r.kind))
        return field->is_hop ||
               (r.is_no_archive && str_eq_nocase(str_first(field->name, 10), STR("X-Archive-")));
    return field->is_hop || cors_is_ours(field->id);
}

static void write_status_line(struct buf *out, const struct http_head *response)
{
    buf_append(out, STR("HTTP/1.1 "));
    buf_u64(out, response->status);
    buf_byte(out, ' ');
    buf_append(out, response->reason);
    buf_append(out, STR("\r\n"));
}

void rewrite_response(struct buf *out, const struct http_head *request,
                      const struct http_head *response, enum route_kind kind,
                      enum down_framing framing, bool keep_alive, struct str expose,
                      struct str more)
{
    write_status_line(out, response);
    struct reader reader = { .kind = kind,
                             .is_no_archive = kind == ROUTE_ZIP && response->status / 100 != 2 };
    copy_fields(out, response, response_field_stays_here, reader);
    if (framing == DOWN_CHUNKED)
        buf_append(out, STR("Transfer-Encoding: chunked\r\n"));
    buf_append(out, more);
    if (!route_is_registry(kind))
        cors_write(out, request, expose);
    rewrite_connection(out, request, keep_alive);
    buf_append(out, STR("\r\n"));
}

void rewrite_connection(struct buf *out, const struct http_head *request, bool keep_alive)
{
    if (!keep_alive)
        buf_append(out, STR("Connection: close\r\n"));
    else if (request->minor == 0)
        buf_append(out, STR("Connection: keep-alive\r\n"));
}
