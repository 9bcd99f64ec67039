#include "aws/http.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "codec/http_date.h"

enum {
    DEFAULT_REPLY_BYTES = 64 * 1024,
    MAX_IDLE_HANDLES = 8,
    MAX_HEAD_BYTES = 64 * 1024,
    MAX_REQUEST_BYTES = 128 * 1024
};

struct aws_transport {
    struct aws_transport_options options; /* its strings are those below */
    char *ca_file, *ca_bundle;
    pthread_mutex_t lock;         /* around what follows */
    CURL *idle[MAX_IDLE_HANDLES]; /* with their connections, which the next one reuses */
    size_t n_idle;
    X509_STORE *authorities; /* made once: reading the system's takes longer than a handshake */
    bool is_ca_bad;
};

/* One exchange, on the caller's stack. */
struct exchange {
    struct aws_transport *transport;
    const struct aws_http_request *request;
    struct aws_http_reply *reply;
    struct aws_error *error;
    struct aws_endpoint endpoint;
    struct addr addrs[AWS_MAX_ADDRS];
    size_t n_addrs, head_bytes;
    bool is_too_large, is_connected; /* for TLS: libcurl's times do not tell handshakes apart */
    struct curl_slist *lines, *known;
    struct buf text; /* URL, lines: libcurl copies what it keeps */
    char curl_says[CURL_ERROR_SIZE];
};

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

static char *copy_text(struct str s)
{
    return s.n > 0 ? strndup(s.p, s.n) : NULL;
}

struct aws_transport *aws_transport_new(const struct aws_transport_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct aws_transport *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    pthread_once(&once, init_curl);
    t->options = *options;
    t->ca_file = copy_text(options->ca_file);
    t->ca_bundle = copy_text(options->ca_bundle);
    pthread_mutex_init(&t->lock, NULL);
    if ((options->ca_file.n > 0 && t->ca_file == NULL) ||
        (options->ca_bundle.n > 0 && t->ca_bundle == NULL)) {
        aws_transport_free(t);
        return NULL;
    }
    return t;
}

void aws_transport_free(struct aws_transport *t)
{
    if (t == NULL)
        return;
    while (t->n_idle > 0)
        curl_easy_cleanup(t->idle[--t->n_idle]);
    X509_STORE_free(t->authorities);
    pthread_mutex_destroy(&t->lock);
    free(t->ca_file);
    free(t->ca_bundle);
    free(t);
}

bool aws_transport_is_link_local_allowed(const struct aws_transport *t)
{
    return t->options.is_link_local_allowed;
}

uint64_t aws_transport_left_ms(const struct aws_transport *t, uint64_t most)
{
    struct timespec now;
    if (t->options.deadline_us == 0)
        return most;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    if (now_us >= t->options.deadline_us)
        return 0;
    uint64_t left = (t->options.deadline_us - now_us) / 1000;
    return left < most ? left : most;
}

/* With the lock. The system's authorities, and those files that were named. */
static bool authorities_load(struct aws_transport *t)
{
    if (t->authorities != NULL || t->is_ca_bad)
        return !t->is_ca_bad;
    X509_STORE *store = X509_STORE_new();
    t->is_ca_bad = store == NULL;
    if (store != NULL)
        X509_STORE_set_default_paths(store);
    if (store != NULL && t->ca_file != NULL && X509_STORE_load_file(store, t->ca_file) != 1)
        t->is_ca_bad = true;
    if (store != NULL && t->ca_bundle != NULL && X509_STORE_load_file(store, t->ca_bundle) != 1)
        t->is_ca_bad = true;
    if (t->is_ca_bad)
        X509_STORE_free(store);
    else
        t->authorities = store;
    return !t->is_ca_bad;
}

static CURLcode on_ssl_ctx(CURL *curl, void *ctx, void *arg)
{
    struct exchange *x = arg;
    struct aws_transport *t = x->transport;
    x->is_connected = true;
    pthread_mutex_lock(&t->lock);
    bool ok = authorities_load(t);
    if (ok)
        SSL_CTX_set1_cert_store(ctx, t->authorities);
    pthread_mutex_unlock(&t->lock);
    return ok ? CURLE_OK : CURLE_SSL_CACERT_BADFILE;
}

