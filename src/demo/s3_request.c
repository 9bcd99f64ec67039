#include "demo/s3_request.h"

#include "codec/s3_host.h"

#include <time.h>

static const struct demo_s3_error bad_uri = { 400, "InvalidURI", "the request URI is not valid" };
static const struct demo_s3_error no_bucket = { 404, "NoSuchBucket",
                                                "the demo has one bucket: " DEMO_BUCKET };
static const struct demo_s3_error no_method = { 405, "MethodNotAllowed",
                                                "the method is not allowed here" };
static const struct demo_s3_error long_key = { 400, "KeyTooLongError", "the key is too long" };
static const struct demo_s3_error no_such_api = {
    501, "NotImplemented", "the demo has GET, HEAD, PUT and DELETE of objects, and lists"
};

/* %XX decoded, and '+' as a space where it stands in a query. NULL for a broken escape or NUL. */
static struct str decode(struct str s, bool is_query, struct arena *arena)
{
    static const struct str none = { NULL, 0 };
    char *out = arena_alloc(arena, s.n + 1);
    size_t n = 0;
    if (out == NULL)
        return none;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '%') {
            int high = i + 2 < s.n ? ascii_hex(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? ascii_hex(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return none;
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && is_query) {
            c = ' ';
        }
        if (c == 0)
            return none;
        out[n++] = c;
    }
    return str_of(out, n);
}

/* The tokens of this demo: the last key in hexadecimal, so that they are opaque and fit a URL. */
static struct str key_of_token(struct str token, struct arena *arena)
{
    char *out = arena_alloc(arena, token.n / 2 + 1);
    size_t n = 0;
    for (; out != NULL && 2 * n + 1 < token.n; n++) {
        int high = ascii_hex(token.p[2 * n]), low = ascii_hex(token.p[2 * n + 1]);
        if (high < 0 || low < 0)
            break;
        out[n] = (char)(high << 4 | low);
    }
    return str_of(out, n);
}

/* The value, decoded; false when the parameter is not there. A value that is broken is empty. */
static bool param(struct str query, struct str name, struct arena *arena, struct str *value)
{
    struct str pair;
    while (str_next(&query, '&', &pair)) {
        size_t at = str_find(pair, '=', 0);
        if (!str_eq(str_first(pair, at), name))
            continue;
        *value = decode(str_from(pair, at + 1), true, arena);
        return true;
    }
    return false;
}

/* What stands behind '?'. */
static void list_params_read(struct str query, struct arena *arena, struct demo_s3_list_params *out)
{
    struct str value;
    *out = (struct demo_s3_list_params){ .max_keys = 1000 };
    out->is_v2 = param(query, STR("list-type"), arena, &value) && str_eq(value, STR("2"));
    param(query, STR("prefix"), arena, &out->prefix);
    param(query, STR("delimiter"), arena, &out->delimiter);
    out->encodes_urls =
        param(query, STR("encoding-type"), arena, &value) && str_eq(value, STR("url"));
    uint64_t max_keys;
    if (param(query, STR("max-keys"), arena, &value) && str_to_u64(value, &max_keys) &&
        max_keys < 1000)
        out->max_keys = max_keys;
    if (out->is_v2)
        param(query, STR("start-after"), arena, &out->given_after);
    else
        param(query, STR("marker"), arena, &out->given_after);
    out->after = out->given_after;
    if (out->is_v2 && param(query, STR("continuation-token"), arena, &out->token))
        out->after = key_of_token(out->token, arena);
}

/* Parts of S3's API that the demo does not play. */
static bool is_other_api(struct str query, struct arena *arena)
{
    static const struct str names[] = {
        STR_INIT("accelerate"), STR_INIT("acl"),        STR_INIT("attributes"),
        STR_INIT("cors"),       STR_INIT("delete"),     STR_INIT("lifecycle"),
        STR_INIT("partNumber"), STR_INIT("policy"),     STR_INIT("restore"),
        STR_INIT("select"),     STR_INIT("tagging"),    STR_INIT("uploadId"),
        STR_INIT("uploads"),    STR_INIT("versioning"), STR_INIT("versions"),
    };
    struct str value;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (param(query, names[i], arena, &value))
            return true;
    return false;
}

static void fail(struct demo_s3_request *r, struct demo_s3_error error)
{
    r->op = DEMO_S3_FAILED;
    r->error = error;
}

