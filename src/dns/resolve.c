#include "dns/resolve.h"

#include "dns/dial.h"
#include "dns/lookup.h"

#include <stdlib.h>

struct dns_resolve_state {
    struct dns_resolve *r;
    struct dns_engine *engine;
    uint16_t port;
    enum dns_policy policy;
    bool is_local;
    struct dns_lookup lookup;
    unsigned n_used; /* addresses that were given out already */
    struct addr used[DNS_MAX_ADDRS];
};

static bool was_used(const struct dns_resolve_state *s, const struct addr *a)
{
    for (unsigned i = 0; i < s->n_used; i++)
        if (addr_eq(&s->used[i], a))
            return true;
    return false;
}

/* Adds those of v that may be dialled and are new. */
static void add_addrs(struct dns_resolve_state *s, const struct addr *v, unsigned n,
                      unsigned *n_refused)
{
    struct dns_resolve *r = s->r;
    for (unsigned i = 0; i < n && r->n_addrs < DNS_MAX_ADDRS; i++) {
        bool is_new = !was_used(s, &v[i]);
        for (unsigned j = 0; j < r->n_addrs; j++)
            is_new = is_new && !addr_eq(&r->addrs[j], &v[i]);
        if (!dns_dial_allowed(s->engine, s->policy, &v[i]))
            ++*n_refused;
        else if (is_new)
            r->addrs[r->n_addrs++] = v[i];
    }
}

static void order_addrs(struct dns_resolve_state *s)
{
    struct dns_resolve *r = s->r;
    dns_dial_order(r->addrs, r->n_addrs, s->engine->turn++);
    for (unsigned i = 0; i < r->n_addrs && s->n_used < DNS_MAX_ADDRS; i++)
        s->used[s->n_used++] = r->addrs[i];
}

/* dns_lookup.accept: is there anything to dial? */
static bool accept_sets(struct dns_lookup *l, const struct dns_route *route,
                        struct dns_set *const sets[DNS_LOOKUP_TYPES])
{
    struct dns_resolve_state *s = l->owner;
    unsigned n_refused = 0;
    s->r->n_addrs = 0;
    for (unsigned t = 0; t < DNS_LOOKUP_TYPES; t++) {
        struct addr v[DNS_MAX_ADDRS];
        /* Half of the room each, so that one family never pushes the other out. */
        if (sets[t] != NULL)
            add_addrs(s, v, dns_set_addrs(sets[t], s->port, v, DNS_MAX_ADDRS / 2), &n_refused);
    }
    l->rejected = n_refused > 0 ? DNS_SINKHOLE : DNS_NOT_CONNECTABLE;
    return s->r->n_addrs > 0;
}

static void tell(struct dns_resolve_state *s)
{
    struct dns_resolve *r = s->r;
    struct dns_engine *e = s->engine;
    r->expires_ms = io_now_ms(e->loop) + (uint64_t)r->explain.ttl_s * 1000;
    if (e->on_decision != NULL)
        e->on_decision(e->decision_arg, &r->explain);
    r->on_done(r);
}

static bool all_silent(const struct dns_explain *x)
{
    for (unsigned i = 0; i < x->n_tries; i++)
        if (x->tries[i].outcome != DNS_TIMED_OUT)
            return false;
    return x->n_tries > 0;
}

static void set_fault(struct dns_resolve_state *s)
{
    struct dns_resolve *r = s->r;
    char detail[FAULT_DETAIL_BYTES];
    dns_explain_text(&r->explain, detail, sizeof detail);
    enum fault_kind kind = FAULT_DNS_FAILED;
    if (r->explain.n_tries == 0)
        kind = FAULT_DNS_NO_SERVER;
    else if (s->lookup.is_refused)
        kind = FAULT_ADDRESS_DENIED;
    else if (all_silent(&r->explain))
        kind = FAULT_DNS_TIMEOUT;
    fault_set(&r->fault, kind, "resolve", "%s", detail);
}

static void on_looked_up(struct dns_lookup *l)
{
    struct dns_resolve_state *s = l->owner;
    if (l->is_answered) {
        order_addrs(s);
    } else {
        s->r->n_addrs = 0;
        set_fault(s);
    }
    tell(s);
}

static void on_local(struct io_task *t)
{
    struct dns_resolve *r = LIST_ENTRY(t, struct dns_resolve, deliver);
    if (r->state != NULL)
        tell(r->state);
    else
        r->on_done(r); /* out of memory */
}

