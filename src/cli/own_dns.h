#pragma once
/* One DNS question to a listener of this host, over UDP, blocking. */
#include "codec/addr.h"
#include "codec/dns_msg.h"

struct own_dns_reply {
    unsigned rcode;
    size_t n_answers; /* records of the answer section */
};

/* An A question. It is sent again a few times within timeout_ms. False: *why says so in a few words
 * (static text). */
bool own_dns_ask(const struct addr *at, const struct dns_name *name, int timeout_ms,
                 struct own_dns_reply *r, const char **why);
