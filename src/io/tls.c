#include "io/tls.h"

#include "codec/addr.h"
#include "io/loop.h"
#include "io/tls_names.h"
#include "io/tls_sessions.h"
#include "io/tls_tickets.h"
#include "obs/metrics.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CA_FILE_BYTES = 16 << 20, /* the system's have a quarter of one MiB */
    MAX_HOST = 253,
    /* Four full records of TLS 1.3, so that one read(2) gets several. */
    READ_BUFFER_BYTES = 4 * (SSL3_RT_MAX_PLAIN_LENGTH + 22),
    /* A handshake has ten or so and a peer sends few tickets; keys are updated after 16 TiB, or
     * after 128 GiB where the peer is careful. */
    MAX_HANDSHAKE_MESSAGES = 128,
};

static const char ciphersuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384";
static const char ciphers[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
                              "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
                              "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
static const unsigned char alpn_http1[] = "\x08http/1.1";
static const unsigned char alpn_served[] = "\x08http/1.1\x08http/1.0";

struct io_tls {
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    struct tls_sessions sessions;
    struct io_tls_tickets *tickets; /* of a server that resumes over contexts; else NULL */
    unsigned refs;                  /* the owner's and one a connection */
    bool is_client;
};

/* SSL's app data: whom one connection speaks to. */
struct tls_peer {
    struct io_tls *tls;
    struct fault *why; /* what is wrong with the certificate; NULL while nothing is */
    X509 *refused;     /* and the certificate */
    int verify;
    unsigned n_messages; /* of handshakes, also those that come later: tickets, key updates */
    size_t n_host, n_key;
    char key[MAX_HOST + 8]; /* "host:port", lower case: names its sessions; the first n_host bytes
                               are the host */
};

static void unref(struct io_tls *t)
{
    if (--t->refs > 0)
        return;
    if (!t->is_client)
        metric_sub(METRIC_TLS_CONTEXTS, 1);
    tls_sessions_done(&t->sessions);
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->bio);
    free(t);
}

/*
 * A socket BIO of our own. It knows when the socket is drained, so that OpenSSL's reading ahead
 * does not end in a read(2) that says EAGAIN each time; it keeps FIN from OpenSSL, which would
 * answer with a fatal alert and put the session out of use; and SIGPIPE never happens.
 */
static int wire_read(BIO *b, char *p, int n)
{
    struct io_wire *w = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    if (w->is_drained || w->is_eof) {
        BIO_set_retry_read(b);
        return -1;
    }
    ssize_t got;
    do
        got = recv(w->fd, p, (size_t)n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        w->is_drained = got < n;
        return (int)got;
    }
    if (got == 0) {
        w->is_eof = true;
        BIO_set_retry_read(b);
    } else if (errno == EAGAIN) {
        w->is_drained = true;
        BIO_set_retry_read(b);
    } else {
        w->sys_errno = errno;
    }
    return -1;
}

