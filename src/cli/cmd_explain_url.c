#include "cli/admin_client.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/lookup_text.h"
#include "cli/own_lookup.h"
#include "cli/url_read.h"
#include "cli/url_story.h"
#include "cli/url_text.h"

#include "codec/uri_query.h"
#include "dns/dial.h"
#include "dns/routes_json.h"
#include "dns/shared.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXIT_NO_ADDRESS = 2, DOCUMENT_BYTES = 16 * 1024 * 1024 };

struct explained {
    const struct conf *conf;
    const struct url_story *story;
    struct dns_shared *shared; /* the settings' routes and policy: nothing is asked with it */
    json_t *document;
};

/* Everything that this host listens on is never dialled. */
static struct dns_shared *make_shared(const struct conf *conf, struct fault *f)
{
    const struct conf_addrs *const own[] = { &conf->listen, &conf->admin, &conf->dns_listen };
    struct dns_shared *s = dns_shared_new(conf, f);
    for (size_t i = 0; s != NULL && i < sizeof own / sizeof own[0]; i++)
        for (size_t k = 0; k < own[i]->n; k++)
            dns_shared_add_own(s, &own[i]->v[k]);
    return s;
}

static bool is_literal(const struct explained *e, struct addr *out)
{
    return addr_parse_ip(e->story->route.origin.host, out);
}

/* What the settings alone tell. NULL without memory. */
static json_t *write_document(const struct explained *e, const struct url_read *url)
{
    struct dns_name name;
    struct addr literal;
    struct buf text;
    buf_init(&text, DOCUMENT_BYTES);
    struct json j = json_begin(&text);
    json_open(&j, NULL, '{');
    json_put_str(&j, "read_as", str_from_c(url->as));
    json_put_bool(&j, "lost_fragment", url->has_lost_fragment);
    url_story_write(e->story, &j);
    if (url_story_goes_on(e->story) && !is_literal(e, &literal) &&
        dns_name_parse(e->story->route.origin.host, &name))
        dns_route_json(e->shared, &name, "dns", &j);
    json_close(&j, '{');
    json_t *document = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    buf_done(&text);
    return document;
}

/* With an engine of this command's own. NULL: it could not begin. */
static json_t *ask_self(const struct explained *e, const struct dns_name *name)
{
    struct fault f = { .kind = FAULT_NONE };
    struct own_job *job = calloc(1, sizeof *job);
    struct own_lookup l = { .conf = e->conf, .n_jobs = 1, .jobs = job };
    json_t *document = NULL;
    struct buf text;
    if (job == NULL)
        return NULL;
    job->report.name = *name;
    job->report.n_types = 2;
    job->report.types[0] = DNS_A;
    job->report.types[1] = DNS_AAAA;
    buf_init(&text, DOCUMENT_BYTES);
    if (own_lookup_run(&l, &f)) {
        dns_report_write(&job->report, "command", &text);
        document = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    }
    buf_done(&text);
    own_lookup_done(&l);
    free(job);
    return document;
}

static json_t *ask_process(const struct explained *e, struct addr *at)
{
    const char *why;
    struct buf target;
    buf_init(&target, 4096);
    buf_append(&target, STR("/dns/lookup?name="));
    uri_query_escape(&target, e->story->route.origin.host);
    json_t *document = admin_get(e->conf, buf_str(&target), at, &why);
    buf_done(&target);
    return document;
}

static size_t row_of_cidr(const struct conf *conf, const struct addr *a)
{
    for (size_t i = 0; i < conf->allow_addresses.n; i++)
        if (cidr_has(&conf->allow_addresses.v[i], a))
            return i + 1;
    return 0;
}

/* Returns whether it is dialled. */
static bool add_address(const struct explained *e, json_t *list, struct addr *a)
{
    char text[ADDR_TEXT_BYTES], why[128];
    const struct origin *to = &e->story->route.origin;
    addr_set_port(a, to->port);
    struct dns_routes *routes = dns_shared_routes(e->shared);
    bool is_allowed = dns_dial_allowed_by(routes, to->policy, a);
    dns_routes_unref(routes);
    enum addr_class class = addr_classify(a);
    size_t row = row_of_cidr(e->conf, a);
    bool is_usual =
        to->policy == DNS_POLICY_REGISTRY ? class != ADDR_UNSPECIFIED : class == ADDR_GLOBAL;
    if (is_allowed && !is_usual)
        snprintf(why, sizeof why, "%s, row %zu of PENSTOCK_ALLOW_ADDRESSES", addr_class_name(class),
                 row);
    else if (is_allowed)
        snprintf(why, sizeof why, "%s",
                 to->policy == DNS_POLICY_REGISTRY ? "the registry's" : addr_class_name(class));
    else if (is_usual || row > 0)
        snprintf(why, sizeof why, "penstock itself listens there");
    else
        snprintf(why, sizeof why, "%s, and not in PENSTOCK_ALLOW_ADDRESSES",
                 addr_class_name(class));
    json_array_append_new(list, json_pack("{s:s, s:b, s:s}", "address", addr_ip_text(a, text),
                                          "dialled", is_allowed, "why", why));
    return is_allowed;
}

