#include "doctor/dhcp_plan.h"

#include "codec/dns_name.h"
#include "codec/s3_host.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { VPC_MIN_BITS = 16, VPC_MAX_BITS = 28, RESOLVER_OFFSET = 2, TAG_BYTES = 200 };

#define SERVERS STR("domain-name-servers")
#define KEYWORD STR("AmazonProvidedDNS")

bool dhcp_options_add(struct dhcp_options *o, struct str key, struct str value)
{
    unsigned i = 0;
    while (i < o->n && !str_eq(o->v[i].key, key))
        i++;
    if (i == DHCP_MAX_OPTIONS)
        return false;
    struct dhcp_option *option = &o->v[i];
    if (i == o->n)
        *option = (struct dhcp_option){ .key = key };
    if (option->n_values == DHCP_MAX_VALUES)
        return false;
    option->values[option->n_values++] = value;
    o->n += i == o->n;
    return true;
}

const struct dhcp_option *dhcp_options_find(const struct dhcp_options *o, struct str key)
{
    for (unsigned i = 0; i < o->n; i++)
        if (str_eq(o->v[i].key, key))
            return &o->v[i];
    return NULL;
}

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    return true;
}

/* What goes into commands. The set's name does only where it is printable. */
static bool all_printable(const struct dhcp_state *s)
{
    bool ok = is_printable(s->region) && is_printable(s->vpc) && is_printable(s->set_id) &&
              is_printable(s->outbound_endpoint);
    for (unsigned i = 0; i < s->options.n; i++) {
        ok = ok && is_printable(s->options.v[i].key);
        for (unsigned k = 0; k < s->options.v[i].n_values; k++)
            ok = ok && is_printable(s->options.v[i].values[k]);
    }
    for (size_t i = 0; i < s->n_services; i++)
        ok = ok && is_printable(s->services[i].cluster) && is_printable(s->services[i].service);
    return ok;
}

/* Amazon's resolver by address. Without the primary CIDR the link-local one: it is the same. */
static void find_resolver(const struct dhcp_state *s, struct dhcp_plan *plan)
{
    struct cidr c;
    struct addr a;
    snprintf(plan->resolver, sizeof plan->resolver, "169.254.169.253");
    if (!cidr_parse(s->cidr, &c) || addr_family(&c.addr) != AF_INET ||
        c.prefix_bits < VPC_MIN_BITS || c.prefix_bits > VPC_MAX_BITS)
        return;
    a = c.addr;
    a.v4.sin_addr.s_addr = htonl(ntohl(a.v4.sin_addr.s_addr) + RESOLVER_OFFSET);
    addr_ip_text(&a, plan->resolver);
}

static bool is_amazon(const struct dhcp_plan *plan, struct str server)
{
    const struct str known[] = { STR("169.254.169.253"), STR("fd00:ec2::253"),
                                 str_from_c(plan->resolver) };
    struct addr a, b;
    if (str_eq_nocase(server, KEYWORD))
        return true;
    for (unsigned i = 0; i < sizeof known / sizeof known[0]; i++)
        if (addr_parse_ip(server, &a) && addr_parse_ip(known[i], &b) && addr_ip_eq(&a, &b))
            return true;
    return false;
}

/* The corporate servers, once each, in their order. */
static void find_servers(const struct dhcp_option *servers, struct dhcp_plan *plan)
{
    for (unsigned i = 0; i < servers->n_values; i++) {
        struct addr a;
        bool is_known = false;
        if (is_amazon(plan, servers->values[i]))
            continue;
        if (str_find(servers->values[i], '%', 0) < servers->values[i].n ||
            !addr_parse_ip(servers->values[i], &a)) {
            plan->n_odd++;
            continue;
        }
        for (unsigned k = 0; k < plan->n_servers; k++)
            is_known |= addr_ip_eq(&plan->servers[k], &a);
        if (!is_known)
            plan->servers[plan->n_servers++] = a;
    }
}

