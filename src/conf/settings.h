#pragma once
/*
 * The checked settings of a process: never changed once read, shared by all workers. A reload reads
 * others, and these live on while anybody holds them. Environment first, then the YAML file, then
 * the default. Every setting is a row of conf/settings.def; parser,
 * `config show`, `config check`, help and docs/SETTINGS.md read the same row.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/fault.h"
#include "codec/addr.h"
#include "codec/json_write.h"

#include <stdatomic.h>

enum {
    CONF_MAX_LISTEN = 16,
    CONF_MAX_LIST = 256,
    CONF_MAX_DNS_GROUPS = 8,
    CONF_MAX_DNS_SERVERS = 16,    /* in a group */
    CONF_VALUE_BYTES = 64 * 1024, /* of one setting */
    CONF_FILE_BYTES = 1024 * 1024,
};

enum conf_setting {
#define SETTING(id, key, field, type, initial, least, most, help, more) CONF_##id,
#include "conf/settings.def"
#undef SETTING
    N_CONF_SETTINGS
};

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
struct conf_host_rules {
    struct conf_host_rule *v;
    size_t n;
};

/* zone=server,server|server */
struct conf_dns_route {
    struct str zone; /* lower case, without the last dot; "." for all */
    size_t n_groups; /* at least 1 */
    struct conf_addrs *groups;
};
struct conf_dns_routes {
    struct conf_dns_route *v;
    size_t n;
};

/* INTERNAL_REGISTRY_URL taken apart. */
struct conf_registry {
    enum conf_scheme scheme;
    struct str host; /* name without a last dot, or address literal without brackets */
    bool is_literal;
    uint16_t port;
    struct str authority; /* for the Host field: with the port where one was given */
    struct str path;      /* put before the raw target; "" or "/x", no trailing slash */
};

/* What the settings are for. */
enum conf_use {
    CONF_FOR_SERVE, /* the registry's URL is required */
    CONF_FOR_DNS, /* the forwarder alone: listens on port 53 unless told otherwise, for nothing else
                   */
    CONF_FOR_TOOL, /* a command that asks and ends: nothing is required, nothing listens */
};

/* Where a value comes from. */
enum conf_source { CONF_FROM_DEFAULT, CONF_FROM_ENV, CONF_FROM_FILE };
struct conf_origin {
    enum conf_source source;
    struct str text; /* as it was given; the items of a YAML sequence joined */
    unsigned line;   /* in the file */
};

struct conf {
    atomic_uint n_more_refs; /* beyond the first */
    struct arena arena;      /* owns all that is below */
    struct conf_registry registry;
    struct conf_addrs listen;
    struct conf_addrs admin;       /* empty: off */
    struct conf_addrs tls_listen;  /* empty: off */
    struct str tls_cert, tls_key;  /* paths, NUL-terminated; empty where tls_listen is */
    unsigned workers;              /* at least 1 */
    struct conf_addrs dns_servers; /* empty: resolv.conf's */
    struct conf_dns_routes dns_routes;
    enum conf_dns_aws dns_aws;
    bool dns_aws_allowed;              /* dns_aws, with auto decided by the ECS variables */
    struct conf_addrs dns_aws_servers; /* IPv6 ones too; who asks leaves out what it cannot reach */
    struct str resolv_conf, hosts_file; /* paths, NUL-terminated */
    uint64_t dns_budget;                /* packets a second to one server */
    uint64_t dns_cache_bytes;
    /* the forwarder */
    struct conf_addrs dns_listen; /* empty: none */
    struct conf_cidrs dns_allow;  /* who may ask */
    uint64_t dns_client_rate; /* questions a second and client that need a server; 0: no limit */
    struct conf_host_rules allow_hosts;
    struct conf_strs allow_buckets; /* globs; empty: all */
    struct conf_cidrs allow_addresses;
    struct str ca_file; /* NUL-terminated; empty: the system's alone */
    struct conf_strs expose_headers;
    uint64_t max_body, max_registry_body, max_manifest;   /* bytes */
    uint64_t max_manifest_total, browse_bodies_total;     /* bytes */
    uint64_t archive_ahead, archive_ahead_total;          /* bytes */
    uint64_t max_connections, max_connections_per_client; /* per process; 0: no limit per client */
    bool error_detail;
    bool self_check;
    struct str log_level; /* one that log_level_parse knows */
    /* deadlines, milliseconds; the defaults are those of docs/SETTINGS.md */
    uint64_t head_timeout_ms, body_timeout_ms, idle_timeout_ms;
    uint64_t connect_timeout_ms, tls_timeout_ms, connect_total_ms, upstream_head_timeout_ms,
        archive_timeout_ms, upstream_idle_ms, upstream_max_age_ms;
    uint64_t drain_timeout_ms;

