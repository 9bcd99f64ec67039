#pragma once
/* The documents that S3 answers with, written to a buffer. Pure functions. */
#include "base/buf.h"
#include "demo/s3_request.h"

void demo_s3_write_error(struct buf *out, const struct demo_s3_error *error, struct str resource,
                         struct str request_id);
void demo_s3_write_buckets(struct buf *out);
void demo_s3_write_location(struct buf *out);
/*
 * ListObjects, or ListObjectsV2 where the parameters say so. entries are sorted and start with the
 * prefix. The common prefixes of a delimiter count as keys, and a page ends behind either.
 */
void demo_s3_write_list(struct buf *out, const struct demo_s3_list_params *p,
                        const struct demo_entry *entries, size_t n);
