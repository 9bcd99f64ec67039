#pragma once
/*
 * The bytes of a transaction, both ways, at the pace of whoever is slower. Nothing is copied but
 * small things: the client's body goes from its input block to the exchange, the response from the
 * exchange's block to the client's socket.
 */
#include "proxy/tx.h"

enum pump_result {
    PUMP_WAIT, /* an event will go on */
    PUMP_DONE,
    PUMP_GONE,   /* the client left; the fault is set */
    PUMP_FAILED, /* up: the body is wrong or too large; down: the origin's response is cut. The
                    fault is set */
};

/* The request's body: as much as goes. DONE when it was read to its end. Between two exchanges it
 * is only kept (proxy/browse.h). */
enum pump_result pump_up(struct tx *tx);
/* Throws away what has come of the request's body, while the response goes down: a client that
 * sends all of it before it reads would never read. Nothing is waited for. */
void pump_drop(struct tx *tx);
/* Throws the rest of the request's body away, if that is little; FAILED when it is not. */
enum pump_result pump_discard(struct tx *tx);

/* What is in down.out. DONE when it is empty. */
enum pump_result pump_flush(struct tx *tx);
/* What is in down.out, then data, of which *data_n bytes went. DONE when all did. */
enum pump_result pump_send(struct tx *tx, struct str data, size_t *data_n);
/* Others get their turn: the client's socket, if it has room, wakes us again. */
enum pump_result pump_yield(struct tx *tx);
/* The response's body, and what is in down.out before it. */
enum pump_result pump_down(struct tx *tx);
