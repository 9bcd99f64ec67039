#pragma once
/*
 * Routes: which servers are asked for a name, in which order (docs/DNS.md has the policy). A table
 * is built once from settings and resolv.conf, never changed, and swapped whole; whoever uses a
 * route holds a reference to its table. The table keeps its servers alive.
 */
#include "codec/resolv_conf.h"
#include "conf/settings.h"
#include "dns/server.h"

#include <stdatomic.h>

struct dns_shared;

enum { DNS_MAX_GROUPS = 4, DNS_MAX_GROUP_SERVERS = 16, DNS_MAX_OWN = 64 };

enum dns_zone_kind {
    DNS_ZONE_OTHER,
    DNS_ZONE_AWS,      /* every failure of one group moves to the next */
    DNS_ZONE_REGISTRY, /* the registry's own name; so does this */
};

/* How long answers may be kept, by kind of zone. */
struct dns_zone_rules {
    uint32_t max_ttl_s, max_negative_s, stale_s;
    bool moves_on_negative;
};
const struct dns_zone_rules *dns_zone_rules(enum dns_zone_kind kind);

/* Is it in one of the zones that Amazon's resolver is asked for, whatever the settings say? */
bool dns_is_aws_name(const struct dns_name *name);

struct dns_group {
    const char *name; /* "system", "setting", "vpc" */
    uint64_t id;      /* of its list of servers: what one group answered is not another's */
    unsigned n_servers;
    struct dns_server *servers[DNS_MAX_GROUP_SERVERS];
};

struct dns_route {
    struct dns_name zone; /* lower case */
    uint64_t zone_hash;
    struct dns_zone *counts;
    enum dns_zone_kind kind;
    const char *from; /* "built in", "registry", "setting" */
    unsigned n_groups;
    struct dns_group groups[DNS_MAX_GROUPS];
};

/* A line of resolv.conf. */
struct dns_system_server {
    struct addr addr;
    unsigned line;
};

/* Our own listeners: never asked as a server, never handed out for dialling. The unspecified
 * address stands for every address of this host. */
struct dns_own {
    unsigned n;
    struct addr v[DNS_MAX_OWN];
};
bool dns_is_own(const struct dns_own *own, const struct addr *a);

struct dns_routes {
    atomic_uint refs;
    struct dns_shared *shared;
    const struct conf *conf; /* what it was built from, and what else holds with it */
    struct dns_own own;
    /* resolv.conf as it was read for this table, our own addresses too: for those who show it */
    size_t n_system;
    struct dns_system_server system[RESOLV_MAX_SERVERS];
    bool trusts_system; /* its `options trust-ad` */
    size_t n;
    struct dns_route v[];
};

/*
 * system: the servers of the system group, already without our own addresses. Servers are taken
 * from shared. NULL without memory. The lock of shared must not be held.
 */
struct dns_routes *dns_routes_new(struct dns_shared *shared, const struct conf *conf,
                                  const struct dns_own *own, const struct addr *system,
                                  size_t n_system);
/* Its word that an answer was validated (AD) is handed on: the way to it is said to be safe, or it
 * is on this host. */
bool dns_group_is_trusted(const struct dns_routes *r, const struct dns_group *g);
struct dns_routes *dns_routes_ref(struct dns_routes *r);
void dns_routes_unref(struct dns_routes *r);

/* The longest zone that has name; never NULL, the table has the root. */
const struct dns_route *dns_routes_find(const struct dns_routes *r, const struct dns_name *name);
