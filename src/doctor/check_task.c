#include "doctor/check.h"
#include "doctor/evidence.h"
#include "doctor/log_line.h"
#include "doctor/shell_word.h"
#include "doctor/way_view.h"

#include <stdlib.h>

/* Failures that are a matter of the network, in whatever words ECS reports them. */
static bool is_about_network(struct str reason)
{
    static const char *const words[] = { "context deadline exceeded", "i/o timeout", "no such host",
                                         "server misbehaving", "connection refused" };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_contains(reason, str_from_c(words[i])))
            return true;
    return false;
}

static bool is_of_start(struct str reason)
{
    return str_contains(reason, STR("CannotPullContainerError")) ||
           str_contains(reason, STR("ResourceInitializationError")) ||
           str_contains(reason, STR("CannotStartContainerError"));
}

static void fix_start(struct diagnosis *d, struct finding *f, const struct log_line *line)
{
    if (line->kind != LOG_KIND_NONE && log_kind_row(line->kind)->about == LOG_ABOUT_DNS)
        finding_fix(d, f,
                    "Give the VPC AmazonProvidedDNS, or let that server forward AWS names to "
                    "a Resolver inbound endpoint; ECS resolves names before anything of the "
                    "task runs, so nothing in the task can help. Then start a new task.");
    else
        finding_fix(d, f,
                    "Give the subnet a way to ECR, S3 and CloudWatch Logs: endpoints with "
                    "private DNS, or NAT; and let security groups allow TCP 443. Then start a "
                    "new task.");
    finding_fix(d, f,
                "aws ecs update-service%.*s --cluster %.*s --service %.*s "
                "--force-new-deployment",
                STR_ARG(shell_region(d)), STR_ARG(shell_cluster(d->facts)),
                STR_ARG(shell_service(d->facts)));
}

static void judge_reason(struct diagnosis *d, const struct log_words *words, struct str reason)
{
    struct log_line line;
    struct str shown = str_first(reason, 1024);
    /* What ran and ended later was not stopped by its start. */
    if (reason.n == 0 || (d->facts->task.started_s != FACT_NO_NUMBER && !is_of_start(reason)))
        return;
    bool is_known = log_line_parse(words, reason, &line);
    if (!is_known)
        line = (struct log_line){ .kind = LOG_KIND_NONE };
    if (!is_known && !(is_of_start(reason) && is_about_network(reason)))
        return;
    struct finding *f = check_fail(d, PS5001, d->facts->task.arn);
    bool is_dns = is_known && log_kind_row(line.kind)->about == LOG_ABOUT_DNS;
    if (is_dns && line.name.n > 0)
        finding_title(d, f, "the task never started: %.*s could not be resolved",
                      STR_ARG(line.name));
    else if (!is_dns)
        finding_title(d, f, "the task never started: it could not reach %.*s",
                      STR_ARG(line.name.n > 0     ? line.name
                              : line.server.n > 0 ? line.server
                                                  : STR("an AWS service")));
    if (is_known)
        finding_evidence(d, f, "%.*s%s%.*s: %s", STR_ARG(line.name),
                         line.name.n > 0 && line.server.n > 0 ? " by " : "", STR_ARG(line.server),
                         log_kind_row(line.kind)->meaning);
    finding_evidence(d, f, "stopped: %.*s", STR_ARG(shown));
    fix_start(d, f, &line);
}

/* The words by which lines are found are too large for a stack. */
static void judge_start(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS5001 };
    const struct fact_task *t = &d->facts->task;
    if (!check_needs_call(d, "ecs:DescribeTasks", codes, 1))
        return;
    if (t->arn.n == 0 && t->stopped_reason.n == 0) {
        check_skip(d, PS5001, "no task is known");
        return;
    }
    if (view_is(t->status, "RUNNING")) {
        check_pass(d, PS5001);
        return;
    }
    struct log_words *words = malloc(sizeof *words);
    if (words == NULL) {
        check_unknown(d, PS5001, "no memory");
        return;
    }
    log_words_init(words);
    judge_reason(d, words, t->stopped_reason);
    for (size_t i = 0; i < t->containers.n; i++)
        judge_reason(d, words, t->containers.v[i].reason);
    free(words);
    check_pass(d, PS5001);
}

