#include "proxy/route.h"

#include "codec/escape.h"
#include "proxy/redirect.h"

static bool refuse(struct route *out, struct fault *f, enum fault_kind kind, struct str shown)
{
    char text[256];
    struct buf b;
    buf_init(&b, sizeof text);
    escape_plain(&b, shown, sizeof text / 4);
    out->kind = ROUTE_REFUSED;
    fault_set(f, kind, "route", "%.*s", STR_ARG(buf_str(&b)));
    buf_done(&b);
    return false;
}

/* A target that no route takes, as far as the log may show it: queries hold secrets. */
static bool refuse_target(struct route *out, struct fault *f, struct str target)
{
    return refuse(out, f, FAULT_NOT_FOUND, str_first(target, str_find(target, '?', 0)));
}

const struct conf_host_rule *route_host_rule(const struct conf *conf, struct str host)
{
    for (size_t i = 0; i < conf->allow_hosts.n; i++)
        if (str_glob_nocase(conf->allow_hosts.v[i].pattern, host))
            return &conf->allow_hosts.v[i];
    return NULL;
}

/* What '*' stands for in "*.minio.internal": the bucket of a virtual-host name that is not
 * Amazon's. */
static struct str rule_bucket(const struct conf_host_rule *rule, struct str host)
{
    if (!str_starts(rule->pattern, STR("*.")) || rule->pattern.n - 1 > host.n)
        return STR("");
    return str_first(host, host.n - (rule->pattern.n - 1));
}

/* A host's letters have no case; in a path they do, and old buckets differ in it. */
const struct str *route_bucket_glob(const struct conf *conf, struct str bucket, bool is_of_host)
{
    for (size_t i = 0; i < conf->allow_buckets.n; i++) {
        const struct str *glob = &conf->allow_buckets.v[i];
        if (is_of_host ? str_glob_nocase(*glob, bucket) : str_glob(*glob, bucket))
            return glob;
    }
    return NULL;
}

/*
 * x-amz-copy-source names a second object, "/bucket/key" or "bucket/key", percent-encoded: with an
 * allow-list it may not be a way around it. Access point ARNs name no bucket and are refused.
 */
static bool copy_source_is_allowed(const struct conf *conf, struct str path, struct str *bucket)
{
    while (path.n > 0 && path.p[0] == '/')
        path = str_from(path, 1);
    *bucket = str_first(path, str_find(path, '/', 0));
    for (size_t i = 0; i < bucket->n; i++)
        if (bucket->p[i] == '%' || bucket->p[i] == ':')
            return false;
    return route_bucket_glob(conf, *bucket, false) != NULL;
}

/* All of them: who knows which one the origin takes where the field is repeated? */
static bool copy_sources_are_allowed(const struct conf *conf, const struct http_head *head,
                                     struct str *bucket)
{
    for (unsigned i = 0; i < head->n_fields; i++)
        if (str_eq_nocase(head->fields[i].name, STR("x-amz-copy-source")) &&
            !copy_source_is_allowed(conf, head->fields[i].value, bucket))
            return false;
    return true;
}

/* head NULL: of a plain GET. */
static bool check_buckets(const struct conf *conf, const struct http_head *head,
                          const struct s3_host *s3, struct route *out, struct fault *f)
{
    struct str bucket = out->bucket;
    enum s3_bucket kind = S3_BUCKET_OK;
    bool is_of_host = bucket.n > 0;
    if (!is_of_host)
        kind = s3_bucket_of(s3, out->path, &bucket);
    if (kind != S3_BUCKET_NONE)
        out->bucket = bucket;
    if (conf->allow_buckets.n == 0)
        return true;
    if (kind != S3_BUCKET_OK || route_bucket_glob(conf, bucket, is_of_host) == NULL)
        return refuse(out, f, FAULT_BUCKET_DENIED, bucket);
    if (head != NULL && !copy_sources_are_allowed(conf, head, &bucket))
        return refuse(out, f, FAULT_BUCKET_DENIED, bucket);
    return true;
}

/* The S3 route's gate: true when host may be spoken to; *out has the origin. */
static bool find_origin(const struct conf *conf, struct str host, struct route *out,
                        struct s3_host *s3)
{
    out->host = host;
    if (!host_name_is_valid(host))
        return false;
    bool is_s3 = s3_host_parse(host, s3);
    const struct conf_host_rule *rule = route_host_rule(conf, host);
    if (!is_s3)
        *s3 = (struct s3_host){ .form = S3_NONE };
    if (rule == NULL && !is_s3)
        return false;
    out->origin = (struct origin){
        .host = host,
        .port = rule != NULL ? rule->port : 443,
        .scheme = rule != NULL ? rule->scheme : CONF_HTTPS,
        .policy = DNS_POLICY_S3,
    };
    if (is_s3)
        out->bucket = s3->bucket;
    else
        out->bucket = rule_bucket(rule, host);
    return true;
}

