#include "cli/routes_text.h"

#include "cli/lookup_text.h"

#include <stdio.h>

enum { WHERE_BYTES = 512, SERVERS_BYTES = 1024 };

static void write_servers(const json_t *group, char text[static SERVERS_BYTES])
{
    const json_t *server;
    size_t i, at = 0;
    char one[128];
    text[0] = 0;
    json_array_foreach (json_object_get(group, "servers"), i, server)
        if (at < SERVERS_BYTES)
            at += (size_t)snprintf(text + at, SERVERS_BYTES - at, "%s%s", i > 0 ? ", " : "",
                                   output_server(json_get_text(server, "address"), one));
}

/* "PENSTOCK_DNS_SERVERS (environment)", "/etc/resolv.conf, lines 1, 3". */
static void write_where(const json_t *group, char text[static WHERE_BYTES])
{
    const json_t *server;
    size_t i, at, n_lines = 0, n_servers = json_array_size(json_object_get(group, "servers"));
    const char *from = json_get_text(group, "from"), *where = json_get_text(group, "where");
    if (strcmp(from, "resolv.conf") != 0) {
        snprintf(text, WHERE_BYTES, "%s (%s)", from, where);
        return;
    }
    at = (size_t)snprintf(text, WHERE_BYTES, "%s", where);
    json_array_foreach (json_object_get(group, "servers"), i, server) {
        double line = json_get_number(server, "line");
        if (line <= 0 || at >= WHERE_BYTES)
            continue;
        at += (size_t)snprintf(text + at, WHERE_BYTES - at, "%s%.0f",
                               n_lines++ > 0   ? ", "
                               : n_servers > 1 ? " lines "
                                               : " line ",
                               line);
    }
}

static const char *zone_label(const json_t *route)
{
    const char *zone = json_get_text(route, "zone");
    return strcmp(zone, ".") == 0 ? "everything else" : zone;
}

/* The built-in zones are many, and asked alike: they are one row, told one by one below. */
static bool is_alike(const json_t *a, const json_t *b)
{
    return strcmp(json_get_text(a, "from"), "built in") == 0 &&
           strcmp(json_get_text(b, "from"), "built in") == 0 &&
           json_is_true(json_object_get(a, "every_failure_moves_on")) &&
           json_is_true(json_object_get(b, "every_failure_moves_on")) &&
           json_equal(json_object_get(a, "groups"), json_object_get(b, "groups"));
}

static unsigned n_alike(const json_t *routes, size_t at)
{
    unsigned n = 0;
    for (size_t i = 0; i < json_array_size(routes); i++)
        n += is_alike(json_array_get(routes, i), json_array_get(routes, at));
    return n;
}

static bool stood_before(const json_t *routes, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (is_alike(json_array_get(routes, i), json_array_get(routes, at)))
            return true;
    return false;
}

static void write_groups(struct table *t, const json_t *route)
{
    char servers[SERVERS_BYTES], where[WHERE_BYTES];
    const json_t *groups = json_object_get(route, "groups"), *group;
    size_t i;
    if (json_array_size(groups) == 0)
        table_cell(t, STYLE_BAD, "nobody: no server is known");
    json_array_foreach (groups, i, group) {
        if (i > 0) {
            table_next(t);
            table_cell(t, STYLE_PLAIN, "%s", "");
        }
        write_servers(group, servers);
        write_where(group, where);
        table_cell(t, STYLE_PLAIN, "%s%s", i > 0 ? "else " : "", servers);
        table_cell(t, STYLE_DIM, "%s", where);
    }
    table_next(t);
}

static void write_route(struct table *t, const json_t *routes, size_t at)
{
    const json_t *route = json_array_get(routes, at);
    unsigned n = n_alike(routes, at);
    if (stood_before(routes, at))
        return;
    if (n > 1)
        table_cell(t, STYLE_BOLD, "%u AWS zones*", n);
    else
        table_cell(t, STYLE_BOLD, "%s", zone_label(route));
    write_groups(t, route);
}