static void judge_dns_servers(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS5002 };
    const struct fact_task *t = &d->facts->task;
    if (!check_needs_call(d, "ecs:DescribeTaskDefinition", codes, 1))
        return;
    bool is_awsvpc = view_is(t->network_mode, "awsvpc") || view_is(t->launch_type, "FARGATE");
    for (size_t i = 0; is_awsvpc && i < t->containers.n; i++) {
        const struct fact_container *c = &t->containers.v[i];
        if (c->dns_servers.n == 0)
            continue;
        struct finding *f = check_fail(d, PS5002, c->name);
        finding_evidence(d, f, "container %.*s: dnsServers = %.*s; network mode %.*s",
                         STR_ARG(c->name), STR_ARG(evidence_list(d, &c->dns_servers)),
                         STR_ARG(t->network_mode.n > 0 ? t->network_mode : STR("awsvpc")));
        finding_fix(d, f,
                    "Take dnsServers out of the definition, and give penstock its servers by "
                    "its environment.");
        finding_fix(d, f, "PENSTOCK_DNS_SERVERS=%.*s",
                    STR_ARG(shell_word(c->dns_servers.v[0], "SERVER")));
    }
    check_pass(d, PS5002);
}

/* Where the subnet has no way out and nobody else's endpoints either. */
static bool lacks_messages(const struct fact_facts *f)
{
    const struct fact_route_table *t = way_table(f);
    const struct fact_endpoint *e = way_endpoint(f, "ssmmessages", NULL);
    return view_call_is_ok(f, "ec2:DescribeVpcEndpoints") && t != NULL && way_out(f, t) == NULL &&
           way_elsewhere(t) == NULL && (e == NULL || !way_is_available(e));
}

static void judge_containers(struct diagnosis *d)
{
    const struct fact_task *t = &d->facts->task;
    for (size_t i = 0; i < t->containers.n; i++) {
        const struct fact_container *c = &t->containers.v[i];
        if (c->readonly_root == FACT_YES)
            finding_evidence(
                d, check_fail(d, PS5003, t->arn),
                "container %.*s: readonlyRootFilesystem is true; the agent has to write",
                STR_ARG(c->name));
        if (c->exec_agent.n > 0 && !view_is(c->exec_agent, "RUNNING"))
            finding_evidence(d, check_fail(d, PS5003, t->arn),
                             "container %.*s: ExecuteCommandAgent is %.*s", STR_ARG(c->name),
                             STR_ARG(c->exec_agent));
    }
}

static void finish_exec(struct diagnosis *d)
{
    struct finding *f = d->results[PS5003].finding;
    if (d->facts->task.execute_command == FACT_YES)
        finding_fix(d, f,
                    "Put right what the evidence names, then start a new task; or run the "
                    "doctor as a task of its own, which needs no ECS Exec.");
    else
        finding_fix(d, f,
                    "Turn ECS Exec on for the service if you want a shell in its tasks; the "
                    "doctor does not need it.");
    finding_fix(d, f,
                "aws ecs update-service%.*s --cluster %.*s --service %.*s "
                "--enable-execute-command --force-new-deployment",
                STR_ARG(shell_region(d)), STR_ARG(shell_cluster(d->facts)),
                STR_ARG(shell_service(d->facts)));
}

/* Turned off is somebody's choice; on and broken is not. */
static void judge_exec(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS5003 };
    const struct fact_task *t = &d->facts->task;
    if (!check_needs_call(d, "ecs:DescribeTasks", codes, 1))
        return;
    if (t->arn.n == 0 || view_is(t->status, "STOPPED")) {
        check_skip(d, PS5003, "no running task is known");
        return;
    }
    bool is_on = t->execute_command == FACT_YES;
    judge_containers(d);
    if (t->execute_command == FACT_NO) {
        struct finding *f = check_fail(d, PS5003, t->arn);
        if (f != NULL && f->evidence.n == 0)
            f->severity = FINDING_INFO;
        finding_evidence(d, f, "enableExecuteCommand of the task is false");
    }
    if (is_on && lacks_messages(d->facts))
        finding_evidence(d, check_fail(d, PS5003, t->arn),
                         "the subnet has no way out, and the VPC no endpoint for ssmmessages");
    if (is_on && view_call_is_ok(d->facts, "ecs:DescribeTaskDefinition") &&
        view_is(t->launch_type, "FARGATE") && t->task_role.n == 0)
        finding_evidence(d, check_fail(d, PS5003, t->arn), "the task has no role");
    if (check_failed(d, PS5003))
        finish_exec(d);
    else if (check_needs_call(d, "ecs:DescribeTaskDefinition", codes, 1))
        check_pass(d, PS5003);
}

void check_task(struct diagnosis *d)
{
    judge_start(d);
    judge_dns_servers(d);
    judge_exec(d);
}
