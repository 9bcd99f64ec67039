#include "doctor/check_parts.h"
#include "doctor/evidence.h"
#include "doctor/live_view.h"
#include "doctor/shell_word.h"
#include "doctor/way_view.h"

#include "codec/s3_host.h"

void check_unknown_subnet(struct diagnosis *d, enum finding_code code)
{
    const struct fact_call *subnets = view_call(d->facts, "ec2:DescribeSubnets");
    if (subnets == NULL || check_needs_call(d, "ec2:DescribeSubnets", &code, 1))
        check_unknown(d, code, "it is not known which subnet the task is in: give --task");
}

static void show_failed_s3(struct diagnosis *d, struct finding *f)
{
    for (size_t i = 0; live_is_inside(d->facts) && i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        if (live_is_s3(c) && live_was_dialled(c) && !view_is(c->outcome, "ok"))
            evidence_connection(d, f, c);
    }
}

static void show_table(struct diagnosis *d, struct finding *f, const struct fact_route_table *t)
{
    const struct fact_subnet *subnet = way_subnet(d->facts);
    finding_evidence(d, f, "route table %.*s of subnet %.*s: %zu routes", STR_ARG(t->id),
                     STR_ARG(subnet != NULL ? subnet->id : d->facts->task.subnet_id), t->routes.n);
    for (size_t i = 0; i < t->routes.n && i < 16; i++)
        finding_evidence(d, f, "  %.*s -> %.*s (%.*s)", STR_ARG(t->routes.v[i].destination),
                         STR_ARG(t->routes.v[i].target), STR_ARG(t->routes.v[i].state));
}

static void fix_with_gateway(struct diagnosis *d, struct finding *f,
                             const struct fact_route_table *t)
{
    finding_fix(d, f,
                "aws ec2 create-vpc-endpoint%.*s --vpc-id %.*s --vpc-endpoint-type Gateway "
                "--service-name com.amazonaws.%.*s.s3 --route-table-ids %.*s",
                STR_ARG(shell_region(d)), STR_ARG(shell_vpc(d->facts)),
                STR_ARG(shell_word(d->facts->surroundings.region, "REGION")),
                STR_ARG(shell_word(t != NULL ? t->id : (struct str){ NULL, 0 }, "RTB")));
}

static void fail_no_way(struct diagnosis *d, const struct fact_route_table *t)
{
    struct finding *f = check_fail(d, PS3001, t->id);
    for (size_t i = 0; i < d->facts->endpoints.n; i++) {
        const struct fact_endpoint *e = &d->facts->endpoints.v[i];
        if (!way_is_available(e))
            finding_evidence(d, f, "endpoint %.*s (%.*s) is %.*s", STR_ARG(e->id),
                             STR_ARG(e->service), STR_ARG(e->state));
    }
    finding_evidence(d, f, "the VPC has %zu endpoints, none of them available for S3",
                     d->facts->endpoints.n);
    show_table(d, f, t);
    finding_evidence(d, f, "no active route leaves the VPC for S3");
    show_failed_s3(d, f);
    finding_fix(d, f,
                "Add a gateway endpoint for S3 to this route table: it costs nothing and "
                "needs no DNS.");
    fix_with_gateway(d, f, t);
}

static bool is_usable(const struct fact_endpoint *e)
{
    return e != NULL && way_is_available(e);
}

static void judge_any_way(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3001 };
    const struct fact_facts *f = d->facts;
    if (live_reaches_s3(f)) {
        check_pass(d, PS3001);
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeVpcEndpoints", codes, 1))
        return;
    /* One that is not in the table is PS3004's, one without private DNS is PS3002's. */
    if (is_usable(way_endpoint(f, "s3", "Gateway")) ||
        is_usable(way_endpoint(f, "s3", "Interface"))) {
        check_pass(d, PS3001);
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeRouteTables", codes, 1))
        return;
    const struct fact_route_table *t = way_table(f);
    if (t == NULL)
        check_unknown_subnet(d, PS3001);
    else if (way_out(f, t) != NULL)
        check_pass(d, PS3001);
    else
        fail_no_way(d, t);
}

/* Connections to S3's public addresses were tried from inside, and none of any kind came about. */
static bool public_fails(const struct fact_facts *f)
{
    bool is_tried = false;
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (live_is_s3(c) && live_was_dialled(c))
            is_tried = is_tried || !answer_is_private(f, c->address);
    }
    return is_tried && !live_reaches_s3(f);
}

