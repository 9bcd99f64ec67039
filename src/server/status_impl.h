#pragma once
/* For status.c, which gathers, and status_json.c, which writes. */
#include "dns/status_json.h"
#include "server/history.h"
#include "server/status.h"

/* When a counter was last seen to grow. */
struct status_mark {
    uint64_t value, grew_ms; /* 0: never */
};

struct status {
    /* private */
    struct io_loop *loop;
    struct status_sources sources;
    struct io_timer timer;
    uint64_t started_us;
    uint64_t started_unix_ms;
    atomic_bool is_draining;
    char host[STATUS_HOST_BYTES];
    struct {
        uint64_t n, at_ms;
        bool has_failed;
        char problem[STATUS_PROBLEM_BYTES];
    } reload;
    struct status_mark dns_answered, dns_failed, s3_answered, registry_answered;
    struct history history;
    struct failures failures;
    struct upstream_board board;
};

/* One look: the counters as they are now, already in the history. */
struct status_look {
    uint64_t now_ms, unix_ms;
    struct dns_status dns;
    struct dns_health health;
    struct ready ready;
    struct failures_view failures;
    struct self_check_state self_check;
    bool has_self_check;
    unsigned n_upstreams;
    struct upstream_board_entry upstreams[UPSTREAM_BOARD_N];
};

/* NULL without memory. */
struct status_look *status_look_new(struct status *s);
void status_look_free(struct status_look *l);
void status_write(struct status *s, const struct status_look *l, struct buf *out);
