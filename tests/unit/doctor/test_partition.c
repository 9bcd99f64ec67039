#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/s3_host.h"
#include "doctor/partition.h"

#define N(rows) (sizeof(rows) / sizeof *(rows))

static const struct {
    const char *region;
    const char *partition; /* NULL: no region */
    const char *suffix, *dual_stack;
} rows[] = {
    { "us-east-1", "aws", "amazonaws.com", "api.aws" },
    { "eu-west-1", "aws", "amazonaws.com", "api.aws" },
    { "ap-southeast-7", "aws", "amazonaws.com", "api.aws" },
    { "mx-central-12", "aws", "amazonaws.com", "api.aws" },
    { "us-gov-west-1", "aws-us-gov", "amazonaws.com", "api.aws" },
    { "cn-north-1", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
    { "cn-northwest-1", "aws-cn", "amazonaws.com.cn", "api.amazonwebservices.com.cn" },
    { "eusc-de-east-1", "aws-eusc", "amazonaws.eu", "api.amazonwebservices.eu" },
    { "us-iso-east-1", "aws-iso", "c2s.ic.gov", "api.aws.ic.gov" },
    { "us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov", "api.aws.scloud" },
    { "eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk" },
    { "us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov", "api.aws.hci.ic.gov" },
    { "", NULL, NULL, NULL },
    { "-", NULL, NULL, NULL },
    { "us", NULL, NULL, NULL },
    { "us-1", NULL, NULL, NULL },
    { "us-east", NULL, NULL, NULL },
    { "us-east-", NULL, NULL, NULL },
    { "us-east-1-", NULL, NULL, NULL },
    { "us-east-1a", NULL, NULL, NULL },
    { "us--east-1", NULL, NULL, NULL },
    { "-us-east-1", NULL, NULL, NULL },
    { "US-EAST-1", NULL, NULL, NULL },
    { "us east-1", NULL, NULL, NULL },
    { "us-east-1\n", NULL, NULL, NULL },
    { "u-east-1", NULL, NULL, NULL },
    { "aa-bb-cc-dd-1", NULL, NULL, NULL },
    { "cn-", NULL, NULL, NULL },
    { "us-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1", NULL, NULL, NULL },
};

static bool has_zone(const struct partition *p, const char *name)
{
    for (unsigned i = 0; i < p->n_zones; i++)
        if (strcmp(p->zones[i].name, name) == 0)
            return true;
    return false;
}

static void a_region_tells_its_partition(void **state)
{
    for (size_t i = 0; i < N(rows); i++) {
        const struct partition *p = partition_of_region(str_from_c(rows[i].region));
        if ((p != NULL) != (rows[i].partition != NULL))
            fail_msg("\"%s\"", rows[i].region);
        if (p == NULL)
            continue;
        assert_string_equal(p->name, rows[i].partition);
        assert_true(has_zone(p, rows[i].suffix));
        assert_true(has_zone(p, rows[i].dual_stack));
        assert_true(p->n_zones <= PARTITION_MAX_ZONES);
        for (unsigned z = 0; z < p->n_zones; z++)
            assert_true(strlen(p->zones[z].what) > 0);
    }
}

/* What the proxy takes for S3 is in one of the zones. */
static void the_zones_have_s3(void **state)
{
    for (size_t i = 0; i < N(rows) && rows[i].partition != NULL; i++) {
        char host[128];
        struct s3_host s3;
        snprintf(host, sizeof host, "s3.%s.%s", rows[i].region, rows[i].suffix);
        assert_true(s3_host_parse(str_from_c(host), &s3));
        assert_true(str_eq(s3.suffix, str_from_c(rows[i].suffix)));
    }
}

static void the_article_s_zones_are_the_commercial_partition_s(void **state)
{
    const struct partition *p = partition_default();
    assert_string_equal(p->name, "aws");
    assert_true(has_zone(p, "amazonaws.com") && has_zone(p, "aws.amazon.com"));
    assert_true(has_zone(partition_of_region(STR("us-gov-east-1")), "aws.amazon.com"));
    /* They would take another partition's private names along. */
    assert_false(has_zone(partition_of_region(STR("cn-north-1")), "amazonaws.com"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_region_tells_its_partition),
        cmocka_unit_test(the_zones_have_s3),
        cmocka_unit_test(the_article_s_zones_are_the_commercial_partition_s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
