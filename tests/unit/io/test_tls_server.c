/* The server's side of TLS: its files, what it speaks, tickets over contexts and keys, its end. */
#include "stream_rig.h"

#include "io/tls_identity.h"
#include "io/tls_tickets.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>

/* A folder of PEM files: what is in them is told by their names' parts. */
struct files {
    struct pki ca;
    EVP_PKEY *key, *other;
    X509 *cert;
    char folder[64], path[2][128];
};

static void files_init(struct files *x)
{
    pki_init(&x->ca, "Test authority");
    x->key = EVP_EC_gen("P-256");
    x->other = EVP_EC_gen("P-256");
    x->cert = pki_certificate(&x->ca, x->key, "leaf", "DNS:s3.test,DNS:*.s3.test,IP:10.0.0.1", 30);
    strcpy(x->folder, "/tmp/penstock-tls-XXXXXX");
    assert_non_null(mkdtemp(x->folder));
}

static void files_done(struct files *x)
{
    for (int i = 0; i < 2; i++)
        unlink(x->path[i]);
    rmdir(x->folder);
    X509_free(x->cert);
    EVP_PKEY_free(x->key);
    EVP_PKEY_free(x->other);
    pki_done(&x->ca);
}

/* what: c the certificate, a the authority's, k the key, o another key, e the key encrypted, t the
 * same in the traditional form, x a broken certificate, g garbage. */
