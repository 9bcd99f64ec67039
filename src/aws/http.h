#pragma once
/*
 * One HTTP exchange at a time and thread, blocking, by libcurl: no proxy, no redirect, no look-up
 * by libcurl, certificates checked against the system's authorities and ca_file. A transport is
 * shared by threads; each reply is the caller's.
 */
#include "aws/endpoint.h"
#include "aws/error.h"
#include "base/buf.h"
#include "base/fault.h"

enum { AWS_MAX_ADDRS = 16 };

/*
 * Gives addresses (ports do not matter) of a host. *n: how many fit, then how many there are, at
 * least one. False: *fault tells why. Called from any thread, also several at once.
 */
typedef bool aws_resolve_fn(void *arg, struct str host, struct addr *out, size_t *n,
                            struct fault *fault);

struct aws_transport_options {
    aws_resolve_fn *resolve; /* NULL: only addresses and localhost are reached */
    void *resolve_arg;
    struct str ca_file;         /* PEM, beside the system's; empty: none */
    struct str ca_bundle;       /* the same, a second one */
    bool is_link_local_allowed; /* 169.254.0.0/16, fe80::/10, fd00:ec2::/32 */
    uint64_t deadline_us;       /* CLOCK_MONOTONIC; nothing goes on behind it. 0: none. */
};

struct aws_transport;

/* NULL when memory is out. */
struct aws_transport *aws_transport_new(const struct aws_transport_options *options);
/* No exchange may be going on. NULL is fine. */
void aws_transport_free(struct aws_transport *t);

bool aws_transport_is_link_local_allowed(const struct aws_transport *t);
/* Until the deadline, at most `most`. */
uint64_t aws_transport_left_ms(const struct aws_transport *t, uint64_t most);

struct aws_http_request {
    const char *method; /* GET, PUT, POST; with a body, or an empty one, the last two */
    struct str url;     /* see aws_endpoint_parse */
    struct str fields;  /* whole lines, each with its \r\n; Host is added where it is missing */
    struct str body;
    size_t max_reply_bytes;      /* of the body; 0: 64 KiB */
    unsigned connect_timeout_ms; /* 0: 3000. Both are shortened by the deadline. */
    unsigned total_timeout_ms;   /* 0: 10000 */
};

enum { AWS_ERROR_TYPE_BYTES = 128, AWS_REQUEST_ID_BYTES = 64 };

struct aws_http_reply {
    int status;
    struct buf body;
    bool has_date;
    int64_t date_unix_s;
    char error_type[AWS_ERROR_TYPE_BYTES]; /* x-amzn-ErrorType; bytes as they came, may be empty */
};

/*
 * True: a whole reply came, whatever its status; the caller gives it back with
 * aws_http_reply_done. False: *error is UNREACHABLE or PROTOCOL (too large, no HTTP), *reply needs
 * no done. One try, no retry.
 */
bool aws_http_fetch(struct aws_transport *t, const struct aws_http_request *request,
                    struct aws_http_reply *reply, struct aws_error *error);
void aws_http_reply_done(struct aws_http_reply *reply);
