#include "demo/ca.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

enum { DAYS = 30, SKEW_DAYS = 1, SERIAL_BYTES = 16 };

static bool add_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = e != NULL && X509_add_ext(cert, e, -1) == 1;
    X509_EXTENSION_free(e);
    return is_added;
}

/* Serial numbers differ from run to run, or a browser that saw an earlier run would complain. */
static bool set_serial(X509 *cert)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof bytes) != 1)
        return false;
    bytes[0] = (unsigned char)((bytes[0] & 0x3f) | 0x40); /* positive, and of full length */
    BIGNUM *n = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
    BN_free(n);
    return is_set;
}

/* Signed by issuer with its key; an authority when names is NULL. */
static X509 *sign(const char *subject, const char *names, EVP_PKEY *key, X509 *issuer,
                  EVP_PKEY *issuer_key)
{
    X509 *c = X509_new();
    if (c == NULL)
        return NULL;
    X509 *by = issuer != NULL ? issuer : c;
    X509_NAME *name = X509_get_subject_name(c);
    if (X509_set_version(c, X509_VERSION_3) == 1 && set_serial(c) &&
        X509_gmtime_adj(X509_getm_notBefore(c), -SKEW_DAYS * 86400L) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(c), DAYS * 86400L) != NULL &&
        X509_set_pubkey(c, key) == 1 &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)subject, -1, -1,
                                   0) == 1 &&
        X509_set_issuer_name(c, X509_get_subject_name(by)) == 1 &&
        add_extension(c, by, NID_basic_constraints,
                      names == NULL ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
        add_extension(c, by, NID_key_usage,
                      names == NULL ? "critical,keyCertSign" : "critical,digitalSignature") &&
        (names == NULL || add_extension(c, by, NID_subject_alt_name, names)) &&
        X509_sign(c, issuer_key, EVP_sha256()) > 0)
        return c;
    X509_free(c);
    return NULL;
}

bool demo_ca_init(struct demo_ca *ca, const char *names, struct fault *f)
{
    *ca = (struct demo_ca){ 0 };
    EVP_PKEY *root = EVP_EC_gen("P-256");
    ca->key = EVP_EC_gen("P-256");
    if (root != NULL && ca->key != NULL)
        ca->authority = sign("penstock demo authority", NULL, root, NULL, root);
    if (ca->authority != NULL)
        ca->cert = sign("penstock demo origin", names, ca->key, ca->authority, root);
    EVP_PKEY_free(root);
    if (ca->cert != NULL)
        return true;
    demo_ca_done(ca);
    char why[160];
    ERR_error_string_n(ERR_get_error(), why, sizeof why);
    ERR_clear_error();
    return fault_set(f, FAULT_SYSTEM, "certificate", "%s", why);
}

void demo_ca_done(struct demo_ca *ca)
{
    X509_free(ca->authority);
    X509_free(ca->cert);
    EVP_PKEY_free(ca->key);
    *ca = (struct demo_ca){ 0 };
}
