#include "doctor/gather_impl.h"

#include <stdio.h>

/* Seconds since 1970: a number in ECS's JSON. */
static int64_t time_of(const json_t *object, const char *member)
{
    const json_t *value = json_object_get(object, member);
    return json_is_number(value) ? (int64_t)json_number_value(value) : FACT_NO_NUMBER;
}

static void read_attachment(struct gather *g, struct fact_task *task, const json_t *attachment)
{
    size_t i;
    const json_t *detail;
    json_array_foreach (json_object_get(attachment, "details"), i, detail) {
        struct str name = gather_json(detail, "name"), value = gather_json(detail, "value");
        if (str_eq(name, STR("subnetId")))
            task->subnet_id = gather_keep(g, value);
        else if (str_eq(name, STR("networkInterfaceId")))
            task->eni_id = gather_keep(g, value);
        else if (str_eq(name, STR("privateIPv4Address")))
            task->private_address = gather_keep(g, value);
    }
}

static void read_container(struct gather *g, struct fact_task *task, const json_t *from)
{
    struct fact_container c;
    size_t i;
    const json_t *agent;
    FACT_CLEAR(container, &c);
    c.name = gather_keep(g, gather_json(from, "name"));
    c.status = gather_keep(g, gather_json(from, "lastStatus"));
    c.reason = gather_keep(g, gather_json(from, "reason"));
    c.health = gather_keep(g, gather_json(from, "healthStatus"));
    if (json_is_integer(json_object_get(from, "exitCode")))
        c.exit_code = json_integer_value(json_object_get(from, "exitCode"));
    json_array_foreach (json_object_get(from, "managedAgents"), i, agent)
        if (str_eq(gather_json(agent, "name"), STR("ExecuteCommandAgent")))
            c.exec_agent = gather_keep(g, gather_json(agent, "lastStatus"));
    fact_add(g->book, &task->containers, &c);
}

static void read_task(struct gather *g, const json_t *from)
{
    struct fact_task *task = &g->book->facts.task;
    size_t i;
    const json_t *part;
    struct str group = gather_json(from, "group");
    task->arn = gather_keep(g, gather_json(from, "taskArn"));
    task->definition = gather_keep(g, gather_json(from, "taskDefinitionArn"));
    if (str_starts(group, STR("service:")))
        task->service = gather_keep(g, str_from(group, sizeof "service:" - 1));
    task->status = gather_keep(g, gather_json(from, "lastStatus"));
    task->health = gather_keep(g, gather_json(from, "healthStatus"));
    task->stop_code = gather_keep(g, gather_json(from, "stopCode"));
    task->stopped_reason = gather_keep(g, gather_json(from, "stoppedReason"));
    task->created_s = time_of(from, "createdAt");
    task->started_s = time_of(from, "startedAt");
    task->launch_type = gather_keep(g, gather_json(from, "launchType"));
    task->execute_command = gather_json_truth(from, "enableExecuteCommand");
    json_array_foreach (json_object_get(from, "attachments"), i, part)
        read_attachment(g, task, part);
    json_array_foreach (json_object_get(from, "containers"), i, part)
        read_container(g, task, part);
}

/* Variables that say where names are asked for; others may be secrets and are not read. */
static bool is_about_dns(struct str name)
{
    return str_starts(name, STR("PENSTOCK_DNS_")) || str_eq(name, STR("PENSTOCK_RESOLV_CONF")) ||
           str_eq(name, STR("INTERNAL_REGISTRY_URL")) || str_eq(name, STR("AWS_REGION"));
}

static void read_definition(struct gather *g, struct fact_container *c, const json_t *from)
{
    size_t i;
    const json_t *variable;
    c->readonly_root = fact_truth_of(json_is_true(json_object_get(from, "readonlyRootFilesystem")));
    gather_json_texts(g, json_object_get(from, "dnsServers"), &c->dns_servers);
    const json_t *log = json_object_get(from, "logConfiguration");
    c->log_group = gather_keep(g, gather_json(json_object_get(log, "options"), "awslogs-group"));
    json_array_foreach (json_object_get(from, "environment"), i, variable) {
        struct str name = gather_json(variable, "name"), value = gather_json(variable, "value");
        if (!is_about_dns(name))
            continue;
        struct str both = fact_textf(g->book, "%.*s=%.*s", STR_ARG(name), STR_ARG(value));
        fact_add(g->book, &c->environment, &both);
    }
}

static struct fact_container *container_of_name(struct fact_task *task, struct str name)
{
    for (size_t i = 0; i < task->containers.n; i++)
        if (str_eq(task->containers.v[i].name, name))
            return &task->containers.v[i];
    return NULL;
}

