#include "cli/admin_client.h"
#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/lookup_text.h"
#include "cli/routes_text.h"

#include "dns/routes_json.h"

#include <stdio.h>
#include <stdlib.h>

/* From the settings and the files alone: nobody was asked anything, so no health is known. */
static json_t *read_self(const struct conf *conf)
{
    struct fault f = { .kind = FAULT_NONE };
    struct buf text;
    struct dns_shared *shared = dns_shared_new(conf, &f);
    if (shared == NULL)
        return NULL;
    buf_init(&text, OUTPUT_BYTES);
    dns_routes_json(shared, 0, "command", &text);
    json_t *document = text.failed ? NULL : json_loadb(text.p, text.n, 0, NULL);
    buf_done(&text);
    dns_shared_free(shared);
    return document;
}

static bool show(const json_t *document, bool wants_json, const struct addr *admin, const char *why)
{
    struct output o;
    char at[ADDR_TEXT_BYTES];
    if (wants_json)
        return output_print_json(document);
    output_init(&o);
    const char *where = addr_family(admin) != AF_UNSPEC ? addr_text(admin, at) : "";
    if (why == NULL)
        output_line(&o, STYLE_DIM, "from the running penstock (%s, process %.0f)", where,
                    json_get_number(json_object_get(document, "by"), "pid"));
    else
        output_line(&o, STYLE_DIM, "from the settings alone: no penstock runs here (%s%s%s)", where,
                    where[0] ? ": " : "", why);
    routes_text(&o, document);
    return output_print(&o);
}

int cmd_routes(int argc, char **argv)
{
    struct arguments a;
    const char *why;
    struct addr admin;
    if (!arguments_read(CLI_ROUTES, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    struct conf *conf = cli_load_conf(arguments_get(&a, "--config"), CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_FAILED;
    json_t *document = admin_get(conf, STR("/dns/routes"), &admin, &why);
    if (document != NULL)
        why = NULL;
    else
        document = read_self(conf);
    bool ok = document != NULL && show(document, arguments_get(&a, "--json") != NULL, &admin, why);
    if (document == NULL)
        fputs("penstock routes: out of memory\n", stderr);
    json_decref(document);
    conf_unref(conf);
    return ok ? EXIT_OK : EXIT_FAILED;
}
