#include "cli/own_lookup.h"

static void on_report(struct dns_report *r)
{
    struct own_job *job = r->owner;
    if (--job->lookup->n_pending == 0)
        io_loop_stop(&job->lookup->loop);
}

/* What settings say of other servers does not count, nor what the hosts file says. */
static void leave_alone(struct own_job *job)
{
    job->conf.dns_servers = (struct conf_addrs){ &job->server, 1 };
    job->conf.dns_routes = (struct conf_dns_routes){ 0 };
    job->conf.dns_aws_allowed = false;
    job->conf.hosts_file = STR("");
    job->conf.registry = (struct conf_registry){ 0 };
}

static bool start(struct own_lookup *l, struct own_job *job, struct fault *f)
{
    job->lookup = l;
    job->conf = *l->conf;
    if (job->is_alone)
        leave_alone(job);
    job->shared = dns_shared_new(&job->conf, f);
    if (job->shared == NULL)
        return false;
    job->engine = dns_engine_new(&l->loop, job->shared, f);
    if (job->engine == NULL)
        return false;
    if (l->by_tcp)
        dns_engine_use_tcp(job->engine);
    job->report.owner = job;
    job->report.on_done = on_report;
    dns_report_start(&job->report, job->engine);
    l->n_pending++;
    return true;
}

bool own_lookup_run(struct own_lookup *l, struct fault *f)
{
    l->has_loop = io_loop_init(&l->loop);
    if (!l->has_loop)
        return fault_set(f, FAULT_SYSTEM, "start", "no event loop");
    for (unsigned i = 0; i < l->n_jobs; i++)
        if (!start(l, &l->jobs[i], f))
            return false;
    if (l->n_pending > 0)
        io_loop_run(&l->loop);
    return true;
}

void own_lookup_done(struct own_lookup *l)
{
    for (unsigned i = 0; i < l->n_jobs; i++) {
        dns_report_done(&l->jobs[i].report);
        dns_engine_free(l->jobs[i].engine);
    }
    if (l->has_loop)
        io_loop_done(&l->loop);
    for (unsigned i = 0; i < l->n_jobs; i++)
        dns_shared_free(l->jobs[i].shared);
}
