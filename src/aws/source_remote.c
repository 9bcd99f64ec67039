#include "aws/source.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum {
    MAX_DOCUMENT_BYTES = 64 * 1024,
    MAX_AUTH_BYTES = 16 * 1024,
    CONNECT_TIMEOUT_MS = 1000,
    TOTAL_TIMEOUT_MS = 2000,
};

static bool read_digits(struct str text, size_t at, size_t n, int *out)
{
    uint64_t number = 0;
    bool ok = str_to_u64(str_first(str_from(text, at), n), &number);
    *out = (int)number;
    return ok;
}

bool aws_time_parse(struct str text, int64_t *unix_s)
{
    static const char form[] = "dddd-dd-ddTdd:dd:dd";
    struct tm tm = { 0 };
    if (text.n < sizeof form || text.n > 40 || text.p[text.n - 1] != 'Z')
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] == 'd' ? !ascii_is_digit(text.p[i]) : text.p[i] != form[i])
            return false;
    struct str fraction = str_first(str_from(text, sizeof form - 1), text.n - sizeof form);
    uint64_t ignored;
    if (fraction.n > 0 && (fraction.p[0] != '.' || !str_to_u64(str_from(fraction, 1), &ignored)))
        return false;
    if (!read_digits(text, 0, 4, &tm.tm_year) || !read_digits(text, 5, 2, &tm.tm_mon) ||
        !read_digits(text, 8, 2, &tm.tm_mday) || !read_digits(text, 11, 2, &tm.tm_hour) ||
        !read_digits(text, 14, 2, &tm.tm_min) || !read_digits(text, 17, 2, &tm.tm_sec) ||
        tm.tm_year < 1970 || tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 ||
        tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *unix_s = timegm(&tm);
    return true;
}

static struct str member(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_string(value) ? str_of(json_string_value(value), json_string_length(value))
                                 : STR("");
}

enum aws_tried aws_source_read_json(struct aws_search *search, struct str text, const char *from)
{
    json_error_t ignored;
    json_t *root = json_loadb(text.n > 0 ? text.p : "", text.n, 0, &ignored);
    struct str code = member(root, "Code"), expiration = member(root, "Expiration");
    int64_t expires = 0;
    enum aws_tried tried = AWS_FAILED;
    if (!json_is_object(root))
        aws_source_tell(search, tried, "%s: the reply is no JSON object", from);
    else if (code.n > 0 && !str_eq(code, STR("Success")))
        aws_source_tell(search, tried, "%s says %.*s", from, STR_ARG(str_first(code, 64)));
    else if (expiration.n > 0 && !aws_time_parse(expiration, &expires))
        aws_source_tell(search, tried, "%s: the keys' end is no time", from);
    else if (!aws_keys_set(search->keys, member(root, "AccessKeyId"),
                           member(root, "SecretAccessKey"), member(root, "Token"), expires))
        aws_source_tell(search, tried, "%s: the reply has no keys", from);
    else
        tried = aws_source_tell(search, AWS_GAVE, "%s", from);
    json_decref(root);
    return tried;
}

enum aws_tried aws_source_ask_sts(struct aws_search *search, const char *operation,
                                  const struct aws_keys *keys, const struct aws_param *params,
                                  size_t n_params)
{
    struct aws_reply reply;
    char path[80];
    struct aws_request request = {
        .service = AWS_STS, .operation = operation, .params = params, .n_params = n_params
    };
    enum aws_tried tried = AWS_FAILED;
    if (!aws_call_as(search->session, keys, &request, &reply)) {
        tried = aws_source_tell(search, AWS_FAILED, "sts:%s: %s%s%s", operation, reply.error.code,
                                reply.error.code[0] != 0 ? ": " : "", reply.error.message);
        aws_reply_done(&reply);
        return tried;
    }
    snprintf(path, sizeof path, "%sResult/Credentials", operation);
    const struct xml *found = xml_at(xml_root(reply.xml), path);
    int64_t expires = 0;
    if (!aws_time_parse(xml_text(found, "Expiration"), &expires) ||
        !aws_keys_set(search->keys, xml_text(found, "AccessKeyId"),
                      xml_text(found, "SecretAccessKey"), xml_text(found, "SessionToken"), expires))
        aws_source_tell(search, AWS_FAILED, "sts:%s: the reply has no keys", operation);
    else
        tried = aws_source_tell(search, AWS_GAVE, "%s of %.*s", operation,
                                STR_ARG(str_first(params[0].value, 160)));
    aws_reply_done(&reply);
    return tried;
}

