#include "server/history.h"

#include <string.h>

static void row_clear(struct history_row *r)
{
    for (unsigned i = 0; i < HISTORY_N; i++)
        r->v[i] = HISTORY_UNKNOWN;
}

void history_init(struct history *h, uint64_t now_ms)
{
    *h = (struct history){ .start_ms = now_ms };
    row_clear(&h->requests);
    row_clear(&h->errors);
    row_clear(&h->first_byte_us);
    h->requests.v[0] = h->errors.v[0] = 0;
}

static uint64_t moved(uint64_t from, uint64_t to)
{
    return to >= from ? to - from : to;
}

static void row_add(struct history_row *r, uint64_t step, uint64_t n)
{
    uint32_t *cell = &r->v[step % HISTORY_N];
    uint64_t before = *cell == HISTORY_UNKNOWN ? 0 : *cell, most = HISTORY_UNKNOWN - 1;
    *cell = (uint32_t)(n < most - before ? before + n : most);
}

static void row_mean(struct history_row *r, uint64_t step, struct history_mean *m, uint64_t n,
                     uint64_t sum)
{
    m->n += n;
    m->sum += sum;
    uint64_t mean = m->n > 0 ? m->sum / m->n : HISTORY_UNKNOWN, most = HISTORY_UNKNOWN - 1;
    r->v[step % HISTORY_N] = m->n == 0 ? HISTORY_UNKNOWN : (uint32_t)(mean < most ? mean : most);
}

/* -- steps -------------------------------------------------------------------------------- */

static void begin_step(struct history *h)
{
    unsigned at = (unsigned)(h->step % HISTORY_N);
    h->requests.v[at] = h->errors.v[at] = h->first_byte_us.v[at] = HISTORY_UNKNOWN;
    h->now = (struct history_mean){ 0 };
    for (unsigned i = 0; i < HISTORY_SERVERS; i++) {
        struct history_server *s = &h->servers[i];
        s->latency_us.v[at] = s->queries.v[at] = s->failures.v[at] = HISTORY_UNKNOWN;
        s->now = (struct history_mean){ 0 };
    }
}

static void move_on(struct history *h, uint64_t now_ms)
{
    uint64_t step = now_ms > h->start_ms ? (now_ms - h->start_ms) / HISTORY_STEP_MS : 0;
    /* All of the ring is void after an hour's sleep. */
    if (step > h->step + HISTORY_N)
        h->step = step - HISTORY_N;
    while (h->step < step) {
        h->step++;
        begin_step(h);
    }
}

/* -- servers ------------------------------------------------------------------------------ */

static struct history_server *server_find(const struct history *h, const struct addr *a)
{
    for (unsigned i = 0; i < HISTORY_SERVERS; i++)
        if (h->servers[i].is_used && addr_eq(&h->servers[i].last.addr, a))
            return (struct history_server *)&h->servers[i];
    return NULL;
}

/* A free place, or that of the one that was not named for longest, where it is not named now. */
static struct history_server *server_take(struct history *h, const struct addr *a, uint64_t now_ms)
{
    struct history_server *to = &h->servers[0];
    for (unsigned i = 0; i < HISTORY_SERVERS && to->is_used; i++)
        if (!h->servers[i].is_used || h->servers[i].seen_ms < to->seen_ms)
            to = &h->servers[i];
    if (to->is_used && to->seen_ms == now_ms)
        return NULL;
    *to = (struct history_server){ .is_used = true, .last = { .addr = *a } };
    row_clear(&to->latency_us);
    row_clear(&to->queries);
    row_clear(&to->failures);
    return to;
}

static void server_see(struct history *h, uint64_t now_ms, const struct history_server_totals *to)
{
    struct history_server *s = server_find(h, &to->addr);
    if (s == NULL && (s = server_take(h, &to->addr, now_ms)) == NULL)
        return;
    s->seen_ms = now_ms;
    row_add(&s->queries, h->step, moved(s->last.queries, to->queries));
    row_add(&s->failures, h->step, moved(s->last.failures, to->failures));
    row_mean(&s->latency_us, h->step, &s->now, moved(s->last.n_round_trips, to->n_round_trips),
             moved(s->last.round_trips_us, to->round_trips_us));
    s->last = *to;
}

void history_see(struct history *h, uint64_t now_ms, const struct history_totals *totals,
                 const struct history_server_totals *servers, size_t n_servers)
{
    move_on(h, now_ms);
    row_add(&h->requests, h->step, moved(h->last.requests, totals->requests));
    row_add(&h->errors, h->step, moved(h->last.errors, totals->errors));
    row_mean(&h->first_byte_us, h->step, &h->now,
             moved(h->last.n_first_bytes, totals->n_first_bytes),
             moved(h->last.first_bytes_us, totals->first_bytes_us));
    h->last = *totals;
    /* First those that have a place, so that none of them loses it to a new one. */
    for (size_t i = 0; i < n_servers; i++) {
        struct history_server *s = server_find(h, &servers[i].addr);
        if (s != NULL)
            s->seen_ms = now_ms;
    }
    for (size_t i = 0; i < n_servers; i++)
        server_see(h, now_ms, &servers[i]);
}

/* -- reading ------------------------------------------------------------------------------ */

static void row_read(const struct history *h, const struct history_row *r,
                     uint32_t out[static HISTORY_N])
{
    for (unsigned i = 0; i < HISTORY_N; i++) {
        uint64_t ago = HISTORY_N - 1 - i;
        out[i] = r != NULL && ago <= h->step ? r->v[(h->step - ago) % HISTORY_N] : HISTORY_UNKNOWN;
    }
}

void history_read(const struct history *h, enum history_of of, uint32_t out[static HISTORY_N])
{
    const struct history_row *const rows[] = {
        [HISTORY_REQUESTS] = &h->requests,
        [HISTORY_ERRORS] = &h->errors,
        [HISTORY_FIRST_BYTE_US] = &h->first_byte_us,
    };
    row_read(h, rows[of], out);
}

void history_read_server(const struct history *h, const struct addr *server,
                         enum history_server_of of, uint32_t out[static HISTORY_N])
{
    const struct history_server *s = server_find(h, server);
    const struct history_row *r = NULL;
    if (s != NULL)
        r = of == HISTORY_LATENCY_US ? &s->latency_us
            : of == HISTORY_QUERIES  ? &s->queries
                                     : &s->failures;
    row_read(h, r, out);
}
