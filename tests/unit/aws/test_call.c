#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#include "aws/call.h"
#include "http_server.h"

/* What the server says, one after another; the last one again and again. NULL: it hangs up. */
struct script {
    const char *fields;
    const struct said {
        int status;
        const char *body;
    } * said;
    size_t n, at;
};

static void answer(struct http_server *s, struct str request, struct buf *out)
{
    struct script *script = s->arg;
    const struct said *said = &script->said[script->at];
    if (script->at + 1 < script->n)
        script->at++;
    if (said->body != NULL)
        answer_with(out, said->status, script->fields != NULL ? script->fields : "", said->body);
}

static int64_t offset_s;
static int64_t the_clock(void)
{
    return 1440936000 + offset_s;
}

#define DATE "Date: Sun, 30 Aug 2015 12:00:00 GMT\r\n"
#define SECRET "sEcr3t/+"
#define TOKEN "T0K3N=="

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct rig {
    struct http_server server;
    struct script script;
    struct aws_session *session;
    char endpoint[96];
    char *env[8];
};

static void rig_up(struct rig *r, const struct said *said, size_t n, unsigned timeout_ms)
{
    static char id[] = "AWS_ACCESS_KEY_ID=AKID", secret[] = "AWS_SECRET_ACCESS_KEY=" SECRET,
                token[] = "AWS_SESSION_TOKEN=" TOKEN, region[] = "AWS_REGION=eu-west-1";
    *r = (struct rig){ .script = { DATE, said, n, 0 }, .env = { id, secret, token, region } };
    server_start(&r->server, answer, &r->script);
    snprintf(r->endpoint, sizeof r->endpoint, "AWS_ENDPOINT_URL=%s", r->server.url);
    r->env[4] = r->endpoint;
    r->session = aws_session_new(&(struct aws_session_options){
        .env = r->env, .unix_s = the_clock, .deadline_us = now_us() + timeout_ms * 1000ULL });
    assert_non_null(r->session);
}

static void rig_stop(struct rig *r)
{
    server_stop(&r->server);
    aws_session_free(r->session);
}

static void rig_down(struct rig *r)
{
    rig_stop(r);
    server_done(&r->server);
}

#define THROTTLED "{\"__type\":\"ThrottlingException\"}"

static const struct row {
    const char *name;
    enum aws_service service;
    const char *operation;
    struct said said[4];
    size_t n_said;
    int64_t offset_s;
    enum aws_kind kind;
    unsigned tries;
    const char *action, *code;
} rows[] = {
    { "a reply", AWS_ECS, "ListTasks", { { 200, "{}" } }, 1, 0, AWS_OK, 1, "ecs:ListTasks", "" },
    { "throttled twice",
      AWS_ECS,
      "ListTasks",
      { { 400, THROTTLED }, { 429, "" }, { 200, "{}" } },
      3,
      0,
      AWS_OK,
      3,
      "ecs:ListTasks",
      "" },
    { "throttled for good",
      AWS_ECS,
      "UpdateService",
      { { 400, THROTTLED } },
      1,
      0,
      AWS_THROTTLED,
      3,
      "ecs:UpdateService",
      "ThrottlingException" },
    { "5xx, then a reply",
      AWS_EC2,
      "DescribeVpcs",
      { { 500, "" }, { 200, "<R/>" } },
      2,
      0,
      AWS_OK,
      2,
      "ec2:DescribeVpcs",
      "" },
    { "5xx to what changes something is not tried again",
      AWS_EC2,
      "CreateDhcpOptions",
      { { 500, "" }, { 200, "<R/>" } },
      2,
      0,
      AWS_BROKEN,
      1,
      "ec2:CreateDhcpOptions",
      "" },
    { "hung up, then a reply",
      AWS_LOGS,
      "FilterLogEvents",
      { { 0, NULL }, { 200, "{}" } },
      2,
      0,
      AWS_OK,
      2,
      "logs:FilterLogEvents",
      "" },
    { "hung up on what changes something",
      AWS_ECS,
      "UpdateService",
      { { 0, NULL }, { 200, "{}" } },
      2,
      0,
      AWS_UNREACHABLE,
      1,
      "ecs:UpdateService",
      "" },
    { "denied is said at once",
      AWS_CLOUD_MAP_DATA,
      "DiscoverInstances",
      { { 400, "{\"__type\":\"AccessDeniedException\"}" } },
      1,
      0,
      AWS_DENIED,
      1,
      "servicediscovery:DiscoverInstances",
      "AccessDeniedException" },
    { "the clock is off",
      AWS_STS,
      "GetCallerIdentity",
      { { 403,
          "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code></Error></ErrorResponse>" } },
      1,
      3600,
      AWS_CLOCK,
      1,
      "sts:GetCallerIdentity",
      "SignatureDoesNotMatch" },
    { "JSON that is none",
      AWS_ROUTE53_RESOLVER,
      "ListResolverRules",
      { { 200, "<html>" } },
      1,
      0,
      AWS_PROTOCOL,
      1,
      "route53resolver:ListResolverRules",
      "" },
    { "JSON that is a list",
      AWS_ECS,
      "ListTasks",
      { { 200, "[]" } },
      1,
      0,
      AWS_PROTOCOL,
      1,
      "ecs:ListTasks",
      "" },
    { "XML that is none",
      AWS_ROUTE53,
      "ListHostedZonesByVPC",
      { { 200, "{}" } },
      1,
      0,
      AWS_PROTOCOL,
      1,
      "route53:ListHostedZonesByVPC",
      "" },
};

