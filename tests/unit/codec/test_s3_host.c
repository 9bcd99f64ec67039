#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "codec/s3_host.h"

#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }
#define N(rows) (sizeof(rows) / sizeof *(rows))

/* Parses an exactly sized copy, so that a sanitizer sees a read past the end; *copy is freed by the
 * caller and *out points into it. */
static bool parse(struct str host, struct s3_host *out, char **copy)
{
    *copy = malloc(host.n ? host.n : 1);
    assert_non_null(*copy);
    if (host.n > 0)
        memcpy(*copy, host.p, host.n);
    return s3_host_parse(str_of(*copy, host.n), out);
}

static const char *const suffixes[] = { "amazonaws.com",    "api.aws",
                                        "amazonaws.com.cn", "api.amazonwebservices.com.cn",
                                        "amazonaws.eu",     "c2s.ic.gov",
                                        "sc2s.sgov.gov",    "api.amazonwebservices.eu",
                                        "cloud.adc-e.uk",   "csp.hci.ic.gov" };

/* Each is tried before every suffix, in lower and in upper case. */
static const struct {
    const char *front;
    enum s3_form form;
    const char *bucket;
    const char *region;
} accepted[] = {
    { "s3.us-east-1", S3_REGIONAL, "", "us-east-1" },
    { "my-bucket.s3.us-east-1", S3_REGIONAL, "my-bucket", "us-east-1" },
    { "my.dotted.bucket.s3.eu-west-3", S3_REGIONAL, "my.dotted.bucket", "eu-west-3" },
    { "s3-us-west-2", S3_REGIONAL, "", "us-west-2" },
    { "my-bucket.s3-us-west-2", S3_REGIONAL, "my-bucket", "us-west-2" },
    { "s3.dualstack.us-east-1", S3_REGIONAL, "", "us-east-1" },
    { "my-bucket.s3.dualstack.us-east-1", S3_REGIONAL, "my-bucket", "us-east-1" },
    { "s3-fips.us-gov-west-1", S3_REGIONAL, "", "us-gov-west-1" },
    { "my-bucket.s3-fips.us-gov-west-1", S3_REGIONAL, "my-bucket", "us-gov-west-1" },
    { "s3-fips.dualstack.us-east-2", S3_REGIONAL, "", "us-east-2" },
    { "my-bucket.s3-fips.dualstack.us-east-2", S3_REGIONAL, "my-bucket", "us-east-2" },
    { "s3-fips-us-gov-west-1", S3_REGIONAL, "", "us-gov-west-1" },
    { "my-bucket.s3-us-gov-west-1", S3_REGIONAL, "my-bucket", "us-gov-west-1" },
    /* regions */
    { "s3.af-south-1", S3_REGIONAL, "", "af-south-1" },
    { "s3.ap-southeast-7", S3_REGIONAL, "", "ap-southeast-7" },
    { "s3.ca-central-1", S3_REGIONAL, "", "ca-central-1" },
    { "s3.cn-northwest-1", S3_REGIONAL, "", "cn-northwest-1" },
    { "s3.eusc-de-east-1", S3_REGIONAL, "", "eusc-de-east-1" },
    { "s3.eu-isoe-west-1", S3_REGIONAL, "", "eu-isoe-west-1" },
    { "s3.us-iso-east-1", S3_REGIONAL, "", "us-iso-east-1" },
    { "s3.us-isob-east-1", S3_REGIONAL, "", "us-isob-east-1" },
    { "s3.us-isof-south-1", S3_REGIONAL, "", "us-isof-south-1" },
    { "s3.il-central-1", S3_REGIONAL, "", "il-central-1" },
    { "s3.mx-central-1", S3_REGIONAL, "", "mx-central-1" },
    { "s3.me-south-12", S3_REGIONAL, "", "me-south-12" },
    /* without a region */
    { "s3", S3_GLOBAL, "", "" },
    { "my-bucket.s3", S3_GLOBAL, "my-bucket", "" },
    { "my.dotted.bucket.s3", S3_GLOBAL, "my.dotted.bucket", "" },
    { "s3-external-1", S3_GLOBAL, "", "" },
    { "my-bucket.s3-external-1", S3_GLOBAL, "my-bucket", "" },
    { "my-bucket.s3-accelerate", S3_ACCELERATE, "my-bucket", "" },
    { "my-bucket.s3-accelerate.dualstack", S3_ACCELERATE, "my-bucket", "" },
    { "mfzwi23gnjvgw.mrap.accesspoint.s3-global", S3_MULTI_REGION, "mfzwi23gnjvgw", "" },
    /* access points */
    { "name-123456789012.s3-accesspoint.us-east-1", S3_ACCESS_POINT, "name-123456789012",
      "us-east-1" },
    { "a-b-c-123456789012.s3-accesspoint-fips.us-east-1", S3_ACCESS_POINT, "a-b-c-123456789012",
      "us-east-1" },
    { "name-123456789012.s3-accesspoint.dualstack.us-east-1", S3_ACCESS_POINT, "name-123456789012",
      "us-east-1" },
    { "name-123456789012.s3-accesspoint-fips.dualstack.us-gov-east-1", S3_ACCESS_POINT,
      "name-123456789012", "us-gov-east-1" },
    { "name-123456789012.s3-object-lambda.us-east-1", S3_OBJECT_LAMBDA, "name-123456789012",
      "us-east-1" },
    { "name-123456789012.s3-object-lambda-fips.us-east-1", S3_OBJECT_LAMBDA, "name-123456789012",
      "us-east-1" },
    { "name-0123456789abcdef-s3alias.s3.us-east-1", S3_REGIONAL, "name-0123456789abcdef-s3alias",
      "us-east-1" },
    { "name-0123456789abcdef--ol-s3.s3.us-east-1", S3_REGIONAL, "name-0123456789abcdef--ol-s3",
      "us-east-1" },
    /* directory buckets */
    { "base--use1-az4--x-s3.s3express-use1-az4.us-east-1", S3_EXPRESS, "base--use1-az4--x-s3",
      "us-east-1" },
    { "s3express-use1-az4.us-east-1", S3_EXPRESS, "", "us-east-1" },
    { "base--use1-az4--x-s3.s3express-fips-use1-az4.us-east-1", S3_EXPRESS, "base--use1-az4--x-s3",
      "us-east-1" },
    { "s3express-usw2-lax1-az1.us-west-2", S3_EXPRESS, "", "us-west-2" },
    { "s3express-apne1-az10.dualstack.ap-northeast-1", S3_EXPRESS, "", "ap-northeast-1" },
    /* interface endpoints */
    { "bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce", S3_VPC_ENDPOINT, "", "us-east-1" },
    { "bucket.vpce-1a2b3c4d-5e6f-us-east-1a.s3.us-east-1.vpce", S3_VPC_ENDPOINT, "", "us-east-1" },
    { "my-bucket.bucket.vpce-0e25b8cdd720f900e-argc85vg.s3.us-east-1.vpce", S3_VPC_ENDPOINT,
      "my-bucket", "us-east-1" },
    { "my.bucket.bucket.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce", S3_VPC_ENDPOINT, "my.bucket",
      "us-east-1" },
    { "accesspoint.vpce-1a2b3c4d-5e6f.s3.us-east-1.vpce", S3_VPC_ENDPOINT, "", "us-east-1" },
    { "name-123456789012.accesspoint.vpce-1a2b3c4d-5e6f-us-east-1f.s3.us-east-1.vpce",
      S3_VPC_ENDPOINT, "name-123456789012", "us-east-1" },
    /* buckets that look like something else */
    { "s3-control.s3.us-east-1", S3_REGIONAL, "s3-control", "us-east-1" },
    { "us-east-1.s3", S3_GLOBAL, "us-east-1", "" },
    { "dualstack.s3", S3_GLOBAL, "dualstack", "" },
    { "s3-website.s3.us-east-1", S3_REGIONAL, "s3-website", "us-east-1" },
    { "abc.s3", S3_GLOBAL, "abc", "" },
    { "123.s3", S3_GLOBAL, "123", "" },
    { "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc.s3", S3_GLOBAL,
      "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabc", "" },
};

