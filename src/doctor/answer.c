#include "doctor/answer.h"

#include "codec/addr.h"

int64_t answer_tries(const struct fact_question *q)
{
    if (view_is(q->outcome, "not_asked") || q->outcome.n == 0)
        return 0;
    return q->tries < 1 ? 1 : q->tries > 1000 ? 1000 : q->tries;
}

static bool is_reply(const struct fact_question *q)
{
    static const char *const replies[] = { "answer",  "nodata", "nxdomain", "servfail", "refused",
                                           "formerr", "notimp", "rcode",    "malformed" };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
        if (view_is(q->outcome, replies[i]))
            return true;
    return false;
}

int64_t answer_replies(const struct fact_question *q)
{
    if (!is_reply(q))
        return 0;
    int64_t tries = answer_tries(q);
    return q->replies < 1 ? 1 : q->replies > tries ? tries : q->replies;
}

bool answer_is_denial(const struct fact_question *q)
{
    return view_is(q->outcome, "nxdomain") || view_is(q->outcome, "nodata");
}

bool answer_is_usable(const struct fact_facts *f, const char *type)
{
    const struct fact_texts *local = &f->surroundings.local_addresses;
    if (strcmp(type, "AAAA") == 0)
        return f->surroundings.has_ipv6 != FACT_NO;
    for (size_t i = 0; i < local->n; i++) {
        struct addr a;
        if (addr_parse_ip(local->v[i], &a) && addr_family(&a) == AF_INET &&
            addr_classify(&a) == ADDR_GLOBAL)
            return true;
    }
    return local->n == 0 || f->surroundings.has_ipv6 != FACT_YES;
}

static bool is_lattice(const struct addr *a)
{
    static const char *const prefixes[] = { "169.254.171.0/24", "fd00:ec2:80::/64" };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        struct cidr c;
        if (cidr_parse(str_from_c(prefixes[i]), &c) && cidr_has(&c, a))
            return true;
    }
    return false;
}

static bool is_answered_at(const struct fact_facts *f, struct str address)
{
    for (size_t i = 0; i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (str_eq(c->address, address) && view_connects(c))
            return true;
    }
    return false;
}

bool answer_is_sinkhole(const struct fact_facts *f, struct str address)
{
    struct addr a;
    return addr_parse_ip(address, &a) && addr_classify(&a) != ADDR_GLOBAL && !is_lattice(&a) &&
           !is_answered_at(f, address);
}

bool answer_is_private(const struct fact_facts *f, struct str address)
{
    static const char *const prefixes[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                            "100.64.0.0/10", "fc00::/7" };
    struct addr a;
    struct cidr c;
    if (!addr_parse_ip(address, &a))
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (cidr_parse(str_from_c(prefixes[i]), &c) && cidr_has(&c, &a))
            return true;
    for (size_t i = 0; i < f->vpc.cidrs.n; i++)
        if (cidr_parse(f->vpc.cidrs.v[i], &c) && cidr_has(&c, &a))
            return true;
    return false;
}

