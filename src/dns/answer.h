#pragma once
/*
 * An answer, and why: every question ends in one struct dns_explain, which the access log, the
 * error body, the forwarder's replies and `penstock lookup` all read.
 */
#include "base/buf.h"
#include "codec/addr.h"
#include "codec/dns_msg.h"

enum { DNS_MAX_ADDRS = 32, DNS_MAX_TRIES = 24 };

/* What one server did with one question. */
enum dns_outcome {
    DNS_ANSWERED,
    DNS_NODATA_OUTCOME,
    DNS_NXDOMAIN_OUTCOME,
    DNS_SERVFAIL_OUTCOME,
    DNS_REFUSED_OUTCOME,
    DNS_FORMERR_OUTCOME,
    DNS_NOTIMP_OUTCOME,
    DNS_LAME,
    DNS_TIMED_OUT,
    DNS_UNREACHABLE,
    DNS_BAD_REPLY,
    DNS_SINKHOLE,        /* every address is one that is never dialled */
    DNS_NOT_CONNECTABLE, /* answered, but no address accepted a connection */
    DNS_NOT_SENT,        /* not asked: we have no descriptor, port or memory left */
    DNS_OVER_BUDGET,     /* not asked: the packets that it may get in a second are spent */
    DNS_NOT_ASKED,       /* not asked: nothing was to be sent */
    DNS_LOOPS,           /* not asked: it would ask us */
    N_DNS_OUTCOMES
};
const char *dns_outcome_text(
    enum dns_outcome o); /* "NXDOMAIN", "no reply", "connection refused by ICMP" ... for people */

struct dns_try {
    struct addr server;
    uint8_t group; /* index in the route */
    uint8_t hop;   /* 0: asked for the name; else for an alias's target on a route of its own */
    uint16_t type;
    uint8_t outcome; /* enum dns_outcome */
    bool by_tcp;
    bool from_cache; /* known from a moment ago: nothing was sent */
    bool is_pending; /* no reply yet when the lookup ended */
    uint32_t took_us;
    const char *group_name; /* static text */
};

enum dns_source {
    DNS_FROM_SERVER,
    DNS_FROM_CACHE,
    DNS_FROM_STALE,
    DNS_FROM_HOSTS,
    DNS_FROM_LITERAL,
    DNS_FROM_NOWHERE
};

struct dns_explain {
    struct dns_name qname;
    struct dns_name zone;   /* of the route that matched */
    const char *route_from; /* "built in", "setting", "registry", or NULL: static text */
    const char *group_name; /* "system", "vpc", "setting": the group finally used, or NULL */
    enum dns_source source;
    uint32_t stale_s; /* age beyond the TTL, with DNS_FROM_STALE */
    uint32_t ttl_s;
    unsigned n_tries;
    struct dns_try tries[DNS_MAX_TRIES]; /* the first ones; n_more beyond */
    unsigned n_more;
    unsigned n_cnames;
    bool is_detour;        /* answered, but not by the first group's first server alone */
    unsigned n_hops;       /* targets of aliases that were asked for on a route of their own */
    struct dns_name alias; /* the last of them; n is 0 without any */
    uint32_t took_us;
};

const char *dns_source_text(enum dns_source s); /* "server", "cache", "stale" ... */
void dns_explain_add(struct dns_explain *x, const struct dns_try *t);
/* "192.168.1.53 NXDOMAIN in 3 ms; 169.254.169.253 no reply in 400 ms": fits a fault's detail.
 * NUL-terminated. */
void dns_explain_text(const struct dns_explain *x, char *text, size_t text_bytes);
/* The way to an answer: "vpc: 192.168.1.53 NXDOMAIN in 3 ms; 169.254.169.253 answered in 1 ms",
 * "vpc, from the cache", "system, 12 s beyond its TTL: ...". NUL-terminated. */
void dns_explain_way(const struct dns_explain *x, char *text, size_t text_bytes);
