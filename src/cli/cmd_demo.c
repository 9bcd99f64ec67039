#include "cli/arguments.h"
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

int cmd_demo(int argc, char **argv)
{
    struct demo_options options = { 0 };
    struct addr at;
    struct arguments a;
    struct fault f = { .kind = FAULT_NONE };
    if (!arguments_read(CLI_DEMO, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    const char *listen = arguments_get(&a, "--listen");
    options.dir = arguments_get(&a, "--dir");
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
