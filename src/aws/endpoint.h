#pragma once
/*
 * Where HTTP requests go: scheme, host and port out of a URL that somebody configured. Strict,
 * since libcurl must connect exactly to what we resolved. Borrows from the text.
 */
#include "base/str.h"
#include "codec/addr.h"

struct aws_endpoint {
    bool is_https;
    bool is_ip;       /* the host is an address literal, in `addr` */
    struct str host;  /* without brackets */
    uint16_t port;    /* the scheme's where none stands */
    struct addr addr; /* with the port */
    struct str path;  /* with the query, begins with '/'; "/" where none stands */
};

/*
 * "http://host", "https://host:port/path", "http://[::1]:80/". False for anything else: other
 * schemes, user names, fragments, an IPv6 zone, numbers as hosts that are no dotted quad, bytes
 * that are not visible ASCII.
 */
bool aws_endpoint_parse(struct str url, struct aws_endpoint *out);

/* The Host field's value: without the scheme's own port, brackets around IPv6; NUL-terminated. */
enum { AWS_AUTHORITY_BYTES = 300 };
void aws_endpoint_authority(const struct aws_endpoint *e, char out[static AWS_AUTHORITY_BYTES]);

/* An address literal, or localhost (and below it): no name server is asked. */
bool aws_endpoint_needs_no_dns(const struct aws_endpoint *e);
