/* Whose tasks run in the VPC: they keep the option set that they were started with. */
#include "doctor/facts_view.h"
#include "doctor/gather_impl.h"

enum { TASKS_A_CALL = 100 }; /* DescribeTasks takes no more */

static bool ecs(struct gather *g, const char *operation, json_t *body, gather_on_page *on_page,
                void *arg)
{
    struct aws_request request = { .service = AWS_ECS, .operation = operation, .body = body };
    bool is_whole = gather_pages(g, &request, GATHER_MAX_PAGES, on_page, arg);
    json_decref(body);
    return is_whole;
}

static bool is_in_vpc(const struct gather *g, const json_t *task)
{
    const struct fact_many_subnet *subnets = &g->book->facts.subnets;
    size_t i, k;
    const json_t *attachment, *detail;
    json_array_foreach (json_object_get(task, "attachments"), i, attachment)
        json_array_foreach (json_object_get(attachment, "details"), k, detail)
            for (size_t s = 0; s < subnets->n; s++)
                if (str_eq(gather_json(detail, "name"), STR("subnetId")) &&
                    str_eq(gather_json(detail, "value"), subnets->v[s].id))
                    return true;
    return false;
}

static void add_service(struct gather *g, struct str cluster, struct str name)
{
    struct fact_many_ecs_service *services = &g->book->facts.ecs_services;
    for (size_t i = 0; i < services->n; i++)
        if (str_eq(services->v[i].cluster, cluster) && str_eq(services->v[i].name, name))
            return;
    struct fact_ecs_service s;
    FACT_CLEAR(ecs_service, &s);
    s.cluster = gather_keep(g, cluster);
    s.name = gather_keep(g, name);
    fact_add(g->book, services, &s);
}

static void on_described(struct gather *g, const struct aws_reply *page, void *arg)
{
    const struct str *cluster = arg;
    size_t i;
    const json_t *task;
    json_array_foreach (json_object_get(page->json, "tasks"), i, task) {
        struct str group = gather_json(task, "group");
        if (!is_in_vpc(g, task))
            continue;
        if (str_starts(group, STR("service:")))
            add_service(g, *cluster, str_from(group, sizeof "service:" - 1));
        else
            g->book->facts.lone_tasks++;
    }
}

static void on_tasks(struct gather *g, const struct aws_reply *page, void *arg)
{
    const struct str *cluster = arg;
    const json_t *arns = json_object_get(page->json, "taskArns");
    for (size_t at = 0; at < json_array_size(arns); at += TASKS_A_CALL) {
        json_t *some = json_array();
        for (size_t i = at; i < json_array_size(arns) && i < at + TASKS_A_CALL; i++)
            json_array_append(some, json_array_get(arns, i));
        ecs(g, "DescribeTasks",
            json_pack("{s:s%, s:o}", "cluster", cluster->p, cluster->n, "tasks", some),
            on_described, arg);
    }
}

static void list_tasks(struct gather *g, struct str cluster)
{
    ecs(g, "ListTasks", json_pack("{s:s%}", "cluster", cluster.p, cluster.n), on_tasks, &cluster);
}

static void on_clusters(struct gather *g, const struct aws_reply *page, void *arg)
{
    size_t i;
    const json_t *arn;
    json_array_foreach (json_object_get(page->json, "clusterArns"), i, arn)
        if (json_is_string(arn))
            list_tasks(g, str_of(json_string_value(arn), json_string_length(arn)));
}

void gather_services_of_vpc(struct gather *g)
{
    struct str cluster = g->book->facts.surroundings.cluster;
    g->book->facts.lone_tasks = 0;
    if (cluster.n > 0)
        list_tasks(g, cluster);
    else
        ecs(g, "ListClusters", json_object(), on_clusters, NULL);
}
