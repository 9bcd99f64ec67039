#include "proxy/cors.h"

void cors_write_expose(struct buf *out, const struct str *more, size_t n_more)
{
    buf_append(out,
               STR("Content-Length, Content-Range, ETag, x-amz-meta-helium, x-amz-bucket-region, "
                   "x-amz-delete-marker, x-amz-request-id, x-amz-version-id, "
                   "x-amz-storage-class, x-amz-restore"));
    for (size_t i = 0; i < n_more; i++) {
        buf_append(out, STR(", "));
        buf_append(out, more[i]);
    }
}

static void echo(struct buf *out, const struct http_head *request, enum http_field_id asked,
                 struct str name)
{
    const struct http_field *field = http_find(request, asked);
    if (field != NULL)
        http1_write_field(out, name, field->value);
}

void cors_write(struct buf *out, const struct http_head *request, struct str expose)
{
    buf_append(out, STR("Access-Control-Allow-Origin: *\r\n"
                        "Access-Control-Max-Age: 3000\r\n"
                        "Access-Control-Expose-Headers: "));
    buf_append(out, expose);
    buf_append(out, STR("\r\n"));
    if (request == NULL)
        return;
    echo(out, request, HTTP_F_ACCESS_CONTROL_REQUEST_HEADERS, STR("Access-Control-Allow-Headers"));
    echo(out, request, HTTP_F_ACCESS_CONTROL_REQUEST_METHOD, STR("Access-Control-Allow-Methods"));
    /* Private Network Access: a page on the public internet may only then reach a private address.
     */
    if (http_find(request, HTTP_F_ACCESS_CONTROL_REQUEST_PRIVATE_NETWORK) != NULL)
        buf_append(out, STR("Access-Control-Allow-Private-Network: true\r\n"));
}

bool cors_is_ours(enum http_field_id id)
{
    return id == HTTP_F_ACCESS_CONTROL_ALLOW_ORIGIN || id == HTTP_F_ACCESS_CONTROL_ALLOW_METHODS ||
           id == HTTP_F_ACCESS_CONTROL_ALLOW_HEADERS || id == HTTP_F_ACCESS_CONTROL_MAX_AGE ||
           id == HTTP_F_ACCESS_CONTROL_EXPOSE_HEADERS;
}