static void replies_and_retries(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct rig rig;
        struct aws_reply reply;
        struct aws_request request = { .service = r->service, .operation = r->operation };
        offset_s = r->offset_s;
        rig_up(&rig, r->said, r->n_said, 20000);
        bool ok = aws_call(rig.session, &request, &reply);
        if (ok != (r->kind == AWS_OK) || reply.error.kind != r->kind ||
            reply.error.tries != r->tries || strcmp(reply.error.action, r->action) != 0 ||
            strcmp(reply.error.code, r->code) != 0)
            fail_msg("%s: %s %u %s %s %s", r->name, aws_kind_name(reply.error.kind),
                     reply.error.tries, reply.error.action, reply.error.code, reply.error.message);
        assert_int_equal(ok, reply.json != NULL || reply.xml != NULL);
        assert_int_equal(server_count(&rig.server), r->tries);
        if (reply.error.kind != AWS_UNREACHABLE)
            assert_true(reply.has_skew && reply.skew_s == r->offset_s);
        assert_int_equal(reply.error.skew_s, r->kind == AWS_CLOCK ? r->offset_s : 0);
        aws_reply_done(&reply);
        rig_down(&rig);
    }
    offset_s = 0;
}

static void seen_has(struct http_server *server, size_t i, const char *part)
{
    if (!str_contains(buf_str(&server->requests[i]), str_from_c(part)))
        fail_msg("no %s in %.*s", part, STR_ARG(buf_str(&server->requests[i])));
}

static void requests_of_three_kinds(void **state)
{
    static const struct said said[] = { { 200, "<R/>" }, { 200, "{}" }, { 200, "<R/>" } };
    struct aws_param params[] = { { "Filter.1.Name", STR(" a b&c ") }, { "x", STR("\xc3\xa9") } };
    json_t *body = json_pack("{ss}", "cluster", "c");
    struct aws_request requests[] = {
        { .service = AWS_EC2, .operation = "DescribeVpcs", .params = params, .n_params = 2 },
        { .service = AWS_ECS, .operation = "ListTasks", .body = body },
        { .service = AWS_ROUTE53,
          .operation = "ListHostedZonesByVPC",
          .params = params,
          .n_params = 2,
          .path = "/2013-04-01/hostedzonesbyvpc" },
    };
    struct rig rig;
    rig_up(&rig, said, 3, 20000);
    for (size_t i = 0; i < 3; i++) {
        struct aws_reply reply;
        assert_true(aws_call(rig.session, &requests[i], &reply));
        aws_reply_done(&reply);
    }
    rig_stop(&rig);
    seen_has(&rig.server, 0, "POST / HTTP/1.1\r\n");
    seen_has(&rig.server, 0,
             "\r\nContent-Type: application/x-www-form-urlencoded; charset=utf-8\r\n");
    seen_has(&rig.server, 0,
             "Credential=AKID/20150830/eu-west-1/ec2/aws4_request, SignedHeaders="
             "content-type;host;x-amz-date;x-amz-security-token, Signature=");
    seen_has(&rig.server, 0, "\r\nX-Amz-Security-Token: " TOKEN "\r\n");
    seen_has(&rig.server, 0,
             "\r\n\r\nAction=DescribeVpcs&Version=2016-11-15&Filter.1.Name=+a+b%26c+&x=%C3%A9");
    seen_has(&rig.server, 1, "\r\nX-Amz-Target: AmazonEC2ContainerServiceV20141113.ListTasks\r\n");
    seen_has(&rig.server, 1, "\r\nContent-Type: application/x-amz-json-1.1\r\n");
    seen_has(&rig.server, 1, "\r\n\r\n{\"cluster\":\"c\"}");
    seen_has(
        &rig.server, 2,
        "GET /2013-04-01/hostedzonesbyvpc?Filter.1.Name=%20a%20b%26c%20&x=%C3%A9 HTTP/1.1\r\n");
    seen_has(&rig.server, 2, "Credential=AKID/20150830/us-east-1/route53/aws4_request");
    server_done(&rig.server);
    json_decref(body);
}

