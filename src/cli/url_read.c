#include "cli/url_read.h"

#include "codec/s3_host.h"
#include "codec/uri_query.h"
#include "doctor/partition.h"
#include "proxy/route.h"

/* "https" and what is behind "://". */
static bool split_scheme(struct str text, struct str *scheme, struct str *rest)
{
    size_t colon = str_find(text, ':', 0);
    *scheme = str_first(text, colon);
    *rest = str_from(text, colon + 3);
    return colon > 0 && str_starts(str_from(text, colon), STR("://"));
}

/* How far the authority goes. */
static size_t authority_end(struct str text)
{
    size_t n = 0;
    while (n < text.n && text.p[n] != '/' && text.p[n] != '?')
        n++;
    return n;
}

static bool is_s3(const struct conf *conf, struct str host)
{
    struct s3_host parts;
    return s3_host_parse(host, &parts) ||
           (host_name_is_valid(host) && route_host_rule(conf, host) != NULL);
}

/* Percent-encoded as SDKs do: all but unreserved characters and "/". */
static void put_key(struct buf *out, struct str key)
{
    while (key.n > 0) {
        size_t slash = str_find(key, '/', 0);
        uri_query_escape(out, str_first(key, slash));
        if (slash < key.n)
            buf_byte(out, '/');
        key = str_from(key, slash + 1);
    }
}

/* A bucket that cannot be a label of a certificate's wildcard stands in the path. */
static bool is_label(struct str bucket)
{
    for (size_t i = 0; i < bucket.n; i++) {
        char c = bucket.p[i];
        if (!ascii_is_digit(c) && c != '-' && (c < 'a' || c > 'z'))
            return false;
    }
    return bucket.n >= 3 && bucket.n <= 63;
}

static bool read_s3(struct str rest, struct str region, struct url_read *out, const char **problem)
{
    size_t slash = str_find(rest, '/', 0);
    struct str bucket = str_first(rest, slash), key = str_from(rest, slash + 1);
    const struct partition *p = partition_of_region(region);
    *problem = "s3:// needs the bucket's region: --region, or AWS_REGION";
    if (region.n == 0)
        return false;
    *problem = "no region of AWS";
    if (p == NULL)
        return false;
    *problem = "there is no bucket in it";
    if (bucket.n == 0)
        return false;
    bool is_virtual = is_label(bucket);
    buf_printf(&out->target, "/%.*s%ss3.%.*s.%s/", is_virtual ? (int)bucket.n : 0, bucket.p,
               is_virtual ? "." : "", STR_ARG(region), p->zones[0].name);
    if (!is_virtual) {
        buf_append(&out->target, bucket);
        buf_byte(&out->target, '/');
    }
    put_key(&out->target, key);
    out->as = "s3://: as SDKs ask for it, through the proxy";
    return true;
}

static bool read_http(const struct conf *conf, struct str rest, struct url_read *out,
                      const char **problem)
{
    size_t end = authority_end(rest);
    struct str authority = str_first(rest, end), behind = str_from(rest, end);
    struct str host = str_first(authority, str_find(authority, ':', 0));
    *problem = "a URL with a user name or password; leave it out";
    if (str_find(authority, '@', 0) < authority.n)
        return false;
    *problem = "there is no host in it";
    if (authority.n == 0)
        return false;
    out->as = "a URL of the proxy";
    if (is_s3(conf, host)) {
        out->as = "a URL of S3: asked for through the proxy";
        buf_byte(&out->target, '/');
        buf_append(&out->target, host);
    } else if (behind.n == 0 || behind.p[0] != '/') {
        buf_byte(&out->target, '/');
    }
    buf_append(&out->target, behind);
    return true;
}

bool url_read(const struct conf *conf, struct str text, struct str region, struct url_read *out,
              const char **problem)
{
    struct str scheme, rest;
    *out = (struct url_read){ .as = "a target of the proxy" };
    buf_init(&out->target, URL_READ_BYTES);
    *problem = "too long";
    if (text.n > URL_READ_BYTES / 4)
        return false;
    if (str_starts(text, STR("/"))) {
        buf_append(&out->target, text);
        return true;
    }
    *problem = "neither http://, https:// or s3://, nor a target, which begins with \"/\"";
    if (!split_scheme(text, &scheme, &rest))
        return false;
    if (str_eq_nocase(scheme, STR("s3")))
        return read_s3(rest, region, out, problem);
    if (!str_eq_nocase(scheme, STR("http")) && !str_eq_nocase(scheme, STR("https")))
        return false;
    struct str whole = str_first(rest, str_find(rest, '#', 0));
    out->has_lost_fragment = whole.n < rest.n;
    return read_http(conf, whole, out, problem);
}