static void files_write(struct files *x, int i, const char *what)
{
    snprintf(x->path[i], sizeof x->path[i], "%s/%d.pem", x->folder, i);
    BIO *f = BIO_new_file(x->path[i], "w");
    assert_non_null(f);
    for (; *what != 0; what++) {
        unsigned char *pass = (unsigned char *)(uintptr_t) "secret";
        if (*what == 'c')
            PEM_write_bio_X509(f, x->cert);
        else if (*what == 'a')
            PEM_write_bio_X509(f, x->ca.cert);
        else if (*what == 'k')
            PEM_write_bio_PrivateKey(f, x->key, NULL, NULL, 0, NULL, NULL);
        else if (*what == 'o')
            PEM_write_bio_PrivateKey(f, x->other, NULL, NULL, 0, NULL, NULL);
        else if (*what == 'e')
            PEM_write_bio_PKCS8PrivateKey(f, x->key, EVP_aes_128_cbc(), (char *)pass, 6, NULL,
                                          NULL);
        else if (*what == 't')
            PEM_write_bio_PrivateKey_traditional(f, x->key, EVP_aes_128_cbc(), pass, 6, NULL, NULL);
        else if (*what == 'x')
            BIO_puts(f, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        else
            BIO_puts(f, "no PEM at all\n");
    }
    assert_int_equal(BIO_free(f), 1);
}

struct file_row {
    const char *name, *cert, *key; /* contents, see files_write; NULL key: the same file */
    const char *part;              /* of the fault's detail; NULL: they are taken */
    int n_chain;
};

static const struct file_row file_rows[] = {
    { "a certificate and its key", "c", "k", NULL, 0 },
    { "with its chain", "ca", "k", NULL, 1 },
    { "both in one file", "cak", NULL, NULL, 1 },
    { "both in one file, the key first", "kca", NULL, NULL, 1 },
    { "text around them does not matter", "gcg", "gkg", NULL, 0 },
    { "no certificate", "k", "k", "0.pem: no certificate", 0 },
    { "an empty file", "", "k", "0.pem: no certificate", 0 },
    { "garbage for a certificate", "g", "k", "0.pem: no certificate", 0 },
    { "a broken certificate", "x", "k", "0.pem: certificate 1: ", 0 },
    { "a broken certificate in the chain", "cx", "k", "0.pem: certificate 2: ", 0 },
    { "no key", "c", "c", "1.pem: no private key", 0 },
    { "another key", "c", "o", "is not that of the certificate", 0 },
    { "the authority's certificate first", "ac", "k", "is number 2; it has to be the first", 0 },
    { "an encrypted key", "c", "e", "1.pem: the key is encrypted", 0 },
    { "an encrypted key of the old form", "c", "t", "1.pem: the key is encrypted", 0 },
};

static void test_files(void **state)
{
    struct files x = { 0 };
    files_init(&x);
    for (size_t i = 0; i < sizeof file_rows / sizeof file_rows[0]; i++) {
        const struct file_row *row = &file_rows[i];
        struct fault f = { 0 };
        files_write(&x, 0, row->cert);
        files_write(&x, 1, row->key != NULL ? row->key : "");
        struct io_tls_identity *id =
            io_tls_identity_read(x.path[0], x.path[row->key != NULL ? 1 : 0], &f);
        assert_int_equal(ERR_peek_error(), 0);
        if ((id != NULL) != (row->part == NULL))
            fail_msg("%s: %s", row->name, f.detail);
        if (row->part == NULL) {
            if (sk_X509_num(id->chain) != row->n_chain || X509_cmp(id->cert, x.cert) != 0)
                fail_msg("%s: not what was written", row->name);
        } else if (f.kind != FAULT_CONFIG || strstr(f.detail, row->part) == NULL) {
            fail_msg("%s: %s", row->name, f.detail);
        }
        io_tls_identity_free(id);
    }
    files_done(&x);
}

static void test_what_is_no_file(void **state)
{
    struct files x = { 0 };
    struct fault f = { 0 };
    files_init(&x);
    files_write(&x, 0, "c");
    assert_null(io_tls_identity_read("/nonexistent/c.pem", x.path[0], &f));
    assert_non_null(strstr(f.detail, "/nonexistent/c.pem: No such file"));
    fault_clear(&f);
    assert_null(io_tls_identity_read(x.path[0], x.folder, &f));
    assert_non_null(strstr(f.detail, "not a regular file"));
    /* A pipe that nobody writes to would keep a reader waiting. */
    fault_clear(&f);
    snprintf(x.path[1], sizeof x.path[1], "%s/pipe", x.folder);
    assert_int_equal(mkfifo(x.path[1], 0600), 0);
    assert_null(io_tls_identity_read(x.path[0], x.path[1], &f));
    assert_non_null(strstr(f.detail, "not a regular file"));
    files_done(&x);
}

static void test_about(void **state)
{
    struct files x = { 0 };
    struct fault f = { 0 };
    struct io_tls_about about;
    files_init(&x);
    files_write(&x, 0, "ck");
    struct io_tls_identity *id = io_tls_identity_read(x.path[0], x.path[0], &f);
    assert_non_null(id);
    io_tls_identity_about(id, &about);
    assert_string_equal(about.subject, "/CN=leaf");
    assert_string_equal(about.names, "s3.test, *.s3.test, 10.0.0.1");
    assert_int_equal(about.not_after_s - about.not_before_s, 60 * 86400);
    io_tls_identity_free(id);
    files_done(&x);
}

/* OpenSSL's security level has the last word. */
static void test_weak_key(void **state)
{
    struct files x = { 0 };
    struct fault f = { 0 };
    files_init(&x);
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    struct io_tls_identity id = { .cert = pki_certificate(&x.ca, weak, "weak", "DNS:s3.test", 30),
                                  .chain = sk_X509_new_null(),
                                  .key = weak };
    assert_null(io_tls_server_new(&id, NULL, &f));
    assert_int_equal(f.kind, FAULT_CONFIG);
    assert_non_null(strstr(f.detail, "too small"));
    X509_free(id.cert);
    sk_X509_free(id.chain);
    EVP_PKEY_free(weak);
    files_done(&x);
}

/* openssl ecparam -name secp256k1 is in many a recipe; OpenSSL takes it and then shakes no hand. */
static void test_curves(void **state)
{
    static const struct {
        const char *curve;
        bool is_taken;
    } rows[] = {
        { "P-256", true },
        { "P-384", true },
        { "P-521", true },
        { "secp256k1", false },
        { "brainpoolP256r1", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct files x = { 0 };
        struct fault f = { 0 };
        files_init(&x);
        EVP_PKEY_free(x.key);
        X509_free(x.cert);
        x.key = EVP_EC_gen(rows[i].curve);
        x.cert = pki_certificate(&x.ca, x.key, "leaf", "DNS:s3.test", 30);
        files_write(&x, 0, "c");
        files_write(&x, 1, "k");
        struct io_tls_identity *id = io_tls_identity_read(x.path[0], x.path[1], &f);
        if ((id != NULL) != rows[i].is_taken)
            fail_msg("%s: %s", rows[i].curve, f.detail);
        if (id == NULL && (f.kind != FAULT_CONFIG || strstr(f.detail, rows[i].curve) == NULL))
            fail_msg("%s: %s", rows[i].curve, f.detail);
        io_tls_identity_free(id);
        files_done(&x);
    }
}

static struct io_tls *new_server(struct rig *r, struct io_tls_tickets *tickets)
{
    struct fault f = { 0 };
    struct io_tls_identity id = { .chain = sk_X509_new_null(), .key = EVP_EC_gen("P-256") };
    id.cert = pki_certificate(&r->ca, id.key, "leaf", "DNS:s3.test", 30);
    struct io_tls *t = io_tls_server_new(&id, tickets, &f);
    assert_non_null(t);
    X509_free(id.cert);
    EVP_PKEY_free(id.key);
    sk_X509_free(id.chain);
    return t;
}

static const struct alpn_row {
    const char *name, *offers; /* wire format; NULL: no extension */
    bool is_open;
    const char *chosen;
} alpn_rows[] = {
    { "http/1.1 is chosen", "\x08http/1.1", true, "http/1.1" },
    { "also behind h2", "\x02h2\x08http/1.1", true, "http/1.1" },
    { "without the extension it goes too", "", true, "" },
    { "h2 alone is refused", "\x02h2", false, "" },
    { "http/1.0 is chosen where there is nothing else", "\x08http/1.0", true, "http/1.0" },
    { "and http/1.1 before it", "\x08http/1.0\x08http/1.1", true, "http/1.1" },
    { "http/0.9 alone is refused", "\x08http/0.9", false, "" },
};

static void test_alpn(void **state)
{
    struct rig *r = *state;
    r->server = new_server(r, NULL);
    for (size_t i = 0; i < sizeof alpn_rows / sizeof alpn_rows[0]; i++) {
        const struct alpn_row *row = &alpn_rows[i];
        struct end c, s;
        plain_open(r, &c, &s);
        start(&c, r->client, "s3.test");
        start(&s, r->server, "");
        SSL_set_alpn_protos(c.s->ssl, (const unsigned char *)row->offers,
                            (unsigned)strlen(row->offers));
        TURN_UNTIL(r, !c.is_handshaking && !s.is_handshaking);
        const unsigned char *chosen;
        unsigned n;
        SSL_get0_alpn_selected(c.s->ssl, &chosen, &n);
        if (c.is_open != row->is_open ||
            !str_eq(str_of((const char *)chosen, n), str_from_c(row->chosen)))
            fail_msg("%s: %s", row->name, c.fault.detail);
        if (!row->is_open && strstr(c.fault.detail, "no application protocol") == NULL)
            fail_msg("%s: %s", row->name, c.fault.detail);
        end_close(&c);
        end_close(&s);
    }
}

/* Each connection at another context, as at another worker or after a reload. */
static void tickets_over_contexts(struct rig *r, int version)
{
    struct io_tls_tickets *tickets = io_tls_tickets_new();
    for (int i = 0; i < 4; i++) {
        struct end c, s;
        io_tls_free(r->server);
        r->server = new_server(r, i < 3 ? tickets : NULL);
        plain_open(r, &c, &s);
        start(&c, r->client, "s3.test");
        start(&s, r->server, "");
        SSL_set_max_proto_version(c.s->ssl, version);
        TURN_UNTIL(r, !c.is_handshaking && !s.is_handshaking);
        assert_true(c.is_open && s.is_open);
        assert_int_equal(SSL_version(c.s->ssl), version);
        /* The last one has other keys: a full handshake, no failure. */
        assert_int_equal(SSL_session_reused(s.s->ssl), i == 1 || i == 2);
        send_and_compare(r, &s, &c, 10);
        end_close(&c);
        end_close(&s);
    }
    io_tls_free(r->server);
    r->server = NULL;
    io_tls_tickets_free(tickets);
}

static void test_tickets_over_contexts(void **state)
{
    tickets_over_contexts(*state, TLS1_3_VERSION);
}

static void test_tickets_over_contexts_1_2(void **state)
{
    tickets_over_contexts(*state, TLS1_2_VERSION);
}

struct ticket {
    EVP_CIPHER_CTX *cipher;
    EVP_MAC *hmac;
    EVP_MAC_CTX *mac;
    unsigned char name[16], iv[EVP_MAX_IV_LENGTH];
};

static void test_keys_turn_over(void **state)
{
    enum { T = TLS_TICKETS_KEY_S };
    static const struct {
        const char *name;
        uint64_t sealed_s, opened_s;
        bool is_used_between; /* another ticket is sealed one key's time after the first */
        int result;
    } rows[] = {
        { "at once", 100, 100, false, 1 },
        { "just before the key's time is over", 100, 100 + T - 1, false, 1 },
        { "an old key still opens, and asks for a new ticket", 100, 100 + T, true, 2 },
        { "also where nobody came meanwhile", 100, 100 + T, false, 2 },
        { "just before it goes", 100, 100 + 2 * T - 1, true, 2 },
        { "then it is gone", 100, 100 + 2 * T, true, 0 },
        { "also where nobody came meanwhile", 100, 100 + 2 * T, false, 0 },
    };
    struct ticket k = { .cipher = EVP_CIPHER_CTX_new(), .hmac = EVP_MAC_fetch(NULL, "HMAC", NULL) };
    k.mac = EVP_MAC_CTX_new(k.hmac);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct io_tls_tickets *t = io_tls_tickets_new();
        unsigned char other[16];
        assert_int_equal(tls_tickets_seal(t, rows[i].sealed_s, k.name, k.iv, k.cipher, k.mac), 1);
        if (rows[i].is_used_between)
            tls_tickets_seal(t, rows[i].sealed_s + T, other, k.iv, k.cipher, k.mac);
        int got = tls_tickets_open(t, rows[i].opened_s, k.name, k.iv, k.cipher, k.mac);
        if (got != rows[i].result)
            fail_msg("%s: %d", rows[i].name, got);
        k.name[3] ^= 1;
        assert_int_equal(tls_tickets_open(t, rows[i].sealed_s, k.name, k.iv, k.cipher, k.mac), 0);
        io_tls_tickets_free(t);
    }
    EVP_MAC_CTX_free(k.mac);
    EVP_MAC_free(k.hmac);
    EVP_CIPHER_CTX_free(k.cipher);
}

/* A reader that is slow must get close_notify behind all bytes, or takes the whole for a part. */
static void test_close_notify_waits_for_room(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    r->server = new_server(r, NULL);
    tls_open(r, &c, &s, "s3.test");
    c.is_deaf = true;
    io_stream_want(c.s, 0);
    fill(&s.out, 1 << 20);
    size_t n_sent = 0, n = 0;
    /* Records that fit exactly leave no room for another. */
    for (unsigned piece = 16384; piece > 0; piece /= 2) {
        struct iovec v = { s.out.p, piece };
        enum io_result w;
        while ((w = io_stream_writev(s.s, &v, 1, &n, &s.fault)) == IO_OK && n == piece)
            n_sent += n;
        assert_int_not_equal(w, IO_FAILED);
        if (s.s->n_retry != 0)
            break;
    }
    /* The record under way goes first. */
    struct buf rest;
    buf_init(&rest, 1 << 20);
    buf_append(&rest, str_first(buf_str(&s.out), s.s->n_retry));
    c.is_deaf = false;
    io_stream_want(c.s, IO_READ);
    while (rest.n > 0) {
        bool never = false;
        struct iovec v = { rest.p, rest.n };
        if (io_stream_writev(s.s, &v, 1, &n, &s.fault) == IO_OK) {
            buf_drop(&rest, n);
            n_sent += n;
        }
        turn_for(r, &never, 1);
    }
    TURN_UNTIL(r, io_stream_shutdown(s.s) == IO_OK);
    TURN_UNTIL(r, c.is_eof || c.is_failed);
    assert_true(c.is_eof);
    assert_int_equal(c.in.n, n_sent);
    buf_done(&rest);
    end_close(&c);
    end_close(&s);
}

static void test_no_room_is_told(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    r->server = new_server(r, NULL);
    tls_open(r, &c, &s, "s3.test");
    c.is_deaf = true;
    io_stream_want(c.s, 0);
    /* Past TLS, so that no record of OpenSSL's is under way. */
    char junk[65536] = { 0 };
    while (send(s.s->fd, junk, sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    while (send(s.s->fd, junk, 1, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
        ;
    assert_int_equal(io_stream_shutdown(s.s), IO_AGAIN);
    assert_int_equal(io_stream_shutdown(s.s), IO_AGAIN);
    while (recv(c.s->fd, junk, sizeof junk, MSG_DONTWAIT) > 0)
        ;
    TURN_UNTIL(r, io_stream_shutdown(s.s) == IO_OK);
    end_close(&c);
    end_close(&s);
}

static void test_peek(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    char byte = 0;
    plain_open(r, &c, &s);
    s.is_deaf = true;
    io_stream_want(s.s, 0);
    assert_int_equal(io_stream_peek(s.s, &byte, &s.fault), IO_AGAIN);
    assert_int_equal(send(c.s->fd, "xy", 2, 0), 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(io_stream_peek(s.s, &byte, &s.fault), IO_OK);
        assert_int_equal(byte, 'x');
    }
    char p[4];
    size_t n;
    assert_int_equal(io_stream_read(s.s, p, sizeof p, &n, &s.fault), IO_OK);
    assert_int_equal(n, 2);
    shutdown(c.s->fd, SHUT_WR);
    assert_int_equal(io_stream_peek(s.s, &byte, &s.fault), IO_EOF);
    end_close(&c);
    end_close(&s);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_what_is_no_file),
        cmocka_unit_test(test_about),
        cmocka_unit_test(test_weak_key),
        cmocka_unit_test(test_curves),
        T(test_alpn),
        T(test_tickets_over_contexts),
        T(test_tickets_over_contexts_1_2),
        cmocka_unit_test(test_keys_turn_over),
        T(test_close_notify_waits_for_room),
        T(test_no_room_is_told),
        T(test_peek),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
