#pragma once
/*
 * A service's error reply: EC2's Response/Errors/Error, ErrorResponse/Error of STS and Route 53,
 * JSON's __type (with or without "prefix#"), x-amzn-ErrorType. Pure; the bytes are hostile.
 */
#include "aws/error.h"

struct aws_error_body {
    int status;
    struct str error_type; /* the x-amzn-ErrorType field, may be empty */
    struct str body;
    bool has_skew;
    int64_t skew_s;            /* this machine's time minus the reply's Date */
    const struct str *secrets; /* what was sent and must not be shown */
    size_t n_secrets;
};

/* Sets kind, code, message, http_status and skew_s; kind is never OK. */
void aws_error_read(struct aws_error *e, const struct aws_error_body *from);
