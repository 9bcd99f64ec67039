#pragma once
/*
 * Conditional forwarding for DNS servers outside of the VPC: the zones that only Amazon's resolver
 * answers rightly are sent to the addresses of a Route 53 Resolver inbound endpoint. Arguments are
 * taken one by one, judged together, and written as text that the server takes as it is. Pure: no
 * I/O, no memory of its own but the buffers that are handed in.
 */
#include "base/buf.h"
#include "codec/addr.h"
#include "doctor/partition.h"

enum forwarding_server {
    FORWARDING_BIND,
    FORWARDING_UNBOUND,
    FORWARDING_DNSMASQ,
    FORWARDING_COREDNS,
    FORWARDING_WINDOWS,
    N_FORWARDING_SERVERS
};

enum {
    FORWARDING_MAX_ADDRESSES = 12, /* two inbound endpoints as large as AWS lets them be */
    FORWARDING_MAX_NAMES = 16,     /* of the user's own */
    FORWARDING_MAX_ZONES = PARTITION_MAX_ZONES + FORWARDING_MAX_NAMES,
    FORWARDING_MAX_CIDRS = 5,
    FORWARDING_NAME_BYTES = 254,
    FORWARDING_TEXT_BYTES = 256 * 1024, /* the longest text there can be is shorter */
};

struct forwarding_zone {
    char name[FORWARDING_NAME_BYTES]; /* lower case, no last dot, NUL-terminated */
    const char *what;                 /* what lives there, for people */
};

struct forwarding {
    enum forwarding_server server;
    const struct partition *partition; /* NULL before forwarding_finish(): no region was given */
    unsigned n_addresses;
    struct addr addresses[FORWARDING_MAX_ADDRESSES];
    unsigned n_cidrs; /* of the VPC where the inbound endpoint is */
    struct cidr cidrs[FORWARDING_MAX_CIDRS];
    /* the partition's first, then namespaces and zones as they came */
    unsigned n_zones, n_namespaces;
    struct forwarding_zone zones[FORWARDING_MAX_ZONES];
};

/* Nothing taken yet. */
void forwarding_init(struct forwarding *f);

/*
 * One argument each. False: what is wrong with it is one printable sentence in problem, and f is
 * not to be used. Words of the caller's may hold any byte.
 */
bool forwarding_take_server(struct forwarding *f, struct str name, struct buf *problem);
/* Decides about the partition; the commercial one where no region is given. */
bool forwarding_take_region(struct forwarding *f, struct str region, struct buf *problem);
/* "10.0.1.10,10.0.2.10", without ports. */
bool forwarding_take_addresses(struct forwarding *f, struct str list, struct buf *problem);
/* A VPC's: IPv4 /16 to /28, IPv6 /44 to /60. */
bool forwarding_take_cidr(struct forwarding *f, struct str cidr, struct buf *problem);
/* The Cloud Map namespace, which is a private zone of the VPC. */
bool forwarding_take_namespace(struct forwarding *f, struct str name, struct buf *problem);
bool forwarding_take_zone(struct forwarding *f, struct str name, struct buf *problem);
/*
 * The namespace of a registry's host name, "registry.STACK"; empty when the name tells none (one
 * label alone, or no "registry" in front). Borrowed from host.
 */
struct str forwarding_namespace_of(struct str host);

/*
 * To be called once, last: adds the partition's zones and judges what only all arguments together
 * tell. warnings gets a printable line for each thing that may be right and is odd.
 */
bool forwarding_finish(struct forwarding *f, struct buf *problem, struct buf *warnings);

/* The names of the servers, as forwarding_take_server() takes them. */
const char *forwarding_server_name(enum forwarding_server s);
/* What the server takes; comments in its own syntax say why each zone stands there. */
void forwarding_write(const struct forwarding *f, struct buf *out);
/* What else it takes, for people: lines. */
void forwarding_write_notes(const struct forwarding *f, struct buf *out);
