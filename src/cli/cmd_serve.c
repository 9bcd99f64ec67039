#include "cli/cli.h"

#include "conf/settings.h"
#include "server/server.h"

#include <signal.h>

int cmd_serve(int argc, char **argv)
{
    const char *file = NULL;
    for (int i = 1; i < argc; i++)
        if (!cli_take_config(argc, argv, &i, &file))
            return cli_usage_error("serve", cli_problem(argv[i]), argv[i]);
    /* A peer or a log reader that goes away is an error of the write, not the end of the process.
     */
    signal(SIGPIPE, SIG_IGN);
    struct conf *c = cli_load_conf(file, CONF_FOR_SERVE);
    if (c == NULL)
        return EXIT_FAILED;
    int code = server_run(c, NULL);
    conf_unref(c);
    return code;
}
