#include "doctor/check_parts.h"
#include "doctor/evidence.h"
#include "doctor/live_view.h"
#include "doctor/shell_word.h"
#include "doctor/way_view.h"

/*
 * Who answers for a name in Amazon's resolver: the rule or private zone that covers most of it; a
 * rule goes before a zone of the same name. Source: Route 53 developer guide, "How Route 53
 * Resolver uses rules" and "Considerations when working with a private hosted zone".
 */
struct owner {
    const struct fact_resolver_rule *rule;
    const struct fact_hosted_zone *zone;
    size_t length; /* of its domain; the root has 0 */
};

static size_t domain_length(struct str domain)
{
    return domain.n > 0 && domain.p[domain.n - 1] == '.' ? domain.n - 1 : domain.n;
}

/* S3's own zone of an interface endpoint with private DNS, which no listing need show. */
static size_t endpoint_zone_length(const struct fact_facts *f, struct str name)
{
    struct buf zone;
    size_t length = 0;
    if (f->surroundings.region.n == 0 || !way_has_private_dns(f, "s3"))
        return 0;
    buf_init(&zone, 256);
    buf_printf(&zone, "s3.%.*s.amazonaws.com", STR_ARG(f->surroundings.region));
    if (!zone.failed && view_is_below(name, buf_str(&zone)))
        length = zone.n;
    buf_done(&zone);
    return length;
}

static size_t namespace_length(const struct fact_facts *f, struct str name)
{
    size_t length = 0;
    for (size_t i = 0; i < f->namespaces.n; i++) {
        const struct fact_namespace *n = &f->namespaces.v[i];
        if (view_is(n->type, "DNS_PRIVATE") && n->name.n > 0 && view_is_below(name, n->name) &&
            domain_length(n->name) > length)
            length = domain_length(n->name);
    }
    return length;
}

static struct owner owner_of(const struct fact_facts *f, struct str name)
{
    size_t own = endpoint_zone_length(f, name), other = namespace_length(f, name);
    struct owner o = { .length = own > other ? own : other };
    bool is_taken = o.length > 0;
    for (size_t i = 0; i < f->hosted_zones.n; i++) {
        const struct fact_hosted_zone *z = &f->hosted_zones.v[i];
        size_t length = domain_length(z->name);
        if (length > 0 && view_is_below(name, z->name) && (!is_taken || length >= o.length)) {
            o = (struct owner){ .zone = z, .length = length };
            is_taken = true;
        }
    }
    for (size_t i = 0; i < f->resolver_rules.n; i++) {
        const struct fact_resolver_rule *r = &f->resolver_rules.v[i];
        size_t length = domain_length(r->domain);
        if (r->domain.n == 0 || !view_is_below(name, r->domain) || (is_taken && length < o.length))
            continue;
        if (r->status.n > 0 && !view_is(r->status, "COMPLETE"))
            continue;
        o = (struct owner){ .rule = r, .length = length };
        is_taken = true;
    }
    return o;
}

/* Whether Amazon's answer for the name, seen from inside, shows that nothing is wrong with it. */
static bool is_answered(const struct fact_facts *f, struct str name)
{
    const struct fact_question *q = answer_of_amazon(f, name).question;
    return q != NULL && view_is(q->outcome, "answer");
}

/* "s3.eu-west-1.amazonaws.com" itself: a hub's zone or rule is made like this, on purpose. */
static bool is_service_name(const struct fact_facts *f, struct str domain, struct str name)
{
    return view_is_same_name(domain, name) ||
           (f->surroundings.region.n > 0 && str_starts(domain, STR("s3.")) &&
            str_contains(domain, f->surroundings.region));
}

/* Nobody looked: what is shaped like a hub's own may well be right. Called before there is any
 * evidence for this name; one name that is surely lost makes it an error again. */
static void weigh(struct diagnosis *d, struct finding *f, struct str domain, struct str name)
{
    bool is_weak = answer_of_amazon(d->facts, name).question == NULL &&
                   is_service_name(d->facts, domain, name);
    if (f == NULL)
        return;
    if (!is_weak)
        f->severity = finding_row(f->code)->severity;
    else if (f->evidence.n == 0)
        f->severity = FINDING_WARNING;
    if (is_weak)
        finding_note(d, f,
                     "a hub network is built like this: nobody asked Amazon's DNS server from "
                     "inside, so its answer may be right; run the doctor in the task to see");
}

