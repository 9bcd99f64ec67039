#include "doctor/probe_dns.h"

#include "dns/dial.h"
#include "dns/router.h"

enum {
    FEW_SERVERS = 4,    /* so many get extras when they are silent */
    EXTRAS = 3,         /* plain DNS, TCP, another name */
    LIGHT_EXTRAS = 2,   /* the first two */
    SAMPLED_MS = 300,   /* a slower server is slow, whatever is lost */
    SAMPLING_MS = 1000, /* with less time left, what is under way at the end would pass for lost */
};

/* What goes first when there are not packets for all. */
enum {
    PRIORITY_FIRST,
    PRIORITY_NAME,
    PRIORITY_BUCKET,
    PRIORITY_OTHERS_NAME,
    PRIORITY_OTHERS_BUCKET,
    PRIORITY_AAAA,
    PRIORITY_TCP,
    PRIORITY_SEARCH,
    N_PRIORITIES
};

/* -- servers ------------------------------------------------------------------------------ */

static struct probe_server *find_server(struct probe_dns *d, const struct addr *a)
{
    for (unsigned i = 0; i < d->n_servers; i++)
        if (addr_eq(&d->servers[i].addr, a))
            return &d->servers[i];
    return NULL;
}

static struct probe_server *add_server(struct probe_dns *d, const struct addr *a,
                                       const char *source, unsigned place, const char *not_asked)
{
    struct probe_server *s = find_server(d, a);
    if (s != NULL || d->n_servers == PROBE_SERVERS)
        return s;
    s = &d->servers[d->n_servers++];
    s->addr = *a;
    s->address = probe_server_text(d->book, a);
    s->source = source;
    s->place = place;
    s->not_asked = not_asked;
    if (not_asked == NULL && d->n_asked == PROBE_ASKED_SERVERS)
        s->not_asked = "there are too many servers to ask them all";
    s->is_asked = s->not_asked == NULL;
    s->is_first = s->is_asked && d->n_asked == 0;
    d->n_asked += s->is_asked;
    return s;
}

/* Of those in one list; further ones are told of, not asked. */
static const char *why_behind(const struct probe_dns *d, size_t index, unsigned most)
{
    if (index < (d->is_light ? PROBE_LIGHT_SERVERS : most))
        return NULL;
    return "it is listed behind too many others";
}

/* Where penstock runs unattended, a listed address is no leave to send there. */
static const char *why_not_system(const struct probe_dns *d, const struct probe_request *r,
                                  const struct addr *a, size_t index)
{
    if (d->is_light && !r->link_local_allowed && addr_classify(a) == ADDR_LINK_LOCAL)
        return "its address is link-local, and PENSTOCK_DNS_AWS is off";
    return why_behind(d, index, PROBE_SYSTEM_SERVERS);
}

static bool is_amazons_own(const struct addr *a)
{
    static const char *const own[] = { "169.254.169.253", "fd00:ec2::253" };
    struct addr b;
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        if (addr_parse_ip(str_from_c(own[i]), &b) && addr_ip_eq(a, &b))
            return true;
    return false;
}

static void add_amazon(struct probe_dns *d, const struct probe_request *r)
{
    const struct conf_addrs *v = &r->conf->dns_aws_servers;
    for (size_t i = 0; i < v->n; i++) {
        bool is_v6 = addr_family(&v->v[i]) == AF_INET6;
        const char *why_not = NULL;
        if (!r->link_local_allowed)
            why_not = "not known to be on AWS: PENSTOCK_DNS_AWS=on has it asked all the same";
        else if (is_v6 && !dns_host_has_ipv6())
            why_not = "this host has no IPv6";
        if (why_not == NULL)
            why_not = why_behind(d, i, PROBE_SERVERS);
        struct probe_server *s = add_server(d, &v->v[i], "amazon", (unsigned)i + 1, why_not);
        if (s != NULL)
            s->is_amazon = true;
    }
}

