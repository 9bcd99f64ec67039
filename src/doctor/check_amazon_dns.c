#include "doctor/answer.h"
#include "doctor/check_parts.h"
#include "doctor/evidence.h"
#include "doctor/live_view.h"
#include "doctor/shell_word.h"
#include "doctor/way_view.h"

static bool has_private_namespace(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->namespaces.n; i++)
        if (view_is(f->namespaces.v[i].type, "DNS_PRIVATE"))
            return true;
    return false;
}

/* Private zones and private DNS alone need DNS hostnames. Where nothing says that there are none,
 * there may be some. */
static bool may_need_hostnames(const struct fact_facts *f)
{
    if (f->hosted_zones.n > 0 || has_private_namespace(f))
        return true;
    for (size_t i = 0; i < f->endpoints.n; i++)
        if (f->endpoints.v[i].private_dns == FACT_YES &&
            str_eq_nocase(f->endpoints.v[i].type, STR("Interface")))
            return true;
    return !view_call_is_ok(f, "ec2:DescribeVpcEndpoints") ||
           !view_call_is_ok(f, "route53:ListHostedZonesByVPC");
}

static void fail_attribute(struct diagnosis *d, enum finding_code code, const char *attribute,
                           const char *option, const char *sentence)
{
    struct finding *f = check_fail(d, code, d->facts->vpc.id);
    finding_evidence(d, f, "%s of %.*s is false", attribute, STR_ARG(d->facts->vpc.id));
    for (size_t i = 0; i < d->facts->names.n; i++) {
        const struct fact_question *q =
            answer_of_amazon(d->facts, d->facts->names.v[i].name).question;
        if (q != NULL && view_is_needed(&d->facts->names.v[i]) && !view_is(q->outcome, "answer"))
            evidence_question(d, f, q);
    }
    finding_fix(d, f, "%s", sentence);
    finding_fix(d, f, "aws ec2 modify-vpc-attribute%.*s --vpc-id %.*s %s '{\"Value\":true}'",
                STR_ARG(shell_region(d)), STR_ARG(shell_vpc(d->facts)), option);
}

/* Where every name works from inside, the VPC does without. */
static void judge_attributes(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2001, PS2002 };
    const struct fact_facts *f = d->facts;
    bool works = live_all_works(f);
    if (works && view_call(f, "ec2:DescribeVpcAttribute") == NULL) {
        check_pass(d, PS2001);
        check_pass(d, PS2002);
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeVpcAttribute", codes, 2))
        return;
    if (f->vpc.dns_support == FACT_UNKNOWN)
        check_unknown(d, PS2001, "enableDnsSupport of the VPC was not told");
    else if (f->vpc.dns_support == FACT_YES || works)
        check_pass(d, PS2001);
    else
        fail_attribute(d, PS2001, "enableDnsSupport", "--enable-dns-support",
                       "Turn DNS support on: without it Amazon's DNS server answers nothing.");
    if (f->vpc.dns_hostnames == FACT_UNKNOWN)
        check_unknown(d, PS2002, "enableDnsHostnames of the VPC was not told");
    else if (f->vpc.dns_hostnames == FACT_YES || works || !may_need_hostnames(f))
        check_pass(d, PS2002);
    else
        fail_attribute(d, PS2002, "enableDnsHostnames", "--enable-dns-hostnames",
                       "Turn DNS hostnames on: endpoints' private DNS and private hosted zones "
                       "need it.");
}

static bool names_amazon(const struct fact_facts *f, const struct fact_texts *servers)
{
    for (size_t i = 0; i < servers->n; i++)
        if (view_is_amazon(f, servers->v[i]))
            return true;
    return false;
}

static bool is_local_stub(const struct fact_server *s)
{
    return str_starts(s->address, STR("127.")) || view_is(s->address, "::1");
}

/* The first of the listed servers that was asked decides, like for programs; a stub on this host
 * (systemd-resolved, Docker) asks the listed ones. */
