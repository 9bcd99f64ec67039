#include "cli/cli.h"

#include "conf/settings.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const struct cli_command commands[] = {
    { "serve", "[--config FILE]", "run the proxy until SIGTERM, SIGINT or SIGQUIT", NULL,
      cmd_serve },
    { "dns", "[--config FILE]", "run the DNS forwarder alone, for other containers", NULL,
      cmd_dns },
    { "lookup",
      "NAME [TYPE] [--server ADDR[:PORT]] [--tcp] [--no-cache] [--compare] [--json]"
      " [--config FILE]",
      "look a name up and tell why the answer is what it is",
      "  NAME        a name, or an address for its PTR\n"
      "  TYPE        such as A, MX, TYPE65; A and AAAA where none is given\n"
      "  --server    ask this server alone, whatever the routes say\n"
      "  --tcp       ask over TCP at once\n"
      "  --no-cache  ask the servers although the answer is known\n"
      "  --compare   ask every known server, side by side\n"
      "  --json      the same as JSON\n"
      "The running penstock is asked where there is one (PENSTOCK_ADMIN), but with --server,\n"
      "--tcp and --compare. Exit code: 0 answered, 1 no answer, 64 wrong arguments.\n",
      cmd_lookup },
    { "routes", "[--json] [--config FILE]", "show which DNS servers are asked for what",
      "  --json      the same as JSON\n"
      "From the running penstock where there is one (PENSTOCK_ADMIN), else from the settings.\n",
      cmd_routes },
    { "doctor",
      "[--region R] [--bucket B]... [--registry URL] [--log FILE|-|cloudwatch:GROUP] [--vpc ID]"
      " [--cluster C --task T] [-o FORMAT] [--fail-on error|warning]"
      " [--facts-out F | --facts F] ...",
      "say what is wrong with DNS and the way to S3, show the evidence, give the fix",
      "  --region R         the region of S3; else AWS_REGION, or the task's\n"
      "  --bucket B         a bucket that does not work; may be given again\n"
      "  --registry URL     instead of INTERNAL_REGISTRY_URL\n"
      "  --log FILE         read a saved log: a file, - for stdin, or cloudwatch:GROUP\n"
      "  --vpc ID           look at this VPC by AWS's APIs (read-only credentials)\n"
      "  --cluster C --task T   and at this task, also one that never started\n"
      "  --profile P        of the AWS configuration files\n"
      "  --endpoint-url URL for all AWS APIs\n"
      "  --dns ADDR         ask this DNS server as well, such as the VPC's address plus two\n"
      "  --probe, --no-probe    ask DNS servers and connect from here, or do not; without: not "
      "when\n"
      "                     a log, VPC, cluster or task is named and this is no ECS task\n"
      "  -o FORMAT          text, short, json, sarif or junit\n"
      "  --fail-on LEVEL    exit with 1 for findings of this level: error, or warning too\n"
      "  --facts-out F      save what was found out, to be judged elsewhere\n"
      "  --facts F          judge saved facts (- is stdin); nothing is asked\n"
      "  --schema           the JSON Schema of -o json, docs/doctor.schema.json\n"
      "  --config FILE      penstock's settings, as for serve\n"
      "Exit code: 0 all is well, 1 findings, 2 not all could be checked, 64 wrong arguments,\n"
      "70 it failed itself.\n",
      cmd_doctor },
    { "explain", "[CODE...] [--search WORD] [--markdown]",
      "what a finding of the doctor means, what caused it, how to fix it",
      "  CODE        such as PS1001: the page of docs/findings; without one, all codes\n"
      "  --search    the codes whose page has this word\n"
      "  --markdown  the table of docs/findings/README.md\n"
      "Exit code: 0 printed, 1 no page has the word, 64 wrong arguments or no such code.\n",
      cmd_explain },
    { "fix",
      "dhcp --vpc ID [--region R] [--aws-first] [--zone Z]... [--cluster C] [--apply"
      " [--replace-tasks] [--without-rules]] ...",
      "propose a DHCP option set with Amazon's DNS server, and how to take it back",
      "  --vpc ID         whose option set\n"
      "  --region R       else AWS_REGION, or the profile's\n"
      "  --profile P      of the AWS configuration files\n"
      "  --endpoint-url URL   for all AWS APIs\n"
      "  --aws-first      Amazon's DNS server first, then yours; not Amazon's alone\n"
      "  --zone Z         a zone that your own servers know; may be given again\n"
      "  --cluster C      whose services have to be started anew; without: of all clusters\n"
      "  --apply          do it: nothing is changed without this\n"
      "  --replace-tasks  with --apply: start new tasks for the services, too\n"
      "  --without-rules  with --apply: also where no Resolver rule keeps your own zones\n"
      "Exit code: 0 nothing to do, or shown, or done; 1 failed or refused, 64 wrong arguments.\n",
      cmd_fix },
    { "forwarding",
      "--for SERVER --to ADDR[,ADDR]... [--region REGION] [--namespace NAME]... [--zone ZONE]..."
      " [--vpc-cidr CIDR]... [--config FILE]",
      "write on-premises DNS forwarding for AWS names",
      "  --for        bind, unbound, dnsmasq, coredns or windows\n"
      "  --to         the addresses of a Route 53 Resolver inbound endpoint\n"
      "  --region     whose partition's zones are meant; else AWS_REGION, else the commercial one\n"
      "  --namespace  a Cloud Map namespace; else that of INTERNAL_REGISTRY_URL\n"
      "  --zone       another zone that only the VPC answers rightly\n"
      "  --vpc-cidr   a CIDR block of the endpoint's VPC, to judge the addresses by\n"
      "What the server takes goes to stdout, what else there is to do to stderr. Exit code: 0,\n"
      "64 wrong arguments; an address that cannot be an inbound endpoint's, VPC+2 say, is one.\n",
      cmd_forwarding },
    { "demo", "[--dir PATH] [--listen ADDR:PORT]",
      "run a private VPC in small on loopback, with the proxy in front", NULL, cmd_demo },
    { "config", "check|show|help [--config FILE] [--markdown]",
      "check the settings, show them, or list what there is", NULL, cmd_config },
};
enum { N_COMMANDS = sizeof commands / sizeof *commands };

