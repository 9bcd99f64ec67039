#pragma once
/*
 * TLS through OpenSSL 3: contexts that outlive connections. A client context verifies chain and
 * name on every connection; there is no switch to turn that off. Sessions are kept per (host, port)
 * and resumed. TLS 1.2 and later.
 */
#include "base/fault.h"
#include "io/tls_identity.h"

#include <openssl/ssl.h>

/* One per worker and identity; not shared between threads. Lives on until its last connection is
 * closed. */
struct io_tls;
struct io_tls_tickets;

/*
 * ca_file adds authorities to the system's, NULL for none. Fault CONFIG when the file cannot be
 * read or holds no certificate.
 */
struct io_tls *io_tls_client_new(const char *ca_file, struct fault *f);
/*
 * The same in two steps, for several workers: the authorities are read once (16 ms and 1 MiB with
 * those of a usual system) and then belong to all contexts that were made with them, on whatever
 * thread. X509_STORE_free gives them back. What io_tls_trust adds, it adds for all.
 */
X509_STORE *io_tls_authorities(const char *ca_file, struct fault *f);
struct io_tls *io_tls_client_new_with(X509_STORE *authorities, struct fault *f);
/*
 * For the TLS listener. With tickets (io/tls_tickets.h), a session that one context began is
 * resumed by any other that has the same; they outlive the context and its connections. NULL: by
 * this context alone. Any thread may make it, one has it. Fault CONFIG when OpenSSL finds the
 * certificate too weak.
 */
struct io_tls *io_tls_server_new(const struct io_tls_identity *i, struct io_tls_tickets *tickets,
                                 struct fault *f);
/* For test servers and the demo; both are borrowed and referenced. */
struct io_tls *io_tls_server_new_from(X509 *cert, EVP_PKEY *key, struct fault *f);
/* More authorities for a client context, in memory. */
bool io_tls_trust(struct io_tls *t, X509 *ca);
void io_tls_free(struct io_tls *t);

/* For io/stream: the socket under an SSL, and what its last reads and writes said. */
struct io_wire {
    int fd;
    int sys_errno;   /* of the read or write that failed, 0 for none */
    bool is_drained; /* a read got less than it asked for: reading again would say EAGAIN */
    bool is_eof;     /* FIN was read */
};

/*
 * For io/stream: an SSL for one connection over w, which outlives it. host is the name to verify
 * and to send as SNI (an address literal is verified as an address); empty on a server.
 */
SSL *io_tls_open(struct io_tls *t, struct io_wire *w, struct str host, uint16_t port,
                 struct fault *f);
/* Of this context, and not of one that was there before a reload. */
bool io_tls_has(const struct io_tls *t, SSL *ssl);
/* Frees it; its sessions stay resumable. NULL is fine. */
void io_tls_close(SSL *ssl);
/* What SSL's error queue and verify result mean, as TLS_UNTRUSTED, TLS_NAME or TLS_FAILED with
 * OpenSSL's reason. */
bool io_tls_fault(SSL *ssl, const char *step, struct fault *f);
/* It sent so many messages of the handshake (key updates) that no more is read of it. */
bool io_tls_is_flooded(const SSL *ssl);
/*
 * The certificate that a server showed, also one that was refused; *verify is X509_V_OK or
 * OpenSSL's number of why. NULL when none came. Borrowed, until the SSL is closed.
 */
X509 *io_tls_peer_certificate(SSL *ssl, int *verify);
