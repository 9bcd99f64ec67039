#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define REGISTRY "INTERNAL_REGISTRY_URL=http://r"

enum { MAX_ENV = 6 };

/* conf_load takes environ's type, but writes nothing. */
static char *const *as_environ(const char *const *env)
{
    union {
        const char *const *in;
        char *const *out;
    } u = { env };
    return u.out;
}

static struct conf *load(const char *const *env, const char *yaml, char text[static 4096])
{
    struct buf errors;
    buf_init(&errors, 4095);
    struct conf *c = conf_load_text(as_environ(env), yaml ? "p.yaml" : NULL, str_from_c(yaml),
                                    CONF_FOR_SERVE, &errors);
    if (errors.n > 0)
        memcpy(text, errors.p, errors.n);
    text[errors.n] = 0;
    buf_done(&errors);
    assert_true((c == NULL) == (text[0] != 0));
    return c;
}

static void every_error_has_its_place(void **state)
{
    static const struct {
        const char *env[MAX_ENV];
        const char *yaml, *want;
    } rows[] = {
        { { NULL },
          NULL,
          "INTERNAL_REGISTRY_URL: not set; it is the registry's URL, such as "
          "http://registry.example\n" },
        { { "INTERNAL_REGISTRY_URL= ", NULL },
          "PENSTOCK_LISTEN: :80\n",
          "INTERNAL_REGISTRY_URL: not set; it is the registry's URL, such as "
          "http://registry.example\n" },
        { { REGISTRY, "PENSTOCK_LISTN=:80", "PENSTOCK_NONSENSE_AT_ALL=1", NULL },
          NULL,
          "environment: unknown setting PENSTOCK_LISTN; did you mean PENSTOCK_LISTEN?\n"
          "environment: unknown setting PENSTOCK_NONSENSE_AT_ALL\n" },
        { { REGISTRY, REGISTRY, NULL },
          NULL,
          "INTERNAL_REGISTRY_URL: set twice in the environment\n" },
        { { REGISTRY, "PENSTOCK_WORKERS=x", NULL },
          "PENSTOCK_MAX_BODY: 1X\n",
          "p.yaml:1:20: PENSTOCK_MAX_BODY: \"1X\" is no size: a whole number of bytes, or one "
          "with K, M or G\n"
          "PENSTOCK_WORKERS: \"x\" is neither auto nor a whole number\n" },
        /* a wrong value is told although the environment has a right one */
        { { REGISTRY, "PENSTOCK_WORKERS=1", NULL },
          "\n  PENSTOCK_WORKERS:\n    x\n",
          "p.yaml:3:5: PENSTOCK_WORKERS: \"x\" is neither auto nor a whole number\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_WORKERS: 1\npenstock_workers: 1\nPENSTOCK_WORKERS: 1\n",
          "p.yaml:2:1: unknown setting penstock_workers; did you mean PENSTOCK_WORKERS?\n"
          "p.yaml:3:1: PENSTOCK_WORKERS: set a second time\n" },
        { { REGISTRY, NULL }, "PENSTOCK_WORKERS: [1]\n", "p.yaml:1:19: expected a single text\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_LISTEN: {a: 1}\nPENSTOCK_FOO: {a: [1, {b: c}]}\nPENSTOCK_WORKERS: 0\n",
          "p.yaml:1:18: expected a text or a list of texts\n"
          "p.yaml:2:1: unknown setting PENSTOCK_FOO\n"
          "p.yaml:3:19: PENSTOCK_WORKERS: 0 is not between 1 and 256\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_LISTEN: [':80', [':81', {a: b}], ':82']\nPENSTOCK_WORKERS: 0\n",
          "p.yaml:1:26: expected a text in the list\n"
          "p.yaml:2:19: PENSTOCK_WORKERS: 0 is not between 1 and 256\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_ALLOW_BUCKETS: [a, '', b]\n",
          "p.yaml:1:29: the list has an empty item\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_LOG_LEVEL: &x info\nPENSTOCK_DNS_AWS: *x\nPENSTOCK_LISTEN: [*x, *x]\n",
          "p.yaml:2:19: expected a single text\n"
          "p.yaml:3:19: expected a text in the list\n" },
        { { REGISTRY, NULL },
          "- a\n",
          "p.yaml:1:1: expected settings, one \"NAME: value\" a line\n" },
        { { REGISTRY, NULL },
          "text\n",
          "p.yaml:1:1: expected settings, one \"NAME: value\" a line\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_WORKERS: 1\n---\nx: 1\n",
          "p.yaml:2:1: expected one document\n" },
        { { REGISTRY, NULL },
          "? [a]\n: b\nPENSTOCK_FOO: 1\n",
          "p.yaml:1:3: a key has to be the plain name of a setting\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_WORKERS: [1\n",
          "p.yaml:1:19: expected a single text\n"
          "p.yaml:2:1: did not find expected ',' or ']', while parsing a flow sequence\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_LOG_LEVEL: \xff\n",
          "p.yaml:1:1: invalid leading UTF-8 octet (byte 20)\n" },
        { { REGISTRY, NULL },
          "PENSTOCK_RESOLV_CONF: \"/a\\0b\"\n",
          "p.yaml:1:23: PENSTOCK_RESOLV_CONF: holds a control character\n" },
        { { REGISTRY, NULL }, "\"x\\n\\e[31m\": 1\n", "p.yaml:1:1: unknown setting x??[31m\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char errors[4096];
        assert_null(load(rows[i].env, rows[i].yaml, errors));
        assert_string_equal(errors, rows[i].want);
    }
}

/* libyaml takes time by the square of the depth: these would be minutes. */
static void a_deep_file_costs_no_more_than_a_flat_one(void **state)
{
    static const struct {
        const char *head, *unit, *want;
    } rows[] = {
        { "", "[",
          "p.yaml:1:1: expected settings, one \"NAME: value\" a line\n"
          "p.yaml:1:33: nested too deeply; nothing behind it was read\n" },
        { "PENSTOCK_LISTEN: ", "[",
          "p.yaml:1:19: expected a text in the list\n"
          "p.yaml:1:49: nested too deeply; nothing behind it was read\n" },
        { "x: ", "{a: ",
          "p.yaml:1:1: unknown setting x\n"
          "p.yaml:1:128: nested too deeply; nothing behind it was read\n" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char errors[4096];
        const char *env[] = { REGISTRY, NULL };
        struct buf text;
        buf_init(&text, 1 << 20);
        buf_append(&text, str_from_c(rows[i].head));
        for (int k = 0; k < 100000; k++)
            buf_append(&text, str_from_c(rows[i].unit));
        buf_byte(&text, 0);
        assert_null(load(env, text.p, errors));
        assert_string_equal(errors, rows[i].want);
        buf_done(&text);
    }
}

static void environment_then_file_then_default(void **state)
{
    char errors[4096];
    const char *env[] = { "PENSTOCK_WORKERS=3", "PENSTOCK_LISTEN=", "UNRELATED=1", "NOEQUALS",
                          NULL };
    struct conf *c =
        load(env,
             "# all of it\n"
             "INTERNAL_REGISTRY_URL: http://from.file/\n"
             "PENSTOCK_WORKERS: 5\n"
             "PENSTOCK_LISTEN: [':81', \"127.0.0.1:82\"]\n"
             "PENSTOCK_DNS_ROUTES:\n  - a.b=10.0.0.1,10.0.0.2|10.0.0.3\n  - .=10.0.0.4\n"
             "PENSTOCK_ALLOW_BUCKETS: []\n"
             "PENSTOCK_CA_FILE: ~\n"
             "PENSTOCK_MAX_BODY:\n",
             errors);
    assert_string_equal(errors, "");
    assert_int_equal(c->workers, 3);
    assert_string_equal(c->registry.host.p, "from.file");
    assert_int_equal(c->listen.n, 2);
    assert_int_equal(c->dns_routes.n, 2);
    assert_int_equal(c->dns_routes.v[0].n_groups, 2);
    assert_int_equal(c->allow_buckets.n, 0);
    assert_int_equal(c->ca_file.n, 0);
    assert_int_equal(c->max_body, 10ull << 30);
    assert_int_equal(c->origins[CONF_WORKERS].source, CONF_FROM_ENV);
    assert_int_equal(c->origins[CONF_LISTEN].source, CONF_FROM_FILE);
    assert_int_equal(c->origins[CONF_LISTEN].line, 4);
    assert_int_equal(c->origins[CONF_MAX_BODY].source, CONF_FROM_DEFAULT);
    conf_unref(c);
}

static void an_empty_file_sets_nothing(void **state)
{
    static const char *const rows[] = { "", "# nothing\n", "---\n...\n", "{}", "---\n" };
    char errors[4096];
    const char *env[] = { REGISTRY, NULL };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        conf_unref(load(env, rows[i], errors));
    conf_unref(NULL);
}

static void variables_of_kubernetes_are_no_settings(void **state)
{
    char errors[4096];
    const char *env[] = { REGISTRY,
                          "PENSTOCK_SERVICE_HOST=10.1.1.1",
                          "PENSTOCK_SERVICE_PORT_HTTP=80",
                          "PENSTOCK_PORT=tcp://10.1.1.1:80",
                          "PENSTOCK_ADMIN_PORT_9901_TCP_ADDR=10.1.1.1",
                          NULL };
    conf_unref(load(env, NULL, errors));
    assert_string_equal(errors, "");
    const char *wrong[] = { REGISTRY, "PENSTOCK_PORT=80", NULL };
    assert_null(load(wrong, NULL, errors));
}

static void amazons_resolver_is_asked_where_ecs_runs_us(void **state)
{
    static const struct {
        const char *env[MAX_ENV];
        bool want;
    } rows[] = {
        { { REGISTRY, NULL }, false },
        { { REGISTRY, "ECS_CONTAINER_METADATA_URI_V4=http://x", NULL }, true },
        { { REGISTRY, "ECS_CONTAINER_METADATA_URI=http://x", NULL }, true },
        { { REGISTRY, "ECS_CONTAINER_METADATA_URI=", NULL }, false },
        { { REGISTRY, "ECS_CONTAINER_METADATA_URIX=1", NULL }, false },
        { { REGISTRY, "ECS_CONTAINER_METADATA_URI=http://x", "PENSTOCK_DNS_AWS=off", NULL },
          false },
        { { REGISTRY, "PENSTOCK_DNS_AWS=on", NULL }, true },
        { { REGISTRY, "PENSTOCK_DNS_AWS=auto", NULL }, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char errors[4096];
        struct conf *c = load(rows[i].env, NULL, errors);
        assert_non_null(c);
        assert_int_equal(c->dns_aws_allowed, rows[i].want);
        conf_unref(c);
    }
}

static void too_much_is_refused(void **state)
{
    struct buf text, errors;
    buf_init(&text, 1 << 20);
    buf_init(&errors, 4096);
    const char *env[] = { REGISTRY, NULL };
    buf_append(&text, STR("PENSTOCK_CA_FILE: "));
    for (int i = 0; i < CONF_VALUE_BYTES + 1; i++)
        buf_byte(&text, 'x');
    assert_null(conf_load_text(as_environ(env), "p.yaml", buf_str(&text), CONF_FOR_SERVE, &errors));
    buf_byte(&errors, 0);
    assert_string_equal(errors.p, "p.yaml:1:19: the value is too long\n");

    buf_clear(&text);
    buf_clear(&errors);
    buf_append(&text, STR("PENSTOCK_ALLOW_BUCKETS: "));
    for (int i = 0; i <= CONF_MAX_LIST; i++)
        buf_append(&text, i ? STR(",a") : STR("a"));
    assert_null(conf_load_text(as_environ(env), "p.yaml", buf_str(&text), CONF_FOR_SERVE, &errors));
    buf_byte(&errors, 0);
    assert_string_equal(errors.p, "p.yaml:1:25: PENSTOCK_ALLOW_BUCKETS: more than 256 items\n");
    buf_done(&text);
    buf_done(&errors);
}

/* More errors than there is room for: still no settings. */
static void a_full_error_buffer_is_an_error(void **state)
{
    struct buf errors;
    buf_init(&errors, 20);
    const char *env[] = { REGISTRY, "PENSTOCK_A=1", "PENSTOCK_B=2", NULL };
    assert_null(conf_load(as_environ(env), NULL, CONF_FOR_SERVE, &errors));
    buf_done(&errors);
}

static void files_that_cannot_be_read(void **state)
{
    static const struct {
        const char *file, *want;
    } rows[] = {
        { "/does/not/exist.yaml", "/does/not/exist.yaml: No such file or directory\n" },
        { "/", "/: Is a directory\n" },
        { "/dev/zero", "/dev/zero: File too large\n" },
    };
    const char *env[] = { REGISTRY, NULL };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf errors;
        buf_init(&errors, 4096);
        assert_null(conf_load(as_environ(env), rows[i].file, CONF_FOR_SERVE, &errors));
        buf_byte(&errors, 0);
        assert_string_equal(errors.p, rows[i].want);
        buf_done(&errors);
    }
}

/* A process that runs neither waits for a pipe nor takes one that was read up for an empty file. */
static void a_running_process_reads_regular_files_alone(void **state)
{
    char name[] = "conf-test-XXXXXX";
    const char *env[] = { REGISTRY, NULL };
    struct buf errors;
    buf_init(&errors, 4096);
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PENSTOCK_WORKERS: 9\n", 20), 20);
    close(fd);
    struct conf *c = conf_load_again(as_environ(env), name, CONF_FOR_SERVE, &errors);
    assert_non_null(c);
    assert_int_equal(c->workers, 9);
    conf_unref(c);
    unlink(name);
    assert_int_equal(mkfifo(name, 0600), 0);
    assert_null(conf_load_again(as_environ(env), name, CONF_FOR_SERVE, &errors));
    unlink(name);
    assert_null(conf_load_again(as_environ(env), "/dev/null", CONF_FOR_SERVE, &errors));
    assert_null(conf_load_again(as_environ(env), "/", CONF_FOR_SERVE, &errors));
    assert_null(conf_load_again(as_environ(env), name, CONF_FOR_SERVE, &errors));
    buf_byte(&errors, 0);
    assert_non_null(strstr(errors.p, "/dev/null: not a regular file\n/: not a regular file\n"));
    assert_non_null(strstr(errors.p, "No such file or directory\n"));
    assert_int_equal(strncmp(errors.p, name, strlen(name)), 0);
    buf_done(&errors);
}

static void a_file_is_read(void **state)
{
    char name[] = "conf-test-XXXXXX";
    struct buf errors;
    buf_init(&errors, 4096);
    const char *env[] = { REGISTRY, NULL };
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "PENSTOCK_WORKERS: 9\n", 20), 20);
    close(fd);
    struct conf *c = conf_load(as_environ(env), name, CONF_FOR_SERVE, &errors);
    unlink(name);
    assert_non_null(c);
    assert_int_equal(c->workers, 9);
    assert_string_equal(c->file.p, name);
    conf_unref(c);
    buf_done(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_has_its_place),
        cmocka_unit_test(a_deep_file_costs_no_more_than_a_flat_one),
        cmocka_unit_test(environment_then_file_then_default),
        cmocka_unit_test(an_empty_file_sets_nothing),
        cmocka_unit_test(variables_of_kubernetes_are_no_settings),
        cmocka_unit_test(amazons_resolver_is_asked_where_ecs_runs_us),
        cmocka_unit_test(too_much_is_refused),
        cmocka_unit_test(a_full_error_buffer_is_an_error),
        cmocka_unit_test(files_that_cannot_be_read),
        cmocka_unit_test(a_running_process_reads_regular_files_alone),
        cmocka_unit_test(a_file_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
