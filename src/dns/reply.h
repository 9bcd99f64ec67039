#pragma once
/*
 * Replies to the forwarder's clients, appended to a buffer that the caller owns. The answer is a
 * server's own records; what is ours is the header, the question as it was spelled, EDNS, and TTLs
 * that have been counted down. Pure functions.
 */
#include "codec/dns_request.h"
#include "dns/lookup.h"

/* RFC 8914 */
enum dns_ede {
    DNS_EDE_NONE = -1,
    DNS_EDE_OTHER = 0,
    DNS_EDE_STALE = 3,
    DNS_EDE_CACHED_ERROR = 13,
    DNS_EDE_PROHIBITED = 18,
    DNS_EDE_NOT_SUPPORTED = 21,
    DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
    DNS_EDE_NETWORK_ERROR = 23,
};

enum { DNS_STALE_TTL_S = 30 }; /* RFC 8767 section 4 */

/* The most that the client takes over UDP: 512 without EDNS, never more than DNS_UDP_BYTES. */
size_t dns_reply_room(const struct dns_request *req);

enum dns_replied {
    DNS_REPLIED,
    /* Too large: TC, and the records that fit. Whoever goes by RFC 2181 section 9 asks again over
     * TCP; stubs that cannot (musl before 1.2.4) have some of the addresses. */
    DNS_REPLIED_CUT,
    DNS_REPLIED_NONE, /* no memory, or out has no room: nothing was appended */
};

/* set is the whole answer to req's question. */
enum dns_replied dns_reply_set(struct buf *out, size_t max_bytes, const struct dns_request *req,
                               const struct dns_set *set, uint32_t age_s);
/* The same from one or more stretches of a chain of aliases, in order. */
enum dns_replied dns_reply_parts(struct buf *out, size_t max_bytes, const struct dns_request *req,
                                 const struct dns_part *parts, unsigned n_parts);
/* No records; ede and its text only go to a client that speaks EDNS. */
enum dns_replied dns_reply_error(struct buf *out, size_t max_bytes, const struct dns_request *req,
                                 enum dns_rcode rcode, enum dns_ede ede, struct str text);

/*
 * Requests that take no look-up, because they are broken, unknown, not for a forwarder, or answered
 * in the same way whatever the name (ANY, RFC 8482). False: the question is to be asked.
 */
bool dns_reply_at_once(struct buf *out, size_t max_bytes, const struct dns_request *req,
                       enum dns_request_read read, enum dns_replied *replied);
