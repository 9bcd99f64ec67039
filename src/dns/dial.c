#include "dns/dial.h"

#include "dns/shared.h"

#include <unistd.h>

/* A UDP socket's connect only asks the routing table. The source address goes to *from. */
static bool find_route(const struct addr *to, struct addr *from)
{
    int fd = socket(addr_family(to), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct addr dest = *to;
    if (addr_port(&dest) == 0)
        addr_set_port(&dest, 53);
    socklen_t n = sizeof *from;
    *from = (struct addr){ 0 };
    bool ok = connect(fd, &dest.sa, addr_len(&dest)) == 0 && getsockname(fd, &from->sa, &n) == 0;
    close(fd);
    return ok;
}

bool dns_host_has_ipv6(void)
{
    /* One public prefix (Amazon's), and the ULA that VPCs without public IPv6 use. */
    static const char *const far[] = { "2600:1f00::1", "fd00::1" };
    for (unsigned i = 0; i < sizeof far / sizeof far[0]; i++) {
        struct addr to, from;
        if (addr_parse_ip(str_from_c(far[i]), &to) && find_route(&to, &from) &&
            addr_classify(&from) == ADDR_GLOBAL)
            return true;
    }
    return false;
}

bool dns_is_host_address(const struct addr *a)
{
    int fd = socket(addr_family(a), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct addr at = *a;
    addr_set_port(&at, 0);
    bool ok = bind(fd, &at.sa, addr_len(&at)) == 0;
    close(fd);
    return ok;
}

bool dns_dial_allowed_by(const struct dns_routes *routes, enum dns_policy policy,
                         const struct addr *a)
{
    const struct conf_cidrs *allowed = &routes->conf->allow_addresses;
    enum addr_class class = addr_classify(a);
    /* Dialling ourselves is a loop, whatever is allowed. */
    if (dns_is_own(&routes->own, a))
        return false;
    for (size_t i = 0; i < allowed->n; i++)
        if (cidr_has(&allowed->v[i], a))
            return true;
    if (class == ADDR_UNSPECIFIED)
        return false;
    return policy == DNS_POLICY_REGISTRY || class == ADDR_GLOBAL;
}

bool dns_dial_allowed(struct dns_engine *e, enum dns_policy policy, const struct addr *a)
{
    dns_engine_update(e);
    return dns_dial_allowed_by(e->routes, policy, a);
}

/* Rules 1, 2, 5 and 6 of RFC 6724 section 6, with its section 2.1 table cut to what unicast needs.
 */
struct preference {
    bool has_route, has_same_scope, has_same_label;
    int precedence;
};

static int label_of(const struct addr *a, int *precedence)
{
    static const struct {
        const char *prefix;
        int precedence, label;
    } table[] = { { "::1/128", 50, 0 },
                  { "fc00::/7", 3, 13 },
                  { "2002::/16", 30, 2 },
                  { "2001::/32", 5, 5 },
                  { "64:ff9b::/96", 40, 1 } };
    *precedence = addr_family(a) == AF_INET ? 35 : 40;
    for (unsigned i = 0; addr_family(a) == AF_INET6 && i < sizeof table / sizeof table[0]; i++) {
        struct cidr c;
        if (cidr_parse(str_from_c(table[i].prefix), &c) && cidr_has(&c, a)) {
            *precedence = table[i].precedence;
            return table[i].label;
        }
    }
    return addr_family(a) == AF_INET ? 4 : 1;
}

static struct preference prefer(const struct addr *a)
{
    struct addr from;
    struct preference p = { .has_route = find_route(a, &from) };
    int label = label_of(a, &p.precedence), unused;
    if (p.has_route) {
        p.has_same_scope = addr_classify(a) == addr_classify(&from);
        p.has_same_label = label == label_of(&from, &unused);
    }
    return p;
}

static bool is_v6_first(const struct addr *v6, const struct addr *v4)
{
    struct preference a = prefer(v6), b = prefer(v4);
    if (a.has_route != b.has_route)
        return a.has_route;
    if (a.has_same_scope != b.has_same_scope)
        return a.has_same_scope;
    if (a.has_same_label != b.has_same_label)
        return a.has_same_label;
    return a.precedence > b.precedence;
}

void dns_dial_order(struct addr *v, unsigned n, unsigned turn)
{
    struct addr by_family[2][DNS_MAX_ADDRS];
    unsigned counts[2] = { 0, 0 };
    if (n > DNS_MAX_ADDRS)
        n = DNS_MAX_ADDRS;
    for (unsigned i = 0; i < n; i++) {
        unsigned f = addr_family(&v[i]) == AF_INET6;
        by_family[f][counts[f]++] = v[i];
    }
    unsigned first = 0;
    if (counts[0] > 0 && counts[1] > 0)
        first = is_v6_first(&by_family[1][0], &by_family[0][0]);
    else
        first = counts[1] > 0;
    unsigned used[2] = { 0, 0 };
    for (unsigned i = 0, f = first; i < n; f = !f) {
        if (used[f] < counts[f])
            v[i++] = by_family[f][(used[f]++ + turn) % counts[f]];
    }
}