/* Lower case, without a last dot; false for what is no zone to make a rule for. */
static bool fold_zone(struct str name, char out[static DHCP_NAME_BYTES])
{
    if (str_ends(name, STR(".")))
        name.n--;
    if (!host_name_is_valid(name))
        return false;
    for (size_t i = 0; i < name.n; i++)
        out[i] = ascii_lower(name.p[i]);
    out[name.n] = 0;
    return true;
}

static bool is_amazon_domain(const char *name)
{
    struct str s = str_from_c(name);
    return str_eq(s, STR("ec2.internal")) || str_eq(s, STR("compute.internal")) ||
           str_ends(s, STR(".compute.internal"));
}

/* A rule is one for the names below its zone too; one for the root takes all. */
static bool has_rule(const struct dhcp_state *s, const char *zone)
{
    struct dns_name name, over;
    for (size_t i = 0; i < s->forwarded.n; i++)
        if (dns_name_parse(str_from_c(zone), &name) && dns_name_parse(s->forwarded.v[i], &over) &&
            dns_name_is_in(&name, &over))
            return true;
    return false;
}

static void add_zone(const struct dhcp_state *s, struct dhcp_plan *plan, struct str name)
{
    struct dhcp_zone zone;
    if (!fold_zone(name, zone.name)) {
        plan->n_bad_zones++;
        return;
    }
    if (is_amazon_domain(zone.name)) {
        plan->has_wrong_domain |= plan->domain[0] != 0 && strcmp(zone.name, plan->domain) != 0;
        return;
    }
    for (unsigned i = 0; i < plan->n_zones; i++)
        if (strcmp(plan->zones[i].name, zone.name) == 0)
            return;
    if (plan->n_zones == DHCP_MAX_ZONES) {
        plan->n_bad_zones++;
        return;
    }
    zone.is_forwarded = has_rule(s, zone.name);
    plan->zones[plan->n_zones++] = zone;
}

/* Those that were asked for, and what domain-name says: Linux takes several names in one value. */
static void find_zones(const struct dhcp_state *s, struct dhcp_plan *plan)
{
    const struct dhcp_option *domain = dhcp_options_find(&s->options, STR("domain-name"));
    for (size_t i = 0; i < s->zones.n; i++)
        add_zone(s, plan, s->zones.v[i]);
    for (unsigned i = 0; domain != NULL && i < domain->n_values; i++) {
        struct str rest = domain->values[i], word;
        while (str_next(&rest, ' ', &word))
            if (word.n > 0)
                add_zone(s, plan, word);
    }
}

static void propose(const struct dhcp_state *s, struct dhcp_plan *plan)
{
    struct dhcp_option *servers = NULL;
    plan->proposed = s->options;
    for (unsigned i = 0; i < plan->proposed.n; i++)
        if (str_eq(plan->proposed.v[i].key, SERVERS))
            servers = &plan->proposed.v[i];
    if (servers == NULL)
        servers = &plan->proposed.v[plan->proposed.n++];
    *servers = (struct dhcp_option){ .key = SERVERS, .n_values = 1, .values = { KEYWORD } };
    if (plan->mode == DHCP_AMAZON_ALONE || plan->n_servers == 0)
        return;
    /* The keyword beside addresses is what AWS calls unexpected behavior; its address is none. */
    servers->values[0] = str_from_c(plan->resolver);
    const struct dhcp_option *from = dhcp_options_find(&s->options, SERVERS);
    unsigned n_taken = 0;
    for (unsigned i = 0; i < from->n_values; i++) {
        struct addr a;
        if (n_taken == plan->n_servers || !addr_parse_ip(from->values[i], &a) ||
            !addr_ip_eq(&a, &plan->servers[n_taken]))
            continue;
        n_taken++;
        if (servers->n_values < DHCP_MAX_SERVERS)
            servers->values[servers->n_values++] = from->values[i];
        else
            plan->n_left_out++;
    }
}

