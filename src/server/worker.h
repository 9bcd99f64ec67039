#pragma once
/* One worker: everything that lives on one loop. The server owns it and joins its thread. */
#include "server/admin.h"
#include "server/plan.h"
#include "server/server.h"

struct reload;

/* Shared by all workers of the process. */
struct server_shared {
    const struct conf *conf; /* referenced; for the thread of worker 0: each worker has its own */
    const struct server_options *options;
    struct dns_shared *dns;
    struct limits *limits;
    struct io_tls_tickets *tickets; /* of TLS listeners, also of those that come later */
    struct self_check *self_check;
    struct status *status;
    struct reload *reload; /* NULL without a source; for the thread of worker 0 */
};

struct worker {
    const struct server_shared *shared;
    const struct conf *conf; /* referenced */
    unsigned index;
    struct io_loop loop;
    struct io_tls *tls;
    struct dns_engine *dns;
    struct dns_front *front;   /* NULL before there was a conf->dns_listen */
    struct upstream *upstream; /* NULL, as tls, where nothing is proxied (conf->listen is empty) */
    struct proxy proxy;
    struct admin admin;
    struct list listeners; /* struct worker_listener */
    struct io_timer drain_timer;
    /* Worker 0 hears the signals, so while others drain it runs on for the second one. */
    unsigned n_others;
    bool is_draining;
    unsigned n_draining; /* parts that have not finished */
    /* private */
    uv_prepare_t flush;
    bool has_loop, has_proxy;
};

/* With what it takes of the kit. False, with a fault, when anything is missing. */
bool worker_init(struct worker *w, const struct server_shared *shared, unsigned index,
                 struct worker_kit *kit, struct fault *f);
/*
 * Changes over, between two turns of its loop: requests that begin after this, and questions, are
 * judged by the kit's settings. Logs what cannot be used of it.
 */
void worker_take(struct worker *w, struct worker_kit *kit);
/* Until it was drained or stopped. */
void worker_run(struct worker *w);
/* On the worker's own thread, or through io_loop_post. */
void worker_drain(struct worker *w);
/* For worker 0, through io_loop_post: one of its n_others has ended. */
void worker_other_ended(void *arg);
/* After worker_run, or after a failed worker_init. */
void worker_done(struct worker *w);
