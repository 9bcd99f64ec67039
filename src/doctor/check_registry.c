#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/live_view.h"
#include "doctor/shell_word.h"

/* The registry's name, and what Cloud Map has of it. */
struct registry {
    struct str name;
    const struct fact_namespace *space; /* NULL: none that ends the name */
    const struct fact_map_service *service;
    bool is_known;                      /* Cloud Map was asked for namespaces and services */
    bool works;                         /* a connection from inside does */
    const struct fact_question *amazon; /* what Amazon's server says; NULL: not asked */
    const struct fact_question *first;  /* the first server's */
};

static bool has_answer(const struct fact_question *q)
{
    return q != NULL && view_is(q->outcome, "answer");
}

/* The longest namespace that ends the name, and its service of what stands before. */
static void find_in_cloud_map(const struct fact_facts *f, struct registry *r)
{
    for (size_t i = 0; i < f->namespaces.n; i++) {
        const struct fact_namespace *n = &f->namespaces.v[i];
        if (n->name.n > 0 && view_is_below(r->name, n->name) &&
            !view_is_same_name(r->name, n->name) &&
            (r->space == NULL || n->name.n > r->space->name.n))
            r->space = n;
    }
    for (size_t i = 0; r->space != NULL && i < f->map_services.n; i++) {
        const struct fact_map_service *s = &f->map_services.v[i];
        if (str_eq(s->namespace_id, r->space->id) && s->name.n > 0 &&
            s->name.n + r->space->name.n < r->name.n &&
            str_eq_nocase(str_first(r->name, s->name.n), s->name) &&
            view_is_same_name(str_from(r->name, s->name.n + 1), r->space->name))
            r->service = s;
    }
}

static struct registry look_up(const struct fact_facts *f, struct str name)
{
    const struct fact_server *first = view_first_server(f);
    struct registry r = { .name = name,
                          .works = live_name_works(f, name),
                          .amazon = answer_of_amazon(f, name).question };
    if (live_is_inside(f) && first != NULL)
        r.first = answer_of(f, first->address, name).question;
    r.is_known = view_call_is_ok(f, "servicediscovery:ListNamespaces");
    find_in_cloud_map(f, &r);
    return r;
}

/* A namespace's zone that is not among the VPC's belongs to another one. */
static bool is_elsewhere(const struct fact_facts *f, const struct fact_namespace *n)
{
    const struct fact_call *vpc = view_call(f, "ec2:DescribeVpcs");
    if (!view_call_is_ok(f, "route53:ListHostedZonesByVPC") || !view_is(n->type, "DNS_PRIVATE") ||
        n->hosted_zone_id.n == 0 || (vpc != NULL && view_is(vpc->outcome, "not_found")))
        return false;
    for (size_t i = 0; i < f->hosted_zones.n; i++)
        if (str_ends(f->hosted_zones.v[i].id, n->hosted_zone_id))
            return false;
    return true;
}

static bool has_address_records(const struct fact_map_service *s)
{
    return s->record_types.n == 0 || fact_has_text(&s->record_types, STR("A")) ||
           fact_has_text(&s->record_types, STR("AAAA"));
}

static void fix_missing(struct diagnosis *d, struct finding *f, const struct registry *r)
{
    struct str region = shell_region(d);
    if (r->space == NULL) {
        finding_fix(d, f,
                    "Make the private namespace in this VPC, or correct the registry's name; "
                    "deploying the stack again does it where the stack has it.");
        finding_fix(d, f,
                    "aws servicediscovery create-private-dns-namespace%.*s --name NAMESPACE "
                    "--vpc %.*s",
                    STR_ARG(region), STR_ARG(shell_vpc(d->facts)));
    } else if (is_elsewhere(d->facts, r->space)) {
        finding_fix(d, f, "Associate the namespace's hosted zone with this VPC.");
        finding_fix(d, f,
                    "aws route53 associate-vpc-with-hosted-zone --hosted-zone-id %.*s --vpc "
                    "VPCRegion=%.*s,VPCId=%.*s",
                    STR_ARG(shell_word(r->space->hosted_zone_id, "ZONE")),
                    STR_ARG(shell_word(d->facts->surroundings.region, "REGION")),
                    STR_ARG(shell_vpc(d->facts)));
    } else {
        finding_fix(d, f,
                    "Let the registry's ECS service register itself: service discovery with "
                    "A records in this namespace.");
    }
    finding_fix(d, f, "aws servicediscovery list-namespaces%.*s", STR_ARG(region));
}