static void fail_rule(struct diagnosis *d, const struct fact_resolver_rule *r, struct str name)
{
    struct str region = shell_region(d), vpc = shell_vpc(d->facts);
    const struct fact_question *q = answer_of_amazon(d->facts, name).question;
    struct finding *f = check_fail(d, PS2005, r->id);
    weigh(d, f, r->domain, name);
    finding_title(d, f, "a Resolver rule sends %.*s to other DNS servers", STR_ARG(name));
    finding_evidence(d, f, "rule %.*s (%.*s) forwards %.*s to %.*s", STR_ARG(r->id),
                     STR_ARG(r->name), STR_ARG(r->domain), STR_ARG(evidence_list(d, &r->targets)));
    finding_evidence(d, f, "it covers %.*s, and no rule or zone covers more of it", STR_ARG(name));
    if (q != NULL)
        evidence_question(d, f, q);
    bool is_aws =
        view_is_below(name, STR("amazonaws.com")) || view_is_below(name, STR("amazonaws.com.cn"));
    finding_fix(d, f,
                "Give the zone back to Amazon's DNS server by a SYSTEM rule, which wins "
                "because it is longer; or take the rule away from this VPC.");
    if (is_aws && domain_length(r->domain) < sizeof "amazonaws.com" - 1)
        finding_fix(d, f,
                    "aws route53resolver create-resolver-rule%.*s --rule-type SYSTEM --domain-name "
                    "%s --creator-request-id aws-names",
                    STR_ARG(region),
                    str_ends_nocase(name, STR(".cn")) ? "amazonaws.com.cn" : "amazonaws.com");
    else
        finding_fix(d, f,
                    "aws route53resolver create-resolver-rule%.*s --rule-type SYSTEM --domain-name "
                    "%.*s --creator-request-id aws-names",
                    STR_ARG(region), STR_ARG(shell_word(name, "NAME")));
    finding_fix(d, f,
                "aws route53resolver associate-resolver-rule%.*s --resolver-rule-id NEW-RULE "
                "--vpc-id %.*s",
                STR_ARG(region), STR_ARG(vpc));
    finding_fix(d, f,
                "aws route53resolver disassociate-resolver-rule%.*s --resolver-rule-id %.*s "
                "--vpc-id %.*s",
                STR_ARG(region), STR_ARG(shell_word(r->id, "RULE")), STR_ARG(vpc));
}

static void judge_rules(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2005 };
    if (answer_amazon_knows_all(d->facts)) {
        check_pass(d, PS2005);
        return;
    }
    if (!check_needs_call(d, "route53resolver:ListResolverRuleAssociations", codes, 1) ||
        !check_needs_call(d, "route53resolver:ListResolverRules", codes, 1))
        return;
    struct live_name names[LIVE_MAX_NAMES];
    unsigned n_names = live_names(d->facts, &d->book, names);
    for (unsigned i = 0; i < n_names; i++) {
        const struct live_name *n = &names[i];
        struct owner o = owner_of(d->facts, n->name);
        if (o.rule != NULL && view_is(o.rule->type, "FORWARD") && !is_answered(d->facts, n->name))
            fail_rule(d, o.rule, n->name);
    }
    check_pass(d, PS2005);
}

/* Zones that AWS's own services made: endpoints' private DNS, Cloud Map's namespaces. Where the
 * namespaces are not known, a zone over the registry's name may be one. */
static bool is_a_services(const struct fact_facts *f, const struct fact_hosted_zone *z)
{
    if (view_is_below(z->owner, STR("amazonaws.com")) && z->owner.n > 0)
        return true;
    for (size_t i = 0; i < f->namespaces.n; i++) {
        const struct fact_namespace *n = &f->namespaces.v[i];
        if (n->hosted_zone_id.n > 0 ? str_ends(z->id, n->hosted_zone_id)
                                    : view_is_same_name(n->name, z->name))
            return true;
    }
    return !view_call_is_ok(f, "servicediscovery:ListNamespaces") &&
           !view_is_below(z->name, STR("amazonaws.com")) &&
           !view_is_below(z->name, STR("amazonaws.com.cn")) &&
           !view_is_below(STR("amazonaws.com"), z->name);
}

