#pragma once
/*
 * A whole VPC for tests of the checks that read AWS's configuration: a task in one private subnet,
 * AmazonProvidedDNS, a gateway endpoint for S3, interface endpoints for the rest, the registry in
 * Cloud Map. Nothing is wrong in it. Tests change one thing and look at one code.
 */
#include "network_make.h"

#define VPC "vpc-1"
#define SUBNET "subnet-1"
#define TABLE "rtb-1"
#define GATEWAY "vpce-s3"
#define TASK "arn:aws:ecs:eu-west-1:123456789012:task/stk/8f03"
#define INSTANCE(b) (&(b)->facts.map_services.v[0].instances.v[0])

/* One row: what is changed, and what then holds of the code. */
struct check_row {
    const char *name;
    void (*change)(struct fact_book *b);
    enum finding_code code;
    enum check_state state;
    const char *evidence; /* a part of a line, also of a reason; NULL: any */
    const char *fix;
};

static inline struct fact_endpoint *make_vpc_endpoint(struct fact_book *b, const char *id,
                                                      const char *service, const char *type)
{
    struct fact_endpoint *e = MAKE(b, endpoint, endpoints);
    e->id = make_text(b, id);
    e->service = fact_textf(b, "com.amazonaws.eu-west-1.%s", service);
    e->type = make_text(b, type);
    e->state = make_text(b, "available");
    e->private_dns = fact_truth_of(strcmp(type, "Interface") == 0);
    return e;
}

static inline void make_route_to(struct fact_book *b, const char *destination, const char *target)
{
    struct fact_route *r = make_route(b, &b->facts.route_tables.v[0].routes);
    r->destination = make_text(b, destination);
    r->target = make_text(b, target);
    r->state = make_text(b, "active");
}

static inline void make_dhcp_values(struct fact_book *b, const char *values)
{
    if (b->facts.dhcp.options.n == 0)
        MAKE(b, dhcp_option, dhcp.options)->key = make_text(b, "domain-name-servers");
    b->facts.dhcp.options.v[0].values = make_texts(b, values);
}

static inline void build_ways(struct fact_book *b)
{
    static const char *const services[] = { "ecr.api", "ecr.dkr", "logs", "ssmmessages" };
    struct fact_subnet *s = MAKE(b, subnet, subnets);
    s->id = make_text(b, SUBNET);
    s->cidr = make_text(b, "10.0.1.0/24");
    struct fact_route_table *t = MAKE(b, route_table, route_tables);
    t->id = make_text(b, TABLE);
    t->main = FACT_NO;
    t->subnets = make_texts(b, SUBNET);
    make_route_to(b, "10.0.0.0/16", "local");
    make_route_to(b, "pl-6da54004", GATEWAY);
    make_vpc_endpoint(b, GATEWAY, "s3", "Gateway")->route_tables = make_texts(b, TABLE);
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        make_vpc_endpoint(b, services[i], services[i], "Interface");
}

static inline void build_cloud_map(struct fact_book *b)
{
    struct fact_namespace *n = MAKE(b, namespace, namespaces);
    n->id = make_text(b, "ns-1");
    n->name = make_text(b, "stk");
    n->type = make_text(b, "DNS_PRIVATE");
    n->hosted_zone_id = make_text(b, "Z1");
    struct fact_hosted_zone *z = MAKE(b, hosted_zone, hosted_zones);
    z->id = make_text(b, "Z1");
    z->name = make_text(b, "stk");
    z->owner = make_text(b, "123456789012");
    struct fact_map_service *s = MAKE(b, map_service, map_services);
    s->id = make_text(b, "srv-1");
    s->name = make_text(b, "registry");
    s->namespace_id = make_text(b, "ns-1");
    s->record_types = make_texts(b, "A");
    struct fact_instance *i = make_instance(b, &s->instances);
    i->id = make_text(b, "i-1");
    i->address = make_text(b, "10.0.1.99");
    i->health = make_text(b, "HEALTHY");
    i->is_live = FACT_YES;
}

static inline void build_task(struct fact_book *b)
{
    struct fact_task *t = &b->facts.task;
    t->arn = make_text(b, TASK);
    t->service = make_text(b, "stk-proxy");
    t->status = make_text(b, "RUNNING");
    t->started_s = 1700000000;
    t->launch_type = make_text(b, "FARGATE");
    t->network_mode = make_text(b, "awsvpc");
    t->execute_command = FACT_YES;
    t->task_role = make_text(b, "arn:aws:iam::123456789012:role/task");
    t->subnet_id = make_text(b, SUBNET);
    struct fact_container *c = make_container(b, &t->containers);
    c->name = make_text(b, "s3-proxy");
    c->status = make_text(b, "RUNNING");
    c->exec_agent = make_text(b, "RUNNING");
    c->readonly_root = FACT_NO;
    c->log_group = make_text(b, "/quilt/stk/s3-proxy");
}

