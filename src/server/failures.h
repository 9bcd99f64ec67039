#pragma once
/*
 * What failed lately in this process: the last failed requests as their access lines tell them
 * (secrets masked in the same way), and of each kind of fault when and how often in the last
 * minute. Fed by all workers; the lock is held for one copy. Nothing happens for requests that went
 * well.
 *
 * Failures that the client made itself (FAILURE_IS_CLIENTS) have places of their own, so that a
 * scanner does not push out what the operator should see.
 */
#include "base/fault.h"
#include "proxy/proxy.h"

#include <pthread.h>

enum {
    FAILURES_OURS = 24,
    FAILURES_CLIENTS = 8,
    FAILURES_N = FAILURES_OURS + FAILURES_CLIENTS,
    FAILURE_TARGET_BYTES = 512, /* shown of a target, before escapes */
    FAILURE_PATH_BYTES = 6 * FAILURE_TARGET_BYTES + 64,
    FAILURE_HOST_BYTES = 256,
    FAILURE_METHOD_BYTES = 64,
    FAILURES_WINDOW_S = 60,
};

struct failure {
    enum fault_kind kind;
    uint64_t at_ms;  /* of io_now_us(), in milliseconds */
    uint64_t number; /* grows by one each */
    uint64_t id;
    struct addr client;
    uint16_t status;
    uint16_t n_method, n_host, n_path;
    char method[FAILURE_METHOD_BYTES], host[FAILURE_HOST_BYTES]; /* as they came */
    char path[FAILURE_PATH_BYTES];                               /* masked, escaped for JSON */
    char detail[FAULT_DETAIL_BYTES];
};

/* Events of the last minute, by second; and the last one. */
struct failure_window {
    uint64_t total, last_ms; /* last_ms is 0 before the first */
    uint64_t newest_s;
    uint32_t v[FAILURES_WINDOW_S]; /* by second modulo its size */
};
void failure_window_add(struct failure_window *w, uint64_t now_ms);
/* How many in the minute before now_ms. */
uint64_t failure_window_count(const struct failure_window *w, uint64_t now_ms);

struct failures {
    /* private */
    pthread_mutex_t lock;
    uint64_t next_number;
    unsigned n_ours, n_clients; /* ever */
    struct failure_window kinds[N_FAULTS];
    struct failure_window unreached_s3, unreached_registry;
    struct failure ours[FAILURES_OURS], clients[FAILURES_CLIENTS];
};

/* What a client does or asks for that is its own affair, or the policy's; all other kinds are
 * ours, or those of the network and the origins behind us. */
bool fault_is_clients(enum fault_kind kind);

void failures_init(struct failures *f);
void failures_done(struct failures *f);
void failures_add(struct failures *f, const struct proxy_failure *failure, uint64_t now_ms);

/* All at one moment, copied out. */
struct failures_view {
    struct {
        uint64_t total, last_minute, last_ms;
    } kinds[N_FAULTS];
    /* Requests of the last minute to S3, or to the registry, that found no name, connection or
     * TLS. */
    uint64_t unreached_s3, unreached_registry;
    unsigned n;
    struct failure v[FAILURES_N]; /* the newest first */
};
void failures_read(struct failures *f, uint64_t now_ms, struct failures_view *out);
