#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "doctor/log_mask.h"

#define N(rows) (sizeof(rows) / sizeof *(rows))

static void what_is_shown(void **state)
{
    static const struct {
        const char *line, *shown;
    } rows[] = {
        { "", "" },
        { "plain text, a.test:443 (3: Host not found)",
          "plain text, a.test:443 (3: Host not found)" },
        { "GET /b/k?X-Amz-Signature=abc123&X-Amz-Date=1 HTTP/1.1",
          "GET /b/k?X-Amz-Signature=***&X-Amz-Date=1 HTTP/1.1" },
        { "?x-amz-security-token=IQoJ%2Fb%3D%3D&a=b", "?x-amz-security-token=***&a=b" },
        { "?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F2024&a=b", "?X-Amz-Credential=***&a=b" },
        { "?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=x%3D&Expires=1",
          "?AWSAccessKeyId=***&Signature=***&Expires=1" },
        { "/zip/a?token=secret1\", host", "/zip/a?token=***\", host" },
        { "?X%2DAmz%2DSignature=abc", "?X%2DAmz%2DSignature=***" },
        { "?next=https%3A%2F%2Fh%2F%3FX-Amz-Signature%3Dabc%26a%3Db",
          "?next=https%3A%2F%2Fh%2F%3FX-Amz-Signature%3D***%26a%3Db" },
        { "X-Amz-Signature%253Dabc%2526a", "X-Amz-Signature%253D***%2526a" },
        { "Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, SignedHeaders=host, Signature=ab",
          "Authorization: ***" },
        { "-H \"Authorization: Bearer abc\" -v", "-H \"Authorization: ***\" -v" },
        { "{\"authorization\":\"Basic YTpi\",\"a\":1}", "{\"authorization\":\"***\",\"a\":1}" },
        { "{\\\"SessionToken\\\":\\\"abc\\\",\\\"a\\\":1}",
          "{\\\"SessionToken\\\":\\\"***\\\",\\\"a\\\":1}" },
        { "sent Bearer abc.def to a", "sent Bearer *** to a" },
        { "Cookie: a=b; c=d", "Cookie: ***" },
        { "aws_secret_access_key = abc/def+1", "aws_secret_access_key = ***" },
        { "SecretAccessKey:abc", "SecretAccessKey:***" },
        { "password='p q'", "password='***'" },
        { "https://user:pa@ss@a.test/b", "https://***@a.test/b" },
        { "https://a.test/b@c", "https://a.test/b@c" },
        { "the key AKIAIOSFODNN7EXAMPLE is bad", "the key *** is bad" },
        { "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx.sig_-x, a", "jwt ***, a" },
        { "no token here, token.a.test", "no token here, token.a.test" },
        { "tokens expired", "tokens expired" },
        { "caf\xc3\xa9\tx\x1b[31m", "caf???x?[31m" },
        { "50% of %2", "50% of %2" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        char text[256];
        size_t n = strlen(rows[i].line);
        char *exact = malloc(n ? n : 1);
        assert_non_null(exact);
        memcpy(exact, rows[i].line, n);
        log_mask(str_of(exact, n), text, sizeof text);
        free(exact);
        assert_string_equal(text, rows[i].shown);
    }
}

static void what_does_not_fit(void **state)
{
    char text[16];
    log_mask(STR("123456789012"), text, sizeof text);
    assert_string_equal(text, "123456789012");
    log_mask(STR("1234567890123"), text, sizeof text);
    assert_string_equal(text, "123456789012...");
    log_mask(STR("12345678 token=secret"), text, sizeof text);
    assert_string_equal(text, "12345678 tok...");
    log_mask(STR("1234 token=secret"), text, sizeof text);
    assert_string_equal(text, "1234 token=*...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_shown),
        cmocka_unit_test(what_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
