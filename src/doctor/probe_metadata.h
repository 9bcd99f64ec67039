#pragma once
/* ECS's task metadata, asked where the environment says: the container, then its task. */
#include "doctor/probe.h"
#include "doctor/probe_http.h"

enum { PROBE_METADATA_MS = 1000 }; /* for each step of each of the two */

struct probe_metadata {
    void *owner;
    void (*on_done)(struct probe_metadata *m);
    struct io_loop *loop;
    struct fact_book *book;
    /* private */
    struct addr addr;
    struct str authority, path; /* the book's */
    bool is_task;               /* the second request is under way */
    bool is_active;
    struct io_task nothing;
    struct probe_http http;
};

/* owner and on_done are set, the rest is zero. on_done runs once, later; facts.metadata is set
 * then, or untouched where this is not ECS. */
void probe_metadata_start(struct probe_metadata *m, struct io_loop *loop,
                          const struct probe_request *r, struct fact_book *book);
void probe_metadata_cancel(struct probe_metadata *m);
