#pragma once
/*
 * What this process knows of itself, gathered for those who look: /readyz, /status.json, /metrics.
 * All workers tell it of failures; all else belongs to worker 0, which has the admin port: it
 * samples the counters every HISTORY_STEP_MS, and whenever somebody looks.
 */
#include "codec/json_write.h"
#include "conf/settings.h"
#include "dns/engine.h"
#include "io/timer.h"
#include "server/failures.h"
#include "server/ready.h"
#include "server/self_check.h"
#include "upstream/board.h"

#include <stdatomic.h>

enum { STATUS_HOST_BYTES = 256, STATUS_PROBLEM_BYTES = 512, STATUS_JSON_BYTES = 1024 * 1024 };

struct status;

/* NULL without memory. */
struct status *status_new(struct fault *f);
void status_free(struct status *s); /* after its loop's end; NULL is fine */

/* What it looks at. Borrowed; conf as it is now. */
struct status_sources {
    const struct conf *conf;
    struct dns_shared *dns;
    struct self_check *self_check; /* NULL: off */
    unsigned n_workers;
};

/* On worker 0, before its loop runs: the first sample, and the timer. stop: before the loop is
 * done; NULL is fine. */
void status_start(struct status *s, struct io_loop *loop, const struct status_sources *sources);
void status_stop(struct status *s);

/* From any thread. */
void status_failed(struct status *s, const struct proxy_failure *f);
void status_set_draining(struct status *s);
bool status_is_draining(const struct status *s);

/* Where all workers' upstreams write their connections. */
struct upstream_board *status_board(struct status *s);

/* On worker 0. problem NULL: the settings were read anew. */
void status_reloaded(struct status *s, const struct conf *conf, const char *problem);
/* All of /status.json; out->failed without memory. */
void status_json(struct status *s, struct buf *out);
void status_ready(struct status *s, struct ready *out);
