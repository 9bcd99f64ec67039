#include "cli/admin_client.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/lookup_text.h"
#include "cli/own_lookup.h"

#include "codec/dns_reverse.h"
#include "codec/uri_query.h"
#include "dns/status.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 64 * 1024 * 1024 };

struct asked {
    const char *name, *type, *server, *file;
    bool by_tcp, skips_cache, compares, wants_json;
    /* read */
    struct dns_name qname;
    unsigned n_types;
    uint16_t types[DNS_REPORT_TYPES];
    struct addr server_addr;
};

/* Without a type: addresses of a name, the name of an address. */
static int read_question(struct asked *a)
{
    struct addr address;
    bool is_address = addr_parse_ip(str_from_c(a->name), &address);
    a->n_types = 1;
    if (is_address)
        dns_reverse_name(&address, &a->qname);
    else if (!dns_name_parse(str_from_c(a->name), &a->qname))
        return cli_usage_error("lookup", "no name that DNS takes:", a->name);
    if (a->type != NULL) {
        if (!dns_type_parse(str_from_c(a->type), &a->types[0]) || !dns_report_takes(a->types[0]))
            return cli_usage_error("lookup", "no type of records:", a->type);
    } else if (is_address) {
        a->types[0] = DNS_PTR;
    } else {
        a->types[0] = DNS_A;
        a->types[1] = DNS_AAAA;
        a->n_types = 2;
    }
    return EXIT_OK;
}

static int parse(int argc, char **argv, struct asked *a)
{
    struct arguments given;
    if (!arguments_read(CLI_LOOKUP, argc, argv, &given))
        return EXIT_USAGE_ERROR;
    a->name = given.operands[0];
    a->type = given.operands[1];
    a->server = arguments_get(&given, "--server");
    a->file = arguments_get(&given, "--config");
    a->by_tcp = arguments_get(&given, "--tcp") != NULL;
    a->skips_cache = arguments_get(&given, "--no-cache") != NULL;
    a->compares = arguments_get(&given, "--compare") != NULL;
    a->wants_json = arguments_get(&given, "--json") != NULL;
    if (a->server != NULL && !addr_parse(str_from_c(a->server), 53, &a->server_addr))
        return cli_usage_error("lookup", "no address:", a->server);
    if (a->server != NULL && a->compares)
        return cli_usage_error("lookup", "--compare asks all servers, not one:", a->server);
    return read_question(a);
}

static void set_report(const struct asked *a, struct own_job *job)
{
    job->report.name = a->qname;
    job->report.n_types = a->n_types;
    memcpy(job->report.types, a->types, sizeof a->types);
    job->report.skips_cache = a->skips_cache;
}

/* "/dns/lookup?name=...": as it was understood here, so that both ask the same. */
static void write_target(const struct asked *a, struct buf *out)
{
    char text[DNS_NAME_TEXT_BYTES], type[16];
    buf_append(out, STR("/dns/lookup?name="));
    uri_query_escape(out, str_from_c(dns_name_text(&a->qname, text)));
    if (a->n_types == 1) {
        buf_append(out, STR("&type="));
        uri_query_escape(out, str_from_c(dns_type_text(a->types[0], type)));
    }
    if (a->skips_cache)
        buf_append(out, STR("&no-cache=1"));
}

static json_t *ask_process(const struct asked *a, const struct conf *conf, struct addr *at,
                           const char **why)
{
    struct buf target;
    buf_init(&target, 8192);
    write_target(a, &target);
    json_t *document = admin_get(conf, buf_str(&target), at, why);
    buf_done(&target);
    return document;
}

/* Everybody that the settings know, each once. */
static unsigned known_servers(const struct conf *conf, struct own_job jobs[static OWN_MAX_JOBS])
{
    struct fault f = { .kind = FAULT_NONE };
    struct dns_status status;
    unsigned n = 0;
    struct dns_shared *shared = dns_shared_new(conf, &f);
    if (shared != NULL && dns_status_read(shared, 0, &status)) {
        for (; n < status.n_servers && n < OWN_MAX_JOBS; n++) {
            jobs[n].is_alone = true;
            jobs[n].server = status.servers[n].addr;
        }
        dns_status_done(&status);
    }
    dns_shared_free(shared);
    return n;
}

