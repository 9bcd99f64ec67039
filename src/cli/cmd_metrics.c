#include "cli/arguments.h"
#include "cli/cli.h"
#include "server/metrics_help.h"

#include <stdio.h>

int cmd_metrics(int argc, char **argv)
{
    struct arguments a;
    struct buf text;
    if (!arguments_read(CLI_METRICS, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    buf_init(&text, 1 << 20);
    if (arguments_get(&a, "--markdown") != NULL)
        metrics_help_markdown(&text);
    else
        metrics_help(&text);
    bool is_whole = !text.failed && fwrite(text.p, 1, text.n, stdout) == text.n;
    is_whole = fflush(stdout) == 0 && is_whole;
    buf_done(&text);
    return is_whole ? EXIT_OK : EXIT_FAILED;
}
