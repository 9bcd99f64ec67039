#pragma once
/*
 * An established connection to an origin: leased by one exchange, or idle in its pool. The memory
 * lives until the end of the turn in which it is closed, so a caller up the stack may still look
 * at lease_id, which tells whether its lease goes on.
 */
#include "base/list.h"
#include "codec/addr.h"
#include "io/block.h"
#include "io/stream.h"
#include "io/timer.h"

struct exchange;
struct pool;
struct upstream_board_row;

struct connection {
    struct pool *pool;
    struct io_stream *stream;
    struct addr addr;
    struct upstream_board_row *row; /* may be NULL */
    struct exchange *x;             /* who leases it; NULL while idle */
    struct io_block in;             /* bytes of the response; none while idle */
    struct io_timer timer; /* the lessee's deadline. It stays armed between leases, because moving
                              a deadline to later costs nothing, and then fires for nobody */
    struct list pool_node; /* in pool->idle */
    struct list idle_node; /* in upstream->idle */
    uint64_t born_ms, idle_since_ms;
    uint32_t lease_id; /* another one for each lease and for the time between */
    uint32_t epoch;    /* pool->epoch when the address was last known as good */
    uint8_t wants;     /* as last given to io_stream_want */
    bool is_resumed;   /* the TLS session was */
    bool is_spent;     /* not to be used again */
};

/* Takes over the stream, connected and through its handshake. NULL without memory (the stream stays
 * the caller's). It is nobody's: lease or release it. */
struct connection *connection_new(struct pool *p, struct io_stream *s, const struct addr *addr);
void connection_lease(struct connection *c, struct exchange *x);
void connection_close(struct connection *c);
void connection_want(struct connection *c, unsigned events);
void connection_arm(struct connection *c, uint64_t after_ms);