/* Those of the answers; how many of them are dialled. */
static unsigned add_addresses(const struct explained *e, const json_t *answers, json_t *list)
{
    const json_t *question, *record;
    size_t q, i;
    unsigned n = 0;
    json_array_foreach (json_object_get(answers, "questions"), q, question)
        json_array_foreach (json_object_get(question, "records"), i, record) {
            struct addr a;
            if (addr_parse_ip(str_from_c(json_get_text(record, "data")), &a))
                n += add_address(e, list, &a);
        }
    return n;
}

static void tell_how(json_t *lookup, bool is_process, const struct addr *at)
{
    char text[ADDR_TEXT_BYTES], how[160];
    snprintf(how, sizeof how, "%s%s%s",
             is_process ? "by the running penstock (" : "by this command: no penstock runs here",
             is_process ? addr_text(at, text) : "", is_process ? ")" : "");
    json_object_set_new(lookup, "how", json_string(how));
}

/* How many addresses are dialled. */
static unsigned look_up(const struct explained *e)
{
    struct addr at = { .sa.sa_family = AF_UNSPEC }, literal;
    struct dns_name name;
    json_t *list = json_array(), *answers = NULL;
    unsigned n = 0;
    if (is_literal(e, &literal)) {
        n = add_address(e, list, &literal);
        answers = json_pack("{s:s}", "how", "the host is an address");
    } else if (dns_name_parse(e->story->route.origin.host, &name)) {
        answers = ask_process(e, &at);
        bool is_process = answers != NULL;
        if (!is_process)
            answers = ask_self(e, &name);
        n = add_addresses(e, answers, list);
        if (answers != NULL)
            tell_how(answers, is_process, &at);
    }
    json_object_set_new(e->document, "lookup", answers != NULL ? answers : json_null());
    json_object_set_new(e->document, "addresses", list);
    return n;
}

/* The exit code. */
static int conclude(const struct explained *e, bool looks_up)
{
    int code = EXIT_OK;
    const char *outcome = "passed on";
    if (!url_story_goes_on(e->story)) {
        code = e->story->route.kind == ROUTE_REFUSED ? EXIT_FAILED : EXIT_OK;
        outcome = code == EXIT_OK ? "answered here, with 200" : "refused";
    } else if (looks_up && look_up(e) == 0) {
        code = EXIT_NO_ADDRESS;
        outcome = json_array_size(json_object_get(e->document, "addresses")) > 0
                      ? "no address of the host is dialled"
                      : "the host has no address";
    }
    json_object_set_new(e->document, "outcome", json_string(outcome));
    json_object_set_new(e->document, "exit", json_integer(code));
    return code;
}

static bool show(const json_t *document, bool wants_json)
{
    struct output o;
    if (wants_json)
        return output_print_json(document);
    output_init(&o);
    url_text(&o, document);
    return output_print(&o);
}

static int explain(const struct conf *conf, const struct arguments *a, const struct url_read *url)
{
    struct fault f = { .kind = FAULT_NONE };
    const char *method = arguments_get(a, "--method");
    struct url_story *story = malloc(sizeof *story);
    if (story == NULL)
        return EXIT_FAILED;
    url_story_init(story, conf, str_from_c(method != NULL ? method : "GET"), buf_str(&url->target));
    struct explained e = { .conf = conf, .story = story, .shared = make_shared(conf, &f) };
    int code = EXIT_FAILED;
    if (e.shared != NULL)
        e.document = write_document(&e, url);
    if (e.document != NULL) {
        code = conclude(&e, arguments_get(a, "--no-lookup") == NULL);
        if (!show(e.document, arguments_get(a, "--json") != NULL))
            code = EXIT_FAILED;
    } else {
        fprintf(stderr, "penstock explain-url: %s\n", f.detail[0] ? f.detail : "out of memory");
    }
    json_decref(e.document);
    dns_shared_free(e.shared);
    url_story_done(story);
    free(story);
    return code;
}

int cmd_explain_url(int argc, char **argv)
{
    struct arguments a;
    struct url_read url;
    const char *problem;
    if (!arguments_read(CLI_EXPLAIN_URL, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    const char *region = arguments_get(&a, "--region");
    region = region != NULL ? region : getenv("AWS_REGION");
    struct conf *conf = cli_load_conf(arguments_get(&a, "--config"), CONF_FOR_SERVE);
    if (conf == NULL)
        return EXIT_FAILED;
    int code = EXIT_USAGE_ERROR;
    if (url_read(conf, str_from_c(a.operands[0]), str_from_c(region != NULL ? region : ""), &url,
                 &problem))
        code = explain(conf, &a, &url);
    else
        cli_usage_error("explain-url", problem, NULL);
    buf_done(&url.target);
    conf_unref(conf);
    return code;
}
