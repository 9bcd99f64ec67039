#include "cli/aws_access.h"
#include "cli/cli.h"
#include "cli/output.h"

#include "aws/service.h"
#include "doctor/dhcp_fix.h"
#include "doctor/gather.h"
#include "io/loop.h"

#include <stdio.h>
#include <stdlib.h>

enum { FIX_MS = 60000 };

struct arguments {
    const char *vpc, *region, *profile, *endpoint_url, *cluster, *file;
    bool is_amazon_first, applies, replaces, without_rules;
    size_t n_zones;
    struct str zones[DHCP_MAX_ZONES];
};

static const struct {
    const char *name;
    size_t field;
} valued[] = {
    { "--vpc", offsetof(struct arguments, vpc) },
    { "--region", offsetof(struct arguments, region) },
    { "--profile", offsetof(struct arguments, profile) },
    { "--endpoint-url", offsetof(struct arguments, endpoint_url) },
    { "--cluster", offsetof(struct arguments, cluster) },
    { "--config", offsetof(struct arguments, file) },
};

static const struct {
    const char *name;
    size_t field;
} flags[] = {
    { "--aws-first", offsetof(struct arguments, is_amazon_first) },
    { "--apply", offsetof(struct arguments, applies) },
    { "--replace-tasks", offsetof(struct arguments, replaces) },
    { "--without-rules", offsetof(struct arguments, without_rules) },
};

static bool take_flag(struct arguments *a, const char *argument)
{
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (strcmp(argument, flags[i].name) == 0) {
            *(bool *)((char *)a + flags[i].field) = true;
            return true;
        }
    return false;
}

/* "--name VALUE" or "--name=VALUE"; NULL: another option, "" when the value is missing. */
static const char *value_of(int argc, char **argv, int *at, const char *name)
{
    struct str argument = str_from_c(argv[*at]), option = str_from_c(name);
    if (str_eq(argument, option))
        return *at + 1 < argc ? argv[++*at] : "";
    struct str value = str_from(argument, option.n);
    bool has_value = str_starts(argument, option) && str_starts(value, STR("="));
    return has_value ? argv[*at] + option.n + 1 : NULL;
}

static bool take_valued(struct arguments *a, int argc, char **argv, int *at)
{
    const char *zone = value_of(argc, argv, at, "--zone");
    if (zone != NULL && a->n_zones < DHCP_MAX_ZONES)
        a->zones[a->n_zones++] = str_from_c(zone);
    if (zone != NULL)
        return zone[0] != 0 && a->n_zones <= DHCP_MAX_ZONES;
    for (size_t i = 0; i < sizeof valued / sizeof *valued; i++) {
        const char *value = value_of(argc, argv, at, valued[i].name);
        if (value == NULL)
            continue;
        *(const char **)(void *)((char *)a + valued[i].field) = value;
        return value[0] != 0;
    }
    return false;
}

static int read_arguments(int argc, char **argv, struct arguments *a)
{
    if (argc < 2 || strcmp(argv[1], "dhcp") != 0)
        return cli_usage_error("fix", "what to fix is dhcp, not", argc > 1 ? argv[1] : "nothing");
    for (int i = 2; i < argc; i++) {
        const char *argument = argv[i];
        if (!take_flag(a, argument) && !take_valued(a, argc, argv, &i))
            return cli_usage_error("fix", "unexpected, or without its value:", argument);
    }
    if (a->vpc == NULL)
        return cli_usage_error("fix", "the VPC is not named: --vpc", NULL);
    if (a->region != NULL && !aws_region_is_valid(str_from_c(a->region)))
        return cli_usage_error("fix", "this is no region's name:", a->region);
    if (a->replaces && !a->applies)
        return cli_usage_error("fix", "--replace-tasks goes with --apply", NULL);
    return EXIT_OK;
}

static void print_error(const struct aws_error *e)
{
    cli_tell("fix", "%s failed: %s%s%s", e->action, e->code, e->code[0] != 0 ? ": " : "",
             e->message);
}

