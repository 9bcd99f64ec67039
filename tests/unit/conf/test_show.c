#include "conf/settings.h"
#include "obs/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_value_is_shown_with_its_origin(void **state)
{
    struct buf out, errors;
    buf_init(&out, 1 << 20);
    buf_init(&errors, 4096);
    char registry[] = "INTERNAL_REGISTRY_URL=http://r/", workers[] = "PENSTOCK_WORKERS=2";
    char *env[] = { registry, workers, NULL };
    struct conf *c = conf_load_text(env, "p.yaml", STR("\nPENSTOCK_LISTEN: [':80', ':81']\n"),
                                    CONF_FOR_SERVE, &errors);
    assert_non_null(c);
    conf_show(c, CONF_SHOW_ALL, &out);
    static const char *const want[] = {
        "INTERNAL_REGISTRY_URL=http://r/   # environment\n",
        "\nPENSTOCK_LISTEN=:80,:81   # p.yaml:2\n",
        "\nPENSTOCK_WORKERS=2   # environment\n",
        "\nPENSTOCK_DNS_SERVERS=   # not set\n",
        "\nPENSTOCK_DNS_AWS=auto   # default; here off\n",
        "\nPENSTOCK_IDLE_TIMEOUT_MS=1020000   # default\n",
    };
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_true(str_contains(buf_str(&out), str_from_c(want[i])));
    conf_unref(c);
    buf_done(&out);
    buf_done(&errors);
}

static void help_has_every_setting(void **state)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    conf_help(&out);
    assert_true(str_contains(buf_str(&out), STR("PENSTOCK_LISTEN=[::]:80\n    Where")));
#define SETTING(id, key, field, type, initial, least, most, help, more)                            \
    assert_true(str_contains(buf_str(&out), STR(key)) && str_contains(buf_str(&out), STR(help)));
#include "conf/settings.def"
#undef SETTING
    buf_done(&out);
}

/* Two rooms know the levels' names, for neither may include the other. */
static void levels_are_those_of_the_log(void **state)
{
    static const char *const names[] = { "error", "warning", "info", "debug", "fatal", "" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char registry[] = "INTERNAL_REGISTRY_URL=http://r", level[64];
        struct buf errors;
        enum log_level parsed;
        buf_init(&errors, 4096);
        snprintf(level, sizeof level, "PENSTOCK_LOG_LEVEL=%s", names[i]);
        char *env[] = { registry, level, NULL };
        struct conf *c = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
        bool is_level = log_level_parse(str_from_c(names[i]), &parsed);
        assert_int_equal(c != NULL, is_level || names[i][0] == 0);
        conf_unref(c);
        buf_done(&errors);
    }
}

static void the_documentation_is_current(void **state)
{
    char name[4096];
    const char *root = getenv("PENSTOCK_SOURCE_ROOT");
    if (root == NULL)
        skip(); /* not under meson test */
    snprintf(name, sizeof name, "%s/docs/SETTINGS.md", root);
    FILE *f = fopen(name, "re");
    if (f == NULL)
        fail_msg("docs/SETTINGS.md is missing");
    struct buf want, got;
    buf_init(&want, 1 << 20);
    buf_init(&got, 1 << 20);
    conf_help_markdown(&want);
    char *p = buf_reserve(&got, 1 << 20);
    got.n = fread(p, 1, 1 << 20, f);
    fclose(f);
    if (!str_eq(buf_str(&want), buf_str(&got)))
        fail_msg("docs/SETTINGS.md is old: penstock config help --markdown > docs/SETTINGS.md");
    buf_done(&want);
    buf_done(&got);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_is_shown_with_its_origin),
        cmocka_unit_test(help_has_every_setting),
        cmocka_unit_test(levels_are_those_of_the_log),
        cmocka_unit_test(the_documentation_is_current),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