static void fail_private_dns(struct diagnosis *d, const struct fact_endpoint *e)
{
    struct finding *f = check_fail(d, PS3002, e->id);
    finding_evidence(d, f, "interface endpoint %.*s (%.*s): private DNS is off", STR_ARG(e->id),
                     STR_ARG(e->service));
    for (size_t i = 0; i < d->facts->names.n; i++) {
        const struct fact_name *n = &d->facts->names.v[i];
        const struct fact_question *q = answer_of_amazon(d->facts, n->name).question;
        if (q != NULL && view_is(n->purpose, "s3"))
            evidence_question(d, f, q);
    }
    show_failed_s3(d, f);
    if (!live_tried_s3(d->facts) && way_table(d->facts) != NULL)
        show_table(d, f, way_table(d->facts));
    finding_fix(d, f,
                "Turn private DNS on for the endpoint; both DNS attributes of the VPC must "
                "be on for this. Or add a gateway endpoint.");
    finding_fix(d, f,
                "aws ec2 modify-vpc-endpoint%.*s --vpc-endpoint-id %.*s "
                "--private-dns-enabled --dns-options "
                "PrivateDnsOnlyForInboundResolverEndpoint=false",
                STR_ARG(shell_region(d)), STR_ARG(shell_word(e->id, "VPCE")));
    fix_with_gateway(d, f, way_table(d->facts));
}

/* By configuration alone, where nobody tried: whether S3's public addresses can be reached. */
static bool public_has_way(const struct fact_facts *f, const struct fact_route_table *t)
{
    const struct fact_endpoint *gateway = way_endpoint(f, "s3", "Gateway");
    return (is_usable(gateway) && way_is_in_table(gateway, t)) || way_out(f, t) != NULL;
}

static void judge_private_dns(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3002 };
    const struct fact_facts *f = d->facts;
    if (live_reaches_s3(f)) {
        check_pass(d, PS3002);
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeVpcEndpoints", codes, 1))
        return;
    const struct fact_endpoint *e = way_endpoint(f, "s3", "Interface");
    if (e == NULL)
        check_skip(d, PS3002, "the VPC has no interface endpoint for S3");
    else if (way_has_private_dns(f, "s3") || e->private_dns == FACT_YES)
        check_pass(d, PS3002);
    else if (e->private_dns == FACT_UNKNOWN)
        check_unknown(d, PS3002, "private DNS of %.*s was not told", STR_ARG(e->id));
    else if (live_tried_s3(f) && public_fails(f))
        fail_private_dns(d, e);
    else if (live_tried_s3(f))
        check_pass(d, PS3002);
    else if (check_needs_call(d, "ec2:DescribeRouteTables", codes, 1)) {
        if (way_table(f) == NULL)
            check_unknown_subnet(d, PS3002);
        else if (public_has_way(f, way_table(f)))
            check_pass(d, PS3002);
        else
            fail_private_dns(d, e);
    }
}

