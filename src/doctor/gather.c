#include "doctor/gather_impl.h"

#include <pthread.h>
#include <stdio.h>

const enum aws_service gather_services[] = { AWS_STS,       AWS_ECS,     AWS_EC2,
                                             AWS_CLOUD_MAP, AWS_ROUTE53, AWS_ROUTE53_RESOLVER,
                                             AWS_LOGS };
const size_t gather_n_services = sizeof gather_services / sizeof *gather_services;

static void note(struct gather *g, const struct aws_request *request, const struct aws_error *error)
{
    struct fact_call call;
    FACT_CLEAR(call, &call);
    call.action = fact_textf(g->book, "%s:%s", aws_service_row(request->service)->signing,
                             request->operation);
    call.outcome = gather_keep(g, str_from_c(aws_kind_name(error->kind)));
    call.code = gather_keep(g, str_from_c(error->code));
    call.message = gather_keep(g, str_from_c(error->message));
    if (error->kind == AWS_CLOCK)
        call.skew_s = -error->skew_s;
    fact_add(g->book, &g->book->facts.calls, &call);
}

bool gather_call(struct gather *g, const struct aws_request *request, struct aws_reply *reply)
{
    bool is_there = aws_call(g->session, request, reply);
    note(g, request, &reply->error);
    return is_there;
}

bool gather_pages(struct gather *g, const struct aws_request *request, unsigned most,
                  gather_on_page *on_page, void *arg)
{
    struct aws_pages pages;
    aws_pages_init(&pages, g->session, request, most);
    while (aws_pages_next(&pages))
        on_page(g, &pages.reply, arg);
    struct aws_error error = pages.reply.error;
    /* What was not listed must not count as missing. */
    if (!aws_error_is_set(&error) && pages.is_cut)
        aws_error_set(&error, AWS_PROTOCOL, "there are more than %u pages; the rest was not read",
                      most);
    note(g, request, &error);
    aws_pages_done(&pages);
    return !aws_error_is_set(&error);
}

struct str gather_json(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_string(value) ? str_of(json_string_value(value), json_string_length(value))
                                 : (struct str){ NULL, 0 };
}

struct str gather_zone_id(struct str id)
{
    const struct str path = STR("/hostedzone/");
    return str_starts(id, path) ? str_from(id, path.n) : id;
}

struct str gather_keep(struct gather *g, struct str text)
{
    return fact_text(g->book, text);
}

enum fact_truth gather_json_truth(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_boolean(value) ? fact_truth_of(json_is_true(value)) : FACT_UNKNOWN;
}

void gather_json_texts(struct gather *g, const json_t *array, struct fact_texts *to)
{
    size_t i;
    const json_t *value;
    json_array_foreach (array, i, value)
        if (json_is_string(value))
            fact_add_text(g->book, to, str_of(json_string_value(value), json_string_length(value)));
}

/* Who asks. False: there are no credentials, and nothing else needs to be tried. */
static bool gather_identity(struct gather *g)
{
    struct fact_identity *identity = &g->book->facts.identity;
    struct aws_credentials_report report;
    struct aws_error error = { .kind = AWS_OK };
    if (!aws_credentials_look(g->session, &report, &error)) {
        identity->error = gather_keep(g, str_from_c(error.message));
        return false;
    }
    identity->source = gather_keep(g, str_from_c(aws_source_name(report.source)));
    struct aws_request request = { .service = AWS_STS, .operation = "GetCallerIdentity" };
    struct aws_reply reply;
    if (gather_call(g, &request, &reply)) {
        const struct xml *result = xml_at(xml_root(reply.xml), "GetCallerIdentityResult");
        identity->account = gather_keep(g, xml_text(result, "Account"));
        identity->arn = gather_keep(g, xml_text(result, "Arn"));
    }
    /* Keys that nobody knows open nothing. */
    bool is_known = reply.error.kind != AWS_BAD_KEY && reply.error.kind != AWS_NO_CREDENTIALS;
    if (!is_known)
        identity->error = gather_keep(g, str_from_c(reply.error.message));
    aws_reply_done(&reply);
    return is_known;
}

struct job {
    struct gather *g;
    void (*run)(struct gather *g);
    pthread_t thread;
    bool is_started;
};

static void *run_job(void *arg)
{
    struct job *job = arg;
    job->run(job->g);
    return NULL;
}

static void run_side_by_side(struct gather *g)
{
    struct job jobs[] = { { .g = g, .run = gather_ec2 },
                          { .g = g, .run = gather_cloud_map },
                          { .g = g, .run = gather_resolver },
                          { .g = g, .run = gather_logs } };
    enum { N_JOBS = sizeof jobs / sizeof *jobs };
    for (int i = 0; i < N_JOBS; i++) {
        jobs[i].is_started = pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) == 0;
        if (!jobs[i].is_started)
            jobs[i].run(g);
    }
    for (int i = 0; i < N_JOBS; i++)
        if (jobs[i].is_started)
            pthread_join(jobs[i].thread, NULL);
}

static bool begin(struct gather *g, const struct gather_request *r, struct fact_book *book)
{
    *g = (struct gather){ .request = r, .book = book, .session = r->session };
    snprintf(g->vpc_id, sizeof g->vpc_id, "%.*s", STR_ARG(book->facts.surroundings.vpc_id));
    return gather_identity(g);
}

bool gather_for_fix(const struct gather_request *r, struct fact_book *book)
{
    struct gather g;
    if (!begin(&g, r, book))
        return false;
    gather_vpc(&g);
    gather_subnets(&g);
    gather_resolver_rules(&g);
    gather_services_of_vpc(&g);
    return true;
}

void gather_aws(const struct gather_request *r, struct fact_book *book)
{
    struct gather g;
    if (!begin(&g, r, book))
        return;
    gather_ecs(&g);
    if (g.vpc_id[0] == 0)
        gather_find_vpc(&g);
    run_side_by_side(&g);
    gather_log_error(&g);
}
