#pragma once
/*
 * The steps of a transaction among themselves. A step is one short function that acts on what has
 * come, changes the step by tx_go alone, and says whether the next one may run at once. tx.c has
 * the table and the ends, tx_relay.c what all origins share, browse.c and zip_download.c the
 * registry's own.
 */
#include "proxy/tx.h"

enum tx_result { TX_WAIT, TX_MORE };

static inline enum tx_result tx_go(struct tx *tx, enum tx_step step)
{
    tx->step = (uint8_t)step;
    return TX_MORE;
}

/* Runs steps until one waits. The transaction may be gone when this returns. */
void tx_run(struct tx *tx);

/* tx_relay.c */
enum tx_result step_send(struct tx *tx);
enum tx_result step_head(struct tx *tx);
enum tx_result step_body(struct tx *tx);
enum tx_result step_resume(struct tx *tx);
/* The request's body goes on; true when the step has to change (and did). */
bool tx_pump_up_or_go(struct tx *tx);
/* The exchange with the origin; keep: its connection may serve others. Harmless when none is
 * going on. */
void tx_end_exchange(struct tx *tx, bool keep);
void tx_on_exchange(struct exchange *x, enum exchange_event e);
/* The pause before a body is resumed is over. */
void tx_on_pause(struct io_timer *t);
