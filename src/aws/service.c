#include "aws/service.h"

#include <stdio.h>

#define LOGS_TARGET "Logs_20140328"
#define ECS_TARGET "AmazonEC2ContainerServiceV20141113"
#define CLOUD_MAP_TARGET "Route53AutoNaming_v20170314"

static const struct aws_service_row rows[N_AWS_SERVICES] = {
    [AWS_EC2] = { "EC2", "ec2", "ec2", "EC2", AWS_QUERY, "2016-11-15", "NextToken", "nextToken" },
    [AWS_ECS] = { "ECS", "ecs", "ecs", "ECS", AWS_JSON, ECS_TARGET, "nextToken", "nextToken" },
    [AWS_LOGS] = { "CloudWatch Logs", "logs", "logs", "CLOUDWATCH_LOGS", AWS_JSON, LOGS_TARGET,
                   "nextToken", "nextToken" },
    [AWS_CLOUD_MAP] = { "Cloud Map", "servicediscovery", "servicediscovery", "SERVICEDISCOVERY",
                        AWS_JSON, CLOUD_MAP_TARGET, "NextToken", "NextToken" },
    [AWS_CLOUD_MAP_DATA] = { "Cloud Map", "data-servicediscovery", "servicediscovery",
                             "SERVICEDISCOVERY", AWS_JSON, CLOUD_MAP_TARGET, "NextToken",
                             "NextToken" },
    [AWS_ROUTE53_RESOLVER] = { "Route 53 Resolver", "route53resolver", "route53resolver",
                               "ROUTE53RESOLVER", AWS_JSON, "Route53Resolver", "NextToken",
                               "NextToken" },
    [AWS_ROUTE53] = { "Route 53", "route53", "route53", "ROUTE_53", AWS_REST, "2013-04-01",
                      "nexttoken", "NextToken" },
    [AWS_STS] = { "STS", "sts", "sts", "STS", AWS_QUERY, "2011-06-15", "", "" },
};

/* Route 53 is one endpoint a partition; its region is the partition's first ("Route 53 endpoints
 * and quotas"). Partitions without one there sign for a region of their own. */
static const struct partition {
    struct str prefix, suffix;
    const char *route53_host, *route53_region;
} partitions[] = {
    { STR_INIT("cn-"), STR_INIT("amazonaws.com.cn"), "route53.amazonaws.com.cn", "cn-northwest-1" },
    { STR_INIT("us-gov-"), STR_INIT("amazonaws.com"), "route53.us-gov.amazonaws.com",
      "us-gov-west-1" },
    { STR_INIT("us-iso-"), STR_INIT("c2s.ic.gov"), "route53.c2s.ic.gov", "us-iso-east-1" },
    { STR_INIT("us-isob-"), STR_INIT("sc2s.sgov.gov"), "route53.sc2s.sgov.gov", "us-isob-east-1" },
    { STR_INIT("eu-isoe-"), STR_INIT("cloud.adc-e.uk"), "route53.cloud.adc-e.uk",
      "eu-isoe-west-1" },
    { STR_INIT("us-isof-"), STR_INIT("csp.hci.ic.gov"), "route53.csp.hci.ic.gov",
      "us-isof-south-1" },
    { STR_INIT("eusc-"), STR_INIT("amazonaws.eu"), "route53.eusc-de-east-1.amazonaws.eu",
      "eusc-de-east-1" },
    { STR_INIT(""), STR_INIT("amazonaws.com"), "route53.amazonaws.com", "us-east-1" },
};

const struct aws_service_row *aws_service_row(enum aws_service service)
{
    return &rows[service < N_AWS_SERVICES ? service : AWS_EC2];
}

bool aws_region_is_valid(struct str region)
{
    size_t n_labels = 0;
    struct str rest = region, label = STR("");
    if (region.n == 0 || region.n >= AWS_REGION_BYTES || region.p[region.n - 1] == '-')
        return false;
    while (str_next(&rest, '-', &label)) {
        uint64_t number;
        bool is_last = rest.n == 0;
        n_labels++;
        if (label.n == 0 || (is_last && !str_to_u64(label, &number)))
            return false;
        for (size_t i = 0; i < label.n && !is_last; i++)
            if (label.p[i] < 'a' || label.p[i] > 'z')
                return false;
    }
    return n_labels >= 3;
}

static const struct partition *partition_of(struct str region)
{
    const struct partition *p = partitions;
    while (!str_starts(region, p->prefix)) /* the last row's prefix is empty */
        p++;
    return p;
}

const char *aws_region_suffix(struct str region)
{
    return partition_of(region)->suffix.p;
}

void aws_service_host(enum aws_service service, struct str region, char host[static AWS_HOST_BYTES],
                      char signing_region[static AWS_REGION_BYTES])
{
    const struct partition *p = partition_of(region);
    if (service == AWS_ROUTE53) {
        snprintf(host, AWS_HOST_BYTES, "%s", p->route53_host);
        snprintf(signing_region, AWS_REGION_BYTES, "%s", p->route53_region);
        return;
    }
    snprintf(host, AWS_HOST_BYTES, "%s.%.*s.%s", aws_service_row(service)->host, STR_ARG(region),
             p->suffix.p);
    snprintf(signing_region, AWS_REGION_BYTES, "%.*s", STR_ARG(region));
}
