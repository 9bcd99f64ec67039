#include "dns/query_impl.h"

#include <stdlib.h>

static bool is_same_route(void *arg, const struct dns_name *name)
{
    const struct dns_query *q = arg;
    return dns_routes_find(q->routes, name) == q->route;
}

static bool is_busy(const struct dns_query *q)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL && !q->attempts[i]->is_late)
            return true;
    return false;
}

static bool has_attempts(const struct dns_query *q)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] != NULL)
            return true;
    return false;
}

/* Some server is left that could be asked once more. */
static bool can_send(const struct dns_query *q)
{
    unsigned rounds = q->n_order == 1 ? 3 : 2;
    if (q->is_follower || !query_is_wanted(q) || q->n_attempts == DNS_MAX_ATTEMPTS)
        return false;
    for (unsigned i = 0; i < q->n_order; i++) {
        bool is_suspect = i >= q->n_order - q->n_suspects;
        unsigned round = i < q->at ? q->round + 1 : q->round;
        if (!q->is_out[i] && round < (is_suspect ? 1 : rounds))
            return true;
    }
    return false;
}

/* Over when nobody waits and nothing is due, or when nothing more can come. */
static bool end_if_idle(struct dns_query *q)
{
    bool is_over = !is_busy(q);
    if (query_is_wanted(q))
        is_over = !q->is_follower && !can_send(q) && !has_attempts(q);
    if (is_over)
        query_fail(q);
    return is_over;
}

static void say_slow(struct dns_query *q)
{
    q->is_slow = q->is_telling = true;
    /* A waiter's on_slow may cancel any waiter: those that were told wait aside. */
    struct list told;
    list_init(&told);
    while (!list_is_empty(&q->waiters)) {
        struct dns_wait *w = LIST_ENTRY(q->waiters.next, struct dns_wait, node);
        list_remove(&w->node);
        list_push_back(&told, &w->node);
        if (!w->is_told) {
            w->is_told = true;
            w->on_slow(w);
        }
    }
    while (!list_is_empty(&told)) {
        struct list *node = told.next;
        list_remove(node);
        list_push_back(&q->waiters, node);
    }
    q->is_telling = false;
    if (!query_is_wanted(q))
        io_timer_arm(q->engine->loop, &q->timer, 1);
}

static int slot_of(const struct dns_query *q, const struct dns_exchange *x)
{
    for (unsigned i = 0; i < q->n_attempts; i++)
        if (q->attempts[i] == x)
            return (int)i;
    return -1;
}

/* Nothing more is asked of it; nor waited for, when it had its say. */
static void mark_out(struct dns_query *q, const struct dns_server *server, bool had_its_say)
{
    for (unsigned i = 0; had_its_say && i < q->n_attempts; i++)
        if (q->attempts[i] != NULL && q->attempts[i]->server == server) {
            dns_exchange_cancel(q->attempts[i]);
            q->attempts[i] = NULL;
        }
    for (unsigned i = 0; i < q->n_order; i++)
        if (q->group->servers[q->order[i]] == server)
            q->is_out[i] = true;
}

/* Of a query that is over. */
static void release_if_alone(struct dns_query *q)
{
    if (!has_attempts(q))
        query_release(q);
}

static void avoid(struct dns_query *q, struct dns_server *server)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    dns_server_avoid(server, q->route->zone_hash, io_now_ms(q->engine->loop));
    pthread_mutex_unlock(&s->lock);
}

static void on_exchange_done(struct dns_exchange *x, enum dns_outcome outcome,
                             const struct dns_msg *m, const struct dns_verdict *v)
{
    struct dns_query *q = x->owner;
    int slot = slot_of(q, x);
    bool is_good = outcome == DNS_ANSWERED || dns_outcome_is_negative(outcome);
    q->attempts[slot] = NULL;
    if (m != NULL && !is_good)
        avoid(q, x->server);
    if (q->is_over) {
        release_if_alone(q);
        return;
    }
    query_add_try(q, x, outcome);
    if (is_good) {
        query_answer(q, m, v);
        return;
    }
    bool is_ours = dns_outcome_is_ours(outcome);
    if (!is_ours && (q->worst == DNS_TIMED_OUT || q->worst == DNS_UNREACHABLE))
        q->worst = outcome;
    mark_out(q, x->server, !is_ours);
    if (!can_send(q)) {
        end_if_idle(q);
        return;
    }
    uint64_t since_ms = io_now_ms(q->engine->loop) - q->started_ms;
    if (q->round > 0 && !q->is_slow && since_ms >= DNS_MAX_HEDGE_MS)
        io_timer_arm(q->engine->loop, &q->slow, 1);
    query_send_next(q);
}

static void on_exchange_late(struct dns_exchange *x)
{
    struct dns_query *q = x->owner;
    if (q->is_over) {
        q->attempts[slot_of(q, x)] = NULL;
        dns_exchange_cancel(x);
        release_if_alone(q);
        return;
    }
    /* Whoever came after the last one had left finds it asking again. */
    if (!end_if_idle(q) && can_send(q) && !io_timer_is_armed(&q->timer))
        io_timer_arm(q->engine->loop, &q->timer, 1);
}

