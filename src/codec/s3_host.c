#include "codec/s3_host.h"

enum {
    HOST_BYTES = 253,
    LABEL_BYTES = 63,
    BUCKET_MIN_BYTES = 3,
    BUCKET_MAX_BYTES = 63,
    ACCOUNT_DIGITS = 12,
    ACCESS_POINT_MIN_BYTES = 3,
};

/* The DNS suffixes of the partitions, and those of their dual-stack APIs. */
static const struct str suffixes[] = {
    { "amazonaws.com", 13 },                /* aws, aws-us-gov */
    { "api.aws", 7 },                       /* the same, dual-stack */
    { "amazonaws.com.cn", 16 },             /* aws-cn */
    { "api.amazonwebservices.com.cn", 28 }, /* aws-cn, dual-stack */
    { "amazonaws.eu", 12 },                 /* aws-eusc */
    { "api.amazonwebservices.eu", 24 },     /* aws-eusc, dual-stack */
    { "c2s.ic.gov", 10 },                   /* aws-iso */
    { "sc2s.sgov.gov", 13 },                /* aws-iso-b */
    { "cloud.adc-e.uk", 14 },               /* aws-iso-e */
    { "csp.hci.ic.gov", 14 },               /* aws-iso-f */
};

static bool is(struct str label, const char *word)
{
    return str_eq_nocase(label, str_from_c(word));
}

static bool all_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_digit(s.p[i]))
            return false;
    return s.n > 0;
}

static bool is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

static bool is_ldh_label(struct str s)
{
    if (s.n == 0 || s.n > LABEL_BYTES || !is_alnum(s.p[0]) || !is_alnum(s.p[s.n - 1]))
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (!is_alnum(s.p[i]) && s.p[i] != '-')
            return false;
    return true;
}

/* Would inet_aton() and the URL parsers of browsers take a name with this last label for an IPv4
 * address? "127", "0x7f" and also "0x". */
static bool is_ipv4_part(struct str label)
{
    if (all_digits(label))
        return true;
    if (label.n < 2 || label.p[0] != '0' || ascii_lower(label.p[1]) != 'x')
        return false;
    for (size_t i = 2; i < label.n; i++)
        if (ascii_hex(label.p[i]) < 0)
            return false;
    return true;
}

bool host_name_is_valid(struct str host)
{
    if (host.n == 0 || host.n > HOST_BYTES || host.p[host.n - 1] == '.')
        return false;
    struct str label = STR("");
    while (str_next(&host, '.', &label))
        if (!is_ldh_label(label))
            return false;
    return !is_ipv4_part(label);
}

/* Takes the last label off *rest; the empty string when there is none. */
static struct str pop_label(struct str *rest)
{
    size_t start = rest->n;
    while (start > 0 && rest->p[start - 1] != '.')
        start--;
    struct str label = str_from(*rest, start);
    *rest = str_first(*rest, start > 0 ? start - 1 : 0);
    return label;
}

/*
 * Two to four groups of letters and a number below 100: us-east-1, us-gov-west-1, eusc-de-east-1.
 * The first names a part of the world in two letters, or in four that end in "sc" (sovereign
 * cloud). So neither "ec2" and "elb" nor "website-us-east-1" and "external-1" are regions.
 */
static bool is_region(struct str s)
{
    struct str group = STR("");
    size_t n_groups = 0;
    while (str_next(&s, '-', &group) && s.n > 0) {
        bool is_first = n_groups++ == 0;
        for (size_t i = 0; i < group.n; i++)
            if (!ascii_is_alpha(group.p[i]))
                return false;
        if (group.n < 2 ||
            (is_first && group.n != 2 && !(group.n == 4 && str_ends_nocase(group, STR("sc")))))
            return false;
    }
    return n_groups >= 2 && n_groups <= 4 && group.n <= 2 && all_digits(group) && group.p[0] != '0';
}

/* use1-az4, usw2-lax1-az1: groups of letters and digits, the last "az" and a number. */
static bool is_zone_id(struct str s)
{
    struct str group = STR("");
    size_t n_groups = 0;
    while (str_next(&s, '-', &group)) {
        if (!is_ldh_label(group))
            return false;
        n_groups++;
    }
    return n_groups >= 2 && is(str_first(group, 2), "az") && all_digits(str_from(group, 2));
}

/* Cuts a prefix off, any letter case. */
static bool cut(struct str *s, const char *prefix)
{
    struct str p = str_from_c(prefix);
    if (!str_eq_nocase(str_first(*s, p.n), p))
        return false;
    *s = str_from(*s, p.n);
    return true;
}

/* What is left in front is a bucket, or nothing. */
static bool with_bucket(struct s3_host *out, enum s3_form form, struct str bucket)
{
    if (bucket.n > 0 && (bucket.n < BUCKET_MIN_BYTES || bucket.n > BUCKET_MAX_BYTES))
        return false;
    out->form = form;
    out->bucket = bucket;
    out->bucket_has_dot = str_find(bucket, '.', 0) < bucket.n;
    return true;
}

/* The same, for forms whose buckets never have dots. */
static bool with_plain_bucket(struct s3_host *out, enum s3_form form, struct str bucket)
{
    return with_bucket(out, form, bucket) && !out->bucket_has_dot;
}

