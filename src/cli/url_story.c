#include "cli/url_story.h"

#include "proxy/reply.h"
#include "proxy/rewrite.h"

enum { HEAD_BYTES = 128 * 1024, REPLY_BYTES = 64 * 1024 };

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((uint8_t)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

void url_story_init(struct url_story *s, const struct conf *conf, struct str method,
                    struct str target)
{
    size_t scanned = 0, used;
    s->conf = conf;
    s->fault = (struct fault){ .kind = FAULT_NONE };
    s->route = (struct route){ .kind = ROUTE_REFUSED };
    s->has_head = false;
    buf_init(&s->text, HEAD_BYTES);
    buf_append(&s->text, method);
    buf_byte(&s->text, ' ');
    buf_append(&s->text, target);
    buf_append(&s->text, STR(" HTTP/1.1\r\nHost: penstock\r\n\r\n"));
    if (has_control(method) || has_control(target))
        fault_set(&s->fault, FAULT_BAD_REQUEST, "route", "a space or control character");
    else if (http1_parse_request(buf_str(&s->text), &scanned, &s->head, &used, &s->fault) ==
             HTTP_DONE)
        s->has_head = true;
    if (s->has_head)
        route_public(conf, &s->head, &s->route, &s->fault);
}

void url_story_done(struct url_story *s)
{
    buf_done(&s->text);
}

bool url_story_goes_on(const struct url_story *s)
{
    return s->route.kind == ROUTE_S3 || route_is_registry(s->route.kind);
}

static const char *route_text(enum route_kind kind)
{
    static const char *const texts[] = {
        [ROUTE_REFUSED] = "none",
        [ROUTE_ROOT] = "/: the load balancer's health check, answered here",
        [ROUTE_ROBOTS] = "/robots.txt, answered here",
        [ROUTE_PREFLIGHT] = "a CORS preflight of the S3 route, answered here",
        [ROUTE_S3] = "/HOST/KEY: S3",
        [ROUTE_ZIP] = "/zip/: the registry; a list of files becomes an archive",
        [ROUTE_BROWSE] = "/browse/: the registry; its redirects to S3 are followed",
    };
    return texts[kind];
}

static const char *form_text(enum s3_form form)
{
    static const char *const texts[] = {
        [S3_NONE] = NULL,
        [S3_REGIONAL] = "regional endpoint",
        [S3_GLOBAL] = "global endpoint (legacy)",
        [S3_ACCELERATE] = "transfer acceleration",
        [S3_ACCESS_POINT] = "access point",
        [S3_MULTI_REGION] = "multi-region access point",
        [S3_EXPRESS] = "S3 Express One Zone",
        [S3_OBJECT_LAMBDA] = "object Lambda access point",
        [S3_VPC_ENDPOINT] = "interface endpoint",
    };
    return texts[form];
}

static void write_host(const struct url_story *s, struct json *j)
{
    struct s3_host s3 = { .form = S3_NONE };
    struct str host = s->route.host;
    bool is_s3 = s3_host_parse(host, &s3);
    const struct conf_host_rule *rule =
        host_name_is_valid(host) ? route_host_rule(s->conf, host) : NULL;
    json_open(j, "host", '{');
    json_put_str(j, "name", host);
    json_put_text(j, "s3_form", is_s3 ? form_text(s3.form) : NULL);
    if (is_s3 && s3.region.n > 0)
        json_put_str(j, "region", s3.region);
    json_put_bool(j, "bucket_has_dot", is_s3 && s3.bucket_has_dot);
    if (rule != NULL) {
        json_open(j, "rule", '{');
        json_put_text(j, "setting", conf_key(CONF_ALLOW_HOSTS));
        json_put_u64(j, "row", (uint64_t)(rule - s->conf->allow_hosts.v) + 1);
        json_put_str(j, "pattern", rule->pattern);
        json_close(j, '{');
    }
    json_close(j, '{');
}

static bool bucket_is_of_host(const struct route *r)
{
    return r->bucket.n > 0 && r->bucket.p >= r->host.p && r->bucket.p < r->host.p + r->host.n;
}

static void write_bucket(const struct url_story *s, struct json *j)
{
    const struct route *r = &s->route;
    bool is_of_host = bucket_is_of_host(r);
    json_open(j, "bucket", '{');
    json_put_str(j, "name", r->bucket);
    json_put_text(j, "from", r->bucket.n == 0 ? NULL : is_of_host ? "host" : "path");
    json_put_u64(j, "rows", s->conf->allow_buckets.n);
    const struct str *glob = route_bucket_glob(s->conf, r->bucket, is_of_host);
    if (glob != NULL && s->route.kind != ROUTE_REFUSED) {
        json_open(j, "rule", '{');
        json_put_text(j, "setting", conf_key(CONF_ALLOW_BUCKETS));
        json_put_u64(j, "row", (uint64_t)(glob - s->conf->allow_buckets.v) + 1);
        json_put_str(j, "pattern", *glob);
        json_close(j, '{');
    }
    json_close(j, '{');
    struct str key = str_from(r->path, 1);
    if (r->bucket.n > 0 && !is_of_host)
        key = str_from(key, str_find(key, '/', 0) + 1);
    json_put_str(j, "key", key);
}

/* What the client reads. */
static void write_refusal(const struct url_story *s, struct json *j)
{
    const struct fault_row *row = fault_row(s->fault.kind);
    struct buf out;
    uint64_t body_bytes = 0;
    const struct reply reply = { .request = s->has_head ? &s->head : NULL,
                                 .route = &s->route,
                                 .fault = &s->fault,
                                 .id = STR("0000000000000000"),
                                 .shows_detail = s->conf->error_detail };
    buf_init(&out, REPLY_BYTES);
    uint16_t status = reply_write(&out, &reply, &body_bytes);
    json_open(j, "refusal", '{');
    json_put_u64(j, "status", status);
    json_put_text(j, "end", row->name);
    json_put_text(j, "code", row->s3_code);
    json_put_text(j, "message", row->sentence);
    json_put_text(j, "detail", s->fault.detail);
    json_put_str(j, "body", str_from(buf_str(&out), out.n - body_bytes));
    json_close(j, '{');
    buf_done(&out);
}

static void write_upstream(const struct url_story *s, struct json *j)
{
    const struct route *r = &s->route;
    struct addr literal;
    struct buf line;
    bool is_tls = r->origin.scheme == CONF_HTTPS;
    buf_init(&line, HEAD_BYTES);
    rewrite_request_line(&line, s->head.method_text, r);
    /* "GET TARGET HTTP/1.1": the target alone has secrets, and no space. */
    struct str target = str_from(buf_str(&line), s->head.method_text.n + 1);
    json_open(j, "upstream", '{');
    json_put_text(j, "scheme", is_tls ? "https" : "http");
    json_put_str(j, "host", r->origin.host);
    json_put_u64(j, "port", r->origin.port);
    json_put_target(j, "target", str_first(target, str_find(target, ' ', 0)));
    json_put_str(j, "host_field", r->host);
    if (is_tls && !addr_parse_ip(r->origin.host, &literal))
        json_put_str(j, "tls_name", r->origin.host);
    else
        json_put_null(j, "tls_name");
    json_close(j, '{');
    buf_done(&line);
}

void url_story_write(const struct url_story *s, struct json *j)
{
    const struct route *r = &s->route;
    struct str text = buf_str(&s->text);
    size_t method_n = str_find(text, ' ', 0);
    bool is_s3 = !route_is_registry(r->kind) && r->host.n > 0;
    json_put_str(j, "method", str_first(text, method_n));
    /* Behind the target stand " HTTP/1.1" and the Host field. */
    struct str target = str_from(text, method_n + 1);
    json_put_target(j, "target",
                    str_first(target, target.n - STR(" HTTP/1.1\r\nHost: penstock\r\n\r\n").n));
    json_put_text(j, "verdict",
                  url_story_goes_on(s)       ? "passed on"
                  : r->kind == ROUTE_REFUSED ? "refused"
                                             : "answered here");
    json_put_text(j, "route", route_text(r->kind));
    if (is_s3)
        write_host(s, j);
    if (is_s3 && (r->kind == ROUTE_S3 || s->fault.kind == FAULT_BUCKET_DENIED))
        write_bucket(s, j);
    if (r->kind == ROUTE_REFUSED)
        write_refusal(s, j);
    if (url_story_goes_on(s))
        write_upstream(s, j);
}
