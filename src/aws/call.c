#include "aws/call.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "aws/error_body.h"
#include "aws/session_impl.h"
#include "codec/sigv4.h"
#include "codec/uri_query.h"

enum {
    MAX_TRIES = 3,
    MAX_REPLY_BYTES = 16 << 20,
    MAX_REQUEST_BYTES = 64 * 1024,
    FIRST_PAUSE_MS = 250,
    CONNECT_TIMEOUT_MS = 2500,
    TOTAL_TIMEOUT_MS = 8000,
    N_CALL_BUFS = 4,
};

/* One call, on the caller's stack. */
struct call {
    struct aws_session *session;
    const struct aws_keys *keys; /* NULL: unsigned */
    const struct aws_request *request;
    const struct aws_service_row *service;
    struct aws_reply *reply;
    char url[AWS_URL_BYTES];
    char region[AWS_REGION_BYTES];
    struct aws_endpoint endpoint;
    struct buf body, query, fields, target;
};

/* In a form a space is a plus sign, as the SDKs have it; in a query both would be read, but only
 * %20 is signed by all alike. */
static void put_form_value(struct buf *out, struct str value)
{
    while (value.n > 0) {
        size_t space = str_find(value, ' ', 0);
        uri_query_escape(out, str_first(value, space));
        if (space < value.n)
            buf_byte(out, '+');
        value = str_from(value, space + 1);
    }
}

static void put_params(struct buf *out, const struct aws_request *r, bool is_form)
{
    for (size_t i = 0; i < r->n_params; i++) {
        if (out->n > 0)
            buf_byte(out, '&');
        uri_query_escape(out, str_from_c(r->params[i].name));
        buf_byte(out, '=');
        if (is_form)
            put_form_value(out, r->params[i].value);
        else
            uri_query_escape(out, r->params[i].value);
    }
}

static bool make_body(struct call *c)
{
    const struct aws_request *r = c->request;
    if (c->service->protocol == AWS_REST) {
        put_params(&c->query, r, false);
    } else if (c->service->protocol == AWS_QUERY) {
        buf_printf(&c->body, "Action=%s&Version=%s", r->operation, c->service->version);
        put_params(&c->body, r, true);
    } else if (r->body == NULL) {
        buf_append(&c->body, STR("{}"));
    } else {
        char *text = json_dumps(r->body, JSON_COMPACT);
        buf_append(&c->body, str_from_c(text));
        c->body.failed |= text == NULL;
        free(text);
    }
    return !c->body.failed && !c->query.failed;
}

/* Lines and the same as fields to sign; text is theirs, and is not moved when it grows no more. */
static enum sigv4_result sign(struct call *c, struct str path)
{
    char authority[AWS_AUTHORITY_BYTES], target[160];
    struct sigv4_field fields[3];
    size_t n = 0;
    aws_endpoint_authority(&c->endpoint, authority);
    fields[n++] = (struct sigv4_field){ STR("Host"), str_from_c(authority) };
    if (c->service->protocol == AWS_QUERY)
        fields[n++] =
            (struct sigv4_field){ STR("Content-Type"),
                                  STR("application/x-www-form-urlencoded; charset=utf-8") };
    if (c->service->protocol == AWS_JSON) {
        fields[n++] =
            (struct sigv4_field){ STR("Content-Type"), STR("application/x-amz-json-1.1") };
        snprintf(target, sizeof target, "%s.%s", c->service->version, c->request->operation);
        fields[n++] = (struct sigv4_field){ STR("X-Amz-Target"), str_from_c(target) };
    }
    for (size_t i = 0; i < n; i++)
        buf_printf(&c->fields, "%.*s: %.*s\r\n", STR_ARG(fields[i].name), STR_ARG(fields[i].value));
    if (c->keys == NULL)
        return SIGV4_OK;
    struct sigv4_request request = {
        .method = c->service->protocol == AWS_REST ? STR("GET") : STR("POST"),
        .path = path,
        .query = buf_str(&c->query),
        .fields = fields,
        .n_fields = n,
        .body = buf_str(&c->body),
    };
    struct sigv4_key key = { str_from_c(c->keys->id), str_from_c(c->keys->secret),
                             str_from_c(c->keys->token) };
    struct sigv4_scope scope = { str_from_c(c->region), str_from_c(c->service->signing),
                                 aws_session_now(c->session) };
    return sigv4_sign(&request, &key, &scope, &c->fields);
}

