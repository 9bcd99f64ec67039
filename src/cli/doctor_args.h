#pragma once
/* The arguments of `penstock doctor`: words -> a struct, nothing else. */
#include "codec/addr.h"
#include "doctor/finding.h"

enum doctor_format { DOCTOR_TEXT, DOCTOR_SHORT, DOCTOR_JSON, DOCTOR_SARIF, DOCTOR_JUNIT };

enum { DOCTOR_MAX_BUCKETS = 16, DOCTOR_MAX_SERVERS = 8 };

struct doctor_args {
    const char *region, *registry, *log, *vpc, *cluster, *task, *profile, *endpoint_url;
    const char *facts_out, *facts_in, *config;
    unsigned n_buckets;
    struct str buckets[DOCTOR_MAX_BUCKETS];
    unsigned n_servers;
    struct addr servers[DOCTOR_MAX_SERVERS]; /* --dns */
    enum doctor_format format;
    enum finding_severity fail_on; /* FINDING_ERROR, FINDING_WARNING */
    bool probes, probes_not;       /* --probe, --no-probe */
    bool schema;                   /* --schema: nothing is diagnosed */
};

/* False: what was wrong was said on stderr, with the usage. */
bool doctor_args_read(int argc, char **argv, struct doctor_args *a);