/* The names of the row with the asterisk. */
static void write_alike(struct output *o, const json_t *routes)
{
    enum { LINE_CHARS = 92 };
    size_t line_n = 0;
    bool is_first = true;
    for (size_t i = 0; i < json_array_size(routes); i++) {
        const char *zone = zone_label(json_array_get(routes, i));
        if (n_alike(routes, i) < 2)
            continue;
        if (line_n > 0 && line_n + strlen(zone) > LINE_CHARS) {
            buf_append(&o->text, STR(",\n"));
            line_n = 0;
        }
        struct str gap = is_first ? STR("* ") : line_n == 0 ? STR("  ") : STR(", ");
        output_text(o, STYLE_DIM, gap);
        output_text(o, STYLE_DIM, str_from_c(zone));
        line_n += gap.n + strlen(zone);
        is_first = false;
    }
    if (!is_first)
        buf_byte(&o->text, '\n');
}

static void write_routes(struct output *o, const json_t *document)
{
    const json_t *routes = json_object_get(document, "routes");
    struct table t;
    if (!table_init(&t)) {
        o->text.failed = true;
        return;
    }
    table_cell(&t, STYLE_DIM, "names in");
    table_cell(&t, STYLE_DIM, "ask");
    table_cell(&t, STYLE_DIM, "because of");
    table_next(&t);
    for (size_t i = 0; i < json_array_size(routes); i++)
        write_route(&t, routes, i);
    buf_byte(&o->text, '\n');
    table_print(o, &t, 0);
    table_done(&t);
    write_alike(o, routes);
}

static enum style health_style(const char *health)
{
    if (strcmp(health, "well") == 0)
        return STYLE_GOOD;
    if (strcmp(health, "suspect") == 0)
        return STYLE_BAD;
    return strcmp(health, "failing") == 0 ? STYLE_WARN : STYLE_DIM;
}

static const char *health_text(const char *health)
{
    return strcmp(health, "suspect") == 0 ? "down" : health;
}

static const char *ago_text(const json_t *ms_ago, char text[static 32])
{
    double s = json_number_value(ms_ago) / 1000;
    if (!json_is_number(ms_ago))
        return "never";
    if (s < 90)
        snprintf(text, 32, "%.0f s ago", s);
    else
        snprintf(text, 32, "%.0f min ago", s / 60);
    return text;
}

/* What a person has to know of a server beside its health; "" for nothing. */
static void write_notes(const json_t *server, char text[static WHERE_BYTES])
{
    const json_t *avoided = json_object_get(server, "avoided"), *row;
    size_t i, at = 0;
    double failures = json_get_number(server, "failures_in_a_row");
    text[0] = 0;
    if (failures > 0)
        at += (size_t)snprintf(text, WHERE_BYTES, "%.0f failures in a row; ", failures);
    json_array_foreach (avoided, i, row)
        if (at < WHERE_BYTES)
            at += (size_t)snprintf(text + at, WHERE_BYTES - at, "not first for %s; ",
                                   zone_label(row));
    if (at < WHERE_BYTES && json_is_false(json_object_get(server, "edns")))
        at += (size_t)snprintf(text + at, WHERE_BYTES - at, "asked without EDNS; ");
    if (at < WHERE_BYTES && json_get_number(server, "budget_left") < 1)
        at += (size_t)snprintf(text + at, WHERE_BYTES - at, "over its packets a second; ");
    if (at >= 2 && at < WHERE_BYTES)
        text[at - 2] = 0;
}