/* Host and path as bucket and the still encoded key; false: the list of buckets is meant. */
static bool split(const struct http_head *head, struct str path, struct str *bucket,
                  struct str *key)
{
    struct s3_host host;
    struct str name = http_value(head, HTTP_F_HOST);
    name = str_first(name, str_find(name, ':', 0));
    path = str_from(path, 1);
    if (s3_host_parse(name, &host) && host.bucket.n > 0) {
        *bucket = host.bucket;
        *key = path;
        return true;
    }
    size_t slash = str_find(path, '/', 0);
    *bucket = str_first(path, slash);
    *key = str_from(path, slash + 1);
    return bucket->n > 0;
}

static void choose_bucket_op(const struct http_head *head, struct str query, struct arena *arena,
                             struct demo_s3_request *r)
{
    struct str value;
    if (head->method == HTTP_HEAD) {
        r->op = DEMO_S3_HEAD_BUCKET;
    } else if (head->method != HTTP_GET) {
        fail(r, no_method);
    } else if (param(query, STR("location"), arena, &value)) {
        r->op = DEMO_S3_LOCATION;
    } else {
        r->op = DEMO_S3_LIST;
        list_params_read(query, arena, &r->list);
    }
}

static void choose_object_op(const struct http_head *head, struct demo_s3_request *r)
{
    if (r->key.n > DEMO_KEY_BYTES)
        fail(r, long_key);
    else if (head->method == HTTP_GET || head->method == HTTP_HEAD)
        r->op = DEMO_S3_GET;
    else if (head->method == HTTP_PUT && http_find_name(head, STR("x-amz-copy-source")) != NULL)
        fail(r, no_such_api);
    else if (head->method == HTTP_PUT)
        r->op = DEMO_S3_PUT;
    else if (head->method == HTTP_DELETE)
        r->op = DEMO_S3_DELETE;
    else
        fail(r, no_method);
}

/* SDKs say it in one of two ways (AWS: "Signature calculations ... multiple chunks"). */
static void read_framing(const struct http_head *head, struct demo_s3_request *r)
{
    const struct http_field *sha = http_find_name(head, STR("x-amz-content-sha256"));
    const struct http_field *length = http_find_name(head, STR("x-amz-decoded-content-length"));
    r->is_aws_chunked =
        http_list_has(http_value(head, HTTP_F_CONTENT_ENCODING), STR("aws-chunked")) ||
        (sha != NULL && str_starts(sha->value, STR("STREAMING-")));
    r->has_decoded_length = length != NULL && str_to_u64(length->value, &r->decoded_length);
}

void demo_s3_request_read(const struct http_head *head, struct arena *arena,
                          struct demo_s3_request *out)
{
    struct str authority, target, bucket, key;
    *out = (struct demo_s3_request){ .is_head = head->method == HTTP_HEAD };
    read_framing(head, out);
    if (!http1_origin_form(head->target, &authority, &target) || target.p[0] != '/') {
        fail(out, bad_uri);
        return;
    }
    size_t mark = str_find(target, '?', 0);
    struct str query = str_from(target, mark + 1);
    if (!split(head, str_first(target, mark), &bucket, &key)) {
        out->op = DEMO_S3_LIST_BUCKETS;
        if (head->method != HTTP_GET && head->method != HTTP_HEAD)
            fail(out, no_method);
        return;
    }
    out->key = decode(key, false, arena);
    if (!str_eq_nocase(bucket, STR(DEMO_BUCKET)))
        fail(out, no_bucket);
    else if (out->key.p == NULL)
        fail(out, bad_uri);
    else if (is_other_api(query, arena))
        fail(out, no_such_api);
    else if (key.n == 0)
        choose_bucket_op(head, query, arena, out);
    else
        choose_object_op(head, out);
}

void demo_s3_encode_key(struct buf *out, struct str key)
{
    for (size_t i = 0; i < key.n; i++) {
        char c = key.p[i];
        if (ascii_is_alpha(c) || ascii_is_digit(c) || (c != 0 && strchr("-._~/", c) != NULL))
            buf_byte(out, c);
        else
            buf_printf(out, "%%%02X", (uint8_t)c);
    }
}