static void fail_missing(struct diagnosis *d, const struct registry *r)
{
    struct finding *f = check_fail(d, PS4001, r->name);
    if (r->space == NULL) {
        finding_title(d, f, "no Cloud Map namespace is there for %.*s", STR_ARG(r->name));
        finding_evidence(d, f, "none of the %zu Cloud Map namespaces ends the name %.*s",
                         d->facts->namespaces.n, STR_ARG(r->name));
        for (size_t i = 0; i < d->facts->namespaces.n && i < 8; i++)
            finding_evidence(d, f, "  there is %.*s", STR_ARG(d->facts->namespaces.v[i].name));
    } else if (is_elsewhere(d->facts, r->space)) {
        finding_title(d, f, "the registry's Cloud Map namespace belongs to another VPC");
        finding_evidence(d, f, "hosted zone %.*s of namespace %.*s is not associated with %.*s",
                         STR_ARG(r->space->hosted_zone_id), STR_ARG(r->space->name),
                         STR_ARG(d->facts->vpc.id));
    } else if (view_is(r->space->type, "HTTP")) {
        finding_title(d, f, "the registry's Cloud Map namespace has no DNS");
        finding_evidence(d, f, "namespace %.*s (%.*s) is of type HTTP", STR_ARG(r->space->name),
                         STR_ARG(r->space->id));
    } else if (r->service == NULL) {
        finding_title(d, f, "no Cloud Map service is there for %.*s", STR_ARG(r->name));
        finding_evidence(d, f, "namespace %.*s (%.*s) has no service that makes %.*s",
                         STR_ARG(r->space->name), STR_ARG(r->space->id), STR_ARG(r->name));
    } else {
        finding_title(d, f, "the registry's Cloud Map service has no address records");
        finding_evidence(d, f, "service %.*s has records of type %.*s", STR_ARG(r->service->name),
                         STR_ARG(evidence_list(d, &r->service->record_types)));
    }
    if (r->amazon != NULL)
        evidence_question(d, f, r->amazon);
    fix_missing(d, f, r);
}

static bool is_missing(const struct fact_facts *f, const struct registry *r)
{
    return r->space == NULL || view_is(r->space->type, "HTTP") || r->service == NULL ||
           is_elsewhere(f, r->space) || !has_address_records(r->service);
}

static void judge_service(struct diagnosis *d, const struct registry *r)
{
    static const enum finding_code codes[] = { PS4001 };
    if (r->works || has_answer(r->amazon) || (r->amazon == NULL && has_answer(r->first))) {
        check_pass(d, PS4001);
        return;
    }
    if (!check_needs_call(d, "servicediscovery:ListNamespaces", codes, 1))
        return;
    /* Without a namespace nobody asks for services. */
    if (r->space != NULL && !check_needs_call(d, "servicediscovery:ListServices", codes, 1))
        return;
    if (is_missing(d->facts, r))
        fail_missing(d, r);
    else
        check_pass(d, PS4001);
}

static const struct fact_instance *any_address(const struct registry *r)
{
    for (size_t i = 0; r->service != NULL && i < r->service->instances.n; i++)
        if (r->service->instances.v[i].address.n > 0)
            return &r->service->instances.v[i];
    return NULL;
}

/* Amazon's answer shows that it is registered as well as Cloud Map does; but a name that Cloud Map
 * is known not to have is another zone's. */
static void judge_resolvable(struct diagnosis *d, const struct registry *r)
{
    bool is_registered =
        any_address(r) != NULL || (has_answer(r->amazon) && !(r->is_known && r->service == NULL));
    if (r->first == NULL) {
        check_skip(d, PS4002, "the first DNS server was not asked");
    } else if (has_answer(r->first)) {
        check_pass(d, PS4002);
    } else if (!is_registered) {
        check_skip(d, PS4002, "nobody knows it as registered");
    } else if (check_failed(d, PS4001)) {
        check_skip(d, PS4002, "its registration is not for this VPC's DNS");
    } else {
        struct finding *f = check_fail(d, PS4002, r->name);
        if (any_address(r) != NULL)
            finding_evidence(d, f, "Cloud Map has %.*s for %.*s", STR_ARG(any_address(r)->address),
                             STR_ARG(r->name));
        evidence_question(d, f, r->first);
        if (r->amazon != NULL)
            evidence_question(d, f, r->amazon);
        finding_fix(d, f,
                    "Let the first DNS server be Amazon's (AmazonProvidedDNS in the option "
                    "set), or let it forward the namespace to a Resolver inbound endpoint; "
                    "then start new tasks.");
        finding_fix(d, f, "penstock fix dhcp --vpc %.*s%.*s", STR_ARG(shell_vpc(d->facts)),
                    STR_ARG(shell_region(d)));
    }
}

