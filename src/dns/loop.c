#include "dns/loop.h"

#include "dns/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#define MARK "penstock-loop-"
enum { MARK_BYTES = sizeof MARK - 1, NONCE_DIGITS = 16, LABEL_BYTES = MARK_BYTES + NONCE_DIGITS };

bool dns_loop_is_mark(const struct dns_name *qname)
{
    return qname->n > LABEL_BYTES + 1 && qname->wire[0] == LABEL_BYTES &&
           str_eq_nocase(str_of((const char *)qname->wire + 1, MARK_BYTES), STR(MARK));
}

static bool read_nonce(const struct dns_name *qname, uint64_t *nonce)
{
    *nonce = 0;
    for (unsigned i = 0; i < NONCE_DIGITS; i++) {
        static const char digits[] = "0123456789abcdef";
        char c = ascii_lower((char)qname->wire[1 + MARK_BYTES + i]);
        const char *digit = c != 0 ? strchr(digits, c) : NULL;
        if (digit == NULL)
            return false;
        *nonce = *nonce << 4 | (uint64_t)(digit - digits);
    }
    return true;
}

/*
 * Below the route's zone, never below the name that was asked for: a client may ask for a name
 * whose servers are its own, which would stay silent, read the mark, and bring it home, and the
 * server would be left out for everybody.
 */
static void write_mark(const struct dns_name *zone, uint64_t nonce, struct dns_name *out)
{
    char label[LABEL_BYTES + 1];
    snprintf(label, sizeof label, MARK "%016llx", (unsigned long long)nonce);
    out->wire[0] = LABEL_BYTES;
    memcpy(out->wire + 1, label, LABEL_BYTES);
    out->n = LABEL_BYTES + 1;
    if (zone->n + out->n <= DNS_NAME_BYTES) {
        memcpy(out->wire + out->n, zone->wire, zone->n);
        out->n = (uint8_t)(out->n + zone->n);
    } else {
        out->wire[out->n++] = 0; /* a zone of over 220 bytes: any name will have to do */
    }
}

/* -- asking ------------------------------------------------------------------------------- */

/* The exchange is on its own: whatever the server answers is of no interest. */
struct mark {
    struct list node; /* in the engine's marks */
    struct dns_engine *engine;
    struct dns_ask ask;
    struct dns_exchange *exchange;
};

static void mark_free(struct mark *m)
{
    list_remove(&m->node);
    dns_exchange_cancel(m->exchange);
    io_free_later(m->engine->loop, m);
}

static void on_mark_done(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                         const struct dns_verdict *v)
{
    struct mark *mark = x->owner;
    mark->exchange = NULL;
    mark_free(mark);
}

static void on_mark_late(struct dns_exchange *x)
{
    mark_free(x->owner);
}

/* A mark is its own kind of traffic: the name is no client's. */
static void send_mark(struct dns_engine *e, struct dns_server *server, const struct dns_ask *ask)
{
    struct mark *m = calloc(1, sizeof *m);
    if (m == NULL)
        return;
    m->engine = e;
    m->ask = *ask;
    list_push_back(&e->marks, &m->node);
    m->exchange = dns_exchange_start(e, server, &m->ask, NULL, NULL, DNS_BY_UDP);
    if (m->exchange == NULL) {
        mark_free(m);
        return;
    }
    m->exchange->owner = m;
    m->exchange->on_done = on_mark_done;
    m->exchange->on_late = on_mark_late;
}

/* Under the lock: is it time to ask? */
static bool claim(struct dns_server *server, uint64_t zone, uint64_t nonce, uint64_t now_ms)
{
    if (server->loop_asked_ms != 0 && now_ms < server->loop_asked_ms + DNS_LOOP_ASK_MS)
        return false;
    server->loop_asked_ms = now_ms;
    /* Any answer to it says that the server is well: a probe besides would be one packet too many.
     */
    if (server->is_suspect)
        server->probe_at_ms = now_ms + dns_probe_wait_ms(++server->probe_step);
    server->loop_nonce = nonce;
    server->loop_zone = zone;
    return true;
}

static bool was_silent(const struct dns_explain *x, const struct dns_server *server)
{
    for (unsigned i = 0; i < x->n_tries; i++)
        if (x->tries[i].outcome == DNS_TIMED_OUT && addr_eq(&x->tries[i].server, &server->addr))
            return true;
    return false;
}

void dns_loop_suspect(struct dns_engine *e, const struct dns_route *route,
                      const struct dns_explain *x)
{
    struct dns_shared *s = e->shared;
    for (unsigned g = 0; g < route->n_groups; g++)
        for (unsigned i = 0; i < route->groups[g].n_servers; i++) {
            struct dns_server *server = route->groups[g].servers[i];
            if (!was_silent(x, server))
                continue;
            uint64_t nonce = 0;
            for (unsigned k = 0; k < 4; k++)
                nonce = nonce << 16 | dns_engine_id(e);
            pthread_mutex_lock(&s->lock);
            bool is_time = claim(server, route->zone_hash, nonce, io_now_ms(e->loop));
            pthread_mutex_unlock(&s->lock);
            if (!is_time)
                continue;
            struct dns_ask mark = { .question = { .type = DNS_TXT, .class = DNS_CLASS_IN } };
            write_mark(&route->zone, nonce, &mark.question.name);
            send_mark(e, server, &mark);
        }
}

void dns_loop_done(struct dns_engine *e)
{
    while (!list_is_empty(&e->marks))
        mark_free(LIST_ENTRY(e->marks.next, struct mark, node));
}

/* -- at our door -------------------------------------------------------------------------- */

bool dns_loop_seen(struct dns_engine *e, const struct dns_name *qname)
{
    struct dns_shared *s = e->shared;
    uint64_t nonce;
    if (!read_nonce(qname, &nonce))
        return false;
    struct addr addr;
    bool is_ours = false;
    pthread_mutex_lock(&s->lock);
    LIST_EACH (it, after, &s->servers) {
        struct dns_server *server = LIST_ENTRY(it, struct dns_server, node);
        if (server->loop_asked_ms == 0 || server->loop_nonce != nonce)
            continue;
        is_ours = true;
        addr = server->addr;
        dns_server_leave_out(server, server->loop_zone, io_now_ms(e->loop));
    }
    pthread_mutex_unlock(&s->lock);
    if (!is_ours)
        return false;
    struct dns_name below = { .n = (uint8_t)(qname->n - LABEL_BYTES - 1) };
    memcpy(below.wire, qname->wire + LABEL_BYTES + 1, below.n);
    dns_engine_tell(e,
                    &(struct dns_event){ .kind = DNS_EVENT_LOOP, .server = &addr, .name = &below });
    return true;
}
