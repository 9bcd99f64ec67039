#pragma once
/* A certificate authority in memory, for tests that speak TLS. */
#include <openssl/evp.h>
#include <openssl/x509v3.h>

struct pki {
    EVP_PKEY *key;
    X509 *cert;
};

/* Signed by ca, or by itself where ca is NULL. san: "DNS:x,IP:y", NULL for an authority. days may
 * be negative. */
static inline X509 *pki_certificate(const struct pki *ca, EVP_PKEY *key, const char *name,
                                    const char *san, int days)
{
    static int serial = 1;
    X509 *c = X509_new();
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), serial++);
    X509_gmtime_adj(X509_getm_notBefore(c), -30L * 86400);
    X509_gmtime_adj(X509_getm_notAfter(c), days * 86400L);
    X509_set_pubkey(c, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_ASC,
                               (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(ca != NULL ? ca->cert : c));
    X509V3_CTX x;
    X509V3_set_ctx_nodb(&x);
    X509V3_set_ctx(&x, ca != NULL ? ca->cert : c, c, NULL, NULL, 0);
    X509_EXTENSION *e =
        san != NULL ? X509V3_EXT_conf_nid(NULL, &x, NID_subject_alt_name, san)
                    : X509V3_EXT_conf_nid(NULL, &x, NID_basic_constraints, "critical,CA:TRUE");
    X509_add_ext(c, e, -1);
    X509_EXTENSION_free(e);
    X509_sign(c, ca != NULL ? ca->key : key, EVP_sha256());
    return c;
}

static inline void pki_init(struct pki *p, const char *name)
{
    p->key = EVP_EC_gen("P-256");
    p->cert = pki_certificate(NULL, p->key, name, NULL, 30);
}

static inline void pki_done(struct pki *p)
{
    EVP_PKEY_free(p->key);
    X509_free(p->cert);
}