static bool read_reply(struct call *c, const struct aws_http_reply *http)
{
    struct aws_error *e = &c->reply->error;
    if (c->service->protocol == AWS_JSON) {
        json_error_t ignored;
        struct str text = buf_str(&http->body);
        c->reply->json = json_loadb(text.n > 0 ? text.p : "{}", text.n > 0 ? text.n : 2,
                                    JSON_ALLOW_NUL, &ignored);
        if (json_is_object(c->reply->json))
            return true;
        json_decref(c->reply->json);
        c->reply->json = NULL;
        return aws_error_set(e, AWS_PROTOCOL, "the reply is no JSON object");
    }
    const char *why = NULL;
    c->reply->xml = xml_parse(buf_str(&http->body), &why);
    if (c->reply->xml != NULL)
        return true;
    return aws_error_set(e, AWS_PROTOCOL, "the reply is no XML that is read: %s", why);
}

/* What the service may send back to us of what it got. */
static size_t secrets_of(const struct call *c, struct str secrets[static 4])
{
    size_t n = 0;
    if (c->keys != NULL) {
        secrets[n++] = str_from_c(c->keys->secret);
        secrets[n++] = str_from_c(c->keys->token);
    }
    for (size_t i = 0; i < c->request->n_params && n < 4; i++)
        if (strcmp(c->request->params[i].name, "WebIdentityToken") == 0)
            secrets[n++] = c->request->params[i].value;
    return n;
}

static bool judge(struct call *c, const struct aws_http_reply *http)
{
    struct aws_reply *reply = c->reply;
    struct str secrets[4];
    size_t n_secrets = secrets_of(c, secrets);
    reply->error.http_status = http->status;
    reply->error.reach = AWS_REACHED;
    if (http->has_date) {
        reply->has_skew = true;
        reply->skew_s = aws_session_now(c->session) - http->date_unix_s;
    }
    if (http->status >= 200 && http->status < 300)
        return read_reply(c, http);
    aws_error_read(&reply->error, &(struct aws_error_body){
                                      .status = http->status,
                                      .error_type = str_from_c(http->error_type),
                                      .body = buf_str(&http->body),
                                      .has_skew = http->has_date,
                                      .skew_s = reply->skew_s,
                                      .secrets = secrets,
                                      .n_secrets = n_secrets,
                                  });
    return false;
}

/* A signature has its time in it, so each try has its own. */
static bool try_once(struct call *c)
{
    struct aws_http_reply http;
    struct str path = str_from_c(c->request->path != NULL ? c->request->path : "/");
    buf_clear(&c->fields);
    buf_clear(&c->target);
    if (sign(c, path) != SIGV4_OK || c->fields.failed)
        return aws_error_set(&c->reply->error, AWS_BAD_KEY,
                             "the keys have characters that no key has, or are too long");
    buf_append(&c->target, str_from_c(c->url));
    buf_append(&c->target, path);
    if (c->query.n > 0)
        buf_byte(&c->target, '?');
    buf_append(&c->target, buf_str(&c->query));
    struct aws_http_request request = {
        .method = c->service->protocol == AWS_REST ? "GET" : "POST",
        .url = buf_str(&c->target),
        .fields = buf_str(&c->fields),
        .body = buf_str(&c->body),
        .max_reply_bytes = MAX_REPLY_BYTES,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .total_timeout_ms = TOTAL_TIMEOUT_MS,
    };
    c->reply->error.kind = AWS_OK;
    c->reply->error.tries++;
    if (!aws_http_fetch(c->session->transport, &request, &http, &c->reply->error))
        return false;
    bool ok = judge(c, &http);
    aws_http_reply_done(&http);
    return ok;
}