static int wire_write(BIO *b, const char *p, int n)
{
    struct io_wire *w = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t put;
    do
        put = send(w->fd, p, (size_t)n, MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return (int)put;
    if (errno == EAGAIN)
        BIO_set_retry_write(b);
    else
        w->sys_errno = errno;
    return -1;
}

static long wire_ctrl(BIO *b, int cmd, long num, void *p)
{
    return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

static int wire_create(BIO *b)
{
    BIO_set_init(b, 1);
    return 1;
}

static BIO_METHOD *wire_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (m == NULL)
        return NULL;
    BIO_meth_set_read(m, wire_read);
    BIO_meth_set_write(m, wire_write);
    BIO_meth_set_ctrl(m, wire_ctrl);
    BIO_meth_set_create(m, wire_create);
    return m;
}

static const char *openssl_reason(void)
{
    const char *r = ERR_reason_error_string(ERR_peek_last_error());
    return r != NULL ? r : "no reason given";
}

static void blame_name(struct fault *f, struct str host, X509 *cert)
{
    char names[300];
    bool has_wildcard = tls_names_list(cert, host, names, sizeof names);
    fault_set(
        f, FAULT_TLS_NAME, NULL, "the certificate is for %s, not for %.*s%s",
        names[0] != 0 ? names : "no host name", (int)(host.n < 100 ? host.n : 100), host.p,
        has_wildcard
            ? " (a wildcard matches one label only: a bucket name with dots needs the path style)"
            : "");
}

static void blame_chain(struct fault *f, int error, X509 *cert)
{
    char issuer[160] = "", subject[160] = "";
    if (cert != NULL) {
        X509_NAME_oneline(X509_get_issuer_name(cert), issuer, sizeof issuer);
        X509_NAME_oneline(X509_get_subject_name(cert), subject, sizeof subject);
    }
    fault_set(f, FAULT_TLS_UNTRUSTED, NULL, "%s (certificate %s, issued by %s)",
              X509_verify_cert_error_string(error), subject, issuer);
}

/* OpenSSL drops a certificate that fails: what there is to say about it is said here. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok)
        return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_peer *p = SSL_get_app_data(ssl);
    int error = X509_STORE_CTX_get_error(store);
    if (p->why != NULL || (p->why = calloc(1, sizeof *p->why)) == NULL)
        return 0;
    p->verify = error;
    p->refused = X509_STORE_CTX_get0_cert(store);
    if (p->refused != NULL)
        X509_up_ref(p->refused);
    if (error == X509_V_ERR_HOSTNAME_MISMATCH || error == X509_V_ERR_IP_ADDRESS_MISMATCH)
        blame_name(p->why, str_of(p->key, p->n_host), X509_STORE_CTX_get0_cert(store));
    else
        blame_chain(p->why, error, X509_STORE_CTX_get_current_cert(store));
    return 0;
}

bool io_tls_fault(SSL *ssl, const char *step, struct fault *f)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    if (p->why != NULL) {
        fault_set(f, p->why->kind, step, "%s", p->why->detail);
    } else if (io_tls_is_flooded(ssl)) {
        fault_set(f, FAULT_TLS_FAILED, step, "more than %d handshake messages",
                  MAX_HANDSHAKE_MESSAGES);
    } else if (SSL_get_verify_result(ssl) != X509_V_OK) {
        fault_set(f, FAULT_TLS_UNTRUSTED, step, "%s",
                  X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    } else {
        bool is_no_tls = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_WRONG_VERSION_NUMBER;
        fault_set(f, FAULT_TLS_FAILED, step, "%s%s", openssl_reason(),
                  is_no_tls ? " (does the peer speak TLS on this port?)" : "");
    }
    ERR_clear_error();
    return false;
}

X509 *io_tls_peer_certificate(SSL *ssl, int *verify)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    *verify = p->verify;
    return p->refused != NULL ? p->refused : SSL_get0_peer_certificate(ssl);
}

/*
 * OpenSSL deals with messages of the handshake until there is data: a peer that sends nothing but
 * key updates (RFC 8446 section 4.6.3), or hellos in TLS 1.2, would have the thread for itself, and
 * each costs us more than the peer. To OpenSSL it is then as if the peer had ended the connection:
 * it stops at the next record, whatever else it has read ahead.
 */
static void on_message(int is_sent, int version, int type, const void *message, size_t n, SSL *ssl,
                       void *arg)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    if (is_sent || type != SSL3_RT_HANDSHAKE || p == NULL ||
        ++p->n_messages <= MAX_HANDSHAKE_MESSAGES)
        return;
    SSL_set_shutdown(ssl, SSL_get_shutdown(ssl) | SSL_RECEIVED_SHUTDOWN);
}

