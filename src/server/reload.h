#pragma once
/*
 * SIGHUP: the settings are read again, with all that they name (authorities, DNS files), and every
 * worker changes over in place; connections, pools, caches and what is known of servers stay. A
 * thread of its own makes a whole struct plan first; when anything is wrong with it, nothing
 * changes. The log tells of it, the counters, and /status.json. Everything here is for the thread
 * of worker 0.
 */
#include "base/fault.h"

struct server_shared;
struct worker;

struct reload;

/* Everything given is borrowed; workers run, or will before the first request. NULL with a fault.
 */
struct reload *reload_new(struct server_shared *shared, struct worker *workers, struct fault *f);
/* Reads again, as soon as the one under way is done. */
void reload_request(struct reload *r);
/* The process ends: what is asked for from here on is refused, what is under way has no effect. */
void reload_stop(struct reload *r);
/* After the workers' threads have ended, before workers are done. NULL is fine. */
void reload_free(struct reload *r);
