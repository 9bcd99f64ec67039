#pragma once
/*
 * Who the connections of all workers lead to, for those who look: a row for each (scheme, host,
 * port, address). Of the process; the server owns it, and it outlives every upstream that is told
 * to write to it. A row is found under the lock when a connection begins or fails; what happens in
 * between are two counters. Rows are of a fixed number: the one that was unused longest makes room,
 * and a connection for which there is none is in no row.
 */
#include "base/str.h"
#include "codec/addr.h"
#include "conf/settings.h"

#include <pthread.h>
#include <stdatomic.h>

enum { UPSTREAM_BOARD_N = 128, UPSTREAM_BOARD_NAME_BYTES = 255, UPSTREAM_BOARD_MS = 3600 * 1000 };

/* What a row is of; all but the address belongs to a pool. */
struct upstream_board_key {
    enum conf_scheme scheme;
    struct str host; /* lower case, at most UPSTREAM_BOARD_NAME_BYTES */
    uint16_t port;
    const struct addr *addr;
};

struct upstream_board_row {
    /* private */
    atomic_uint n_open, n_idle; /* a row with open ones stays */
    atomic_uint_least64_t used_ms;
    uint64_t connects, failed, failed_ms; /* under the lock */
    struct addr addr;
    enum conf_scheme scheme;
    uint16_t port;
    uint8_t n_host; /* 0: a free row */
    char host[UPSTREAM_BOARD_NAME_BYTES];
};

struct upstream_board {
    /* private */
    pthread_mutex_t lock;
    struct upstream_board_row rows[UPSTREAM_BOARD_N];
};

void upstream_board_init(struct upstream_board *b);
void upstream_board_done(struct upstream_board *b);

/*
 * now_ms: of io_now_us(), in milliseconds. A connection was made: its row until
 * upstream_board_closed, or NULL. It is busy until told otherwise. b and rows may be NULL.
 */
struct upstream_board_row *upstream_board_opened(struct upstream_board *b,
                                                 const struct upstream_board_key *key,
                                                 uint64_t now_ms);
void upstream_board_idle(struct upstream_board_row *r);
void upstream_board_busy(struct upstream_board_row *r);
/* A busy one. */
void upstream_board_closed(struct upstream_board_row *r, uint64_t now_ms);
/* No connection came of it. */
void upstream_board_failed(struct upstream_board *b, const struct upstream_board_key *key,
                           uint64_t now_ms);

struct upstream_board_entry {
    enum conf_scheme scheme;
    uint16_t port;
    unsigned n_host;
    char host[UPSTREAM_BOARD_NAME_BYTES];
    struct addr addr;
    unsigned idle, busy;
    uint64_t connects, failed, failed_ms; /* failed_ms is 0 before the first */
};
/* Those with connections, or used within UPSTREAM_BOARD_MS; the most connections made first.
 * Returns how many. */
unsigned upstream_board_read(struct upstream_board *b, uint64_t now_ms,
                             struct upstream_board_entry out[static UPSTREAM_BOARD_N]);
