#include "doctor/probe.h"
#include "doctor/probe_query.h"

#include <stdlib.h>

enum { RESOLVE_MS = 2000, ATTEMPT_MS = 900, RESOLVE_SERVERS = 4 };

struct lookup {
    struct resolve *all;
    struct probe_addresses *out;
    struct dns_question question;
    unsigned next; /* server */
    struct probe_query query;
};

struct resolve {
    struct io_loop loop;
    struct fact_book *book;
    unsigned n_servers, n_running;
    struct {
        struct addr addr;
        struct str text;
    } servers[RESOLVE_SERVERS];
    struct io_timer until;
    struct lookup v[PROBE_MAX_NAMES];
};

static void take_servers(struct resolve *r, bool amazons)
{
    const struct fact_many_server *all = &r->book->facts.servers;
    for (size_t i = 0; i < all->n && r->n_servers < RESOLVE_SERVERS; i++)
        if (all->v[i].answered > 0 && (all->v[i].is_amazon == FACT_YES) == amazons &&
            addr_parse(all->v[i].address, 53, &r->servers[r->n_servers].addr))
            r->servers[r->n_servers++].text = all->v[i].address;
}

static bool spend(struct resolve *r)
{
    int64_t *n = &r->book->facts.dns_packets;
    if (*n >= PROBE_DNS_PACKETS)
        return false;
    *n = *n == FACT_NO_NUMBER ? 1 : *n + 1;
    return true;
}

/* Sinkholes and the like are no addresses of AWS's. */
static void take_addresses(struct lookup *l, const struct probe_reply *reply)
{
    for (unsigned i = 0; i < reply->n_addresses && l->out->n < PROBE_MAX_ADDRESSES; i++)
        if (addr_classify(&reply->addresses[i]) == ADDR_GLOBAL)
            l->out->v[l->out->n++] = reply->addresses[i];
}

/* The next server, or the end of it. */
static void ask(struct lookup *l);

static void on_query(struct probe_query *q, const struct probe_reply *reply)
{
    struct lookup *l = q->owner;
    if (reply != NULL && !reply->is_truncated && reply->outcome == DNS_ANSWERED)
        take_addresses(l, reply);
    if (l->out->n > 0)
        l->out->server = l->all->servers[l->next].text;
    l->next++;
    ask(l);
}

static void ask(struct lookup *l)
{
    struct resolve *r = l->all;
    if (l->out->n > 0 || l->next == r->n_servers || !spend(r)) {
        if (--r->n_running == 0)
            io_loop_stop(&r->loop);
        return;
    }
    l->query.owner = l;
    l->query.on_done = on_query;
    /* Without EDNS: that is taken everywhere, and these answers are short. */
    probe_query_start(&l->query, &r->loop, &r->servers[l->next].addr, &l->question,
                      (struct probe_query_way){ .timeout_ms = ATTEMPT_MS });
}

static void on_until(struct io_timer *t)
{
    io_loop_stop(&LIST_ENTRY(t, struct resolve, until)->loop);
}

static void start(struct resolve *r, const struct str *names, unsigned n,
                  struct probe_addresses *out)
{
    /* One more, so that nothing ends before all have begun. */
    r->n_running = 1;
    for (unsigned i = 0; i < n; i++) {
        struct lookup *l = &r->v[i];
        l->all = r;
        l->out = &out[i];
        l->question.type = DNS_A;
        l->question.class = DNS_CLASS_IN;
        if (!dns_name_parse(names[i], &l->question.name))
            continue;
        r->n_running++;
        ask(l);
    }
    r->n_running--;
}

bool probe_resolve(struct fact_book *book, const struct str *names, unsigned n,
                   struct probe_addresses *out)
{
    bool all = true;
    memset(out, 0, n * sizeof *out);
    struct resolve *r = n <= PROBE_MAX_NAMES ? calloc(1, sizeof *r) : NULL;
    if (r == NULL || !io_loop_init(&r->loop)) {
        free(r);
        return false;
    }
    r->book = book;
    take_servers(r, true);
    take_servers(r, false);
    r->until.on_fire = on_until;
    io_timer_arm(&r->loop, &r->until, RESOLVE_MS);
    start(r, names, n, out);
    if (r->n_running > 0)
        io_loop_run(&r->loop);
    for (unsigned i = 0; i < n; i++) {
        probe_query_cancel(&r->v[i].query);
        all = all && out[i].n > 0;
    }
    io_timer_disarm(&r->loop, &r->until);
    io_loop_done(&r->loop);
    free(r);
    return all;
}