/* Sent twice, these change nothing. */
static bool only_reads(const char *operation)
{
    static const struct str verbs[] = { STR_INIT("Describe"), STR_INIT("List"),
                                        STR_INIT("Get"),      STR_INIT("Filter"),
                                        STR_INIT("Discover"), STR_INIT("Assume") };
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_starts(str_from_c(operation), verbs[i]))
            return true;
    return false;
}

static bool may_try_again(const struct call *c)
{
    const struct aws_error *e = &c->reply->error;
    bool reads = only_reads(c->request->operation);
    if (e->tries >= MAX_TRIES)
        return false;
    if (e->kind == AWS_THROTTLED)
        return true;
    if (e->kind == AWS_BROKEN)
        return reads;
    if (e->kind != AWS_UNREACHABLE || atomic_load(&c->session->is_unreachable[c->request->service]))
        return false;
    return e->reach == AWS_REACH_CONNECT ||
           (reads && (e->reach == AWS_REACH_LOST || e->reach == AWS_REACH_TIMEOUT));
}

/* Half of it is left to chance, so that those who failed together do not come back together. False:
 * there is no time for it. */
static bool pause_before(const struct call *c)
{
    uint32_t random = 0;
    uint64_t full = (uint64_t)FIRST_PAUSE_MS << c->reply->error.tries;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = 0;
    uint64_t ms = full / 2 + random % (full / 2 + 1);
    if (aws_transport_left_ms(c->session->transport, ms + 100) < ms + 100)
        return false;
    nanosleep(&(struct timespec){ (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 }, NULL);
    return true;
}

static void wipe(struct buf *b)
{
    if (b->p != NULL)
        OPENSSL_cleanse(b->p, b->cap);
    buf_done(b);
}

static bool run(struct call *c)
{
    bool ok;
    struct aws_error *e = &c->reply->error;
    if (!aws_session_endpoint(c->session, c->request->service, c->url, c->region, e))
        return false;
    if (!aws_endpoint_parse(str_from_c(c->url), &c->endpoint) || !make_body(c))
        return aws_error_set(e, AWS_BAD_REQUEST, "the request is larger than is sent");
    while (!(ok = try_once(c)) && may_try_again(c) && pause_before(c))
        ;
    atomic_store(&c->session->is_unreachable[c->request->service],
                 !ok && e->kind == AWS_UNREACHABLE);
    return ok;
}

static void begin(struct aws_reply *reply, const struct aws_request *request)
{
    *reply = (struct aws_reply){ 0 };
    snprintf(reply->error.action, sizeof reply->error.action, "%s:%s",
             aws_service_row(request->service)->signing, request->operation);
}

bool aws_call_as(struct aws_session *s, const struct aws_keys *keys,
                 const struct aws_request *request, struct aws_reply *reply)
{
    struct call c = { .session = s,
                      .keys = keys,
                      .request = request,
                      .service = aws_service_row(request->service),
                      .reply = reply };
    struct buf *const bufs[N_CALL_BUFS] = { &c.body, &c.query, &c.fields, &c.target };
    begin(reply, request);
    for (size_t i = 0; i < N_CALL_BUFS; i++)
        buf_init(bufs[i], MAX_REQUEST_BYTES);
    bool ok = run(&c);
    for (size_t i = 0; i < N_CALL_BUFS; i++)
        wipe(bufs[i]);
    return ok;
}

bool aws_call(struct aws_session *s, const struct aws_request *request, struct aws_reply *reply)
{
    struct aws_keys keys;
    begin(reply, request);
    /* Without a region nothing could be called, so that is the first thing to say. */
    if (aws_session_region(s, &reply->error).n == 0 || !aws_keys_get(s, &keys, &reply->error))
        return false;
    bool ok = aws_call_as(s, &keys, request, reply);
    aws_keys_wipe(&keys);
    return ok;
}

void aws_reply_done(struct aws_reply *reply)
{
    xml_free(reply->xml);
    json_decref(reply->json);
    reply->xml = NULL;
    reply->json = NULL;
}
