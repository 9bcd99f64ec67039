#pragma once
/* Answers of our own: the few fixed pages, and failures as S3-shaped XML. */
#include "base/fault.h"
#include "proxy/route.h"

struct reply {
    const struct http_head *request; /* NULL when its head could not be read */
    const struct route *route;
    const struct page *page;   /* with ROUTE_PAGE; else NULL */
    const struct fault *fault; /* with ROUTE_REFUSED and for failures; else NULL */
    struct str id;             /* of the request, for RequestId */
    struct str expose;
    bool keep_alive;
    bool shows_detail; /* PENSTOCK_ERROR_DETAIL */
};

/* Head and body, the body (of *body_bytes) left out for HEAD. Returns the status. */
uint16_t reply_write(struct buf *out, const struct reply *r, uint64_t *body_bytes);