/* Containers' agents that answer over plain HTTP: ECS, EKS (IPv4 and IPv6). */
static bool is_known_agent(const struct addr *a)
{
    static const struct str known[] = { STR_INIT("169.254.170.2"), STR_INIT("169.254.170.23"),
                                        STR_INIT("fd00:ec2::23") };
    struct addr addr;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (addr_parse_ip(known[i], &addr) && addr_ip_eq(&addr, a))
            return true;
    return false;
}

static bool may_get_token(const struct aws_endpoint *e)
{
    if (e->is_https)
        return true;
    if (!e->is_ip)
        return aws_endpoint_needs_no_dns(e); /* localhost: loopback, whoever resolves */
    return addr_classify(&e->addr) == ADDR_LOOPBACK || is_known_agent(&e->addr);
}

/* "Authorization: ..." into fields; the file is read each time, since agents rotate it. */
static enum aws_tried put_authorization(struct aws_search *search, struct buf *fields)
{
    struct str file = aws_session_env(search->session, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    struct str token = aws_session_env(search->session, "AWS_CONTAINER_AUTHORIZATION_TOKEN");
    struct buf text;
    enum aws_tried tried = AWS_GAVE;
    buf_init(&text, MAX_AUTH_BYTES);
    if (file.n > 0) { /* out of the environment, so a NUL stands behind it */
        if (!aws_read_file(file.p, &text))
            tried = aws_source_tell(search, AWS_FAILED, "token file %.100s: %s", file.p,
                                    strerror(errno));
        token = buf_str(&text);
        while (token.n > 0 && (uint8_t)token.p[token.n - 1] <= ' ')
            token.n--;
    }
    for (size_t i = 0; i < token.n && tried == AWS_GAVE; i++)
        if (token.p[i] < ' ' || token.p[i] > '~')
            tried = aws_source_tell(search, AWS_FAILED,
                                    "the authorization token has a line break or the like");
    if (tried == AWS_GAVE && token.n > 0) {
        buf_append(fields, STR("Authorization: "));
        buf_append(fields, token);
        buf_append(fields, STR("\r\n"));
    }
    buf_done(&text);
    return tried;
}

static enum aws_tried fetch(struct aws_search *search, const struct aws_http_request *request,
                            const char *from, struct aws_http_reply *reply)
{
    struct aws_error error = { 0 };
    if (!aws_http_fetch(search->session->transport, request, reply, &error))
        return aws_source_tell(search, AWS_FAILED, "%s: %s", from, error.message);
    if (reply->status == 200)
        return AWS_GAVE;
    aws_source_tell(search, AWS_FAILED, "%s: HTTP status %d", from, reply->status);
    aws_http_reply_done(reply);
    return AWS_FAILED;
}

static enum aws_tried ask_container(struct aws_search *search, struct str url)
{
    struct buf fields;
    struct aws_http_reply reply;
    buf_init(&fields, MAX_AUTH_BYTES + 64);
    enum aws_tried tried = put_authorization(search, &fields);
    if (tried == AWS_GAVE) {
        struct aws_http_request request = {
            .method = "GET",
            .url = url,
            .fields = buf_str(&fields),
            .max_reply_bytes = MAX_DOCUMENT_BYTES,
            .connect_timeout_ms = CONNECT_TIMEOUT_MS,
            .total_timeout_ms = TOTAL_TIMEOUT_MS,
        };
        tried = fetch(search, &request, "the container agent", &reply);
    }
    if (tried == AWS_GAVE) {
        tried = aws_source_read_json(search, buf_str(&reply.body), "the container agent");
        aws_http_reply_done(&reply);
    }
    buf_done(&fields);
    return tried;
}

enum aws_tried aws_source_container(struct aws_search *search)
{
    struct str relative =
        aws_session_env(search->session, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    struct str full = aws_session_env(search->session, "AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct aws_endpoint e;
    char url[2048];
    if (relative.n == 0 && full.n == 0)
        return aws_source_tell(search, AWS_ABSENT, "AWS_CONTAINER_CREDENTIALS_* are not set");
    if (relative.n > 0) {
        int n = snprintf(url, sizeof url, "http://169.254.170.2%.*s", STR_ARG(relative));
        if (relative.p[0] != '/' || n >= (int)sizeof url)
            return aws_source_tell(search, AWS_FAILED,
                                   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is no path");
        full = str_from_c(url);
    }
    if (!aws_endpoint_parse(full, &e))
        return aws_source_tell(search, AWS_FAILED, "AWS_CONTAINER_CREDENTIALS_* is no usable URL");
    if (!may_get_token(&e))
        return aws_source_tell(search, AWS_FAILED,
                               "AWS_CONTAINER_CREDENTIALS_FULL_URI: http only to loopback, "
                               "169.254.170.2, 169.254.170.23 and fd00:ec2::23");
    return ask_container(search, full);
}

/* GET path with the session token; the reply's first line into out (at most size). */
static enum aws_tried ask_instance(struct aws_search *search, struct str base, const char *path,
                                   struct str token, struct aws_http_reply *reply)
{
    struct buf url, fields;
    buf_init(&url, 2048);
    buf_init(&fields, 2048);
    buf_append(&url, base);
    buf_append(&url, str_from_c(path));
    bool is_put = token.n == 0;
    if (is_put)
        buf_append(&fields, STR("X-aws-ec2-metadata-token-ttl-seconds: 300\r\n"));
    else
        buf_printf(&fields, "X-aws-ec2-metadata-token: %.*s\r\n", STR_ARG(token));
    struct aws_http_request request = {
        .method = is_put ? "PUT" : "GET",
        .url = buf_str(&url),
        .fields = buf_str(&fields),
        .max_reply_bytes = MAX_DOCUMENT_BYTES,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .total_timeout_ms = TOTAL_TIMEOUT_MS,
    };
    enum aws_tried tried = AWS_FAILED;
    if (url.failed || fields.failed)
        aws_source_tell(search, tried, "instance metadata: too long a URL or token");
    else
        tried = fetch(search, &request, "instance metadata", reply);
    buf_done(&url);
    buf_done(&fields);
    return tried;
}

/* One printable word, as tokens and role names are. */
static bool is_word(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '?' || s.p[i] == '#')
            return false;
    return s.n > 0 && s.n < 1024;
}

static enum aws_tried ask_instance_keys(struct aws_search *search, struct str base,
                                        struct str token)
{
    static const char where[] = "/latest/meta-data/iam/security-credentials/";
    struct aws_http_reply reply;
    char path[sizeof where + 256];
    enum aws_tried tried = ask_instance(search, base, where, token, &reply);
    if (tried != AWS_GAVE)
        return tried;
    struct str roles = buf_str(&reply.body);
    struct str role = str_trim(str_first(roles, str_find(roles, '\n', 0)));
    bool is_fine = is_word(role) && role.n < 256;
    snprintf(path, sizeof path, "%s%.*s", where, STR_ARG(is_fine ? role : STR("")));
    aws_http_reply_done(&reply);
    if (!is_fine)
        return aws_source_tell(search, AWS_FAILED, "instance metadata: the instance has no role");
    tried = ask_instance(search, base, path, token, &reply);
    if (tried != AWS_GAVE)
        return tried;
    tried = aws_source_read_json(search, buf_str(&reply.body), "instance metadata");
    aws_http_reply_done(&reply);
    return tried;
}

enum aws_tried aws_source_instance(struct aws_search *search)
{
    struct aws_session *s = search->session;
    struct str base = aws_session_env(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT");
    struct aws_endpoint e;
    struct aws_http_reply reply;
    if (str_eq_nocase(aws_session_env(s, "AWS_EC2_METADATA_DISABLED"), STR("true")))
        return aws_source_tell(search, AWS_ABSENT, "AWS_EC2_METADATA_DISABLED is true");
    if (base.n == 0 &&
        str_eq_nocase(aws_session_env(s, "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"), STR("IPv6")))
        base = STR("http://[fd00:ec2::254]");
    else if (base.n == 0)
        base = STR("http://169.254.169.254");
    while (base.n > 0 && base.p[base.n - 1] == '/')
        base.n--;
    if (!aws_endpoint_parse(base, &e))
        return aws_source_tell(search, AWS_FAILED, "AWS_EC2_METADATA_SERVICE_ENDPOINT is no URL");
    if (e.is_ip && addr_classify(&e.addr) == ADDR_LINK_LOCAL &&
        !aws_transport_is_link_local_allowed(s->transport))
        return aws_source_tell(search, AWS_ABSENT,
                               "link-local addresses are not contacted from here");
    if (ask_instance(search, base, "/latest/api/token", STR(""), &reply) != AWS_GAVE)
        return AWS_ABSENT; /* most often no EC2 at all; `why` has it */
    struct str token = str_trim(buf_str(&reply.body));
    enum aws_tried tried =
        is_word(token) ? ask_instance_keys(search, base, token)
                       : aws_source_tell(search, AWS_FAILED, "instance metadata gave no token");
    aws_http_reply_done(&reply);
    return tried;
}
