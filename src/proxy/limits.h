#pragma once
/*
 * How many client connections the process holds, in all and by client address, and how much memory
 * its archives' parts that were fetched ahead. Shared by the workers; a mutex inside, taken once
 * when a connection opens and once when it closes.
 */
#include "codec/addr.h"

#include <stdint.h>

struct limits;

/* max_per_client 0: no limit by address. NULL without memory. */
struct limits *limits_new(uint64_t max_connections, uint64_t max_per_client);
void limits_free(struct limits *l);

enum limits_verdict {
    LIMITS_OK,
    LIMITS_REFUSE, /* over a limit: answer 503 and close. Counted as well, so that these are bounded
                      too. */
    LIMITS_DROP,   /* even for that there are too many: close at once. Not counted. */
};
/* *is_counted tells limits_give that the address was counted. */
enum limits_verdict limits_take(struct limits *l, const struct addr *peer, bool *is_counted);
void limits_give(struct limits *l, const struct addr *peer, bool is_counted);
uint64_t limits_n(struct limits *l);

/* Memory for parts that are fetched ahead: false when max_bytes in all would be exceeded. */
bool limits_hold_ahead(struct limits *l, uint64_t n_bytes, uint64_t max_bytes);
void limits_release_ahead(struct limits *l, uint64_t n_bytes);
uint64_t limits_n_ahead(struct limits *l);
