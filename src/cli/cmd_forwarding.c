#include "cli/cli.h"

#include "doctor/forwarding.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROBLEM_BYTES = 16 * 1024 };

typedef bool take_fn(struct forwarding *f, struct str value, struct buf *problem);

static const struct flag {
    const char *name;
    take_fn *take;
    bool is_once;
} flags[] = {
    { "--for", forwarding_take_server, true },
    { "--to", forwarding_take_addresses, false },
    { "--region", forwarding_take_region, true },
    { "--namespace", forwarding_take_namespace, false },
    { "--zone", forwarding_take_zone, false },
    { "--vpc-cidr", forwarding_take_cidr, false },
};
enum { N_FLAGS = sizeof flags / sizeof flags[0] };

static int refuse(struct buf *problem)
{
    cli_tell("forwarding", "%.*s", STR_ARG(buf_str(problem)));
    return EXIT_USAGE_ERROR;
}

/* "--for bind" or "--for=bind": the flag's index, N_FLAGS for anything else. *value is NULL when it
 * is missing. */
static unsigned find_flag(int argc, char **argv, int *at, const char **value)
{
    struct str argument = str_from_c(argv[*at]);
    struct str name = str_first(argument, str_find(argument, '=', 0));
    for (unsigned i = 0; i < N_FLAGS; i++) {
        if (!str_eq(name, str_from_c(flags[i].name)))
            continue;
        if (name.n < argument.n)
            *value = argv[*at] + name.n + 1;
        else
            *value = *at + 1 < argc ? argv[++*at] : NULL;
        return i;
    }
    return N_FLAGS;
}

/* What tools of AWS go by, where --region is not given. */
static int take_environment(struct forwarding *f, struct buf *problem)
{
    const char *region = getenv("AWS_REGION");
    if (f->partition != NULL || region == NULL || region[0] == 0 ||
        forwarding_take_region(f, str_from_c(region), problem))
        return EXIT_OK;
    buf_append(problem, STR(" (AWS_REGION)"));
    return refuse(problem);
}

static int parse(int argc, char **argv, struct forwarding *f, const char **file,
                 struct buf *problem)
{
    bool is_taken[N_FLAGS] = { false };
    for (int i = 1; i < argc; i++) {
        const char *value = NULL, *argument = argv[i];
        if (cli_take_config(argc, argv, &i, file))
            continue;
        unsigned k = find_flag(argc, argv, &i, &value);
        if (k == N_FLAGS)
            return cli_usage_error("forwarding", cli_problem(argument), argument);
        if (value == NULL)
            return cli_usage_error("forwarding", "no value behind", argument);
        if (flags[k].is_once && is_taken[k])
            return cli_usage_error("forwarding", "twice:", flags[k].name);
        is_taken[k] = true;
        if (!flags[k].take(f, str_from_c(value), problem))
            return refuse(problem);
    }
    return EXIT_OK;
}

/* The settings' registry is registry.NAMESPACE, where nobody gave a namespace. */
static int take_settings(struct forwarding *f, const char *file, struct buf *problem)
{
    struct conf *conf = cli_load_conf(file, CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_FAILED;
    struct str name =
        conf->registry.is_literal ? STR("") : forwarding_namespace_of(conf->registry.host);
    bool ok = name.n == 0 || forwarding_take_namespace(f, name, problem);
    conf_unref(conf);
    if (ok)
        return EXIT_OK;
    buf_append(problem, STR(" (the namespace of INTERNAL_REGISTRY_URL)"));
    return refuse(problem);
}

static void tell(struct buf *warnings, struct buf *notes)
{
    struct str rest = buf_str(warnings), line;
    while (str_next(&rest, '\n', &line))
        fprintf(stderr, "penstock forwarding: warning: %.*s\n", STR_ARG(line));
    fprintf(stderr, "penstock forwarding: what else it takes:\n%.*s", STR_ARG(buf_str(notes)));
}

/* All or nothing: half a file would be taken for a whole one. */
static int print(const struct forwarding *f, struct buf *warnings)
{
    struct buf text, notes;
    buf_init(&text, FORWARDING_TEXT_BYTES);
    buf_init(&notes, FORWARDING_TEXT_BYTES);
    forwarding_write(f, &text);
    forwarding_write_notes(f, &notes);
    bool ok = !text.failed && !notes.failed && fwrite(text.p, 1, text.n, stdout) == text.n &&
              fflush(stdout) == 0;
    if (ok)
        tell(warnings, &notes);
    else
        fputs("penstock forwarding: the text could not be written\n", stderr);
    buf_done(&notes);
    buf_done(&text);
    return ok ? EXIT_OK : EXIT_FAILED;
}

int cmd_forwarding(int argc, char **argv)
{
    struct forwarding f;
    struct buf problem, warnings;
    const char *file = NULL;
    forwarding_init(&f);
    buf_init(&problem, PROBLEM_BYTES);
    buf_init(&warnings, PROBLEM_BYTES);
    int code = parse(argc, argv, &f, &file, &problem);
    if (code == EXIT_OK)
        code = take_environment(&f, &problem);
    if (code == EXIT_OK && f.n_namespaces == 0)
        code = take_settings(&f, file, &problem);
    if (code == EXIT_OK && !forwarding_finish(&f, &problem, &warnings))
        code = refuse(&problem);
    if (code == EXIT_OK)
        code = print(&f, &warnings);
    buf_done(&warnings);
    buf_done(&problem);
    return code;
}
