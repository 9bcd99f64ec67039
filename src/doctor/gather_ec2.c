#include "doctor/gather_impl.h"

#include <stdio.h>

/* EC2's filters are "Filter.N.Name" and "Filter.N.Value.1". */
#define FILTER(name, text)                                                                         \
    {                                                                                              \
        { "Filter.1.Name", STR(name) },                                                            \
        {                                                                                          \
            "Filter.1.Value.1", text                                                               \
        }                                                                                          \
    }

static bool ec2(struct gather *g, const char *operation, const struct aws_param *params, size_t n,
                struct aws_reply *reply)
{
    struct aws_request request = {
        .service = AWS_EC2, .operation = operation, .params = params, .n_params = n
    };
    return gather_call(g, &request, reply);
}

static bool ec2_pages(struct gather *g, const char *operation, const struct aws_param *params,
                      size_t n, gather_on_page *on_page, void *arg)
{
    struct aws_request request = {
        .service = AWS_EC2, .operation = operation, .params = params, .n_params = n
    };
    return gather_pages(g, &request, GATHER_MAX_PAGES, on_page, arg);
}

static void add_text(struct gather *g, struct fact_texts *to, struct str text)
{
    if (text.n > 0 && !fact_has_text(to, text))
        fact_add_text(g->book, to, text);
}

static void add_texts(struct gather *g, const struct xml *from, const char *path,
                      struct fact_texts *to)
{
    for (const struct xml *i = xml_at(from, path); i != NULL; i = xml_again(i))
        add_text(g, to, i->text);
}

/* true, false, or not there. */
static enum fact_truth truth_at(const struct xml *from, const char *path)
{
    struct str text = xml_text(from, path);
    return text.n == 0 ? FACT_UNKNOWN : fact_truth_of(str_eq(text, STR("true")));
}

static void describe_vpc(struct gather *g)
{
    struct fact_vpc *vpc = &g->book->facts.vpc;
    struct aws_param params[] = { { "VpcId.1", str_from_c(g->vpc_id) } };
    struct aws_reply reply;
    if (ec2(g, "DescribeVpcs", params, 1, &reply)) {
        const struct xml *item = xml_at(xml_root(reply.xml), "vpcSet/item");
        vpc->id = gather_keep(g, xml_text(item, "vpcId"));
        vpc->dhcp_options_id = gather_keep(g, xml_text(item, "dhcpOptionsId"));
        add_text(g, &vpc->cidrs, xml_text(item, "cidrBlock"));
        for (const struct xml *i = xml_at(item, "cidrBlockAssociationSet/item"); i != NULL;
             i = xml_again(i))
            add_text(g, &vpc->cidrs, xml_text(i, "cidrBlock"));
    }
    aws_reply_done(&reply);
}

static enum fact_truth vpc_attribute(struct gather *g, const char *name)
{
    struct aws_param params[] = { { "VpcId", str_from_c(g->vpc_id) },
                                  { "Attribute", str_from_c(name) } };
    struct aws_reply reply;
    enum fact_truth value = FACT_UNKNOWN;
    char path[64];
    snprintf(path, sizeof path, "%s/value", name);
    if (ec2(g, "DescribeVpcAttribute", params, 2, &reply))
        value = truth_at(xml_root(reply.xml), path);
    aws_reply_done(&reply);
    return value;
}

static void read_options(struct gather *g, struct fact_dhcp *dhcp, const struct xml *set)
{
    for (const struct xml *i = xml_at(set, "dhcpConfigurationSet/item"); i != NULL;
         i = xml_again(i)) {
        struct fact_dhcp_option option;
        FACT_CLEAR(dhcp_option, &option);
        option.key = gather_keep(g, xml_text(i, "key"));
        for (const struct xml *v = xml_at(i, "valueSet/item"); v != NULL; v = xml_again(v))
            fact_add_text(g->book, &option.values, xml_text(v, "value"));
        fact_add(g->book, &dhcp->options, &option);
    }
    for (const struct xml *i = xml_at(set, "tagSet/item"); i != NULL; i = xml_again(i))
        if (str_eq(xml_text(i, "key"), STR("Name")))
            dhcp->name = gather_keep(g, xml_text(i, "value"));
}

static void describe_dhcp(struct gather *g)
{
    struct fact_dhcp *dhcp = &g->book->facts.dhcp;
    dhcp->id = g->book->facts.vpc.dhcp_options_id;
    if (dhcp->id.n == 0 || str_eq(dhcp->id, STR("default")))
        return;
    struct aws_param params[] = { { "DhcpOptionsId.1", dhcp->id } };
    struct aws_reply reply;
    if (ec2(g, "DescribeDhcpOptions", params, 1, &reply))
        read_options(g, dhcp, xml_at(xml_root(reply.xml), "dhcpOptionsSet/item"));
    aws_reply_done(&reply);
}