static void fail_zone(struct diagnosis *d, const struct fact_hosted_zone *z, struct str name)
{
    struct str id = shell_word(z->id, "ZONE"), vpc = shell_vpc(d->facts);
    const struct fact_question *q = answer_of_amazon(d->facts, name).question;
    struct finding *f = check_fail(d, PS2006, z->id);
    weigh(d, f, z->name, name);
    finding_title(d, f, "private hosted zone %.*s hides %.*s", STR_ARG(z->name), STR_ARG(name));
    finding_evidence(d, f, "hosted zone %.*s (%.*s, owner %.*s) of this VPC covers %.*s",
                     STR_ARG(z->name), STR_ARG(z->id), STR_ARG(z->owner), STR_ARG(name));
    if (q != NULL) {
        evidence_question(d, f, q);
        if (q->authority.n > 0)
            finding_evidence(d, f, "the denial comes from zone %.*s", STR_ARG(q->authority));
    }
    finding_fix(d, f,
                "A private zone answers alone for all names below it: give it a record for "
                "%.*s, or take it away from this VPC.",
                STR_ARG(name));
    finding_fix(d, f, "aws route53 list-resource-record-sets --hosted-zone-id %.*s", STR_ARG(id));
    finding_fix(d, f,
                "aws route53 disassociate-vpc-from-hosted-zone --hosted-zone-id %.*s --vpc "
                "VPCRegion=%.*s,VPCId=%.*s",
                STR_ARG(id), STR_ARG(shell_word(d->facts->surroundings.region, "REGION")),
                STR_ARG(vpc));
}

static void judge_zones(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2006 };
    if (answer_amazon_knows_all(d->facts)) {
        check_pass(d, PS2006);
        return;
    }
    if (!check_needs_call(d, "route53:ListHostedZonesByVPC", codes, 1))
        return;
    struct live_name names[LIVE_MAX_NAMES];
    unsigned n_names = live_names(d->facts, &d->book, names);
    for (unsigned i = 0; i < n_names; i++) {
        const struct live_name *n = &names[i];
        const struct fact_question *q = answer_of_amazon(d->facts, n->name).question;
        struct owner o = owner_of(d->facts, n->name);
        if (o.zone != NULL && (q == NULL || answer_is_denial(q)) &&
            !is_a_services(d->facts, o.zone))
            fail_zone(d, o.zone, n->name);
    }
    check_pass(d, PS2006);
}

/* DNS Firewall: "example.com" is that name alone, "*.example.com" those below it. */
static bool is_on_list(struct str domain, struct str name)
{
    if (view_is(domain, "*") || view_is(domain, "*."))
        return true;
    if (str_starts(domain, STR("*.")))
        return domain.n > 2 && view_is_below(name, str_from(domain, 2)) &&
               !view_is_same_name(name, str_from(domain, 2));
    return view_is_same_name(domain, name);
}

static bool has_name(const struct fact_firewall_rule *r, struct str name)
{
    for (size_t i = 0; i < r->domains.n; i++)
        if (is_on_list(r->domains.v[i], name))
            return true;
    return false;
}

/* The first rule by priority that has the name ends it, whatever it does. */
static const struct fact_firewall_rule *firewall_rule_of(const struct fact_facts *f,
                                                         struct str name)
{
    const struct fact_firewall_rule *first = NULL;
    for (size_t i = 0; i < f->firewall_rules.n; i++) {
        const struct fact_firewall_rule *r = &f->firewall_rules.v[i];
        if (has_name(r, name) &&
            (first == NULL || r->group_priority < first->group_priority ||
             (r->group_priority == first->group_priority && r->priority < first->priority)))
            first = r;
    }
    return first;
}

/* An answer shows that the rule does not hold, unless the answer is the rule's own. */
static bool is_contradicted(const struct fact_firewall_rule *r, const struct fact_question *q)
{
    if (q == NULL || !view_is(q->outcome, "answer"))
        return false;
    if (!view_is(r->response, "OVERRIDE"))
        return true;
    for (size_t i = 0; i < q->aliases.n; i++)
        if (view_is_same_name(q->aliases.v[i], r->override))
            return false;
    return true;
}

static void fail_firewall(struct diagnosis *d, const struct fact_firewall_rule *r, struct str name,
                          const struct fact_question *q)
{
    struct finding *f = check_fail(d, PS2007, r->name);
    finding_title(d, f, "DNS Firewall blocks %.*s", STR_ARG(name));
    finding_evidence(d, f, "rule %.*s of group %.*s (priority %lld, %lld): BLOCK with %.*s %.*s",
                     STR_ARG(r->name), STR_ARG(r->group), (long long)r->group_priority,
                     (long long)r->priority, STR_ARG(r->response), STR_ARG(r->override));
    finding_evidence(d, f, "its domain list has %.*s, which covers %.*s",
                     STR_ARG(evidence_list(d, &r->domains)), STR_ARG(name));
    if (q != NULL)
        evidence_question(d, f, q);
    finding_fix(d, f,
                "Put a rule with action ALLOW for %.*s before it (a lower priority number), "
                "or take the name from the list.",
                STR_ARG(name));
    finding_fix(d, f, "aws route53resolver create-firewall-domain-list%.*s --name aws-names",
                STR_ARG(shell_region(d)));
    finding_fix(d, f,
                "aws route53resolver update-firewall-domains%.*s --firewall-domain-list-id "
                "NEW-LIST --operation ADD --domains %.*s",
                STR_ARG(shell_region(d)), STR_ARG(shell_word(name, "NAME")));
    finding_fix(d, f,
                "aws route53resolver create-firewall-rule%.*s --firewall-rule-group-id GROUP "
                "--firewall-domain-list-id NEW-LIST --priority 1 --action ALLOW --name aws-names "
                "--creator-request-id aws-names",
                STR_ARG(shell_region(d)));
}

