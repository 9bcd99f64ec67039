#include "dns/forward.h"

#include "dns/loop.h"

/* dns_lookup.accept: is it of use to whoever asked? */
static bool accept_sets(struct dns_lookup *l, const struct dns_route *route,
                        struct dns_set *const sets[DNS_LOOKUP_TYPES])
{
    const struct dns_forward *f = l->owner;
    uint16_t type = f->ask.question.type;
    const struct dns_set *set = sets[0], *other = sets[1];
    bool is_choosy = dns_zone_rules(route->kind)->moves_on_negative;
    l->rejected = DNS_SINKHOLE;
    if (set == NULL || set->outcome == DNS_NXDOMAIN_OUTCOME)
        return false;
    if (set->outcome == DNS_ANSWERED)
        return !set->is_sinkhole;
    if (type != DNS_A && type != DNS_AAAA)
        return true; /* the name is there */
    return !is_choosy || (other != NULL && other->outcome == DNS_ANSWERED && !other->is_sinkhole);
}

static bool is_failure(enum dns_outcome o)
{
    return o != DNS_ANSWERED && !dns_outcome_is_negative(o);
}

static bool is_silence(enum dns_outcome o)
{
    return o == DNS_TIMED_OUT || o == DNS_UNREACHABLE;
}

/* The best name for a failure has the lowest rank: what a server said goes before what none said,
 * and that before what none was asked; the group that is asked first before the others. */
static unsigned rank_of(const struct dns_try *t)
{
    return t->group + (is_silence(t->outcome) ? 2 * DNS_MAX_GROUPS : 0) +
           (t->outcome == DNS_TIMED_OUT ? DNS_MAX_GROUPS : 0) +
           (dns_outcome_is_ours(t->outcome) ? 4 * DNS_MAX_GROUPS : 0);
}

/* What to call it when no group has an answer. */
static enum dns_outcome failure_of(const struct dns_explain *x)
{
    const struct dns_try *best = NULL;
    for (unsigned i = 0; i < x->n_tries; i++)
        if (is_failure(x->tries[i].outcome) &&
            (best == NULL || rank_of(&x->tries[i]) < rank_of(best)))
            best = &x->tries[i];
    return best != NULL ? best->outcome : DNS_SERVFAIL_OUTCOME;
}

static void tell(struct dns_forward *f)
{
    struct dns_engine *e = f->engine;
    if (e->on_decision != NULL)
        e->on_decision(e->decision_arg, &f->explain);
    f->on_done(f);
}

static void on_looked_up(struct dns_lookup *l)
{
    struct dns_forward *f = l->owner;
    f->parts = l->parts;
    f->n_parts = l->n_parts;
    f->outcome = failure_of(&f->explain);
    if (f->n_parts > 0 && !f->parts[f->n_parts - 1].set->is_open)
        f->outcome = f->parts[f->n_parts - 1].set->outcome;
    else
        f->n_parts = 0;
    if (f->finds_loops)
        dns_loop_suspect(f->engine, dns_routes_find(l->routes, &f->ask.question.name), &f->explain);
    tell(f);
}

static void on_local(struct io_task *t)
{
    tell(LIST_ENTRY(t, struct dns_forward, deliver));
}

static bool try_local(struct dns_forward *f)
{
    struct dns_hosts *hosts = dns_shared_hosts(f->engine->shared);
    bool is_local = dns_local_answer(hosts, &f->ask, &f->local.set);
    dns_hosts_unref(hosts);
    if (!is_local)
        return false;
    f->outcome = DNS_SERVFAIL_OUTCOME;
    if (f->local.set != NULL) {
        f->outcome = f->local.set->outcome;
        f->explain.source = DNS_FROM_HOSTS;
        f->explain.ttl_s = f->local.set->ttl_s;
        f->parts = &f->local;
        f->n_parts = 1;
    }
    f->deliver.on_run = on_local;
    io_defer(f->engine->loop, &f->deliver);
    return true;
}

void dns_forward_start(struct dns_forward *f, struct dns_engine *e, const struct addr *asker)
{
    const struct dns_question *q = &f->ask.question;
    f->engine = e;
    f->explain = (struct dns_explain){ .qname = q->name, .source = DNS_FROM_NOWHERE };
    if (try_local(f))
        return;
    uint16_t types[DNS_LOOKUP_TYPES] = { q->type, q->type == DNS_A ? DNS_AAAA : DNS_A };
    bool is_address = (q->type == DNS_A || q->type == DNS_AAAA) && q->class == DNS_CLASS_IN;
    f->lookup.owner = f;
    f->lookup.on_done = on_looked_up;
    f->lookup.accept = accept_sets;
    f->lookup.explain = &f->explain;
    f->lookup.ask = f->ask;
    f->lookup.join = f->join;
    f->lookup.is_first_wanted = true;
    f->lookup.asker = asker;
    dns_lookup_start(&f->lookup, e, &q->name, types, is_address ? 2 : 1);
}

void dns_forward_done(struct dns_forward *f)
{
    if (f->engine == NULL)
        return;
    io_defer_cancel(&f->deliver);
    dns_lookup_done(&f->lookup);
    dns_set_unref(f->local.set);
    f->local.set = NULL;
    f->parts = NULL;
    f->n_parts = 0;
    f->engine = NULL;
}
