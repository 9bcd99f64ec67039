#pragma once
/* One worker: everything that lives on one loop. The server owns it and joins its thread. */
#include "dns/engine.h"
#include "dns/front.h"
#include "io/listener.h"
#include "io/tls.h"
#include "proxy/proxy.h"
#include "server/admin.h"
#include "server/server.h"

enum { WORKER_MAX_LISTENERS = 3 * CONF_MAX_LISTEN };

/* Shared by all workers of the process. */
struct server_shared {
    const struct conf *conf;
    const struct server_options *options;
    struct dns_shared *dns;
    struct limits *limits;
    /* Of the TLS listener, else NULL. The identity is for workers that start. */
    struct io_tls_identity *identity;
    struct io_tls_tickets *tickets;
    struct self_check *self_check; /* NULL: off */
    struct status *status;
};

struct worker {
    const struct server_shared *shared;
    unsigned index;
    struct io_loop loop;
    struct io_tls *tls;
    struct dns_engine *dns;
    struct dns_front *front;   /* NULL without conf->dns_listen */
    struct upstream *upstream; /* NULL, as tls, where nothing is proxied (conf->listen is empty) */
    struct proxy proxy;
    struct admin admin;
    unsigned n_listeners;
    struct worker_listener {
        struct io_listener io;
        enum proxy_port port;
        bool is_open;
    } listeners[WORKER_MAX_LISTENERS];
    struct io_timer drain_timer;
    /* Worker 0 hears the signals, so while others drain it runs on for the second one. */
    unsigned n_others;
    bool is_draining;
    unsigned n_draining; /* parts that have not finished */
    /* private */
    uv_prepare_t flush;
    bool has_loop, has_proxy;
};

/* Opens the listeners; worker 0 alone has the admin ones. False, with a fault, when anything is
 * missing. */
bool worker_init(struct worker *w, const struct server_shared *shared, unsigned index,
                 struct fault *f);
/* Until it was drained or stopped. */
void worker_run(struct worker *w);
/* On the worker's own thread, or through io_loop_post. */
void worker_drain(struct worker *w);
/* For worker 0, through io_loop_post: one of its n_others has ended. */
void worker_other_ended(void *arg);
/* After worker_run, or after a failed worker_init. */
void worker_done(struct worker *w);