static void add_servers(struct probe_dns *d, const struct probe_request *r,
                        const struct addr *system, unsigned n_system)
{
    const struct conf_addrs *set = &r->conf->dns_servers;
    bool is_set = set->n > 0;
    for (unsigned i = 0; i < (is_set ? set->n : n_system); i++) {
        const struct addr *a = is_set ? &set->v[i] : &system[i];
        add_server(d, a, is_set ? "settings" : "resolv.conf", i + 1, why_not_system(d, r, a, i));
    }
    add_amazon(d, r);
    for (size_t i = 0; r->dns_servers != NULL && i < r->dns_servers->n; i++)
        add_server(d, &r->dns_servers->v[i], "option", (unsigned)i + 1, NULL);
    for (unsigned i = 0; i < d->n_servers; i++)
        d->servers[i].is_amazon |= is_amazons_own(&d->servers[i].addr);
}

/* -- questions ---------------------------------------------------------------------------- */

struct plan {
    uint16_t type;
    bool by_tcp, with_edns, is_must;
    unsigned priority, max_tries;
};

static struct probe_ask *add_ask(struct probe_dns *d, struct probe_server *s,
                                 const struct probe_name *name, struct plan p)
{
    struct probe_ask *a = &d->asks[d->n_asks];
    if (d->n_asks == PROBE_ASKS)
        return NULL;
    d->n_asks++;
    *a = (struct probe_ask){ .owner = &d->asker,
                             .server = s,
                             .to = &s->addr,
                             .name = name->text,
                             .question = { name->dns, p.type, DNS_CLASS_IN },
                             .by_tcp = p.by_tcp,
                             .with_edns = p.with_edns,
                             .is_must = p.is_must,
                             .priority = p.priority,
                             .max_tries = p.max_tries,
                             .until_us = d->until_us,
                             .end = PROBE_QUERY_SILENT };
    return a;
}

static const struct probe_name *first_name(const struct probe_dns *d)
{
    for (unsigned i = 0; i < d->names->n; i++)
        if (probe_name_is_asked(&d->names->v[i]))
            return &d->names->v[i];
    return NULL;
}

static bool gets_extras(const struct probe_dns *d, const struct probe_server *s)
{
    return s->is_first || s->is_amazon || d->n_asked <= FEW_SERVERS;
}

/* Packets that silent servers may still need. */
static unsigned reserve(const struct probe_dns *d)
{
    unsigned n = 0;
    for (unsigned i = 0; i < d->n_asks; i++) {
        const struct probe_ask *a = &d->asks[i];
        if (a->priority != PRIORITY_FIRST || a->state == PROBE_ASK_OVER || a->has_reply)
            continue;
        n += a->max_tries - a->n_tries;
        if (a->max_tries == PROBE_TRIES && gets_extras(d, a->server) && !a->server->has_extras)
            n += d->is_light ? LIGHT_EXTRAS : EXTRAS;
    }
    return n;
}

static unsigned packets(const struct probe_dns *d)
{
    return d->is_light ? PROBE_LIGHT_PACKETS : PROBE_DNS_PACKETS - PROBE_NAMES_PACKETS;
}

static bool spend(struct probe_ask_owner *o, bool is_must)
{
    struct probe_dns *d = (struct probe_dns *)o;
    if (o->n_packets + (is_must ? 0 : reserve(d)) >= packets(d))
        return false;
    o->n_packets++;
    return true;
}

static bool has_ask(const struct probe_dns *d, const struct probe_server *s,
                    const struct probe_name *name, bool by_tcp)
{
    for (unsigned i = 0; i < d->n_asks; i++)
        if (d->asks[i].server == s && d->asks[i].by_tcp == by_tcp &&
            str_eq(d->asks[i].name, name->text))
            return true;
    return false;
}