static CURL *handle_take(struct aws_transport *t)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&t->lock);
    if (t->n_idle > 0)
        curl = t->idle[--t->n_idle];
    pthread_mutex_unlock(&t->lock);
    return curl != NULL ? curl : curl_easy_init();
}

/* Without what pointed to the exchange; connections stay. */
static void handle_give(struct aws_transport *t, CURL *curl)
{
    curl_easy_reset(curl);
    pthread_mutex_lock(&t->lock);
    bool is_kept = t->n_idle < MAX_IDLE_HANDLES;
    if (is_kept)
        t->idle[t->n_idle++] = curl;
    pthread_mutex_unlock(&t->lock);
    if (!is_kept)
        curl_easy_cleanup(curl);
}

static void reply_clear(struct aws_http_reply *reply)
{
    buf_clear(&reply->body);
    reply->has_date = false;
    reply->error_type[0] = 0;
}

static size_t on_head(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    struct str line = str_of(p, size * n);
    x->head_bytes += line.n;
    if (x->head_bytes > MAX_HEAD_BYTES) {
        x->is_too_large = true;
        return 0;
    }
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    size_t colon = str_find(line, ':', 0);
    struct str name = str_first(line, colon), value = str_trim(str_from(line, colon + 1));
    if (str_starts(line, STR("HTTP/"))) /* an interim response came before */
        reply_clear(x->reply);
    else if (str_eq_nocase(name, STR("date")))
        x->reply->has_date = http_date_parse(value, &x->reply->date_unix_s);
    else if (str_eq_nocase(name, STR("x-amzn-errortype")))
        snprintf(x->reply->error_type, sizeof x->reply->error_type, "%.*s", STR_ARG(value));
    return size * n;
}

static size_t on_body(char *p, size_t size, size_t n, void *arg)
{
    struct exchange *x = arg;
    buf_append(&x->reply->body, str_of(p, size * n));
    x->is_too_large |= x->reply->body.failed;
    return x->is_too_large ? 0 : size * n;
}

static bool find_addrs(struct exchange *x)
{
    struct fault fault = { 0 };
    const struct aws_transport_options *o = &x->transport->options;
    if (x->endpoint.is_ip) {
        x->addrs[0] = x->endpoint.addr;
        x->n_addrs = 1;
        return true;
    }
    if (aws_endpoint_needs_no_dns(&x->endpoint)) {
        x->n_addrs =
            addr_parse_ip(STR("127.0.0.1"), &x->addrs[0]) + addr_parse_ip(STR("::1"), &x->addrs[1]);
        return true;
    }
    size_t n = AWS_MAX_ADDRS;
    if (o->resolve == NULL)
        return aws_error_reach(x->error, AWS_REACH_DNS, "nobody resolves %.*s here",
                               STR_ARG(x->endpoint.host));
    if (!o->resolve(o->resolve_arg, x->endpoint.host, x->addrs, &n, &fault) || n == 0)
        return aws_error_reach(
            x->error, AWS_REACH_DNS, "%.*s has no address: %s", STR_ARG(x->endpoint.host),
            fault.detail[0] != 0 ? fault.detail : fault_row(fault.kind)->sentence);
    x->n_addrs = n < AWS_MAX_ADDRS ? n : AWS_MAX_ADDRS;
    return true;
}

/* Where nothing may be sent does not depend on who named it. */
static bool allow_addrs(struct exchange *x)
{
    bool link_local = x->transport->options.is_link_local_allowed;
    char text[ADDR_TEXT_BYTES] = "";
    size_t n = 0;
    for (size_t i = 0; i < x->n_addrs; i++) {
        enum addr_class class = addr_classify(&x->addrs[i]);
        if (class == ADDR_GLOBAL || class == ADDR_LOOPBACK ||
            (class == ADDR_LINK_LOCAL && link_local))
            x->addrs[n++] = x->addrs[i];
        else
            addr_ip_text(&x->addrs[i], text);
    }
    x->n_addrs = n;
    if (n > 0)
        return true;
    return aws_error_reach(x->error, AWS_REACH_FORBIDDEN, "%s is not contacted from here", text);
}

