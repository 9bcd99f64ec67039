/* The task, and what could not be asked: PS5001-PS5003, PS6001. */
#include "account_make.h"

#define ECR "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
#define PULL                                                                                       \
    "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve " \
    "ref " ECR "/p:1: "

static void no_task(struct fact_book *b)
{
    build_outside(b);
    FACT_CLEAR(task, &b->facts.task);
}

static void stopped(struct fact_book *b, const char *reason)
{
    build_outside(b);
    b->facts.task.status = make_text(b, "STOPPED");
    b->facts.task.stopped_reason = make_text(b, reason);
    b->facts.task.started_s = FACT_NO_NUMBER;
}

static void no_such_host(struct fact_book *b)
{
    stopped(b, PULL "dial tcp: lookup " ECR " on 10.9.0.53:53: no such host");
}

static void misbehaving(struct fact_book *b)
{
    stopped(b, "ResourceInitializationError: unable to pull secrets or registry auth: dial tcp: "
               "lookup api.ecr.eu-west-1.amazonaws.com on 10.9.0.53:53: server misbehaving");
}

static void container_reason(struct fact_book *b)
{
    stopped(b, "Task failed to start");
    b->facts.task.containers.v[0].reason =
        make_text(b, PULL "dial tcp: lookup " ECR " on 10.9.0.53:53: no such host");
}

static void no_way(struct fact_book *b)
{
    stopped(b, PULL "dial tcp 52.218.1.1:443: i/o timeout");
}

static void no_words(struct fact_book *b)
{
    stopped(b, "ResourceInitializationError: unable to pull secrets or registry auth: execution "
               "resource retrieval failed: context deadline exceeded");
}

static void denied_image(struct fact_book *b)
{
    stopped(b, "CannotPullContainerError: pull access denied, repository does not exist");
}

static void essential(struct fact_book *b)
{
    stopped(b, "Essential container in task exited");
}

static void ended_later(struct fact_book *b)
{
    stopped(b, "dial tcp: lookup db.corp on 10.9.0.53:53: no such host");
    b->facts.task.started_s = 1700000000;
}

static void tasks_denied(struct fact_book *b)
{
    no_such_host(b);
    fail_call(b, "ecs:DescribeTasks", "denied");
}

static void dns_servers(struct fact_book *b)
{
    build_outside(b);
    b->facts.task.containers.v[0].dns_servers = make_texts(b, "10.9.0.53");
}

static void dns_servers_in_bridge(struct fact_book *b)
{
    dns_servers(b);
    b->facts.task.network_mode = make_text(b, "bridge");
    b->facts.task.launch_type = make_text(b, "EC2");
}

static void definition_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ecs:DescribeTaskDefinition", "denied");
}

static void exec_off(struct fact_book *b)
{
    build_outside(b);
    b->facts.task.execute_command = FACT_NO;
    b->facts.task.containers.v[0].exec_agent = (struct str){ NULL, 0 };
}

static void readonly_root(struct fact_book *b)
{
    build_outside(b);
    b->facts.task.containers.v[0].readonly_root = FACT_YES;
}

static void agent_stopped(struct fact_book *b)
{
    build_outside(b);
    b->facts.task.containers.v[0].exec_agent = make_text(b, "STOPPED");
}

static void no_messages(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.n = 4;
}

static void no_messages_but_nat(struct fact_book *b)
{
    no_messages(b);
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void no_role(struct fact_book *b)
{
    build_outside(b);
    b->facts.task.task_role = (struct str){ NULL, 0 };
}

static void role_unknown(struct fact_book *b)
{
    no_role(b);
    fail_call(b, "ecs:DescribeTaskDefinition", "denied");
}

static void two_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "denied");
    fail_call(b, "ecs:DescribeTaskDefinition", "denied");
    b->facts.identity.arn = make_text(b, "arn:aws:sts::123456789012:assumed-role/poor/x");
}

static void api_unreachable(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "unreachable");
}

static void no_credentials(struct fact_book *b)
{
    build_outside(b);
    b->facts.calls.n = 0;
    b->facts.identity.error = make_text(b, "no AWS credentials were found");
}

static void odd_action(struct fact_book *b)
{
    two_denied(b);
    b->facts.calls.v[0].message = make_text(b, "User: x is not authorized");
}

static void not_prefixed(struct fact_book *b)
{
    stopped(b, "dial tcp: lookup " ECR " on 10.9.0.53:53: i/o timeout");
}

static void dns_servers_on_ec2(struct fact_book *b)
{
    dns_servers(b);
    b->facts.task.launch_type = make_text(b, "EC2");
}

static void throttled(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "throttled");
}