    struct str file; /* the YAML file's name; empty for none */
    struct conf_origin origins[N_CONF_SETTINGS];
};

/*
 * env is NULL-terminated like environ; file NULL for none. An empty variable counts as not set.
 * Every error found is written to errors as a line of its own ("PENSTOCK_LISTEN: ...",
 * "penstock.yaml:3:5: unknown key ..."), printable ASCII whatever the value was. NULL when there is
 * any. PENSTOCK_* variables that are no setting are errors too, but for those that Kubernetes makes
 * of a service named penstock.
 */
struct conf *conf_load(char *const *env, const char *file, enum conf_use use, struct buf *errors);
/*
 * The same for a process that runs: the file has to be a regular one. A pipe was read up by the
 * start, and what is empty now would turn every setting to its default; or it would be waited for.
 */
struct conf *conf_load_again(char *const *env, const char *file, enum conf_use use,
                             struct buf *errors);
/* conf_load with the file's text at hand. */
struct conf *conf_load_text(char *const *env, const char *file, struct str yaml, enum conf_use use,
                            struct buf *errors);
/*
 * Shared between threads. Who loaded it has the first reference. One that stands in its owner's
 * memory (a copy whose lists are borrowed) is never freed, as long as its owner gives nothing back.
 */
const struct conf *conf_ref(const struct conf *c);
void conf_unref(const struct conf *c); /* NULL is fine */

/*
 * For a reload: what cannot change while the process runs (PENSTOCK_WORKERS) is as in running from
 * here on, whatever was read. False without memory. Before c is shared.
 */
bool conf_keep_at_start(struct conf *c, const struct conf *running);
struct conf_changes {
    bool is_changed[N_CONF_SETTINGS];    /* and holds from now on */
    bool needs_restart[N_CONF_SETTINGS]; /* was changed, and was kept */
};
/* What c, as it was read and not yet given to conf_keep_at_start, says otherwise than running. */
void conf_compare(const struct conf *c, const struct conf *running, struct conf_changes *out);

const char *conf_key(enum conf_setting s); /* "PENSTOCK_LISTEN" */
/* "environment", "penstock.yaml:3", "default" or "not set". */
void conf_origin_text(const struct conf *c, enum conf_setting s, struct buf *out);

enum conf_shown { CONF_SHOW_ALL, CONF_SHOW_CHANGED };
/* "NAME=value   # where it comes from", one a line. What it prints can be read back. No setting
 * holds a secret: a password in a URL is refused. CHANGED: without those that have their default.
 */
void conf_show(const struct conf *c, enum conf_shown which, struct buf *out);
/* {"settings": [{"key", "value", "from", with from "file" also "file" and "line", where it is auto
 * also "here"}]}. */
void conf_show_json(const struct conf *c, enum conf_shown which, struct json *j);
/* The table for people: name, default, meaning. */
void conf_help(struct buf *out);
/* A row of the table as text, for the man page. All static. */
struct conf_doc {
    const char *key, *type, *initial, *help, *more; /* initial and more may be "" */
    bool is_at_start;                               /* a change needs a restart */
};
struct conf_doc conf_doc(enum conf_setting s);
/* docs/SETTINGS.md. */
void conf_help_markdown(struct buf *out);
