/*
 * penstock-manual PAGE [FILE]: the scdoc source of one man page, from the table of subcommands and
 * that of the settings. FILE is what a person wrote for the page; it stands behind the options. A
 * program of the build alone.
 */
#include "cli/command_help.h"
#include "cli/commands.h"
#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>

enum { PAGE_BYTES = 1024 * 1024, WRONG_ARGUMENTS = 64 };

/* What scdoc would take for its own stands behind a backslash; `code` becomes bold. */
static void put_text(struct buf *out, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '`') {
            buf_byte(out, '*');
            continue;
        }
        if (strchr("\\*_#", *text) != NULL)
            buf_byte(out, '\\');
        buf_byte(out, *text);
    }
}

static void put_line(struct buf *out, const char *before, const char *text)
{
    buf_append(out, str_from_c(before));
    put_text(out, text);
    buf_byte(out, '\n');
}

static void put_marked(struct buf *out, char mark, const char *text)
{
    buf_byte(out, mark);
    put_text(out, text);
    buf_byte(out, mark);
}

static void put_title(struct buf *out, const char *name, unsigned section, const char *summary)
{
    buf_printf(out, "%s(%u) \"penstock " PENSTOCK_VERSION "\" \"penstock\"\n\n# NAME\n\n", name,
               section);
    buf_printf(out, "%s - ", name);
    put_text(out, summary);
    buf_append(out, STR("\n\n"));
}

static bool put_file(struct buf *out, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    char piece[4096];
    size_t n = 0;
    if (file == NULL)
        return path == NULL;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0)
        buf_append(out, str_of(piece, n));
    bool ok = ferror(file) == 0;
    fclose(file);
    buf_byte(out, '\n');
    return ok;
}

static void put_see_also(struct buf *out, const char *but)
{
    buf_append(out, STR("# SEE ALSO\n\n"));
    if (strcmp(but, "penstock") != 0)
        buf_append(out, STR("*penstock*(1), "));
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++)
        if (strcmp(cli_commands[i].name, but) != 0)
            buf_printf(out, "*penstock-%s*(1), ", cli_commands[i].name);
    buf_append(out, strcmp(but, "penstock.yaml") == 0 ? STR("*resolv.conf*(5)\n")
                                                      : STR("*penstock.yaml*(5)\n"));
}

static void put_synopsis(struct buf *out, enum cli_id id)
{
    struct buf usage;
    struct str line;
    buf_init(&usage, PAGE_BYTES);
    command_usage(id, &usage);
    struct str rest = str_from(buf_str(&usage), strlen("usage: "));
    buf_append(out, STR("# SYNOPSIS\n\n"));
    /* One line: whoever shows the page wraps it. */
    while (str_next(&rest, '\n', &line)) {
        char text[256];
        snprintf(text, sizeof text, "%.*s ", STR_ARG(str_trim(line)));
        put_text(out, text);
    }
    buf_append(out, STR("\n\n"));
    buf_done(&usage);
}

static void put_description(struct buf *out, enum cli_id id)
{
    const struct cli_command *c = &cli_commands[id];
    buf_append(out, STR("# DESCRIPTION\n\n"));
    buf_printf(out, "*penstock %s*: ", c->name);
    put_text(out, c->summary);
    buf_append(out, STR(".\n\n"));
    if (c->about[0] != 0)
        put_line(out, "", c->about);
    buf_byte(out, '\n');
}

static void put_options(struct buf *out, enum cli_id id)
{
    const struct cli_operand *p;
    const struct cli_option *o;
    buf_append(out, STR("# OPTIONS\n\n"));
    CLI_EACH (p, cli_operands, id) {
        put_marked(out, '_', p->name);
        put_line(out, "\n\t", p->help);
        buf_byte(out, '\n');
    }
    CLI_EACH (o, cli_options, id) {
        if (o->letter != 0)
            buf_printf(out, "*-%c*, ", o->letter);
        put_marked(out, '*', o->name);
        if (o->value[0] != 0) {
            buf_byte(out, ' ');
            put_marked(out, '_', o->value);
        }
        put_line(out, "\n\t", o->help);
        if (o->flags & CLI_MANY)
            buf_append(out, STR("\tMay be given again.\n"));
        buf_byte(out, '\n');
    }
    buf_append(out, STR("*--help*\n\ta summary of this page\n\n"));
}