static bool listed_are_good(const struct fact_facts *f, const struct fact_texts *listed)
{
    for (size_t i = 0; i < listed->n; i++)
        if (view_server(f, listed->v[i]) != NULL && view_server(f, listed->v[i])->sent > 0)
            return live_server_is_good(f, listed->v[i]);
    const struct fact_server *first = view_first_server(f);
    return first != NULL && is_local_stub(first) && live_server_is_good(f, first->address);
}

static const struct fact_resolver_endpoint *inbound_endpoint(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->resolver_endpoints.n; i++) {
        const struct fact_resolver_endpoint *e = &f->resolver_endpoints.v[i];
        if (view_is(e->direction, "INBOUND") && view_is(e->status, "OPERATIONAL"))
            return e;
    }
    return NULL;
}

static bool was_any_asked(const struct fact_facts *f, const struct fact_texts *listed)
{
    for (size_t i = 0; live_is_inside(f) && i < listed->n; i++)
        if (view_server(f, listed->v[i]) != NULL && view_server(f, listed->v[i])->sent > 0)
            return true;
    return false;
}

static void fail_option_set(struct diagnosis *d, const struct fact_texts *listed)
{
    const struct fact_facts *facts = d->facts;
    const struct fact_resolver_endpoint *inbound = inbound_endpoint(facts);
    struct finding *f = check_fail(d, PS2003, facts->dhcp.id);
    if (view_is(facts->dhcp.id, "default"))
        finding_evidence(d, f, "the VPC has no DHCP option set: nobody is told of a DNS server");
    else if (listed->n == 0)
        finding_evidence(d, f, "option set %.*s has no domain-name-servers",
                         STR_ARG(facts->dhcp.id));
    else
        finding_evidence(d, f, "option set %.*s: domain-name-servers = %.*s",
                         STR_ARG(facts->dhcp.id), STR_ARG(evidence_list(d, listed)));
    for (size_t i = 0; i < facts->names.n; i++) {
        const struct fact_question *q =
            listed->n > 0 ? view_question(facts, listed->v[0], facts->names.v[i].name, NULL) : NULL;
        if (q != NULL && view_is_needed(&facts->names.v[i]) && live_is_inside(facts) &&
            !view_is(q->outcome, "not_asked"))
            evidence_question(d, f, q);
    }
    if (f != NULL && listed->n > 0 && inbound != NULL && !was_any_asked(facts, listed)) {
        f->severity = FINDING_WARNING;
        finding_note(d, f,
                     "%.*s is an inbound endpoint (%.*s): where the listed servers forward AWS "
                     "names to it, nothing is wrong; run the doctor inside the task to see",
                     STR_ARG(inbound->id), STR_ARG(evidence_list(d, &inbound->addresses)));
    }
    finding_fix(d, f,
                "Give the VPC AmazonProvidedDNS alone, and corporate zones by an outbound Resolver "
                "rule; then start new tasks.");
    finding_fix(d, f, "penstock fix dhcp --vpc %.*s%.*s", STR_ARG(shell_vpc(d->facts)),
                STR_ARG(shell_region(d)));
}

static void judge_option_set(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2003 };
    if (!check_needs_call(d, "ec2:DescribeVpcs", codes, 1))
        return;
    bool is_default = view_is(d->facts->dhcp.id, "default");
    if (!is_default && !check_needs_call(d, "ec2:DescribeDhcpOptions", codes, 1))
        return;
    const struct fact_texts *listed = view_dhcp_option(d->facts, "domain-name-servers");
    if (!is_default && d->facts->dhcp.options.n == 0)
        check_unknown(d, PS2003, "the options of %.*s were not told", STR_ARG(d->facts->dhcp.id));
    else if (names_amazon(d->facts, listed) || listed_are_good(d->facts, listed))
        check_pass(d, PS2003);
    else
        fail_option_set(d, listed);
}

/* fd00:ec2::253 does not count: it is there on Nitro instances with IPv6 alone. What was given by
 * an option and ends like VPC+2 is meant as such, where nobody knows the VPC. */
