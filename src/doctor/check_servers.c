#include "doctor/check.h"

#include "codec/addr.h"
#include "doctor/answer.h"
#include "doctor/evidence.h"
#include "doctor/words.h"

/* Which servers are listed: resolv.conf against the option set, against the task's metadata. */
enum { LIBC_SERVERS = 3 /* resolv.conf(5), MAXNS */ };

static bool is_outside(struct diagnosis *d, enum finding_code code)
{
    if (d->facts->surroundings.inside != FACT_NO)
        return false;
    check_skip(d, code, "this host's resolv.conf is not the task's");
    return true;
}

static bool is_known(const struct fact_resolv_conf *r)
{
    return r->path.n > 0 || r->error.n > 0 || r->servers.n > 0;
}

static void say_list(struct diagnosis *d, struct finding *f, const char *whose,
                     const struct fact_texts *list)
{
    finding_evidence(d, f, "%s: %.*s", whose, STR_ARG(evidence_list(d, list)));
}

/* Amazon's servers in the list; *first is the place of the first one, from 0. */
static size_t count_amazon(const struct fact_facts *f, const struct fact_texts *list, size_t *first)
{
    size_t n = 0;
    for (size_t i = list->n; i-- > 0;)
        if (view_is_amazon(f, list->v[i])) {
            *first = i;
            n++;
        }
    return n;
}

static void check_order(struct diagnosis *d)
{
    const struct fact_texts *list = &d->facts->resolv_conf.servers;
    size_t first = 0, n = count_amazon(d->facts, list, &first);
    if (is_outside(d, PS1007))
        return;
    if (n == 0) {
        check_skip(d, PS1007, "resolv.conf does not list Amazon's DNS server");
        return;
    }
    if (first == 0) {
        check_pass(d, PS1007);
        return;
    }
    struct finding *f = check_fail(d, PS1007, list->v[first]);
    finding_title(d, f, "Amazon's DNS server is number %zu of the list, which helps no program",
                  first + 1);
    say_list(d, f, "resolv.conf", list);
    words_fix_dhcp(d, f);
    finding_note(d, f, "a program stops at the first server's answer, also when that is a no");
    words_note_proxy(d, f, list->v[0]);
}

static bool is_mixed(const struct fact_facts *f, const struct fact_texts *list)
{
    size_t first, n = count_amazon(f, list, &first);
    return n > 0 && n < list->n;
}

static void check_mix(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_texts *option = view_dhcp_option(f, "domain-name-servers");
    bool is_inside = f->surroundings.inside != FACT_NO;
    if ((!is_inside || f->resolv_conf.servers.n == 0) && option->n == 0) {
        check_skip(d, PS1008, "no list of DNS servers is known");
        return;
    }
    if (is_inside && is_mixed(f, &f->resolv_conf.servers))
        say_list(d, check_fail(d, PS1008, STR("resolv.conf")), "resolv.conf",
                 &f->resolv_conf.servers);
    if (is_mixed(f, option))
        say_list(d, check_fail(d, PS1008, f->dhcp.id), "domain-name-servers of the option set",
                 option);
    if (check_failed(d, PS1008))
        words_fix_dhcp(d, d->results[PS1008].finding);
    else
        check_pass(d, PS1008);
}

static void check_number(struct diagnosis *d)
{
    const struct fact_texts *list = &d->facts->resolv_conf.servers;
    if (is_outside(d, PS1009))
        return;
    if (list->n == 0)
        check_skip(d, PS1009, "resolv.conf lists no DNS server");
    else if (list->n <= LIBC_SERVERS)
        check_pass(d, PS1009);
    else {
        struct finding *f = check_fail(d, PS1009, list->v[LIBC_SERVERS]);
        say_list(d, f, "resolv.conf", list);
        finding_evidence(d, f, "never asked by the C library: %.*s%s",
                         STR_ARG(list->v[LIBC_SERVERS]),
                         list->n > LIBC_SERVERS + 1 ? " and what follows" : "");
        finding_fix(d, f, "List three DNS servers at most, those that know all names.");
        words_fix_dhcp(d, f);
    }
}