/* What AWS tells; nothing is probed. */
static inline void build_account(struct fact_book *b)
{
    b->facts.surroundings.region = make_text(b, "eu-west-1");
    b->facts.surroundings.registry_url = make_text(b, "http://registry.stk");
    b->facts.surroundings.vpc_id = make_text(b, VPC);
    b->facts.surroundings.cluster = make_text(b, "stk");
    make_aws_calls(b, "ok");
    b->facts.vpc.id = make_text(b, VPC);
    b->facts.vpc.cidrs = make_texts(b, "10.0.0.0/16");
    b->facts.vpc.dhcp_options_id = b->facts.dhcp.id = make_text(b, "dopt-1");
    b->facts.vpc.dns_support = b->facts.vpc.dns_hostnames = FACT_YES;
    make_dhcp_values(b, "AmazonProvidedDNS");
    build_ways(b);
    build_cloud_map(b);
    build_task(b);
    b->facts.firewall_fails_open = FACT_NO;
}

/* The same from a workstation. */
static inline void build_outside(struct fact_book *b)
{
    build_account(b);
    b->facts.surroundings.inside = FACT_NO;
    b->facts.surroundings.on_ecs = FACT_NO;
}

/* The same from inside the task, before anything is probed: servers are asked by says and dial. */
static inline void build_inside(struct fact_book *b, const char *servers)
{
    build_network(b, servers);
    build_account(b);
}

/* All is well from inside. */
static inline void build_healthy(struct fact_book *b)
{
    build_inside(b, "10.0.0.2");
    b->facts.servers.v[0].is_amazon = FACT_YES;
    says(b, "10.0.0.2", PUBLIC, "10.0.1.99");
    says(b, AMAZON, PUBLIC, "10.0.1.99");
    dial(b, S3, "s3", "52.218.1.1", "10.0.0.2 " AMAZON, "ok");
    struct fact_connection *c =
        dial(b, REGISTRY, "registry", "10.0.1.99", "10.0.0.2 " AMAZON, "ok");
    c->port = 80;
    c->tls = make_text(b, "");
}

/* A host somewhere, no AWS: its server knows S3, and nobody was asked for more. */
static inline void build_elsewhere(struct fact_book *b)
{
    build_internet(b, "192.168.1.1");
    ask(b, "192.168.1.1", S3, "answer", PUBLIC);
}

/* Associated with the VPC. */
static inline void make_rule(struct fact_book *b, const char *domain, const char *type)
{
    struct fact_resolver_rule *r = MAKE(b, resolver_rule, resolver_rules);
    r->id = fact_textf(b, "rslvr-rr-%s", type);
    r->name = make_text(b, "corporate");
    r->domain = make_text(b, domain);
    r->type = make_text(b, type);
    r->targets = make_texts(b, "10.9.0.53");
    r->status = make_text(b, "COMPLETE");
}

/* The last call of that action came to this instead. */
static inline void fail_call(struct fact_book *b, const char *action, const char *outcome)
{
    for (size_t i = 0; i < b->facts.calls.n; i++)
        if (str_eq(b->facts.calls.v[i].action, str_from_c(action)))
            b->facts.calls.v[i].outcome = make_text(b, outcome);
}

static inline void expect_severity(const struct diagnosis *d, enum finding_code code,
                                   enum finding_severity severity, const char *row)
{
    expect_state(d, code, CHECK_FAIL, row);
    if (d->results[code].finding->severity == severity)
        return;
    print_error("%s: %s is %s\n", row, finding_row(code)->code,
                finding_severity_name(d->results[code].finding->severity));
    fail();
}

/* How grave a finding is that these facts make. */
struct severity_row {
    const char *name;
    void (*make)(struct fact_book *b);
    enum finding_code code;
    enum finding_severity severity;
};

static inline void expect_severities(const struct severity_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct fact_book b;
        struct diagnosis d;
        fact_book_init(&b);
        rows[i].make(&b);
        diagnose(&b.facts, &d);
        expect_severity(&d, rows[i].code, rows[i].severity, rows[i].name);
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

static inline void expect_row(const struct check_row *row)
{
    struct fact_book b;
    struct diagnosis d;
    fact_book_init(&b);
    row->change(&b);
    diagnose(&b.facts, &d);
    expect_state(&d, row->code, row->state, row->name);
    const struct finding *f = d.results[row->code].finding;
    if (f != NULL && row->evidence != NULL && !lines_have(&f->evidence, row->evidence)) {
        print_error("%s: no evidence of %s\n", row->name, row->evidence);
        for (size_t i = 0; i < f->evidence.n; i++)
            print_error("    %.*s\n", STR_ARG(f->evidence.v[i]));
        fail();
    }
    if (f != NULL && row->fix != NULL && !lines_have(&f->fix, row->fix)) {
        print_error("%s: no fix with %s\n", row->name, row->fix);
        for (size_t i = 0; i < f->fix.n; i++)
            print_error("    %.*s\n", STR_ARG(f->fix.v[i]));
        fail();
    }
    if (f != NULL)
        assert_true(f->fix.n > 0 && f->evidence.n > 0);
    if (f == NULL && row->evidence != NULL &&
        !str_contains(d.results[row->code].why, str_from_c(row->evidence)) &&
        !lines_have(&d.results[row->code].actions, row->evidence)) {
        print_error("%s: the reason is %.*s\n", row->name, STR_ARG(d.results[row->code].why));
        fail();
    }
    diagnosis_done(&d);
    fact_book_done(&b);
}
