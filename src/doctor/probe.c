#include "doctor/probe.h"

#include "aws/service.h"
#include "doctor/metadata_json.h"
#include "doctor/probe_connect.h"
#include "doctor/probe_dns.h"
#include "doctor/probe_metadata.h"
#include "doctor/probe_proxy.h"

#include <stdlib.h>

/*
 * The course of a run: the metadata first, since it may know the region (a few milliseconds where
 * there is ECS, nothing elsewhere); then DNS, with the proxy beside it; then connections to what
 * DNS gave.
 */
struct run {
    struct probe_request request; /* with its deadline set */
    struct fact_book *book;
    struct io_loop loop;
    struct io_tls *tls;
    struct fault tls_fault;
    struct probe_names names;
    unsigned n_system;
    struct addr system[RESOLV_MAX_SERVERS];
    unsigned n_running;
    struct io_timer deadline, cancel;
    struct probe_metadata metadata;
    struct probe_proxy proxy;
    struct probe_dns dns;
    struct probe_connect connect;
};

static void one_less(struct run *run)
{
    if (--run->n_running == 0)
        io_loop_stop(&run->loop);
}

static void on_deadline(struct io_timer *t)
{
    io_loop_stop(&LIST_ENTRY(t, struct run, deadline)->loop);
}

static void on_look(struct io_timer *t)
{
    struct run *run = LIST_ENTRY(t, struct run, cancel);
    if (atomic_load(run->request.is_cancelled))
        io_loop_stop(&run->loop);
    else
        io_timer_arm(&run->loop, t, PROBE_CANCEL_MS);
}

static void on_connect(struct probe_connect *c)
{
    one_less(c->owner);
}

static void on_dns(struct probe_dns *d)
{
    struct run *run = d->owner;
    run->connect.owner = run;
    run->connect.on_done = on_connect;
    run->connect.why_no_tls = run->tls_fault.detail;
    run->connect.is_light = run->request.is_light;
    probe_connect_start(&run->connect, &run->loop, run->tls, run->request.conf, &run->names,
                        run->request.deadline_us, run->book);
}

static void on_proxy(struct probe_proxy *p)
{
    one_less(p->owner);
}

static void set_region(struct fact_book *book, struct str region, const char *source)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    if (s->region.n > 0 || !aws_region_is_valid(region))
        return;
    s->region = fact_text(book, region);
    s->region_source = fact_text(book, str_from_c(source));
}

static void find_region(const struct probe_request *r, struct fact_book *book)
{
    static const char *const variables[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
    struct fact_surroundings *s = &book->facts.surroundings;
    if (r->region.n > 0) {
        s->region = fact_text(book, r->region);
        s->region_source = fact_text(book, r->region_source);
    }
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++)
        set_region(book, probe_variable(r->env, variables[i]), variables[i]);
    set_region(book, metadata_region_of_arn(book->facts.metadata.task_arn), "the task's metadata");
}

static void on_metadata(struct probe_metadata *m)
{
    struct run *run = m->owner;
    find_region(&run->request, run->book);
    probe_names_init(&run->names, &run->request, run->book->facts.surroundings.region, run->book);
    probe_hosts(run->request.conf, &run->names, run->book);
    run->n_running = 1;
    if (!run->request.is_light) {
        run->n_running++;
        run->proxy.owner = run;
        run->proxy.on_done = on_proxy;
        probe_proxy_start(&run->proxy, &run->loop, run->request.conf, run->names.v[0].text,
                          run->book);
    }
    run->dns.owner = run;
    run->dns.on_done = on_dns;
    probe_dns_start(&run->dns, &run->loop, &run->request, run->system, run->n_system, &run->names,
                    run->book);
}

static struct run *run_new(const struct probe_request *r, struct fact_book *book, struct fault *f)
{
    struct run *run = calloc(1, sizeof *run);
    if (run == NULL || !io_loop_init(&run->loop)) {
        free(run);
        fault_set(f, FAULT_NO_MEMORY, "probes", "no memory or descriptor for an event loop");
        return NULL;
    }
    run->request = *r;
    run->book = book;
    if (r->deadline_us == 0)
        run->request.deadline_us = io_now_us() + PROBE_MS * 1000ULL;
    run->deadline.on_fire = on_deadline;
    run->cancel.on_fire = on_look;
    return run;
}

static void run_free(struct run *run)
{
    probe_metadata_cancel(&run->metadata);
    probe_proxy_cancel(&run->proxy);
    probe_dns_cancel(&run->dns);
    probe_connect_cancel(&run->connect);
    io_timer_disarm(&run->loop, &run->deadline);
    io_timer_disarm(&run->loop, &run->cancel);
    io_tls_free(run->tls);
    io_loop_done(&run->loop);
    free(run);
}

void probe_asked(const struct probe_request *r, struct fact_book *book)
{
    struct probe_names names;
    find_region(r, book);
    probe_arguments(r, book);
    probe_names_init(&names, r, book->facts.surroundings.region, book);
}

bool probe_run(const struct probe_request *r, struct fact_book *book, struct fault *f)
{
    enum { LAST_WORD_MS = 100 }; /* the probes end by themselves at the deadline */
    struct run *run = run_new(r, book, f);
    if (run == NULL)
        return false;
    uint64_t started_us = io_now_us(), until_us = run->request.deadline_us;
    struct str ca = r->conf->ca_file;
    run->tls = io_tls_client_new(ca.n > 0 ? ca.p : NULL, &run->tls_fault);
    probe_surroundings(r, book);
    run->n_system = probe_resolv_conf(r->conf, book, run->system);
    run->metadata.owner = run;
    run->metadata.on_done = on_metadata;
    probe_metadata_start(&run->metadata, &run->loop, r, book);
    uv_update_time(&run->loop.uv);
    io_timer_arm(&run->loop, &run->deadline,
                 (until_us > started_us ? (until_us - started_us) / 1000 : 0) + LAST_WORD_MS);
    if (r->is_cancelled != NULL)
        io_timer_arm(&run->loop, &run->cancel, PROBE_CANCEL_MS);
    io_loop_run(&run->loop);
    run_free(run);
    return true;
}