static void write_compared(const struct own_lookup *l, struct buf *out)
{
    struct json j = json_begin(out);
    json_open(&j, NULL, '{');
    dns_report_by("command", &j);
    json_open(&j, "servers", '[');
    for (unsigned i = 0; i < l->n_jobs; i++) {
        char text[ADDR_TEXT_BYTES];
        json_open(&j, NULL, '{');
        json_put_text(&j, "address", addr_text(&l->jobs[i].server, text));
        dns_report_json(&l->jobs[i].report, "questions", &j);
        json_close(&j, '{');
    }
    json_close(&j, '[');
    json_close(&j, '{');
}

/* With an engine of this command's own. NULL: *f says why. */
static json_t *ask_self(const struct asked *a, const struct conf *conf, struct fault *f)
{
    json_t *document = NULL;
    struct buf text;
    struct own_lookup l = { .conf = conf, .by_tcp = a->by_tcp, .n_jobs = 1 };
    l.jobs = calloc(OWN_MAX_JOBS, sizeof *l.jobs);
    if (l.jobs == NULL)
        return NULL;
    if (a->compares)
        l.n_jobs = known_servers(conf, l.jobs);
    l.jobs[0].is_alone |= a->server != NULL;
    if (a->server != NULL)
        l.jobs[0].server = a->server_addr;
    for (unsigned i = 0; i < l.n_jobs; i++)
        set_report(a, &l.jobs[i]);
    buf_init(&text, ANSWER_BYTES);
    if (own_lookup_run(&l, f)) {
        if (a->compares)
            write_compared(&l, &text);
        else
            dns_report_write(&l.jobs[0].report, "command", &text);
        document = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    }
    buf_done(&text);
    own_lookup_done(&l);
    free(l.jobs);
    return document;
}

static void tell_who(struct output *o, const struct asked *a, const json_t *document,
                     const struct addr *admin, const char *why)
{
    char text[ADDR_TEXT_BYTES];
    bool has_admin = addr_family(admin) != AF_UNSPEC;
    if (why == NULL)
        output_line(o, STYLE_DIM, "asked of the running penstock (%s, process %.0f)",
                    addr_text(admin, text),
                    json_get_number(json_object_get(document, "by"), "pid"));
    else if (a->compares)
        output_line(o, STYLE_DIM, "each known server asked by this command, alone");
    else if (a->server != NULL)
        output_line(o, STYLE_DIM, "one server asked by this command, alone");
    else if (a->by_tcp)
        output_line(o, STYLE_DIM,
                    "asked by this command over TCP, without what a running "
                    "penstock knows");
    else
        output_line(o, STYLE_DIM,
                    "asked by this command, with an empty cache: no penstock runs here (%s%s%s)",
                    has_admin ? addr_text(admin, text) : "", has_admin ? ": " : "", why);
}

static bool is_answered(const struct asked *a, const json_t *document)
{
    const json_t *server;
    size_t i;
    if (!a->compares)
        return lookup_is_answered(document);
    json_array_foreach (json_object_get(document, "servers"), i, server)
        if (lookup_is_answered(server))
            return true;
    return false;
}

static bool show(const struct asked *a, const json_t *document, const struct addr *admin,
                 const char *why)
{
    struct output o;
    if (a->wants_json)
        return output_print_json(document);
    output_init(&o);
    tell_who(&o, a, document, admin, why);
    if (a->compares)
        lookup_text_compared(&o, document);
    else
        lookup_text(&o, document, a->server != NULL);
    return output_print(&o);
}

int cmd_lookup(int argc, char **argv)
{
    struct asked a = { 0 };
    struct addr admin = { .sa.sa_family = AF_UNSPEC };
    const char *why = "not asked";
    struct fault f = { .kind = FAULT_NONE };
    json_t *document = NULL;
    int wrong = parse(argc, argv, &a);
    if (wrong)
        return wrong;
    struct conf *conf = cli_load_conf(a.file, CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_FAILED;
    if (a.server == NULL && !a.by_tcp && !a.compares)
        document = ask_process(&a, conf, &admin, &why);
    if (document != NULL)
        why = NULL;
    else
        document = ask_self(&a, conf, &f);
    int code = EXIT_FAILED;
    if (document == NULL)
        fprintf(stderr, "penstock lookup: %s\n", f.detail[0] ? f.detail : "out of memory");
    else if (show(&a, document, &admin, why) && is_answered(&a, document))
        code = EXIT_OK;
    json_decref(document);
    conf_unref(conf);
    return code;
}
