#pragma once
/*
 * A name looked up for people, as the forwarder would for a client (forward.h), with the whole
 * explanation as JSON: what /dns/lookup serves and `penstock lookup` shows. Several types are asked
 * side by side, each for itself.
 *
 * One object a question:
 *   name, type, answered, result ("answered", "NXDOMAIN" ...), records, aliases
 *   route (zone, from), group, source, cache ("no", "fresh", "stale", "negative", "failed"), ttl_s,
 *   stale_s, took_ms
 *   hops   targets of aliases that have a route of their own, and that route
 *   tries  every server asked: what, the result, the time, and the dig line that asks the same
 */
#include "codec/json_write.h"
#include "dns/forward.h"

enum { DNS_REPORT_TYPES = 2 };

struct dns_report {
    void *owner;
    void (*on_done)(struct dns_report *r); /* once, later than start */
    struct dns_name name;
    unsigned n_types;
    uint16_t types[DNS_REPORT_TYPES];
    bool skips_cache; /* servers are asked whatever the cache knows */
    /* private */
    struct dns_engine *engine;
    unsigned n_pending;
    struct dns_forward forwards[DNS_REPORT_TYPES];
};

/* OPT, transfers and the like are no types of records. */
bool dns_report_takes(uint16_t type);
/* owner, on_done and what to ask are set, the rest is zero. */
void dns_report_start(struct dns_report *r, struct dns_engine *e);
/* Whether it is over or not. Harmless when it never started. */
void dns_report_done(struct dns_report *r);

/* The questions as an array of objects; after on_done, before done. j->out->failed when memory was
 * out. */
void dns_report_json(const struct dns_report *r, const char *key, struct json *j);
/* Who says it: the member "by". what: "process" for the running one, "command" for a command of its
 * own. */
void dns_report_by(const char *what, struct json *j);
/* A whole document: by and questions. */
void dns_report_write(const struct dns_report *r, const char *by, struct buf *out);
/* The members of an object that an explanation makes: the same everywhere. */
void dns_explain_json(const struct dns_explain *x, enum dns_outcome result,
                      struct dns_routes *routes, struct json *j);
