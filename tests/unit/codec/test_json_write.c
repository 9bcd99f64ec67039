/* JSON piece by piece: commas and nesting, and strings that somebody hostile chose. */
#include "codec/json_write.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void nesting_and_commas(void **state)
{
    struct buf out;
    buf_init(&out, 4096);
    struct json j = json_begin(&out);
    json_open(&j, NULL, '{');
    json_open(&j, "empty", '[');
    json_close(&j, '[');
    json_open(&j, "list", '[');
    json_put_u64(&j, NULL, 0);
    json_put_u64(&j, NULL, UINT64_MAX);
    json_open(&j, NULL, '{');
    json_close(&j, '{');
    json_put_text(&j, NULL, "x");
    json_close(&j, '[');
    json_put_bool(&j, "yes", true);
    json_put_bool(&j, "no", false);
    json_put_text(&j, "nothing", NULL);
    json_put_ms(&j, "ms", 1007);
    json_put_ms(&j, "none", 0);
    json_put_escaped(&j, "raw", STR("\\u0000\\\""));
    json_put_time(&j, "billion", 1000000000007);
    json_put_time(&j, "never", 0);
    json_put_time(&j, "last", 253402300799999);
    json_put_time(&j, "beyond", 253402300800000);
    json_close(&j, '{');
    assert_false(out.failed);
    const char *want = "{\"empty\":[],\"list\":[0,18446744073709551615,{},\"x\"],\"yes\":true,"
                       "\"no\":false,\"nothing\":null,\"ms\":1.007,\"none\":0.000,"
                       "\"raw\":\"\\u0000\\\"\",\"billion\":\"2001-09-09T01:46:40.007Z\","
                       "\"never\":null,"
                       "\"last\":\"9999-12-31T23:59:59.999Z\",\"beyond\":null}";
    if (!str_eq(buf_str(&out), str_from_c(want)))
        fail_msg("%.*s", STR_ARG(buf_str(&out)));
    buf_done(&out);
}

static const struct string_row {
    const char *name;
    struct str in;
    const char *out;
} string_rows[] = {
    { "quotes end no string", STR_INIT("a\",\"x\":\"b"), "\"a\\\",\\\"x\\\":\\\"b\"" },
    { "backslashes", STR_INIT("\\"), "\"\\\\\"" },
    { "terminal escapes", STR_INIT("\033[2J"), "\"\\u001b[2J\"" },
    { "a C1 control in UTF-8", STR_INIT("\xc2\x9b"), "\"\\u009b\"" },
    { "bytes that are no UTF-8", STR_INIT("\xff\xfe"), "\"\\u00ff\\u00fe\"" },
    { "NUL", STR_INIT("a\0b"), "\"a\\u0000b\"" },
    { "newlines", STR_INIT("a\r\nb"), "\"a\\u000d\\u000ab\"" },
    { "UTF-8 stays", STR_INIT("\xc3\xa9"), "\"\xc3\xa9\"" },
    { "the empty string", STR_INIT(""), "\"\"" },
};

static void hostile_strings(void **state)
{
    for (size_t i = 0; i < sizeof string_rows / sizeof *string_rows; i++) {
        struct buf out;
        buf_init(&out, 4096);
        struct json j = json_begin(&out);
        json_put_str(&j, NULL, string_rows[i].in);
        if (!str_eq(buf_str(&out), str_from_c(string_rows[i].out)))
            fail_msg("%s: %.*s", string_rows[i].name, STR_ARG(buf_str(&out)));
        buf_done(&out);
    }
}

static void a_full_buffer_fails(void **state)
{
    struct buf out;
    buf_init(&out, 8);
    struct json j = json_begin(&out);
    json_put_text(&j, NULL, "much too long");
    assert_true(out.failed);
    buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nesting_and_commas),
        cmocka_unit_test(hostile_strings),
        cmocka_unit_test(a_full_buffer_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
