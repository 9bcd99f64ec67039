#pragma once
/* The parts of the exchange among themselves: exchange.c (life), exchange_send.c, exchange_recv.c.
 */
#include "upstream/connection.h"
#include "upstream/exchange.h"
#include "upstream/pool.h"

enum exchange_state {
    EXCHANGE_IDLE, /* 0: a zeroed struct is idle */
    EXCHANGE_DIALLING,
    EXCHANGE_AWAITS_HEAD,
    EXCHANGE_HAS_HEAD,
    EXCHANGE_BROKEN,
};

enum { EXCHANGE_MAX_INTERIM = 16 };

/* From the connection. */
void exchange_on_ready(struct exchange *x, unsigned events);
void exchange_on_deadline(struct exchange *x);

/* Tells the owner; false when the lease did not survive the callback: touch nothing then. */
bool exchange_tell(struct exchange *x, enum exchange_event e);
/* Arms the deadline that counts while the request is sent and the head has not come. */
void exchange_await_head(struct exchange *x);
/* The exchange cannot go on: retries, or tells the owner. Not inside the owner's call. */
void exchange_break(struct exchange *x, const struct fault *f);
/* The same from inside the owner's call. */
void exchange_fail_later(struct exchange *x, enum fault_kind kind, const char *step);
/* Asks the stream for what is waited for. */
void exchange_set_wants(struct exchange *x);

/* exchange_send.c */
/* Sends what is held here; arms the deadline that then counts. */
void exchange_flush(struct exchange *x);
void exchange_on_writable(struct exchange *x);
/* For a retry: all from the beginning. */
void exchange_send_rewind(struct exchange *x);
/* The response has begun, so nothing will be sent again. */
void exchange_send_forget(struct exchange *x);
void exchange_send_done(struct exchange *x);

/* exchange_recv.c */
void exchange_on_readable(struct exchange *x);
/* Was the response read to its end, and is nothing behind it? */
bool exchange_recv_is_whole(struct exchange *x);
