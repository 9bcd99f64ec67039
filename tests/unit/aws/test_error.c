#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/error_body.h"

#define EC2(code, message)                                                                         \
    "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>" code "</Code><Message>" message     \
    "</Message></Error></Errors><RequestID>r</RequestID></Response>"
#define STS(code, message)                                                                         \
    "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender"       \
    "</Type><Code>" code "</Code><Message>" message "</Message></Error></ErrorResponse>"
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define TASK "arn:aws:sts::1:assumed-role/penstock-task/8f03aa6b1cc84c2d9a4be6ffbe2bb2d1"

static const struct row {
    const char *name;
    int status;
    const char *error_type, *body;
    int64_t skew_s;
    enum aws_kind kind;
    const char *code, *message;
} rows[] = {
    { "EC2", 403, "", EC2("UnauthorizedOperation", "You are not."), 0, AWS_DENIED,
      "UnauthorizedOperation", "You are not." },
    { "STS", 403, "", STS("AccessDenied", "no"), 0, AWS_DENIED, "AccessDenied", "no" },
    { "Route 53, with a prefixed name", 400, "",
      "<r:ErrorResponse xmlns:r=\"x\"><r:Error><r:Code>NoSuchHostedZone</r:Code></r:Error>"
      "</r:ErrorResponse>",
      0, AWS_NOT_FOUND, "NoSuchHostedZone", "the thing that was asked for does not exist" },
    { "an Error alone", 503, "", "<Error><Code>SlowDown</Code><Message>m</Message></Error>", 0,
      AWS_THROTTLED, "SlowDown", "m" },
    { "JSON without a prefix", 400, "", "{\"__type\":\"ThrottlingException\",\"message\":\"Rate\"}",
      0, AWS_THROTTLED, "ThrottlingException", "Rate" },
    { "JSON with a prefix", 400, "",
      "{\"__type\":\"com.amazonaws.ecs#ClusterNotFoundException\",\"Message\":\"Cluster\"}", 0,
      AWS_NOT_FOUND, "ClusterNotFoundException", "Cluster" },
    { "the field comes before the body", 400, "AccessDeniedException:http://internal/",
      "{\"__type\":\"x\",\"message\":\"m\"}", 0, AWS_DENIED, "AccessDeniedException", "m" },
    { "the field alone", 400, "ResourceNotFoundException", "", 0, AWS_NOT_FOUND,
      "ResourceNotFoundException", "the thing that was asked for does not exist" },
    { "the clock is right, the key is not", 403, "", STS("SignatureDoesNotMatch", "m"), 200,
      AWS_BAD_KEY, "SignatureDoesNotMatch", "m" },
    { "the clock is not", 403, "", STS("SignatureDoesNotMatch", "m"), -4000, AWS_CLOCK,
      "SignatureDoesNotMatch", "m" },
    { "it says so", 400, "",
      "{\"__type\":\"InvalidSignatureException\",\"message\":"
      "\"Signature expired: 2015 is now earlier than 2016\"}",
      10, AWS_CLOCK, "InvalidSignatureException",
      "Signature expired: 2015 is now earlier than 2016" },
    { "EC2's word for it", 400, "", EC2("RequestExpired", "m"), 900, AWS_CLOCK, "RequestExpired",
      "m" },
    { "an expired token is not the clock", 400, "",
      "{\"__type\":\"ExpiredTokenException\",\"message\":\"m\"}", 4000, AWS_BAD_KEY,
      "ExpiredTokenException", "m" },
    { "EC2, unknown key", 401, "", EC2("AuthFailure", "m"), 0, AWS_BAD_KEY, "AuthFailure", "m" },
    { "EC2, limit", 503, "", EC2("RequestLimitExceeded", "m"), 0, AWS_THROTTLED,
      "RequestLimitExceeded", "m" },
    { "EC2, not found", 400, "", EC2("InvalidVpcID.NotFound", "m"), 0, AWS_NOT_FOUND,
      "InvalidVpcID.NotFound", "m" },
    { "a code that nobody knows", 400, "", EC2("InvalidParameterValue", "m"), 0, AWS_BAD_REQUEST,
      "InvalidParameterValue", "m" },
    { "a proxy's page", 502, "", "<html><body>Bad gateway</body></html>", 0, AWS_BROKEN, "",
      "AWS failed to serve the request" },
    { "nothing at all", 403, "", "", 0, AWS_DENIED, "", "a permission is missing" },
    { "a redirect", 301, "", "", 0, AWS_PROTOCOL, "", "the reply cannot be understood" },
    { "too many", 429, "", "{}", 0, AWS_THROTTLED, "", "AWS limits the rate of calls" },
    { "a code of strange bytes", 400, "a\x1b[31m b", "", 0, AWS_BAD_REQUEST, "a??31m?b",
      "AWS does not accept the request" },
    { "bytes of the message", 400, "X", "{\"message\":\"\\u001b[2J\\u0000x\"}", 0, AWS_BAD_REQUEST,
      "X", "?[2J?x" },
    { "only the first line: the rest is the request", 403, "",
      STS("SignatureDoesNotMatch", "It differs.\n\nThe Canonical String was\nx"), 0, AWS_BAD_KEY,
      "SignatureDoesNotMatch", "It differs." },
    { "what we sent is not shown", 400, "X", "{\"message\":\"key sEcr/et+1 token T0K=EN.\"}", 0,
      AWS_BAD_REQUEST, "X", "key *** token ***." },
    { "nor inside a word", 400, "X", "{\"message\":\"Signature=xsEcr/et+1T0K=EN9\"}", 0,
      AWS_BAD_REQUEST, "X", "Signature=x******9" },
    { "nor a signature or digest", 400, "X", "{\"message\":\"Signature=" HEX64 ", x\"}", 0,
      AWS_BAD_REQUEST, "X", "***, x" },
    { "names are", 400, "X", "{\"message\":\"" TASK " may not\"}", 0, AWS_BAD_REQUEST, "X",
      TASK " may not" },
};

