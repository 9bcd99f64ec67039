#include "doctor/forwarding.h"

#include "codec/escape.h"
#include "codec/s3_host.h"

#include <arpa/inet.h>
#include <stdio.h>

enum {
    SHOWN_BYTES = 80,
    VPC_MIN_BITS = 16, /* the largest VPC, and the largest subnet */
    VPC_MAX_BITS = 28,
    VPC6_MIN_BITS = 44,
    VPC6_MAX_BITS = 60,
    RESOLVER_OFFSET = 2,     /* "VPC+2" */
    N_RESERVED_IN_FRONT = 4, /* in each subnet, for AWS itself; and the last address */
};

static const char *const server_names[] = {
    [FORWARDING_BIND] = "bind",       [FORWARDING_UNBOUND] = "unbound",
    [FORWARDING_DNSMASQ] = "dnsmasq", [FORWARDING_COREDNS] = "coredns",
    [FORWARDING_WINDOWS] = "windows",
};

static const char *const inbound = "give the addresses of a Route 53 Resolver inbound endpoint";

const char *forwarding_server_name(enum forwarding_server s)
{
    return server_names[s];
}

void forwarding_init(struct forwarding *f)
{
    *f = (struct forwarding){ .server = N_FORWARDING_SERVERS };
}

/* what: shown as it stands there; returns false. */
static bool refuse(struct buf *problem, struct str what, const char *why)
{
    escape_plain(problem, what, SHOWN_BYTES);
    buf_printf(problem, "%s%s", what.n > 0 ? " " : "", why);
    return false;
}

bool forwarding_take_server(struct forwarding *f, struct str name, struct buf *problem)
{
    for (unsigned i = 0; i < N_FORWARDING_SERVERS; i++)
        if (str_eq(name, str_from_c(server_names[i]))) {
            f->server = (enum forwarding_server)i;
            return true;
        }
    return refuse(problem, name, "is no server of bind, unbound, dnsmasq, coredns, windows");
}

bool forwarding_take_region(struct forwarding *f, struct str region, struct buf *problem)
{
    const struct partition *p = partition_of_region(region);
    if (p == NULL)
        return refuse(problem, region, "is no name of a region");
    f->partition = p;
    return true;
}

static bool take_address(struct forwarding *f, struct str text, struct buf *problem)
{
    struct addr a;
    /* A zone index would be looked up among this machine's interfaces. */
    if (str_find(text, '%', 0) < text.n || !addr_parse_ip(text, &a))
        return refuse(problem, text, "is no IP address; ports and names have no place in --to");
    for (unsigned i = 0; i < f->n_addresses; i++)
        if (addr_ip_eq(&f->addresses[i], &a))
            return refuse(problem, text, "stands there twice");
    if (f->n_addresses == FORWARDING_MAX_ADDRESSES)
        return refuse(problem, STR(""),
                      "more than 12 addresses: an inbound endpoint has two to six");
    f->addresses[f->n_addresses++] = a;
    return true;
}

bool forwarding_take_addresses(struct forwarding *f, struct str list, struct buf *problem)
{
    struct str rest = list, text;
    if (list.n == 0 || str_ends(list, STR(",")))
        return refuse(problem, STR(""), "an address is missing in --to");
    while (str_next(&rest, ',', &text))
        if (!take_address(f, text, problem))
            return false;
    return true;
}

bool forwarding_take_cidr(struct forwarding *f, struct str cidr, struct buf *problem)
{
    struct cidr c;
    if (str_find(cidr, '/', 0) == cidr.n || !cidr_parse(cidr, &c))
        return refuse(problem, cidr,
                      "is no CIDR block (bits behind the prefix must be zero: 10.0.0.0/16)");
    bool is_v4 = addr_family(&c.addr) == AF_INET;
    if (c.prefix_bits < (is_v4 ? VPC_MIN_BITS : VPC6_MIN_BITS) ||
        c.prefix_bits > (is_v4 ? VPC_MAX_BITS : VPC6_MAX_BITS))
        return refuse(problem, cidr, "is no VPC's: these are /16 to /28, IPv6 ones /44 to /60");
    if (f->n_cidrs == FORWARDING_MAX_CIDRS)
        return refuse(problem, STR(""), "more than 5 CIDR blocks for one VPC");
    f->cidrs[f->n_cidrs++] = c;
    return true;
}

/* Lower case, without a last dot. False when it does not fit, or is no string of C's. */
static bool fold(struct str name, char out[static FORWARDING_NAME_BYTES])
{
    if (str_ends(name, STR(".")))
        name.n--;
    if (name.n >= FORWARDING_NAME_BYTES || str_find(name, 0, 0) < name.n)
        return false;
    for (size_t i = 0; i < name.n; i++)
        out[i] = ascii_lower(name.p[i]);
    out[name.n] = 0;
    return true;
}

/* Host names' grammar, and underscores: what could break out of a line of any of the servers' files
 * has no place in it. */
