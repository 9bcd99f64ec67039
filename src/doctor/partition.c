#include "doctor/partition.h"

enum { REGION_MAX_BYTES = 32, N_GROUPS_MIN = 3, N_GROUPS_MAX = 4 };

#define SERVICES "AWS's services, S3 and the private names of VPC endpoints"
#define DUAL_STACK "the services' dual-stack names (IPv4 and IPv6)"
#define CONSOLE "the console and sign-in, private where Console Private Access is"
#define CUSTOMERS "what services make for one customer, such as function URLs"

/*
 * Suffixes are those of the SDKs' list of partitions (dnsSuffix, dualStackDnsSuffix). The first
 * row's other two are on no such list: the article names aws.amazon.com.
 */
static const struct {
    const char *prefix; /* of the region's name; the first that fits counts */
    struct partition partition;
} rows[] = {
    { "cn-",
      { "aws-cn",
        2,
        { { "amazonaws.com.cn", SERVICES }, { "api.amazonwebservices.com.cn", DUAL_STACK } } } },
    { "us-gov-",
      { "aws-us-gov",
        4,
        { { "amazonaws.com", SERVICES },
          { "aws.amazon.com", CONSOLE },
          { "api.aws", DUAL_STACK },
          { "on.aws", CUSTOMERS } } } },
    { "eusc-",
      { "aws-eusc",
        2,
        { { "amazonaws.eu", SERVICES }, { "api.amazonwebservices.eu", DUAL_STACK } } } },
    { "us-iso-",
      { "aws-iso", 2, { { "c2s.ic.gov", SERVICES }, { "api.aws.ic.gov", DUAL_STACK } } } },
    { "us-isob-",
      { "aws-iso-b", 2, { { "sc2s.sgov.gov", SERVICES }, { "api.aws.scloud", DUAL_STACK } } } },
    { "eu-isoe-",
      { "aws-iso-e",
        2,
        { { "cloud.adc-e.uk", SERVICES }, { "api.cloud-aws.adc-e.uk", DUAL_STACK } } } },
    { "us-isof-",
      { "aws-iso-f",
        2,
        { { "csp.hci.ic.gov", SERVICES }, { "api.aws.hci.ic.gov", DUAL_STACK } } } },
    { "",
      { "aws",
        4,
        { { "amazonaws.com", SERVICES },
          { "aws.amazon.com", CONSOLE },
          { "api.aws", DUAL_STACK },
          { "on.aws", CUSTOMERS } } } },
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

const struct partition *partition_default(void)
{
    return &rows[N_ROWS - 1].partition;
}

static bool is_region(struct str text)
{
    struct str group;
    unsigned n_groups = 0;
    if (text.n > REGION_MAX_BYTES)
        return false;
    while (str_next(&text, '-', &group)) {
        bool is_last = text.n == 0;
        if (group.n < (is_last ? 1u : 2u))
            return false;
        for (size_t i = 0; i < group.n; i++)
            if (is_last ? !ascii_is_digit(group.p[i]) : group.p[i] < 'a' || group.p[i] > 'z')
                return false;
        n_groups++;
    }
    return n_groups >= N_GROUPS_MIN && n_groups <= N_GROUPS_MAX;
}

const struct partition *partition_of_region(struct str text)
{
    /* str_next() sees nothing behind a last separator. */
    if (str_ends(text, STR("-")) || !is_region(text))
        return NULL;
    unsigned i = 0;
    while (!str_starts(text, str_from_c(rows[i].prefix)))
        i++;
    return &rows[i].partition;
}