static void endpoints_are_known(void **state)
{
    for (size_t i = 0; i < N(accepted) * N(suffixes) * 2; i++) {
        size_t row = i / 2 % N(accepted);
        const char *suffix = suffixes[i / 2 / N(accepted)];
        char host[300];
        int n = snprintf(host, sizeof host, "%s.%s", accepted[row].front, suffix);
        for (int k = 0; k < n && i % 2; k++)
            host[k] = (char)(host[k] >= 'a' && host[k] <= 'z' ? host[k] - 32 : host[k]);
        struct s3_host out;
        char *copy;
        if (!parse(str_of(host, (size_t)n), &out, &copy))
            fail_msg("%s is refused", host);
        if (out.form != accepted[row].form ||
            !str_eq_nocase(out.bucket, str_from_c(accepted[row].bucket)) ||
            !str_eq_nocase(out.region, str_from_c(accepted[row].region)) ||
            !str_eq_nocase(out.suffix, str_from_c(suffix)) ||
            out.bucket_has_dot != (strchr(accepted[row].bucket, '.') != NULL))
            fail_msg("%s: form %d, bucket %.*s, region %.*s, suffix %.*s", host, (int)out.form,
                     STR_ARG(out.bucket), STR_ARG(out.region), STR_ARG(out.suffix));
        free(copy);
    }
}

