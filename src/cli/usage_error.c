#include "cli/cli.h"
#include "cli/command_help.h"

#include <stdio.h>

enum { USAGE_BYTES = 8192 };

int cli_usage_error(const char *command, const char *problem, const char *argument)
{
    enum cli_id id;
    struct buf usage;
    buf_init(&usage, USAGE_BYTES);
    if (cli_find(str_from_c(command), &id))
        command_usage(id, &usage);
    fprintf(stderr, "penstock %s: %s%s%s\n%.*s", command, problem, argument ? " " : "",
            argument ? argument : "", STR_ARG(buf_str(&usage)));
    buf_done(&usage);
    return EXIT_USAGE_ERROR;
}
