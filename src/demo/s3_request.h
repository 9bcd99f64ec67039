#pragma once
/*
 * A request head read as an S3 operation, and the questions of RFC 9110 that decide a GET. Pure
 * functions; what they keep is copied to the caller's arena.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "codec/http1.h"
#include "demo/s3_store.h"

#define DEMO_HOST "s3.us-east-1.amazonaws.com"
#define DEMO_BUCKET "demo-bucket"
#define DEMO_REGION "us-east-1"

enum demo_s3_op {
    DEMO_S3_LIST_BUCKETS,
    DEMO_S3_LIST,
    DEMO_S3_LOCATION,
    DEMO_S3_HEAD_BUCKET,
    DEMO_S3_GET, /* HEAD too */
    DEMO_S3_PUT,
    DEMO_S3_DELETE,
    DEMO_S3_FAILED, /* with the error that stands in the request */
};

/* A row of S3's table of errors. */
struct demo_s3_error {
    unsigned status;
    const char *code, *message;
};

struct demo_s3_list_params {
    struct str prefix, delimiter;
    struct str after;       /* keys up to this one are left out: marker, start-after, token */
    struct str given_after; /* marker or start-after as it came, for the reply */
    struct str token;       /* continuation-token as it came */
    uint64_t max_keys;      /* at most 1000 */
    bool is_v2, encodes_urls;
};

struct demo_s3_request {
    enum demo_s3_op op;
    struct demo_s3_error error;
    bool is_head;
    struct str key; /* decoded */
    struct demo_s3_list_params list;
    bool is_aws_chunked;     /* the body is in chunks of SigV4 streaming */
    bool has_decoded_length; /* x-amz-decoded-content-length */
    uint64_t decoded_length;
};

/* The bucket comes from Host where that is a virtual host, else from the path. */
void demo_s3_request_read(const struct http_head *head, struct arena *arena,
                          struct demo_s3_request *out);

struct demo_s3_plan {
    unsigned status; /* 200, 206, 304, 412, 416 */
    uint64_t first, n;
};
/* What a GET or HEAD of an object that is there answers, by its conditions and Range. */
void demo_s3_plan_get(const struct http_head *head, const struct demo_object *o,
                      struct demo_s3_plan *out);
/* May a PUT go on? o NULL: there is no such object yet. If-Match and If-None-Match count. */
bool demo_s3_may_put(const struct http_head *head, const struct demo_object *o);

/* All but RFC 3986's unreserved characters and '/' as %XX. */
void demo_s3_encode_key(struct buf *out, struct str key);

enum { DEMO_HTTP_DATE_BYTES = 32 };
/* "Sun, 06 Nov 1994 08:49:37 GMT" */
const char *demo_http_date(int64_t unix_s, char text[static DEMO_HTTP_DATE_BYTES]);
