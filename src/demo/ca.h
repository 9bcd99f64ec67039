#pragma once
/*
 * A certificate authority for the length of a run, and one certificate of it. Keys and certificates
 * live in memory only; the struct owns them.
 */
#include "base/fault.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

struct demo_ca {
    X509 *authority; /* to be trusted; its key is forgotten once the certificate is signed */
    X509 *cert;
    EVP_PKEY *key; /* the certificate's */
};

/* names: "DNS:a.test,DNS:*.a.test", as OpenSSL's subjectAltName takes them. P-256, a month. */
bool demo_ca_init(struct demo_ca *ca, const char *names, struct fault *f);
void demo_ca_done(struct demo_ca *ca);