/* What could not be read; the plan would be made of guesses. */
static bool is_known(const struct fact_facts *f)
{
    if (f->identity.error.n > 0) {
        cli_tell("fix", "no AWS credentials: %.*s", STR_ARG(f->identity.error));
        return false;
    }
    for (size_t i = 0; i < f->calls.n; i++) {
        const struct fact_call *call = &f->calls.v[i];
        if (!str_eq(call->outcome, STR("ok")))
            cli_tell("fix", "%.*s: %.*s: %.*s", STR_ARG(call->action), STR_ARG(call->outcome),
                     STR_ARG(call->message));
    }
    bool has_set = str_eq(f->dhcp.id, STR("default")) || f->dhcp.options.n > 0;
    if (f->vpc.id.n > 0 && has_set)
        return true;
    fputs("penstock fix: the VPC's option set could not be read; nothing is proposed\n", stderr);
    return false;
}

/* What a failed step left behind. */
static void put_left_over(struct output *o, const struct dhcp_state *state,
                          const struct dhcp_plan *plan, const struct dhcp_applied *applied)
{
    bool is_uncertain = dhcp_is_uncertain(applied);
    if (applied->step == DHCP_STEP_CREATE && is_uncertain)
        output_line(o, STYLE_WARN,
                    "the VPC is as it was; whether the set was made is not known. See:");
    if (applied->step == DHCP_STEP_CREATE && is_uncertain)
        output_line(o, STYLE_PLAIN,
                    "aws ec2 describe-dhcp-options --filters 'Name=tag:Name,Values=*AWS DNS'");
    if (applied->step != DHCP_STEP_ASSOCIATE)
        return;
    if (!is_uncertain) {
        output_line(o, STYLE_WARN, "the VPC is as it was; delete the set that nobody uses:");
        dhcp_plan_write_delete(state, str_from_c(applied->new_id), &o->text);
        return;
    }
    output_line(o, STYLE_WARN,
                "whether the VPC has it now is not known. See `aws ec2 describe-vpcs`; to be sure "
                "that it is as it was:");
    dhcp_plan_write_rollback(state, plan, str_from_c(applied->new_id), &o->text);
}

/* Says how far it came, and how to take that back. */
static int print_applied(const struct dhcp_state *state, const struct dhcp_plan *plan,
                         const struct dhcp_applied *applied, bool replaces)
{
    struct output o;
    output_init(&o);
    buf_byte(&o.text, '\n');
    if (applied->step > DHCP_STEP_CREATE)
        output_line(&o, STYLE_GOOD, "made %s", applied->new_id);
    if (applied->step > DHCP_STEP_ASSOCIATE)
        output_line(&o, STYLE_GOOD, "associated it with %.*s", STR_ARG(state->vpc));
    if (replaces && applied->step > DHCP_STEP_ASSOCIATE)
        output_line(&o, STYLE_GOOD, "new tasks are being started for %zu of %zu services",
                    applied->n_replaced, state->n_services);
    else if (applied->step == DHCP_STEP_DONE && state->n_services > 0)
        output_line(&o, STYLE_WARN,
                    "tasks that run keep the old servers: start new ones (the last of the commands "
                    "above)");
    put_left_over(&o, state, plan, applied);
    if (applied->step > DHCP_STEP_ASSOCIATE) {
        buf_append(&o.text, STR("\nto take it back:\n"));
        dhcp_plan_write_rollback(state, plan, str_from_c(applied->new_id), &o.text);
    }
    bool is_shown = output_print(&o);
    if (applied->step == DHCP_STEP_DONE)
        return is_shown ? EXIT_OK : EXIT_FAILED;
    fprintf(stderr, "penstock fix: %s did not succeed; nothing further was done\n",
            dhcp_step_action(applied->step));
    print_error(&applied->error);
    return EXIT_FAILED;
}

