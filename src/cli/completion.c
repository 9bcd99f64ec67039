#include "cli/completion.h"

#include "cli/commands.h"
#include "doctor/finding.h"

/* What rows have in "words", for every shell. */
enum completes { COMPLETES_NOTHING, COMPLETES_FILES, COMPLETES_FOLDERS, COMPLETES_WORDS };

static void put_names(struct buf *out)
{
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++)
        buf_printf(out, "%s%s", i > 0 ? " " : "", cli_commands[i].name);
}

/* Appends the words, one space between. */
static enum completes put_words(const char *words, struct buf *out)
{
    if (words[0] == 0)
        return COMPLETES_NOTHING;
    if (strcmp(words, "@file") == 0)
        return COMPLETES_FILES;
    if (strcmp(words, "@dir") == 0)
        return COMPLETES_FOLDERS;
    if (strcmp(words, "@command") == 0) {
        put_names(out);
    } else if (strcmp(words, "@finding") == 0) {
        for (unsigned i = 0; i < N_FINDING_CODES; i++)
            buf_printf(out, "%s%s", i > 0 ? " " : "", finding_row((enum finding_code)i)->code);
    } else {
        buf_append(out, str_from_c(words));
    }
    return COMPLETES_WORDS;
}

/* Inside '...'; with a backslash before what is in `special`. */
static void put_quoted(struct buf *out, const char *text, const char *special)
{
    for (; *text != 0; text++) {
        if (*text == '\'') {
            buf_append(out, STR("'\\''"));
            continue;
        }
        if (strchr(special, *text) != NULL)
            buf_byte(out, '\\');
        buf_byte(out, *text);
    }
}

/* bash */

static void put_bash_reply(const char *words, struct buf *out)
{
    size_t at = out->n;
    buf_append(out, STR("_penstock_words \""));
    enum completes kind = put_words(words, out);
    if (kind == COMPLETES_WORDS) {
        buf_append(out, STR("\""));
        return;
    }
    out->n = at;
    buf_append(out, kind == COMPLETES_FILES     ? STR("_penstock_files -f")
                    : kind == COMPLETES_FOLDERS ? STR("_penstock_files -d")
                                                : STR(":"));
}

static void put_bash_values(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    CLI_EACH (o, cli_options, id) {
        if (o->value[0] == 0)
            continue;
        buf_printf(out, "    %s:%s", cli_commands[id].name, o->name);
        if (o->letter != 0)
            buf_printf(out, " | %s:-%c", cli_commands[id].name, o->letter);
        buf_append(out, STR(") "));
        put_bash_reply(o->words, out);
        buf_append(out, STR("; return ;;\n"));
    }
}

static void put_bash_valued(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    buf_printf(out, "    %s) valued=' ", cli_commands[id].name);
    CLI_EACH (o, cli_options, id) {
        if (o->value[0] != 0)
            buf_printf(out, "%s ", o->name);
        if (o->value[0] != 0 && o->letter != 0)
            buf_printf(out, "-%c ", o->letter);
    }
    buf_append(out, STR("' options='"));
    CLI_EACH (o, cli_options, id)
        buf_printf(out, "%s ", o->name);
    buf_append(out, STR("--help' ;;\n"));
}

static void put_bash_operands(enum cli_id id, struct buf *out)
{
    const struct cli_operand *p;
    unsigned place = 0;
    CLI_EACH (p, cli_operands, id) {
        buf_printf(out, "    %s:", cli_commands[id].name);
        if (p->flags & CLI_MANY)
            buf_append(out, STR("*) "));
        else
            buf_printf(out, "%u) ", place++);
        put_bash_reply(p->words, out);
        buf_append(out, STR(" ;;\n"));
    }
}

