#pragma once
/*
 * What a process that serves needs for its settings, and what each worker is given of it: made
 * whole or not at all, at start and at every reload, before anything else changes. A thing that can
 * fail or takes time (files, certificates, addresses to listen on) is made here, on any thread;
 * what is left for the worker's thread is to take it.
 */
#include "dns/engine.h"
#include "dns/front.h"
#include "io/listener.h"
#include "io/tls.h"
#include "io/tls_identity.h"
#include "proxy/policy.h"
#include "proxy/proxy.h"

#include <openssl/x509.h>

struct worker;

struct worker_listener {
    struct list node;
    struct addr at; /* as the setting has it */
    struct io_listener io;
    enum proxy_port port;
};

/* What a worker takes is set to NULL, listeners move. */
struct worker_kit {
    struct worker *worker; /* at a reload: whose it is, */
    struct plan *plan;     /* and whose part */
    const struct conf *conf;
    struct io_tls *tls;        /* NULL where nothing is proxied (conf->listen is empty) */
    struct io_tls *client_tls; /* what TLS clients are shown; NULL without conf->tls_listen */
    struct proxy_policy *policy;
    struct list listeners; /* struct worker_listener, on addresses that it does not have yet */
    struct dns_front_sockets *dns_sockets; /* likewise */
    struct dns_front
        *front; /* idle; NULL where the settings before had a dns_listen, or none has */
};

struct plan_request {
    const struct conf *conf, *running; /* running NULL: at start */
    X509 *trust;                       /* one more authority; NULL for none */
    struct io_tls_tickets *tickets;
    /* At a reload: who will be given it. Only what never changes is read. */
    struct worker *workers;
    struct dns_shared *dns;
};

struct plan {
    atomic_uint n_left; /* at a reload: kits that were not taken yet; */
    uv_async_t *done;   /* sent when there is none any more */
    const struct conf *conf;
    struct dns_reload *dns;           /* NULL at start */
    struct io_tls_identity *identity; /* NULL without conf->tls_listen */
    unsigned n_kits;
    struct worker_kit kits[];
};

/* With conf->workers kits; conf is referenced. NULL with a fault. */
struct plan *plan_new(const struct plan_request *r, struct fault *f);
/* What was not taken goes with it. NULL is fine. */
void plan_free(struct plan *p);
/* For a worker that has taken what it wanted, on its own thread. */
void worker_kit_done(struct worker_kit *k);

bool worker_listens_at(const struct conf *c, enum proxy_port port, const struct addr *at);

/* Addresses that are our own with these settings, at most max. A wildcard is all of the host's. */
size_t plan_own_addresses(const struct conf *conf, struct addr *out, size_t max);
