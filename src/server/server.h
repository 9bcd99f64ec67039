#pragma once
/*
 * The running process: workers, their listeners, signals, drain. One worker a thread, each with a
 * loop, a resolver, pools and a proxy of its own; they share the settings, the DNS state and the
 * limits.
 */
#include "conf/settings.h"
#include "dns/engine.h"

#include <openssl/x509.h>

/* Where settings came from, and come from again at SIGHUP. */
struct server_source {
    char *const *env;
    const char *file; /* NULL: none */
    enum conf_use use;
};

/* NULL or zeroes for none. Borrowed for the run. All but the first are what penstock demo adds. */
struct server_options {
    const struct server_source *source; /* NULL: SIGHUP is left as it is */
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
 * SIGHUP is server/reload.h. conf is borrowed. options may be NULL.
 */
int server_run(const struct conf *conf, const struct server_options *options);

/*
 * From here on SIGHUP waits until server_run takes it, instead of ending the process while it reads
 * its settings.
 */
void server_hold_reloads(void);
