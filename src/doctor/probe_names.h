#pragma once
/*
 * What is asked for: the S3 endpoint of the region, hosts of buckets, the registry; and where each
 * is connected to. Made once the region is known, then only read. Texts are the book's.
 */
#include "codec/dns_name.h"
#include "doctor/probe.h"

enum {
    PROBE_NAMES = 2 + PROBE_MAX_BUCKETS,
    PROBE_TARGETS = PROBE_NAMES,
    PROBE_HOSTS_ADDRESSES = 8,
};

struct probe_name {
    struct str text;
    struct dns_name dns; /* n 0: an address literal, no server is asked */
    const char *purpose; /* s3, bucket, registry */
    bool is_aws;
    /* of the hosts file, or of the literal: then no server is asked either */
    unsigned n_known;
    struct addr known[PROBE_HOSTS_ADDRESSES];
};

/* A request to one name. A bucket whose name makes no host name is reached by its path. */
struct probe_target {
    const struct probe_name *name;
    const char *purpose;
    struct str host_field, path;
    uint16_t port;
    bool is_tls;
    bool is_registry;
};

struct probe_names {
    unsigned n, n_targets;
    struct probe_name v[PROBE_NAMES];
    struct probe_target targets[PROBE_TARGETS];
};

/*
 * region empty: some region's endpoint is asked for, since DNS can be judged by it; but not
 * connected to. Adds book->facts.names.
 */
void probe_names_init(struct probe_names *n, const struct probe_request *r, struct str region,
                      struct fact_book *book);

static inline bool probe_name_is_asked(const struct probe_name *n)
{
    return n->dns.n > 0 && n->n_known == 0;
}
