#include "dns/flight.h"

#include "dns/query.h"

#include <stdlib.h>

static struct dns_flight *find(struct list *bucket, const struct dns_ask *ask, uint64_t group,
                               uint64_t zone)
{
    LIST_EACH (it, after, bucket) {
        struct dns_flight *f = LIST_ENTRY(it, struct dns_flight, node);
        if (f->group == group && f->zone == zone && dns_ask_eq(&f->ask, ask))
            return f;
    }
    return NULL;
}

static struct dns_flight *flight_new(const struct dns_ask *ask, uint64_t group, uint64_t zone)
{
    struct dns_flight *f = malloc(sizeof *f);
    if (f == NULL)
        return NULL;
    *f = (struct dns_flight){ .group = group, .zone = zone, .ask = *ask };
    atomic_init(&f->n_followers, 0);
    list_init(&f->followers);
    return f;
}

bool dns_flight_begin(struct dns_follower *f, struct dns_engine *e, const struct dns_ask *ask,
                      uint64_t group, uint64_t zone)
{
    struct dns_shared *s = e->shared;
    *f = (struct dns_follower){ .is_leader = true };
    list_init(&f->node);
    if (atomic_load_explicit(&s->n_engines, memory_order_relaxed) < 2)
        return true;
    f->engine = e;
    struct list *bucket = &s->flights[dns_ask_hash(s, ask, group) % DNS_QUERY_BUCKETS];
    pthread_mutex_lock(&s->lock);
    f->flight = find(bucket, ask, group, zone);
    if (f->flight != NULL) {
        f->is_leader = false;
        list_push_back(&f->flight->followers, &f->node);
        atomic_fetch_add(&f->flight->n_followers, 1);
    } else if ((f->flight = flight_new(ask, group, zone)) != NULL) {
        list_push_back(bucket, &f->flight->node);
    }
    pthread_mutex_unlock(&s->lock);
    return f->is_leader;
}

static struct dns_landing *next_landing(struct dns_engine *e)
{
    struct dns_landing *l = NULL;
    pthread_mutex_lock(&e->shared->lock);
    if (!list_is_empty(&e->inbox)) {
        l = LIST_ENTRY(e->inbox.next, struct dns_landing, node);
        list_remove(&l->node);
    } else {
        e->is_inbox_told = false;
    }
    pthread_mutex_unlock(&e->shared->lock);
    return l;
}

static void landing_free(struct dns_landing *l)
{
    dns_set_unref(l->set);
    free(l);
}

static void on_landing(void *arg)
{
    struct dns_engine *e = arg;
    struct dns_landing *l;
    while ((l = next_landing(e)) != NULL) {
        dns_query_on_landing(e, l);
        landing_free(l);
    }
}

/* Under the lock: while a follower is in a list, its engine and its loop are alive. */
static void land(struct dns_follower *f, struct dns_landing *l)
{
    struct dns_engine *e = f->engine;
    list_push_back(&e->inbox, &l->node);
    if (!e->is_inbox_told)
        e->is_inbox_told = io_loop_post(e->loop, on_landing, e);
}

/* Takes the first follower off. */
static struct dns_follower *take_follower(struct dns_flight *flight)
{
    struct dns_follower *f = LIST_ENTRY(flight->followers.next, struct dns_follower, node);
    list_remove(&f->node);
    f->flight = NULL;
    atomic_fetch_sub(&flight->n_followers, 1);
    return f;
}

static struct dns_landing *landing_of(const struct dns_flight *flight)
{
    struct dns_landing *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->group = flight->group;
    l->zone = flight->zone;
    l->ask = flight->ask;
    return l;
}

void dns_flight_end(struct dns_follower *f, enum dns_outcome outcome, struct dns_set *set,
                    const struct dns_try *tries, unsigned n_tries)
{
    struct dns_flight *flight = f->flight;
    if (flight == NULL)
        return;
    pthread_mutex_lock(&f->engine->shared->lock);
    list_remove(&flight->node);
    while (!list_is_empty(&flight->followers)) {
        struct dns_follower *to = take_follower(flight);
        struct dns_landing *l = landing_of(flight);
        if (l == NULL)
            continue; /* its own end comes in time */
        l->outcome = outcome;
        l->set = set != NULL ? dns_set_ref(set) : NULL;
        l->n_tries = n_tries;
        memcpy(l->tries, tries, n_tries * sizeof tries[0]);
        land(to, l);
    }
    pthread_mutex_unlock(&f->engine->shared->lock);
    f->flight = NULL;
    free(flight);
}

/* Under the lock: a follower leads on, or the flight is over. */
static bool hand_over(struct dns_flight *flight)
{
    while (!list_is_empty(&flight->followers)) {
        struct dns_follower *next = take_follower(flight);
        struct dns_landing *l = landing_of(flight);
        if (l == NULL)
            continue;
        l->must_lead = true;
        next->is_leader = true;
        next->flight = flight;
        land(next, l);
        return true;
    }
    list_remove(&flight->node);
    return false;
}

void dns_flight_leave(struct dns_follower *f)
{
    if (f->engine == NULL)
        return;
    /* While it follows, the leader's thread may change what stands here. */
    pthread_mutex_lock(&f->engine->shared->lock);
    struct dns_flight *flight = f->flight;
    bool is_over = false;
    if (flight != NULL && f->is_leader) {
        is_over = !hand_over(flight);
    } else if (flight != NULL) {
        list_remove(&f->node);
        atomic_fetch_sub(&flight->n_followers, 1);
    }
    f->flight = NULL;
    pthread_mutex_unlock(&f->engine->shared->lock);
    if (is_over)
        free(flight);
}

bool dns_flight_is_followed(const struct dns_follower *f)
{
    return f->flight != NULL && atomic_load(&f->flight->n_followers) > 0;
}

bool dns_flight_leads(const struct dns_follower *f)
{
    pthread_mutex_lock(&f->engine->shared->lock);
    bool leads = f->is_leader && f->flight != NULL;
    pthread_mutex_unlock(&f->engine->shared->lock);
    return leads;
}

void dns_flight_drop_landings(struct dns_engine *e)
{
    pthread_mutex_lock(&e->shared->lock);
    LIST_EACH (it, after, &e->inbox)
        landing_free(LIST_ENTRY(it, struct dns_landing, node));
    list_init(&e->inbox);
    pthread_mutex_unlock(&e->shared->lock);
}