static enum answer_kind kind_of(const struct fact_facts *f, const struct fact_question *q)
{
    static const struct {
        const char *outcome;
        enum answer_kind kind;
    } kinds[] = {
        { "nodata", ANSWER_NODATA },      { "nxdomain", ANSWER_NXDOMAIN },
        { "refused", ANSWER_REFUSED },    { "timeout", ANSWER_LOST },
        { "unreachable", ANSWER_LOST },   { "no_route", ANSWER_NO_ROUTE },
        { "servfail", ANSWER_SERVFAIL },  { "formerr", ANSWER_SERVFAIL },
        { "notimp", ANSWER_SERVFAIL },    { "rcode", ANSWER_SERVFAIL },
        { "malformed", ANSWER_SERVFAIL },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (view_is(q->outcome, kinds[i].outcome))
            return kinds[i].kind;
    if (!view_is(q->outcome, "answer"))
        return ANSWER_NONE;
    for (size_t i = 0; i < q->addresses.n; i++)
        if (!answer_is_sinkhole(f, q->addresses.v[i]))
            return ANSWER_GOOD;
    return q->addresses.n > 0 ? ANSWER_BLOCKED : ANSWER_NODATA;
}

static bool is_cut(const struct fact_question *q)
{
    return q->truncated == FACT_YES && q->addresses.n == 0;
}

static bool is_final(const struct fact_question *q, enum answer_kind kind)
{
    return !is_cut(q) &&
           (kind >= ANSWER_NXDOMAIN || kind == ANSWER_REFUSED || view_is(q->outcome, "servfail"));
}

static bool is_it(const struct fact_question *q, struct str server, struct str name,
                  const char *type, const char *transport)
{
    return str_eq(q->server, server) && str_eq_nocase(q->name, name) && view_is(q->type, type) &&
           view_is(q->transport, transport);
}

/* A stub resolver goes on to plain queries where EDNS was lost or not understood, and to TCP only
 * behind a reply that was cut: such a reply itself says nothing. */
struct answer answer_of_type(const struct fact_facts *f, struct str server, struct str name,
                             const char *type)
{
    static const char *const transports[] = { "udp", "tcp" };
    struct answer first = { ANSWER_NONE, NULL };
    bool goes_on = true;
    for (unsigned t = 0; t < 2 && goes_on; t++) {
        goes_on = false;
        for (size_t i = 0; i < f->questions.n; i++) {
            const struct fact_question *q = &f->questions.v[i];
            if (!is_it(q, server, name, type, transports[t]))
                continue;
            enum answer_kind kind = kind_of(f, q);
            if (is_final(q, kind))
                return (struct answer){ kind, q };
            goes_on = goes_on || is_cut(q);
            if (first.kind == ANSWER_NONE && kind != ANSWER_NONE && !is_cut(q))
                first = (struct answer){ kind, q };
        }
    }
    return first;
}

struct answer answer_of(const struct fact_facts *f, struct str server, struct str name)
{
    static const char *const types[] = { "A", "AAAA" };
    struct answer got[2], best = { ANSWER_NONE, NULL };
    for (int wanted = ANSWER_GOOD; wanted >= ANSWER_BLOCKED; wanted--)
        for (int is_usable = 1; is_usable >= 0; is_usable--)
            for (int i = 0; i < 2; i++) {
                got[i] = answer_of_type(f, server, name, types[i]);
                if ((int)got[i].kind == wanted && answer_is_usable(f, types[i]) == is_usable)
                    return got[i];
            }
    /* Neither has an address: the one that this host needs, A before AAAA. */
    for (int i = 1; i >= 0; i--)
        if (got[i].kind != ANSWER_NONE &&
            (best.kind == ANSWER_NONE || answer_is_usable(f, types[i])))
            best = got[i];
    return best;
}

struct answer answer_of_amazon(const struct fact_facts *f, struct str name)
{
    struct answer best = { ANSWER_NONE, NULL };
    for (size_t i = 0; f->surroundings.inside != FACT_NO && i < f->servers.n; i++) {
        if (f->servers.v[i].is_amazon != FACT_YES)
            continue;
        struct answer a = answer_of(f, f->servers.v[i].address, name);
        if (a.kind > best.kind)
            best = a;
    }
    return best;
}

bool answer_amazon_knows_all(const struct fact_facts *f)
{
    size_t n_known = 0;
    for (size_t i = 0; i < f->names.n; i++) {
        if (!answer_is_needed(f, &f->names.v[i]))
            continue;
        if (answer_of_amazon(f, f->names.v[i].name).kind != ANSWER_GOOD)
            return false;
        n_known++;
    }
    return n_known > 0;
}

/* S3's own names and those of any bucket are in public DNS, whether the bucket exists or not. */
static bool is_public_s3(const struct fact_name *name)
{
    return name->is_aws == FACT_YES && !str_contains(name->name, STR(".vpce.")) &&
           (view_is(name->purpose, "s3") || view_is(name->purpose, "bucket"));
}

enum answer_truth answer_truth(const struct fact_facts *f, const struct fact_name *name,
                               const struct fact_question **witness)
{
    struct answer amazon = answer_of_amazon(f, name->name);
    *witness = NULL;
    if (amazon.kind == ANSWER_GOOD) {
        *witness = amazon.question;
        return ANSWER_IS_THERE;
    }
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers);
    for (unsigned i = 0; i < n && *witness == NULL; i++) {
        struct answer a = answer_of(f, servers[i]->address, name->name);
        if (a.kind == ANSWER_GOOD)
            *witness = a.question;
    }
    if (*witness != NULL || is_public_s3(name))
        return ANSWER_IS_THERE;
    if (amazon.kind == ANSWER_NXDOMAIN || amazon.kind == ANSWER_NODATA) {
        *witness = amazon.question;
        return ANSWER_IS_NOT_THERE;
    }
    return ANSWER_UNSURE;
}

bool answer_is_needed(const struct fact_facts *f, const struct fact_name *name)
{
    struct addr a;
    return view_is_needed(name) && name->name.n > 0 && !addr_parse_ip(name->name, &a) &&
           !view_is_in_hosts(f, name->name);
}

static int source_rank(const struct fact_server *s)
{
    return view_is(s->source, "resolv.conf") ? 1 : view_is(s->source, "settings") ? 2 : 0;
}

static bool goes_before(const struct fact_server *a, const struct fact_server *b)
{
    int rank_a = source_rank(a), rank_b = source_rank(b);
    return rank_a != rank_b ? rank_a < rank_b : a->place < b->place;
}

unsigned answer_servers(const struct fact_facts *f,
                        const struct fact_server *out[static ANSWER_MAX_SERVERS])
{
    unsigned n = 0;
    if (f->surroundings.inside == FACT_NO)
        return 0;
    for (size_t i = 0; i < f->servers.n && n < ANSWER_MAX_SERVERS; i++) {
        const struct fact_server *s = &f->servers.v[i];
        if (source_rank(s) == 0)
            continue;
        unsigned at = n++;
        for (; at > 0 && goes_before(s, out[at - 1]); at--)
            out[at] = out[at - 1];
        out[at] = s;
    }
    return n;
}

bool answer_counts(const struct fact_facts *f, const struct fact_server *s)
{
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    unsigned n = answer_servers(f, servers);
    bool is_rotated = f->resolv_conf.rotate == FACT_YES && view_is(s->source, "resolv.conf");
    for (unsigned i = 0; i < n && servers[i] != s; i++) {
        struct answer_traffic t = answer_traffic(f, servers[i]->address);
        if (str_eq(servers[i]->source, s->source) && t.replied > 0 && !is_rotated)
            return false;
    }
    return true;
}

struct answer_traffic answer_traffic(const struct fact_facts *f, struct str server)
{
    struct answer_traffic t = { 0 };
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (!str_eq(q->server, server) || view_is(q->transport, "tcp") ||
            view_is(q->outcome, "failed") || answer_tries(q) == 0)
            continue;
        t.questions++;
        t.replied += answer_replies(q) > 0;
        t.no_route += view_is(q->outcome, "no_route");
        t.icmp += view_is(q->outcome, "unreachable");
        t.tries += answer_tries(q);
        t.replies += answer_replies(q);
    }
    return t;
}

bool answer_is_silent(const struct answer_traffic *t)
{
    return t->replied == 0 && t->no_route < t->questions && (t->icmp > 0 || t->tries > 1);
}
