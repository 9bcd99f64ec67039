#pragma once
/*
 * What `penstock fix dhcp` would do to a VPC's DHCP option set, and how to take it back. Pure: the
 * state that AWS told goes in, a plan and its text come out. Strings of state and plan are
 * borrowed; a plan points into the state that it was made from, and into itself: it is not copied.
 */
#include "base/buf.h"
#include "codec/addr.h"

enum {
    DHCP_MAX_OPTIONS = 16,
    DHCP_MAX_VALUES = 16, /* of one option; AWS takes four servers */
    DHCP_MAX_SERVERS = 4,
    DHCP_MAX_ZONES = 16,
    DHCP_NAME_BYTES = 256,
    DHCP_TEXT_BYTES = 1024 * 1024,
};

struct dhcp_option {
    struct str key; /* "domain-name-servers" */
    unsigned n_values;
    struct str values[DHCP_MAX_VALUES];
};

struct dhcp_options {
    unsigned n;
    struct dhcp_option v[DHCP_MAX_OPTIONS];
};

/* One more value of key, at the end. False when there is no room. */
bool dhcp_options_add(struct dhcp_options *o, struct str key, struct str value);
/* NULL when there is none of that key. */
const struct dhcp_option *dhcp_options_find(const struct dhcp_options *o, struct str key);

enum dhcp_mode {
    DHCP_AMAZON_ALONE, /* AmazonProvidedDNS, and corporate zones by outbound Resolver rules */
    DHCP_AMAZON_FIRST, /* Amazon's resolver by address, then the corporate servers */
};

struct dhcp_service {
    struct str cluster, service; /* names or ARNs */
};

struct dhcp_strs {
    size_t n;
    const struct str *v;
};

/* What is. Everything but vpc and set_id may be empty where it is not known. */
struct dhcp_state {
    struct str region, vpc;
    struct str cidr;   /* the primary one, "10.0.0.0/16" */
    struct str set_id; /* "dopt-..."; "default" stands for a VPC without a set */
    struct str set_name;
    struct dhcp_options options;
    struct dhcp_strs zones;       /* corporate zones that were asked for */
    struct dhcp_strs forwarded;   /* zones of FORWARD rules that the VPC has */
    struct str outbound_endpoint; /* "rslvr-out-..." */
    size_t n_services;
    const struct dhcp_service *services; /* ECS services with tasks in the VPC */
    size_t n_lone_tasks;                 /* tasks there that no service starts anew */
};

enum dhcp_verdict {
    DHCP_NOTHING_TO_DO,
    DHCP_CHANGE,
    DHCP_REFUSED, /* no plan can be made of this state */
};

struct dhcp_zone {
    char name[DHCP_NAME_BYTES]; /* lower case, no last dot */
    bool is_forwarded;          /* there is a rule already */
};

struct dhcp_plan {
    enum dhcp_verdict verdict;
    const char *why; /* one sentence, static */
    enum dhcp_mode mode;
    struct dhcp_options proposed; /* for CreateDhcpOptions as it stands */
    char name[DHCP_NAME_BYTES];   /* the new set's Name tag */
    unsigned n_servers;           /* corporate ones of the set in force, addresses all */
    struct addr servers[DHCP_MAX_VALUES];
    unsigned n_left_out; /* of these, because the new set takes four in all */
    unsigned n_odd;      /* values of domain-name-servers that are no address; they are dropped */
    unsigned n_zones;    /* corporate ones */
    struct dhcp_zone zones[DHCP_MAX_ZONES];
    unsigned n_bad_zones;           /* no name of a zone, or too many: nothing is done for them */
    bool has_wrong_domain;          /* domain-name is Amazon's of another region */
    char domain[DHCP_NAME_BYTES];   /* Amazon's domain-name of this region; empty: unknown */
    char resolver[ADDR_TEXT_BYTES]; /* Amazon's resolver by address: VPC+2 */
};

void dhcp_plan_make(const struct dhcp_state *state, enum dhcp_mode mode, struct dhcp_plan *plan);

/* For people: what is, what would be, the commands and how to take it back; lines, printable. */
void dhcp_plan_write(const struct dhcp_state *state, const struct dhcp_plan *plan, struct buf *out);
/*
 * Lines for sh, each step only after the one before it succeeded. Nothing of the state is ever read
 * by the shell but as a word. Nothing is written unless the verdict is DHCP_CHANGE.
 */
void dhcp_plan_write_commands(const struct dhcp_state *state, const struct dhcp_plan *plan,
                              struct buf *out);
/* new_id: of the set that was made; empty for "$new", as the commands have it. */
void dhcp_plan_write_rollback(const struct dhcp_state *state, const struct dhcp_plan *plan,
                              struct str new_id, struct buf *out);
/* For a set that was made and is nobody's. */
void dhcp_plan_write_delete(const struct dhcp_state *state, struct str new_id, struct buf *out);
