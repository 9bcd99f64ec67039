#include "doctor/check_parts.h"
#include "doctor/evidence.h"
#include "doctor/shell_word.h"
#include "doctor/way_view.h"

static bool has_log_group(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->task.containers.n; i++)
        if (f->task.containers.v[i].log_group.n > 0)
            return true;
    return f->metadata.log_group.n > 0;
}

static bool needs_image(const struct fact_facts *f)
{
    return f->task.arn.n > 0;
}

static bool needs_logs(const struct fact_facts *f)
{
    return has_log_group(f);
}

static bool needs_exec(const struct fact_facts *f)
{
    return f->task.execute_command == FACT_YES;
}

static bool needs_agent(const struct fact_facts *f)
{
    return view_is(f->task.launch_type, "EC2");
}

static const struct {
    const char *service;
    const char *what_for;
    bool (*is_needed)(const struct fact_facts *f);
} services[] = {
    { "ecr.api", "to pull images from ECR", needs_image },
    { "ecr.dkr", "to pull images from ECR", needs_image },
    { "logs", "to write to CloudWatch Logs", needs_logs },
    { "ssmmessages", "for ECS Exec", needs_exec },
    { "ecs", "for the ECS agent of the instance", needs_agent },
    { "ecs-agent", "for the ECS agent of the instance", needs_agent },
    { "ecs-telemetry", "for the ECS agent of the instance", needs_agent },
};

static void fail_missing(struct diagnosis *d, const struct fact_route_table *t, const char *service,
                         const char *what_for)
{
    const struct fact_endpoint *e = way_endpoint(d->facts, service, NULL);
    struct finding *f = check_fail(d, PS3015, t->id);
    if (e != NULL)
        finding_evidence(d, f, "%s (%s): endpoint %.*s is %.*s", service, what_for, STR_ARG(e->id),
                         STR_ARG(e->state));
    else
        finding_evidence(d, f, "%s (%s): the VPC has no such endpoint", service, what_for);
    finding_evidence(d, f, "route table %.*s has no route out of the VPC", STR_ARG(t->id));
    finding_fix(d, f, "Add the endpoints with private DNS, or a NAT gateway.");
    finding_fix(d, f,
                "aws ec2 create-vpc-endpoint%.*s --vpc-id %.*s --vpc-endpoint-type Interface "
                "--private-dns-enabled --service-name com.amazonaws.%.*s.%s --subnet-ids %.*s "
                "--security-group-ids SG",
                STR_ARG(shell_region(d)), STR_ARG(shell_vpc(d->facts)),
                STR_ARG(shell_word(d->facts->surroundings.region, "REGION")), service,
                STR_ARG(shell_word(d->facts->task.subnet_id, "SUBNET")));
}

void check_endpoints(struct diagnosis *d)
{
    static const enum finding_code codes[] = { PS3015 };
    const struct fact_facts *f = d->facts;
    if (!check_needs_call(d, "ec2:DescribeVpcEndpoints", codes, 1) ||
        !check_needs_call(d, "ec2:DescribeRouteTables", codes, 1))
        return;
    const struct fact_route_table *t = way_table(f);
    if (f->task.arn.n == 0 && f->task.status.n == 0) {
        check_skip(d, PS3015, "no task is known that needs any");
    } else if (t == NULL) {
        check_unknown_subnet(d, PS3015);
    } else if (way_elsewhere(t) != NULL) {
        check_skip(d, PS3015, "another network may have them: %.*s leads to %.*s",
                   STR_ARG(way_elsewhere(t)->destination), STR_ARG(way_elsewhere(t)->target));
    } else if (way_out(f, t) != NULL) {
        check_pass(d, PS3015);
    } else {
        for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
            const struct fact_endpoint *e = way_endpoint(f, services[i].service, NULL);
            if (services[i].is_needed(f) && (e == NULL || !way_is_available(e)))
                fail_missing(d, t, services[i].service, services[i].what_for);
        }
        check_pass(d, PS3015);
    }
}