static void what_was_sent_is_not_told(void **state)
{
    static const struct said said[] = {
        { 403, "{\"__type\":\"x#AccessDeniedException\",\"message\":\"you sent " SECRET
               " and " TOKEN "\"}" }
    };
    struct aws_request request = { .service = AWS_ECS, .operation = "ListTasks" };
    struct aws_reply reply;
    struct rig rig;
    rig_up(&rig, said, 1, 20000);
    assert_false(aws_call(rig.session, &request, &reply));
    assert_string_equal(reply.error.message, "you sent *** and ***");
    aws_reply_done(&reply);
    rig_down(&rig);
}

static void within_the_deadline(void **state)
{
    static const struct said said[] = { { 500, "" } };
    struct aws_request request = { .service = AWS_EC2, .operation = "DescribeVpcs" };
    struct aws_reply reply;
    struct rig rig;
    uint64_t began = now_us();
    rig_up(&rig, said, 1, 300);
    assert_false(aws_call(rig.session, &request, &reply));
    assert_int_equal(reply.error.kind, AWS_BROKEN); /* what was seen, not that time is over */
    assert_true(reply.error.tries < 3 && now_us() - began < 400000);
    aws_reply_done(&reply);
    rig_down(&rig);
}

static void an_unreachable_service_is_tried_once_from_then_on(void **state)
{
    static const struct said said[] = { { 0, NULL } };
    struct aws_request request = { .service = AWS_EC2, .operation = "DescribeVpcs" };
    struct aws_reply reply;
    struct rig rig;
    rig_up(&rig, said, 1, 20000);
    assert_false(aws_call(rig.session, &request, &reply));
    assert_int_equal(reply.error.tries, 3);
    aws_reply_done(&reply);
    assert_false(aws_call(rig.session, &request, &reply));
    assert_int_equal(reply.error.tries, 1);
    aws_reply_done(&reply);
    rig_down(&rig);
}

static unsigned pages_of(struct rig *rig, enum aws_service service, const char *operation,
                         unsigned most, struct aws_pages *pages)
{
    struct aws_param param = { "MaxResults", STR("5") };
    struct aws_request request = {
        .service = service, .operation = operation, .params = &param, .n_params = 1
    };
    unsigned n = 0;
    aws_pages_init(pages, rig->session, &request, most);
    while (aws_pages_next(pages))
        n++;
    return n;
}

static void pages_until_there_is_no_token(void **state)
{
    static const struct said json[] = { { 200, "{\"events\":[],\"nextToken\":\"a/b\"}" },
                                        { 200, "{\"events\":[],\"nextToken\":\"c\"}" },
                                        { 200, "{\"events\":[1]}" } };
    static const struct said xml[] = { { 200, "<R><s/><nextToken>t=1</nextToken></R>" },
                                       { 200, "<R><s/><nextToken/></R>" } };
    struct aws_pages pages;
    struct rig rig;
    rig_up(&rig, json, 3, 20000);
    assert_int_equal(pages_of(&rig, AWS_LOGS, "FilterLogEvents", 10, &pages), 3);
    assert_false(aws_error_is_set(&pages.reply.error));
    assert_false(pages.is_cut);
    aws_pages_done(&pages);
    rig_stop(&rig);
    seen_has(&rig.server, 0, "\r\n\r\n{}");
    seen_has(&rig.server, 1, "{\"nextToken\":\"a/b\"}");
    seen_has(&rig.server, 2, "{\"nextToken\":\"c\"}");
    server_done(&rig.server);
    rig_up(&rig, xml, 2, 20000);
    assert_int_equal(pages_of(&rig, AWS_EC2, "DescribeVpcs", 10, &pages), 2);
    aws_pages_done(&pages);
    rig_stop(&rig);
    seen_has(&rig.server, 1, "&MaxResults=5&NextToken=t%3D1");
    server_done(&rig.server);
}