static void finish_local(struct dns_resolve_state *s)
{
    s->is_local = true;
    io_defer(s->engine->loop, &s->r->deliver);
}

static void give_local(struct dns_resolve_state *s, enum dns_source source, struct addr *v,
                       unsigned n)
{
    enum { LOCAL_TTL_S = 5 };
    unsigned n_refused = 0;
    for (unsigned i = 0; i < n; i++)
        addr_set_port(&v[i], s->port);
    add_addrs(s, v, n, &n_refused);
    order_addrs(s);
    s->r->explain.source = source;
    s->r->explain.ttl_s = LOCAL_TTL_S;
    if (s->r->n_addrs == 0) {
        char text[ADDR_TEXT_BYTES];
        fault_set(&s->r->fault, FAULT_ADDRESS_DENIED, "resolve", "%s says %s",
                  dns_source_text(source), addr_ip_text(&v[0], text));
    }
    finish_local(s);
}

/* Names that no server is asked for. */
static bool try_local(struct dns_resolve_state *s)
{
    struct addr v[DNS_MAX_ADDRS];
    unsigned n;
    struct dns_hosts *hosts = dns_shared_hosts(s->engine->shared);
    enum dns_local local = dns_local_find(hosts, &s->r->explain.qname, v, DNS_MAX_ADDRS, &n);
    dns_hosts_unref(hosts);
    if (local == DNS_LOCAL_ADDRS) {
        give_local(s, DNS_FROM_HOSTS, v, n);
    } else if (local == DNS_LOCAL_DENIED) {
        s->r->explain.source = DNS_FROM_NOWHERE;
        fault_set(&s->r->fault, FAULT_DNS_FAILED, "resolve", "the name is never asked for");
        finish_local(s);
    }
    return local != DNS_LOCAL_NOT;
}

void dns_resolve_start(struct dns_resolve *r, struct dns_engine *e, struct str host, uint16_t port,
                       enum dns_policy policy)
{
    struct addr literal;
    r->n_addrs = 0;
    r->expires_ms = 0;
    fault_clear(&r->fault);
    r->explain = (struct dns_explain){ .source = DNS_FROM_NOWHERE };
    r->deliver = (struct io_task){ .on_run = on_local };
    struct dns_resolve_state *s = r->state = calloc(1, sizeof *s);
    if (s == NULL) {
        fault_set(&r->fault, FAULT_NO_MEMORY, "resolve", NULL);
        io_defer(e->loop, &r->deliver);
        return;
    }
    s->r = r;
    s->engine = e;
    s->port = port;
    s->policy = policy;
    if (addr_parse_ip(host, &literal)) {
        give_local(s, DNS_FROM_LITERAL, &literal, 1);
        return;
    }
    if (!dns_name_parse(host, &r->explain.qname)) {
        fault_set(&r->fault, FAULT_DNS_FAILED, "resolve", "not a host name");
        finish_local(s);
        return;
    }
    if (try_local(s))
        return;
    static const uint16_t types[] = { DNS_A, DNS_AAAA };
    s->lookup.owner = s;
    s->lookup.on_done = on_looked_up;
    s->lookup.accept = accept_sets;
    s->lookup.explain = &r->explain;
    s->lookup.port = port;
    s->lookup.policy = policy;
    dns_lookup_start(&s->lookup, e, &r->explain.qname, types, dns_engine_has_ipv6(e) ? 2 : 1);
}

void dns_resolve_next(struct dns_resolve *r)
{
    struct dns_resolve_state *s = r->state;
    r->n_addrs = 0;
    fault_clear(&r->fault);
    if (!s->is_local) {
        dns_lookup_next(&s->lookup);
        return;
    }
    fault_set(&r->fault, FAULT_DNS_FAILED, "resolve", "%s has no other address",
              dns_source_text(r->explain.source));
    io_defer(s->engine->loop, &s->r->deliver);
}

void dns_resolve_succeeded(struct dns_resolve *r)
{
    if (r->state != NULL && !r->state->is_local)
        dns_lookup_succeeded(&r->state->lookup);
    dns_resolve_cancel(r);
}

void dns_resolve_cancel(struct dns_resolve *r)
{
    struct dns_resolve_state *s = r->state;
    io_defer_cancel(&r->deliver);
    if (s == NULL)
        return;
    r->state = NULL;
    dns_lookup_done(&s->lookup);
    io_free_later(s->engine->loop, s);
}