static void add_tcp(struct probe_dns *d, struct probe_server *s, const struct probe_name *name,
                    bool is_must)
{
    if (has_ask(d, s, name, true))
        return;
    add_ask(d, s, name,
            (struct plan){ .type = DNS_A,
                           .by_tcp = true,
                           .is_must = is_must,
                           .priority = is_must ? PRIORITY_FIRST : PRIORITY_TCP,
                           .max_tries = 1 });
}

static void add_plain(struct probe_dns *d, struct probe_server *s)
{
    add_ask(d, s, first_name(d),
            (struct plan){
                .type = DNS_A, .is_must = true, .priority = PRIORITY_FIRST, .max_tries = 1 });
}

/* It may be silent for the first name alone: a forwarder whose upstream does not answer. */
static void add_other_name(struct probe_dns *d, struct probe_server *s)
{
    for (unsigned i = 0; i < d->names->n; i++) {
        const struct probe_name *name = &d->names->v[i];
        if (strcmp(name->purpose, "registry") != 0 || name == first_name(d) ||
            !probe_name_is_asked(name))
            continue;
        add_ask(d, s, name,
                (struct plan){
                    .type = DNS_A, .is_must = true, .priority = PRIORITY_FIRST, .max_tries = 1 });
        return;
    }
}

static const struct probe_name *name_of(const struct probe_dns *d, const struct probe_ask *a)
{
    for (unsigned i = 0; i < d->names->n; i++)
        if (str_eq(d->names->v[i].text, a->name))
            return &d->names->v[i];
    return NULL;
}

/* With each search domain that libc tries first, every lookup is one more question. One is enough
 * to see what becomes of it. */
static void add_search(struct probe_dns *d, struct probe_server *s, bool with_edns)
{
    const struct fact_texts *domains = &d->book->facts.resolv_conf.search;
    const struct probe_name *base = first_name(d);
    struct fact_name fact;
    for (unsigned i = 0; i < d->names->n; i++)
        if (strcmp(d->names->v[i].purpose, "registry") == 0 && probe_name_is_asked(&d->names->v[i]))
            base = &d->names->v[i];
    if (domains->n == 0)
        return;
    d->search.text = fact_textf(d->book, "%.*s.%.*s", STR_ARG(base->text), STR_ARG(domains->v[0]));
    d->search.purpose = "search";
    if (d->search.text.p == NULL || !dns_name_parse(d->search.text, &d->search.dns))
        return;
    FACT_CLEAR(name, &fact);
    fact.name = d->search.text;
    fact.purpose = fact_text(d->book, STR("search"));
    fact.is_aws = fact_truth_of(dns_is_aws_name(&d->search.dns));
    fact_add(d->book, &d->book->facts.names, &fact);
    add_ask(
        d, s, &d->search,
        (struct plan){
            .type = DNS_A, .with_edns = with_edns, .priority = PRIORITY_SEARCH, .max_tries = 2 });
}

/* A server has shown that it lives: everything else that it is to be asked. */
static void add_rest(struct probe_dns *d, struct probe_server *s, bool with_edns)
{
    const struct probe_name *first = first_name(d);
    if (s->is_spawned)
        return;
    s->is_spawned = true;
    bool is_main = s->is_first || s->is_amazon;
    for (unsigned i = 0; i < d->names->n; i++) {
        const struct probe_name *name = &d->names->v[i];
        bool is_bucket = strcmp(name->purpose, "bucket") == 0;
        if (!probe_name_is_asked(name) || has_ask(d, s, name, false))
            continue;
        add_ask(
            d, s, name,
            (struct plan){ .type = DNS_A,
                           .with_edns = with_edns,
                           .priority = (is_main ? PRIORITY_NAME : PRIORITY_OTHERS_NAME) + is_bucket,
                           .max_tries = PROBE_TRIES });
    }
    if (d->is_light)
        return;
    add_tcp(d, s, first, false);
    if (s->is_first)
        add_search(d, s, with_edns);
}

