#pragma once
/*
 * What a person has at hand, a URL of the proxy, a target, a URL of S3 or s3://BUCKET/KEY -> the
 * target that a client would ask the proxy for. Nothing is normalised or decoded. Pure.
 */
#include "conf/settings.h"

enum { URL_READ_BYTES = 64 * 1024 };

struct url_read {
    struct buf target;      /* "/HOST/KEY?QUERY" */
    const char *as;         /* how the text was understood, for people */
    bool has_lost_fragment; /* "#..." stays with the client */
};

/* region: for s3://, empty for none. conf: hosts of PENSTOCK_ALLOW_HOSTS are S3's, too. False:
 * *problem says what is wrong with the text. target is the caller's to free either way. */
bool url_read(const struct conf *conf, struct str text, struct str region, struct url_read *out,
              const char **problem);
