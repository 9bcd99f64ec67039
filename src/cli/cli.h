#pragma once
/*
 * The subcommands: one row each in cli/commands.def, one file each. argv[0] is the subcommand's
 * name; the result is the exit code.
 */
#include "conf/settings.h"

enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE_ERROR = 64, /* EX_USAGE of sysexits.h */
};

int cmd_completion(int argc, char **argv);
int cmd_config(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_dns(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_explain_url(int argc, char **argv);
int cmd_fix(int argc, char **argv);
int cmd_forwarding(int argc, char **argv);
int cmd_healthcheck(int argc, char **argv);
int cmd_lookup(int argc, char **argv);
int cmd_metrics(int argc, char **argv);
int cmd_routes(int argc, char **argv);
int cmd_serve(int argc, char **argv);

/* Tells what is wrong and the command's usage on stderr; returns EXIT_USAGE_ERROR. */
int cli_usage_error(const char *command, const char *problem, const char *argument);

/* A line on stderr, harmless to a terminal whatever it quotes. command is "" for penstock itself.
 */
void cli_tell(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What is wrong with an argument that nobody took. */
const char *cli_problem(const char *argument);

/*
 * Takes "--config FILE" or "--config=FILE" at argv[*at]: *at goes to the last argument that was
 * used. False when argv[*at] is something else, or FILE is missing.
 */
bool cli_take_config(int argc, char **argv, int *at, const char **file);

/* Environment and file (NULL for none). NULL: every error was printed on stderr, a line each. */
struct conf *cli_load_conf(const char *file, enum conf_use use);
