#pragma once
/*
 * What single clients of the forwarder use up: a token bucket for the questions that need a server,
 * and how many of them are in flight. A client is an IPv4 address, or an IPv6 /64. The table has a
 * fixed size: clients that have nothing in flight make room for others. Time is an argument.
 */
#include "base/hash.h"
#include "codec/addr.h"

enum { FRONT_CLIENT_SETS = 1024, FRONT_CLIENT_WAYS = 4 };

struct front_client {
    uint64_t key;
    uint8_t family; /* of key; 0: nobody yet */
    uint32_t n_in_flight;
    uint64_t milli_tokens;
    uint64_t at_ms; /* when tokens were counted */
};

struct front_clients {
    struct hash_key hash_key;
    uint64_t rate;          /* questions a second, and the most at once; 0: no limit */
    uint32_t max_in_flight; /* of one client */
    /* Those for whom no place is left, because all places that could be theirs have questions in
     * flight, share this one. */
    struct front_client crowd;
    struct front_client places[FRONT_CLIENT_SETS][FRONT_CLIENT_WAYS];
};

/* NULL without memory. */
struct front_clients *front_clients_new(const struct hash_key *key, uint64_t rate,
                                        uint32_t max_in_flight);
void front_clients_free(struct front_clients *t);
/* Another rate: all clients begin anew, with all that it grants. */
void front_clients_set_rate(struct front_clients *t, uint64_t rate);

enum front_limit {
    FRONT_WITHIN,
    FRONT_OVER_RATE,
    FRONT_TOO_MANY, /* in flight */
};
/* One question more of this client. It is given back when the question ends, whether it was within
 * the limits or not; is_refunded: it needed no server after all. */
struct front_client *front_clients_take(struct front_clients *t, const struct addr *who,
                                        uint64_t now_ms, enum front_limit *limit);
void front_clients_give(const struct front_clients *t, struct front_client *c, bool is_refunded);
