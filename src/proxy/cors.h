#pragma once
/* The CORS fields (docs/PROXY.md), the same on success and on every failure. */
#include "base/buf.h"
#include "codec/http1.h"

/* The value of Access-Control-Expose-Headers: the fixed names, then those of
 * PENSTOCK_EXPOSE_HEADERS. */
void cors_write_expose(struct buf *out, const struct str *more, size_t n_more);

/* request may be NULL when its head could not be read: then only what does not echo it is written.
 */
void cors_write(struct buf *out, const struct http_head *request, struct str expose);

/* One of the five response fields that are ours to set, whoever sent it before. */
bool cors_is_ours(enum http_field_id id);
