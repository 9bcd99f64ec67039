#pragma once
/*
 * The last hour of one process in steps of ten seconds: what was served, how long the first byte
 * took, and each DNS server's latency, queries and failures. Fed with counters that only grow, it
 * keeps what they moved by. Pure: the time is an argument. Memory is fixed; its owner holds the
 * lock where several threads come.
 *
 * A step that nobody looked in is not known (HISTORY_UNKNOWN), as is a mean of nothing.
 */
#include "codec/addr.h"

enum { HISTORY_STEP_MS = 10 * 1000, HISTORY_N = 360, HISTORY_SERVERS = 32 };
#define HISTORY_UNKNOWN UINT32_MAX

/* Since the process started. */
struct history_totals {
    uint64_t requests, errors;
    uint64_t n_first_bytes, first_bytes_us;
};
struct history_server_totals {
    struct addr addr;
    uint64_t queries, failures;
    uint64_t n_round_trips, round_trips_us;
};

/* By number of step modulo HISTORY_N. */
struct history_row {
    uint32_t v[HISTORY_N];
};
/* A mean over the step under way. */
struct history_mean {
    uint64_t n, sum;
};

struct history_server {
    /* private */
    bool is_used;
    uint64_t seen_ms;
    struct history_server_totals last;
    struct history_mean now;
    struct history_row latency_us, queries, failures;
};

struct history {
    /* private */
    uint64_t start_ms, step; /* the step under way, since start */
    struct history_totals last;
    struct history_mean now;
    struct history_row requests, errors, first_byte_us;
    struct history_server servers[HISTORY_SERVERS];
};

/* Counters begin at zero now. */
void history_init(struct history *h, uint64_t now_ms);
/*
 * What the counters say now: what they moved by since the last time belongs to the step under way.
 * Servers beyond HISTORY_SERVERS take the place of those that were not named for longest. A server
 * whose counters fell began anew.
 */
void history_see(struct history *h, uint64_t now_ms, const struct history_totals *totals,
                 const struct history_server_totals *servers, size_t n_servers);

enum history_of { HISTORY_REQUESTS, HISTORY_ERRORS, HISTORY_FIRST_BYTE_US };
/* HISTORY_N values, the oldest first; the last one is the step under way. */
void history_read(const struct history *h, enum history_of of, uint32_t out[static HISTORY_N]);

enum history_server_of { HISTORY_LATENCY_US, HISTORY_QUERIES, HISTORY_FAILURES };
/* All unknown for a server that has no place. */
void history_read_server(const struct history *h, const struct addr *server,
                         enum history_server_of of, uint32_t out[static HISTORY_N]);
