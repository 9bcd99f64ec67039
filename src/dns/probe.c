#include "dns/probe.h"

#include "dns/dial.h"
#include "dns/query.h"
#include "io/stream.h"

#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 100, MAX_A_TICK = 8, PROBE_MS = 2500 };

/* Either of a server (exchange) or of an endpoint (wait, then stream). */
struct probe {
    struct list node;
    struct dns_engine *engine;
    struct dns_ask ask;
    struct dns_exchange *exchange;
    struct dns_server *looked; /* for somebody who looks: referenced */
    struct dns_endpoint endpoint;
    struct dns_routes *routes;
    const struct dns_route *route;
    unsigned group, n_groups;
    struct dns_wait wait;
    struct io_stream *stream;
    struct io_timer timer;
};

static void ask_group(struct probe *p);

static void end_look(struct probe *p)
{
    struct dns_shared *s = p->engine->shared;
    if (p->looked == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    dns_server_looked(p->looked);
    pthread_mutex_unlock(&s->lock);
    dns_shared_server_unref(s, p->looked);
}

static void probe_free(struct probe *p)
{
    struct io_loop *loop = p->engine->loop;
    list_remove(&p->node);
    end_look(p);
    dns_exchange_cancel(p->exchange);
    if (p->routes != NULL)
        dns_wait_cancel(&p->wait);
    dns_routes_unref(p->routes);
    io_stream_close(p->stream);
    io_timer_disarm(loop, &p->timer);
    io_free_later(loop, p);
}

static struct probe *probe_new(struct dns_engine *e, const struct dns_ask *ask)
{
    struct probe *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->engine = e;
    p->ask = *ask;
    list_push_back(&e->probes, &p->node);
    return p;
}

/* -- servers ------------------------------------------------------------------------------ */

/* The exchange itself counts health. */
static void on_server_done(struct dns_exchange *x, enum dns_outcome outcome,
                           const struct dns_msg *m, const struct dns_verdict *v)
{
    struct probe *p = x->owner;
    p->exchange = NULL;
    probe_free(p);
}

static void on_server_late(struct dns_exchange *x)
{
    probe_free(x->owner);
}

/* looked: a reference to server that goes over to the probe, or NULL. */
static void probe_server(struct dns_engine *e, struct dns_server *server, const struct dns_ask *ask,
                         struct dns_server *looked)
{
    struct probe *p = probe_new(e, ask);
    if (p == NULL) {
        struct probe nobody = { .engine = e, .looked = looked };
        end_look(&nobody);
        return;
    }
    p->looked = looked;
    p->exchange = dns_exchange_start(e, server, &p->ask, NULL, NULL, DNS_BY_UDP);
    if (p->exchange == NULL) {
        probe_free(p);
        return;
    }
    p->exchange->owner = p;
    p->exchange->on_done = on_server_done;
    p->exchange->on_late = on_server_late;
}

/* -- endpoints ---------------------------------------------------------------------------- */

static void take_back(struct probe *p)
{
    struct dns_shared *s = p->engine->shared;
    pthread_mutex_lock(&s->lock);
    bool is_switched =
        dns_memory_probed(&s->memory, &p->endpoint, p->group, io_now_ms(p->engine->loop));
    pthread_mutex_unlock(&s->lock);
    if (p->endpoint.all_failed)
        atomic_fetch_add(&s->epoch, 1); /* what failed with it may be asked for again */
    if (is_switched)
        dns_engine_tell(p->engine, &(struct dns_event){ .kind = DNS_EVENT_GROUP_SWITCHED,
                                                        .name = &p->endpoint.name,
                                                        .group = p->route->groups[p->group].name });
    probe_free(p);
}

static void next_group(struct probe *p)
{
    dns_wait_cancel(&p->wait);
    io_stream_close(p->stream);
    p->stream = NULL;
    p->group++;
    ask_group(p);
}

static void on_connected(struct io_stream *stream, unsigned events)
{
    struct probe *p = stream->owner;
    if (io_connect_result(stream) == 0)
        take_back(p);
    else
        next_group(p);
}

static bool is_suspect(const struct probe *p)
{
    const struct dns_group *g = &p->route->groups[p->group];
    struct dns_shared *s = p->engine->shared;
    unsigned n = 0;
    pthread_mutex_lock(&s->lock);
    for (unsigned i = 0; i < g->n_servers; i++)
        n += g->servers[i]->is_suspect;
    pthread_mutex_unlock(&s->lock);
    return n == g->n_servers;
}

/* An address of the answer that may be dialled, another one each time. */
static bool pick_addr(struct probe *p, struct addr *out)
{
    struct addr v[DNS_MAX_ADDRS];
    unsigned n = dns_set_addrs(p->wait.set, p->endpoint.port, v, DNS_MAX_ADDRS);
    for (unsigned i = 0; i < n; i++) {
        *out = v[(i + p->endpoint.probe_step) % n];
        if (dns_dial_allowed(p->engine, p->endpoint.policy, out))
            return true;
    }
    return false;
}

static void judge_answer(struct probe *p)
{
    struct addr to;
    int sys_errno, fd;
    if (p->wait.set == NULL || p->wait.set->outcome != DNS_ANSWERED) {
        next_group(p);
    } else if (p->wait.set->is_open || p->endpoint.port == 0) {
        take_back(p); /* an alias: its target is probed by itself */
    } else if (!pick_addr(p, &to) || (fd = io_connect(&to, &sys_errno)) < 0) {
        next_group(p);
    } else {
        p->stream = io_stream_new(p->engine->loop, fd);
        if (p->stream == NULL) {
            close(fd);
            probe_free(p);
            return;
        }
        p->stream->owner = p;
        p->stream->on_ready = on_connected;
        io_stream_want(p->stream, IO_WRITE);
    }
}

static void on_answer(struct dns_wait *w, const struct dns_query *q)
{
    judge_answer(w->owner);
}

static void on_slow(struct dns_wait *w)
{
}

static void ask_group(struct probe *p)
{
    /* Silent servers have their own probes, and bring this one forward when they answer. */
    while (p->group < p->n_groups && is_suspect(p))
        p->group++;
    if (p->group >= p->n_groups) {
        probe_free(p);
        return;
    }
    p->wait = (struct dns_wait){ .owner = p, .on_done = on_answer, .on_slow = on_slow };
    io_timer_arm(p->engine->loop, &p->timer, PROBE_MS);
    if (dns_query_join(&p->wait, p->engine, p->routes, p->route, p->group, &p->ask, true))
        probe_free(p); /* no memory */
}

static void on_probe_end(struct io_timer *t)
{
    next_group(LIST_ENTRY(t, struct probe, timer));
}

static void probe_endpoint(struct dns_engine *e, const struct dns_endpoint *endpoint)
{
    struct dns_ask ask = {
        .question = { .name = endpoint->qname, .type = endpoint->qtype, .class = DNS_CLASS_IN },
    };
    struct probe *p = probe_new(e, &ask);
    if (p == NULL)
        return;
    p->endpoint = *endpoint;
    p->timer.on_fire = on_probe_end;
    list_init(&p->wait.node);
    p->routes = dns_shared_routes(e->shared);
    p->route = dns_routes_find(p->routes, &p->ask.question.name);
    p->n_groups = endpoint->all_failed || endpoint->group > p->route->n_groups ? p->route->n_groups
                                                                               : endpoint->group;
    ask_group(p);
}

/* -- the clock ---------------------------------------------------------------------------- */

struct due {
    unsigned n_servers, n_endpoints;
    bool has_more;
    struct dns_server *servers[MAX_A_TICK];
    struct dns_ask samples[MAX_A_TICK];
    struct dns_endpoint endpoints[MAX_A_TICK];
};

static void claim(struct dns_engine *e, struct due *due)
{
    struct dns_shared *s = e->shared;
    uint64_t now_ms = io_now_ms(e->loop);
    pthread_mutex_lock(&s->lock);
    LIST_EACH (it, after, &s->servers) {
        struct dns_server *server = LIST_ENTRY(it, struct dns_server, node);
        due->has_more |= dns_server_wants_probes(server, now_ms);
        if (due->n_servers == MAX_A_TICK || !dns_server_claim_probe(server, now_ms))
            continue;
        server->refs++;
        due->samples[due->n_servers] = server->sample;
        due->servers[due->n_servers++] = server;
    }
    while (due->n_endpoints < MAX_A_TICK &&
           dns_memory_claim_probe(&s->memory, now_ms, &due->endpoints[due->n_endpoints]))
        due->n_endpoints++;
    due->has_more |= dns_memory_has_probes(&s->memory, now_ms);
    pthread_mutex_unlock(&s->lock);
}

/* -- somebody looks ----------------------------------------------------------------------- */

struct look {
    unsigned n;
    struct dns_server *servers[MAX_A_TICK];
    struct dns_ask asks[MAX_A_TICK];
};

/* What it was asked last for a client; before that, whether there is such a zone. */
static void choose_question(const struct dns_server *server, const struct dns_route *route,
                            struct dns_ask *out)
{
    *out = server->sample;
    if (server->sample.question.name.n > 0)
        return;
    *out = (struct dns_ask){
        .question = { .name = route->zone, .type = DNS_SOA, .class = DNS_CLASS_IN },
    };
}

/* Under the lock. A server that asks us what we ask it for this route is not asked. */
static void claim_route(struct look *look, const struct dns_route *route, uint64_t now_ms)
{
    for (unsigned g = 0; g < route->n_groups; g++)
        for (unsigned i = 0; i < route->groups[g].n_servers && look->n < MAX_A_TICK; i++) {
            struct dns_server *server = route->groups[g].servers[i];
            if (dns_server_is_left_out(server, route->zone_hash, now_ms) ||
                !dns_server_claim_look(server, now_ms))
                continue;
            server->refs++;
            choose_question(server, route, &look->asks[look->n]);
            look->servers[look->n++] = server;
        }
}

static void look_around(struct dns_engine *e)
{
    struct look *look = calloc(1, sizeof *look);
    if (look == NULL)
        return;
    dns_engine_update(e);
    struct dns_routes *routes = e->routes;
    pthread_mutex_lock(&e->shared->lock);
    for (size_t i = 0; i < routes->n; i++)
        claim_route(look, &routes->v[i], io_now_ms(e->loop));
    pthread_mutex_unlock(&e->shared->lock);
    for (unsigned i = 0; i < look->n; i++)
        probe_server(e, look->servers[i], &look->asks[i], look->servers[i]);
    free(look);
}

void dns_engine_look(struct dns_engine *e)
{
    e->look_until_ms = io_now_ms(e->loop) + DNS_LOOK_FOR_MS;
    dns_probe_wake(e);
}

static void on_tick(struct io_timer *t)
{
    struct dns_engine *e = LIST_ENTRY(t, struct dns_engine, probe_timer);
    bool is_looked = io_now_ms(e->loop) < e->look_until_ms;
    struct due *due = calloc(1, sizeof *due);
    if (due != NULL) {
        claim(e, due);
        for (unsigned i = 0; i < due->n_servers; i++) {
            probe_server(e, due->servers[i], &due->samples[i], NULL);
            dns_shared_server_unref(e->shared, due->servers[i]);
        }
        for (unsigned i = 0; i < due->n_endpoints; i++)
            probe_endpoint(e, &due->endpoints[i]);
    }
    if (is_looked)
        look_around(e);
    if (due == NULL || due->has_more || is_looked)
        io_timer_arm(e->loop, &e->probe_timer, TICK_MS);
    free(due);
}

void dns_probe_wake(struct dns_engine *e)
{
    if (!io_timer_is_armed(&e->probe_timer))
        io_timer_arm(e->loop, &e->probe_timer, TICK_MS);
}

void dns_probe_init(struct dns_engine *e)
{
    e->probe_timer.on_fire = on_tick;
}

void dns_probe_done(struct dns_engine *e)
{
    io_timer_disarm(e->loop, &e->probe_timer);
    while (!list_is_empty(&e->probes))
        probe_free(LIST_ENTRY(e->probes.next, struct probe, node));
}