/* Addresses of the other family lead nowhere from here. */
static bool has_ipv4(const struct probe_dns *d)
{
    const struct fact_texts *local = &d->book->facts.surroundings.local_addresses;
    struct addr a;
    for (size_t i = 0; i < local->n; i++)
        if (addr_parse_ip(local->v[i], &a) && addr_family(&a) == AF_INET)
            return true;
    return local->n == 0;
}

static void add_aaaa(struct probe_dns *d, const struct probe_ask *a)
{
    const struct probe_name *name = name_of(d, a);
    bool is_nodata = a->reply.rcode == DNS_NOERROR && a->reply.n_addresses == 0 &&
                     a->reply.outcome != DNS_BAD_REPLY;
    if (name == NULL || a->question.type != DNS_A || a->by_tcp ||
        !(is_nodata || (a->server->is_first && a->reply.outcome == DNS_ANSWERED &&
                        (!has_ipv4(d) || (!d->is_light && strcmp(name->purpose, "bucket") != 0)))))
        return;
    for (unsigned i = 0; i < d->n_asks; i++)
        if (d->asks[i].server == a->server && str_eq(d->asks[i].name, a->name) &&
            d->asks[i].question.type == DNS_AAAA)
            return;
    add_ask(d, a->server, name,
            (struct plan){ .type = DNS_AAAA,
                           .with_edns = a->with_edns,
                           .priority = PRIORITY_AAAA,
                           .max_tries = PROBE_TRIES });
}

/* -- course ------------------------------------------------------------------------------- */

static void finish(struct probe_dns *d)
{
    probe_dns_cancel(d);
    probe_dns_add_facts(d);
    d->on_done(d);
}

/* The question whose like can be asked again and again: a server's first that was answered, unless
 * nothing can be learned of it, or its own other questions are not over yet. */
static struct probe_ask *find_sample(struct probe_dns *d, const struct probe_server *s)
{
    struct probe_ask *found = NULL;
    for (unsigned i = 0; i < d->n_asks; i++) {
        struct probe_ask *a = &d->asks[i];
        if (a->server != s)
            continue;
        if (a->state != PROBE_ASK_OVER)
            return NULL;
        if (found == NULL && a->priority == PRIORITY_FIRST && !a->by_tcp && a->has_reply &&
            a->time_us <= SAMPLED_MS * 1000ULL && !probe_ask_is_soft(&a->reply))
            found = a;
    }
    return found;
}

/* How many equal questions the first server and Amazon's answer, with half of what is left. */
static void sample(struct probe_dns *d, struct probe_server *s)
{
    struct probe_ask *a = find_sample(d, s);
    unsigned kept = d->asker.n_packets + reserve(d), n = kept < packets(d) ? packets(d) - kept : 0;
    if (d->is_light || !(s->is_first || s->is_amazon) || s->has_sampled || a == NULL ||
        io_now_us() + SAMPLING_MS * 1000ULL > d->until_us)
        return;
    s->has_sampled = true;
    if (n / 2 > 0)
        probe_ask_sample(a, n / 2 < PROBE_SAMPLES ? n / 2 : PROBE_SAMPLES);
}

static bool is_any_running(const struct probe_dns *d)
{
    for (unsigned i = 0; i < d->n_asks; i++)
        if (d->asks[i].state == PROBE_ASK_RUNS)
            return true;
    return false;
}

/* Starts what the budget allows, the most important first. */
static void go_on(struct probe_dns *d)
{
    if (d->is_over)
        return;
    for (unsigned priority = 0; priority < N_PRIORITIES; priority++)
        for (unsigned i = 0; i < d->n_asks; i++)
            if (d->asks[i].state == PROBE_ASK_WAITS && d->asks[i].priority == priority)
                probe_ask_start(&d->asks[i]);
    for (unsigned i = 0; i < d->n_servers; i++)
        sample(d, &d->servers[i]);
    if (!is_any_running(d)) {
        d->is_over = true;
        io_timer_arm(d->asker.loop, &d->until, 0);
    }
}

