#pragma once
/*
 * DNS cookies (RFC 7873, RFC 9018) as a client has them: who forges a reply has to know eight bytes
 * more than the ID and the port. One struct a server, inside struct dns_server and under its lock.
 *
 * A cookie is sent until something speaks against it, since there are networks that drop what they
 * do not know: silence, an error that names EDNS's options, or replies that go on to come without
 * cookies from a server that had one. Then there are none for a while, which is no worse than never
 * to have sent any.
 */
#include "base/hash.h"
#include "codec/addr.h"
#include "codec/dns_msg.h"

enum {
    DNS_CLIENT_COOKIE_BYTES = 8,
    DNS_MIN_SERVER_COOKIE_BYTES = 8,
    DNS_MAX_SERVER_COOKIE_BYTES = 32,
    DNS_COOKIE_OFF_MS = 600 * 1000,
};

struct dns_cookie {
    uint8_t client[DNS_CLIENT_COOKIE_BYTES];
    uint8_t server[DNS_MAX_SERVER_COOKIE_BYTES];
    uint8_t server_n; /* 0: it has not shown that it does cookies */
    uint64_t off_until_ms;
};

/* The client's cookie: the server's address under a key that only this process knows. */
void dns_cookie_init(struct dns_cookie *c, const struct hash_key *key, const struct addr *server);
/* What goes into a query: returns its length, 0 for none. */
size_t dns_cookie_write(const struct dns_cookie *c, uint64_t now_ms,
                        uint8_t out[static DNS_COOKIE_BYTES]);

enum dns_cookie_seen {
    DNS_COOKIE_NONE,
    DNS_COOKIE_OURS,  /* genuine, but the server adds none of its own */
    DNS_COOKIE_BOTH,  /* genuine, with the server's */
    DNS_COOKIE_WRONG, /* another client's, or of a length that there is not: RFC 7873 section 5.3 */
};
/* What a reply to a query that had a cookie shows; *server is its part of it, borrowed. */
enum dns_cookie_seen dns_cookie_look(const uint8_t client[static DNS_CLIENT_COOKIE_BYTES],
                                     const struct dns_edns *edns, struct str *server);
/* Takes over what came with DNS_COOKIE_BOTH. */
void dns_cookie_learn(struct dns_cookie *c, struct str server);
/* Something speaks against cookies. */
void dns_cookie_stop(struct dns_cookie *c, uint64_t now_ms);