static void write_bash(struct buf *out)
{
    buf_append(out, STR("# bash completion of penstock, written by `penstock completion bash`.\n"
                        "_penstock_words() {\n"
                        "    mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$current\")\n"
                        "}\n"
                        "_penstock_files() {\n"
                        "    compopt -o filenames\n"
                        "    mapfile -t COMPREPLY < <(compgen \"$1\" -- \"$current\")\n"
                        "}\n"
                        "_penstock() {\n"
                        "    local current=${COMP_WORDS[COMP_CWORD]} option='' valued='' "
                        "options='' i place=0\n"
                        "    local before=${COMP_WORDS[COMP_CWORD - 1]}\n"
                        "    COMPREPLY=()\n"
                        "    if ((COMP_CWORD == 1)); then\n"
                        "        _penstock_words '"));
    put_names(out);
    buf_append(out, STR(" help --help --version'\n"
                        "        return\n"
                        "    fi\n"
                        "    # \"--name=value\" is three words, for \"=\" divides them.\n"
                        "    if [[ $current == = ]]; then\n"
                        "        option=$before current=\n"
                        "    elif [[ $before == = ]]; then\n"
                        "        option=${COMP_WORDS[COMP_CWORD - 2]}\n"
                        "    else\n"
                        "        option=$before\n"
                        "    fi\n"
                        "    case ${COMP_WORDS[1]}:$option in\n"));
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++)
        put_bash_values((enum cli_id)id, out);
    buf_append(out, STR("    esac\n"
                        "    case ${COMP_WORDS[1]} in\n"));
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++)
        put_bash_valued((enum cli_id)id, out);
    buf_append(out, STR("    esac\n"
                        "    if [[ $current == -* ]]; then\n"
                        "        _penstock_words \"$options\"\n"
                        "        return\n"
                        "    fi\n"
                        "    for ((i = 2; i < COMP_CWORD; i++)); do\n"
                        "        if [[ $valued == *\" ${COMP_WORDS[i]} \"* ]]; then\n"
                        "            ((i++))\n"
                        "            [[ ${COMP_WORDS[i]} != = ]] || ((i++))\n"
                        "        elif [[ ${COMP_WORDS[i]} != -* ]]; then\n"
                        "            ((place++))\n"
                        "        fi\n"
                        "    done\n"
                        "    case ${COMP_WORDS[1]}:$place in\n"
                        "    help:0) _penstock_words '"));
    put_names(out);
    buf_append(out, STR("' ;;\n"));
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++)
        put_bash_operands((enum cli_id)id, out);
    buf_append(out, STR("    esac\n"
                        "}\n"
                        "complete -F _penstock penstock\n"));
}

/* zsh */

static void put_zsh_action(const char *words, struct buf *out)
{
    size_t at = out->n;
    buf_byte(out, '(');
    enum completes kind = put_words(words, out);
    if (kind == COMPLETES_WORDS) {
        buf_byte(out, ')');
        return;
    }
    out->n = at;
    buf_append(out, kind == COMPLETES_FILES     ? STR("_files")
                    : kind == COMPLETES_FOLDERS ? STR("_files -/")
                                                : STR("()"));
}

static void put_zsh_option(const struct cli_option *o, struct buf *out)
{
    const char *many = o->flags & CLI_MANY ? "*" : "";
    for (unsigned form = 0; form < (o->letter != 0 ? 2 : 1); form++) {
        buf_printf(out, " \\\n            '%s", many);
        if (form == 0)
            buf_printf(out, "%s%s[", o->name, o->value[0] != 0 ? "=" : "");
        else
            buf_printf(out, "-%c[", o->letter);
        put_quoted(out, o->help, "[]\\:");
        buf_byte(out, ']');
        if (o->value[0] != 0) {
            buf_byte(out, ':');
            put_quoted(out, o->value, "\\:");
            buf_byte(out, ':');
            put_zsh_action(o->words, out);
        }
        buf_byte(out, '\'');
    }
}

static void put_zsh_command(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    const struct cli_operand *p;
    buf_printf(out, "    %s)\n        _arguments -s '--help[what it takes]'",
               cli_commands[id].name);
    CLI_EACH (o, cli_options, id)
        put_zsh_option(o, out);
    CLI_EACH (p, cli_operands, id) {
        buf_append(out,
                   p->flags & CLI_MANY ? STR(" \\\n            '*:") : STR(" \\\n            ':"));
        put_quoted(out, p->name, "\\:");
        buf_byte(out, ':');
        put_zsh_action(p->words, out);
        buf_byte(out, '\'');
    }
    buf_append(out, STR("\n        ;;\n"));
}