/* Before every suffix. */
static const char *const refused_fronts[] = {
    /* other services */
    "ec2",
    "s3.ec2",
    "ec2.us-east-1",
    "s3-elb",
    "elb",
    "name-1.us-east-1.elb",
    "s3.elb",
    "s3.us-east-1.elb",
    "abc.execute-api.us-east-1",
    "s3.execute-api.us-east-1",
    "sts",
    "sts.us-east-1",
    "s3.sts.us-east-1",
    "lambda.us-east-1",
    "s3.rds",
    "x.s3.us-east-1.rds",
    "ec2-1-2-3-4.compute-1",
    "s3.compute-1",
    "s3-1.compute",
    "s3tables.us-east-1",
    "s3vectors.us-east-1",
    "glacier.us-east-1",
    "s3.glacier.us-east-1",
    "abc.s3.us-east-1.s4",
    /* parts of S3 that are left out */
    "s3-control.us-east-1",
    "123456789012.s3-control.us-east-1",
    "s3-control.dualstack.us-east-1",
    "s3-control-fips.us-east-1",
    "123456789012.s3-control",
    "s3-control",
    "s3-website.us-east-1",
    "s3-website-us-east-1",
    "my-bucket.s3-website-us-east-1",
    "my-bucket.s3-website.eu-central-1",
    "s3-website",
    "s3express-control.us-east-1",
    "my-bucket.s3express-control.us-east-1",
    "s3express-control-fips.us-east-1",
    "s3-outposts.us-east-1",
    "name-123456789012.s3-outposts.us-east-1",
    "name-123456789012.op-01.s3-outposts.us-east-1",
    "s3-deprecated.us-east-1",
    "s3-object-lambda.dualstack.us-east-1",
    "s3-global",
    "accesspoint.s3-global",
    "mrap.accesspoint.s3-global",
    "s3-accesspoint",
    "control.vpce-1a2b-5e6f.s3.us-east-1.vpce",
    /* no region */
    "s3.us-east",
    "s3.east-1",
    "s3.us-east-0",
    "s3.us-east-01",
    "s3.us-east-100",
    "s3.us-east-1a",
    "s3.us1-east-1",
    "s3.u-east-1",
    "s3.us-e-1",
    "s3.us--east-1",
    "s3.usa-east-1",
    "s3.elbx-east-1",
    "s3.us-a-1",
    "s3.us-aa-bb-cc-dd-1",
    "s3.1",
    "s3.us",
    "s3-us",
    "s3-1",
    "s3-us-east",
    "s3-external-2",
    "s3-fips",
    "s3-fips-external-1",
    "s3.website-us-east-1",
    "s3.us-east-1.us-east-1",
    "s3.dualstack",
    "dualstack.us-east-1",
    "s3.dualstack.us",
    "s3.dualstack.dualstack.us-east-1",
    "s3-us-east-1.dualstack",
    "s3.fips.us-east-1",
    "s3.dualstack-fips.us-east-1",
    "s3dualstack.us-east-1",
    "s4.us-east-1",
    "xs3.us-east-1",
    "s3x.us-east-1",
    "us-east-1",
    "my-bucket.us-east-1",
    "s3--us-east-1",
    "s3-.us-east-1",
    /* no bucket */
    "a.s3",
    "ab.s3.us-east-1",
    "ab.s3-us-east-1",
    "a_b.s3",
    "my_bucket.s3.us-east-1",
    "-bucket.s3",
    "bucket-.s3",
    ".s3",
    "my..bucket.s3",
    ".my-bucket.s3",
    "my-.bucket.s3",
    "aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbb.aaaaaaaaaabbbbbbbbbbabc.s3",
    "my%2ebucket.s3",
    "my bucket.s3",
    "\xc3\xbc.s3",
    /* accelerate */
    "s3-accelerate",
    "s3-accelerate.dualstack",
    "my-bucket.s3-accelerate.us-east-1",
    "my-bucket.dualstack.s3-accelerate",
    "my-bucket.s3-accelerate-fips",
    /* access points */
    "s3-accesspoint.us-east-1",
    "name.s3-accesspoint.us-east-1",
    "name-12345678901.s3-accesspoint.us-east-1",
    "ab-123456789012.s3-accesspoint.us-east-1",
    "-123456789012.s3-accesspoint.us-east-1",
    "name--123456789012.s3-accesspoint.us-east-1",
    "name123456789012.s3-accesspoint.us-east-1",
    "123456789012.s3-accesspoint.us-east-1",
    "name-12345678901a.s3-accesspoint.us-east-1",
    "x.name-123456789012.s3-accesspoint.us-east-1",
    "name-123456789012.s3-accesspoint-us-east-1",
    "name-123456789012.dualstack.s3-accesspoint",
    "s3-object-lambda.us-east-1",
    "name.s3-object-lambda.us-east-1",
    "name-123456789012.s3-object-lambda.dualstack.us-east-1",
    /* many regions */
    "a.b.mrap.accesspoint.s3-global",
    "abc.accesspoint.s3-global",
    "abc.mrap.s3-global",
    "abc.mrap.accesspoint.s3-global.us-east-1",
    "a-.mrap.accesspoint.s3-global",
    /* directory buckets */
    "s3express.us-east-1",
    "s3express-.us-east-1",
    "s3express-use1.us-east-1",
    "s3express-az4.us-east-1",
    "s3express-use1-az.us-east-1",
    "s3express-use1-4.us-east-1",
    "s3express-use1-az4x.us-east-1",
    "s3express-use1-az4",
    "s3express-use1--az4.us-east-1",
    "s3express-fips.us-east-1",
    "s3express-fips-az4.us-east-1",
    "s3express-use1-xaz4.us-east-1",
    /* interface endpoints */
    "vpce-1a2b-5e6f.s3.us-east-1.vpce",
    "my-bucket.vpce-1a2b-5e6f.s3.us-east-1.vpce",
    "bucket.vpce-.s3.us-east-1.vpce",
    "bucket.vpce.s3.us-east-1.vpce",
    "bucket.x-1a2b.s3.us-east-1.vpce",
    "bucket.vpce-1a2b-5e6f.ec2.us-east-1.vpce",
    "bucket.vpce-1a2b-5e6f.s3.vpce",
    "bucket.vpce-1a2b-5e6f.us-east-1.vpce",
    "bucket.vpce-1a2b-5e6f.s3.us-east.vpce",
    "s3.us-east-1.vpce",
    "vpce",
    "ab.bucket.vpce-1a2b-5e6f.s3.us-east-1.vpce",
    "my-bucket.accesspoint.vpce-1a2b-5e6f.s3.us-east-1.vpce",
    "x.name-123456789012.accesspoint.vpce-1a2b-5e6f.s3.us-east-1.vpce",
    "bucket.vpce-1a2b-5e6f.execute-api.us-east-1.vpce",
};

