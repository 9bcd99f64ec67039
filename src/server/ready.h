#pragma once
/*
 * Is this process fit to get requests? A pure function from what is known already to layers; it
 * asks nobody, and what is not known counts as ready. A layer fails on what no request could
 * survive, never on one client's bad bucket name: docs/STATUS.md has the rules.
 *
 *   drain     it is shutting down
 *   dns       every server for Amazon's names failed three times in a row, lookups of them failed,
 *             and none was answered for a minute
 *   registry  READY_UNREACHED requests to it found no name, connection or TLS within the last
 *             minute, and none got a response. S3 is served without it, so the process stays ready
 *   s3        the same for S3
 */
#include "codec/json_write.h"

enum {
    READY_UNREACHED = 5,
    READY_WINDOW_MS = 60 * 1000,
    READY_KNOWN_MS = 10 * 60 * 1000, /* suspect servers are probed for so long (dns/server.h) */
};

/* Times are of one clock; 0: never. Of what is counted, when it was last seen to grow. */
struct ready_facts {
    uint64_t now_ms;
    bool is_draining;
    bool has_registry, has_s3; /* false: this process does not serve them (penstock dns) */
    bool dns_all_suspect;      /* every server for Amazon's names */
    uint64_t dns_answered_ms, dns_failed_ms;
    uint64_t n_unreached_s3, n_unreached_registry; /* requests of the last minute */
    uint64_t s3_answered_ms, registry_answered_ms; /* a response's first byte */
};

enum ready_layer_name { READY_DRAIN, READY_DNS, READY_REGISTRY, READY_S3, N_READY_LAYERS };
enum ready_state { READY_OK, READY_UNKNOWN, READY_FAILING };

struct ready_layer {
    enum ready_state state;
    const char *sentence; /* of a layer that fails; static text */
};
struct ready {
    bool is_ready;
    struct ready_layer layers[N_READY_LAYERS];
};

void ready_judge(const struct ready_facts *f, struct ready *out);
const char *ready_layer_text(enum ready_layer_name layer); /* "drain" ... */
const char *ready_state_text(enum ready_state state);      /* "ok" ... */
/* Where it fails, nothing is served: the process is not ready. */
bool ready_is_vital(enum ready_layer_name layer);
/* {"is_ready": ..., "layers": [...]} */
void ready_json(const struct ready *r, struct json *j, const char *key);
/* "ready\n", then a line a layer. */
void ready_text(const struct ready *r, struct buf *out);
