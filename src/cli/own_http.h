#pragma once
/*
 * A question to a process of this host, blocking, with a deadline: nothing is sent to an address
 * that is another host's.
 */
#include "base/buf.h"
#include "codec/addr.h"

enum { OWN_WAYS = 2 };

/* Where a listener is reached, best first: one on every address by loopback, of IPv6 too where it
 * is an IPv6 one. Returns how many. */
unsigned own_reach(const struct addr *listener, struct addr at[static OWN_WAYS]);
/* Is it an address of this host? */
bool own_is_here(const struct addr *a);
/* The time that deadlines are told in. */
int64_t own_now_ms(void);
/* poll for events; false when the deadline has passed. */
bool own_wait(int fd, short events, int64_t deadline_ms);

struct own_limits {
    int connect_ms, answer_ms;
    size_t answer_bytes;
};

struct own_reply {
    unsigned status;
    struct buf body; /* the caller's: inits it before, frees it after */
};

/* GET target. False: *why says so in a few words (static text). */
bool own_http_get(const struct addr *at, struct str target, const struct own_limits *limits,
                  struct own_reply *r, const char **why);
