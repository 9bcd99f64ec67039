#pragma once
/*
 * AWS Signature Version 4 in header fields ("Signing AWS API requests" in the IAM guide; for S3
 * "Authenticating Requests: Using the Authorization Header"). Bytes in, field lines out; the time
 * is an argument. All is borrowed but out, which is the caller's.
 */
#include "base/buf.h"

enum { SIGV4_MAX_FIELDS = 64, SIGV4_MAX_QUERY_PAIRS = 256, SIGV4_MAX_BYTES = 256 * 1024 };

struct sigv4_field {
    struct str name, value;
};

struct sigv4_request {
    struct str method;
    struct str path; /* as it goes out, percent-encoded, without the query; empty means "/" */
    struct str
        query; /* as it goes out, without "?"; write '+' as %2B: servers read it differently */
    /* What is signed beside the fields that this adds: Host must be among them. Hop-by-hop fields
     * that a proxy may change (Connection, Expect, User-Agent ...) are best left out. */
    const struct sigv4_field *fields;
    size_t n_fields;
    struct str body;
    bool is_body_unsigned; /* "UNSIGNED-PAYLOAD" stands for the body's digest */
};

struct sigv4_key {
    struct str id, secret;
    struct str token; /* empty: a key that does not end */
};

/* "s3" as the service keeps the path as it is and signs x-amz-content-sha256; with any other one
 * dot segments and empty ones go away and what is encoded is encoded once more. */
struct sigv4_scope {
    struct str region, service;
    int64_t unix_s; /* years 1 to 9999 */
};

enum sigv4_result {
    SIGV4_OK,
    SIGV4_BAD, /* no host, a field that this adds, a line break or a NUL in something, no name */
    SIGV4_TOO_BIG, /* more than the limits above, or than out may hold */
};

/*
 * Appends "X-Amz-Date: ...\r\n", where they are needed "X-Amz-Content-Sha256: ...\r\n" and
 * "X-Amz-Security-Token: ...\r\n", and "Authorization: ...\r\n". On failure out is as it was.
 */
enum sigv4_result sigv4_sign(const struct sigv4_request *request, const struct sigv4_key *key,
                             const struct sigv4_scope *scope, struct buf *out);