static void check_any(struct diagnosis *d)
{
    const struct fact_resolv_conf *r = &d->facts->resolv_conf;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    bool has_settings = answer_servers(d->facts, servers) > 0;
    struct str path = r->path.n > 0 ? r->path : STR("resolv.conf");
    if (is_outside(d, PS1010))
        return;
    if (!is_known(r)) {
        check_skip(d, PS1010, "resolv.conf was not read");
        return;
    }
    if (r->error.n == 0 && r->servers.n > 0) {
        check_pass(d, PS1010);
        return;
    }
    struct finding *f = check_fail(d, PS1010, path);
    if (r->error.n > 0) {
        finding_title(d, f, "the list of DNS servers cannot be read");
        finding_evidence(d, f, "%.*s: %.*s", STR_ARG(path), STR_ARG(r->error));
    } else {
        finding_evidence(d, f, "%.*s: no nameserver line", STR_ARG(path));
        if (r->bad_lines > 0)
            finding_evidence(d, f, "%.*s: %lld lines that could not be understood", STR_ARG(path),
                             (long long)r->bad_lines);
    }
    finding_fix(d, f, "Give the task DNS servers: the VPC's DHCP option set has to name some.");
    words_fix_dhcp(d, f);
    finding_fix(d, f, "PENSTOCK_DNS_SERVERS=169.254.169.253 (for penstock alone, inside a VPC)");
    words_note_proxy(d, f, STR(""));
    if (f != NULL && has_settings) {
        f->severity = FINDING_WARNING;
        finding_note(d, f,
                     "penstock takes its servers from PENSTOCK_DNS_SERVERS; others here "
                     "have none");
    }
}

static int64_t n_dots(struct str name)
{
    int64_t n = 0;
    for (size_t i = 0; i < name.n; i++)
        n += name.p[i] == '.';
    return n;
}

/* Whether programs try the name with the search list before they try it as it is. */
static bool is_expanded(const struct fact_resolv_conf *r, struct str name)
{
    return r->search.n > 0 && n_dots(name) < (r->ndots > 0 ? r->ndots : 1);
}

/* The name that was asked for with a search domain behind it; NULL: none. */
static const struct fact_name *base_of(const struct fact_facts *f, struct str long_name)
{
    for (size_t i = 0; i < f->names.n; i++) {
        const struct fact_name *n = &f->names.v[i];
        if (answer_is_needed(f, n) && n->name.n < long_name.n && long_name.p[n->name.n] == '.' &&
            str_eq_nocase(str_first(long_name, n->name.n), n->name))
            return n;
    }
    return NULL;
}

/* A name with a search domain behind it exists, and programs come to it. */
static void find_shadows(struct diagnosis *d, const struct fact_server *s)
{
    const struct fact_facts *f = d->facts;
    for (size_t i = 0; i < f->names.n; i++) {
        struct str name = f->names.v[i].name;
        const struct fact_name *base = base_of(f, name);
        struct answer got = answer_of(f, s->address, name);
        if (!view_is(f->names.v[i].purpose, "search") || base == NULL ||
            (got.kind != ANSWER_GOOD && got.kind != ANSWER_BLOCKED))
            continue;
        bool goes_first = is_expanded(&f->resolv_conf, base->name);
        enum answer_kind plain = answer_of(f, s->address, base->name).kind;
        if (!goes_first && plain != ANSWER_NXDOMAIN && plain != ANSWER_NODATA)
            continue;
        struct finding *to = check_fail(d, PS1015, name);
        struct buf line;
        buf_init(&line, EVIDENCE_BYTES);
        evidence_put_question(got.question, &line);
        finding_evidence(d, to, "%.*s; programs ask for it %s %.*s", STR_ARG(buf_str(&line)),
                         goes_first ? "before" : "after a no for", STR_ARG(base->name));
        buf_done(&line);
        if (to != NULL) {
            to->severity = FINDING_WARNING;
            finding_title(d, to, "a search domain answers in place of %.*s", STR_ARG(base->name));
        }
    }
}

static void check_search(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_resolv_conf *r = &f->resolv_conf;
    const struct fact_server *servers[ANSWER_MAX_SERVERS];
    if (is_outside(d, PS1015))
        return;
    if (r->search.n == 0) {
        check_skip(d, PS1015, "resolv.conf has no search list");
        return;
    }
    if (answer_servers(f, servers) > 0)
        find_shadows(d, servers[0]);
    for (size_t i = 0; i < f->names.n && r->search.n > 1; i++) {
        struct str name = f->names.v[i].name;
        if (!answer_is_needed(f, &f->names.v[i]) || !is_expanded(r, name))
            continue;
        struct finding *to = check_fail(d, PS1015, name);
        finding_evidence(d, to,
                         "%.*s has fewer dots than ndots (%lld): %zu names are asked for, the "
                         "right one last",
                         STR_ARG(name), (long long)(r->ndots > 0 ? r->ndots : 1), r->search.n + 1);
    }
    struct finding *to = d->results[PS1015].finding;
    if (to == NULL) {
        check_pass(d, PS1015);
        return;
    }
    say_list(d, to, "search", &r->search);
    finding_fix(d, to,
                "Shorten the search list or lower ndots, or write names with a dot at the "
                "end where the program allows it.");
    finding_note(d, to, "penstock does not use the search list");
}

static bool is_loopback(struct str address)
{
    struct addr a;
    return addr_parse_ip(address, &a) && addr_classify(&a) == ADDR_LOOPBACK;
}

