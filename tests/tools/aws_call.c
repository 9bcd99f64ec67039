/*
 * AWS calls for the whole-program tests (tests/e2e/test_aws_calls.py). The environment is the
 * session's, but for what has a name here:
 *
 *     AWS_CALL_OFFSET_S     added to the clock
 *     AWS_CALL_HOSTS        "name=address,name=address": what names resolve to; no others do
 *     AWS_CALL_LINK_LOCAL   1: link-local addresses may be contacted
 *     AWS_CALL_TIMEOUT_MS   the deadline, from the start on
 *     AWS_CALL_CA           a file of authorities
 *
 * Standard input: a JSON object a line, {"service", "operation", "params": [[name, value]...],
 * "body": {...}, "path", "pages": most, 0 for a plain call}, or {"look": true} for the report about
 * credentials, or {"hosts": [services]}. Standard output: a line of JSON for each.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "aws/call.h"

enum { MAX_PARAMS = 32 };

static int64_t offset_s;

static int64_t shifted_clock(void)
{
    return time(NULL) + offset_s;
}

static struct str env_text(const char *name)
{
    return str_from_c(getenv(name));
}

static bool resolve(void *arg, struct str host, struct addr *out, size_t *n, struct fault *fault)
{
    struct str rest = env_text("AWS_CALL_HOSTS"), row;
    size_t found = 0;
    while (str_next(&rest, ',', &row) && found < *n) {
        size_t eq = str_find(row, '=', 0);
        if (str_eq(str_first(row, eq), host))
            found += addr_parse_ip(str_from(row, eq + 1), &out[found]);
    }
    *n = found;
    return found > 0 ||
           fault_set(fault, FAULT_DNS_FAILED, NULL, "%.*s: nobody knows it", STR_ARG(host));
}

static json_t *xml_json(const struct xml *node)
{
    json_t *j = json_pack("[s%, s%, []]", node->name.p, node->name.n,
                          node->text.n > 0 ? node->text.p : "", node->text.n);
    for (const struct xml *child = node->first; child != NULL; child = child->next)
        json_array_append_new(json_array_get(j, 2), xml_json(child));
    return j;
}

static json_t *error_json(const struct aws_error *e)
{
    return json_pack("{ss ss ss ss ss si si sI}", "kind", aws_kind_name(e->kind), "reach",
                     aws_reach_name(e->reach), "action", e->action, "code", e->code, "message",
                     e->message, "status", e->http_status, "tries", (int)e->tries, "skew",
                     (json_int_t)e->skew_s);
}

static json_t *reply_json(const struct aws_reply *reply)
{
    return reply->json != NULL  ? json_incref(reply->json)
           : reply->xml != NULL ? xml_json(xml_root(reply->xml))
                                : json_null();
}

static enum aws_service service_of(const char *name)
{
    for (enum aws_service i = 0; i < N_AWS_SERVICES; i++)
        if (name != NULL && strcmp(aws_service_row(i)->host, name) == 0)
            return i;
    fprintf(stderr, "aws-call: no service %s\n", name);
    exit(1);
}

static json_t *run_pages(struct aws_session *s, const struct aws_request *request, unsigned most)
{
    struct aws_pages pages;
    json_t *all = json_array();
    aws_pages_init(&pages, s, request, most);
    while (aws_pages_next(&pages))
        json_array_append_new(all, reply_json(&pages.reply));
    json_t *j = json_pack("{so so sb}", "error", error_json(&pages.reply.error), "pages", all,
                          "cut", pages.is_cut);
    aws_pages_done(&pages);
    return j;
}

static json_t *run_call(struct aws_session *s, json_t *j)
{
    struct aws_param params[MAX_PARAMS];
    struct aws_request request = {
        .service = service_of(json_string_value(json_object_get(j, "service"))),
        .operation = json_string_value(json_object_get(j, "operation")),
        .params = params,
        .body = json_object_get(j, "body"),
        .path = json_string_value(json_object_get(j, "path")),
    };
    struct aws_reply reply;
    const json_t *list = json_object_get(j, "params");
    for (size_t i = 0; i < json_array_size(list) && i < MAX_PARAMS; i++) {
        const json_t *pair = json_array_get(list, i);
        params[request.n_params++] =
            (struct aws_param){ json_string_value(json_array_get(pair, 0)),
                                str_from_c(json_string_value(json_array_get(pair, 1))) };
    }
    unsigned most = (unsigned)json_integer_value(json_object_get(j, "pages"));
    if (most > 0)
        return run_pages(s, &request, most);
    aws_call(s, &request, &reply);
    json_t *said =
        json_pack("{so so sb sI}", "error", error_json(&reply.error), "reply", reply_json(&reply),
                  "has_skew", reply.has_skew, "skew", (json_int_t)reply.skew_s);
    aws_reply_done(&reply);
    return said;
}

static json_t *run_look(struct aws_session *s)
{
    static const char *const words[] = { "not tried", "absent", "failed", "gave" };
    struct aws_credentials_report r;
    struct aws_error e = { 0 };
    bool ok = aws_credentials_look(s, &r, &e);
    json_t *sources = json_object();
    for (unsigned i = 0; i < N_AWS_SOURCES; i++)
        json_object_set_new(sources, aws_source_name(i),
                            json_pack("[ss]", words[r.sources[i].tried], r.sources[i].why));
    return json_pack("{sb so ss ss sI sb so}", "ok", ok, "error", error_json(&e), "source",
                     ok ? aws_source_name(r.source) : "", "id", r.key_id, "expires",
                     (json_int_t)r.expires_unix_s, "failing", r.is_renewal_failing, "sources",
                     sources);
}

static json_t *run_hosts(struct aws_session *s, const json_t *names)
{
    enum aws_service services[N_AWS_SERVICES];
    char hosts[AWS_MAX_HOSTS][AWS_HOST_BYTES];
    size_t n = 0;
    for (; n < json_array_size(names) && n < N_AWS_SERVICES; n++)
        services[n] = service_of(json_string_value(json_array_get(names, n)));
    json_t *list = json_array();
    n = aws_session_hosts(s, services, n, hosts);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_string(hosts[i]));
    return list;
}

static void run_line(struct aws_session *s, const char *line)
{
    json_error_t error;
    json_t *j = json_loads(line, 0, &error);
    json_t *said = json_object_get(j, "hosts") != NULL  ? run_hosts(s, json_object_get(j, "hosts"))
                   : json_object_get(j, "look") != NULL ? run_look(s)
                                                        : run_call(s, j);
    char *text = json_dumps(said, JSON_COMPACT);
    puts(text);
    fflush(stdout);
    free(text);
    json_decref(said);
    json_decref(j);
}

int main(void)
{
    struct timespec now;
    uint64_t timeout_ms = 20000;
    struct str offset = env_text("AWS_CALL_OFFSET_S");
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (offset.n > 0)
        offset_s = strtoll(offset.p, NULL, 10);
    str_to_u64(env_text("AWS_CALL_TIMEOUT_MS"), &timeout_ms);
    struct aws_session_options options = {
        .env = environ,
        .ca_file = env_text("AWS_CALL_CA"),
        .is_link_local_allowed = env_text("AWS_CALL_LINK_LOCAL").n > 0,
        .resolve = resolve,
        .deadline_us =
            (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000 + timeout_ms * 1000,
        .unix_s = shifted_clock,
    };
    struct aws_session *s = aws_session_new(&options);
    char *line = NULL;
    size_t cap = 0;
    while (s != NULL && getline(&line, &cap, stdin) > 0)
        run_line(s, line);
    free(line);
    aws_session_free(s);
    return s != NULL ? 0 : 1;
}
