/* What goes through a proxy, and what has no endpoint: PS3014, PS3015. */
#include "account_make.h"

static void endpoints_denied(struct fact_book *b)
{
    build_outside(b);
    fail_call(b, "ec2:DescribeVpcEndpoints", "denied");
}

static void set_variable(struct fact_book *b, const char *name, const char *value)
{
    struct fact_variable *v = MAKE(b, variable, surroundings.proxies);
    v->name = make_text(b, name);
    v->value = make_text(b, value);
}

static void proxied(struct fact_book *b)
{
    build_healthy(b);
    set_variable(b, "https_proxy", "http://proxy.corp:3128");
}

static void proxied_all(struct fact_book *b)
{
    build_healthy(b);
    set_variable(b, "ALL_PROXY", "http://proxy.corp:3128");
    set_variable(b, "NO_PROXY", "169.254.0.0/16,registry.stk");
}

static void exempted(struct fact_book *b)
{
    build_healthy(b);
    set_variable(b, "HTTPS_PROXY", "http://proxy.corp:3128");
    set_variable(b, "HTTP_PROXY", "http://proxy.corp:3128");
    set_variable(b, "no_proxy", "169.254.169.254, 169.254.170.2,.stk,amazonaws.com");
}

static void exempted_but_one(struct fact_book *b)
{
    build_healthy(b);
    set_variable(b, "HTTP_PROXY", "http://proxy.corp:3128");
    set_variable(b, "NO_PROXY", "169.254.169.254,registry.stk");
}

static void not_exempted_by_a_longer_name(struct fact_book *b)
{
    exempted(b);
    b->facts.surroundings.proxies.v[2].value =
        make_text(b, "169.254.169.254,169.254.170.2,x.registry.stk,istry.stk,amazonaws.com");
}

static void exempted_by_a_star(struct fact_book *b)
{
    proxied(b);
    set_variable(b, "NO_PROXY", "*");
}

static void proxied_elsewhere(struct fact_book *b)
{
    build_outside(b);
    set_variable(b, "HTTPS_PROXY", "http://proxy.corp:3128");
}

static void proxied_at_home(struct fact_book *b)
{
    build_elsewhere(b);
    set_variable(b, "HTTPS_PROXY", "http://proxy.corp:3128");
}

static void without_logs(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.v[3].service = make_text(b, "com.amazonaws.eu-west-1.kms");
}

static void without_logs_but_nat(struct fact_book *b)
{
    without_logs(b);
    make_route_to(b, "0.0.0.0/0", "nat-1");
}

static void without_logs_but_hub(struct fact_book *b)
{
    without_logs(b);
    make_route_to(b, "10.200.0.0/16", "tgw-1");
}

static void without_logs_and_unused(struct fact_book *b)
{
    without_logs(b);
    b->facts.task.containers.v[0].log_group = (struct str){ NULL, 0 };
}

static void logs_pending(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.v[3].state = make_text(b, "failed");
}

static void no_task(struct fact_book *b)
{
    without_logs(b);
    b->facts.task.arn = b->facts.task.status = (struct str){ NULL, 0 };
}

static void exec_off_and_no_messages(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.n = 4;
    b->facts.task.execute_command = FACT_NO;
}

static void exec_on_and_no_messages(struct fact_book *b)
{
    build_outside(b);
    b->facts.endpoints.n = 4;
}

static void proxied_private_name(struct fact_book *b)
{
    build_network(b, "10.9.0.53");
    b->facts.surroundings.on_ecs = FACT_NO;
    says(b, "10.9.0.53", PRIVATE, NULL);
    set_variable(b, "HTTPS_PROXY", "http://proxy.corp:3128");
}

static const struct check_row rows[] = {
    { "HTTPS_PROXY", proxied, PS3014, CHECK_FAIL, "https_proxy=http://proxy.corp:3128",
      "NO_PROXY" },
    { "ALL_PROXY but for some", proxied_all, PS3014, CHECK_FAIL, S3, NULL },
    { "all is exempt", exempted, PS3014, CHECK_PASS, NULL, NULL },
    { "credentials are not", exempted_but_one, PS3014, CHECK_FAIL, "169.254.170.2", NULL },
    { "exempt is something else", not_exempted_by_a_longer_name, PS3014, CHECK_FAIL, "registry.stk",
      NULL },
    { "exempt is everything", exempted_by_a_star, PS3014, CHECK_PASS, NULL, NULL },
    { "somebody else's variables", proxied_elsewhere, PS3014, CHECK_SKIPPED, NULL, NULL },
    { "a proxy on the way to the internet", proxied_at_home, PS3014, CHECK_PASS, NULL, NULL },
    { "no proxy", build_healthy, PS3014, CHECK_PASS, NULL, NULL },
    { "all endpoints", build_outside, PS3015, CHECK_PASS, NULL, NULL },
    { "no endpoint for logs", without_logs, PS3015, CHECK_FAIL, "logs (",
      "--service-name com.amazonaws.eu-west-1.logs --subnet-ids subnet-1" },
    { "no endpoint for logs, but NAT", without_logs_but_nat, PS3015, CHECK_PASS, NULL, NULL },
    { "no endpoint for logs, but a hub", without_logs_but_hub, PS3015, CHECK_SKIPPED, "tgw-1",
      NULL },
    { "no endpoint for logs, and no log", without_logs_and_unused, PS3015, CHECK_PASS, NULL, NULL },
    { "an endpoint that failed", logs_pending, PS3015, CHECK_FAIL, "is failed", NULL },
    { "no task", no_task, PS3015, CHECK_SKIPPED, NULL, NULL },
    { "endpoints not readable", endpoints_denied, PS3015, CHECK_UNKNOWN, NULL, NULL },
    { "ssmmessages for nobody", exec_off_and_no_messages, PS3015, CHECK_PASS, NULL, NULL },
    { "ssmmessages for ECS Exec", exec_on_and_no_messages, PS3015, CHECK_FAIL, "ssmmessages",
      NULL },
    { "a proxy before a private name", proxied_private_name, PS3014, CHECK_FAIL, S3, NULL },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        expect_row(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
