#pragma once
/*
 * The checked settings of a process: read once, never changed, shared by all workers. Environment
 * first, then the YAML file, then the default. Every setting is a row of conf/settings.def; parser,
 * `config show`, `config check`, help and man page read the same row.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "codec/addr.h"

enum { CONF_MAX_LISTEN = 16, CONF_MAX_LIST = 256 };

enum conf_scheme { CONF_HTTP, CONF_HTTPS };
enum conf_dns_aws { CONF_DNS_AWS_AUTO, CONF_DNS_AWS_ON, CONF_DNS_AWS_OFF };

struct conf_strs {
    struct str *v;
    size_t n;
};
struct conf_addrs {
    struct addr *v;
    size_t n;
};
struct conf_cidrs {
    struct cidr *v;
    size_t n;
};

/* A row of PENSTOCK_ALLOW_HOSTS: pattern[:port][=http|https]. */
struct conf_host_rule {
    struct str pattern; /* host name, globs allowed */
    uint16_t port;
    enum conf_scheme scheme;
};

/* zone=server,server|server */
struct conf_dns_route {
    struct str zone; /* without the last dot; "." for all */
    size_t n_groups;
    struct conf_addrs *groups;
};

/* INTERNAL_REGISTRY_URL taken apart. */
struct conf_registry {
    enum conf_scheme scheme;
    struct str host; /* name, or address literal without brackets */
    bool is_literal;
    uint16_t port;
    struct str authority; /* for the Host field: with the port where one was given */
    struct str path;      /* put before the raw target; "" or "/x", no trailing slash */
};

struct conf {
    struct arena arena; /* owns all that is below */
    struct conf_registry registry;
    struct conf_addrs listen, admin;
    unsigned workers;              /* at least 1 */
    struct conf_addrs dns_servers; /* empty: resolv.conf's */
    struct {
        struct conf_dns_route *v;
        size_t n;
    } dns_routes;
    enum conf_dns_aws dns_aws;
    bool dns_aws_allowed; /* dns_aws, with auto decided by the ECS variables */
    struct conf_addrs dns_aws_servers;
    struct conf_addrs dns_listen;
    struct str resolv_conf, hosts_file; /* paths */
    struct {
        struct conf_host_rule *v;
        size_t n;
    } allow_hosts;
    struct conf_strs allow_buckets; /* globs; empty: all */
    struct conf_cidrs allow_addresses;
    struct str ca_file; /* empty: the system's alone */
    struct conf_strs expose_headers;
    uint64_t max_body, max_registry_body;                 /* bytes */
    uint64_t max_connections, max_connections_per_client; /* per process; 0: no limit per client */
    bool error_detail;
    struct str log_level;
    /* deadlines, milliseconds; the defaults are those of docs/SETTINGS.md */
    uint64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms;
    uint64_t connect_timeout_ms, tls_timeout_ms, connect_total_ms, upstream_head_timeout_ms,
        upstream_idle_ms, upstream_max_age_ms;
    uint64_t drain_timeout_ms;
};

/*
 * env is NULL-terminated like environ; file NULL for none. Every error found is written to errors
 * as a line of its own ("PENSTOCK_LISTEN: ...", "penstock.yaml:3:5: unknown key ..."). NULL when
 * there is any. PENSTOCK_* variables that are no setting are errors too.
 */
struct conf *conf_load(char *const *env, const char *file, struct buf *errors);
void conf_free(struct conf *c);
/* "NAME=value   # where it comes from", one a line, secrets hidden. */
void conf_show(const struct conf *c, struct buf *out);
/* The table for people: name, default, meaning. */
void conf_help(struct buf *out);
