#include "cli/doctor_collect.h"

#include "cli/aws_access.h"
#include "cli/cli.h"

#include "doctor/gather.h"
#include "doctor/log_facts.h"
#include "doctor/probe.h"
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ALL_MS = 14000,          /* probes and calls together */
    PROBES_FIRST_MS = 10000, /* of these, where calls follow */
    LOG_SINCE_S = 24 * 3600, /* how far back CloudWatch is read */
};

struct collect {
    const struct doctor_args *args;
    const struct conf *conf;
    struct fact_book *book;
    uint64_t started_us;
    bool is_inside; /* what is seen from here is what the task sees */
    struct log_report *log;
};

static int failed(const char *what, const char *why)
{
    cli_tell("doctor", "%s: %s", what, why);
    return EXIT_SOFTWARE;
}

static bool is_on_ecs(void)
{
    return getenv("ECS_CONTAINER_METADATA_URI_V4") != NULL;
}

/* Unless somebody asks about something that is elsewhere. */
static bool is_inside(const struct doctor_args *a)
{
    if (a->probes || a->probes_not)
        return a->probes;
    return is_on_ecs() ||
           (a->vpc == NULL && a->cluster == NULL && a->task == NULL && a->log == NULL);
}

/* The group's name behind "cloudwatch:"; empty for a file. */
static struct str cloudwatch_group(const struct doctor_args *a)
{
    struct str log = str_from_c(a->log);
    return str_starts(log, STR("cloudwatch:")) ? str_from(log, STR("cloudwatch:").n)
                                               : (struct str){ NULL, 0 };
}

static void note_arguments(const struct collect *c)
{
    const struct doctor_args *a = c->args;
    struct fact_facts *f = &c->book->facts;
    struct fact_surroundings *s = &f->surroundings;
    f->version = fact_text(c->book, STR(PENSTOCK_VERSION));
    f->taken_s = (int64_t)time(NULL);
    s->inside = fact_truth_of(c->is_inside);
    s->on_ecs = fact_truth_of(is_on_ecs());
    s->link_local_allowed = fact_truth_of(c->conf->dns_aws_allowed);
    s->vpc_id = fact_text(c->book, str_from_c(a->vpc));
    s->cluster = fact_text(c->book, str_from_c(a->cluster));
    s->task = fact_text(c->book, str_from_c(a->task));
    for (unsigned i = 0; i < a->n_buckets; i++)
        fact_add_text(c->book, &s->buckets, a->buckets[i]);
}

/* There is something to ask AWS about. */
static bool wants_aws(const struct collect *c)
{
    const struct doctor_args *a = c->args;
    return a->vpc != NULL || a->cluster != NULL || a->task != NULL || is_on_ecs() ||
           cloudwatch_group(a).n > 0;
}

/* What was asked for, as a request. */
static struct probe_request request_of(const struct collect *c, const struct conf_strs *buckets)
{
    const struct doctor_args *a = c->args;
    return (struct probe_request){
        .conf = c->conf,
        .env = environ,
        .region = str_from_c(a->region),
        .region_source = a->region != NULL ? STR("--region") : STR(""),
        .buckets = buckets,
        .registry = c->conf->registry.host.n > 0 ? &c->conf->registry : NULL,
        .inside = c->is_inside,
        .link_local_allowed = c->conf->dns_aws_allowed,
    };
}

static bool probe(struct collect *c)
{
    const struct doctor_args *a = c->args;
    struct conf_strs buckets = { (struct str *)(uintptr_t)a->buckets, a->n_buckets };
    struct conf_addrs servers = { (struct addr *)(uintptr_t)a->servers, a->n_servers };
    struct fault fault = { .kind = FAULT_NONE };
    struct probe_request request = request_of(c, &buckets);
    request.dns_servers = &servers;
    request.deadline_us = c->started_us + (wants_aws(c) ? PROBES_FIRST_MS : ALL_MS) * 1000ULL;
    if (probe_run(&request, c->book, &fault))
        return true;
    failed("the probes could not begin", fault.detail);
    return false;
}

static bool ask_aws(struct collect *c)
{
    const struct doctor_args *a = c->args;
    struct fact_surroundings *s = &c->book->facts.surroundings;
    struct aws_access access;
    struct aws_access_options options = {
        .conf = c->conf,
        .profile = a->profile,
        .endpoint_url = a->endpoint_url,
        .region = a->region != NULL ? str_from_c(a->region) : s->region,
        .probed = c->is_inside ? c->book : NULL,
        .deadline_us = c->started_us + ALL_MS * 1000ULL,
    };
    if (!aws_access_open(&access, &options))
        return failed("memory", strerror(ENOMEM)) == 0;
    struct gather_request request = {
        .session = access.session,
        .registry = c->conf->registry.host,
        .log_name = cloudwatch_group(a),
        .log = c->log,
        .log_from_s = (int64_t)time(NULL) - LOG_SINCE_S,
    };
    if (s->region.n == 0)
        s->region = fact_text(c->book, aws_session_region(access.session, NULL));
    if (!c->is_inside) {
        struct conf_strs buckets = { (struct str *)(uintptr_t)a->buckets, a->n_buckets };
        struct probe_request asked = request_of(c, &buckets);
        probe_asked(&asked, c->book);
    }
    gather_aws(&request, c->book);
    aws_access_close(&access);
    return true;
}

/* A log that is a file. */
static bool read_log(struct collect *c)
{
    struct fault fault = { .kind = FAULT_NONE };
    if (c->args->log == NULL || cloudwatch_group(c->args).n > 0)
        return true;
    if (log_report_file(c->log, c->args->log, &fault))
        return true;
    failed(c->args->log, fault.detail);
    return false;
}

static bool run(struct collect *c)
{
    note_arguments(c);
    if (!read_log(c))
        return false;
    c->started_us = io_now_us(); /* a long log takes nothing off the time for the probes */
    if ((c->is_inside && !probe(c)) || (wants_aws(c) && !ask_aws(c)))
        return false;
    if (c->log != NULL)
        log_facts(c->log, strcmp(c->args->log, "-") == 0 ? STR("stdin") : str_from_c(c->args->log),
                  c->book);
    c->book->facts.took_ms = (int64_t)((io_now_us() - c->started_us) / 1000);
    return true;
}

int doctor_collect(const struct doctor_args *a, struct fact_book *book)
{
    struct collect c = { .args = a, .book = book, .started_us = io_now_us() };
    if (a->registry != NULL && setenv("INTERNAL_REGISTRY_URL", a->registry, 1) != 0)
        return failed("memory", strerror(ENOMEM));
    struct conf *conf = cli_load_conf(a->config, CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_USAGE_ERROR;
    c.conf = conf;
    c.is_inside = is_inside(a);
    c.log = a->log != NULL ? log_report_new(LOG_MAX_GROUPS) : NULL;
    bool is_done = (a->log == NULL || c.log != NULL) && run(&c);
    log_report_free(c.log);
    conf_unref(conf);
    return is_done ? 0 : EXIT_SOFTWARE;
}
