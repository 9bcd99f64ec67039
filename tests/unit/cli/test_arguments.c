/* Words against the rows of cli/commands.def. */
#include "cli/arguments.h"

#include "cli/cli.h"
#include "cli/command_help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static char said[256];

/* In the place of cli/usage_error.c. */
int cli_usage_error(const char *command, const char *problem, const char *argument)
{
    snprintf(said, sizeof said, "%s: %s %s", command, problem, argument != NULL ? argument : "-");
    return EXIT_USAGE_ERROR;
}

enum { MOST_WORDS = 16 };

/* text: words with blanks between. */
static bool take(enum cli_id command, const char *text, struct arguments *a)
{
    static char name[] = "it", words[256];
    char *argv[MOST_WORDS] = { name };
    int argc = 1;
    char *rest = words;
    snprintf(words, sizeof words, "%s", text);
    said[0] = 0;
    for (char *word; argc < MOST_WORDS && (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != 0)
            argv[argc++] = word;
    return arguments_read(command, argc, argv, a);
}

static void test_taken(void **state)
{
    struct arguments a;
    (void)state;
    assert_true(take(CLI_LOOKUP, "--tcp name --server 10.0.0.2 AAAA --config=f", &a));
    assert_int_equal(a.n_operands, 2);
    assert_string_equal(a.operands[0], "name");
    assert_string_equal(a.operands[1], "AAAA");
    assert_string_equal(arguments_get(&a, "--server"), "10.0.0.2");
    assert_string_equal(arguments_get(&a, "--config"), "f");
    assert_string_equal(arguments_get(&a, "--tcp"), "--tcp");
    assert_null(arguments_get(&a, "--json"));
    /* A value may look like an option; behind "--" nothing is one; "-" alone is none. */
    assert_true(take(CLI_LOOKUP, "--server --tcp -- --json -", &a));
    assert_string_equal(arguments_get(&a, "--server"), "--tcp");
    assert_null(arguments_get(&a, "--tcp"));
    assert_string_equal(a.operands[0], "--json");
    assert_string_equal(a.operands[1], "-");
    assert_true(take(CLI_LOOKUP, "--server=1 name --server=2", &a));
    assert_string_equal(arguments_get(&a, "--server"), "2");
    assert_true(take(CLI_DOCTOR, "-o json", &a));
    assert_string_equal(arguments_get(&a, "--output"), "json");
}

static void test_refused(void **state)
{
    static const struct {
        enum cli_id command;
        const char *words, *says;
    } cases[] = {
        { CLI_LOOKUP, "", "lookup: which NAME? -" },
        { CLI_LOOKUP, "--tcp", "lookup: which NAME? -" },
        { CLI_LOOKUP, "a b c", "lookup: unexpected c" },
        { CLI_LOOKUP, "a --what", "lookup: unexpected --what" },
        { CLI_LOOKUP, "a --tc", "lookup: unexpected --tc" },
        { CLI_LOOKUP, "a --tcp=yes", "lookup: unexpected --tcp=yes" },
        { CLI_LOOKUP, "a -t", "lookup: unexpected -t" },
        { CLI_LOOKUP, "a --server", "lookup: no ADDR[:PORT] behind --server" },
        { CLI_LOOKUP, "a --server=", "lookup: no ADDR[:PORT] behind --server" },
        { CLI_ROUTES, "a", "routes: unexpected a" },
        { CLI_CONFIG, "", "config: which check|show|help? -" },
        { CLI_FIX, "dhcp", "fix: needed: --vpc" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arguments a;
        assert_false(take(cases[i].command, cases[i].words, &a));
        assert_string_equal(said, cases[i].says);
    }
}

/* Every row fits the parser's bounds, and help shows each. */
static void test_rows(void **state)
{
    (void)state;
    for (unsigned id = 0; id < N_CLI_COMMANDS; id++) {
        const struct cli_option *o;
        const struct cli_exit *e;
        struct buf help;
        unsigned n_options = 0, n_exits = 0;
        buf_init(&help, 1 << 16);
        command_usage((enum cli_id)id, &help);
        command_help((enum cli_id)id, &help);
        CLI_EACH (o, cli_options, id) {
            n_options++;
            assert_true(str_contains(buf_str(&help), str_from_c(o->name)));
            assert_ptr_equal(cli_find_option((enum cli_id)id, str_from_c(o->name)), o);
            assert_int_equal(strncmp(o->name, "--", 2), 0);
            assert_true(o->help[0] != 0);
        }
        CLI_EACH (e, cli_exits, id)
            n_exits++;
        assert_true(n_options <= ARGUMENTS_OPTIONS && n_exits > 0);
        /* Lines of a screen, not of a paragraph. */
        struct str rest = buf_str(&help), line;
        while (str_next(&rest, '\n', &line))
            assert_true(line.n <= 100);
        assert_false(help.failed);
        buf_done(&help);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
