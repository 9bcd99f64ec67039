#include "cli/arguments.h"

#include "cli/cli.h"

#include <assert.h>
#include <stdio.h>

static bool wrong(const struct arguments *a, const char *problem, const char *argument)
{
    cli_usage_error(cli_commands[a->command].name, problem, argument);
    return false;
}

static unsigned place_of(const struct cli_option *option)
{
    const struct cli_option *o;
    unsigned place = 0;
    CLI_EACH (o, cli_options, option->command) {
        if (o == option)
            break;
        place++;
    }
    assert(place < ARGUMENTS_OPTIONS);
    return place;
}

static bool no_value(const struct arguments *a, const struct cli_option *o)
{
    char text[64];
    snprintf(text, sizeof text, "no %s behind", o->value);
    return wrong(a, text, o->name);
}

static bool take_option(struct arguments *a, int argc, char **argv, int *at)
{
    struct str argument = str_from_c(argv[*at]);
    size_t equals = str_find(argument, '=', 0);
    const struct cli_option *o = cli_find_option(a->command, str_first(argument, equals));
    bool has_value = equals < argument.n;
    if (o == NULL || (has_value && o->value[0] == 0))
        return wrong(a, "unexpected", argv[*at]);
    const char *value = o->name;
    if (has_value)
        value = argv[*at] + equals + 1;
    else if (o->value[0] != 0)
        value = *at + 1 < argc ? argv[++*at] : "";
    if (value[0] == 0)
        return no_value(a, o);
    a->values[place_of(o)] = value;
    return true;
}

static bool has_all(const struct arguments *a)
{
    const struct cli_operand *p;
    const struct cli_option *o;
    unsigned n = 0;
    char text[64];
    CLI_EACH (p, cli_operands, a->command)
        if (n++ >= a->n_operands && (p->flags & CLI_REQUIRED)) {
            snprintf(text, sizeof text, "which %s?", p->name);
            return wrong(a, text, NULL);
        }
    CLI_EACH (o, cli_options, a->command)
        if ((o->flags & CLI_REQUIRED) && a->values[place_of(o)] == NULL)
            return wrong(a, "needed:", o->name);
    return true;
}

bool arguments_read(enum cli_id command, int argc, char **argv, struct arguments *a)
{
    const struct cli_operand *p;
    unsigned most = 0;
    bool has_options = true; /* until "--" */
    *a = (struct arguments){ .command = command };
    CLI_EACH (p, cli_operands, command)
        most++;
    assert(most <= ARGUMENTS_OPERANDS);
    for (int i = 1; i < argc; i++) {
        if (has_options && strcmp(argv[i], "--") == 0)
            has_options = false;
        else if (has_options && argv[i][0] == '-' && argv[i][1] != 0) {
            if (!take_option(a, argc, argv, &i))
                return false;
        } else if (a->n_operands == most)
            return wrong(a, "unexpected", argv[i]);
        else
            a->operands[a->n_operands++] = argv[i];
    }
    return has_all(a);
}

const char *arguments_get(const struct arguments *a, const char *name)
{
    const struct cli_option *o = cli_find_option(a->command, str_from_c(name));
    assert(o != NULL);
    return a->values[place_of(o)];
}
