#pragma once
/*
 * The keys that seal session tickets, for all server contexts of the process: so a session is
 * resumed at whichever worker the client comes back to, and after the certificate was replaced. A
 * key seals for twelve hours and opens for as long again; what an old one sealed cannot be read any
 * more then, not even by who steals the process's memory. Shared by threads; a mutex inside.
 */
#include <openssl/evp.h>
#include <stdint.h>

struct io_tls_tickets;

enum { TLS_TICKETS_KEY_S = 12 * 3600 };

/* NULL without memory or random bytes. */
struct io_tls_tickets *io_tls_tickets_new(void);
/* After the last context that has them. NULL is fine. */
void io_tls_tickets_free(struct io_tls_tickets *t);

/*
 * For io/tls: what OpenSSL asks of SSL_CTX_set_tlsext_ticket_key_evp_cb: below 0 is a failure, 0 a
 * ticket that no key here has sealed, 2 one that is to be sealed anew. now_s is monotonic.
 */
int tls_tickets_seal(struct io_tls_tickets *t, uint64_t now_s, unsigned char name[static 16],
                     unsigned char iv[static EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac);
int tls_tickets_open(struct io_tls_tickets *t, uint64_t now_s, const unsigned char name[static 16],
                     const unsigned char iv[static EVP_MAX_IV_LENGTH], EVP_CIPHER_CTX *cipher,
                     EVP_MAC_CTX *mac);
