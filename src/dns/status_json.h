#pragma once
/*
 * DNS as /status.json shows it (docs/STATUS.md): the routes and why their servers are asked in this
 * order, each server with its health, the endpoints for which another group is asked first. And
 * what readiness and the verdict want to know of it, as a plain struct.
 */
#include "codec/json_write.h"
#include "dns/status.h"

/* What is known of the servers of the routing table as a whole. */
struct dns_health {
    size_t n_servers, n_suspect;
    /* A route whose first group has a suspect server, and that server: the zone's text. */
    bool has_suspect_first;
    struct addr suspect_first;
    char suspect_zone[DNS_NAME_TEXT_BYTES];
    /* Of the routes for Amazon's names: every server of every group is suspect (false where there
     * is none). Lookups there that ended with an answer, "there is none" too, and those that
     * failed, since the process started. */
    bool aws_all_suspect;
    uint64_t aws_answered, aws_failed;
};

struct dns_status_view {
    struct dns_shared *shared;
    const struct dns_status *status; /* read before */
    uint64_t now_ms;                 /* of the loop */
    uint64_t unix_ms;                /* the same moment, since 1970 */
    /* Writes further keys of a server's object; NULL: none. */
    void (*on_server)(void *arg, struct json *j, const struct addr *server);
    void *arg;
};

/* Only servers of the routing table are shown and judged: others are on their way out. */
void dns_status_json(const struct dns_status_view *v, struct json *j, const char *key);
void dns_health_read(struct dns_shared *s, const struct dns_status *status, struct dns_health *out);
