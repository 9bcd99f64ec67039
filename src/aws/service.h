#pragma once
/*
 * The AWS services that are called, a row of a table each, and where they live. Sources: each
 * service's API reference and "Service endpoints and quotas"; partitions as in docs/HOSTS.md.
 */
#include "base/str.h"

enum aws_service {
    AWS_EC2,
    AWS_ECS,
    AWS_LOGS,
    AWS_CLOUD_MAP,
    AWS_CLOUD_MAP_DATA, /* DiscoverInstances alone */
    AWS_ROUTE53_RESOLVER,
    AWS_ROUTE53,
    AWS_STS,
    N_AWS_SERVICES
};

enum aws_protocol {
    AWS_QUERY, /* POST of a form, XML back */
    AWS_JSON,  /* JSON 1.1 both ways */
    AWS_REST,  /* GET, XML back */
};

struct aws_service_row {
    const char *name;       /* for people: "EC2" */
    const char *host;       /* first label of its host name */
    const char *signing;    /* as in the credential scope, and before the colon of IAM actions */
    const char *env_suffix; /* AWS_ENDPOINT_URL_... */
    enum aws_protocol protocol;
    const char *version;  /* query form: Version; JSON: what stands before the dot of the target */
    const char *token_in; /* paging: the parameter, and where the reply has the next one */
    const char *token_out;
};

const struct aws_service_row *aws_service_row(enum aws_service service);

enum { AWS_HOST_BYTES = 254, AWS_REGION_BYTES = 33 };

/* "eu-west-1": at most 32 of a-z, 0-9 and '-', at least two hyphens, and a number at the end. */
bool aws_region_is_valid(struct str region);
/* "amazonaws.com" for a region of that partition; regions that nobody knows yet are its too. */
const char *aws_region_suffix(struct str region);

/* The service's own host name (NUL-terminated) and the region that is signed for: a global service
 * has one of its partition. The region must be valid. */
void aws_service_host(enum aws_service service, struct str region, char host[static AWS_HOST_BYTES],
                      char signing_region[static AWS_REGION_BYTES]);