static void write_server(struct table *t, const json_t *server)
{
    char one[128], ago[32], notes[WHERE_BYTES];
    const json_t *rtt = json_object_get(server, "rtt_ms"),
                 *counts = json_object_get(server, "counts");
    const char *health = json_get_text(server, "health");
    table_cell(t, STYLE_PLAIN, "%s", output_server(json_get_text(server, "address"), one));
    table_cell(t, health_style(health), "%s", health_text(health));
    if (json_is_number(rtt))
        table_cell(t, STYLE_PLAIN, "%.1f ms", json_number_value(rtt));
    else
        table_cell(t, STYLE_DIM, "-");
    table_cell(t, STYLE_PLAIN, "%.0f",
               json_get_number(counts, "udp") + json_get_number(counts, "tcp"));
    table_cell(t, STYLE_PLAIN, "%.0f",
               json_get_number(counts, "timeouts") + json_get_number(counts, "unreachable"));
    table_cell(t, STYLE_PLAIN, "%s", ago_text(json_object_get(server, "used_ms_ago"), ago));
    write_notes(server, notes);
    table_cell(t, STYLE_WARN, "%s", notes);
    table_next(t);
}

static void write_health(struct output *o, const json_t *document)
{
    static const char *const titles[] = { "server", "health",   "replies in",
                                          "asked",  "no reply", "last asked" };
    const json_t *server;
    size_t i;
    struct table t;
    if (json_array_size(json_object_get(document, "servers")) == 0)
        return;
    if (!table_init(&t)) {
        o->text.failed = true;
        return;
    }
    for (i = 0; i < sizeof titles / sizeof *titles; i++)
        table_cell(&t, STYLE_DIM, "%s", titles[i]);
    table_cell(&t, STYLE_DIM, "%s", "");
    table_next(&t);
    json_array_foreach (json_object_get(document, "servers"), i, server)
        write_server(&t, server);
    buf_byte(&o->text, '\n');
    table_print(o, &t, 0);
    table_done(&t);
}

static void write_left_out(struct output *o, const json_t *document)
{
    const json_t *row;
    size_t i;
    json_array_foreach (json_object_get(document, "left_out"), i, row)
        output_line(o, STYLE_WARN, "%s line %.0f: %s is left out: %s",
                    json_get_text(document, "resolv_conf"), json_get_number(row, "line"),
                    json_get_text(row, "address"), json_get_text(row, "why"));
}

/* Why somebody has nobody to ask. */
static void write_nobody(struct output *o, const json_t *document)
{
    const json_t *route;
    size_t i;
    bool is_nobody = false;
    json_array_foreach (json_object_get(document, "routes"), i, route)
        is_nobody |= json_array_size(json_object_get(route, "groups")) == 0;
    if (is_nobody && json_is_true(json_object_get(document, "reads_resolv_conf")))
        output_line(o, STYLE_BAD,
                    "%s names no server that can be asked, and PENSTOCK_DNS_SERVERS is not set",
                    json_get_text(document, "resolv_conf"));
}

/* Only those for which something is other than usual. */
static void write_endpoints(struct output *o, const json_t *document)
{
    const json_t *row;
    size_t i;
    buf_byte(&o->text, '\n');
    json_array_foreach (json_object_get(document, "endpoints"), i, row) {
        const char *name = json_get_text(row, "name");
        if (json_is_true(json_object_get(row, "all_failed")))
            output_line(o, STYLE_BAD, "%s: all servers failed; asked again in the background",
                        name);
        else if (json_get_number(row, "group") > 0)
            output_line(o, STYLE_WARN, "%s: the second choice is asked first now, it worked", name);
    }
}

void routes_text(struct output *o, const json_t *document)
{
    const json_t *cache = json_object_get(document, "cache");
    bool is_running =
        strcmp(json_get_text(json_object_get(document, "by"), "what"), "process") == 0;
    write_routes(o, document);
    write_nobody(o, document);
    if (!json_is_true(json_object_get(document, "asks_amazon")))
        output_line(o, STYLE_DIM, "Amazon's own servers are not asked (PENSTOCK_DNS_AWS)");
    write_left_out(o, document);
    if (!is_running)
        return;
    write_health(o, document);
    write_endpoints(o, document);
    output_line(o, STYLE_DIM, "cache: %.0f answers, %.0f of %.0f KiB",
                json_get_number(cache, "entries"), json_get_number(cache, "bytes") / 1024,
                json_get_number(cache, "max_bytes") / 1024);
}