bool io_tls_is_flooded(const SSL *ssl)
{
    const struct tls_peer *p = SSL_get_app_data(ssl);
    return p->n_messages > MAX_HANDSHAKE_MESSAGES;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    return tls_sessions_put(&p->tls->sessions, str_of(p->key, p->n_key), session);
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *n_out,
                   const unsigned char *in, unsigned n, void *arg)
{
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, n_out, alpn_served, sizeof alpn_served - 1, in, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 section 3.2: no_application_protocol */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/*
 * No kernel TLS: it wants OpenSSL's own socket BIO, and pays where files are sent from the page
 * cache, which a proxy does not do.
 */
static struct io_tls *new_tls(const SSL_METHOD *method, bool is_client, struct fault *f)
{
    struct io_tls *t = calloc(1, sizeof *t);
    if (t == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "TLS", NULL);
        return NULL;
    }
    t->refs = 1;
    t->is_client = is_client;
    if (!is_client)
        metric_add(METRIC_TLS_CONTEXTS, 1);
    tls_sessions_init(&t->sessions);
    t->bio = wire_method();
    t->ctx = SSL_CTX_new(method);
    if (t->bio == NULL || t->ctx == NULL ||
        SSL_CTX_set_min_proto_version(t->ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_ciphersuites(t->ctx, ciphersuites) != 1 ||
        SSL_CTX_set_cipher_list(t->ctx, ciphers) != 1) {
        fault_set(f, FAULT_CONFIG, "TLS", "%s", openssl_reason());
        ERR_clear_error();
        unref(t);
        return NULL;
    }
    SSL_CTX_set_options(t->ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /*
     * RELEASE_BUFFERS: an idle connection holds no 80 KiB. Measured on loopback, 1 KiB to 4 MiB a
     * response, 1 to 200 connections: it costs no time and the memory is used again sooner.
     */
    SSL_CTX_set_mode(t->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                 SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_msg_callback(t->ctx, on_message);
    SSL_CTX_set_read_ahead(t->ctx, 1);
    SSL_CTX_set_default_read_buffer_len(t->ctx, READ_BUFFER_BYTES);
    return t;
}

/* NULL when it may be read: a regular file, since a pipe could keep a reload waiting for ever. */
static const char *ca_file_problem(const char *ca_file)
{
    struct stat st;
    if (stat(ca_file, &st) != 0 || access(ca_file, R_OK) != 0)
        return strerror(errno);
    if (!S_ISREG(st.st_mode))
        return "not a regular file";
    return st.st_size > CA_FILE_BYTES ? "more than 16 MiB" : NULL;
}

/* What extensions say OpenSSL works out when a certificate is first used: here, once, and not under
 * the first handshakes of all workers. */
static X509_STORE *with_extensions_read(X509_STORE *store)
{
    STACK_OF(X509_OBJECT) *all = X509_STORE_get0_objects(store);
    for (int i = 0; i < sk_X509_OBJECT_num(all); i++) {
        X509 *one = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(all, i));
        if (one != NULL)
            X509_check_purpose(one, -1, 0);
    }
    ERR_clear_error();
    return store;
}

X509_STORE *io_tls_authorities(const char *ca_file, struct fault *f)
{
    X509_STORE *store = X509_STORE_new();
    if (store == NULL) {
        fault_set(f, FAULT_NO_MEMORY, "TLS", NULL);
        return NULL;
    }
    /* A host without authorities of its own is no fault: ca_file may have all that is needed. */
    X509_STORE_set_default_paths(store);
    ERR_clear_error();
    const char *problem = ca_file != NULL ? ca_file_problem(ca_file) : NULL;
    if (ca_file == NULL || (problem == NULL && X509_STORE_load_file(store, ca_file) == 1))
        return with_extensions_read(store);
    if (problem == NULL)
        problem = "no certificate in PEM form in it";
    fault_set(f, FAULT_CONFIG, "CA file", "%s: %s", ca_file, problem);
    ERR_clear_error();
    X509_STORE_free(store);
    return NULL;
}

struct io_tls *io_tls_client_new_with(X509_STORE *authorities, struct fault *f)
{
    struct io_tls *t = new_tls(TLS_client_method(), true, f);
    if (t == NULL)
        return NULL;
    SSL_CTX_set1_cert_store(t->ctx, authorities);
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER, on_verify);
    SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(t->ctx, on_new_session);
    if (SSL_CTX_set_alpn_protos(t->ctx, alpn_http1, sizeof alpn_http1 - 1) != 0) {
        fault_set(f, FAULT_NO_MEMORY, "TLS", NULL);
        unref(t);
        return NULL;
    }
    return t;
}

struct io_tls *io_tls_client_new(const char *ca_file, struct fault *f)
{
    X509_STORE *authorities = io_tls_authorities(ca_file, f);
    struct io_tls *t = authorities != NULL ? io_tls_client_new_with(authorities, f) : NULL;
    X509_STORE_free(authorities);
    return t;
}

bool io_tls_trust(struct io_tls *t, X509 *ca)
{
    return X509_STORE_add_cert(SSL_CTX_get_cert_store(t->ctx), ca) == 1;
}

static struct io_tls *server_new(struct fault *f)
{
    struct io_tls *t = new_tls(TLS_server_method(), false, f);
    if (t != NULL) {
        /* Tickets hold what a resumption needs. */
        SSL_CTX_set_session_cache_mode(t->ctx, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_alpn_select_cb(t->ctx, on_alpn, NULL);
        SSL_CTX_set_options(t->ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    }
    return t;
}

static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac, int is_new)
{
    struct tls_peer *p = SSL_get_app_data(ssl);
    uint64_t now_s = io_now_us() / 1000000;
    return is_new ? tls_tickets_seal(p->tls->tickets, now_s, name, iv, cipher, mac)
                  : tls_tickets_open(p->tls->tickets, now_s, name, iv, cipher, mac);
}

struct io_tls *io_tls_server_new(const struct io_tls_identity *i, struct io_tls_tickets *tickets,
                                 struct fault *f)
{
    struct io_tls *t = server_new(f);
    if (t == NULL)
        return NULL;
    t->tickets = tickets;
    if (tickets != NULL)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(t->ctx, on_ticket);
    if (SSL_CTX_use_cert_and_key(t->ctx, i->cert, i->key, i->chain, 1) == 1)
        return t;
    /* A key that is too short, a signature with a broken hash: OpenSSL's security level. */
    fault_set(f, FAULT_CONFIG, "certificate", "OpenSSL does not take it: %s", openssl_reason());
    ERR_clear_error();
    unref(t);
    return NULL;
}

struct io_tls *io_tls_server_new_from(X509 *cert, EVP_PKEY *key, struct fault *f)
{
    struct io_tls *t = server_new(f);
    if (t == NULL)
        return NULL;
    if (SSL_CTX_use_certificate(t->ctx, cert) == 1 && SSL_CTX_use_PrivateKey(t->ctx, key) == 1)
        return t;
    fault_set(f, FAULT_CONFIG, "certificate", "%s", openssl_reason());
    ERR_clear_error();
    unref(t);
    return NULL;
}

void io_tls_free(struct io_tls *t)
{
    if (t != NULL)
        unref(t);
}

/* Name, SNI and a session to resume. */
static bool aim(SSL *ssl, struct tls_peer *p)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    char host[MAX_HOST + 1];
    struct addr a;
    memcpy(host, p->key, p->n_host);
    host[p->n_host] = 0;
    if (addr_parse_ip(str_of(host, p->n_host), &a)) {
        size_t n;
        const uint8_t *ip = addr_bytes(&a, &n);
        if (X509_VERIFY_PARAM_set1_ip(param, ip, n) != 1)
            return false;
    } else {
        X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
        if (X509_VERIFY_PARAM_set1_host(param, host, p->n_host) != 1 ||
            SSL_set_tlsext_host_name(ssl, host) != 1)
            return false;
    }
    SSL_SESSION *session = tls_sessions_take(&p->tls->sessions, str_of(p->key, p->n_key));
    if (session != NULL) {
        SSL_set_session(ssl, session);
        SSL_SESSION_free(session);
    }
    SSL_set_connect_state(ssl);
    return true;
}

static struct tls_peer *new_peer(struct io_tls *t, struct str host, uint16_t port)
{
    struct tls_peer *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    for (size_t i = 0; i < host.n; i++)
        p->key[i] = ascii_lower(host.p[i]);
    p->n_host = host.n;
    p->n_key =
        host.n + (size_t)snprintf(p->key + host.n, sizeof p->key - host.n, ":%u", (unsigned)port);
    p->tls = t;
    t->refs++;
    return p;
}

static void free_peer(struct tls_peer *p)
{
    if (p == NULL)
        return;
    struct io_tls *t = p->tls;
    X509_free(p->refused);
    free(p->why);
    free(p);
    unref(t);
}

SSL *io_tls_open(struct io_tls *t, struct io_wire *w, struct str host, uint16_t port,
                 struct fault *f)
{
    /* RFC 6066: no trailing dot in SNI; and no certificate has one. */
    if (host.n > 0 && host.p[host.n - 1] == '.')
        host.n--;
    if (host.n > MAX_HOST || (t->is_client && host.n == 0) ||
        (host.n > 0 && memchr(host.p, 0, host.n) != NULL)) {
        fault_set(f, FAULT_TLS_FAILED, "handshake", "not a host name that TLS could verify");
        return NULL;
    }
    struct tls_peer *p = new_peer(t, host, port);
    SSL *ssl = p == NULL ? NULL : SSL_new(t->ctx);
    BIO *bio = ssl == NULL ? NULL : BIO_new(t->bio);
    if (bio == NULL)
        goto no_memory;
    BIO_set_data(bio, w);
    SSL_set_bio(ssl, bio, bio);
    SSL_set_app_data(ssl, p);
    if (!t->is_client)
        SSL_set_accept_state(ssl);
    else if (!aim(ssl, p))
        goto no_memory;
    return ssl;
no_memory:
    ERR_clear_error();
    SSL_free(ssl);
    free_peer(p);
    fault_set(f, FAULT_NO_MEMORY, "handshake", NULL);
    return NULL;
}

bool io_tls_has(const struct io_tls *t, SSL *ssl)
{
    return ((struct tls_peer *)SSL_get_app_data(ssl))->tls == t;
}

void io_tls_close(SSL *ssl)
{
    if (ssl == NULL)
        return;
    struct tls_peer *p = SSL_get_app_data(ssl);
    /* Or OpenSSL takes the session of a connection without close_notify out of use. */
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ssl);
    free_peer(p);
}
