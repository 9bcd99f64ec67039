#pragma once
/*
 * The running process: workers, their listeners, signals, drain. One worker a thread, each with a
 * loop, a resolver, pools and a proxy of its own; they share the settings, the DNS state and the
 * limits.
 */
#include "conf/settings.h"
#include "dns/engine.h"

#include <openssl/x509.h>

/* What penstock demo adds; NULL or zeroes for none. Borrowed for the run. */
struct server_options {
    void *arg;
    X509 *trust; /* one more authority for S3 */
    /* On a worker's thread, once it listens and its loop is about to run. */
    void (*on_ready)(void *arg);
    /* On a worker's thread: see dns_engine_on_decision. */
    void (*on_decision)(void *arg, const struct dns_explain *x);
};

/*
 * Runs until SIGTERM, SIGINT or SIGQUIT and the drain that follows (a second signal ends it at
 * once). Returns the exit code: 0, or 1 after one clear line on stderr when it could not start.
 * conf is borrowed. options may be NULL.
 */
int server_run(const struct conf *conf, const struct server_options *options);