static void put_exits(struct buf *out, enum cli_id id)
{
    const struct cli_exit *e;
    bool says_usage = false;
    buf_append(out, STR("# EXIT STATUS\n\n"));
    CLI_EACH (e, cli_exits, id) {
        buf_printf(out, "*%d*", e->code);
        put_line(out, "\n\t", e->meaning);
        buf_byte(out, '\n');
        says_usage = says_usage || e->code == WRONG_ARGUMENTS;
    }
    if (!says_usage)
        buf_printf(out, "*%d*\n\twrong arguments\n\n", WRONG_ARGUMENTS);
}

static void put_examples(struct buf *out, enum cli_id id)
{
    const struct cli_example *e;
    bool is_first = true;
    CLI_EACH (e, cli_examples, id) {
        buf_append(out, is_first ? STR("# EXAMPLES\n\n") : STR(""));
        put_text(out, e->what);
        buf_printf(out, ":\n\n```\n%s\n```\n\n", e->line);
        is_first = false;
    }
}

static bool put_command(struct buf *out, enum cli_id id, const char *file)
{
    char name[64];
    snprintf(name, sizeof name, "penstock-%s", cli_commands[id].name);
    put_title(out, name, 1, cli_commands[id].summary);
    put_synopsis(out, id);
    put_description(out, id);
    put_options(out, id);
    bool ok = put_file(out, file);
    put_exits(out, id);
    put_examples(out, id);
    put_see_also(out, cli_commands[id].name);
    return ok;
}

static bool put_overview(struct buf *out, const char *file)
{
    put_title(out, "penstock", 1, "an S3 proxy for private networks that DNS cannot break");
    buf_append(out, STR("# SYNOPSIS\n\n*penstock* _COMMAND_ [_ARGUMENTS_]\n\n"
                        "*penstock help* [_COMMAND_]\n\n*penstock --version*\n\n"));
    bool ok = put_file(out, file);
    buf_append(out, STR("# COMMANDS\n\n"));
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++) {
        buf_printf(out, "*penstock-%s*(1)", cli_commands[i].name);
        put_line(out, "\n\t", cli_commands[i].summary);
        buf_byte(out, '\n');
    }
    put_see_also(out, "penstock");
    return ok;
}

/* A list may have spaces, and a line is broken there. */
static void put_list(struct buf *out, const char *text)
{
    for (; *text != 0; text++) {
        const char one[] = { *text, 0 };
        put_text(out, one);
        if (*text == ',')
            buf_byte(out, ' ');
    }
}

static bool put_settings(struct buf *out, const char *file)
{
    put_title(out, "penstock.yaml", 5, "settings of penstock, in the environment or a file");
    bool ok = put_file(out, file);
    buf_append(out, STR("# SETTINGS\n\n"));
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        struct conf_doc d = conf_doc((enum conf_setting)s);
        put_marked(out, '*', d.key);
        buf_append(out, STR(" ("));
        put_text(out, d.type);
        buf_append(out, d.initial[0] ? STR("; default: ") : STR("; not set"));
        put_list(out, d.initial);
        put_line(out, ")\n\t", d.help);
        if (d.more[0] != 0)
            put_line(out, "\t", d.more);
        if (d.is_at_start)
            put_line(out, "\t", "A change needs a restart.");
        buf_byte(out, '\n');
    }
    put_see_also(out, "penstock.yaml");
    return ok;
}

int main(int argc, char **argv)
{
    struct buf out;
    enum cli_id id;
    const char *page = argc > 1 ? argv[1] : "", *file = argc > 2 ? argv[2] : NULL;
    bool ok = false;
    buf_init(&out, PAGE_BYTES);
    if (strcmp(page, "penstock") == 0)
        ok = put_overview(&out, file);
    else if (strcmp(page, "penstock.yaml") == 0)
        ok = put_settings(&out, file);
    else if (str_starts(str_from_c(page), STR("penstock-")) &&
             cli_find(str_from_c(page + strlen("penstock-")), &id))
        ok = put_command(&out, id, file);
    ok = ok && !out.failed && fwrite(out.p, 1, out.n, stdout) == out.n && fflush(stdout) == 0;
    if (!ok)
        fprintf(stderr, "penstock-manual: no page %s, or its file cannot be read\n", page);
    buf_done(&out);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