static void replies_are_read(void **state)
{
    const struct str secrets[] = { STR("sEcr/et+1"), STR("T0K=EN"), STR("") };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct aws_error e = { .kind = AWS_OK, .action = "ec2:X", .tries = 2 };
        struct aws_error_body body = { .status = r->status,
                                       .error_type = str_from_c(r->error_type),
                                       .body = str_from_c(r->body),
                                       .has_skew = true,
                                       .skew_s = r->skew_s,
                                       .secrets = secrets,
                                       .n_secrets = 3 };
        aws_error_read(&e, &body);
        if (e.kind != r->kind || strcmp(e.code, r->code) != 0 ||
            strcmp(e.message, r->message) != 0 || e.http_status != r->status ||
            e.skew_s != (r->kind == AWS_CLOCK ? r->skew_s : 0))
            fail_msg("%s: %s, %s, %s", r->name, aws_kind_name(e.kind), e.code, e.message);
        assert_string_equal(e.action, "ec2:X");
        assert_int_equal(e.tries, 2);
    }
}

static void long_ones_are_cut(void **state)
{
    char text[5000];
    struct aws_error e = { .kind = AWS_OK };
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 7 == 0 ? ' ' : 'x';
    aws_error_tell(&e, str_of(text, sizeof text), NULL, 0);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    /* A token that ends behind the cut shows no beginning either. */
    for (size_t i = 350; i < 600; i++)
        text[i] = 'T';
    struct str secret = str_of(text + 350, 250);
    aws_error_tell(&e, str_of(text, sizeof text), &secret, 1);
    assert_null(strstr(e.message, "TT"));
    memset(text, 'q', sizeof text);
    aws_error_tell(&e, str_of(text, sizeof text), NULL, 0);
    assert_string_equal(e.message, "***");
}

static void every_kind_has_a_name(void **state)
{
    for (unsigned i = 0; i < N_AWS_KINDS; i++)
        assert_true(strlen(aws_kind_name(i)) > 1 && strlen(aws_kind_sentence(i)) > 10);
    for (unsigned i = 0; i <= AWS_REACH_NO_TIME; i++)
        assert_true(strlen(aws_reach_name(i)) > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_are_read),
        cmocka_unit_test(long_ones_are_cut),
        cmocka_unit_test(every_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