static void on_endpoints(struct gather *g, const struct aws_reply *page, void *arg)
{
    for (const struct xml *i = xml_at(xml_root(page->xml), "vpcEndpointSet/item"); i != NULL;
         i = xml_again(i)) {
        struct fact_endpoint e;
        FACT_CLEAR(endpoint, &e);
        e.id = gather_keep(g, xml_text(i, "vpcEndpointId"));
        e.service = gather_keep(g, xml_text(i, "serviceName"));
        e.type = gather_keep(g, xml_text(i, "vpcEndpointType"));
        e.state = gather_keep(g, xml_text(i, "state"));
        /* A gateway has no names of its own, whatever stands there. */
        if (!str_eq(e.type, STR("Gateway")))
            e.private_dns = truth_at(i, "privateDnsEnabled");
        e.inbound_only = truth_at(i, "dnsOptions/privateDnsOnlyForInboundResolverEndpoint");
        add_texts(g, i, "routeTableIdSet/item", &e.route_tables);
        add_texts(g, i, "subnetIdSet/item", &e.subnets);
        for (const struct xml *n = xml_at(i, "dnsEntrySet/item"); n != NULL; n = xml_again(n))
            add_text(g, &e.dns_names, xml_text(n, "dnsName"));
        fact_add(g->book, &g->book->facts.endpoints, &e);
    }
}

static void on_subnets(struct gather *g, const struct aws_reply *page, void *arg)
{
    for (const struct xml *i = xml_at(xml_root(page->xml), "subnetSet/item"); i != NULL;
         i = xml_again(i)) {
        struct fact_subnet s;
        FACT_CLEAR(subnet, &s);
        s.id = gather_keep(g, xml_text(i, "subnetId"));
        s.cidr = gather_keep(g, xml_text(i, "cidrBlock"));
        s.zone = gather_keep(g, xml_text(i, "availabilityZone"));
        fact_add(g->book, &g->book->facts.subnets, &s);
    }
}

/* The first of these elements that has text. */
static struct str first_of(const struct xml *from, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (xml_text(from, names[i]).n > 0)
            return xml_text(from, names[i]);
    return (struct str){ NULL, 0 };
}

static void read_route(struct gather *g, struct fact_route_table *t, const struct xml *from)
{
    static const char *const destinations[] = { "destinationCidrBlock", "destinationIpv6CidrBlock",
                                                "destinationPrefixListId" };
    static const char *const targets[] = {
        "gatewayId",          "natGatewayId",     "transitGatewayId",
        "networkInterfaceId", "instanceId",       "vpcPeeringConnectionId",
        "localGatewayId",     "carrierGatewayId", "egressOnlyInternetGatewayId",
        "coreNetworkArn",
    };
    struct fact_route r;
    FACT_CLEAR(route, &r);
    r.destination =
        gather_keep(g, first_of(from, destinations, sizeof destinations / sizeof *destinations));
    r.target = gather_keep(g, first_of(from, targets, sizeof targets / sizeof *targets));
    r.state = gather_keep(g, xml_text(from, "state"));
    fact_add(g->book, &t->routes, &r);
}

static void on_route_tables(struct gather *g, const struct aws_reply *page, void *arg)
{
    for (const struct xml *i = xml_at(xml_root(page->xml), "routeTableSet/item"); i != NULL;
         i = xml_again(i)) {
        struct fact_route_table t;
        FACT_CLEAR(route_table, &t);
        t.id = gather_keep(g, xml_text(i, "routeTableId"));
        t.main = FACT_NO;
        for (const struct xml *a = xml_at(i, "associationSet/item"); a != NULL; a = xml_again(a)) {
            if (xml_is_true(a, "main"))
                t.main = FACT_YES;
            add_text(g, &t.subnets, xml_text(a, "subnetId"));
        }
        for (const struct xml *r = xml_at(i, "routeSet/item"); r != NULL; r = xml_again(r))
            read_route(g, &t, r);
        fact_add(g->book, &g->book->facts.route_tables, &t);
    }
}

static void on_prefix_lists(struct gather *g, const struct aws_reply *page, void *arg)
{
    for (const struct xml *i = xml_at(xml_root(page->xml), "prefixListSet/item"); i != NULL;
         i = xml_again(i)) {
        struct fact_prefix_list p;
        FACT_CLEAR(prefix_list, &p);
        p.id = gather_keep(g, xml_text(i, "prefixListId"));
        p.name = gather_keep(g, xml_text(i, "prefixListName"));
        fact_add(g->book, &g->book->facts.prefix_lists, &p);
    }
}