/* Corporate names would be lost with the servers that know them. */
static bool has_rules(const struct dhcp_state *state, const struct dhcp_plan *plan)
{
    unsigned n = 0;
    if (plan->n_servers == 0 || plan->mode == DHCP_AMAZON_FIRST)
        return true;
    for (unsigned i = 0; i < plan->n_zones; i++)
        if (!plan->zones[i].is_forwarded) {
            fprintf(stderr, "penstock fix: no Resolver rule for %s\n", plan->zones[i].name);
            n++;
        }
    if (plan->n_bad_zones > 0)
        fprintf(stderr, "penstock fix: %u words are no zones, or too many\n", plan->n_bad_zones);
    bool is_unnamed = plan->n_zones == 0 && state->forwarded.n == 0;
    if (is_unnamed)
        fputs("penstock fix: no zone of the corporate servers is known: name them with --zone\n",
              stderr);
    if (n == 0 && plan->n_bad_zones == 0 && !is_unnamed)
        return true;
    fprintf(stderr, "penstock fix: nothing was changed%s; or say --without-rules\n",
            n > 0 ? ": make these rules first (the commands are above)" : "");
    return false;
}

/* Whose tasks are to be replaced must be known before anything is changed. */
static bool knows_tasks(const struct fact_facts *f)
{
    for (size_t i = 0; i < f->calls.n; i++) {
        const struct fact_call *call = &f->calls.v[i];
        bool is_about_tasks = str_starts(call->action, STR("ecs:")) ||
                              str_eq(call->action, STR("ec2:DescribeSubnets"));
        if (is_about_tasks && !str_eq(call->outcome, STR("ok"))) {
            fputs("penstock fix: nothing was changed: which tasks run in the VPC is not known\n",
                  stderr);
            return false;
        }
    }
    return true;
}

static int carry_out(const struct arguments *a, struct aws_session *session, struct fact_book *book)
{
    struct dhcp_state state;
    struct dhcp_plan *plan = calloc(1, sizeof *plan);
    struct output o;
    int code = EXIT_FAILED;
    if (plan == NULL)
        return code;
    dhcp_state_of(book, (struct dhcp_strs){ a->n_zones, a->zones }, &state);
    dhcp_plan_make(&state, a->is_amazon_first ? DHCP_AMAZON_FIRST : DHCP_AMAZON_ALONE, plan);
    output_init(&o);
    dhcp_plan_write(&state, plan, &o.text);
    bool is_shown = output_print(&o);
    if (plan->verdict != DHCP_CHANGE)
        code = plan->verdict == DHCP_NOTHING_TO_DO ? EXIT_OK : EXIT_FAILED;
    else if (!a->applies)
        code = is_shown ? EXIT_OK : EXIT_FAILED;
    else if (is_shown && (a->without_rules || has_rules(&state, plan)) &&
             (!a->replaces || knows_tasks(&book->facts))) {
        struct dhcp_applied applied;
        dhcp_apply(session, &state, plan, a->replaces, &applied);
        code = print_applied(&state, plan, &applied, a->replaces);
    }
    free(plan);
    return code;
}

static int fix(const struct arguments *a, const struct conf *conf, struct fact_book *book)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    struct aws_access access;
    struct aws_access_options options = {
        .conf = conf,
        .profile = a->profile,
        .endpoint_url = a->endpoint_url,
        .region = str_from_c(a->region),
        .deadline_us = io_now_us() + FIX_MS * 1000ULL,
    };
    if (!aws_access_open(&access, &options)) {
        fputs("penstock fix: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    struct gather_request request = { .session = access.session };
    s->vpc_id = fact_text(book, str_from_c(a->vpc));
    s->cluster = fact_text(book, str_from_c(a->cluster));
    s->region = fact_text(book, aws_session_region(access.session, NULL));
    gather_for_fix(&request, book);
    int code = is_known(&book->facts) ? carry_out(a, access.session, book) : EXIT_FAILED;
    aws_access_close(&access);
    return code;
}

int cmd_fix(int argc, char **argv)
{
    struct arguments a = { .vpc = NULL };
    struct fact_book book;
    int code = read_arguments(argc, argv, &a);
    if (code != EXIT_OK)
        return code;
    struct conf *conf = cli_load_conf(a.file, CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_USAGE_ERROR;
    fact_book_init(&book);
    code = fix(&a, conf, &book);
    fact_book_done(&book);
    conf_unref(conf);
    return code;
}
