#pragma once
/*
 * One request to the origin, from its head to its reply. The connection reads the body and sends
 * the reply; what they say is decided here.
 */
#include "base/buf.h"
#include "codec/http1_body.h"
#include "demo/s3_request.h"

enum { DEMO_S3_REPLY_BYTES = 64 << 20 };

struct demo_s3_answer {
    struct demo_store *store;
    uint64_t id;
    struct arena arena;
    struct demo_s3_request request;
    struct str resource;          /* the target, for errors */
    struct demo_upload upload;    /* fd -1 while none is under way */
    struct http1_body aws_chunks; /* the framing inside the body, with is_aws_chunked */
    struct demo_object object;    /* of a GET that found one */
    struct demo_s3_plan plan;
    int file; /* of a GET: sent behind the head, plan.n bytes from plan.first */
    bool keep_alive;
};

/* head is borrowed for the call. */
void demo_s3_answer_begin(struct demo_s3_answer *a, struct demo_store *store, uint64_t id,
                          const struct http_head *head);
/* Bytes of the body, HTTP's framing taken off; a request that failed drops them. */
void demo_s3_answer_body(struct demo_s3_answer *a, struct str data);
/* The body ended: writes head and, but for a file's, body of the reply. */
void demo_s3_answer_reply(struct demo_s3_answer *a, struct buf *out);
/* Releases all; harmless on one that is zeroed but for upload.fd and file, which are -1. */
void demo_s3_answer_done(struct demo_s3_answer *a);
