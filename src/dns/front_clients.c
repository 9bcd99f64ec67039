#include "dns/front_clients.h"

#include <stdlib.h>

enum { SECOND_MS = 1000, MILLI = 1000 };

struct front_clients *front_clients_new(const struct hash_key *key, uint64_t rate,
                                        uint32_t max_in_flight)
{
    struct front_clients *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->hash_key = *key;
    t->rate = rate;
    t->max_in_flight = max_in_flight;
    t->crowd.milli_tokens = rate * MILLI;
    return t;
}

void front_clients_free(struct front_clients *t)
{
    free(t);
}

void front_clients_set_rate(struct front_clients *t, uint64_t rate)
{
    if (rate == t->rate)
        return;
    t->rate = rate;
    t->crowd.milli_tokens = rate * MILLI;
    for (unsigned i = 0; i < FRONT_CLIENT_SETS; i++)
        for (unsigned k = 0; k < FRONT_CLIENT_WAYS; k++)
            t->places[i][k].milli_tokens = rate * MILLI;
}

/* A host chooses the lower half of an IPv6 address as it likes. */
static uint64_t key_of(const struct addr *who)
{
    size_t n;
    uint64_t key = 0;
    const uint8_t *bytes = addr_bytes(who, &n);
    memcpy(&key, bytes, n < sizeof key ? n : sizeof key);
    return key;
}

static struct front_client *find(struct front_clients *t, const struct addr *who, uint64_t now_ms)
{
    uint64_t key = key_of(who);
    uint8_t family = (uint8_t)addr_family(who);
    uint64_t hash = hash_bytes(&t->hash_key, str_of((const char *)&key, sizeof key));
    struct front_client *set = t->places[hash % FRONT_CLIENT_SETS], *oldest = NULL;
    for (unsigned i = 0; i < FRONT_CLIENT_WAYS; i++) {
        struct front_client *c = &set[i];
        if (c->family == family && c->key == key)
            return c;
        if (c->n_in_flight == 0 && (oldest == NULL || c->at_ms < oldest->at_ms))
            oldest = c;
    }
    if (oldest == NULL)
        return &t->crowd;
    *oldest = (struct front_client){
        .key = key, .family = family, .milli_tokens = t->rate * MILLI, .at_ms = now_ms
    };
    return oldest;
}

static bool take_token(const struct front_clients *t, struct front_client *c, uint64_t now_ms)
{
    uint64_t full = t->rate * MILLI, waited_ms = now_ms - c->at_ms;
    uint64_t more = waited_ms < SECOND_MS ? waited_ms * t->rate : full;
    c->milli_tokens = full - c->milli_tokens < more ? full : c->milli_tokens + more;
    c->at_ms = now_ms;
    if (t->rate == 0)
        return true;
    if (c->milli_tokens < MILLI)
        return false;
    c->milli_tokens -= MILLI;
    return true;
}

struct front_client *front_clients_take(struct front_clients *t, const struct addr *who,
                                        uint64_t now_ms, enum front_limit *limit)
{
    struct front_client *c = find(t, who, now_ms);
    if (c->n_in_flight >= t->max_in_flight)
        *limit = FRONT_TOO_MANY;
    else
        *limit = take_token(t, c, now_ms) ? FRONT_WITHIN : FRONT_OVER_RATE;
    c->n_in_flight++;
    return c;
}

void front_clients_give(const struct front_clients *t, struct front_client *c, bool is_refunded)
{
    uint64_t full = t->rate * MILLI;
    c->n_in_flight--;
    if (is_refunded)
        c->milli_tokens = full - c->milli_tokens < MILLI ? full : c->milli_tokens + MILLI;
}