static const struct str refused_hosts[] = {
    B(""),
    B("."),
    B("s3"),
    B("s3."),
    B("amazonaws.com"),
    B(".amazonaws.com"),
    B("api.aws"),
    B("aws"),
    B("s3.us-east-1"),
    B("s3.us-east-1.amazonaws.com."),
    B("s3.amazonaws.com.."),
    B("s3.us-east-1.amazonaws.comx"),
    B("s3.us-east-1.notamazonaws.com"),
    B("s3.us-east-1.amazonaws.com.evil.test"),
    B("s3.us-east-1.amazonaws.de"),
    B("s3.us-east-1.amazonaws.com.de"),
    B("s3.us-east-1amazonaws.com"),
    B("s3amazonaws.com"),
    B("evil.test"),
    B("evil.test?.amazonaws.com"),
    B("evil.test%3F.amazonaws.com"),
    B("evil.test%3F.s3.amazonaws.com"),
    B("evil.test#.s3.amazonaws.com"),
    B("evil.test/.s3.amazonaws.com"),
    B("user@s3.amazonaws.com"),
    B("u:p@s3.amazonaws.com"),
    B("s3.amazonaws.com:443"),
    B("s3.amazonaws.com:80"),
    B("[::1]"),
    B("[s3.amazonaws.com]"),
    B("169.254.169.254"),
    B("127.0.0.1"),
    B("0x7f.1"),
    B("2130706433"),
    B("::1"),
    B("localhost"),
    B("s3.amazonaws.com\0"),
    B("evil.test\0.s3.amazonaws.com"),
    B("s3\0.amazonaws.com"),
    B("s3 .amazonaws.com"),
    B("s3.amazonaws.com "),
    B("\ts3.amazonaws.com"),
    B("s3.amazonaws.com\r\n"),
    B("s3\\.amazonaws.com"),
    B("s3,amazonaws.com"),
    B("s3.amazonaws\xe3\x80\x82xcom"),
    B("xn--s3-.amazonaws.com"),
    B("s3.a%6dazonaws.com"),
    B("*.s3.amazonaws.com"),
    B("s3.*.amazonaws.com"),
    B("$host.s3.amazonaws.com"),
    B("zip"),
    B("browse"),
    B("robots.txt"),
    B("favicon.ico"),
    B("aws.amazon.com"),
    B("s3.aws.amazon.com"),
    B("s3.us-east-1.aws.amazon.com"),
    B("s3.us-east-1.aws"),
    B("s3.us-east-1.amazonwebservices.com.cn"),
    B("s3.cloudfront.net"),
    B("s3.ic.gov"),
    B("s3.us-east-1.hci.ic.gov"),
    B("s3.us-east-1.adc-e.uk"),
    B("s3.us-east-1.sgov.gov"),
    B("s3.us-east-1.com"),
    B("s3.us-east-1.amazonaws.com.cn.evil"),
};

