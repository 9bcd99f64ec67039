#include "io/tls_identity.h"

#include "base/buf.h"
#include "io/tls_names.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { FILE_BYTES = 1024 * 1024, MAX_CHAIN = 32 };

static const char *reason(void)
{
    const char *r = ERR_reason_error_string(ERR_peek_last_error());
    return r != NULL ? r : "no reason given";
}

/* Regular files alone: a pipe could keep a reload waiting for ever. */
static bool read_file(const char *file, const char *step, struct buf *into, struct fault *f)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    if (fd < 0)
        return fault_set(f, FAULT_CONFIG, step, "%s: %s", file, strerror(errno));
    ssize_t n = -1;
    errno = EINVAL;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
        char piece[4096];
        do {
            n = read(fd, piece, sizeof piece);
            if (n > 0)
                buf_append(into, str_of(piece, (size_t)n));
        } while ((n > 0 && !into->failed) || (n < 0 && errno == EINTR));
    }
    int e = errno;
    close(fd);
    if (n < 0)
        return fault_set(f, FAULT_CONFIG, step, "%s: %s", file,
                         e == EINVAL ? "not a regular file" : strerror(e));
    if (into->failed)
        return fault_set(f, FAULT_CONFIG, step, "%s: more than %d bytes", file, FILE_BYTES);
    return true;
}

/* OpenSSL reads certificates up to the first thing that is none; it tells the end by an error. */
static bool read_certificates(struct io_tls_identity *i, BIO *from, const char *file,
                              struct fault *f)
{
    X509 *one;
    while ((one = PEM_read_bio_X509(from, NULL, NULL, NULL)) != NULL) {
        if (i->cert == NULL) {
            i->cert = one;
        } else if (sk_X509_num(i->chain) >= MAX_CHAIN || sk_X509_push(i->chain, one) <= 0) {
            X509_free(one);
            return fault_set(f, FAULT_CONFIG, "certificate", "%s: more than %d certificates", file,
                             MAX_CHAIN + 1);
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return fault_set(f, FAULT_CONFIG, "certificate", "%s: certificate %d: %s", file,
                         i->cert == NULL ? 1 : sk_X509_num(i->chain) + 2, reason());
    return i->cert != NULL ||
           fault_set(f, FAULT_CONFIG, "certificate", "%s: no certificate in PEM form in it", file);
}

/* In place of OpenSSL's own, which asks at the terminal. */
static int on_passphrase(char *into, int cap, int is_writing, void *was_asked)
{
    *(bool *)was_asked = true;
    return -1;
}

static bool read_key(struct io_tls_identity *i, BIO *from, const char *file, struct fault *f)
{
    bool was_asked = false;
    i->key = PEM_read_bio_PrivateKey(from, NULL, on_passphrase, &was_asked);
    if (i->key != NULL)
        return true;
    if (was_asked)
        return fault_set(f, FAULT_CONFIG, "key",
                         "%s: the key is encrypted; penstock takes no passphrase: "
                         "openssl pkey -in ENCRYPTED -out KEY decrypts it",
                         file);
    return fault_set(f, FAULT_CONFIG, "key", "%s: no private key in PEM form in it (%s)", file,
                     reason());
}

static bool check_pair(const struct io_tls_identity *i, const char *cert_file, const char *key_file,
                       struct fault *f)
{
    if (X509_check_private_key(i->cert, i->key) == 1)
        return true;
    for (int k = 0; k < sk_X509_num(i->chain); k++)
        if (X509_check_private_key(sk_X509_value(i->chain, k), i->key) == 1)
            return fault_set(f, FAULT_CONFIG, "certificate",
                             "%s: the key's certificate is number %d; it has to be the first, "
                             "before those that signed it",
                             cert_file, k + 2);
    return fault_set(f, FAULT_CONFIG, "key", "the key in %s is not that of the certificate in %s",
                     key_file, cert_file);
}

/* OpenSSL takes every curve that it knows, and then finds no client that does: TLS 1.3 has these
 * three, and nobody offers others in TLS 1.2. */
static bool check_curve(const struct io_tls_identity *i, const char *key_file, struct fault *f)
{
    char name[64];
    size_t n;
    if (EVP_PKEY_get_base_id(i->key) != EVP_PKEY_EC ||
        EVP_PKEY_get_group_name(i->key, name, sizeof name, &n) != 1)
        return true;
    int curve = OBJ_sn2nid(name);
    return curve == NID_X9_62_prime256v1 || curve == NID_secp384r1 || curve == NID_secp521r1 ||
           fault_set(f, FAULT_CONFIG, "key",
                     "%s: the key is on the curve %s, which TLS clients do not take; P-256, P-384 "
                     "or P-521",
                     key_file, name);
}

static bool read_part(struct io_tls_identity *i, const char *file, const char *step,
                      bool (*take)(struct io_tls_identity *, BIO *, const char *, struct fault *),
                      struct fault *f)
{
    struct buf text;
    buf_init(&text, FILE_BYTES);
    bool is_read = read_file(file, step, &text, f);
    BIO *from = is_read ? BIO_new_mem_buf(text.n > 0 ? text.p : "", (int)text.n) : NULL;
    if (is_read)
        is_read = from != NULL ? take(i, from, file, f) : fault_set(f, FAULT_NO_MEMORY, step, NULL);
    BIO_free(from);
    if (text.n > 0)
        OPENSSL_cleanse(text.p, text.n);
    buf_done(&text);
    ERR_clear_error();
    return is_read;
}

struct io_tls_identity *io_tls_identity_read(const char *cert_file, const char *key_file,
                                             struct fault *f)
{
    struct io_tls_identity *i = calloc(1, sizeof *i);
    if (i == NULL || (i->chain = sk_X509_new_null()) == NULL)
        fault_set(f, FAULT_NO_MEMORY, "certificate", NULL);
    else if (read_part(i, cert_file, "certificate", read_certificates, f) &&
             read_part(i, key_file, "key", read_key, f) && check_pair(i, cert_file, key_file, f) &&
             check_curve(i, key_file, f))
        return i;
    ERR_clear_error();
    io_tls_identity_free(i);
    return NULL;
}

void io_tls_identity_free(struct io_tls_identity *i)
{
    if (i == NULL)
        return;
    X509_free(i->cert);
    sk_X509_pop_free(i->chain, X509_free);
    EVP_PKEY_free(i->key);
    free(i);
}

static int64_t unix_time(const ASN1_TIME *t)
{
    struct tm tm;
    return ASN1_TIME_to_tm(t, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

void io_tls_identity_about(const struct io_tls_identity *i, struct io_tls_about *out)
{
    X509_NAME_oneline(X509_get_subject_name(i->cert), out->subject, sizeof out->subject);
    tls_names_list(i->cert, STR(""), out->names, sizeof out->names);
    out->not_before_s = unix_time(X509_get0_notBefore(i->cert));
    out->not_after_s = unix_time(X509_get0_notAfter(i->cert));
}
