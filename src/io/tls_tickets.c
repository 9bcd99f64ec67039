#include "io/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct ticket_key {
    unsigned char name[16], aes[32], hmac[32];
    uint64_t born_s;
    bool is_set;
};

struct io_tls_tickets {
    uv_mutex_t lock;
    struct ticket_key now, before;
};

struct io_tls_tickets *io_tls_tickets_new(void)
{
    struct io_tls_tickets *t = calloc(1, sizeof *t);
    if (t == NULL || uv_mutex_init(&t->lock) != 0) {
        free(t);
        return NULL;
    }
    return t;
}

void io_tls_tickets_free(struct io_tls_tickets *t)
{
    if (t == NULL)
        return;
    uv_mutex_destroy(&t->lock);
    OPENSSL_cleanse(t, sizeof *t);
    free(t);
}

static bool is_older(const struct ticket_key *k, uint64_t now_s, uint64_t age_s)
{
    return k->is_set && now_s > k->born_s && now_s - k->born_s >= age_s;
}

/* Keys past their time go, and where there is to be one to seal with, there is. Under the lock. */
static bool turn_over(struct io_tls_tickets *t, uint64_t now_s, bool is_to_seal)
{
    if (is_older(&t->before, now_s, 2ULL * TLS_TICKETS_KEY_S))
        OPENSSL_cleanse(&t->before, sizeof t->before);
    if (is_older(&t->now, now_s, TLS_TICKETS_KEY_S)) {
        if (!is_older(&t->now, now_s, 2ULL * TLS_TICKETS_KEY_S))
            t->before = t->now;
        OPENSSL_cleanse(&t->now, sizeof t->now);
    }
    if (t->now.is_set || !is_to_seal)
        return true;
    struct ticket_key k = { .born_s = now_s, .is_set = true };
    if (RAND_bytes(k.name, sizeof k.name) != 1 || RAND_priv_bytes(k.aes, sizeof k.aes) != 1 ||
        RAND_priv_bytes(k.hmac, sizeof k.hmac) != 1)
        return false;
    t->now = k;
    OPENSSL_cleanse(&k, sizeof k);
    return true;
}

static bool set_mac(struct ticket_key *k, EVP_MAC_CTX *mac)
{
    OSSL_PARAM p[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k->hmac, sizeof k->hmac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, p) == 1;
}

int tls_tickets_seal(struct io_tls_tickets *t, uint64_t now_s, unsigned char name[static 16],
                     unsigned char iv[static EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac)
{
    const EVP_CIPHER *aes = EVP_aes_256_cbc();
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(aes)) != 1)
        return -1;
    uv_mutex_lock(&t->lock);
    bool is_set = turn_over(t, now_s, true) &&
                  EVP_EncryptInit_ex(cipher, aes, NULL, t->now.aes, iv) == 1 &&
                  set_mac(&t->now, mac);
    if (is_set)
        memcpy(name, t->now.name, sizeof t->now.name);
    uv_mutex_unlock(&t->lock);
    return is_set ? 1 : -1;
}

int tls_tickets_open(struct io_tls_tickets *t, uint64_t now_s, const unsigned char name[static 16],
                     const unsigned char iv[static EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac)
{
    struct ticket_key *const keys[] = { &t->now, &t->before };
    int result = 0;
    uv_mutex_lock(&t->lock);
    turn_over(t, now_s, false);
    for (int i = 0; i < 2 && result == 0; i++) {
        if (!keys[i]->is_set || memcmp(keys[i]->name, name, sizeof keys[i]->name) != 0)
            continue;
        bool is_set = EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, keys[i]->aes, iv) == 1 &&
                      set_mac(keys[i], mac);
        result = !is_set ? -1 : i == 0 ? 1 : 2;
    }
    uv_mutex_unlock(&t->lock);
    return result;
}