bool route_location(const struct conf *conf, struct str location, struct route *out,
                    struct fault *f)
{
    struct s3_target parts = { .rest = { 0 } };
    struct s3_host s3;
    *out = (struct route){ .kind = ROUTE_S3 };
    if (!s3_target_split(location, &parts) || !find_origin(conf, parts.host, out, &s3))
        return refuse(out, f, FAULT_UNEXPECTED_HOST, parts.host);
    out->rest = parts.rest;
    out->path = parts.path;
    return check_buckets(conf, NULL, &s3, out, f);
}

/* What is shown of a Location: where it has a host, no more than that. */
static bool refuse_redirect(struct route *out, struct fault *f, const char *why, struct str shown)
{
    char text[FAULT_DETAIL_BYTES];
    struct buf b;
    buf_init(&b, sizeof text);
    buf_append(&b, str_from_c(why));
    escape_plain(&b, shown, 80);
    out->kind = ROUTE_REFUSED;
    fault_set(f, FAULT_REDIRECT, "redirect", "%.*s", STR_ARG(buf_str(&b)));
    buf_done(&b);
    return false;
}

static bool refuse_flaw(struct route *out, struct fault *f, enum redirect_flaw flaw,
                        struct str location)
{
    static const char *const why[] = {
        [REDIRECT_EMPTY] = "its Location is empty",
        [REDIRECT_TOO_LONG] = "its Location is too long",
        [REDIRECT_CONTROL] = "its Location holds a space or control character",
        [REDIRECT_RELATIVE] = "its Location is relative ",
        [REDIRECT_SCHEME] = "its Location is neither https nor http",
        [REDIRECT_USERINFO] = "its Location holds a user name or password",
        [REDIRECT_PORT] = "its Location has a malformed port",
    };
    size_t n = 0;
    /* In "//user:password@host" what stands in front is no path. */
    if (flaw == REDIRECT_RELATIVE && str_find(location, '@', 0) == location.n)
        while (n < location.n && !strchr("?#;=", location.p[n]))
            n++;
    return refuse_redirect(out, f, why[flaw], str_first(location, n));
}

bool route_redirect(const struct conf *conf, const struct http_head *request, struct str location,
                    struct route *out, struct fault *f)
{
    struct redirect to;
    struct s3_host s3;
    *out = (struct route){ .kind = ROUTE_FOLLOW, .has_cors = true };
    enum redirect_flaw flaw = redirect_split(location, &to);
    if (flaw != REDIRECT_OK)
        return refuse_flaw(out, f, flaw, location);
    if (!find_origin(conf, to.host, out, &s3))
        return refuse_redirect(out, f,
                               "its Location leads to a host that is not allowed: ", to.host);
    if (!to.is_https && out->origin.scheme != CONF_HTTP)
        return refuse_redirect(out, f, "its Location is not https: ", to.host);
    if (to.port != (to.is_https ? 443 : 80) && to.port != out->origin.port)
        return refuse_redirect(out, f,
                               "its Location has a port that is not allowed: ", to.authority);
    out->host = to.authority;
    out->rest = to.rest;
    out->path = to.path;
    return check_buckets(conf, request, &s3, out, f);
}

static void route_s3(const struct conf *conf, const struct http_head *head, struct str target,
                     struct route *out, struct fault *f)
{
    struct s3_target parts;
    struct s3_host s3;
    if (!s3_target_split(target, &parts)) {
        refuse_target(out, f, target);
        return;
    }
    out->rest = parts.rest;
    out->path = parts.path;
    if (!find_origin(conf, parts.host, out, &s3)) {
        /* "/favicon.ico" names no host: only what has something behind the segment does. */
        bool names_host = parts.path.n > 0;
        refuse(out, f, names_host ? FAULT_UNEXPECTED_HOST : FAULT_NOT_FOUND, parts.host);
        return;
    }
    out->kind = ROUTE_S3;
    if (head->method == HTTP_OPTIONS)
        out->kind = ROUTE_PREFLIGHT;
    else
        check_buckets(conf, head, &s3, out, f);
}

static void route_registry(const struct conf *conf, enum route_kind kind, struct str target,
                           struct route *out)
{
    const struct conf_registry *r = &conf->registry;
    out->kind = kind;
    out->origin = (struct origin){
        .host = r->host,
        .port = r->port,
        .scheme = r->scheme,
        .policy = DNS_POLICY_REGISTRY,
    };
    out->host = r->authority;
    out->prefix = r->path;
    out->rest = target;
    out->path = str_first(target, str_find(target, '?', 0));
}

static bool path_is(struct str target, struct str path)
{
    return str_eq(str_first(target, str_find(target, '?', 0)), path);
}

/* RFC 9110 section 10.1.1: 100-continue is all that can be expected; HTTP/1.0 expects nothing. */
static bool is_expectation_known(const struct http_head *head)
{
    for (unsigned i = 0; i < head->n_fields && head->minor > 0; i++) {
        if (head->fields[i].id != HTTP_F_EXPECT)
            continue;
        struct str list = head->fields[i].value, one;
        while (str_next(&list, ',', &one))
            if (str_trim(one).n > 0 && !str_eq_nocase(str_trim(one), STR("100-continue")))
                return false;
    }
    return true;
}