static void judge_inbound_only(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3003 };
    if (!check_needs_call(d, "ec2:DescribeVpcEndpoints", codes, 1))
        return;
    for (size_t i = 0; i < d->facts->endpoints.n; i++) {
        const struct fact_endpoint *e = &d->facts->endpoints.v[i];
        if (e->inbound_only != FACT_YES || e->private_dns != FACT_YES ||
            !str_ends(e->service, STR(".s3")))
            continue;
        struct finding *f = check_fail(d, PS3003, e->id);
        finding_evidence(d, f,
                         "endpoint %.*s: private DNS is on, for inbound Resolver endpoints "
                         "only",
                         STR_ARG(e->id));
        for (size_t k = 0; k < d->facts->names.n; k++) {
            const struct fact_question *q =
                answer_of_amazon(d->facts, d->facts->names.v[k].name).question;
            if (q != NULL && view_is(d->facts->names.v[k].purpose, "s3"))
                evidence_question(d, f, q);
        }
        finding_fix(d, f,
                    "Nothing to do: tasks in the VPC take the gateway endpoint by S3's public "
                    "addresses, on-premises hosts take this one.");
    }
    check_pass(d, PS3003);
}

static void fail_gateway(struct diagnosis *d, const struct fact_endpoint *e,
                         const struct fact_route_table *t)
{
    struct finding *f = check_fail(d, PS3004, t->id);
    finding_title(d, f, "gateway endpoint %.*s is missing from route table %.*s of this subnet",
                  STR_ARG(e->id), STR_ARG(t->id));
    finding_evidence(
        d, f, "gateway endpoint %.*s is in route tables: %.*s", STR_ARG(e->id),
        STR_ARG(e->route_tables.n > 0 ? evidence_list(d, &e->route_tables) : STR("none")));
    show_table(d, f, t);
    show_failed_s3(d, f);
    finding_fix(d, f, "Add the endpoint to the route table of the task's subnet.");
    finding_fix(d, f,
                "aws ec2 modify-vpc-endpoint%.*s --vpc-endpoint-id %.*s "
                "--add-route-table-ids %.*s",
                STR_ARG(shell_region(d)), STR_ARG(shell_word(e->id, "VPCE")),
                STR_ARG(shell_word(t->id, "RTB")));
}

/* Whichever subnet the task may be in. */
static bool is_in_all_tables(const struct fact_facts *f, const struct fact_endpoint *e)
{
    for (size_t i = 0; i < f->route_tables.n; i++) {
        const struct fact_route_table *t = &f->route_tables.v[i];
        if ((t->main == FACT_YES || t->subnets.n > 0) && !way_is_in_table(e, t))
            return false;
    }
    return f->route_tables.n > 0;
}

/* A NAT gateway or an interface endpoint carries S3 as well; only a failure seen makes those moot.
 */
static void judge_gateway(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3004 };
    const struct fact_facts *f = d->facts;
    if (live_reaches_s3(f)) {
        check_pass(d, PS3004);
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeVpcEndpoints", codes, 1))
        return;
    const struct fact_endpoint *e = way_endpoint(f, "s3", "Gateway");
    if (!is_usable(e)) {
        check_skip(d, PS3004, "the VPC has no gateway endpoint for S3");
        return;
    }
    if (!check_needs_call(d, "ec2:DescribeRouteTables", codes, 1))
        return;
    const struct fact_route_table *t = way_table(f);
    if (t == NULL && is_in_all_tables(f, e))
        check_pass(d, PS3004);
    else if (t == NULL)
        check_unknown_subnet(d, PS3004);
    else if (way_is_in_table(e, t) || (live_tried_s3(f) && !public_fails(f)))
        check_pass(d, PS3004);
    else if (!live_tried_s3(f) && (way_out(f, t) != NULL || way_has_private_dns(f, "s3")))
        check_pass(d, PS3004);
    else
        fail_gateway(d, e, t);
}

/* s3.amazonaws.com, s3-external-1.amazonaws.com, s3-eu-west-1.amazonaws.com. */
static bool is_legacy(struct str name)
{
    struct s3_host host;
    if (!s3_host_parse(name, &host))
        return false;
    if (host.form == S3_GLOBAL)
        return true;
    if (host.form != S3_REGIONAL)
        return false;
    struct str service = str_from(name, host.bucket.n > 0 ? host.bucket.n + 1 : 0);
    return service.n > 3 + host.region.n && ascii_lower(service.p[0]) == 's' &&
           service.p[1] == '3' && service.p[2] == '-' &&
           str_eq_nocase(str_first(str_from(service, 3), host.region.n), host.region);
}