static bool is_one_of_two(const struct fact_facts *f, const struct fact_server *s)
{
    if (s->sent <= 0 || view_is(s->address, "fd00:ec2::253"))
        return false;
    return s->is_amazon == FACT_YES || view_is_amazon(f, s->address) ||
           (view_is(s->source, "option") && f->vpc.cidrs.n == 0 && str_ends(s->address, STR(".2")));
}

static void judge_both_addresses(struct diagnosis *d)
{
    const struct fact_server *silent = NULL, *speaks = NULL;
    unsigned n_asked = 0;
    for (size_t i = 0; live_is_inside(d->facts) && i < d->facts->servers.n; i++) {
        const struct fact_server *s = &d->facts->servers.v[i];
        if (!is_one_of_two(d->facts, s))
            continue;
        n_asked++;
        *(s->answered > 0 ? &speaks : &silent) = s;
    }
    if (n_asked < 2) {
        check_skip(d, PS2004, "not both of Amazon's addresses were asked");
    } else if (silent == NULL) {
        check_pass(d, PS2004);
    } else if (speaks == NULL) {
        check_skip(d, PS2004, "none of Amazon's addresses answers");
    } else {
        struct finding *f = check_fail(d, PS2004, silent->address);
        finding_evidence(d, f, "%.*s: no reply to %lld questions", STR_ARG(silent->address),
                         (long long)silent->sent);
        finding_evidence(d, f, "%.*s: %lld of %lld questions answered", STR_ARG(speaks->address),
                         (long long)speaks->answered, (long long)speaks->sent);
        finding_fix(d, f,
                    "Use %.*s; look at the network ACL and local firewall rules for UDP and "
                    "TCP 53 to %.*s.",
                    STR_ARG(speaks->address), STR_ARG(silent->address));
    }
}

enum { LATE_US = 1000000, MAX_LATE = 8 };

/* How a forwarder looks whose own upstream never answers it: it gives up late. */
static bool is_late_failure(const struct fact_question *q)
{
    return view_is(q->outcome, "timeout") ||
           (view_is(q->outcome, "servfail") && q->time_us >= LATE_US);
}

struct forwarder {
    const struct fact_question *late[MAX_LATE];
    unsigned n_late, n_other; /* n_other: names with a reply in time */
    bool loses;               /* packets get lost, whatever is asked */
};

/* Some question for the name was answered in time, by another way or without EDNS. */
static bool is_told_at_all(const struct fact_facts *f, const struct fact_question *late)
{
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (str_eq(q->server, late->server) && view_is_same_name(q->name, late->name) &&
            q->replies > 0 && !is_late_failure(q))
            return true;
    }
    return false;
}

/* Only names that Amazon itself has: others fail for reasons of their own. */
static struct forwarder look_at(const struct fact_facts *f, const struct fact_server *s)
{
    struct forwarder w = { .n_late = 0 };
    for (size_t i = 0; i < f->names.n; i++) {
        const struct fact_question *q = view_question(f, s->address, f->names.v[i].name, NULL);
        if (q == NULL)
            continue;
        if (is_late_failure(q)) {
            if (w.n_late < MAX_LATE && !is_told_at_all(f, q) &&
                answer_of_amazon(f, q->name).kind == ANSWER_GOOD)
                w.late[w.n_late++] = q;
        } else if (q->replies > 0 && q->time_us < LATE_US) {
            w.n_other++;
            w.loses = w.loses || q->replies < q->tries;
        }
    }
    return w;
}