static void write_zsh(struct buf *out)
{
    buf_append(out, STR("#compdef penstock\n"
                        "# Written by `penstock completion zsh`.\n"
                        "_penstock() {\n"
                        "    local -a commands\n"
                        "    commands=(\n"));
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++) {
        buf_printf(out, "        '%s:", cli_commands[i].name);
        put_quoted(out, cli_commands[i].summary, "\\:");
        buf_append(out, STR("'\n"));
    }
    buf_append(out, STR("        'help:what a command takes'\n"
                        "    )\n"
                        "    if ((CURRENT == 2)); then\n"
                        "        _describe command commands\n"
                        "        compadd -- --help --version\n"
                        "        return\n"
                        "    fi\n"
                        "    local command=$words[2]\n"
                        "    shift words\n"
                        "    ((CURRENT--))\n"
                        "    case $command in\n"
                        "    help) _describe command commands ;;\n"));
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++)
        put_zsh_command((enum cli_id)id, out);
    buf_append(out, STR("    esac\n"
                        "}\n"
                        "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n"
                        "    _penstock \"$@\"\n"
                        "else\n"
                        "    compdef _penstock penstock\n"
                        "fi\n"));
}

/* fish */

static void put_fish_words(const char *words, struct buf *out)
{
    size_t at = out->n;
    buf_append(out, STR(" -x -a '"));
    enum completes kind = put_words(words, out);
    if (kind == COMPLETES_WORDS) {
        buf_byte(out, '\'');
        return;
    }
    out->n = at;
    buf_append(out, kind == COMPLETES_FILES     ? STR(" -r -F")
                    : kind == COMPLETES_FOLDERS ? STR(" -x -a '(__fish_complete_directories)'")
                                                : STR(" -x"));
}

static void put_fish_help(const char *help, struct buf *out)
{
    buf_append(out, STR(" -d '"));
    for (; *help != 0; help++) {
        if (*help == '\'' || *help == '\\')
            buf_byte(out, '\\');
        buf_byte(out, *help);
    }
    buf_append(out, STR("'\n"));
}

static void put_fish_command(enum cli_id id, struct buf *out)
{
    const struct cli_option *o;
    const struct cli_operand *p;
    const char *name = cli_commands[id].name;
    unsigned place = 0;
    buf_printf(out, "complete -c penstock -n __penstock_is_first -a %s", name);
    put_fish_help(cli_commands[id].summary, out);
    CLI_EACH (o, cli_options, id) {
        buf_printf(out, "complete -c penstock -n '__penstock_is %s' -l %s", name, o->name + 2);
        if (o->letter != 0)
            buf_printf(out, " -s %c", o->letter);
        if (o->value[0] != 0)
            put_fish_words(o->words, out);
        put_fish_help(o->help, out);
    }
    CLI_EACH (p, cli_operands, id) {
        if (p->words[0] != 0 && p->words[0] != '@') {
            buf_printf(out, "complete -c penstock -n '__penstock_is %s %u' -a '%s'", name, place,
                       p->words);
            put_fish_help(p->help, out);
        } else if (p->words[0] != 0) {
            buf_printf(out, "complete -c penstock -n '__penstock_is %s' -a '", name);
            put_words(p->words, out);
            buf_byte(out, '\'');
            put_fish_help(p->help, out);
        }
        place++;
    }
}

static void write_fish(struct buf *out)
{
    buf_append(out,
               STR("# fish completion of penstock, written by `penstock completion fish`.\n"
                   "function __penstock_is_first\n"
                   "    test (count (commandline -opc)) -eq 1\n"
                   "end\n"
                   "# The command's name, and how many words without a hyphen stand behind it.\n"
                   "function __penstock_is\n"
                   "    set -l words (commandline -opc)\n"
                   "    test (count $words) -ge 2; and test $words[2] = $argv[1]; or return 1\n"
                   "    test (count $argv) -eq 1; and return 0\n"
                   "    test (count (string match -v -- '-*' $words[3..-1])) -eq $argv[2]\n"
                   "end\n"
                   "complete -c penstock -f\n"
                   "complete -c penstock -n __penstock_is_first -l version -d 'the version'\n"
                   "complete -c penstock -l help -d 'what it takes'\n"
                   "complete -c penstock -n __penstock_is_first -a help -d 'what a command "
                   "takes'\n"
                   "complete -c penstock -n '__penstock_is help 0' -a '"));
    put_names(out);
    buf_append(out, STR("'\n"));
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++)
        put_fish_command((enum cli_id)id, out);
}

bool completion_write(struct str shell, struct buf *out)
{
    static const struct {
        const char *name;
        void (*write)(struct buf *out);
    } shells[] = { { "bash", write_bash }, { "zsh", write_zsh }, { "fish", write_fish } };
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (str_eq(shell, str_from_c(shells[i].name))) {
            shells[i].write(out);
            return true;
        }
    return false;
}
