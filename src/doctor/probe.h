#pragma once
/*
 * What can be found out without credentials, from where the doctor runs: surroundings, files, every
 * DNS server for every name, connections, ECS's metadata, the penstock that runs here. No secret is
 * sent. What was found goes into the book, faults included: that nothing answers is a fact.
 */
#include "conf/settings.h"
#include "doctor/facts.h"

#include <stdatomic.h>

enum {
    PROBE_DNS_PACKETS = 40,   /* of a whole run, tries and queries by TCP included */
    PROBE_NAMES_PACKETS = 8,  /* of these, kept for probe_addresses */
    PROBE_MAX_NAMES = 8,      /* of probe_addresses, in one call */
    PROBE_MAX_ADDRESSES = 16, /* of one name */
    PROBE_MAX_BUCKETS = 2,    /* further ones are not asked for */
    PROBE_MS = 12000,         /* how long a run takes at most where no deadline is set */
    PROBE_LIGHT_PACKETS = 12, /* the same as PROBE_DNS_PACKETS, of a light run */
    PROBE_CANCEL_MS = 50,     /* how soon a run ends that is cancelled */
};

struct probe_request {
    const struct conf *conf;         /* read with CONF_FOR_TOOL */
    char *const *env;                /* like environ: proxies, ECS's and AWS's variables */
    struct str region;               /* empty: of the environment, else of the task's metadata */
    struct str region_source;        /* for people: where region comes from */
    const struct conf_strs *buckets; /* NULL: none */
    const struct conf_registry *registry; /* NULL: none */
    const struct conf_addrs *dns_servers; /* asked as well (VPC+2); NULL: none */
    bool inside;                          /* what is seen from here is what the task sees */
    bool link_local_allowed;              /* 169.254.169.253 may be asked */
    uint64_t deadline_us; /* io_now_us() at which all is over; 0: PROBE_MS from now */
    /*
     * For a process that serves beside: fewer packets, servers and connections, nothing that is
     * only of interest to a person, this penstock itself not asked. Without link_local_allowed it
     * sends nothing to link-local addresses at all, listed servers and ECS's metadata included.
     */
    bool is_light;
    /* NULL: none. Set by another thread, it ends the run; the facts are a part then. */
    const atomic_bool *is_cancelled;
};

/*
 * Runs a loop of its own until all is done or the deadline. False: it could not even begin (*f says
 * why: descriptors, memory). Facts that the caller has set in book->facts.surroundings stay.
 */
bool probe_run(const struct probe_request *r, struct fact_book *book, struct fault *f);

/* Only what was asked for, where the doctor runs elsewhere than the task: region, registry, buckets
 * and the names that they make. Sends nothing and reads nothing of this host. */
void probe_asked(const struct probe_request *r, struct fact_book *book);

/* The addresses of a name; n 0: nobody knows it, or nobody was there to ask. */
struct probe_addresses {
    unsigned n;
    struct addr v[PROBE_MAX_ADDRESSES]; /* port 0 */
    struct str server;                  /* who said so; the book's */
};

/*
 * Resolves up to PROBE_MAX_NAMES names by the servers that answered in probe_run, best first:
 * Amazon's, then the system's; the first good answer wins. Sends nothing when no server answered,
 * nor more than is left of the budget. Blocks for two seconds at most. True when every name has an
 * address. Not from several threads at once.
 */
bool probe_resolve(struct fact_book *book, const struct str *names, unsigned n,
                   struct probe_addresses *out);
