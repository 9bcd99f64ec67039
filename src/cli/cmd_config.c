#include "cli/arguments.h"
#include "cli/cli.h"

#include "conf/settings.h"
#include "io/tls.h"
#include "server/certificate.h"

#include <stdio.h>
#include <time.h>

/* stdout may be a full disk or a closed pipe. */
static int print(struct buf *text)
{
    bool is_whole = !text->failed && fwrite(text->p, 1, text->n, stdout) == text->n;
    is_whole = fflush(stdout) == 0 && is_whole;
    buf_done(text);
    return is_whole ? EXIT_OK : EXIT_FAILED;
}

static int print_help(bool wants_markdown)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (wants_markdown)
        conf_help_markdown(&text);
    else
        conf_help(&text);
    return print(&text);
}

/* What only using the files tells: authorities that OpenSSL takes. */
static bool check_authorities(const struct conf *c)
{
    struct fault f = { .kind = FAULT_NONE };
    struct io_tls *tls = io_tls_client_new(c->ca_file.n > 0 ? c->ca_file.p : NULL, &f);
    if (tls != NULL)
        io_tls_free(tls);
    else
        fprintf(stderr, "PENSTOCK_CA_FILE: %s\n", f.detail);
    return tls != NULL;
}

/* A time that is nearly over is no error; whoever checks wants to know it all the same. */
static void warn_of_time(const struct io_tls_identity *i)
{
    struct io_tls_about about;
    struct buf text;
    buf_init(&text, 256);
    io_tls_identity_about(i, &about);
    if (certificate_judge(&about, time(NULL), &text))
        fprintf(stderr, "PENSTOCK_TLS_CERT: %.*s\n", STR_ARG(buf_str(&text)));
    buf_done(&text);
}

static bool check_certificate(const struct conf *c)
{
    struct fault f = { .kind = FAULT_NONE };
    if (c->tls_listen.n == 0)
        return true;
    struct io_tls_identity *i = certificate_read(c, &f);
    if (i != NULL)
        warn_of_time(i);
    else
        fprintf(stderr, "PENSTOCK_TLS_CERT, PENSTOCK_TLS_KEY: %s\n",
                f.detail[0] != 0 ? f.detail : fault_row(f.kind)->sentence);
    io_tls_identity_free(i);
    return i != NULL;
}

static int show(const struct conf *c, const struct arguments *a)
{
    enum conf_shown which =
        arguments_get(a, "--changed") != NULL ? CONF_SHOW_CHANGED : CONF_SHOW_ALL;
    struct buf text;
    buf_init(&text, 8 << 20);
    if (arguments_get(a, "--json") != NULL) {
        struct json j = json_begin(&text);
        conf_show_json(c, which, &j);
        buf_byte(&text, '\n');
    } else {
        conf_show(c, which, &text);
    }
    return print(&text);
}

/* The files are tried all the same when one of them is wrong, so that all is told at once. */
static int check(const struct conf *c)
{
    bool has_authorities = check_authorities(c), has_certificate = check_certificate(c);
    if (!has_authorities || !has_certificate)
        return EXIT_FAILED;
    struct buf text;
    buf_init(&text, 16);
    buf_append(&text, STR("ok\n"));
    return print(&text);
}

/* An option that only one of the actions takes. */
static const char *stray_option(const struct arguments *a)
{
    static const struct {
        const char *option, *action;
    } own[] = { { "--json", "show" }, { "--changed", "show" }, { "--markdown", "help" } };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (arguments_get(a, own[i].option) != NULL && strcmp(a->operands[0], own[i].action) != 0)
            return own[i].option;
    return NULL;
}

int cmd_config(int argc, char **argv)
{
    struct arguments a;
    if (!arguments_read(CLI_CONFIG, argc, argv, &a))
        return EXIT_USAGE_ERROR;
    const char *action = a.operands[0];
    bool is_show = strcmp(action, "show") == 0, is_help = strcmp(action, "help") == 0;
    if (!is_show && !is_help && strcmp(action, "check") != 0)
        return cli_usage_error("config", "no such action:", action);
    if (stray_option(&a) != NULL)
        return cli_usage_error("config", "unexpected", stray_option(&a));
    if (is_help)
        return print_help(arguments_get(&a, "--markdown") != NULL);
    struct conf *c =
        cli_load_conf(arguments_get(&a, "--config"),
                      arguments_get(&a, "--dns") != NULL ? CONF_FOR_DNS : CONF_FOR_SERVE);
    if (c == NULL)
        return EXIT_FAILED;
    int code = is_show ? show(c, &a) : check(c);
    conf_unref(c);
    return code;
}
