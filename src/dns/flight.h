#pragma once
/*
 * Questions in flight in the whole process. Of equal questions in several workers, the first one's
 * query leads and sends; the others follow, and get its result through their own loops. A process
 * with one worker has no flights: there equal questions meet in the engine.
 *
 * A flight is made by its leader and lives in dns_shared, under its lock, until the leader ends or
 * leaves it; followers stand in its list. A result waits in the follower engine's inbox, since a
 * post to a loop that ends is dropped.
 */
#include "dns/answer.h"
#include "dns/ask.h"
#include "dns/set.h"
#include "dns/shared.h"

struct dns_flight {
    struct list node;      /* in dns_shared */
    struct list followers; /* dns_follower.node */
    atomic_uint n_followers;
    uint64_t group, zone;
    struct dns_ask ask;
};

/* A query's part in a flight, embedded in it. What follows is changed by the leader's thread, under
 * the lock. */
struct dns_follower {
    struct list node;          /* in the flight's followers while it follows */
    struct dns_engine *engine; /* NULL: has no part in any */
    struct dns_flight *flight; /* that it leads or follows; NULL for none */
    bool is_leader;
};

/* What became of the flight of a question, for a follower. */
struct dns_landing {
    struct list node; /* in the engine's inbox */
    uint64_t group, zone;
    struct dns_ask ask;
    bool must_lead; /* the leader left: there is no result, go on yourself */
    enum dns_outcome outcome;
    struct dns_set *set; /* referenced, or NULL */
    unsigned n_tries;
    struct dns_try tries[DNS_MAX_TRIES];
};

/* True: lead, and end or leave the flight. False: follow. Without memory it leads alone. */
bool dns_flight_begin(struct dns_follower *f, struct dns_engine *e, const struct dns_ask *ask,
                      uint64_t group, uint64_t zone);
/* The leader has a result: every follower gets it. set is borrowed. */
void dns_flight_end(struct dns_follower *f, enum dns_outcome outcome, struct dns_set *set,
                    const struct dns_try *tries, unsigned n_tries);
/* Gives up without a result; of a leader's followers one leads on. Harmless without a flight. */
void dns_flight_leave(struct dns_follower *f);
/* For a leader: somebody follows. */
bool dns_flight_is_followed(const struct dns_follower *f);
/* For a follower that was told to lead: it does, and is to end or leave the flight from now on. */
bool dns_flight_leads(const struct dns_follower *f);

/* For the engine's end, when it has no queries any more. */
void dns_flight_drop_landings(struct dns_engine *e);