static bool is_zone_name(const char *name)
{
    char shape[FORWARDING_NAME_BYTES];
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++)
        shape[i] = (char)(name[i] == '_' ? 'a' : name[i]);
    return host_name_is_valid(str_of(shape, n));
}

static bool is_in(const char *name, const char *zone)
{
    struct str n = str_from_c(name), z = str_from_c(zone);
    return str_ends(n, z) && (n.n == z.n || n.p[n.n - z.n - 1] == '.');
}

/* RFC 6761 and friends: names that servers answer by themselves, whatever is forwarded. */
static bool is_special(const char *name)
{
    static const char *const zones[] = { "arpa", "localhost", "invalid", "onion" };
    for (unsigned i = 0; i < sizeof zones / sizeof zones[0]; i++)
        if (is_in(name, zones[i]))
            return true;
    return false;
}

static bool add_name(struct forwarding *f, struct str name, const char *what, struct buf *problem)
{
    unsigned n_own = f->n_zones;
    struct forwarding_zone zone = { .what = what };
    if (!fold(name, zone.name) || !is_zone_name(zone.name))
        return refuse(problem, name, "is no name of a zone");
    if (is_special(zone.name))
        return refuse(problem, name,
                      "is a name that DNS servers answer by themselves: it is not forwarded");
    for (unsigned i = 0; i < n_own; i++)
        if (strcmp(f->zones[i].name, zone.name) == 0)
            return refuse(problem, name, "is there twice");
    if (n_own == FORWARDING_MAX_NAMES)
        return refuse(problem, STR(""), "more than 16 zones and namespaces");
    f->zones[f->n_zones++] = zone;
    return true;
}

bool forwarding_take_namespace(struct forwarding *f, struct str name, struct buf *problem)
{
    if (!add_name(f, name, "the Cloud Map namespace: a private zone that only the VPC knows",
                  problem))
        return false;
    f->n_namespaces++;
    return true;
}

bool forwarding_take_zone(struct forwarding *f, struct str name, struct buf *problem)
{
    return add_name(f, name, "asked for with --zone", problem);
}

struct str forwarding_namespace_of(struct str host)
{
    struct str front = STR("registry.");
    if (!str_eq_nocase(str_first(host, front.n), front))
        return STR("");
    return str_from(host, front.n);
}

/* How far an IPv4 address is from the start of the block of so many prefix bits that it is in. */
static uint32_t offset_in(const struct addr *a, unsigned prefix_bits)
{
    return ntohl(a->v4.sin_addr.s_addr) & (UINT32_MAX >> prefix_bits);
}

static const struct cidr *cidr_of(const struct forwarding *f, const struct addr *a)
{
    for (unsigned i = 0; i < f->n_cidrs; i++)
        if (cidr_has(&f->cidrs[i], a))
            return &f->cidrs[i];
    return NULL;
}

static bool is_in_block(const struct addr *a, const char *block)
{
    struct cidr c;
    return cidr_parse(str_from_c(block), &c) && cidr_has(&c, a);
}

/* VPCs may be numbered from any IPv4 range; these are the ones that the internet does not use. */
static bool is_private_v4(const struct addr *a)
{
    return is_in_block(a, "10.0.0.0/8") || is_in_block(a, "172.16.0.0/12") ||
           is_in_block(a, "192.168.0.0/16") || is_in_block(a, "100.64.0.0/10") ||
           is_in_block(a, "198.18.0.0/15");
}

/* Addresses that no inbound endpoint has, wherever. NULL: it may be one. */
static const char *never_an_endpoint(const struct addr *a)
{
    if (is_in_block(a, "169.254.169.253/32") || is_in_block(a, "fd00:ec2::253/128"))
        return "is Amazon's resolver as instances and tasks see it: nobody outside of the VPC "
               "reaches it, through VPN and Direct Connect neither";
    if (addr_family(a) == AF_INET6 && !is_in_block(a, "fc00::/7") && !is_in_block(a, "2000::/3"))
        return "is no unicast IPv6 address of a VPC (fc00::/7 or 2000::/3)";
    switch (addr_classify(a)) {
    case ADDR_GLOBAL:
        return NULL;
    case ADDR_LINK_LOCAL:
        return "is link-local: nobody outside of the VPC reaches it";
    case ADDR_LOOPBACK:
        return "is loopback: the DNS server would ask itself";
    case ADDR_UNSPECIFIED:
        return "is no address to send to";
    case ADDR_MULTICAST:
        return "is multicast or reserved";
    }
    return NULL;
}

static bool refuse_vpc_plus_2(struct buf *problem, struct str text, const char *vpc)
{
    buf_printf(problem,
               "%.*s is VPC+2 of %s: Amazon's resolver there answers the VPC alone, and nobody "
               "through VPN, Direct Connect or peering; %s",
               STR_ARG(text), vpc, inbound);
    return false;
}

