/* What Amazon's resolver is told: Route 53 Resolver, its DNS Firewall, private hosted zones. */
#include "doctor/facts_view.h"
#include "doctor/gather_impl.h"

static bool resolver(struct gather *g, const char *operation, json_t *body, gather_on_page *on_page,
                     void *arg)
{
    struct aws_request request = { .service = AWS_ROUTE53_RESOLVER,
                                   .operation = operation,
                                   .body = body };
    bool is_whole = gather_pages(g, &request, GATHER_MAX_PAGES, on_page, arg);
    json_decref(body);
    return is_whole;
}

/* Route 53's names end with a dot; "." is all. */
static struct str without_last_dot(struct str name)
{
    return name.n > 1 && name.p[name.n - 1] == '.' ? str_first(name, name.n - 1) : name;
}

static void on_addresses(struct gather *g, const struct aws_reply *page, void *arg)
{
    struct fact_resolver_endpoint *e = arg;
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "IpAddresses"), i, from) {
        struct str v4 = gather_json(from, "Ip");
        fact_add_text(g->book, &e->addresses, v4.n > 0 ? v4 : gather_json(from, "Ipv6"));
    }
}

static void on_endpoints(struct gather *g, const struct aws_reply *page, void *arg)
{
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "ResolverEndpoints"), i, from) {
        struct fact_resolver_endpoint e;
        FACT_CLEAR(resolver_endpoint, &e);
        e.id = gather_keep(g, gather_json(from, "Id"));
        e.name = gather_keep(g, gather_json(from, "Name"));
        e.direction = gather_keep(g, gather_json(from, "Direction"));
        e.status = gather_keep(g, gather_json(from, "Status"));
        e.message = gather_keep(g, gather_json(from, "StatusMessage"));
        e.vpc_id = gather_keep(g, gather_json(from, "HostVPCId"));
        if (e.id.n > 0 && view_is(e.direction, "INBOUND"))
            resolver(g, "ListResolverEndpointIpAddresses",
                     json_pack("{s:s}", "ResolverEndpointId", e.id.p), on_addresses, &e);
        fact_add(g->book, &g->book->facts.resolver_endpoints, &e);
    }
}

/* The rules of this VPC, and what its association with each is. */
struct associations {
    struct fact_texts ids, states;
};

static void on_associations(struct gather *g, const struct aws_reply *page, void *arg)
{
    struct associations *a = arg;
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "ResolverRuleAssociations"), i, from) {
        struct str vpc = gather_json(from, "VPCId"), id = gather_json(from, "ResolverRuleId");
        if (id.n == 0 || !str_eq(vpc, str_from_c(g->vpc_id)))
            continue;
        fact_add_text(g->book, &a->ids, id);
        fact_add_text(g->book, &a->states, gather_json(from, "Status"));
    }
}

static void on_rules(struct gather *g, const struct aws_reply *page, void *arg)
{
    const struct associations *a = arg;
    size_t i, k;
    const json_t *from, *target;
    json_array_foreach (json_object_get(page->json, "ResolverRules"), i, from) {
        struct fact_resolver_rule r;
        size_t at = 0;
        while (at < a->ids.n && !str_eq(a->ids.v[at], gather_json(from, "Id")))
            at++;
        if (at == a->ids.n)
            continue;
        FACT_CLEAR(resolver_rule, &r);
        r.id = a->ids.v[at];
        r.status = at < a->states.n ? a->states.v[at] : r.status;
        r.name = gather_keep(g, gather_json(from, "Name"));
        r.domain = gather_keep(g, without_last_dot(gather_json(from, "DomainName")));
        r.type = gather_keep(g, gather_json(from, "RuleType"));
        r.endpoint_id = gather_keep(g, gather_json(from, "ResolverEndpointId"));
        json_array_foreach (json_object_get(from, "TargetIps"), k, target)
            fact_add_text(g->book, &r.targets,
                          gather_json(target, "Ip").n > 0 ? gather_json(target, "Ip")
                                                          : gather_json(target, "Ipv6"));
        fact_add(g->book, &g->book->facts.resolver_rules, &r);
    }
}

static json_t *filter_of_vpc(const struct gather *g)
{
    return json_pack("{s:[{s:s, s:[s]}]}", "Filters", "Name", "VPCId", "Values", g->vpc_id);
}

static void gather_rules(struct gather *g)
{
    struct associations a = { { NULL, 0, 0 }, { NULL, 0, 0 } };
    if (resolver(g, "ListResolverRuleAssociations", filter_of_vpc(g), on_associations, &a))
        resolver(g, "ListResolverRules", json_object(), on_rules, &a);
}

/* "*.amazonaws.com", "amazonaws.com", "*": of a domain list. */
static bool covers(struct str domain, struct str name)
{
    domain = without_last_dot(domain);
    if (str_eq(domain, STR("*")))
        return true;
    return str_starts(domain, STR("*."))
               ? view_is_below(name, str_from(domain, 2)) && name.n > domain.n - 2
               : str_eq_nocase(domain, name);
}