void gather_vpc(struct gather *g)
{
    struct fact_vpc *vpc = &g->book->facts.vpc;
    describe_vpc(g);
    vpc->dns_support = vpc_attribute(g, "enableDnsSupport");
    vpc->dns_hostnames = vpc_attribute(g, "enableDnsHostnames");
    describe_dhcp(g);
}

void gather_subnets(struct gather *g)
{
    struct aws_param of_vpc[] = FILTER("vpc-id", str_from_c(g->vpc_id));
    ec2_pages(g, "DescribeSubnets", of_vpc, 2, on_subnets, NULL);
}

void gather_ec2(struct gather *g)
{
    if (g->vpc_id[0] == 0)
        return;
    struct str region = aws_session_region(g->session, NULL);
    struct str s3 = fact_textf(g->book, "com.amazonaws.%.*s.s3", STR_ARG(region));
    struct aws_param of_vpc[] = FILTER("vpc-id", str_from_c(g->vpc_id));
    struct aws_param of_name[] = FILTER("prefix-list-name", s3);
    gather_vpc(g);
    ec2_pages(g, "DescribeVpcEndpoints", of_vpc, 2, on_endpoints, NULL);
    gather_subnets(g);
    ec2_pages(g, "DescribeRouteTables", of_vpc, 2, on_route_tables, NULL);
    ec2_pages(g, "DescribeManagedPrefixLists", of_name, 2, on_prefix_lists, NULL);
}

/* The VPC of an interface or a subnet that a parameter names. */
static bool find_vpc(struct gather *g, const char *operation, const struct aws_param *params,
                     size_t n, const char *path)
{
    struct fact_task *task = &g->book->facts.task;
    struct aws_reply reply;
    if (ec2(g, operation, params, n, &reply)) {
        const struct xml *item = xml_at(xml_root(reply.xml), path);
        snprintf(g->vpc_id, sizeof g->vpc_id, "%.*s", STR_ARG(xml_text(item, "vpcId")));
        task->vpc_id = gather_keep(g, xml_text(item, "vpcId"));
        if (task->subnet_id.n == 0)
            task->subnet_id = gather_keep(g, xml_text(item, "subnetId"));
    }
    aws_reply_done(&reply);
    return g->vpc_id[0] != 0;
}

void gather_find_vpc(struct gather *g)
{
    const struct fact_facts *f = &g->book->facts;
    struct aws_param interface[] = { { "NetworkInterfaceId.1", f->task.eni_id } };
    if (f->task.eni_id.n > 0 &&
        find_vpc(g, "DescribeNetworkInterfaces", interface, 1, "networkInterfaceSet/item"))
        return;
    /* The interface of a task that has stopped is gone; its subnet stays. */
    struct aws_param subnet[] = { { "SubnetId.1", f->task.subnet_id } };
    if (f->task.subnet_id.n > 0 && find_vpc(g, "DescribeSubnets", subnet, 1, "subnetSet/item"))
        return;
    for (size_t i = 0; i < f->metadata.networks.n; i++) {
        struct aws_param mac[] = FILTER("mac-address", f->metadata.networks.v[i].mac);
        if (f->metadata.networks.v[i].mac.n > 0 &&
            find_vpc(g, "DescribeNetworkInterfaces", mac, 2, "networkInterfaceSet/item"))
            return;
    }
}

static void mark_live(struct fact_map_service *service, const struct xml *set)
{
    for (const struct xml *i = set; i != NULL; i = xml_again(i)) {
        struct str address = xml_text(i, "privateIpAddress");
        for (size_t k = 0; k < service->instances.n; k++)
            if (str_eq(service->instances.v[k].address, address))
                service->instances.v[k].is_live = FACT_YES;
    }
}

static void on_interfaces(struct gather *g, const struct aws_reply *page, void *arg)
{
    mark_live(arg, xml_at(xml_root(page->xml), "networkInterfaceSet/item"));
}

void gather_live_instances(struct gather *g, struct fact_map_service *service)
{
    enum { MOST = 50, NAME_BYTES = 32 };
    struct aws_param params[MOST + 1] = { { "Filter.1.Name",
                                            STR("addresses.private-ip-address") } };
    char names[MOST][NAME_BYTES];
    size_t n = 0;
    for (; n < service->instances.n && n < MOST; n++) {
        snprintf(names[n], sizeof names[n], "Filter.1.Value.%zu", n + 1);
        params[n + 1] = (struct aws_param){ names[n], service->instances.v[n].address };
    }
    if (n == 0 || !ec2_pages(g, "DescribeNetworkInterfaces", params, n + 1, on_interfaces, service))
        return;
    for (size_t i = 0; i < n; i++)
        if (service->instances.v[i].is_live == FACT_UNKNOWN)
            service->instances.v[i].is_live = FACT_NO;
}
