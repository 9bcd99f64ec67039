#pragma once
/* A Location field taken apart, raw: pure grammar, no settings (proxy/route.h has those). */
#include "base/str.h"

enum redirect_flaw {
    REDIRECT_OK,
    REDIRECT_EMPTY,
    REDIRECT_TOO_LONG, /* longer than a request target may be */
    REDIRECT_CONTROL,  /* a space, control character or DEL in it */
    REDIRECT_RELATIVE, /* no scheme in front: "/x", "//host/x", "x" */
    REDIRECT_SCHEME,   /* one that is neither http nor https */
    REDIRECT_USERINFO,
    REDIRECT_PORT, /* not a number from 1 to 65535, or one with zeros in front */
};

/* Strings borrow from the Location. What it says of host and rest is as it came; nothing of a
 * user name or a fragment is in here. */
struct redirect {
    bool is_https;
    struct str host; /* not judged; without the port */
    uint16_t port;   /* the scheme's where none was given */
    /* for the Host field: the host, and behind it the port where it is not the scheme's */
    struct str authority;
    struct str rest; /* "/KEY?QUERY", "?QUERY" or "" */
    struct str path; /* rest up to "?" */
};

/* *out is filled for REDIRECT_OK alone. */
enum redirect_flaw redirect_split(struct str location, struct redirect *out);