static void describe_definition(struct gather *g)
{
    struct fact_task *task = &g->book->facts.task;
    struct aws_reply reply;
    size_t i;
    const json_t *container;
    if (task->definition.n == 0)
        return;
    json_t *body = json_pack("{s:s%}", "taskDefinition", task->definition.p, task->definition.n);
    struct aws_request request = { .service = AWS_ECS,
                                   .operation = "DescribeTaskDefinition",
                                   .body = body };
    if (gather_call(g, &request, &reply)) {
        const json_t *definition = json_object_get(reply.json, "taskDefinition");
        task->network_mode = gather_keep(g, gather_json(definition, "networkMode"));
        task->task_role = gather_keep(g, gather_json(definition, "taskRoleArn"));
        json_array_foreach (json_object_get(definition, "containerDefinitions"), i, container) {
            struct fact_container *c = container_of_name(task, gather_json(container, "name"));
            if (c != NULL)
                read_definition(g, c, container);
        }
    }
    aws_reply_done(&reply);
    json_decref(body);
}

/* Adds ARNs of tasks of the cluster; ECS keeps those that have stopped for an hour. */
static void list_tasks(struct gather *g, struct str cluster, const char *status, json_t *arns)
{
    enum { MOST = 50 }; /* twice that is what DescribeTasks takes */
    struct aws_reply reply;
    json_t *body = json_pack("{s:s%, s:s, s:i}", "cluster", cluster.p, cluster.n, "desiredStatus",
                             status, "maxResults", MOST);
    struct aws_request request = { .service = AWS_ECS, .operation = "ListTasks", .body = body };
    size_t i, n = 0;
    json_t *arn;
    if (gather_call(g, &request, &reply))
        json_array_foreach (json_object_get(reply.json, "taskArns"), i, arn)
            if (json_is_string(arn) && n++ < MOST)
                json_array_append(arns, arn);
    aws_reply_done(&reply);
    json_decref(body);
}

static bool has_started(const json_t *task)
{
    return time_of(task, "startedAt") != FACT_NO_NUMBER ||
           str_eq(gather_json(task, "lastStatus"), STR("RUNNING"));
}

/* One of its service has started since. */
static bool is_replaced(const json_t *tasks, const json_t *task)
{
    size_t i;
    const json_t *other;
    json_array_foreach (tasks, i, other)
        if (has_started(other) && str_eq(gather_json(other, "group"), gather_json(task, "group")) &&
            time_of(other, "createdAt") > time_of(task, "createdAt"))
            return true;
    return false;
}

/* The newest that never started, if its service still waits for one that does; else the newest one
 * that runs; else the newest. */
static const json_t *choose_task(const json_t *tasks)
{
    enum { N_KINDS = 3 };
    const json_t *newest[N_KINDS] = { NULL };
    size_t i;
    const json_t *task;
    json_array_foreach (tasks, i, task) {
        bool runs = str_eq(gather_json(task, "lastStatus"), STR("RUNNING"));
        bool is_stopped = str_eq(gather_json(task, "lastStatus"), STR("STOPPED"));
        unsigned kind = is_stopped && !has_started(task) && !is_replaced(tasks, task) ? 0
                        : runs                                                        ? 1
                                                                                      : 2;
        if (newest[kind] == NULL || time_of(task, "createdAt") > time_of(newest[kind], "createdAt"))
            newest[kind] = task;
    }
    for (i = 0; i + 1 < N_KINDS && newest[i] == NULL;)
        i++;
    return newest[i];
}

static json_t *wanted_tasks(struct gather *g, struct str cluster)
{
    const struct fact_facts *f = &g->book->facts;
    struct str task = f->surroundings.task.n > 0 ? f->surroundings.task : f->metadata.task_arn;
    json_t *arns = json_array();
    if (task.n > 0) {
        json_array_append_new(arns, json_stringn(task.p, task.n));
    } else if (cluster.n > 0) {
        list_tasks(g, cluster, "RUNNING", arns);
        list_tasks(g, cluster, "STOPPED", arns);
    }
    return arns;
}

void gather_ecs(struct gather *g)
{
    const struct fact_facts *f = &g->book->facts;
    struct str cluster =
        f->surroundings.cluster.n > 0 ? f->surroundings.cluster : f->metadata.cluster;
    struct aws_reply reply;
    json_t *arns = wanted_tasks(g, cluster);
    if (json_array_size(arns) == 0) {
        json_decref(arns);
        return;
    }
    json_t *body = json_pack("{s:o}", "tasks", arns);
    if (cluster.n > 0)
        json_object_set_new(body, "cluster", json_stringn(cluster.p, cluster.n));
    struct aws_request request = { .service = AWS_ECS, .operation = "DescribeTasks", .body = body };
    if (gather_call(g, &request, &reply)) {
        const json_t *task = choose_task(json_object_get(reply.json, "tasks"));
        if (task != NULL)
            read_task(g, task);
    }
    aws_reply_done(&reply);
    json_decref(body);
    describe_definition(g);
}