static void on_domains(struct gather *g, const struct aws_reply *page, void *arg)
{
    struct fact_firewall_rule *rule = arg;
    const struct fact_facts *f = &g->book->facts;
    size_t i;
    const json_t *value;
    json_array_foreach (json_object_get(page->json, "Domains"), i, value) {
        struct str domain = str_of(json_string_value(value), json_string_length(value));
        bool is_wanted = covers(domain, g->request->registry);
        for (size_t k = 0; k < f->names.n; k++)
            is_wanted = is_wanted || covers(domain, f->names.v[k].name);
        if (is_wanted)
            fact_add_text(g->book, &rule->domains, domain);
    }
}

struct rule_group {
    struct str id, name;
    int64_t priority;
};

static int64_t number_of(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_integer(value) ? json_integer_value(value) : FACT_NO_NUMBER;
}

static void on_firewall_rules(struct gather *g, const struct aws_reply *page, void *arg)
{
    const struct rule_group *group = arg;
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "FirewallRules"), i, from) {
        struct fact_firewall_rule r;
        struct str list = gather_json(from, "FirewallDomainListId");
        FACT_CLEAR(firewall_rule, &r);
        r.name = gather_keep(g, gather_json(from, "Name"));
        r.group = group->name.n > 0 ? group->name : group->id;
        r.group_priority = group->priority;
        r.priority = number_of(from, "Priority");
        r.action = gather_keep(g, gather_json(from, "Action"));
        r.response = gather_keep(g, gather_json(from, "BlockResponse"));
        r.override = gather_keep(g, gather_json(from, "BlockOverrideDomain"));
        if (list.n > 0)
            resolver(g, "ListFirewallDomains",
                     json_pack("{s:s%}", "FirewallDomainListId", list.p, list.n), on_domains, &r);
        fact_add(g->book, &g->book->facts.firewall_rules, &r);
    }
}

static void on_rule_groups(struct gather *g, const struct aws_reply *page, void *arg)
{
    size_t i;
    const json_t *from;
    json_array_foreach (json_object_get(page->json, "FirewallRuleGroupAssociations"), i, from) {
        struct rule_group group = { gather_keep(g, gather_json(from, "FirewallRuleGroupId")),
                                    gather_keep(g, gather_json(from, "Name")),
                                    number_of(from, "Priority") };
        if (group.id.n > 0)
            resolver(g, "ListFirewallRules", json_pack("{s:s}", "FirewallRuleGroupId", group.id.p),
                     on_firewall_rules, &group);
    }
}

static void gather_firewall(struct gather *g)
{
    resolver(g, "ListFirewallRuleGroupAssociations", json_pack("{s:s}", "VpcId", g->vpc_id),
             on_rule_groups, NULL);
    if (g->book->facts.firewall_rules.n == 0)
        return;
    struct aws_reply reply;
    json_t *body = json_pack("{s:s}", "ResourceId", g->vpc_id);
    struct aws_request request = { .service = AWS_ROUTE53_RESOLVER,
                                   .operation = "GetFirewallConfig",
                                   .body = body };
    if (gather_call(g, &request, &reply)) {
        struct str open =
            gather_json(json_object_get(reply.json, "FirewallConfig"), "FirewallFailOpen");
        if (open.n > 0)
            g->book->facts.firewall_fails_open = fact_truth_of(view_is(open, "ENABLED"));
    }
    aws_reply_done(&reply);
    json_decref(body);
}

static void on_hosted_zones(struct gather *g, const struct aws_reply *page, void *arg)
{
    for (const struct xml *i = xml_at(xml_root(page->xml), "HostedZoneSummaries/HostedZoneSummary");
         i != NULL; i = xml_again(i)) {
        struct fact_hosted_zone z;
        struct str account = xml_text(i, "Owner/OwningAccount");
        FACT_CLEAR(hosted_zone, &z);
        z.id = gather_keep(g, gather_zone_id(xml_text(i, "HostedZoneId")));
        z.name = gather_keep(g, without_last_dot(xml_text(i, "Name")));
        z.owner = gather_keep(g, account.n > 0 ? account : xml_text(i, "Owner/OwningService"));
        fact_add(g->book, &g->book->facts.hosted_zones, &z);
    }
}

static void gather_hosted_zones(struct gather *g)
{
    struct aws_param params[] = { { "vpcid", str_from_c(g->vpc_id) },
                                  { "vpcregion", aws_session_region(g->session, NULL) } };
    struct aws_request request = { .service = AWS_ROUTE53,
                                   .operation = "ListHostedZonesByVPC",
                                   .path = "/2013-04-01/hostedzonesbyvpc",
                                   .params = params,
                                   .n_params = 2 };
    gather_pages(g, &request, GATHER_MAX_PAGES, on_hosted_zones, NULL);
}

void gather_resolver_rules(struct gather *g)
{
    resolver(g, "ListResolverEndpoints", json_object(), on_endpoints, NULL);
    gather_rules(g);
}

void gather_resolver(struct gather *g)
{
    if (g->vpc_id[0] == 0)
        return;
    gather_resolver_rules(g);
    gather_firewall(g);
    gather_hosted_zones(g);
}
