#pragma once
/*
 * From a setting's text to its field: one parser a type. For the conf room alone. A parser tells
 * what is wrong through conf_bad and leaves the field as it was; what it keeps is in conf->arena.
 */
#include "conf/settings.h"

enum conf_type {
    CONF_TYPE_REGISTRY,
    CONF_TYPE_LISTEN,
    CONF_TYPE_ADMIN,
    CONF_TYPE_WORKERS,
    CONF_TYPE_HOST_RULES,
    CONF_TYPE_BUCKETS,
    CONF_TYPE_CIDRS,
    CONF_TYPE_PATH,
    CONF_TYPE_FIELD_NAMES,
    CONF_TYPE_SIZE,
    CONF_TYPE_COUNT,
    CONF_TYPE_ON_OFF,
    CONF_TYPE_LOG_LEVEL,
    CONF_TYPE_DNS_SERVERS,
    CONF_TYPE_DNS_ROUTES,
    CONF_TYPE_DNS_AWS,
    N_CONF_TYPES
};

struct conf_row {
    const char *key;
    size_t offset; /* of the field in struct conf */
    enum conf_type type;
    bool is_at_start; /* a reload does not change it */
    const char *initial;
    uint64_t least, most; /* of numbers; the default port of addresses is in most */
    const char *help, *more;
};
extern const struct conf_row conf_rows[N_CONF_SETTINGS];
/* N_CONF_SETTINGS when there is none. */
enum conf_setting conf_find(struct str key);

/* One value being read. */
struct conf_reader {
    struct conf *conf;
    const struct conf_row *row;
    const char *where; /* "PENSTOCK_LISTEN", "penstock.yaml:3:5: PENSTOCK_LISTEN" */
    struct buf *errors;
    bool has_failed;
};

struct conf_type_row {
    const char *name; /* for the documentation */
    char separator;   /* of a list; 0 for a single value */
    bool (*parse)(struct conf_reader *r, struct str text, void *field);
};
extern const struct conf_type_row conf_types[N_CONF_TYPES];

/* Reads text into the row's field. False: conf_bad was called. */
bool conf_read_value(struct conf_reader *r, struct str text);

/* Writes "where: ..." as one line of printable ASCII. Returns false. */
bool conf_bad(struct conf_reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool conf_no_memory(struct conf_reader *r);
/* For "%.*s" with bytes from outside: not more than a line's worth. */
#define CONF_SHOWN(s) (int)((s).n < 100 ? (s).n : 100), (s).p

/* Host or zone name: labels of letters, digits, hyphens and the characters of also; at most 63
 * bytes each and 253 in all, none empty. */
bool conf_is_name(struct str name, const char *also);

/* conf/lists.c */
bool conf_parse_listen(struct conf_reader *r, struct str text, void *field);
bool conf_parse_admin(struct conf_reader *r, struct str text, void *field);
bool conf_parse_host_rules(struct conf_reader *r, struct str text, void *field);
bool conf_parse_buckets(struct conf_reader *r, struct str text, void *field);
bool conf_parse_cidrs(struct conf_reader *r, struct str text, void *field);
bool conf_parse_field_names(struct conf_reader *r, struct str text, void *field);
bool conf_parse_dns_servers(struct conf_reader *r, struct str text, void *field);
bool conf_parse_dns_routes(struct conf_reader *r, struct str text, void *field);
/* conf/registry.c */
bool conf_parse_registry(struct conf_reader *r, struct str text, void *field);

/* conf/yaml.c: calls on_pair for each key of the one mapping that the text holds; positions count
 * from 1. What is no such mapping is told through on_error. Stops at a syntax error. */
struct conf_pair {
    struct str key;
    unsigned key_line, key_column;
    struct str value; /* items of a sequence joined by the separator that on_key gave */
    unsigned line, column;
};
struct conf_yaml_events {
    /* false: the value is skipped. *separator 0: a sequence is an error. */
    bool (*on_key)(void *arg, const struct conf_pair *p, char *separator);
    void (*on_pair)(void *arg, const struct conf_pair *p);
    void (*on_error)(void *arg, unsigned line, unsigned column, const char *problem);
};
void conf_read_yaml(struct str text, const struct conf_yaml_events *events, void *arg);
