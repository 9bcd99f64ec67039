#pragma once
/*
 * Who a TLS server is: its certificate, the chain behind it and the private key, read from PEM
 * files and checked. Never changed once it was read, so threads may share it; server contexts
 * (io/tls.h) are made of it and hold what they need themselves.
 */
#include "base/fault.h"

#include <openssl/x509.h>
#include <stdint.h>

struct io_tls_identity {
    X509 *cert;
    STACK_OF(X509) * chain; /* as the file has them, without cert; may be empty */
    EVP_PKEY *key;
};

/*
 * cert_file has the server's own certificate first, then the chain; the key may stand in the same
 * file. Fault CONFIG with the file's name when one cannot be read, holds nothing in PEM form, or is
 * encrypted (nobody is ever asked for a passphrase), or when the key is not the certificate's.
 * Blocks for the disk. Any thread.
 */
struct io_tls_identity *io_tls_identity_read(const char *cert_file, const char *key_file,
                                             struct fault *f);
void io_tls_identity_free(struct io_tls_identity *i);

/* What the certificate says of itself. */
struct io_tls_about {
    char subject[160];
    char names[300];                   /* joined with ", "; ends in ", ..." where there are more */
    int64_t not_before_s, not_after_s; /* Unix time */
};
void io_tls_identity_about(const struct io_tls_identity *i, struct io_tls_about *out);