static void fail_empty(struct diagnosis *d, const struct registry *r)
{
    struct finding *f = check_fail(d, PS4003, r->name);
    finding_evidence(d, f, "Cloud Map service %.*s (%.*s) of namespace %.*s has no instance",
                     STR_ARG(r->service->name), STR_ARG(r->service->id), STR_ARG(r->space->name));
    if (r->amazon != NULL)
        evidence_question(d, f, r->amazon);
    finding_fix(d, f,
                "Look why the registry's task does not run, or is not registered: ECS does it "
                "when a task of a service with service discovery runs.");
    finding_fix(d, f, "aws ecs list-tasks%.*s --cluster %.*s --desired-status STOPPED",
                STR_ARG(shell_region(d)), STR_ARG(shell_cluster(d->facts)));
}

static bool are_all_unhealthy(const struct fact_map_service *s)
{
    for (size_t i = 0; i < s->instances.n; i++)
        if (!view_is(s->instances.v[i].health, "UNHEALTHY"))
            return false;
    return s->instances.n > 0;
}

static void fail_unhealthy(struct diagnosis *d, const struct registry *r)
{
    struct finding *f = check_fail(d, PS4004, r->name);
    for (size_t i = 0; i < r->service->instances.n && i < 8; i++)
        finding_evidence(d, f, "instance %.*s (%.*s) is unhealthy",
                         STR_ARG(r->service->instances.v[i].id),
                         STR_ARG(r->service->instances.v[i].address));
    finding_fix(d, f,
                "Look at the registry's own health check and log: with no healthy instance "
                "DNS gives all of them, or none.");
    finding_fix(d, f, "aws servicediscovery get-instances-health-status%.*s --service-id %.*s",
                STR_ARG(shell_region(d)), STR_ARG(shell_word(r->service->id, "SERVICE")));
}

/* Of a service that is known; is_called: whether its instances were listed. */
static void judge_instances(struct diagnosis *d, const struct registry *r)
{
    static const enum finding_code codes[] = { PS4003, PS4004 };
    const struct fact_facts *f = d->facts;
    if (r->works) {
        check_pass(d, PS4003);
        check_pass(d, PS4004);
        return;
    }
    if (!check_needs_call(d, "servicediscovery:ListNamespaces", codes, 2) ||
        (r->space != NULL && !check_needs_call(d, "servicediscovery:ListServices", codes, 2)))
        return;
    if (r->service == NULL) {
        check_skip(d, PS4003, "Cloud Map has no service of that name");
        check_skip(d, PS4004, "Cloud Map has no service of that name");
        return;
    }
    if (!check_needs_call(d, "servicediscovery:ListInstances", codes, 2))
        return;
    if (r->service->instances.n == 0 && !has_answer(r->amazon))
        fail_empty(d, r);
    else
        check_pass(d, PS4003);
    const struct fact_call *health = view_call(f, "servicediscovery:GetInstancesHealthStatus");
    if (r->service->instances.n == 0)
        check_skip(d, PS4004, "no instance is registered");
    else if (are_all_unhealthy(r->service))
        fail_unhealthy(d, r);
    else if (health != NULL && view_is(health->outcome, "not_found"))
        check_pass(d, PS4004); /* a service without health checks */
    else if (check_needs_call(d, "servicediscovery:GetInstancesHealthStatus", &codes[1], 1))
        check_pass(d, PS4004);
}

static bool is_registered(const struct fact_map_service *s, struct str address)
{
    for (size_t i = 0; i < s->instances.n; i++)
        if (str_eq(s->instances.v[i].address, address))
            return true;
    return false;
}

/* A connection to the address works. */
static bool address_works(const struct fact_facts *f, struct str name, struct str address)
{
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++)
        if (view_is_same_name(f->connections.v[i].name, name) &&
            str_eq(f->connections.v[i].address, address) && live_works(&f->connections.v[i]))
            return true;
    return false;
}

static void judge_answer(struct diagnosis *d, const struct registry *r,
                         const struct fact_question *q)
{
    for (size_t i = 0; has_answer(q) && i < q->addresses.n; i++) {
        struct str address = q->addresses.v[i];
        if (is_registered(r->service, address) || address_works(d->facts, r->name, address))
            continue;
        struct finding *f = check_fail(d, PS4005, address);
        finding_evidence(d, f, "%.*s says %.*s for %.*s: no instance in Cloud Map has that address",
                         STR_ARG(q->server), STR_ARG(address), STR_ARG(r->name));
    }
}

/* An instance of which neither a connection nor AWS says whether it lives. */
static bool is_any_open(const struct fact_facts *f, const struct registry *r)
{
    for (size_t i = 0; i < r->service->instances.n; i++)
        if (r->service->instances.v[i].is_live == FACT_UNKNOWN &&
            !address_works(f, r->name, r->service->instances.v[i].address))
            return true;
    return false;
}