/* What is left in front is one label, NAME-ACCOUNT. */
static bool with_access_point(struct s3_host *out, enum s3_form form, struct str front)
{
    enum { MIN_BYTES = ACCESS_POINT_MIN_BYTES + 1 + ACCOUNT_DIGITS };
    if (front.n < MIN_BYTES || str_find(front, '.', 0) < front.n ||
        !all_digits(str_from(front, front.n - ACCOUNT_DIGITS)) ||
        front.p[front.n - ACCOUNT_DIGITS - 1] != '-' ||
        front.p[front.n - ACCOUNT_DIGITS - 2] == '-')
        return false;
    out->form = form;
    out->bucket = front;
    return true;
}

static bool with_alias(struct s3_host *out, struct str front)
{
    if (!is(pop_label(&front), "accesspoint") || !is(pop_label(&front), "mrap") ||
        !is_ldh_label(front))
        return false;
    out->form = S3_MULTI_REGION;
    out->bucket = front;
    return true;
}

/* [BUCKET.]bucket or [NAME-ACCOUNT.]accesspoint, then vpce-ID[-ZONE].s3.REGION */
static bool parse_vpc_endpoint(struct s3_host *out, struct str front)
{
    out->region = pop_label(&front);
    if (!is_region(out->region) || !is(pop_label(&front), "s3"))
        return false;
    struct str id = pop_label(&front);
    if (!cut(&id, "vpce-") || id.n == 0)
        return false;
    struct str kind = pop_label(&front);
    if (is(kind, "bucket") || (is(kind, "accesspoint") && front.n == 0))
        return with_bucket(out, S3_VPC_ENDPOINT, front);
    return is(kind, "accesspoint") && with_access_point(out, S3_VPC_ENDPOINT, front);
}

/* What stands before REGION. */
static bool parse_regional(struct s3_host *out, struct str front)
{
    struct str service = pop_label(&front);
    bool is_dual = is(service, "dualstack");
    if (is_dual)
        service = pop_label(&front);
    if (is(service, "s3") || is(service, "s3-fips"))
        return with_bucket(out, S3_REGIONAL, front);
    if (is(service, "s3-accesspoint") || is(service, "s3-accesspoint-fips"))
        return with_access_point(out, S3_ACCESS_POINT, front);
    if (!is_dual && (is(service, "s3-object-lambda") || is(service, "s3-object-lambda-fips")))
        return with_access_point(out, S3_OBJECT_LAMBDA, front);
    if (cut(&service, "s3express-")) {
        cut(&service, "fips-");
        return is_zone_id(service) && with_plain_bucket(out, S3_EXPRESS, front);
    }
    return false;
}

/* What stands before the partition's suffix. */
static bool parse_front(struct s3_host *out, struct str front)
{
    struct str last = pop_label(&front);
    if (is(last, "s3") || is(last, "s3-external-1"))
        return with_bucket(out, S3_GLOBAL, front);
    if (is(last, "s3-accelerate") ||
        (is(last, "dualstack") && is(pop_label(&front), "s3-accelerate")))
        return front.n > 0 && with_plain_bucket(out, S3_ACCELERATE, front);
    if (is(last, "s3-global"))
        return with_alias(out, front);
    if (is(last, "vpce"))
        return parse_vpc_endpoint(out, front);
    if (is_region(last)) {
        out->region = last;
        return parse_regional(out, front);
    }
    /* The old forms with a hyphen: s3-us-west-2, and s3-fips-us-gov-west-1. */
    if (!cut(&last, "s3-"))
        return false;
    cut(&last, "fips-");
    out->region = last;
    return is_region(last) && with_bucket(out, S3_REGIONAL, front);
}

bool s3_host_parse(struct str host, struct s3_host *out)
{
    if (!host_name_is_valid(host))
        return false;
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (!str_ends_nocase(host, suffixes[i]) || host.n == suffixes[i].n)
            continue;
        struct str front = str_first(host, host.n - suffixes[i].n - 1);
        struct s3_host found = { .bucket = STR(""),
                                 .region = STR(""),
                                 .suffix = str_from(host, front.n + 1) };
        if (host.p[front.n] != '.' || !parse_front(&found, front))
            continue;
        *out = found;
        return true;
    }
    return false;
}

bool s3_target_split(struct str target, struct s3_target *out)
{
    if (target.n < 2 || target.p[0] != '/')
        return false;
    size_t end = 1;
    while (end < target.n && target.p[end] != '/' && target.p[end] != '?')
        end++;
    if (end == 1)
        return false;
    struct str rest = str_from(target, end);
    size_t question = str_find(rest, '?', 0);
    *out = (struct s3_target){
        .host = str_of(target.p + 1, end - 1),
        .rest = rest,
        .path = str_first(rest, question),
        .query = str_from(rest, question + 1),
    };
    return true;
}

static bool is_bucket_character(char c)
{
    return is_alnum(c) || c == '.' || c == '-' || c == '_';
}

enum s3_bucket s3_bucket_of(const struct s3_host *host, struct str path, struct str *bucket)
{
    if (host->bucket.n > 0) {
        *bucket = host->bucket;
        return S3_BUCKET_OK;
    }
    struct str segments = str_from(path, 1);
    if (segments.n == 0)
        return S3_BUCKET_NONE;
    struct str segment = str_first(segments, str_find(segments, '/', 0));
    /* A server that cleans paths up would take another segment for the bucket. */
    if (segment.n == 0 || is(segment, ".") || is(segment, ".."))
        return S3_BUCKET_ODD;
    for (size_t i = 0; i < segment.n; i++)
        if (!is_bucket_character(segment.p[i]))
            return S3_BUCKET_ODD;
    *bucket = segment;
    return S3_BUCKET_OK;
}
