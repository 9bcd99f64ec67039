#pragma once
/*
 * Heads on their way through: what goes to the origin and what comes back from it. End-to-end
 * fields pass byte for byte, in their order; hop-by-hop fields stay here (RFC 9110 section 7.6.1).
 */
#include "proxy/resume.h"
#include "proxy/route.h"

/* The request line, raw, and the Host field. */
void rewrite_request_line(struct buf *out, struct str method, const struct route *route);
/* A Range field of one range, last inclusive. */
void rewrite_range(struct buf *out, uint64_t first, uint64_t last);

/*
 * The request for the route's origin. resume NULL: as the client sent it. Otherwise the request for
 * the rest of a body: a GET without body, Range and If-Match from *resume instead of the client's.
 */
void rewrite_request(struct buf *out, const struct http_head *request, const struct route *route,
                     const struct resume_plan *resume);
/*
 * The same where a redirect leads (ROUTE_FOLLOW): of the client's fields only Range, If-*, Accept*,
 * User-Agent and Content-*; body_bytes is the length of the body, where the request has one.
 */
void rewrite_followed(struct buf *out, const struct http_head *request, const struct route *route,
                      uint64_t body_bytes, const struct resume_plan *resume);

enum down_framing {
    DOWN_AS_IT_IS,    /* Content-Length, or no body at all */
    DOWN_CHUNKED,     /* the origin's length is unknown */
    DOWN_UNTIL_CLOSE, /* the same for HTTP/1.0 */
};
enum down_framing rewrite_framing(const struct http_head *request,
                                  const struct http_head *response);

/* The response head for the client: S3's with CORS, the registry's as it is. more: whole lines to
 * go with it, or nothing. */
void rewrite_response(struct buf *out, const struct http_head *request,
                      const struct http_head *response, enum route_kind kind,
                      enum down_framing framing, bool keep_alive, struct str expose,
                      struct str more);

/* "Connection: ..." as this client needs it, or nothing. */
void rewrite_connection(struct buf *out, const struct http_head *request, bool keep_alive);