/* So that libcurl never looks a name up: what it asks for is in its cache already. */
static bool make_known(struct exchange *x)
{
    const struct aws_endpoint *e = &x->endpoint;
    if (e->is_ip)
        return true;
    buf_clear(&x->text);
    buf_printf(&x->text, "-%.*s:%u", STR_ARG(e->host), e->port);
    buf_byte(&x->text, 0);
    struct curl_slist *list = x->text.failed ? NULL : curl_slist_append(NULL, x->text.p);
    if ((x->known = list) == NULL)
        return false;
    buf_clear(&x->text);
    buf_printf(&x->text, "%.*s:%u:", STR_ARG(e->host), e->port);
    for (size_t i = 0; i < x->n_addrs; i++) {
        char text[ADDR_TEXT_BYTES];
        bool is_v6 = addr_family(&x->addrs[i]) == AF_INET6;
        buf_printf(&x->text, is_v6 ? "%s[%s]" : "%s%s", i > 0 ? "," : "",
                   addr_ip_text(&x->addrs[i], text));
    }
    buf_byte(&x->text, 0);
    return !x->text.failed && curl_slist_append(list, x->text.p) != NULL;
}

static bool add_line(struct exchange *x, struct str line)
{
    buf_clear(&x->text);
    buf_append(&x->text, line);
    buf_byte(&x->text, 0);
    struct curl_slist *list = x->text.failed ? NULL : curl_slist_append(x->lines, x->text.p);
    if (list != NULL)
        x->lines = list;
    return list != NULL;
}

static bool make_lines(struct exchange *x)
{
    struct str rest = x->request->fields, line;
    bool ok = true, has_host = false, has_type = false;
    char authority[AWS_AUTHORITY_BYTES], host[AWS_AUTHORITY_BYTES + 8];
    while (ok && str_next(&rest, '\n', &line)) {
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        struct str name = str_first(line, str_find(line, ':', 0));
        has_host |= str_eq_nocase(name, STR("host"));
        has_type |= str_eq_nocase(name, STR("content-type"));
        ok = line.n == 0 || add_line(x, line);
    }
    aws_endpoint_authority(&x->endpoint, authority);
    snprintf(host, sizeof host, "Host: %s", authority);
    return ok && (has_host || add_line(x, str_from_c(host))) &&
           (has_type || add_line(x, STR("Content-Type:"))) && add_line(x, STR("Expect:"));
}

static bool make_url(struct exchange *x)
{
    char authority[AWS_AUTHORITY_BYTES];
    aws_endpoint_authority(&x->endpoint, authority);
    buf_clear(&x->text);
    buf_append(&x->text, x->endpoint.is_https ? STR("https://") : STR("http://"));
    buf_append(&x->text, str_from_c(authority));
    buf_append(&x->text, x->endpoint.path);
    buf_byte(&x->text, 0);
    return !x->text.failed;
}

static bool set_request(struct exchange *x, CURL *curl)
{
    const struct aws_http_request *r = x->request;
    bool ok = curl_easy_setopt(curl, CURLOPT_HTTPHEADER, x->lines) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_RESOLVE, x->known) == CURLE_OK && make_url(x) &&
              curl_easy_setopt(curl, CURLOPT_URL, x->text.p) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK;
    if (strcmp(r->method, "GET") != 0)
        ok = ok &&
             curl_easy_setopt(curl, CURLOPT_POSTFIELDS, r->body.n > 0 ? r->body.p : "") ==
                 CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body.n) ==
                 CURLE_OK &&
             curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, r->method) == CURLE_OK;
    return ok;
}

static bool set_limits(struct exchange *x, CURL *curl)
{
    const struct aws_http_request *r = x->request;
    unsigned connect = r->connect_timeout_ms > 0 ? r->connect_timeout_ms : 3000;
    unsigned total = r->total_timeout_ms > 0 ? r->total_timeout_ms : 10000;
    uint64_t left = aws_transport_left_ms(x->transport, total);
    if (left == 0)
        return aws_error_reach(x->error, AWS_REACH_NO_TIME, "no time is left");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)left);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(left < connect ? left : connect));
    return true;
}