static void all_else_is_refused(void **state)
{
    for (size_t i = 0; i < N(refused_fronts) * N(suffixes); i++) {
        char host[300];
        int n = snprintf(host, sizeof host, "%s.%s", refused_fronts[i / N(suffixes)],
                         suffixes[i % N(suffixes)]);
        struct s3_host out = { .form = S3_NONE };
        char *copy;
        if (parse(str_of(host, (size_t)n), &out, &copy))
            fail_msg("%s is taken for form %d", host, (int)out.form);
        assert_int_equal(out.form, S3_NONE);
        free(copy);
    }
    for (size_t i = 0; i < N(refused_hosts); i++) {
        struct s3_host out;
        char *copy;
        if (parse(refused_hosts[i], &out, &copy))
            fail_msg("%s is taken for form %d", refused_hosts[i].p, (int)out.form);
        free(copy);
    }
}

/* Every byte but letters, digits, '-' and '.', anywhere in a good name, spoils it. */
static void one_odd_byte_is_enough(void **state)
{
    char host[] = "bucket.s3.us-east-1.amazonaws.com";
    for (size_t at = 0; at < sizeof host - 1; at++) {
        char good = host[at];
        for (int c = 0; c < 256; c++) {
            host[at] = (char)c;
            struct s3_host out;
            bool is_ldh =
                ascii_is_alpha((char)c) || ascii_is_digit((char)c) || c == '-' || c == '.';
            if (!is_ldh && s3_host_parse(str_of(host, sizeof host - 1), &out))
                fail_msg("byte %02x at %zu", (unsigned)c, at);
        }
        host[at] = good;
    }
}

