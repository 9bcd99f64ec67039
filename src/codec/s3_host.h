#pragma once
/*
 * The grammar of S3 endpoint names, and the S3 route's target. Forms and partitions are those of
 * AWS's "Amazon S3 endpoints and quotas" and "Access points" pages; docs/HOSTS.md lists them.
 */
#include "base/str.h"

enum s3_form {
    S3_NONE,     /* no S3 endpoint */
    S3_REGIONAL, /* s3.REGION, s3-REGION, s3.dualstack.REGION, s3-fips..., with or without bucket */
    S3_GLOBAL,   /* s3.SUFFIX, s3-external-1.SUFFIX: legacy */
    S3_ACCELERATE,    /* BUCKET.s3-accelerate[.dualstack] */
    S3_ACCESS_POINT,  /* NAME-ACCOUNT.s3-accesspoint[-fips][.dualstack].REGION */
    S3_MULTI_REGION,  /* ALIAS.mrap.accesspoint.s3-global */
    S3_EXPRESS,       /* [BUCKET.]s3express[-fips]-AZID.REGION, s3express-control is refused */
    S3_OBJECT_LAMBDA, /* NAME-ACCOUNT.s3-object-lambda[-fips].REGION */
    S3_VPC_ENDPOINT,  /* [BUCKET.]bucket.vpce-ID.s3.REGION.vpce, accesspoint.vpce-..., zonal ones */
};

struct s3_host {
    enum s3_form form;
    struct str bucket;   /* virtual-host bucket or access point; empty for path style. Borrowed. */
    struct str region;   /* empty where the name has none */
    struct str suffix;   /* amazonaws.com, ... */
    bool bucket_has_dot; /* the wildcard certificate will not match */
};

/*
 * True when host, as it stands in a target (any letter case, no port), is an S3 endpoint. Labels
 * are strict LDH (1-63 bytes, no hyphen at the ends, no underscore), the whole at most 253; a
 * bucket is 3-63 of a-z 0-9 . - (upper case folds) with LDH labels.
 */
bool s3_host_parse(struct str host, struct s3_host *out);

/* Is it a host name at all: strict LDH labels, at most 253 bytes, no trailing dot, not an address
 * literal (last label not all digits)? For PENSTOCK_ALLOW_HOSTS. */
bool host_name_is_valid(struct str host);

/* The parts of a raw origin-form target "/HOST/KEY?QUERY". */
struct s3_target {
    struct str host;  /* the first segment, raw */
    struct str rest;  /* what is sent to S3 starts here: "/KEY?QUERY", "?QUERY" or "" */
    struct str path;  /* rest up to "?" */
    struct str query; /* behind "?", without it; empty when there is none */
};
/* False when the target does not begin with "/" and a non-empty segment ("//x", "/", "/?x"). '#'
 * never occurs in a valid target. */
bool s3_target_split(struct str target, struct s3_target *out);

enum s3_bucket { S3_BUCKET_NONE, S3_BUCKET_OK, S3_BUCKET_ODD };
/*
 * The bucket a request is for: the host's, else the first path segment. S3_BUCKET_ODD: the path
 * segment holds '%' or another character that no bucket name has (upper case and underscore, which
 * old buckets have, are fine). S3_BUCKET_NONE: no bucket (list of buckets).
 */
enum s3_bucket s3_bucket_of(const struct s3_host *host, struct str path, struct str *bucket);
