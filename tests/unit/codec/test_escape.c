#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/escape.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

struct row {
    struct str in;
    const char *out;
};

static void escapes(void (*escape)(struct buf *, struct str), const struct row *row)
{
    struct buf b;
    buf_init(&b, 65536);
    /* Exactly sized, so that a sanitizer sees a read past the end. */
    char *copy = malloc(row->in.n ? row->in.n : 1);
    assert_non_null(copy);
    if (row->in.n > 0)
        memcpy(copy, row->in.p, row->in.n);
    escape(&b, str_of(copy, row->in.n));
    if (!str_eq(buf_str(&b), str_from_c(row->out)))
        fail_msg("%s: %.*s", row->in.p, STR_ARG(buf_str(&b)));
    free(copy);
    buf_done(&b);
}

static void json(void **state)
{
    static const struct row rows[] = {
        { B(""), "" },
        { B("plain / text"), "plain / text" },
        { B("\"\\"), "\\\"\\\\" },
        { B("a\nb\tc\0d\x1f"), "a\\u000ab\\u0009c\\u0000d\\u001f" },
        { B("\x7f"), "\\u007f" },
        { B("\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"), "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80" },
        { B("\xc2\x9b[2J"), "\\u009b[2J" },
        { B("a\xe2\x80\xae"
            "b"),
          "a\\u202eb" },
        { B("\xe2\x80\xa8"), "\\u2028" },
        { B("\xd8\x9c"), "\\u061c" },
        { B("\xc2\xa0"), "\xc2\xa0" },
        { B("a\xff"), "a\\u00ff" },
        { B("\xc3"), "\\u00c3" },
        { B("\xc3("), "\\u00c3(" },
        { B("\xe2\x82"), "\\u00e2\\u0082" },
        { B("\xf0\x9f\x98"), "\\u00f0\\u009f\\u0098" },
        { B("\x80"), "\\u0080" },
        { B("\xc0\xaf"), "\\u00c0\\u00af" },
        { B("\xe0\x80\xaf"), "\\u00e0\\u0080\\u00af" },
        { B("\xf0\x80\x80\xaf"), "\\u00f0\\u0080\\u0080\\u00af" },
        { B("\xed\xa0\x80"), "\\u00ed\\u00a0\\u0080" },
        { B("\xf4\x90\x80\x80"), "\\u00f4\\u0090\\u0080\\u0080" },
        { B("\xf5\x80\x80\x80"), "\\u00f5\\u0080\\u0080\\u0080" },
        { B("\xf4\x8f\xbf\xbf"), "\xf4\x8f\xbf\xbf" },
        { B("\xed\x9f\xbf\xee\x80\x80"), "\xed\x9f\xbf\xee\x80\x80" },
    };
    for (size_t i = 0; i < N(rows); i++)
        escapes(escape_json, &rows[i]);
}

static void xml(void **state)
{
    static const struct row rows[] = {
        { B(""), "" },
        { B("<a b=\"c\" d='e'>&amp;"), "&lt;a b=&quot;c&quot; d=&apos;e&apos;&gt;&amp;amp;" },
        { B("]]>"), "]]&gt;" },
        { B("a\tb\nc\r"), "a\tb\nc&#13;" },
        { B("\0\x01\x1f\x0b"), "????" },
        { B("\xc3\xa9\xf0\x9f\x98\x80"), "\xc3\xa9\xf0\x9f\x98\x80" },
        { B("\xff\xc3"), "??" },
        { B("\xed\xa0\x80"), "???" },
        { B("\xef\xbf\xbe\xef\xbf\xbf\xef\xbf\xbd"), "??\xef\xbf\xbd" },
    };
    for (size_t i = 0; i < N(rows); i++)
        escapes(escape_xml, &rows[i]);
}

static void plain(void **state)
{
    static const struct {
        struct str in;
        size_t max;
        const char *out;
    } rows[] = {
        { B(""), 0, "" },
        { B("a"), 0, "..." },
        { B("abc"), 3, "abc" },
        { B("abcd"), 3, "abc..." },
        { B("a\nb"), 100, "a\\x0ab" },
        { B("\0\x7f\xff~ "), 100, "\\x00\\x7f\\xff~ " },
        { B("a\nb"), 5, "a\\x0a..." },
        { B("a\nb"), 4, "a..." },
        { B("\xc3\xa9"), 8, "\\xc3\\xa9" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct buf b;
        buf_init(&b, 4096);
        escape_plain(&b, rows[i].in, rows[i].max);
        if (!str_eq(buf_str(&b), str_from_c(rows[i].out)))
            fail_msg("%s: %.*s", rows[i].in.p, STR_ARG(buf_str(&b)));
        buf_done(&b);
    }
}

static void targets(void **state)
{
    static const struct row rows[] = {
        { B(""), "" },
        { B("/h/k"), "/h/k" },
        { B("/h/token=1&token=2"), "/h/token=1&token=2" },
        { B("/h/k?"), "/h/k?" },
        { B("/h/k?a=b&c"), "/h/k?a=b&c" },
        { B("/h?token=s"), "/h?token=***" },
        { B("/h?token="), "/h?token=" },
        { B("/h?token"), "/h?token" },
        { B("/h?a=b&token=s&c=d"), "/h?a=b&token=***&c=d" },
        { B("/h?token=a&token=b"), "/h?token=***&token=***" },
        { B("/h?TOKEN=s"), "/h?TOKEN=***" },
        { B("/h?xtoken=s&token2=s"), "/h?xtoken=s&token2=s" },
        { B("/h?X-Amz-Algorithm=A&X-Amz-Credential=B&X-Amz-Date=C&x-amz-security-token=D"
            "&X-AMZ-SIGNATURE=E"),
          "/h?X-Amz-Algorithm=A&X-Amz-Credential=***&X-Amz-Date=C&x-amz-security-token=***"
          "&X-AMZ-SIGNATURE=***" },
        { B("/h?AWSAccessKeyId=a&Signature=b&Expires=c"),
          "/h?AWSAccessKeyId=***&Signature=***&Expires=c" },
        { B("/h?%74oken=s"), "/h?%74oken=***" },
        { B("/h?X%2DAmz%2dSignature=s"), "/h?X%2DAmz%2dSignature=***" },
        { B("/h?%74%6f%6b%65%6e=s"), "/h?%74%6f%6b%65%6e=***" },
        { B("/h?tok%2=s"), "/h?tok%2=s" },
        { B("/h?token%=s&toke%6=s"), "/h?token%=s&toke%6=s" },
        { B("/h?a?token=s"), "/h?a?token=***" },
        { B("/h?a=b;token=s;t&c=d"), "/h?a=b;token=***&c=d" },
        { B("/h?token=a=b=c"), "/h?token=***" },
        { B("/h?a=token=s"), "/h?a=token=s" },
        { B("/h?&&token=s&&"), "/h?&&token=***&&" },
        { B("/h?a\"\xff&token=\"\n"), "/h?a\\\"\\u00ff&token=***" },
        { B("/h?x-amz-security-token-and-more-than-the-longest=s"),
          "/h?x-amz-security-token-and-more-than-the-longest=s" },
    };
    for (size_t i = 0; i < N(rows); i++)
        escapes(escape_json_target, &rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json),
        cmocka_unit_test(xml),
        cmocka_unit_test(plain),
        cmocka_unit_test(targets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