static void host_names(void **state)
{
    static const struct {
        struct str host;
        bool is_valid;
    } rows[] = {
        { B("a"), true },
        { B("localhost"), true },
        { B("minio.internal"), true },
        { B("A-b.C1"), true },
        { B("1.a"), true },
        { B("1a"), true },
        { B("0x7g"), true },
        { B("xn--mnchen-3ya.de"), true },
        { B(""), false },
        { B("."), false },
        { B("a."), false },
        { B(".a"), false },
        { B("a..b"), false },
        { B("-a"), false },
        { B("a-"), false },
        { B("a-.b"), false },
        { B("a_b"), false },
        { B("a b"), false },
        { B("a\0"), false },
        { B("1"), false },
        { B("1.2.3.4"), false },
        { B("a.1"), false },
        { B("0x7f000001"), false },
        { B("0X7F"), false },
        { B("0x"), false },
        { B("a.0xff"), false },
        { B("[::1]"), false },
        { B("a:80"), false },
        { B("m\xc3\xbcnchen.de"), false },
    };
    for (size_t i = 0; i < N(rows); i++)
        if (host_name_is_valid(rows[i].host) != rows[i].is_valid)
            fail_msg("%s", rows[i].host.p);
    char name[256];
    memset(name, 'a', sizeof name);
    assert_true(host_name_is_valid(str_of(name, 63)));
    assert_false(host_name_is_valid(str_of(name, 64)));
    for (size_t i = 50; i < sizeof name; i += 51)
        name[i] = '.';
    assert_true(host_name_is_valid(str_of(name, 253)));
    assert_false(host_name_is_valid(str_of(name, 254)));
}

