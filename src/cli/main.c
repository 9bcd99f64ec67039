#include "cli/cli.h"
#include "cli/command_help.h"
#include "cli/version.h"

#include "conf/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { TEXT_BYTES = 64 * 1024 };

static int (*const run[N_CLI_COMMANDS])(int argc, char **argv) = {
#define COMMAND(id, function, name, summary, about) [CLI_##id] = function,
#include "cli/commands.def"
};

static int print(struct buf *text, FILE *to)
{
    bool is_whole = !text->failed && fwrite(text->p, 1, text->n, to) == text->n;
    is_whole = fflush(to) == 0 && is_whole;
    buf_done(text);
    return is_whole ? EXIT_OK : EXIT_FAILED;
}

static int print_list(FILE *to)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    command_list(&text);
    return print(&text, to);
}

static int print_help(enum cli_id id)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    command_usage(id, &text);
    command_help(id, &text);
    return print(&text, stdout);
}

const char *cli_problem(const char *argument)
{
    return str_eq(str_from_c(argument), STR("--config")) ? "no FILE behind" : "unexpected";
}

bool cli_take_config(int argc, char **argv, int *at, const char **file)
{
    struct str argument = str_from_c(argv[*at]), name = STR("--config");
    if (str_eq(argument, name) && *at + 1 < argc) {
        *file = argv[++*at];
        return true;
    }
    if (!str_starts(argument, STR("--config=")))
        return false;
    *file = argv[*at] + name.n + 1;
    return true;
}

struct conf *cli_load_conf(const char *file, enum conf_use use)
{
    struct buf errors;
    buf_init(&errors, 1 << 20);
    struct conf *c = conf_load(environ, file, use, &errors);
    if (errors.n > 0)
        fwrite(errors.p, 1, errors.n, stderr);
    buf_done(&errors);
    return c;
}

/* A descriptor that is missing would be given to the first socket, and log lines sent to a peer. */
static void open_missing_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

static bool has_help(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int unknown_command(const char *name)
{
    cli_tell("", "no command %s; penstock --help lists them", name);
    return EXIT_USAGE_ERROR;
}

/* `penstock help [COMMAND]`. */
static int cmd_help(int argc, char **argv)
{
    enum cli_id id;
    if (argc == 1 || has_help(argc, argv))
        return print_list(stdout);
    if (!cli_find(str_from_c(argv[1]), &id))
        return unknown_command(argv[1]);
    if (argc == 2)
        return print_help(id);
    cli_tell("help", "unexpected %s", argv[2]);
    return EXIT_USAGE_ERROR;
}

static int run_as_asked(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    enum cli_id id;
    if (cli_find(str_from_c(name), &id))
        return has_help(argc - 1, argv + 1) ? print_help(id) : run[id](argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        version_print();
        return EXIT_OK;
    }
    if (strcmp(name, "help") == 0)
        return cmd_help(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return print_list(stdout);
    if (name[0] != 0)
        return unknown_command(name);
    print_list(stderr);
    return EXIT_USAGE_ERROR;
}

/* A full disk: who reads what came of it has to learn that it is not all. */
int main(int argc, char **argv)
{
    open_missing_descriptors();
    int code = run_as_asked(argc, argv);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    cli_tell("", "stdout took only a part of what was written");
    return code == EXIT_OK ? EXIT_FAILED : code;
}