/* What never differs. An option that this libcurl lacks would weaken it, so each must hold. */
static bool set_care(struct exchange *x, CURL *curl)
{
    return curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, x) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_USERAGENT, "penstock/" PENSTOCK_VERSION) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, x->curl_says) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, x) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, x) == CURLE_OK;
}

static enum aws_reach reach_of_timeout(const struct exchange *x, CURL *curl)
{
    curl_off_t connected = 0, shaken = 0;
    curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connected);
    curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &shaken);
    if (x->is_connected && shaken == 0)
        return AWS_REACH_TLS;
    return connected == 0 ? AWS_REACH_CONNECT : AWS_REACH_TIMEOUT;
}

static bool tell_failure(struct exchange *x, CURL *curl, CURLcode code)
{
    const char *says = x->curl_says[0] != 0 ? x->curl_says : curl_easy_strerror(code);
    char at[AWS_AUTHORITY_BYTES];
    aws_endpoint_authority(&x->endpoint, at);
    enum aws_reach reach = AWS_REACH_LOST;
    if (x->is_too_large)
        return aws_error_set(x->error, AWS_PROTOCOL, "%s: the reply is larger than is read", at);
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        reach = AWS_REACH_DNS;
        break;
    case CURLE_COULDNT_CONNECT:
        reach = AWS_REACH_CONNECT;
        break;
    case CURLE_OPERATION_TIMEDOUT:
        reach = reach_of_timeout(x, curl);
        break;
    case CURLE_SSL_CACERT_BADFILE:
        says = "a file of authorities cannot be read";
        reach = AWS_REACH_TLS;
        break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
        reach = AWS_REACH_TLS;
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        return aws_error_set(x->error, AWS_PROTOCOL, "%s: %s", at, says);
    case CURLE_OUT_OF_MEMORY:
        return aws_error_set(x->error, AWS_PROTOCOL, "out of memory");
    default:
        break;
    }
    return aws_error_reach(x->error, reach, "%s: %s", at, says);
}

static bool run(struct exchange *x, CURL *curl)
{
    long status = 0;
    if (!make_known(x) || !make_lines(x) || !set_care(x, curl) || !set_request(x, curl))
        return aws_error_set(x->error, AWS_PROTOCOL, "out of memory, or an option libcurl lacks");
    if (!set_limits(x, curl))
        return false;
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        return tell_failure(x, curl, code);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    x->reply->status = (int)status;
    return true;
}

bool aws_http_fetch(struct aws_transport *t, const struct aws_http_request *request,
                    struct aws_http_reply *reply, struct aws_error *error)
{
    struct exchange x = { .transport = t, .request = request, .reply = reply, .error = error };
    CURL *curl = NULL;
    bool ok = false;
    *reply = (struct aws_http_reply){ 0 };
    buf_init(&reply->body,
             request->max_reply_bytes > 0 ? request->max_reply_bytes : DEFAULT_REPLY_BYTES);
    buf_init(&x.text, MAX_REQUEST_BYTES);
    if (!aws_endpoint_parse(request->url, &x.endpoint))
        aws_error_set(error, AWS_BAD_REQUEST, "not a URL that could be used");
    else if (aws_transport_left_ms(t, 1) == 0)
        aws_error_reach(error, AWS_REACH_NO_TIME, "no time is left");
    else if (find_addrs(&x) && allow_addrs(&x))
        ok = (curl = handle_take(t)) != NULL ? run(&x, curl)
                                             : aws_error_set(error, AWS_PROTOCOL, "out of memory");
    if (curl != NULL && ok)
        handle_give(t, curl);
    else if (curl != NULL)
        curl_easy_cleanup(curl);
    curl_slist_free_all(x.lines);
    curl_slist_free_all(x.known);
    buf_done(&x.text);
    if (!ok)
        aws_http_reply_done(reply);
    return ok;
}

void aws_http_reply_done(struct aws_http_reply *reply)
{
    buf_done(&reply->body);
}
