#pragma once
/*
 * The table of subcommands (cli/commands.def) as data: what each is called, takes and returns. Who
 * runs them is cli/main.c. Everything is static.
 */
#include "base/str.h"

enum cli_id {
#define COMMAND(id, function, name, summary, about) CLI_##id,
#include "cli/commands.def"
    N_CLI_COMMANDS
};

enum { CLI_REQUIRED = 1, CLI_MANY = 2 };

struct cli_command {
    const char *name;    /* "lookup" */
    const char *summary; /* one line */
    const char *about;   /* more of it, or "" */
};

struct cli_operand {
    enum cli_id command;
    unsigned flags;
    const char *name;  /* "NAME" */
    const char *words; /* commands.def says what may stand there */
    const char *help;
};

struct cli_option {
    enum cli_id command;
    unsigned flags;
    char letter;       /* 'o' for "-o"; 0 for none */
    const char *name;  /* "--output" */
    const char *value; /* "FORMAT"; "" where it takes none */
    const char *words;
    const char *help;
};

struct cli_exit {
    enum cli_id command;
    int code;
    const char *meaning;
};

struct cli_example {
    enum cli_id command;
    const char *what, *line;
};

extern const struct cli_command cli_commands[N_CLI_COMMANDS];
/* Rows of one command lie one behind another; the last row of each table has a command of
 * N_CLI_COMMANDS. */
extern const struct cli_operand cli_operands[];
extern const struct cli_option cli_options[];
extern const struct cli_exit cli_exits[];
extern const struct cli_example cli_examples[];

/* for (rows of `table` of a command). */
#define CLI_EACH(row, table, id)                                                                   \
    for (row = (table); row->command != N_CLI_COMMANDS; row++)                                     \
        if (row->command == (id))

/* False when there is none of that name. */
bool cli_find(struct str name, enum cli_id *id);
/* The option of that name, with its hyphens; NULL when the command has none. */
const struct cli_option *cli_find_option(enum cli_id id, struct str name);
