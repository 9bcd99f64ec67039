#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/ini.h"

static const char credentials[] = "aws_access_key_id = nobody's\n"
                                  "# [comment]\n"
                                  "[default]\r\n"
                                  "aws_access_key_id=A1\r\n"
                                  "AWS_SECRET_ACCESS_KEY = s#1;/+= \n"
                                  "empty =\n"
                                  "s3 =\n"
                                  "  aws_session_token = nested\n"
                                  "[ other ] ; why\n"
                                  "aws_access_key_id = A2 # a comment\n"
                                  "\n"
                                  "[default]\n"
                                  "region = r1\n"
                                  "region = r2\n"
                                  "no equals sign\n"
                                  "[profile x]\nk = v";
static const char config[] = "[default]\nregion = d\n"
                             "[profile dev]\nregion = e\n"
                             "[profile \"two words\"]\nregion = f\n"
                             "[sso-session dev]\nregion = wrong\n"
                             "[dev]\nregion = wrong\n"
                             "[profiledev2]\nregion = wrong\n"
                             "[profile default]\noutput = o";

static const struct row {
    const char *text;
    enum ini_file kind;
    const char *profile, *key, *value; /* NULL: none */
} rows[] = {
    { credentials, INI_CREDENTIALS, "default", "aws_access_key_id", "A1" },
    { credentials, INI_CREDENTIALS, "default", "aws_secret_access_key", "s#1;/+=" },
    { credentials, INI_CREDENTIALS, "default", "aws_session_token", NULL },
    { credentials, INI_CREDENTIALS, "default", "empty", "" },
    { credentials, INI_CREDENTIALS, "default", "region", "r2" },
    { credentials, INI_CREDENTIALS, "other", "aws_access_key_id", "A2" },
    { credentials, INI_CREDENTIALS, "other", "region", NULL },
    { credentials, INI_CREDENTIALS, "profile x", "k", "v" },
    { credentials, INI_CREDENTIALS, "", "aws_access_key_id", NULL },
    { config, INI_CONFIG, "default", "region", "d" },
    { config, INI_CONFIG, "default", "output", "o" },
    { config, INI_CONFIG, "dev", "region", "e" },
    { config, INI_CONFIG, "two words", "region", "f" },
    { config, INI_CONFIG, "dev2", "region", NULL },
    { "", INI_CONFIG, "default", "region", NULL },
    { "[", INI_CONFIG, "default", "region", NULL },
    { "[]\nregion=x", INI_CREDENTIALS, "", "region", NULL },
};

static void values_are_found(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct str value = STR("untouched");
        bool has = ini_get(str_from_c(rows[i].text), rows[i].kind, str_from_c(rows[i].profile),
                           str_from_c(rows[i].key), &value);
        if (has != (rows[i].value != NULL) ||
            !str_eq(value, has ? str_from_c(rows[i].value) : STR("untouched")))
            fail_msg("%s %s: %.*s", rows[i].profile, rows[i].key, STR_ARG(value));
    }
}

static void profiles_are_known(void **state)
{
    assert_true(ini_has_profile(str_from_c(credentials), INI_CREDENTIALS, STR("other")));
    assert_true(ini_has_profile(str_from_c(config), INI_CONFIG, STR("two words")));
    assert_false(ini_has_profile(str_from_c(config), INI_CONFIG, STR("profile dev")));
    assert_false(ini_has_profile(str_from_c(credentials), INI_CREDENTIALS, STR("comment")));
    assert_false(ini_has_profile(str_from_c(config), INI_CONFIG, STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_found),
        cmocka_unit_test(profiles_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
