#include "cli/cli.h"

#include "conf/settings.h"
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int cmd_dns(int argc, char **argv)
{
    const char *file = NULL;
    for (int i = 1; i < argc; i++)
        if (!cli_take_config(argc, argv, &i, &file))
            return cli_usage_error("dns", cli_problem(argv[i]), argv[i]);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log that is a file, and a limit on its size */
    server_hold_reloads();
    struct conf *c = cli_load_conf(file, CONF_FOR_DNS);
    if (c == NULL)
        return EXIT_FAILED;
    const struct server_source source = { .env = environ, .file = file, .use = CONF_FOR_DNS };
    const struct server_options options = { .source = &source };
    int code = EXIT_FAILED;
    if (c->dns_listen.n > 0)
        code = server_run(c, &options);
    else
        fputs("penstock dns: PENSTOCK_DNS_LISTEN is off, so there is nothing to do\n", stderr);
    conf_unref(c);
    return code;
}