/* Both ports: methods that no route takes, and the target without scheme and authority. */
static bool begin(const struct http_head *head, struct route *out, struct str *target,
                  struct fault *f)
{
    struct str authority;
    *out = (struct route){ .kind = ROUTE_REFUSED, .has_cors = true };
    if (head->method == HTTP_CONNECT)
        return refuse(out, f, FAULT_BAD_REQUEST, STR("CONNECT is not for this proxy"));
    if (head->method == HTTP_TRACE)
        return refuse(out, f, FAULT_METHOD, STR("TRACE"));
    if (!is_expectation_known(head))
        return refuse(out, f, FAULT_EXPECTATION, http_value(head, HTTP_F_EXPECT));
    /* An authority may hold a password, so this is not shown. */
    if (!http1_origin_form(head->target, &authority, target))
        return refuse(out, f, FAULT_NOT_FOUND, STR(""));
    return true;
}

void route_public(const struct conf *conf, const struct http_head *head, struct route *out,
                  struct fault *f)
{
    struct str target;
    if (!begin(head, out, &target, f))
        return;
    if (path_is(target, STR("/"))) {
        out->kind = ROUTE_ROOT;
        out->has_cors = false;
    } else if (path_is(target, STR("/robots.txt"))) {
        out->kind = ROUTE_ROBOTS;
        out->has_cors = false;
    } else if (str_starts(target, STR("/zip/"))) {
        route_registry(conf, ROUTE_ZIP, target, out);
    } else if (str_starts(target, STR("/browse/"))) {
        route_registry(conf, ROUTE_BROWSE, target, out);
    } else {
        route_s3(conf, head, target, out, f);
    }
}

static void take_get(const struct http_head *head, enum route_kind kind, struct route *out,
                     struct fault *f)
{
    out->is_get_only = true;
    if (head->method == HTTP_GET || head->method == HTTP_HEAD)
        out->kind = kind;
    else
        refuse(out, f, FAULT_METHOD, str_first(head->method_text, 32));
}

static void route_page(const struct http_head *head, struct str target, struct route *out,
                       struct fault *f)
{
    size_t end = str_find(target, '?', 0);
    out->path = str_first(target, end);
    out->query = str_from(target, end + 1);
    take_get(head, ROUTE_PAGE, out, f);
}

/* Without its port and the brackets of IPv6. */
static struct str host_name(struct str host)
{
    if (host.n > 0 && host.p[0] == '[') {
        size_t end = str_find(host, ']', 1);
        return str_of(host.p + 1, end - 1);
    }
    return str_first(host, str_find(host, ':', 0));
}

/* No name that DNS answers, so no other site's. */
static bool is_own_name(struct str host)
{
    struct addr a;
    struct str name = host_name(host);
    return name.n == 0 || str_eq_nocase(name, STR("localhost")) ||
           str_ends_nocase(name, STR(".localhost")) || addr_parse_ip(name, &a);
}

static struct str field(const struct http_head *head, struct str name)
{
    const struct http_field *found = http_find_name(head, name);
    return found != NULL ? found->value : STR("");
}

/* Browsers say whose page asks. Who follows a link, on whatever page, may have what it leads to. */
static bool is_of_other_site(const struct http_head *head)
{
    struct str site = field(head, STR("Sec-Fetch-Site")), origin = http_value(head, HTTP_F_ORIGIN);
    struct str host = http_value(head, HTTP_F_HOST), authority, rest;
    bool follows_link = str_eq(field(head, STR("Sec-Fetch-Mode")), STR("navigate")) &&
                        str_eq(field(head, STR("Sec-Fetch-Dest")), STR("document"));
    if ((str_eq(site, STR("cross-site")) || str_eq(site, STR("same-site"))) && !follows_link)
        return true;
    return origin.n > 0 &&
           (!http1_origin_form(origin, &authority, &rest) || !str_eq_nocase(authority, host));
}

/* True: *f says why. */
static bool is_refused_page(const struct http_head *head, bool is_loopback, struct route *out,
                            struct fault *f)
{
    struct str host = http_value(head, HTTP_F_HOST), origin = http_value(head, HTTP_F_ORIGIN);
    if (is_loopback && !is_own_name(host))
        return !refuse(out, f, FAULT_OTHER_SITE, str_first(host, 64));
    if (is_of_other_site(head))
        return !refuse(out, f, FAULT_OTHER_SITE, str_first(origin, 64));
    return false;
}

void route_admin(const struct http_head *head, const struct page_maker *pages, bool is_loopback,
                 struct route *out, struct fault *f)
{
    struct str target;
    if (!begin(head, out, &target, f))
        return;
    out->has_cors = false;
    if (path_is(target, STR("/livez")))
        take_get(head, ROUTE_LIVEZ, out, f);
    else if (is_refused_page(head, is_loopback, out, f))
        return;
    else if (pages != NULL && pages->has(pages->arg, str_first(target, str_find(target, '?', 0))))
        route_page(head, target, out, f);
    else
        refuse_target(out, f, target);
}
