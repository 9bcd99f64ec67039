#pragma once
/*
 * TLS sessions that a client may resume, by peer. Bounded: the peer that was used longest ago goes
 * first. Owns references to the sessions.
 */
#include "base/list.h"
#include "base/str.h"

#include <openssl/ssl.h>

struct tls_sessions {
    struct list peers; /* the one used last comes first */
    unsigned n_peers;
};

void tls_sessions_init(struct tls_sessions *s);
void tls_sessions_done(struct tls_sessions *s);

/* Takes over the caller's reference; false, with nothing taken, when there is no memory. */
bool tls_sessions_put(struct tls_sessions *s, struct str peer, SSL_SESSION *session);

/*
 * A session for one connection, the newest first, as a reference of the caller's; NULL when there
 * is none. A TLS 1.3 ticket is given once (RFC 8446 appendix C.4) unless it is the last one: a
 * server that does not take it twice makes a full handshake, which is what we would have without
 * it.
 */
SSL_SESSION *tls_sessions_take(struct tls_sessions *s, struct str peer);
