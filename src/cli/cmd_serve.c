#include "cli/cli.h"

#include "conf/settings.h"
#include "server/server.h"

#include <signal.h>
#include <unistd.h>

int cmd_serve(int argc, char **argv)
{
    const char *file = NULL;
    for (int i = 1; i < argc; i++)
        if (!cli_take_config(argc, argv, &i, &file))
            return cli_usage_error("serve", cli_problem(argv[i]), argv[i]);
    /* A peer or a log reader that goes away is an error of the write, not the end of the process.
     */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that is a file, and a limit on its size */
    server_hold_reloads();
    struct conf *c = cli_load_conf(file, CONF_FOR_SERVE);
    if (c == NULL)
        return EXIT_FAILED;
    const struct server_source source = { .env = environ, .file = file, .use = CONF_FOR_SERVE };
    const struct server_options options = { .source = &source };
    int code = server_run(c, &options);
    conf_unref(c);
    return code;
}
