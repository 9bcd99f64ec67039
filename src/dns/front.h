#pragma once
/*
 * The forwarder of one worker: answers other programs' DNS questions on conf->dns_listen, over UDP
 * and TCP, out of the engine. What the cache knows is answered at once; each other question is a
 * struct dns_forward in flight, of which there is a limited number, in all and by client.
 */
#include "conf/settings.h"
#include "dns/engine.h"

struct dns_front;

/*
 * Opens the sockets; everything given is borrowed and outlives it, the engine too. With several
 * workers each has sockets of its own on the same addresses. NULL, with a fault that names the way
 * out, when an address cannot be had.
 */
struct dns_front *dns_front_new(struct io_loop *loop, struct dns_engine *engine,
                                const struct conf *conf, struct fault *f);
/* The same without sockets: memory alone, on any thread until dns_front_set. */
struct dns_front *dns_front_new_idle(struct io_loop *loop, struct dns_engine *engine,
                                     const struct conf *conf, struct fault *f);
/* What is in flight ends without an answer. NULL is fine. */
void dns_front_free(struct dns_front *f);

/*
 * Sockets of several workers would share a port in silence with those of another process of the
 * same user: whether all of conf->dns_listen is free, before the first of them opens it; but for
 * what had, where it is not NULL, has.
 */
bool dns_front_is_free(const struct conf *conf, const struct conf *had, struct fault *f);

/*
 * For a reload: sockets on those addresses of conf->dns_listen that had, where it is not NULL, does
 * not have. On any thread. NULL with a fault as above. bind: over TCP nobody is heard yet; listen:
 * what comes waits.
 */
struct dns_front_sockets;
struct dns_front_sockets *dns_front_bind(const struct conf *conf, const struct conf *had,
                                         struct fault *f);
bool dns_front_listen(struct dns_front_sockets *s, struct fault *f);
void dns_front_sockets_free(struct dns_front_sockets *s); /* NULL is fine */
/*
 * These settings from here on, and these sockets too, which it takes over. Places on addresses that
 * conf does not have are given up: what came there is still answered. False, with a fault, where a
 * socket cannot be used; all else is done.
 */
bool dns_front_set(struct dns_front *f, const struct conf *conf, struct dns_front_sockets *s,
                   struct fault *fault);

/* Where it listens: the i-th address, with the port that was given where 0 was asked for. NULL
 * behind the last. */
const struct addr *dns_front_addr(const struct dns_front *f, size_t i);

/* Takes no more questions; answers what is in flight for up to a second. on_drained runs once,
 * perhaps before this returns. */
void dns_front_drain(struct dns_front *f, void (*on_drained)(void *arg), void *arg);
