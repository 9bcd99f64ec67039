#include "cli/cli.h"

#include "conf/settings.h"
#include "io/tls.h"

#include <stdio.h>

struct arguments {
    const char *action, *file;
    bool wants_markdown;
};

/* 0, or the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--markdown") == 0)
            a->wants_markdown = true;
        else if (argv[i][0] != '-' && a->action == NULL)
            a->action = argv[i];
        else if (!cli_take_config(argc, argv, &i, &a->file))
            return cli_usage_error("config", cli_problem(argv[i]), argv[i]);
    }
    if (a->action == NULL)
        return cli_usage_error("config", "what is wanted?", NULL);
    return EXIT_OK;
}

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

int cmd_config(int argc, char **argv)
{
    struct arguments a = { 0 };
    int wrong = parse(argc, argv, &a);
    if (wrong || a.action == NULL)
        return wrong;
    bool is_show = strcmp(a.action, "show") == 0;
    if (strcmp(a.action, "help") == 0)
        return print_help(a.wants_markdown);
    if (!is_show && strcmp(a.action, "check") != 0)
        return cli_usage_error("config", "no such action:", a.action);
    struct conf *c = cli_load_conf(a.file, CONF_FOR_SERVE);
    if (c == NULL)
        return EXIT_FAILED;
    if (!is_show && !check_authorities(c)) {
        conf_unref(c);
        return EXIT_FAILED;
    }
    struct buf text;
    buf_init(&text, 8 << 20);
    if (is_show)
        conf_show(c, &text);
    else
        buf_append(&text, STR("ok\n"));
    conf_unref(c);
    return print(&text);
}
