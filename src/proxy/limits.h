#pragma once
/*
 * How many client connections the process holds, in all and by client address, and how much memory
 * what its requests may need a lot of. Shared by the workers; a mutex inside, taken once when a
 * connection opens and once when it closes.
 */
#include "codec/addr.h"

#include <stdint.h>

struct limits;

/* max_per_client 0: no limit by address. NULL without memory. */
struct limits *limits_new(uint64_t max_connections, uint64_t max_per_client);
void limits_free(struct limits *l);
/* Others from here on. Who is in stays, and counts, where it was counted before. */
void limits_set(struct limits *l, uint64_t max_connections, uint64_t max_per_client);

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

enum limits_use {
    LIMITS_AHEAD,  /* parts of archives that are fetched ahead */
    LIMITS_LISTS,  /* of archives' files */
    LIMITS_BODIES, /* kept in case the registry redirects */
    LIMITS_PARTS,  /* of archives that are fetched ahead: not bytes, connections */
    N_LIMITS_USES
};

/*
 * n_bytes more for who holds own_bytes already. False when max_bytes in all would be exceeded, or
 * when the asker would hold more than half of what is then still free: so nobody has more than a
 * third of what the others leave, and those whose clients stall leave something for who comes next.
 */
bool limits_hold(struct limits *l, enum limits_use use, uint64_t own_bytes, uint64_t n_bytes,
                 uint64_t max_bytes);
void limits_release(struct limits *l, enum limits_use use, uint64_t n_bytes);
uint64_t limits_held(struct limits *l, enum limits_use use);
/* For LIMITS_PARTS: a fourth of the descriptors that the process may have, so that fetching ahead
 * takes none from those who cannot do without. */
uint64_t limits_max_parts(const struct limits *l);
