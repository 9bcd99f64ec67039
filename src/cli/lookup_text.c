#include "cli/lookup_text.h"

#include <stdio.h>

struct view {
    bool is_one_of_many; /* questions side by side */
    bool is_alone;       /* one server was asked: routes and groups decided nothing */
};

const char *json_get_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

double json_get_number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static const char *time_text(double ms, char text[static 32])
{
    if (ms < 10)
        snprintf(text, 32, "%.1f ms", ms);
    else if (ms < 1000)
        snprintf(text, 32, "%.0f ms", ms);
    else
        snprintf(text, 32, "%.1f s", ms / 1000);
    return text;
}

static const char *group_text(const char *group)
{
    if (strcmp(group, "vpc") == 0)
        return "Amazon's servers";
    if (strcmp(group, "system") == 0)
        return "the system's servers";
    return strcmp(group, "setting") == 0 ? "servers of the settings" : group;
}

static const char *route_text(const char *from)
{
    if (strcmp(from, "setting") == 0)
        return "from PENSTOCK_DNS_ROUTES";
    if (strcmp(from, "registry") == 0)
        return "the registry's own name, from INTERNAL_REGISTRY_URL";
    return from;
}

static enum style result_style(const json_t *o)
{
    const char *result = json_get_text(o, "result");
    if (is_true(o, "answered"))
        return STYLE_GOOD;
    return strcmp(result, "NODATA") == 0 || strcmp(result, "not waited for") == 0 ? STYLE_WARN
                                                                                  : STYLE_BAD;
}

/* Said by a server, rather than for want of one. */
static bool is_no(const json_t *question)
{
    const char *result = json_get_text(question, "result");
    return strcmp(result, "NXDOMAIN") == 0 || strcmp(result, "NODATA") == 0;
}

static const char *result_text(const json_t *question)
{
    const char *result = json_get_text(question, "result");
    if (strcmp(result, "NODATA") == 0)
        return "the name exists, without this type (NODATA)";
    if (strcmp(result, "NXDOMAIN") == 0)
        return "no such name (NXDOMAIN)";
    return is_true(question, "answered") ? "answered" : result;
}

static void write_data(struct output *o, const json_t *question)
{
    const json_t *row;
    size_t i;
    struct table t;
    if (!table_init(&t)) {
        o->text.failed = true;
        return;
    }
    json_array_foreach (json_object_get(question, "aliases"), i, row) {
        table_cell(&t, STYLE_PLAIN, "%s", json_get_text(row, "name"));
        table_cell(&t, STYLE_DIM, "%.0f s", json_get_number(row, "ttl_s"));
        table_cell(&t, STYLE_PLAIN, "alias of %s", json_get_text(row, "data"));
        table_next(&t);
    }
    json_array_foreach (json_object_get(question, "records"), i, row) {
        table_cell(&t, STYLE_PLAIN, "%s", json_get_text(row, "name"));
        table_cell(&t, STYLE_DIM, "%.0f s", json_get_number(row, "ttl_s"));
        table_cell(&t, STYLE_BOLD, "%s %s", json_get_text(row, "type"), json_get_text(row, "data"));
        table_next(&t);
    }
    table_print(o, &t, 2);
    table_done(&t);
}

static void write_cache(struct table *t, const json_t *question)
{
    const char *cache = json_get_text(question, "cache");
    table_cell(t, STYLE_DIM, "cache");
    if (strcmp(cache, "fresh") == 0)
        table_cell(t, STYLE_PLAIN, "fresh, for %.0f s more", json_get_number(question, "ttl_s"));
    else if (strcmp(cache, "stale") == 0)
        table_cell(t, STYLE_WARN, "stale: %.0f s past its time, for no server answered",
                   json_get_number(question, "stale_s"));
    else if (strcmp(cache, "negative") == 0)
        table_cell(t, STYLE_PLAIN, "the same was said a moment ago");
    else if (strcmp(cache, "failed") == 0)
        table_cell(t, STYLE_WARN, "failed a moment ago: not asked again yet");
    else
        table_cell(t, STYLE_PLAIN, "not used");
    table_next(t);
}

static void write_source(struct table *t, const json_t *question)
{
    const char *group = json_get_text(question, "group"),
               *source = json_get_text(question, "source");
    char took[32];
    table_cell(t, STYLE_DIM, "answer");
    if (strcmp(source, "hosts") == 0)
        table_cell(t, STYLE_PLAIN, "known here: the hosts file, or a name that is never asked for");
    else if (strcmp(source, "cache") == 0 || strcmp(source, "stale") == 0)
        table_cell(t, STYLE_PLAIN, "of %s, from the cache", group_text(group));
    else if (group[0] != 0)
        table_cell(t, STYLE_PLAIN, "of %s, in %s", group_text(group),
                   time_text(json_get_number(question, "took_ms"), took));
    else
        table_cell(t, STYLE_PLAIN, "%s, after %s",
                   is_no(question) ? "that there is none" : "none that can be used",
                   time_text(json_get_number(question, "took_ms"), took));
    table_next(t);
}

