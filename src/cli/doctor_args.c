#include "cli/doctor_args.h"

#include "aws/service.h"
#include "cli/cli.h"

static bool wrong(const char *problem, const char *argument)
{
    cli_usage_error("doctor", problem, argument);
    return false;
}

static bool set_format(struct doctor_args *a, const char *value)
{
    static const char *const names[] = { [DOCTOR_TEXT] = "text",
                                         [DOCTOR_SHORT] = "short",
                                         [DOCTOR_JSON] = "json",
                                         [DOCTOR_SARIF] = "sarif",
                                         [DOCTOR_JUNIT] = "junit" };
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(value, names[i]) == 0) {
            a->format = (enum doctor_format)i;
            return true;
        }
    return wrong("the format is text, short, json, sarif or junit, not", value);
}

static bool set_fail_on(struct doctor_args *a, const char *value)
{
    if (strcmp(value, "error") != 0 && strcmp(value, "warning") != 0)
        return wrong("--fail-on takes error or warning, not", value);
    a->fail_on = value[0] == 'e' ? FINDING_ERROR : FINDING_WARNING;
    return true;
}

/* Checks of another region's names, or of none, would pass for those that were meant. */
static bool set_region(struct doctor_args *a, const char *value)
{
    if (!aws_region_is_valid(str_from_c(value)))
        return wrong("this is no region's name:", value);
    a->region = value;
    return true;
}

/* A bucket's name is part of a host name; anything else would be a name that nobody asks for. */
static bool is_bucket(struct str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_is_alpha(name.p[i]) && !ascii_is_digit(name.p[i]) && name.p[i] != '-' &&
            name.p[i] != '.' && name.p[i] != '_')
            return false;
    return name.n >= 3 && name.n <= 255;
}

static bool add_bucket(struct doctor_args *a, const char *value)
{
    if (!is_bucket(str_from_c(value)))
        return wrong("this is no bucket's name:", value);
    if (a->n_buckets == DOCTOR_MAX_BUCKETS)
        return wrong("too many buckets:", value);
    a->buckets[a->n_buckets++] = str_from_c(value);
    return true;
}

static bool add_server(struct doctor_args *a, const char *value)
{
    if (a->n_servers == DOCTOR_MAX_SERVERS)
        return wrong("too many servers:", value);
    if (!addr_parse(str_from_c(value), 53, &a->servers[a->n_servers]))
        return wrong("this is no server's address:", value);
    a->n_servers++;
    return true;
}

/* Options with a value: a field, or a function that reads it. */
static const struct {
    const char *name;
    size_t field; /* a const char * in the struct; unless set is there */
    bool (*set)(struct doctor_args *a, const char *value);
} valued[] = {
    { "--region", 0, set_region },
    { "--bucket", 0, add_bucket },
    { "--registry", offsetof(struct doctor_args, registry), NULL },
    { "--log", offsetof(struct doctor_args, log), NULL },
    { "--vpc", offsetof(struct doctor_args, vpc), NULL },
    { "--cluster", offsetof(struct doctor_args, cluster), NULL },
    { "--task", offsetof(struct doctor_args, task), NULL },
    { "--profile", offsetof(struct doctor_args, profile), NULL },
    { "--endpoint-url", offsetof(struct doctor_args, endpoint_url), NULL },
    { "--dns", 0, add_server },
    { "-o", 0, set_format },
    { "--output", 0, set_format },
    { "--fail-on", 0, set_fail_on },
    { "--facts-out", offsetof(struct doctor_args, facts_out), NULL },
    { "--facts", offsetof(struct doctor_args, facts_in), NULL },
    { "--config", offsetof(struct doctor_args, config), NULL },
};
enum { N_VALUED = sizeof valued / sizeof *valued };

/* "--name VALUE", "--name=VALUE" (and "-o VALUE"). NULL: it is no option with a value. */
static const char *value_of(int argc, char **argv, int *at, const char *name)
{
    struct str argument = str_from_c(argv[*at]), option = str_from_c(name);
    if (str_eq(argument, option))
        return *at + 1 < argc ? argv[++*at] : "";
    struct str value = str_from(argument, option.n);
    bool has_value = str_starts(argument, option) && str_starts(value, STR("="));
    return has_value ? argv[*at] + option.n + 1 : NULL;
}

/* 1: taken, 0: something else, -1: wrong, and said. */
static int take_valued(struct doctor_args *a, int argc, char **argv, int *at)
{
    for (unsigned i = 0; i < N_VALUED; i++) {
        const char *value = value_of(argc, argv, at, valued[i].name);
        if (value == NULL)
            continue;
        if (value[0] == 0) {
            wrong("no value behind", valued[i].name);
            return -1;
        }
        if (valued[i].set != NULL)
            return valued[i].set(a, value) ? 1 : -1;
        *(const char **)(void *)((char *)a + valued[i].field) = value;
        return 1;
    }
    return 0;
}

static bool take_flag(struct doctor_args *a, const char *argument)
{
    if (strcmp(argument, "--probe") == 0)
        return a->probes = true;
    if (strcmp(argument, "--no-probe") == 0)
        return a->probes_not = true;
    if (strcmp(argument, "--schema") == 0)
        return a->schema = true;
    return false;
}

static bool fits_together(const struct doctor_args *a)
{
    bool gathers = a->log != NULL || a->vpc != NULL || a->cluster != NULL || a->task != NULL ||
                   a->probes || a->n_servers > 0 || a->registry != NULL || a->n_buckets > 0;
    if (a->facts_in != NULL && gathers)
        return wrong("saved facts are judged as they are: nothing else can be asked with",
                     "--facts");
    if (a->facts_in != NULL && a->facts_out != NULL)
        return wrong("facts are either saved or judged; not both:", "--facts-out, --facts");
    if (a->probes && a->probes_not)
        return wrong("--probe and --no-probe exclude each other", NULL);
    if (a->task != NULL && a->cluster == NULL && strncmp(a->task, "arn:", 4) != 0)
        return wrong("a task is named by its ARN, or with", "--cluster");
    return true;
}

bool doctor_args_read(int argc, char **argv, struct doctor_args *a)
{
    *a = (struct doctor_args){ .fail_on = FINDING_ERROR };
    for (int i = 1; i < argc; i++) {
        int taken = take_flag(a, argv[i]) ? 1 : take_valued(a, argc, argv, &i);
        if (taken < 0)
            return false;
        if (taken == 0)
            return wrong("unexpected", argv[i]);
    }
    return fits_together(a);
}