static bool is_first_question(const struct probe_ask *a)
{
    return a->priority == PRIORITY_FIRST && !a->by_tcp && a->with_edns;
}

/* EDNS may be what it does not take. */
static bool is_edns_trouble(const struct probe_ask *a)
{
    return a->with_edns &&
           (a->reply.outcome == DNS_FORMERR_OUTCOME || a->reply.outcome == DNS_NOTIMP_OUTCOME);
}

static void on_reply(struct probe_ask *a)
{
    struct probe_dns *d = (struct probe_dns *)a->owner;
    struct probe_server *s = a->server;
    if (!a->by_tcp)
        s->has_replied = true;
    if (is_first_question(a) && is_edns_trouble(a) && !s->has_extras) {
        s->has_extras = true;
        add_plain(d, s);
    } else if (a->priority == PRIORITY_FIRST && !a->by_tcp) {
        add_rest(d, s, a->with_edns);
    }
    add_aaaa(d, a);
    if (a->reply.is_truncated && !a->by_tcp && a->priority != PRIORITY_FIRST &&
        name_of(d, a) != NULL)
        add_tcp(d, s, name_of(d, a), false);
    go_on(d);
}

static void on_silence(struct probe_ask *a)
{
    struct probe_dns *d = (struct probe_dns *)a->owner;
    struct probe_server *s = a->server;
    if (!is_first_question(a) || !gets_extras(d, s))
        return;
    s->n_silent++;
    if (s->n_silent == 1)
        add_plain(d, s);
    if (s->n_silent == 2) {
        add_tcp(d, s, first_name(d), true);
        if (!d->is_light)
            add_other_name(d, s);
    }
    s->has_extras = s->n_silent >= 2;
    go_on(d);
}

static void on_over(struct probe_ask *a)
{
    go_on((struct probe_dns *)a->owner);
}

static void on_until(struct io_timer *t)
{
    struct probe_dns *d = LIST_ENTRY(t, struct probe_dns, until);
    d->is_over = true;
    finish(d);
}

void probe_dns_cancel(struct probe_dns *d)
{
    if (d->asker.loop == NULL)
        return;
    for (unsigned i = 0; i < d->n_asks; i++)
        if (d->asks[i].state == PROBE_ASK_RUNS)
            probe_ask_cancel(&d->asks[i]);
    io_timer_disarm(d->asker.loop, &d->until);
}

void probe_dns_start(struct probe_dns *d, struct io_loop *loop, const struct probe_request *r,
                     const struct addr *system, unsigned n_system, const struct probe_names *names,
                     struct fact_book *book)
{
    uint64_t now_us = io_now_us();
    d->asker = (struct probe_ask_owner){ .loop = loop,
                                         .spend = spend,
                                         .on_reply = on_reply,
                                         .on_silence = on_silence,
                                         .on_over = on_over };
    d->book = book;
    d->names = names;
    d->is_light = r->is_light;
    d->until.on_fire = on_until;
    d->until_us = now_us + PROBE_DNS_MS * 1000ULL;
    if (r->deadline_us > 0 && r->deadline_us < d->until_us)
        d->until_us = r->deadline_us;
    add_servers(d, r, system, n_system);
    io_timer_arm(loop, &d->until, d->until_us > now_us ? (d->until_us - now_us) / 1000 + 1 : 0);
    for (unsigned i = 0; i < d->n_servers && first_name(d) != NULL; i++)
        if (d->servers[i].is_asked)
            add_ask(d, &d->servers[i], first_name(d),
                    (struct plan){ .type = DNS_A,
                                   .with_edns = true,
                                   .is_must = true,
                                   .priority = PRIORITY_FIRST,
                                   .max_tries = PROBE_TRIES });
    go_on(d);
}