static void judge_listed_blocks(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2007 };
    const struct fact_facts *f = d->facts;
    /* Without a group nobody asks for rules, without rules not for domains. */
    if (view_call(f, "route53resolver:ListFirewallRules") != NULL &&
        !check_needs_call(d, "route53resolver:ListFirewallRules", codes, 1))
        return;
    if (view_call(f, "route53resolver:ListFirewallDomains") != NULL &&
        !check_needs_call(d, "route53resolver:ListFirewallDomains", codes, 1))
        return;
    struct live_name names[LIVE_MAX_NAMES];
    unsigned n_names = live_names(f, &d->book, names);
    for (unsigned i = 0; i < n_names; i++) {
        struct str name = names[i].name;
        const struct fact_firewall_rule *r = firewall_rule_of(f, name);
        const struct fact_question *q = answer_of_amazon(f, name).question;
        if (r != NULL && view_is(r->action, "BLOCK") && !is_contradicted(r, q))
            fail_firewall(d, r, name, q);
    }
    check_pass(d, PS2007);
}

static void judge_blocks(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2007 };
    const struct fact_facts *f = d->facts;
    if (f->firewall_rules.n == 0 && answer_amazon_knows_all(f))
        check_pass(d, PS2007);
    else if (check_needs_call(d, "route53resolver:ListFirewallRuleGroupAssociations", codes, 1))
        judge_listed_blocks(d);
}

/* All that Amazon's server says of needed names is SERVFAIL or nothing. */
static bool amazon_fails_all(const struct fact_facts *f)
{
    size_t n_failed = 0;
    for (size_t i = 0; i < f->names.n; i++) {
        const struct fact_question *q = answer_of_amazon(f, f->names.v[i].name).question;
        if (q == NULL)
            continue;
        if (!view_is(q->outcome, "servfail") && !view_is(q->outcome, "timeout"))
            return false;
        n_failed++;
    }
    return n_failed > 0;
}

static void fail_closed(struct diagnosis *d)
{
    struct finding *f = check_fail(d, PS2008, d->facts->vpc.id);
    finding_title(d, f, "DNS Firewall looks broken, and blocks everything then");
    finding_evidence(d, f, "DNS Firewall has %zu rules here, and FirewallFailOpen is DISABLED",
                     d->facts->firewall_rules.n);
    for (size_t i = 0; i < d->facts->names.n; i++) {
        const struct fact_question *q =
            answer_of_amazon(d->facts, d->facts->names.v[i].name).question;
        if (q != NULL)
            evidence_question(d, f, q);
    }
    finding_fix(d, f, "Let DNS Firewall fail open, and look at the AWS Health Dashboard.");
    finding_fix(d, f,
                "aws route53resolver update-firewall-config%.*s --resource-id %.*s "
                "--firewall-fail-open ENABLED",
                STR_ARG(shell_region(d)), STR_ARG(shell_vpc(d->facts)));
}

/* A forwarding rule or DNS support turned off explain the same silence better. */
static void judge_failing_closed(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS2008 };
    const struct fact_facts *f = d->facts;
    bool was_asked = false;
    for (size_t i = 0; i < f->names.n; i++)
        was_asked = was_asked || answer_of_amazon(f, f->names.v[i].name).question != NULL;
    if (!was_asked) {
        check_skip(d, PS2008, "Amazon's DNS server was not asked");
    } else if (!amazon_fails_all(f) || check_failed(d, PS2001) || check_failed(d, PS2005)) {
        check_pass(d, PS2008);
    } else if (check_needs_call(d, "route53resolver:ListFirewallRuleGroupAssociations", codes, 1)) {
        if (f->firewall_rules.n == 0 || f->firewall_fails_open == FACT_YES)
            check_pass(d, PS2008);
        else if (check_needs_call(d, "route53resolver:GetFirewallConfig", codes, 1)) {
            if (f->firewall_fails_open == FACT_NO)
                fail_closed(d);
            else
                check_unknown(d, PS2008, "FirewallFailOpen of the VPC was not told");
        }
    }
}

void check_resolver_rules(struct diagnosis *d)
{
    judge_rules(d);
    judge_zones(d);
    judge_blocks(d);
    judge_failing_closed(d);
}
