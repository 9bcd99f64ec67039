/* The words behind `penstock doctor`. */
#include "cli/doctor_args.h"

#include "cli/cli.h"

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

enum { MOST_WORDS = 40 };

/* text: words with blanks between. */
static bool take(const char *text, struct doctor_args *a)
{
    static char name[] = "doctor", words[1024];
    char *argv[MOST_WORDS] = { name };
    int argc = 1;
    char *rest = words;
    snprintf(words, sizeof words, "%s", text);
    said[0] = 0;
    for (char *word; argc < MOST_WORDS && (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != 0)
            argv[argc++] = word;
    return doctor_args_read(argc, argv, a);
}

static void test_all_of_them(void **state)
{
    struct doctor_args a;
    (void)state;
    assert_true(
        take("--region eu-west-1 --bucket one --bucket=two --registry http://registry.stk --log - "
             "--vpc vpc-1 --cluster c --task=t --profile p --endpoint-url=http://127.0.0.1 "
             "--dns 10.0.0.2 --dns=[fd00::1]:5353 -o sarif --fail-on warning "
             "--facts-out f --config g --probe",
             &a));
    assert_string_equal(said, "");
    assert_string_equal(a.region, "eu-west-1");
    assert_int_equal(a.n_buckets, 2);
    assert_true(str_eq(a.buckets[0], STR("one")) && str_eq(a.buckets[1], STR("two")));
    assert_string_equal(a.registry, "http://registry.stk");
    assert_string_equal(a.log, "-");
    assert_string_equal(a.vpc, "vpc-1");
    assert_string_equal(a.cluster, "c");
    assert_string_equal(a.task, "t");
    assert_string_equal(a.profile, "p");
    assert_string_equal(a.endpoint_url, "http://127.0.0.1");
    assert_int_equal(a.n_servers, 2);
    assert_int_equal(addr_port(&a.servers[0]), 53);
    assert_int_equal(addr_port(&a.servers[1]), 5353);
    assert_int_equal(a.format, DOCTOR_SARIF);
    assert_int_equal(a.fail_on, FINDING_WARNING);
    assert_string_equal(a.facts_out, "f");
    assert_string_equal(a.config, "g");
    assert_null(a.facts_in);
    assert_true(a.probes && !a.probes_not && !a.schema);
}

static void test_none(void **state)
{
    struct doctor_args a;
    (void)state;
    assert_true(take("", &a));
    assert_int_equal(a.format, DOCTOR_TEXT);
    assert_int_equal(a.fail_on, FINDING_ERROR);
    assert_true(a.region == NULL && a.facts_in == NULL && !a.probes && !a.probes_not);
    assert_true(take("--schema", &a) && a.schema);
    assert_true(take("--facts -", &a) && strcmp(a.facts_in, "-") == 0);
    assert_true(take("--task arn:aws:ecs:eu-west-1:1:task/c/1 --no-probe", &a) && a.probes_not);
}

static void test_wrong(void **state)
{
    static const struct {
        const char *words, *said;
    } rows[] = {
        { "hello", "doctor: unexpected hello" },
        { "--regions r", "doctor: unexpected --regions" },
        { "--region", "doctor: no value behind --region" },
        { "--region=", "doctor: no value behind --region" },
        { "--region eu-west1", "doctor: this is no region's name: eu-west1" },
        { "-o", "doctor: no value behind -o" },
        { "-o xml", "doctor: the format is text, short, json, sarif or junit, not xml" },
        { "--fail-on info", "doctor: --fail-on takes error or warning, not info" },
        { "--fail-on errors", "doctor: --fail-on takes error or warning, not errors" },
        { "--bucket ab", "doctor: this is no bucket's name: ab" },
        { "--bucket a/b", "doctor: this is no bucket's name: a/b" },
        { "--dns corp.test", "doctor: this is no server's address: corp.test" },
        { "--dns 1.2.3.4:99999", "doctor: this is no server's address: 1.2.3.4:99999" },
        { "--probe --no-probe", "doctor: --probe and --no-probe exclude each other -" },
        { "--task 12", "doctor: a task is named by its ARN, or with --cluster" },
        { "--facts a --facts-out b",
          "doctor: facts are either saved or judged; not both: --facts-out, --facts" },
    };
    struct doctor_args a;
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_false(take(rows[i].words, &a));
        assert_string_equal(said, rows[i].said);
    }
}

static void test_saved_facts_stand_alone(void **state)
{
    static const char *const others[] = { "--log x",
                                          "--vpc v",
                                          "--cluster c",
                                          "--probe",
                                          "--dns ::1",
                                          "--bucket abc",
                                          "--registry http://r",
                                          "--task arn:aws:ecs:eu-west-1:1:task/c/1" };
    struct doctor_args a;
    char words[128];
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(words, sizeof words, "--facts f %s", others[i]);
        assert_false(take(words, &a));
        assert_non_null(strstr(said, "saved facts are judged as they are"));
    }
    assert_true(take("--facts f -o json --fail-on warning", &a));
}

static void test_too_many(void **state)
{
    struct doctor_args a;
    char words[1024] = "";
    size_t n = 0;
    (void)state;
    for (int i = 0; i < DOCTOR_MAX_BUCKETS; i++)
        n += (size_t)snprintf(words + n, sizeof words - n, "--bucket=abc ");
    assert_true(take(words, &a));
    snprintf(words + n, sizeof words - n, "--bucket=last");
    assert_false(take(words, &a));
    assert_string_equal(said, "doctor: too many buckets: last");
    n = 0;
    for (int i = 0; i <= DOCTOR_MAX_SERVERS; i++)
        n += (size_t)snprintf(words + n, sizeof words - n, "--dns=127.0.0.%d ", i + 1);
    assert_false(take(words, &a));
    assert_string_equal(said, "doctor: too many servers: 127.0.0.9");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_them), cmocka_unit_test(test_none),
        cmocka_unit_test(test_wrong),       cmocka_unit_test(test_saved_facts_stand_alone),
        cmocka_unit_test(test_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
