#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/sigv4.h"

enum { AUGUST_2015 = 1440938160, MAY_2013 = 1369353600 };

#define ID "AKIDEXAMPLE"
#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
#define S3_ID "AKIAIOSFODNN7EXAMPLE"
#define S3_SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

/* From AWS's own examples: the test suite ("service", us-east-1) and the S3 API reference. */
static const struct example {
    const char *name, *method, *path, *query;
    struct sigv4_field fields[4];
    size_t n_fields;
    bool is_s3;
    const char *signature;
} examples[] = {
    { "get-vanilla",
      "GET",
      "/",
      "",
      { { STR_INIT("Host"), STR_INIT("example.amazonaws.com") } },
      1,
      false,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "get-vanilla: an empty path is /",
      "GET",
      "",
      "",
      { { STR_INIT("Host"), STR_INIT("example.amazonaws.com") } },
      1,
      false,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "get-slash-dot-slash: segments that are none",
      "GET",
      "/./a/..//",
      "",
      { { STR_INIT("Host"), STR_INIT("example.amazonaws.com") } },
      1,
      false,
      "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31" },
    { "get-vanilla-query-order-key-case",
      "GET",
      "/",
      "Param2=value2&Param1=value1",
      { { STR_INIT("Host"), STR_INIT("example.amazonaws.com") } },
      1,
      false,
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
    { "the same, written otherwise",
      "GET",
      "/",
      "&Param2=v%61lue2&&%50aram1=value1",
      { { STR_INIT("host"), STR_INIT(" example.amazonaws.com\t") } },
      1,
      false,
      "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500" },
    { "post-vanilla",
      "post",
      "/",
      "",
      { { STR_INIT("HOST"), STR_INIT("example.amazonaws.com") } },
      1,
      false,
      "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b" },
    { "S3, GET Object",
      "GET",
      "/test.txt",
      "",
      { { STR_INIT("Range"), STR_INIT("bytes=0-9") },
        { STR_INIT("Host"), STR_INIT("examplebucket.s3.amazonaws.com") } },
      2,
      true,
      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41" },
    { "S3, GET Bucket Lifecycle: a name without a value",
      "GET",
      "/",
      "lifecycle",
      { { STR_INIT("Host"), STR_INIT("examplebucket.s3.amazonaws.com") } },
      1,
      true,
      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543" },
    { "S3, List Objects",
      "GET",
      "/",
      "max-keys=2&prefix=J",
      { { STR_INIT("Host"), STR_INIT("examplebucket.s3.amazonaws.com") } },
      1,
      true,
      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7" },
};

static enum sigv4_result sign(const struct example *e, struct buf *out)
{
    struct sigv4_request request = { .method = str_from_c(e->method),
                                     .path = str_from_c(e->path),
                                     .query = str_from_c(e->query),
                                     .fields = e->fields,
                                     .n_fields = e->n_fields };
    struct sigv4_key key = { STR(ID), STR(SECRET), STR("") };
    struct sigv4_scope scope = { STR("us-east-1"), STR("service"), AUGUST_2015 };
    if (e->is_s3) {
        key = (struct sigv4_key){ STR(S3_ID), STR(S3_SECRET), STR("") };
        scope = (struct sigv4_scope){ STR("us-east-1"), STR("s3"), MAY_2013 };
    }
    return sigv4_sign(&request, &key, &scope, out);
}

static void examples_of_aws(void **state)
{
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        struct buf out;
        buf_init(&out, 4096);
        enum sigv4_result result = sign(&examples[i], &out);
        if (result != SIGV4_OK || !str_contains(buf_str(&out), str_from_c(examples[i].signature)))
            fail_msg("%s: %d %.*s", examples[i].name, result, STR_ARG(buf_str(&out)));
        buf_done(&out);
    }
}

static void the_lines_are_whole(void **state)
{
    struct buf out;
    buf_init(&out, 4096);
    buf_append(&out, STR("before\r\n"));
    assert_int_equal(sign(&examples[6], &out), SIGV4_OK);
    assert_true(str_eq(
        buf_str(&out),
        STR("before\r\n"
            "X-Amz-Date: 20130524T000000Z\r\n"
            "X-Amz-Content-Sha256: " EMPTY "\r\n"
            "Authorization: AWS4-HMAC-SHA256 Credential=" S3_ID
            "/20130524/us-east-1/s3/aws4_request, "
            "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
            "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41\r\n")));
    buf_done(&out);
}

static void a_token_is_sent_and_signed(void **state)
{
    struct sigv4_field host = { STR("host"), STR("h") };
    struct sigv4_request request = {
        .method = STR("GET"), .fields = &host, .n_fields = 1, .is_body_unsigned = true
    };
    struct sigv4_key key = { STR("I"), STR("S"), STR("T0KEN") };
    struct sigv4_scope scope = { STR("r"), STR("s3"), AUGUST_2015 };
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(sigv4_sign(&request, &key, &scope, &out), SIGV4_OK);
    assert_true(str_contains(buf_str(&out), STR("\r\nX-Amz-Security-Token: T0KEN\r\n")));
    assert_true(str_contains(buf_str(&out), STR("X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n")));
    assert_true(str_contains(
        buf_str(&out),
        STR("SignedHeaders=host;x-amz-content-sha256;x-amz-date;x-amz-security-token,")));
    buf_done(&out);
}

static void too_small_a_buffer_stays_as_it_was(void **state)
{
    for (size_t room = 0; room < 210; room += 7) {
        struct buf out;
        buf_init(&out, 7 + room);
        buf_append(&out, STR("before\n"));
        assert_int_equal(sign(&examples[0], &out), SIGV4_TOO_BIG);
        assert_true(str_eq(buf_str(&out), STR("before\n")));
        buf_done(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_aws),
        cmocka_unit_test(the_lines_are_whole),
        cmocka_unit_test(a_token_is_sent_and_signed),
        cmocka_unit_test(too_small_a_buffer_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