/* A resolver of this host stands in between, on purpose. */
static bool is_local(const struct fact_texts *list)
{
    for (size_t i = 0; i < list->n; i++)
        if (!is_loopback(list->v[i]))
            return false;
    return list->n > 0;
}

static bool is_same_server(const struct fact_facts *f, struct str a, struct str b)
{
    struct addr x, y;
    if (str_eq_nocase(a, b))
        return true;
    if (str_eq_nocase(a, STR("AmazonProvidedDNS")) || str_eq_nocase(b, STR("AmazonProvidedDNS")))
        return view_is_amazon(f, a) && view_is_amazon(f, b);
    return addr_parse_ip(a, &x) && addr_parse_ip(b, &y) && addr_ip_eq(&x, &y);
}

/* The option set's list comes as it is, but for AmazonProvidedDNS: IPv4, IPv6 or both. */
static bool is_same_list(const struct fact_facts *f, const struct fact_texts *option,
                         const struct fact_texts *list)
{
    size_t at = 0;
    for (size_t i = 0; i < option->n; i++) {
        if (at == list->n || !is_same_server(f, option->v[i], list->v[at]))
            return false;
        at++;
        while (str_eq_nocase(option->v[i], STR("AmazonProvidedDNS")) && at < list->n &&
               view_is_amazon(f, list->v[at]))
            at++;
    }
    return at == list->n;
}

static const struct fact_texts *metadata_servers(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->metadata.networks.n; i++)
        if (f->metadata.networks.v[i].dns_servers.n > 0)
            return &f->metadata.networks.v[i].dns_servers;
    return NULL;
}

/* dnsServers of the task definition took effect (bridge mode on EC2). */
static bool is_of_definition(const struct fact_facts *f, const struct fact_texts *list)
{
    for (size_t i = 0; i < f->task.containers.n; i++) {
        const struct fact_texts *own = &f->task.containers.v[i].dns_servers;
        if (own->n > 0 && is_same_list(f, own, list))
            return true;
    }
    return false;
}

static void check_age(struct diagnosis *d)
{
    static const enum finding_code code[] = { PS1018 };
    const struct fact_facts *f = d->facts;
    const struct fact_texts *list = &f->resolv_conf.servers, *given = metadata_servers(f);
    if (is_outside(d, PS1018))
        return;
    if (list->n == 0 || is_local(list) || is_of_definition(f, list)) {
        check_skip(d, PS1018,
                   list->n == 0 ? "resolv.conf lists no DNS server"
                                : "resolv.conf is not made of the option set");
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeDhcpOptions", code, 1))
        return;
    const struct fact_texts *option = view_dhcp_option(f, "domain-name-servers");
    if (option->n == 0) {
        check_skip(d, PS1018, "the VPC's option set names no DNS servers");
        return;
    }
    if (is_same_list(f, option, list) || (given != NULL && is_same_list(f, option, given))) {
        check_pass(d, PS1018);
        return;
    }
    struct finding *to = check_fail(d, PS1018, f->dhcp.id);
    say_list(d, to, "resolv.conf", list);
    say_list(d, to, "domain-name-servers of the option set in force", option);
    finding_fix(d, to, "Start new tasks: a change of the option set never reaches running ones.");
    words_fix_tasks(d, to);
    if (!view_dhcp_is_right(f))
        finding_note(d, to,
                     "the option set in force names others than Amazon's server: look at "
                     "it before new tasks get it");
}

static void check_edited(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    const struct fact_texts *list = &f->resolv_conf.servers, *given = metadata_servers(f);
    if (is_outside(d, PS1021))
        return;
    if (given == NULL || !is_known(&f->resolv_conf)) {
        check_skip(d, PS1021,
                   given == NULL ? "the task's metadata names no DNS servers"
                                 : "resolv.conf was not read");
        return;
    }
    if (list->n == 0 || is_local(list) || is_of_definition(f, list) ||
        is_same_list(f, given, list)) {
        check_pass(d, PS1021);
        return;
    }
    struct finding *to = check_fail(d, PS1021, f->resolv_conf.path);
    say_list(d, to, "resolv.conf", list);
    say_list(d, to, "DomainNameServers of the task's metadata", given);
    finding_fix(d, to,
                "Find what rewrites resolv.conf in the image or the task definition, remove "
                "it, and start a new task.");
    finding_fix(d, to, "grep -rn resolv.conf /docker-entrypoint* /usr/local/bin");
    finding_note(d, to,
                 "where penstock alone shall ask other servers, PENSTOCK_DNS_SERVERS names "
                 "them");
}

void check_servers(struct diagnosis *d)
{
    check_order(d);
    check_mix(d);
    check_number(d);
    check_any(d);
    check_search(d);
    check_age(d);
    check_edited(d);
}