/* The address is in this block of the VPC. */
static bool judge_in_vpc(const struct cidr *vpc, const struct addr *a, struct str text,
                         struct buf *problem, struct buf *warnings)
{
    char block[ADDR_TEXT_BYTES + 8], base[ADDR_TEXT_BYTES];
    uint32_t offset = offset_in(a, vpc->prefix_bits);
    snprintf(block, sizeof block, "%s/%u", addr_ip_text(&vpc->addr, base), vpc->prefix_bits);
    if (offset == RESOLVER_OFFSET)
        return refuse_vpc_plus_2(problem, text, block);
    if (offset < N_RESERVED_IN_FRONT || offset == UINT32_MAX >> vpc->prefix_bits) {
        buf_printf(problem, "%.*s is reserved in %s; %s", STR_ARG(text), block, inbound);
        return false;
    }
    if (offset_in(a, 24) == RESOLVER_OFFSET)
        buf_printf(warnings,
                   "%.*s is an endpoint's address only in a subnet larger than /24: the first four "
                   "of each subnet are AWS's\n",
                   STR_ARG(text));
    return true;
}

/* No block of the VPC is known to hold it. */
static bool judge_v4(const struct addr *a, struct str text, struct buf *problem,
                     struct buf *warnings)
{
    char vpc[128];
    uint32_t in_largest = offset_in(a, VPC_MIN_BITS), in_24 = offset_in(a, 24);
    if (!is_private_v4(a))
        return refuse(problem, text,
                      "is a public address, and inbound endpoints have private ones; is the VPC "
                      "numbered like this, then give --vpc-cidr");
    if (in_24 == RESOLVER_OFFSET) {
        snprintf(vpc, sizeof vpc, "a VPC that begins at %.*s0, as many do%s", (int)(text.n - 1),
                 text.p, in_largest == in_24 ? "" : " (if not, --vpc-cidr shows it)");
        return refuse_vpc_plus_2(problem, text, vpc);
    }
    /* Every subnet, /16 to /28, that has such an address begins at the same place. */
    if (in_largest < N_RESERVED_IN_FRONT)
        return refuse(problem, text,
                      "is one of the first four addresses of every subnet that could have it, and "
                      "these are AWS's");
    if (offset_in(a, VPC_MAX_BITS) == RESOLVER_OFFSET)
        buf_printf(warnings,
                   "%.*s would be VPC+2 of a small VPC, /25 to /28; --vpc-cidr tells for sure\n",
                   STR_ARG(text));
    return true;
}

static bool judge_address(const struct forwarding *f, const struct addr *a, struct buf *problem,
                          struct buf *warnings)
{
    char shown[ADDR_TEXT_BYTES];
    struct str text = str_from_c(addr_ip_text(a, shown));
    const char *never = never_an_endpoint(a);
    const struct cidr *vpc = cidr_of(f, a);
    if (never != NULL) {
        refuse(problem, text, never);
        buf_printf(problem, "; %s", inbound);
        return false;
    }
    if (f->n_cidrs > 0 && vpc == NULL)
        buf_printf(warnings, "%s is in no CIDR block of --vpc-cidr\n", shown);
    if (addr_family(a) == AF_INET)
        return vpc != NULL ? judge_in_vpc(vpc, a, text, problem, warnings)
                           : judge_v4(a, text, problem, warnings);
    if (vpc == NULL && is_in_block(a, "2000::/3"))
        buf_printf(warnings,
                   "%s may be anybody's, and VPCs have such addresses: make sure that it is the "
                   "endpoint's\n",
                   shown);
    return true;
}

/* The partition's zones come first. */
static bool add_partition(struct forwarding *f, struct buf *problem)
{
    const struct partition *p = f->partition;
    if (p == NULL)
        p = f->partition = partition_default();
    memmove(f->zones + p->n_zones, f->zones, f->n_zones * sizeof f->zones[0]);
    for (unsigned i = 0; i < p->n_zones; i++) {
        struct forwarding_zone *zone = &f->zones[i];
        fold(str_from_c(p->zones[i].name), zone->name);
        zone->what = p->zones[i].what;
        for (unsigned own = 0; own < f->n_zones; own++) {
            const char *name = f->zones[p->n_zones + own].name;
            if (strcmp(name, zone->name) == 0)
                return refuse(problem, str_from_c(name), "is forwarded anyway");
            if (strchr(name, '.') == NULL && is_in(zone->name, name))
                return refuse(problem, str_from_c(name),
                              "is a whole top-level domain, much more than AWS's names");
        }
    }
    f->n_zones += p->n_zones;
    return true;
}

bool forwarding_finish(struct forwarding *f, struct buf *problem, struct buf *warnings)
{
    if (f->server == N_FORWARDING_SERVERS)
        return refuse(problem, STR(""), "which server is it for? --for is missing");
    if (f->n_addresses == 0)
        return refuse(problem, STR(""), "where to? --to is missing");
    for (unsigned i = 0; i < f->n_addresses; i++)
        if (!judge_address(f, &f->addresses[i], problem, warnings))
            return false;
    if (f->n_addresses == 1)
        buf_printf(warnings, "one address alone: an inbound endpoint has one in each of at least "
                             "two zones; give all, or one failure takes these names away\n");
    return add_partition(f, problem);
}