static void fail_legacy(struct diagnosis *d, struct str name)
{
    struct finding *f = check_fail(d, PS3012, name);
    finding_evidence(d, f, "%.*s is in use", STR_ARG(name));
    finding_fix(d, f,
                "Use the region's own name, s3.%.*s.amazonaws.com: private DNS of an "
                "endpoint, and most rules for zones, are made for that one.",
                STR_ARG(shell_word(d->facts->surroundings.region, "REGION")));
}

static void judge_legacy(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    for (size_t i = 0; i < f->surroundings.legacy_names.n; i++)
        fail_legacy(d, f->surroundings.legacy_names.v[i]);
    for (size_t i = 0; i < f->names.n; i++)
        if (view_is_needed(&f->names.v[i]) && is_legacy(f->names.v[i].name))
            fail_legacy(d, f->names.v[i].name);
    if (f->names.n > 0)
        check_pass(d, PS3012);
    else
        check_skip(d, PS3012, "no name was asked for");
}

static bool is_from_amazon(const struct fact_facts *f, const struct fact_connection *c)
{
    for (size_t i = 0; i < c->servers.n; i++)
        if (view_is_amazon(f, c->servers.v[i]))
            return true;
    return false;
}

/* A private address that only the network's own servers give, and that connects. */
static const struct fact_connection *hub_connection(const struct fact_facts *f)
{
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (live_is_s3(c) && live_works(c) && answer_is_private(f, c->address) &&
            c->servers.n > 0 && !is_from_amazon(f, c))
            return c;
    }
    return NULL;
}

/* Amazon's address for S3's name: one that connects, else one that does not, else NULL. */
static const struct fact_connection *amazons_connection(const struct fact_facts *f)
{
    const struct fact_connection *found = NULL;
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (!live_is_s3(c) || !live_was_dialled(c) || !is_from_amazon(f, c))
            continue;
        if (view_is(c->outcome, "ok"))
            return c;
        found = found == NULL ? c : found;
    }
    return found;
}

static void judge_hub(struct diagnosis *d)
{
    const struct fact_connection *hub = hub_connection(d->facts);
    const struct fact_connection *amazons = amazons_connection(d->facts);
    if (amazons == NULL) {
        check_skip(d, PS3016, "no connection by an answer of Amazon's DNS server was tried");
        return;
    }
    if (hub == NULL || view_is(amazons->outcome, "ok") ||
        answer_is_private(d->facts, amazons->address)) {
        check_pass(d, PS3016);
        return;
    }
    struct finding *f = check_fail(d, PS3016, hub->name);
    finding_title(d, f,
                  "only your network's private address of %.*s connects, not Amazon's public "
                  "one",
                  STR_ARG(hub->name));
    evidence_connection(d, f, hub);
    for (size_t i = 0; i < d->facts->connections.n; i++)
        if (live_is_s3(&d->facts->connections.v[i]) &&
            is_from_amazon(d->facts, &d->facts->connections.v[i]))
            evidence_connection(d, f, &d->facts->connections.v[i]);
    finding_fix(d, f,
                "Route this zone to your own DNS servers, so that penstock does not ask "
                "Amazon's for it.");
    finding_fix(d, f, "PENSTOCK_DNS_ROUTES='%.*s=%.*s'", STR_ARG(shell_word(hub->name, "NAME")),
                STR_ARG(shell_word(hub->servers.v[0], "SERVER")));
}

void check_way(struct diagnosis *d)
{
    judge_any_way(d);
    judge_private_dns(d);
    judge_inbound_only(d);
    judge_gateway(d);
    judge_legacy(d);
    check_proxies(d);
    check_endpoints(d);
    judge_hub(d);
}