static const struct check_row rows[] = {
    { "it runs", build_outside, PS5001, CHECK_PASS, NULL, NULL },
    { "no such host", no_such_host, PS5001, CHECK_FAIL, ECR " by 10.9.0.53", "Resolver inbound" },
    { "the reason itself", no_such_host, PS5001, CHECK_FAIL, "no such host", "--cluster stk" },
    { "server misbehaving", misbehaving, PS5001, CHECK_FAIL, "api.ecr.eu-west-1.amazonaws.com by",
      "--service stk-proxy --force-new-deployment" },
    { "a container tells it", container_reason, PS5001, CHECK_FAIL, "10.9.0.53", NULL },
    { "a connection", no_way, PS5001, CHECK_FAIL, "52.218.1.1", "Give the subnet a way" },
    { "no address in it", no_words, PS5001, CHECK_FAIL, "context deadline exceeded",
      "Give the subnet a way" },
    { "an image that is not there", denied_image, PS5001, CHECK_PASS, NULL, NULL },
    { "a program that ended", essential, PS5001, CHECK_PASS, NULL, NULL },
    { "a lookup long after the start", ended_later, PS5001, CHECK_PASS, NULL, NULL },
    { "tasks may not be read", tasks_denied, PS5001, CHECK_UNKNOWN, "ecs:DescribeTasks", NULL },
    { "no task", no_task, PS5001, CHECK_SKIPPED, "no task", NULL },
    { "nobody asked", build_elsewhere, PS5001, CHECK_SKIPPED, "credentials", NULL },
    { "dnsServers with awsvpc", dns_servers, PS5002, CHECK_FAIL, "dnsServers = 10.9.0.53",
      "PENSTOCK_DNS_SERVERS=10.9.0.53" },
    { "dnsServers in bridge mode", dns_servers_in_bridge, PS5002, CHECK_PASS, NULL, NULL },
    { "no dnsServers", build_outside, PS5002, CHECK_PASS, NULL, NULL },
    { "the definition may not be read", definition_denied, PS5002, CHECK_UNKNOWN,
      "ecs:DescribeTaskDefinition", NULL },
    { "nobody asked for one", build_elsewhere, PS5002, CHECK_SKIPPED, NULL, NULL },
    { "ECS Exec is off", exec_off, PS5003, CHECK_FAIL, "enableExecuteCommand",
      "--enable-execute-command" },
    { "a read-only root", readonly_root, PS5003, CHECK_FAIL, "readonlyRootFilesystem", NULL },
    { "the agent is not there", agent_stopped, PS5003, CHECK_FAIL, "ExecuteCommandAgent is STOPPED",
      NULL },
    { "no way to ssmmessages", no_messages, PS5003, CHECK_FAIL, "ssmmessages", NULL },
    { "no endpoint for ssmmessages, but NAT", no_messages_but_nat, PS5003, CHECK_PASS, NULL, NULL },
    { "no role", no_role, PS5003, CHECK_FAIL, "no role", NULL },
    { "the role is not known", role_unknown, PS5003, CHECK_UNKNOWN, "ecs:DescribeTaskDefinition",
      NULL },
    { "ECS Exec can work", build_outside, PS5003, CHECK_PASS, NULL, NULL },
    { "a task that has stopped", essential, PS5003, CHECK_SKIPPED, NULL, NULL },
    { "nothing is missing", build_outside, PS6001, CHECK_PASS, NULL, NULL },
    { "nobody wants it", build_elsewhere, PS6001, CHECK_PASS, NULL, NULL },
    { "two are denied", two_denied, PS6001, CHECK_FAIL, "ec2:DescribeVpcEndpoints: denied",
      "\"Action\":[\"ec2:DescribeVpcEndpoints\",\"ecs:DescribeTaskDefinition\"],\"Resource\":\"*"
      "\"" },
    { "who is denied", two_denied, PS6001, CHECK_FAIL, "ecs:DescribeTaskDefinition: denied",
      "assumed-role/poor" },
    { "no way to the API", api_unreachable, PS6001, CHECK_FAIL, "unreachable", "AWS_ENDPOINT_URL" },
    { "no credentials", no_credentials, PS6001, CHECK_FAIL, "no AWS credentials were found",
      "--cluster" },
    { "calls that went well are not shown", odd_action, PS6001, CHECK_FAIL, "denied", NULL },
    { "without ECS's own words", not_prefixed, PS5001, CHECK_FAIL, "10.9.0.53", NULL },
    { "dnsServers with awsvpc on EC2", dns_servers_on_ec2, PS5002, CHECK_FAIL, "awsvpc", NULL },
    { "throttled", throttled, PS6001, CHECK_FAIL, "throttled", "Try again" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

static void judge(void (*change)(struct fact_book *b), struct fact_book *b, struct diagnosis *d)
{
    fact_book_init(b);
    change(b);
    diagnose(&b->facts, d);
}

static void give_back(struct fact_book *b, struct diagnosis *d)
{
    diagnosis_done(d);
    fact_book_done(b);
}

/* Turned off is a choice; turned on and broken is not. */
static void test_exec_severity(void **state)
{
    struct fact_book b;
    struct diagnosis d;
    (void)state;
    judge(exec_off, &b, &d);
    expect_severity(&d, PS5003, FINDING_INFO, "off");
    give_back(&b, &d);
    judge(readonly_root, &b, &d);
    expect_severity(&d, PS5003, FINDING_WARNING, "read-only");
    give_back(&b, &d);
}

/* A policy is no help against an API that cannot be reached. */
static void test_policy_is_for_permissions(void **state)
{
    struct fact_book b;
    struct diagnosis d;
    (void)state;
    judge(api_unreachable, &b, &d);
    assert_false(lines_have(&d.results[PS6001].finding->fix, "Statement"));
    give_back(&b, &d);
    judge(two_denied, &b, &d);
    assert_true(lines_have(&d.results[PS6001].finding->fix, "Statement"));
    assert_int_equal(d.results[PS6001].finding->evidence.n, 2);
    give_back(&b, &d);
}

static void test_titles(void **state)
{
    struct fact_book b;
    struct diagnosis d;
    (void)state;
    judge(no_such_host, &b, &d);
    assert_true(str_contains(d.results[PS5001].finding->title, STR(ECR " could not be resolved")));
    give_back(&b, &d);
    judge(no_way, &b, &d);
    assert_true(str_contains(d.results[PS5001].finding->title, STR("could not reach 52.218.1.1")));
    give_back(&b, &d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_exec_severity),
                                        cmocka_unit_test(test_titles),
                                        cmocka_unit_test(test_policy_is_for_permissions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
