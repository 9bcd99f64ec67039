#include "cli/arguments.h"
#include "cli/cli.h"
#include "cli/completion.h"

#include <stdio.h>

enum { COMPLETION_BYTES = 1024 * 1024 };

int cmd_completion(int argc, char **argv)
{
    struct arguments a;
    struct buf text;
    if (!arguments_read(CLI_COMPLETION, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    buf_init(&text, COMPLETION_BYTES);
    int code = EXIT_FAILED;
    if (!completion_write(str_from_c(a.operands[0]), &text))
        code = cli_usage_error("completion", "no such shell:", a.operands[0]);
    else if (!text.failed && fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0)
        code = EXIT_OK;
    buf_done(&text);
    return code;
}