static const struct cli_command *find(const char *name)
{
    for (int i = 0; i < N_COMMANDS; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(FILE *to)
{
    fputs("penstock: an S3 proxy for private networks\n\nusage: penstock COMMAND [ARGUMENTS]\n\n",
          to);
    for (int i = 0; i < N_COMMANDS; i++)
        fprintf(to, "  %-10s %s\n", commands[i].name, commands[i].help);
    fputs("\n  --help     this text; behind a command: its usage\n"
          "  --version  the version\n\n"
          "`penstock config help` lists the settings.\n",
          to);
}

static void print_usage(const struct cli_command *c, FILE *to)
{
    fprintf(to, "usage: penstock %s%s%s\n", c->name, c->arguments[0] ? " " : "", c->arguments);
}

int cli_usage_error(const char *command, const char *problem, const char *argument)
{
    fprintf(stderr, "penstock %s: %s%s%s\n", command, problem, argument ? " " : "",
            argument ? argument : "");
    print_usage(find(command), stderr);
    return EXIT_USAGE_ERROR;
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

int main(int argc, char **argv)
{
    open_missing_descriptors();
    const char *name = argc > 1 ? argv[1] : "";
    const struct cli_command *c = find(name);
    if (c && has_help(argc - 1, argv + 1)) {
        print_usage(c, stdout);
        printf("%s\n%s", c->help, c->options != NULL ? c->options : "");
        return EXIT_OK;
    }
    if (c)
        return c->run(argc - 1, argv + 1);
    if (strcmp(name, "--version") == 0) {
        puts("penstock " PENSTOCK_VERSION);
        return EXIT_OK;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_help(stdout);
        return EXIT_OK;
    }
    if (name[0] == 0)
        print_help(stderr);
    else
        fprintf(stderr, "penstock: no command %s; penstock --help lists them\n", name);
    return EXIT_USAGE_ERROR;
}
