#include "cli/commands.h"

enum { REQUIRED = CLI_REQUIRED, MANY = CLI_MANY };

const struct cli_command cli_commands[N_CLI_COMMANDS] = {
#define COMMAND(id, function, name, summary, about) { name, summary, about },
#include "cli/commands.def"
};

const struct cli_operand cli_operands[] = {
#define OPERAND(id, flags, name, words, help) { CLI_##id, flags, name, words, help },
#include "cli/commands.def"
    { .command = N_CLI_COMMANDS }
};

const struct cli_option cli_options[] = {
#define OPTION(id, flags, letter, name, value, words, help)                                        \
    { CLI_##id, flags, letter, name, value, words, help },
#include "cli/commands.def"
    { .command = N_CLI_COMMANDS }
};

const struct cli_exit cli_exits[] = {
#define EXIT(id, code, meaning) { CLI_##id, code, meaning },
#include "cli/commands.def"
    { .command = N_CLI_COMMANDS }
};

const struct cli_example cli_examples[] = {
#define EXAMPLE(id, what, line) { CLI_##id, what, line },
#include "cli/commands.def"
    { .command = N_CLI_COMMANDS }
};

bool cli_find(struct str name, enum cli_id *id)
{
    for (unsigned i = 0; i < N_CLI_COMMANDS; i++)
        if (str_eq(name, str_from_c(cli_commands[i].name))) {
            *id = (enum cli_id)i;
            return true;
        }
    return false;
}

const struct cli_option *cli_find_option(enum cli_id id, struct str name)
{
    const struct cli_option *o;
    CLI_EACH (o, cli_options, id)
        if (str_eq(name, str_from_c(o->name)) ||
            (o->letter != 0 && name.n == 2 && name.p[0] == '-' && name.p[1] == o->letter))
            return o;
    return NULL;
}
