#include "cli/admin_client.h"
#include "cli/cli.h"
#include "cli/lookup_text.h"
#include "cli/own_lookup.h"

#include "codec/dns_reverse.h"
#include "codec/uri_query.h"
#include "dns/status.h"

#include <stdio.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 64 * 1024 * 1024 };

struct arguments {
    const char *name, *type, *server, *file;
    bool by_tcp, skips_cache, compares, wants_json;
    /* read */
    struct dns_name qname;
    unsigned n_types;
    uint16_t types[DNS_REPORT_TYPES];
    struct addr server_addr;
};

static bool take_flag(struct arguments *a, const char *argument)
{
    const struct {
        const char *name;
        bool *flag;
    } flags[] = { { "--tcp", &a->by_tcp },
                  { "--no-cache", &a->skips_cache },
                  { "--compare", &a->compares },
                  { "--json", &a->wants_json } };
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(argument, flags[i].name) == 0)
            return *flags[i].flag = true;
    return false;
}

/* "--server ADDR" or "--server=ADDR"; 1: taken, 0: something else, -1: ADDR is missing. */
static int take_server(struct arguments *a, int argc, char **argv, int *at)
{
    struct str argument = str_from_c(argv[*at]), name = STR("--server");
    if (str_starts(argument, STR("--server="))) {
        a->server = argv[*at] + name.n + 1;
        return 1;
    }
    if (!str_eq(argument, name))
        return 0;
    if (*at + 1 == argc)
        return -1;
    a->server = argv[++*at];
    return 1;
}

/* Without a type: addresses of a name, the name of an address. */
static int read_question(struct arguments *a)
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

static int parse(int argc, char **argv, struct arguments *a)
{
    bool has_options = true; /* until "--" */
    for (int i = 1; i < argc; i++) {
        if (has_options && strcmp(argv[i], "--") == 0) {
            has_options = false;
            continue;
        }
        int taken = has_options ? take_server(a, argc, argv, &i) : 0;
        if (taken < 0)
            return cli_usage_error("lookup", "no ADDR behind", argv[i]);
        if (taken > 0 ||
            (has_options && (take_flag(a, argv[i]) || cli_take_config(argc, argv, &i, &a->file))))
            continue;
        if (has_options && argv[i][0] == '-')
            return cli_usage_error("lookup", cli_problem(argv[i]), argv[i]);
        const char **word = a->name == NULL ? &a->name : &a->type;
        if (*word != NULL)
            return cli_usage_error("lookup", "unexpected", argv[i]);
        *word = argv[i];
    }
    if (a->name == NULL)
        return cli_usage_error("lookup", "which NAME?", NULL);
    if (a->server != NULL && !addr_parse(str_from_c(a->server), 53, &a->server_addr))
        return cli_usage_error("lookup", "no address:", a->server);
    if (a->server != NULL && a->compares)
        return cli_usage_error("lookup", "--compare asks all servers, not one:", a->server);
    return read_question(a);
}

static void set_report(const struct arguments *a, struct own_job *job)
{
    job->report.name = a->qname;
    job->report.n_types = a->n_types;
    memcpy(job->report.types, a->types, sizeof a->types);
    job->report.skips_cache = a->skips_cache;
}

/* "/dns/lookup?name=...": as it was understood here, so that both ask the same. */
static void write_target(const struct arguments *a, struct buf *out)
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

static json_t *ask_process(const struct arguments *a, const struct conf *conf, struct addr *at,
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
static json_t *ask_self(const struct arguments *a, const struct conf *conf, struct fault *f)
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

static void tell_who(struct output *o, const struct arguments *a, const json_t *document,
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

static bool is_answered(const struct arguments *a, const json_t *document)
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

static bool show(const struct arguments *a, const json_t *document, const struct addr *admin,
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
    struct arguments a = { 0 };
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