/* What comes after this attempt, and when: the next server, or this round's end. */
static void arm_next(struct dns_query *q, struct dns_server *server, bool is_round_over)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    unsigned next_ms = dns_server_hedge_ms(server, DNS_MIN_HEDGE_MS);
    unsigned slow_ms = dns_server_hedge_ms(server, DNS_MIN_GROUP_HEDGE_MS);
    if (is_round_over)
        next_ms = dns_server_attempt_ms(server) << q->round;
    bool all_suspect = q->n_suspects == q->n_order;
    pthread_mutex_unlock(&s->lock);
    if (next_ms > DNS_MAX_ATTEMPT_MS)
        next_ms = DNS_MAX_ATTEMPT_MS;
    io_timer_arm(q->engine->loop, &q->timer, next_ms);
    if (is_round_over && q->round == 0 && !q->is_slow)
        io_timer_arm(q->engine->loop, &q->slow, all_suspect ? 1 : slow_ms);
}

static void remember_sample(struct dns_query *q, struct dns_server *server)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    server->sample = q->ask;
    server->used_ms = io_now_ms(q->engine->loop);
    pthread_mutex_unlock(&s->lock);
}

/* All of them are left out. */
static void end_without_servers(struct dns_query *q)
{
    q->worst = DNS_LOOPS;
    q->tries[q->n_tries++] = (struct dns_try){ .server = q->group->servers[0]->addr,
                                               .group = (uint8_t)(q->group - q->route->groups),
                                               .type = q->ask.question.type,
                                               .outcome = DNS_LOOPS,
                                               .from_cache = true };
    io_timer_arm(q->engine->loop, &q->end, 0);
}

void query_send_next(struct dns_query *q)
{
    if (q->n_order == 0) {
        end_without_servers(q);
        return;
    }
    while (q->is_out[q->at] || (q->round > 0 && q->at >= q->n_order - q->n_suspects))
        if (++q->at == q->n_order) {
            q->at = 0;
            q->round++;
        }
    struct dns_server *server = q->group->servers[q->order[q->at]];
    unsigned round = q->round;
    if (++q->at == q->n_order) {
        q->at = 0;
        q->round++;
    }
    remember_sample(q, server);
    if (round > 0)
        dns_server_count(&server->counts, DNS_SERVER_RETRIES);
    else if (has_attempts(q))
        dns_server_count(&server->counts, DNS_SERVER_HEDGES);
    enum dns_transport transport = q->engine->is_tcp_only ? DNS_BY_TCP : DNS_BY_UDP;
    struct dns_exchange *x =
        dns_exchange_start(q->engine, server, &q->ask, is_same_route, q, transport);
    if (x != NULL) {
        x->owner = q;
        x->on_done = on_exchange_done;
        x->on_late = on_exchange_late;
        q->attempts[q->n_attempts++] = x;
    }
    bool is_round_over = q->round > round;
    q->round = round; /* arm_next counts by the round of what was sent */
    arm_next(q, server, is_round_over);
    q->round = round + is_round_over;
}

static void on_next(struct io_timer *t)
{
    struct dns_query *q = LIST_ENTRY(t, struct dns_query, timer);
    if (can_send(q))
        query_send_next(q);
    else
        end_if_idle(q);
}

static void on_slow(struct io_timer *t)
{
    struct dns_query *q = LIST_ENTRY(t, struct dns_query, slow);
    say_slow(q);
}

static void on_end(struct io_timer *t)
{
    query_fail(LIST_ENTRY(t, struct dns_query, end));
}

/* Healthy servers first, in the given order; then those that failed this zone; then suspects. */
static void order_servers(struct dns_query *q, uint64_t now_ms)
{
    struct dns_shared *s = q->engine->shared;
    pthread_mutex_lock(&s->lock);
    for (unsigned rank = 0; rank < 3; rank++)
        for (unsigned i = 0; i < q->group->n_servers; i++) {
            const struct dns_server *server = q->group->servers[i];
            if (dns_server_is_left_out(server, q->route->zone_hash, now_ms))
                continue;
            bool is_avoided = dns_server_is_avoided(server, q->route->zone_hash, now_ms);
            unsigned its = server->is_suspect ? 2 : is_avoided ? 1 : 0;
            if (its != rank)
                continue;
            q->order[q->n_order++] = (uint8_t)i;
            q->n_suspects += its == 2;
        }
    pthread_mutex_unlock(&s->lock);
}

void query_prepare(struct dns_query *q)
{
    struct io_loop *loop = q->engine->loop;
    q->timer.on_fire = on_next;
    q->slow.on_fire = on_slow;
    q->end.on_fire = on_end;
    order_servers(q, q->started_ms);
    bool all_suspect = q->n_suspects == q->n_order;
    io_timer_arm(loop, &q->end, all_suspect ? DNS_SUSPECT_MS : DNS_QUERY_MS);
    if (q->is_follower)
        io_timer_arm(loop, &q->slow, all_suspect ? 1 : DNS_MAX_HEDGE_MS);
}