/* NULL: the servers are not right. */
static const char *why_right(const struct dhcp_plan *plan, const struct dhcp_option *servers)
{
    unsigned n_keywords = 0;
    for (unsigned i = 0; i < servers->n_values; i++)
        n_keywords += str_eq_nocase(servers->values[i], KEYWORD);
    if (plan->n_odd > 0 || servers->n_values == 0)
        return NULL;
    if (plan->n_servers == 0)
        return "the option set names Amazon's resolver and nobody else already";
    if (plan->mode == DHCP_AMAZON_FIRST && n_keywords == 0 &&
        servers->n_values <= DHCP_MAX_SERVERS && is_amazon(plan, servers->values[0]))
        return "the option set names Amazon's resolver first already";
    return NULL;
}

static const char *why_change(const struct dhcp_plan *plan, const struct dhcp_option *servers)
{
    bool has_amazon = false;
    if (servers == NULL || servers->n_values == 0)
        return "the option set names no DNS server";
    for (unsigned i = 0; i < servers->n_values; i++)
        has_amazon |= is_amazon(plan, servers->values[i]);
    if (!has_amazon)
        return "the option set has no Amazon resolver: its servers answer for AWS names, and they "
               "cannot know the private ones";
    if (!is_amazon(plan, servers->values[0]))
        return "Amazon's resolver is listed, but not first: a client that stops at the first "
               "answer never asks it";
    return "Amazon's resolver is mixed with other servers, which AWS does not support";
}

static void judge(const struct dhcp_state *s, struct dhcp_plan *plan)
{
    const struct dhcp_option *servers = dhcp_options_find(&s->options, SERVERS);
    const char *right = servers != NULL ? why_right(plan, servers) : NULL;
    plan->verdict = DHCP_NOTHING_TO_DO;
    if (!all_printable(s)) {
        plan->verdict = DHCP_REFUSED;
        plan->why = "the state holds characters that are not printable: nothing is made of it";
    } else if (s->vpc.n == 0 || s->set_id.n == 0) {
        plan->verdict = DHCP_REFUSED;
        plan->why = "which set is in force is not known: there would be no way back";
    } else if (servers == NULL && s->options.n == DHCP_MAX_OPTIONS) {
        plan->verdict = DHCP_REFUSED;
        plan->why = "the option set has too many options";
    } else if (str_eq(s->set_id, STR("default")) && s->options.n == 0) {
        plan->why = "the VPC has no option set, and AWS gives 169.254.169.253 to what runs on "
                    "Nitro, Fargate too";
    } else if (right != NULL) {
        plan->why = right;
    } else {
        plan->verdict = DHCP_CHANGE;
        plan->why = why_change(plan, servers);
    }
}

static void name_it(const struct dhcp_state *s, struct dhcp_plan *plan)
{
    if (s->set_name.n > 0 && s->set_name.n <= TAG_BYTES && is_printable(s->set_name))
        snprintf(plan->name, sizeof plan->name, "%.*s, AWS DNS", STR_ARG(s->set_name));
    else
        snprintf(plan->name, sizeof plan->name, "AWS DNS");
}

void dhcp_plan_make(const struct dhcp_state *state, enum dhcp_mode mode, struct dhcp_plan *plan)
{
    const struct dhcp_option *servers = dhcp_options_find(&state->options, SERVERS);
    *plan = (struct dhcp_plan){ .mode = mode };
    find_resolver(state, plan);
    if (str_eq(state->region, STR("us-east-1")))
        snprintf(plan->domain, sizeof plan->domain, "ec2.internal");
    else if (state->region.n > 0 && state->region.n <= TAG_BYTES)
        snprintf(plan->domain, sizeof plan->domain, "%.*s.compute.internal",
                 STR_ARG(state->region));
    if (servers != NULL)
        find_servers(servers, plan);
    find_zones(state, plan);
    name_it(state, plan);
    judge(state, plan);
    if (plan->verdict == DHCP_CHANGE)
        propose(state, plan);
}