static void fail_forwarder(struct diagnosis *d, const struct fact_server *s,
                           const struct forwarder *w)
{
    static const char *const action = "route53resolver:ListResolverEndpoints";
    const struct fact_resolver_endpoint *inbound = inbound_endpoint(d->facts);
    struct finding *f = check_fail(d, PS2009, s->address);
    if (f != NULL && answer_counts(d->facts, s))
        f->severity = FINDING_ERROR;
    finding_title(d, f, "%.*s looks like it forwards AWS names to an address that cannot answer it",
                  STR_ARG(s->address));
    for (unsigned i = 0; i < w->n_late; i++) {
        evidence_question(d, f, w->late[i]);
        evidence_question(d, f, answer_of_amazon(d->facts, w->late[i]->name).question);
    }
    finding_evidence(d, f, "%.*s answers other questions in time", STR_ARG(s->address));
    if (inbound != NULL)
        finding_evidence(d, f, "inbound endpoint %.*s: %.*s", STR_ARG(inbound->id),
                         STR_ARG(evidence_list(d, &inbound->addresses)));
    else if (view_call_is_ok(d->facts, action))
        finding_evidence(d, f, "the VPC has no operational inbound Resolver endpoint");
    finding_fix(d, f,
                "Let it forward AWS names to a Resolver inbound endpoint: VPC+2 and "
                "169.254.169.253 answer nobody outside of the VPC.");
    finding_fix(
        d, f, "penstock forwarding --for bind --to %.*s",
        STR_ARG(shell_word(inbound != NULL && inbound->addresses.n > 0 ? inbound->addresses.v[0]
                                                                       : (struct str){ NULL, 0 },
                           "INBOUND-IP")));
}

static void judge_forwarders(struct diagnosis *d)
{
    bool was_asked = false;
    for (size_t i = 0; live_is_inside(d->facts) && i < d->facts->servers.n; i++) {
        const struct fact_server *s = &d->facts->servers.v[i];
        if (s->sent <= 0 || view_is_amazon(d->facts, s->address))
            continue;
        was_asked = true;
        struct forwarder w = look_at(d->facts, s);
        if (w.n_late > 0 && w.n_other > 0 && !w.loses)
            fail_forwarder(d, s, &w);
    }
    if (was_asked && view_amazon(d->facts) != NULL)
        check_pass(d, PS2009);
    else
        check_skip(d, PS2009, "no server beside Amazon's was asked for the same names");
}

/* The VPC's own, and those that its rules use. */
static bool is_ours(const struct fact_facts *f, const struct fact_resolver_endpoint *e)
{
    if (e->vpc_id.n == 0 || f->vpc.id.n == 0 || str_eq(e->vpc_id, f->vpc.id))
        return true;
    for (size_t i = 0; i < f->resolver_rules.n; i++)
        if (str_eq(f->resolver_rules.v[i].endpoint_id, e->id))
            return true;
    return false;
}

static void judge_endpoints(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2010 };
    if (!check_needs_call(d, "route53resolver:ListResolverEndpoints", codes, 1))
        return;
    for (size_t i = 0; i < d->facts->resolver_endpoints.n; i++) {
        const struct fact_resolver_endpoint *e = &d->facts->resolver_endpoints.v[i];
        if (!is_ours(d->facts, e) || e->status.n == 0 || view_is(e->status, "OPERATIONAL"))
            continue;
        struct finding *f = check_fail(d, PS2010, e->id);
        finding_evidence(d, f, "%.*s %.*s is %.*s%s%.*s", STR_ARG(e->direction), STR_ARG(e->id),
                         STR_ARG(e->status), e->message.n > 0 ? ": " : "", STR_ARG(e->message));
        finding_fix(d, f,
                    "Look at what it says of its addresses: a subnet or network interface that is "
                    "gone must be replaced.");
        finding_fix(d, f,
                    "aws route53resolver list-resolver-endpoint-ip-addresses%.*s "
                    "--resolver-endpoint-id %.*s",
                    STR_ARG(shell_region(d)), STR_ARG(shell_word(e->id, "ENDPOINT")));
    }
    check_pass(d, PS2010);
}

void check_amazon_dns(struct diagnosis *d)
{
    judge_attributes(d);
    judge_option_set(d);
    judge_both_addresses(d);
    judge_forwarders(d);
    judge_endpoints(d);
    check_resolver_rules(d);
}
