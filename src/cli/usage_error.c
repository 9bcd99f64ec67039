#include "cli/cli.h"
#include "cli/command_help.h"

#include "codec/escape.h"

#include <stdarg.h>
#include <stdio.h>

enum { USAGE_BYTES = 8192, SHOWN_BYTES = 200, LINE_BYTES = 4096 };

int cli_usage_error(const char *command, const char *problem, const char *argument)
{
    enum cli_id id;
    struct buf text;
    buf_init(&text, USAGE_BYTES);
    buf_printf(&text, "penstock %s: %s%s", command, problem, argument ? " " : "");
    if (argument != NULL)
        escape_plain(&text, str_from_c(argument), SHOWN_BYTES);
    buf_byte(&text, '\n');
    if (cli_find(str_from_c(command), &id))
        command_usage(id, &text);
    fwrite(text.p, 1, text.n, stderr);
    buf_done(&text);
    return EXIT_USAGE_ERROR;
}

void cli_tell(const char *command, const char *format, ...)
{
    char line[LINE_BYTES];
    struct buf text;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    buf_init(&text, 5UL * LINE_BYTES);
    buf_printf(&text, "penstock%s%s: ", command[0] != 0 ? " " : "", command);
    if (n > 0)
        escape_plain(&text, str_from_c(line), LINE_BYTES);
    buf_byte(&text, '\n');
    fwrite(text.p, 1, text.n, stderr);
    buf_done(&text);
}
