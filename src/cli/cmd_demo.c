#include "cli/cli.h"

#include "conf/settings.h"
#include "demo/demo.h"
#include "demo/tell.h"
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static void on_ready(void *arg)
{
    demo_tell_start(arg);
}

static void on_decision(void *arg, const struct dns_explain *x)
{
    demo_tell_decision(arg, x);
}

/* The product's own server, with the demo's settings in the place of an environment. */
static int serve(struct demo *d)
{
    const struct server_options options = {
        .arg = d, .trust = d->ca.authority, .on_ready = on_ready, .on_decision = on_decision
    };
    struct buf errors;
    buf_init(&errors, 1 << 20);
    struct conf *c = conf_load(d->env, NULL, CONF_FOR_SERVE, &errors);
    if (errors.n > 0)
        fwrite(errors.p, 1, errors.n, stderr);
    buf_done(&errors);
    int code = c != NULL ? server_run(c, &options) : EXIT_FAILED;
    conf_unref(c);
    return code;
}

/* "--name VALUE" or "--name=VALUE" at argv[*at]. */
static bool take(int argc, char **argv, int *at, struct str name, const char **value)
{
    struct str argument = str_from_c(argv[*at]);
    if (str_eq(argument, name) && *at + 1 < argc) {
        *value = argv[++*at];
        return true;
    }
    if (!str_starts(argument, name) || !str_starts(str_from(argument, name.n), STR("=")))
        return false;
    *value = argv[*at] + name.n + 1;
    return true;
}

int cmd_demo(int argc, char **argv)
{
    struct demo_options options = { 0 };
    struct addr at;
    const char *listen = NULL;
    struct fault f = { .kind = FAULT_NONE };
    for (int i = 1; i < argc; i++)
        if (!take(argc, argv, &i, STR("--dir"), &options.dir) &&
            !take(argc, argv, &i, STR("--listen"), &listen))
            return cli_usage_error("demo", "unexpected", argv[i]);
    if (listen != NULL && !addr_parse(str_from_c(listen), DEMO_PORT, &at))
        return cli_usage_error("demo", "no address:", listen);
    if (listen != NULL)
        options.listen = &at;
    signal(SIGPIPE, SIG_IGN);
    struct demo *d = calloc(1, sizeof *d);
    if (d == NULL || !demo_start(d, &options, &f)) {
        fprintf(stderr, "penstock demo: cannot start: %s%s%s\n",
                d != NULL ? fault_row(f.kind)->sentence : "out of memory", f.detail[0] ? ": " : "",
                f.detail);
        free(d);
        return EXIT_FAILED;
    }
    int code = serve(d);
    demo_stop(d);
    free(d);
    return code;
}