const char *demo_http_date(int64_t unix_s, char text[static DEMO_HTTP_DATE_BYTES])
{
    struct tm parts;
    time_t t = unix_s;
    gmtime_r(&t, &parts);
    strftime(text, DEMO_HTTP_DATE_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return text;
}

static bool parse_date(struct str s, int64_t *out)
{
    char text[64];
    struct tm parts = { 0 };
    if (s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = 0;
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == NULL || *end != 0)
        return false;
    *out = timegm(&parts);
    return true;
}

/* RFC 9110 section 8.8.3.2: the strong comparison is for If-Match, the weak for If-None-Match. */
static bool lists_etag(struct str list, struct str etag, bool is_weak)
{
    struct str one;
    if (str_eq(list, STR("*")))
        return true;
    while (str_next(&list, ',', &one)) {
        one = str_trim(one);
        if (is_weak && str_starts(one, STR("W/")))
            one = str_from(one, 2);
        if (str_eq(one, etag))
            return true;
    }
    return false;
}

/* RFC 9110 section 13.2.2; 0 when no condition stands in the way. */
static unsigned judge_conditions(const struct http_head *head, const struct demo_object *o)
{
    struct str etag = str_from_c(o->etag);
    const struct http_field *match = http_find(head, HTTP_F_IF_MATCH);
    const struct http_field *none_match = http_find(head, HTTP_F_IF_NONE_MATCH);
    int64_t date;
    if (match != NULL && !lists_etag(match->value, etag, false))
        return 412;
    if (match == NULL && parse_date(http_value(head, HTTP_F_IF_UNMODIFIED_SINCE), &date) &&
        o->mtime_s > date)
        return 412;
    if (none_match != NULL)
        return lists_etag(none_match->value, etag, true) ? 304 : 0;
    if (parse_date(http_value(head, HTTP_F_IF_MODIFIED_SINCE), &date) && o->mtime_s <= date)
        return 304;
    return 0;
}

static bool range_counts(const struct http_head *head, const struct demo_object *o)
{
    const struct http_field *f = http_find(head, HTTP_F_IF_RANGE);
    int64_t date;
    if (f == NULL)
        return true;
    if (parse_date(f->value, &date))
        return date == o->mtime_s;
    return str_eq(f->value, str_from_c(o->etag));
}

enum range { RANGE_NONE, RANGE_OK, RANGE_OUTSIDE };

/* One range of bytes. Several, and what is no range, are as if the field were not there, as S3
 * does. */
static enum range parse_range(struct str s, uint64_t size, uint64_t *first, uint64_t *n)
{
    uint64_t from = 0, to = UINT64_MAX;
    if (!str_starts(s, STR("bytes=")))
        return RANGE_NONE;
    s = str_trim(str_from(s, 6));
    size_t dash = str_find(s, '-', 0);
    struct str left = str_first(s, dash), right = str_from(s, dash + 1);
    if (dash == s.n || (left.n > 0 && !str_to_u64(left, &from)) ||
        (right.n > 0 && !str_to_u64(right, &to)) || (left.n == 0 && right.n == 0) ||
        (left.n > 0 && to < from))
        return RANGE_NONE;
    if (left.n == 0) {
        from = to < size ? size - to : 0;
        if (to == 0)
            return RANGE_OUTSIDE;
        to = UINT64_MAX;
    }
    if (from >= size)
        return RANGE_OUTSIDE;
    *first = from;
    *n = (to < size - 1 ? to : size - 1) - from + 1;
    return RANGE_OK;
}

void demo_s3_plan_get(const struct http_head *head, const struct demo_object *o,
                      struct demo_s3_plan *out)
{
    *out = (struct demo_s3_plan){ .status = 200, .n = o->size };
    unsigned status = judge_conditions(head, o);
    if (status != 0) {
        *out = (struct demo_s3_plan){ .status = status };
        return;
    }
    if (!range_counts(head, o))
        return;
    enum range r = parse_range(http_value(head, HTTP_F_RANGE), o->size, &out->first, &out->n);
    if (r == RANGE_OK)
        out->status = 206;
    else if (r == RANGE_OUTSIDE)
        *out = (struct demo_s3_plan){ .status = 416 };
}

bool demo_s3_may_put(const struct http_head *head, const struct demo_object *o)
{
    const struct http_field *match = http_find(head, HTTP_F_IF_MATCH);
    const struct http_field *none_match = http_find(head, HTTP_F_IF_NONE_MATCH);
    if (match != NULL && (o == NULL || !lists_etag(match->value, str_from_c(o->etag), false)))
        return false;
    return none_match == NULL || o == NULL ||
           !lists_etag(none_match->value, str_from_c(o->etag), true);
}