static void targets_are_split(void **state)
{
    static const struct {
        struct str target;
        const char *host; /* NULL: no */
        const char *rest, *path, *query;
    } rows[] = {
        { B("/h/k?q"), "h", "/k?q", "/k", "q" },
        { B("/h/k"), "h", "/k", "/k", "" },
        { B("/h/"), "h", "/", "/", "" },
        { B("/h"), "h", "", "", "" },
        { B("/h?q"), "h", "?q", "", "q" },
        { B("/h?"), "h", "?", "", "" },
        { B("/h/?"), "h", "/?", "/", "" },
        { B("/h/k?"), "h", "/k?", "/k", "" },
        { B("/h//k?a/b?c"), "h", "//k?a/b?c", "//k", "a/b?c" },
        { B("/h?q/k"), "h", "?q/k", "", "q/k" },
        { B("/h/../x/%2e%2F+%zz"), "h", "/../x/%2e%2F+%zz", "/../x/%2e%2F+%zz", "" },
        { B("/a%3Fb/k"), "a%3Fb", "/k", "/k", "" },
        { B("/./k"), ".", "/k", "/k", "" },
        { B("/h\\x/k"), "h\\x", "/k", "/k", "" },
        { B(""), NULL, "", "", "" },
        { B("/"), NULL, "", "", "" },
        { B("//"), NULL, "", "", "" },
        { B("//x"), NULL, "", "", "" },
        { B("/?x"), NULL, "", "", "" },
        { B("/?"), NULL, "", "", "" },
        { B("h/k"), NULL, "", "", "" },
        { B("*"), NULL, "", "", "" },
        { B("http://p/h/k"), NULL, "", "", "" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct s3_target t;
        bool is_split = s3_target_split(rows[i].target, &t);
        if (is_split != (rows[i].host != NULL))
            fail_msg("%s", rows[i].target.p);
        if (is_split && (!str_eq(t.host, str_from_c(rows[i].host)) ||
                         !str_eq(t.rest, str_from_c(rows[i].rest)) ||
                         !str_eq(t.path, str_from_c(rows[i].path)) ||
                         !str_eq(t.query, str_from_c(rows[i].query))))
            fail_msg("%s: %.*s %.*s %.*s %.*s", rows[i].target.p, STR_ARG(t.host), STR_ARG(t.rest),
                     STR_ARG(t.path), STR_ARG(t.query));
    }
}

static void buckets_are_found(void **state)
{
    static const struct {
        const char *host_bucket;
        struct str path;
        enum s3_bucket result;
        const char *bucket;
    } rows[] = {
        { "hosted", B("/other/key"), S3_BUCKET_OK, "hosted" },
        { "hosted", B(""), S3_BUCKET_OK, "hosted" },
        { "hosted", B("/%"), S3_BUCKET_OK, "hosted" },
        { "", B(""), S3_BUCKET_NONE, "" },
        { "", B("/"), S3_BUCKET_NONE, "" },
        { "", B("/bucket"), S3_BUCKET_OK, "bucket" },
        { "", B("/bucket/"), S3_BUCKET_OK, "bucket" },
        { "", B("/bucket/key%20/x"), S3_BUCKET_OK, "bucket" },
        { "", B("/Old_Bucket.x-1/key"), S3_BUCKET_OK, "Old_Bucket.x-1" },
        { "", B("/buc%6bet/key"), S3_BUCKET_ODD, "" },
        { "", B("/%2Fbucket/key"), S3_BUCKET_ODD, "" },
        { "", B("/bucket%2Fkey"), S3_BUCKET_ODD, "" },
        { "", B("/bucket\\key"), S3_BUCKET_ODD, "" },
        { "", B("/bucket;x/key"), S3_BUCKET_ODD, "" },
        { "", B("/buc+ket/key"), S3_BUCKET_ODD, "" },
        { "", B("/b\xc3\xbc/key"), S3_BUCKET_ODD, "" },
        { "", B("/arn:aws:s3/key"), S3_BUCKET_ODD, "" },
        { "", B("//bucket/key"), S3_BUCKET_ODD, "" },
        { "", B("/./bucket/key"), S3_BUCKET_ODD, "" },
        { "", B("/../bucket/key"), S3_BUCKET_ODD, "" },
        { "", B("/.."), S3_BUCKET_ODD, "" },
        { "", B("/.a/key"), S3_BUCKET_OK, ".a" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct s3_host host = { .bucket = str_from_c(rows[i].host_bucket) };
        struct str bucket = STR("");
        if (s3_bucket_of(&host, rows[i].path, &bucket) != rows[i].result ||
            !str_eq(bucket, str_from_c(rows[i].bucket)))
            fail_msg("%s %s", rows[i].host_bucket, rows[i].path.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_are_known),    cmocka_unit_test(all_else_is_refused),
        cmocka_unit_test(one_odd_byte_is_enough), cmocka_unit_test(host_names),
        cmocka_unit_test(targets_are_split),      cmocka_unit_test(buckets_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
