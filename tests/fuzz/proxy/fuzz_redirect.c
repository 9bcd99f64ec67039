/*
 * A Location of the registry. What is followed lies behind its own authority, byte for byte, leads
 * to a host that the S3 route would serve as well, and can stand in a request line; what is not
 * followed tells nothing of its query, its user name or its fragment.
 */
#include "../exact.h"
#include "proxy/redirect.h"
#include "proxy/route.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct conf *conf;
static struct http_head request;

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.test",
                hosts[] = "PENSTOCK_ALLOW_HOSTS=minio.test:9000=http,ceph.test:8443",
                buckets[] = "PENSTOCK_ALLOW_BUCKETS=data*";
    char *env[] = { registry, hosts, buckets, NULL };
    struct fault f = { .kind = FAULT_NONE };
    struct buf errors;
    size_t scanned = 0, used = 0;
    buf_init(&errors, 4096);
    conf = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    buf_done(&errors);
    must(conf != NULL);
    must(http1_parse_request(STR("GET /browse/x HTTP/1.1\r\nHost: p\r\n\r\n"), &scanned, &request,
                             &used, &f) == HTTP_DONE);
    return 0;
}

static bool lies_in(struct str part, struct str whole)
{
    return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

static void check_split(struct str location)
{
    struct redirect r;
    if (redirect_split(location, &r) != REDIRECT_OK)
        return;
    must(lies_in(r.host, location) && lies_in(r.authority, location) && lies_in(r.rest, location));
    must(r.port > 0 && str_starts(r.authority, r.host));
    must(str_find(r.rest, '#', 0) == r.rest.n && str_find(r.authority, '@', 0) == r.authority.n);
    for (size_t i = 0; i < r.rest.n; i++)
        must((unsigned char)r.rest.p[i] > ' ' && r.rest.p[i] != 0x7f);
    /* "https://", the host, perhaps a port, the rest, perhaps a fragment: nothing else. */
    size_t end = str_find(location, '#', 0);
    must((size_t)(r.host.p - location.p) == (r.is_https ? 8u : 7u));
    must(r.rest.n == 0 || r.rest.p + r.rest.n == location.p + end);
}

/* "/HOST" and the rest as a target of the S3 route: the gates agree. */
static void check_gate(const struct route *to)
{
    struct buf target;
    struct route other;
    struct fault f = { .kind = FAULT_NONE };
    buf_init(&target, 64 * 1024);
    buf_byte(&target, '/');
    buf_append(&target, str_first(to->host, str_find(to->host, ':', 0)));
    buf_append(&target, to->rest);
    must(!target.failed && route_location(conf, buf_str(&target), &other, &f));
    must(str_eq(other.rest, to->rest) && str_eq(other.bucket, to->bucket));
    must(other.origin.port == to->origin.port && other.origin.scheme == to->origin.scheme);
    must(to->origin.policy == DNS_POLICY_S3 && str_eq(to->origin.host, other.origin.host));
    buf_done(&target);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct route to;
    struct fault f = { .kind = FAULT_NONE };
    char *copy = exact_copy(data, n);
    struct str location = str_of(copy, n);
    check_split(location);
    if (route_redirect(conf, &request, location, &to, &f)) {
        must(to.kind == ROUTE_FOLLOW && f.kind == FAULT_NONE);
        check_gate(&to);
    } else {
        must(to.kind == ROUTE_REFUSED && to.has_cors);
        must(f.kind == FAULT_REDIRECT || f.kind == FAULT_BUCKET_DENIED);
        must(strchr(f.detail, '?') == NULL && strchr(f.detail, '@') == NULL);
    }
    free(copy);
    return 0;
}