static void write_reasons(struct output *o, const json_t *question)
{
    struct table t;
    const json_t *route = json_object_get(question, "route"), *hop;
    size_t i;
    if (!table_init(&t)) {
        o->text.failed = true;
        return;
    }
    if (json_is_object(route)) {
        const char *zone = json_get_text(route, "zone"),
                   *from = route_text(json_get_text(route, "from"));
        table_cell(&t, STYLE_DIM, "route");
        if (strcmp(zone, ".") == 0)
            table_cell(&t, STYLE_PLAIN, "of everything that has none of its own (%s)", from);
        else
            table_cell(&t, STYLE_PLAIN, "%s: the longest zone that the name is in (%s)", zone,
                       from);
        table_next(&t);
    }
    json_array_foreach (json_object_get(question, "hops"), i, hop) {
        table_cell(&t, STYLE_DIM, "then");
        table_cell(&t, STYLE_PLAIN, "%s by the route of %s (%s)", json_get_text(hop, "name"),
                   json_get_text(hop, "zone"), route_text(json_get_text(hop, "from")));
        table_next(&t);
    }
    write_source(&t, question);
    write_cache(&t, question);
    table_print(o, &t, 2);
    table_done(&t);
}

/* With two types side by side each shows what was asked for itself. */
static bool is_shown(const json_t *try, const json_t *question, const struct view *v)
{
    return !v->is_one_of_many ||
           strcmp(json_get_text(try, "type"), json_get_text(question, "type")) == 0;
}

static void write_try(struct table *t, const json_t *try, const json_t *question,
                      const struct view *v)
{
    char took[32], server[128];
    bool is_known = is_true(try, "known");
    const char *name = json_get_text(try, "name");
    bool is_same = strcmp(name, json_get_text(question, "name")) == 0;
    table_cell(t, STYLE_PLAIN, "%s", output_server(json_get_text(try, "server"), server));
    if (!v->is_alone)
        table_cell(t, STYLE_DIM, "%s", group_text(json_get_text(try, "group")));
    table_cell(t, STYLE_DIM, "%s%s", json_get_text(try, "type"), is_true(try, "tcp") ? "/tcp" : "");
    table_cell(t, result_style(try), "%s", json_get_text(try, "result"));
    table_cell(t, STYLE_PLAIN, "%s",
               is_known ? "known" : time_text(json_get_number(try, "took_ms"), took));
    if (!is_same)
        table_cell(t, STYLE_DIM, "%s", name[0] ? name : "(an alias)");
    table_next(t);
}

static void write_tries(struct output *o, const json_t *question, const struct view *v)
{
    const json_t *tries = json_object_get(question, "tries"), *try;
    size_t i;
    struct table t;
    if (json_array_size(tries) == 0)
        return;
    if (!table_init(&t)) {
        o->text.failed = true;
        return;
    }
    json_array_foreach (tries, i, try)
        if (is_shown(try, question, v))
            write_try(&t, try, question, v);
    output_line(o, STYLE_DIM, "  servers");
    table_print(o, &t, 4);
    if (json_get_number(question, "more_tries") > 0)
        output_line(o, STYLE_DIM, "    and %.0f more", json_get_number(question, "more_tries"));
    table_done(&t);
}

static bool stood_before(const json_t *tries, size_t at, const char *dig)
{
    for (size_t i = 0; i < at; i++)
        if (strcmp(json_get_text(json_array_get(tries, i), "dig"), dig) == 0)
            return true;
    return false;
}

static void write_digs(struct output *o, const json_t *question, const struct view *v)
{
    const json_t *tries = json_object_get(question, "tries"), *try;
    bool has_title = false;
    size_t i;
    json_array_foreach (tries, i, try) {
        const char *dig = json_get_text(try, "dig");
        if (dig[0] == 0 || stood_before(tries, i, dig) || !is_shown(try, question, v))
            continue;
        if (!has_title)
            output_line(o, STYLE_DIM, "  to ask the same");
        has_title = true;
        output_line(o, STYLE_PLAIN, "    %s", dig);
    }
}

static void write_question(struct output *o, const json_t *question, const struct view *v)
{
    buf_byte(&o->text, '\n');
    output_text(o, STYLE_BOLD, str_from_c(json_get_text(question, "name")));
    buf_byte(&o->text, ' ');
    output_text(o, STYLE_BOLD, str_from_c(json_get_text(question, "type")));
    buf_append(&o->text, STR(": "));
    output_line(o, result_style(question), "%s", result_text(question));
    write_data(o, question);
    if (!v->is_alone)
        write_reasons(o, question);
    write_tries(o, question, v);
    write_digs(o, question, v);
}

void lookup_text(struct output *o, const json_t *document, bool is_alone)
{
    const json_t *questions = json_object_get(document, "questions"), *question;
    size_t i;
    const struct view view = { json_array_size(questions) > 1, is_alone };
    json_array_foreach (questions, i, question)
        write_question(o, question, &view);
}

bool lookup_is_answered(const json_t *document)
{
    const json_t *question;
    size_t i;
    json_array_foreach (json_object_get(document, "questions"), i, question)
        if (is_true(question, "answered"))
            return true;
    return false;
}
