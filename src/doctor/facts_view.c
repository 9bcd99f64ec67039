#include "doctor/facts_view.h"

#include "codec/addr.h"

const struct fact_server *view_server(const struct fact_facts *f, struct str address)
{
    for (size_t i = 0; i < f->servers.n; i++)
        if (str_eq(f->servers.v[i].address, address))
            return &f->servers.v[i];
    return NULL;
}

/* How well a question stands for what programs get: they ask over UDP. */
static int worth(const struct fact_question *q)
{
    if (view_is(q->outcome, "not_asked"))
        return 0;
    return view_is(q->transport, "udp") ? q->edns == FACT_YES ? 3 : 2 : 1;
}

static const struct fact_question *find_question(const struct fact_facts *f, struct str server,
                                                 struct str name, struct str type)
{
    const struct fact_question *best = NULL;
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (str_eq(q->server, server) && str_eq_nocase(q->name, name) && str_eq(q->type, type) &&
            (best == NULL || worth(q) > worth(best)))
            best = q;
    }
    return best;
}

const struct fact_question *view_question(const struct fact_facts *f, struct str server,
                                          struct str name, const char *type)
{
    if (type != NULL)
        return find_question(f, server, name, str_from_c(type));
    const struct fact_question *v4 = find_question(f, server, name, STR("A"));
    if (v4 != NULL && view_is(v4->outcome, "answer"))
        return v4;
    const struct fact_question *v6 = find_question(f, server, name, STR("AAAA"));
    return v4 == NULL || (v6 != NULL && view_is(v6->outcome, "answer")) ? v6 : v4;
}

const struct fact_server *view_first_server(const struct fact_facts *f)
{
    const struct fact_server *first = NULL;
    for (size_t i = 0; i < f->servers.n; i++) {
        const struct fact_server *s = &f->servers.v[i];
        if (s->place == 1 && view_is(s->source, "resolv.conf"))
            return s;
        if (first == NULL && s->place == 1 && view_is(s->source, "settings"))
            first = s;
    }
    return first;
}

const struct fact_server *view_amazon(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->servers.n; i++)
        if (f->servers.v[i].is_amazon == FACT_YES && f->servers.v[i].answered > 0)
            return &f->servers.v[i];
    return NULL;
}

/* The primary CIDR's base plus two. */
static bool is_plus_two(struct str cidr_text, const struct addr *a)
{
    struct cidr cidr;
    size_t n, n_base;
    if (!cidr_parse(cidr_text, &cidr))
        return false;
    const uint8_t *bytes = addr_bytes(a, &n), *base = addr_bytes(&cidr.addr, &n_base);
    return n == n_base && memcmp(bytes, base, n - 1) == 0 && bytes[n - 1] == base[n - 1] + 2;
}

bool view_is_amazon(const struct fact_facts *f, struct str address)
{
    static const char *const known[] = { "169.254.169.253", "fd00:ec2::253" };
    struct addr a, amazon;
    if (str_eq_nocase(address, STR("AmazonProvidedDNS")))
        return true;
    if (!addr_parse_ip(address, &a))
        return false;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (addr_parse_ip(str_from_c(known[i]), &amazon) && addr_ip_eq(&a, &amazon))
            return true;
    if (f->vpc.cidrs.n > 0 && is_plus_two(f->vpc.cidrs.v[0], &a))
        return true;
    const struct fact_server *s = view_server(f, address);
    return s != NULL && s->is_amazon == FACT_YES;
}

const struct fact_call *view_call(const struct fact_facts *f, const char *action)
{
    const struct fact_call *last = NULL;
    for (size_t i = 0; i < f->calls.n; i++)
        if (view_is(f->calls.v[i].action, action))
            last = &f->calls.v[i];
    return last;
}

bool view_call_is_ok(const struct fact_facts *f, const char *action)
{
    const struct fact_call *call = view_call(f, action);
    return call != NULL && view_is(call->outcome, "ok");
}

const struct fact_name *view_name(const struct fact_facts *f, const char *purpose)
{
    for (size_t i = 0; i < f->names.n; i++)
        if (view_is(f->names.v[i].purpose, purpose))
            return &f->names.v[i];
    return NULL;
}

bool view_is_needed(const struct fact_name *name)
{
    return view_is(name->purpose, "s3") || view_is(name->purpose, "bucket") ||
           view_is(name->purpose, "registry");
}

bool view_is_in_hosts(const struct fact_facts *f, struct str name)
{
    for (size_t i = 0; i < f->hosts.n; i++)
        if (view_is_same_name(f->hosts.v[i].name, name))
            return true;
    return false;
}

bool view_connects(const struct fact_connection *c)
{
    return view_is(c->outcome, "ok") && (c->tls.n == 0 || view_is(c->tls, "ok"));
}

const struct fact_texts *view_dhcp_option(const struct fact_facts *f, const char *key)
{
    static const struct fact_texts none;
    for (size_t i = 0; i < f->dhcp.options.n; i++)
        if (view_is(f->dhcp.options.v[i].key, key))
            return &f->dhcp.options.v[i].values;
    return &none;
}

bool view_dhcp_is_right(const struct fact_facts *f)
{
    const struct fact_texts *servers = view_dhcp_option(f, "domain-name-servers");
    for (size_t i = 0; i < servers->n; i++)
        if (!view_is_amazon(f, servers->v[i]))
            return false;
    return servers->n > 0;
}

void view_answer_text(const struct fact_question *q, struct buf *out)
{
    static const struct {
        const char *outcome, *text;
    } words[] = {
        { "nodata", "no address" },         { "nxdomain", "NXDOMAIN" },
        { "servfail", "SERVFAIL" },         { "refused", "REFUSED" },
        { "formerr", "FORMERR" },           { "notimp", "NOTIMP" },
        { "malformed", "damaged reply" },   { "timeout", "no answer" },
        { "unreachable", "port closed" },   { "no_route", "no route" },
        { "failed", "could not be asked" }, { "not_asked", "not asked" },
    };
    if (view_is(q->outcome, "answer")) {
        for (size_t i = 0; i < q->addresses.n; i++)
            buf_printf(out, "%s%.*s", i ? ", " : "", STR_ARG(q->addresses.v[i]));
        return;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (view_is(q->outcome, words[i].outcome)) {
            buf_append(out, str_from_c(words[i].text));
            return;
        }
    buf_printf(out, "RCODE %lld", (long long)q->rcode);
}

static struct str without_dot(struct str name)
{
    return name.n > 0 && name.p[name.n - 1] == '.' ? str_first(name, name.n - 1) : name;
}

bool view_is_same_name(struct str a, struct str b)
{
    return str_eq_nocase(without_dot(a), without_dot(b));
}

bool view_is_below(struct str name, struct str zone)
{
    name = without_dot(name);
    zone = without_dot(zone);
    if (zone.n == 0 || str_eq_nocase(name, zone))
        return true;
    return name.n > zone.n && name.p[name.n - zone.n - 1] == '.' && str_ends_nocase(name, zone);
}
