#include "cli/command_help.h"

#include "cli/cli.h"

#include <string.h>

enum { COLUMNS = 96, INDENT = 2, LEFT_MOST = 30, FORM_BYTES = 256 };

static void spaces(struct buf *out, size_t n)
{
    while (n-- > 0)
        buf_byte(out, ' ');
}

/* Words behind what stands in a line already; later lines begin at indent. */
static void wrap(struct buf *out, struct str text, size_t column, size_t indent)
{
    struct str word;
    bool is_first = true;
    while (str_next(&text, ' ', &word)) {
        if (!is_first && column + 1 + word.n > COLUMNS) {
            buf_byte(out, '\n');
            spaces(out, indent);
            column = indent;
        } else if (!is_first) {
            buf_byte(out, ' ');
            column++;
        }
        buf_append(out, word);
        column += word.n;
        is_first = false;
    }
    buf_byte(out, '\n');
}

void command_option_form(const struct cli_option *o, struct buf *out)
{
    if (o->letter != 0)
        buf_printf(out, "-%c, ", o->letter);
    buf_printf(out, "%s%s%s", o->name, o->value[0] ? " " : "", o->value);
}

static void put_piece(struct buf *out, size_t *column, size_t indent, struct str piece)
{
    if (*column + 1 + piece.n > COLUMNS) {
        buf_byte(out, '\n');
        spaces(out, indent);
        *column = indent;
    } else {
        buf_byte(out, ' ');
        ++*column;
    }
    buf_append(out, piece);
    *column += piece.n;
}

static const char *more(unsigned flags)
{
    return flags & CLI_MANY ? "..." : "";
}

void command_usage(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    const struct cli_operand *p;
    struct buf piece;
    size_t indent = strlen("usage: penstock ") + strlen(cli_commands[id].name), column = indent;
    buf_init(&piece, FORM_BYTES);
    buf_printf(out, "usage: penstock %s", cli_commands[id].name);
    CLI_EACH (p, cli_operands, id) {
        buf_clear(&piece);
        buf_printf(&piece, p->flags & CLI_REQUIRED ? "%s%s" : "[%s]%s", p->name, more(p->flags));
        put_piece(out, &column, indent + 1, buf_str(&piece));
    }
    for (unsigned required = 1; required < 2; required--) /* 1, then 0 */
        CLI_EACH (o, cli_options, id) {
            if ((o->flags & CLI_REQUIRED) != required)
                continue;
            buf_clear(&piece);
            buf_printf(&piece, required ? "%s%s%s%s" : "[%s%s%s]%s", o->name,
                       o->value[0] ? " " : "", o->value, more(o->flags));
            put_piece(out, &column, indent + 1, buf_str(&piece));
        }
    buf_byte(out, '\n');
    buf_done(&piece);
}

static void put_row(struct buf *out, struct str left, size_t width, const char *help)
{
    size_t at = INDENT + width + 2;
    spaces(out, INDENT);
    buf_append(out, left);
    if (left.n > width) {
        buf_byte(out, '\n');
        spaces(out, at);
    } else {
        spaces(out, width - left.n + 2);
    }
    wrap(out, str_from_c(help), at, at);
}

static size_t left_width(enum cli_id id, struct buf *form)
{
    const struct cli_option *o;
    const struct cli_operand *p;
    size_t width = strlen("--help");
    CLI_EACH (p, cli_operands, id)
        width = strlen(p->name) > width ? strlen(p->name) : width;
    CLI_EACH (o, cli_options, id) {
        buf_clear(form);
        command_option_form(o, form);
        width = form->n > width && form->n <= LEFT_MOST ? form->n : width;
    }
    return width;
}

static void put_rows(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    const struct cli_operand *p;
    struct buf form;
    buf_init(&form, FORM_BYTES);
    size_t width = left_width(id, &form);
    CLI_EACH (p, cli_operands, id)
        put_row(out, str_from_c(p->name), width, p->help);
    CLI_EACH (o, cli_options, id) {
        buf_clear(&form);
        command_option_form(o, &form);
        put_row(out, buf_str(&form), width, o->help);
    }
    put_row(out, STR("--help"), width, "this text");
    buf_done(&form);
}

static void put_exit(struct buf *out, int code, const char *meaning)
{
    buf_printf(out, "  %-3d ", code);
    wrap(out, str_from_c(meaning), 6, 6);
}

/* In their order: that for wrong arguments is every command's. */
static void put_exits(enum cli_id id, struct buf *out)
{
    const struct cli_exit *e;
    bool says_usage = false;
    buf_append(out, STR("\nexit status:\n"));
    CLI_EACH (e, cli_exits, id) {
        if (e->code > EXIT_USAGE_ERROR && !says_usage)
            put_exit(out, EXIT_USAGE_ERROR, "wrong arguments");
        put_exit(out, e->code, e->meaning);
        says_usage = says_usage || e->code >= EXIT_USAGE_ERROR;
    }
    if (!says_usage)
        put_exit(out, EXIT_USAGE_ERROR, "wrong arguments");
}

void command_help(enum cli_id id, struct buf *out)
{
    const struct cli_command *c = &cli_commands[id];
    const struct cli_example *e;
    bool is_first = true;
    wrap(out, str_from_c(c->summary), 0, 0);
    if (c->about[0] != 0)
        wrap(out, str_from_c(c->about), 0, 0);
    buf_byte(out, '\n');
    put_rows(id, out);
    put_exits(id, out);
    CLI_EACH (e, cli_examples, id) {
        buf_printf(out, "%s  %s:\n      %s\n", is_first ? "\nexamples:\n" : "", e->what, e->line);
        is_first = false;
    }
}

void command_list(struct buf *out)
{
    size_t width = 0;
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++)
        width = strlen(cli_commands[i].name) > width ? strlen(cli_commands[i].name) : width;
    buf_append(out, STR("penstock: an S3 proxy for private networks\n\n"
                        "usage: penstock COMMAND [ARGUMENTS]\n\n"));
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++)
        put_row(out, str_from_c(cli_commands[i].name), width, cli_commands[i].summary);
    buf_append(out, STR("\n  --help     this text; behind a command, or `penstock help COMMAND`: "
                        "what it takes\n  --version  the version\n\n"
                        "`penstock config help` lists the settings.\n"));
}