static void judge_stale(struct diagnosis *d, const struct registry *r)
{
    static const enum finding_code codes[] = { PS4005 };
    if (!check_needs_call(d, "servicediscovery:ListInstances", codes, 1))
        return;
    if (r->service == NULL) {
        check_skip(d, PS4005, "Cloud Map has no service of that name");
        return;
    }
    for (size_t i = 0; i < r->service->instances.n; i++) {
        const struct fact_instance *n = &r->service->instances.v[i];
        if (n->is_live != FACT_NO || address_works(d->facts, r->name, n->address))
            continue;
        struct finding *f = check_fail(d, PS4005, n->address);
        finding_evidence(d, f,
                         "instance %.*s is registered with %.*s, which no network interface "
                         "of a running task has",
                         STR_ARG(n->id), STR_ARG(n->address));
    }
    if (any_address(r) != NULL) {
        judge_answer(d, r, r->amazon);
        judge_answer(d, r, r->first);
    }
    if (check_failed(d, PS4005)) {
        struct finding *f = d->results[PS4005].finding;
        finding_fix(d, f,
                    "Take away the instance that is gone; answers follow when their TTL is "
                    "over.");
        finding_fix(d, f,
                    "aws servicediscovery deregister-instance%.*s --service-id %.*s "
                    "--instance-id INSTANCE",
                    STR_ARG(shell_region(d)), STR_ARG(shell_word(r->service->id, "SERVICE")));
    } else if (!is_any_open(d->facts, r) ||
               check_needs_call(d, "ec2:DescribeNetworkInterfaces", codes, 1)) {
        check_pass(d, PS4005);
    }
}

static bool is_served(const struct fact_connection *c)
{
    enum { SERVER_ERROR = 500 };
    return live_works(c) && (c->status == FACT_NO_NUMBER || c->status < SERVER_ERROR);
}

static bool is_registrys(const struct fact_connection *c)
{
    return view_is(c->purpose, "registry") && live_was_dialled(c);
}

static void fail_service(struct diagnosis *d)
{
    for (size_t i = 0; i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        if (!is_registrys(c) || is_served(c))
            continue;
        struct finding *f = check_fail(d, PS4006, c->name);
        evidence_connection(d, f, c);
        if (c->tls_detail.n > 0)
            finding_evidence(d, f, "TLS: %.*s", STR_ARG(c->tls_detail));
        if (f != NULL && f->fix.n > 0)
            continue;
        if (view_is(c->outcome, "timeout"))
            finding_fix(d, f, "Let the registry's security group accept TCP %lld from the tasks.",
                        (long long)c->port);
        else if (view_is(c->outcome, "refused"))
            finding_fix(d, f,
                        "Nobody listens at this port: compare it with the port of the "
                        "registry's container, and see whether that runs.");
        else if (c->tls.n > 0 && !view_is(c->tls, "ok"))
            finding_fix(d, f,
                        "Look at the registry's certificate: its name, its authority, its "
                        "dates; or use http:// where it speaks no TLS.");
        else
            finding_fix(d, f,
                        "Look at the registry's own log: it takes connections, but does not "
                        "answer well.");
    }
}

static void judge_connection(struct diagnosis *d)
{
    bool was_dialled = false, is_served_once = false;
    for (size_t i = 0; live_is_inside(d->facts) && i < d->facts->connections.n; i++) {
        const struct fact_connection *c = &d->facts->connections.v[i];
        was_dialled = was_dialled || is_registrys(c);
        is_served_once = is_served_once || (is_registrys(c) && is_served(c));
    }
    if (!was_dialled) {
        check_skip(d, PS4006, "no connection to the registry was tried from inside");
        return;
    }
    if (!is_served_once)
        fail_service(d);
    check_pass(d, PS4006);
}

static void skip_all(struct diagnosis *d, const char *why)
{
    for (enum finding_code code = PS4001; code <= PS4005; code++)
        check_skip(d, code, "%s", why);
}

void check_registry(struct diagnosis *d)
{
    struct live_name names[LIVE_MAX_NAMES];
    unsigned n = live_names(d->facts, &d->book, names), at = 0;
    while (at < n && !names[at].is_registry)
        at++;
    if (at == n) {
        skip_all(d, "no registry by name was asked for");
    } else if (view_is_in_hosts(d->facts, names[at].name)) {
        skip_all(d, "the hosts file has the registry's name");
    } else {
        struct registry r = look_up(d->facts, names[at].name);
        judge_service(d, &r);
        judge_resolvable(d, &r);
        judge_instances(d, &r);
        judge_stale(d, &r);
    }
    judge_connection(d);
}
