#pragma once
/* A command's words against its rows in cli/commands.def. For commands whose options are given
 * once. */
#include "cli/commands.h"

enum { ARGUMENTS_OPTIONS = 24, ARGUMENTS_OPERANDS = 4 };

struct arguments {
    enum cli_id command;
    unsigned n_operands;
    const char *operands[ARGUMENTS_OPERANDS];
    /* private: by the option's place among the command's */
    const char *values[ARGUMENTS_OPTIONS];
};

/*
 * "--name VALUE", "--name=VALUE", "-x VALUE"; behind "--" all are operands. The last one given
 * counts. False: what was wrong was said on stderr, with the usage. Strings are borrowed from argv.
 */
bool arguments_read(enum cli_id command, int argc, char **argv, struct arguments *a);
/* The value, or for an option without one its own name; NULL: not given. */
const char *arguments_get(const struct arguments *a, const char *name);
