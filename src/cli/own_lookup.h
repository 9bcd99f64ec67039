#pragma once
/*
 * Looking a name up without a running penstock: an engine of this command's own, for all servers
 * of the settings or for single ones, which are then asked side by side.
 */
#include "conf/settings.h"
#include "dns/report.h"

enum { OWN_MAX_JOBS = 64 };

struct own_job {
    bool is_alone;      /* server is asked alone, whatever the routes say */
    struct addr server; /* with is_alone */
    struct dns_report report;
    /* private */
    struct conf conf; /* a copy whose lists are borrowed */
    struct dns_shared *shared;
    struct dns_engine *engine;
    struct own_lookup *lookup;
};

struct own_lookup {
    const struct conf *conf;
    bool by_tcp;
    unsigned n_jobs;
    struct own_job *jobs; /* the caller's; report's name and types are set, the rest is zero */
    /* private */
    struct io_loop loop;
    unsigned n_pending;
    bool has_loop;
};

/* Runs until all are answered or have failed. False, with a fault, when it could not begin. Results
 * stay readable until done. */
bool own_lookup_run(struct own_lookup *l, struct fault *f);
/* After run, whatever it returned. */
void own_lookup_done(struct own_lookup *l);