static void pages_that_do_not_end(void **state)
{
    static const struct said same[] = { { 200, "{\"nextToken\":\"a\"}" },
                                        { 200, "{\"nextToken\":\"b\"}" },
                                        { 200, "{\"nextToken\":\"a\"}" } };
    static const struct said fails[] = { { 200, "{\"nextToken\":\"a\"}" },
                                         { 400, "{\"__type\":\"InvalidParameterException\"}" } };
    struct aws_pages pages;
    struct rig rig;
    rig_up(&rig, same, 3, 20000);
    assert_int_equal(pages_of(&rig, AWS_LOGS, "FilterLogEvents", 10, &pages), 2);
    assert_int_equal(pages.reply.error.kind, AWS_PROTOCOL);
    aws_pages_done(&pages);
    rig.script.at = 0;
    assert_int_equal(pages_of(&rig, AWS_LOGS, "FilterLogEvents", 2, &pages), 2);
    assert_true(pages.is_cut && !aws_error_is_set(&pages.reply.error));
    aws_pages_done(&pages);
    rig_down(&rig);
    rig_up(&rig, fails, 2, 20000);
    assert_int_equal(pages_of(&rig, AWS_LOGS, "FilterLogEvents", 10, &pages), 1);
    assert_int_equal(pages.reply.error.kind, AWS_BAD_REQUEST);
    aws_pages_done(&pages);
    rig_down(&rig);
}

static void *call_often(void *arg)
{
    struct aws_request request = { .service = AWS_ECS, .operation = "ListTasks" };
    for (unsigned i = 0; i < 5; i++) {
        struct aws_reply reply;
        bool ok = aws_call(arg, &request, &reply);
        aws_reply_done(&reply);
        if (!ok)
            return NULL;
    }
    return arg;
}

static void threads_share_a_session(void **state)
{
    static const struct said said[] = { { 200, "{}" } };
    pthread_t threads[6];
    struct rig rig;
    rig_up(&rig, said, 1, 20000);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, rig.session), 0);
    for (size_t i = 0; i < 6; i++) {
        void *ok = NULL;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    assert_int_equal(server_count(&rig.server), 30);
    rig_down(&rig);
}

static void before_anything_is_sent(void **state)
{
    static char bad_region[] = "AWS_REGION=evil.example/x-1", url[] = "AWS_ENDPOINT_URL=ftp://x",
                region[] = "AWS_REGION=eu-west-1", id[] = "AWS_ACCESS_KEY_ID=A",
                secret[] = "AWS_SECRET_ACCESS_KEY=s", off[] = "AWS_EC2_METADATA_DISABLED=true";
    char *none[] = { off, NULL }, *bad[] = { bad_region, NULL }, *keyless[] = { off, region, NULL },
         *ftp[] = { url, region, id, secret, NULL };
    const struct {
        char **env;
        enum aws_kind kind;
    } of[] = { { none, AWS_NO_REGION },
               { bad, AWS_NO_REGION },
               { keyless, AWS_NO_CREDENTIALS },
               { ftp, AWS_BAD_REQUEST } };
    for (size_t i = 0; i < 4; i++) {
        struct aws_reply reply;
        struct aws_request request = { .service = AWS_ECS, .operation = "ListTasks" };
        struct aws_session *s = aws_session_new(&(struct aws_session_options){ .env = of[i].env });
        assert_false(aws_call(s, &request, &reply));
        assert_int_equal(reply.error.kind, of[i].kind);
        assert_string_equal(reply.error.action, "ecs:ListTasks");
        assert_true(reply.error.message[0] != 0 && reply.error.tries == 0);
        aws_reply_done(&reply);
        aws_session_free(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_and_retries),
        cmocka_unit_test(requests_of_three_kinds),
        cmocka_unit_test(what_was_sent_is_not_told),
        cmocka_unit_test(within_the_deadline),
        cmocka_unit_test(an_unreachable_service_is_tried_once_from_then_on),
        cmocka_unit_test(pages_until_there_is_no_token),
        cmocka_unit_test(pages_that_do_not_end),
        cmocka_unit_test(threads_share_a_session),
        cmocka_unit_test(before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
