#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "aws/credentials.h"
#include "aws/session_impl.h"
#include "aws/source.h"
#include "http_server.h"

#define DOCUMENT                                                                                   \
    "{\"Code\":\"Success\",\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"sEcr3t\","                 \
    "\"Token\":\"T0K3N\",\"Expiration\":\"%s\"}"
#define STS_REPLY(operation)                                                                       \
    "<" operation "Response><" operation "Result><Credentials><AccessKeyId>%s</AccessKeyId>"       \
    "<SecretAccessKey>sEcr3t</SecretAccessKey><SessionToken>T0K3N</SessionToken>"                  \
    "<Expiration>2015-08-30T13:36:00Z</Expiration></Credentials></" operation                      \
    "Result></" operation "Response>"

enum { NOON = 1440936000 }; /* 2015-08-30T12:00:00Z */
static int64_t now = NOON;
static int64_t the_clock(void)
{
    return now;
}

static struct http_server server;
static bool is_down;
static const char *ends = "2015-08-30T13:00:00Z";
static char dir[] = "/tmp/test-credentials-XXXXXX";

static void answer(struct http_server *s, struct str request, struct buf *out)
{
    static const char imds[] = "GET /latest/meta-data/iam/security-credentials/";
    char body[1024];
    bool has_token = str_contains(request, STR("X-aws-ec2-metadata-token: imds-t\r\n"));
    if (is_down) {
        answer_with(out, 500, "", "");
    } else if (str_starts(request, STR("GET /task "))) {
        snprintf(body, sizeof body, DOCUMENT, "TASK", ends);
        answer_with(out, 200, "", body);
    } else if (str_starts(request, STR("GET /guarded "))) {
        snprintf(body, sizeof body, DOCUMENT, "GUARDED", ends);
        bool ok = str_contains(request, STR("\r\nAuthorization: Bearer one\r\n"));
        answer_with(out, ok ? 200 : 401, "", ok ? body : "");
    } else if (str_starts(request, STR("GET /refused "))) {
        answer_with(out, 200, "", "{\"Code\":\"AssumeRoleUnauthorized\\u001b\"}");
    } else if (str_starts(request, STR("GET /page "))) {
        answer_with(out, 200, "", "<html>sEcr3t");
    } else if (str_starts(request, STR("GET /half "))) {
        answer_with(out, 200, "", "{\"AccessKeyId\":\"x\"}");
    } else if (str_starts(request, STR("PUT /latest/api/token "))) {
        answer_with(out, 200, "", "imds-t");
    } else if (has_token && str_starts(request, str_from_c(imds))) {
        bool is_list = request.p[sizeof imds - 1] == ' ';
        snprintf(body, sizeof body, DOCUMENT, "INSTANCE", ends);
        answer_with(out, 200, "", is_list ? "role\n" : body);
    } else if (str_contains(request, STR("Action=AssumeRoleWithWebIdentity&")) &&
               str_contains(request, STR("WebIdentityToken=jwt.jwt")) &&
               !str_contains(request, STR("Authorization:"))) {
        snprintf(body, sizeof body, STS_REPLY("AssumeRoleWithWebIdentity"), "WEB");
        answer_with(out, 200, "", body);
    } else if (str_contains(request, STR("Action=AssumeRole&")) &&
               str_contains(request, STR("Credential=BASE/"))) {
        snprintf(body, sizeof body, STS_REPLY("AssumeRole"), "ROLE");
        answer_with(out, 200, "", body);
    } else {
        answer_with(out, 403, "",
                    "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no bad.jwt"
                    "</Message></Error></ErrorResponse>");
    }
}

static void put_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

enum { MAX_ENV = 12 };

/* "@" is the server's URL, "%" the folder. */
static char *expand(const char *text)
{
    struct buf b;
    buf_init(&b, 4096);
    for (; *text != 0; text++) {
        if (*text == '@')
            buf_append(&b, str_from_c(server.url));
        else if (*text == '%')
            buf_append(&b, str_from_c(dir));
        else
            buf_byte(&b, *text);
    }
    buf_byte(&b, 0);
    return b.p;
}

#define NO_FILES "HOME=%/none"
#define NO_IMDS "AWS_EC2_METADATA_DISABLED=true"
#define REGION "AWS_REGION=eu-west-1"
#define STS "AWS_ENDPOINT_URL_STS=@"
#define FULL "AWS_CONTAINER_CREDENTIALS_FULL_URI="
#define RELATIVE "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI="
#define FILES "HOME=%"

static const struct row {
    const char *name, *profile;
    const char *env[MAX_ENV];
    const char *id;         /* NULL: none */
    enum aws_source source; /* of the keys, or whose `why` it is */
    const char *why;
} rows[] = {
    { "environment",
      "",
      { NO_FILES, "AWS_ACCESS_KEY_ID=E", "AWS_SECRET_ACCESS_KEY=s" },
      "E",
      AWS_SOURCE_ENV,
      "AWS_ACCESS_KEY_ID" },
    { "half of it ends the search",
      "",
      { FILES, "AWS_ACCESS_KEY_ID=E" },
      NULL,
      AWS_SOURCE_ENV,
      "AWS_SECRET_ACCESS_KEY is not set" },
    { "a key with a line break",
      "",
      { FILES, "AWS_ACCESS_KEY_ID=E\r\nx: y", "AWS_SECRET_ACCESS_KEY=s" },
      NULL,
      AWS_SOURCE_ENV,
      "characters that no key has" },
    { "nothing anywhere",
      "",
      { NO_FILES, NO_IMDS },
      NULL,
      AWS_SOURCE_INSTANCE,
      "AWS_EC2_METADATA_DISABLED" },
    { "nothing, and link-local is not contacted",
      "",
      { NO_FILES },
      NULL,
      AWS_SOURCE_INSTANCE,
      "link-local addresses are not contacted" },
    { "web identity",
      "",
      { FILES, REGION, STS, "AWS_WEB_IDENTITY_TOKEN_FILE=%/jwt", "AWS_ROLE_ARN=arn:r" },
      "WEB",
      AWS_SOURCE_WEB_IDENTITY,
      "AssumeRoleWithWebIdentity of arn:r" },
    { "web identity without a role",
      "",
      { FILES, "AWS_WEB_IDENTITY_TOKEN_FILE=%/jwt" },
      NULL,
      AWS_SOURCE_WEB_IDENTITY,
      "AWS_ROLE_ARN is not" },
    { "web identity without its file",
      "",
      { FILES, REGION, STS, "AWS_WEB_IDENTITY_TOKEN_FILE=%/nothing", "AWS_ROLE_ARN=arn:r" },
      NULL,
      AWS_SOURCE_WEB_IDENTITY,
      "No such file" },
    { "web identity refused: its token is not shown",
      "",
      { FILES, REGION, STS, "AWS_WEB_IDENTITY_TOKEN_FILE=%/bad", "AWS_ROLE_ARN=arn:r" },
      NULL,
      AWS_SOURCE_WEB_IDENTITY,
      "sts:AssumeRoleWithWebIdentity: AccessDenied: no ***" },
    { "the default profile", "", { FILES }, "DEFAULT", AWS_SOURCE_PROFILE, "profile default" },
    { "AWS_PROFILE", "", { FILES, "AWS_PROFILE=base" }, "BASE", AWS_SOURCE_PROFILE, "base" },
    { "a given profile comes before the environment",
      "base",
      { FILES, "AWS_ACCESS_KEY_ID=E", "AWS_SECRET_ACCESS_KEY=s" },
      "BASE",
      AWS_SOURCE_PROFILE,
      "base" },
    { "AWS_PROFILE does not",
      "",
      { FILES, "AWS_PROFILE=base", "AWS_ACCESS_KEY_ID=E", "AWS_SECRET_ACCESS_KEY=s" },
      "E",
      AWS_SOURCE_ENV,
      "" },
    { "files elsewhere",
      "",
      { NO_FILES, "AWS_SHARED_CREDENTIALS_FILE=%/.aws/credentials" },
      "DEFAULT",
      AWS_SOURCE_PROFILE,
      "" },
    { "files elsewhere, below home",
      "",
      { FILES, "AWS_SHARED_CREDENTIALS_FILE=~/.aws/elsewhere" },
      "OTHER",
      AWS_SOURCE_PROFILE,
      "" },
    { "a profile that is not there",
      "",
      { FILES, "AWS_PROFILE=nobody" },
      NULL,
      AWS_SOURCE_PROFILE,
      "no profile nobody" },
    { "a role of a profile",
      "",
      { FILES, REGION, STS, "AWS_PROFILE=role" },
      "ROLE",
      AWS_SOURCE_PROFILE,
      "AssumeRole of arn:role" },
    { "a role by web identity, in a profile",
      "",
      { FILES, REGION, STS, "AWS_PROFILE=web" },
      "WEB",
      AWS_SOURCE_PROFILE,
      "arn:web" },
    { "a chain of roles",
      "",
      { FILES, REGION, STS, "AWS_PROFILE=chain" },
      NULL,
      AWS_SOURCE_PROFILE,
      "chains of roles are not supported" },
    { "SSO",
      "",
      { FILES, "AWS_PROFILE=sso" },
      NULL,
      AWS_SOURCE_PROFILE,
      "signs in by SSO, which is not supported" },
    { "a program",
      "",
      { FILES, "AWS_PROFILE=program" },
      NULL,
      AWS_SOURCE_PROFILE,
      "runs a program for its keys, which is not supported" },
    { "the task's role", "", { NO_FILES, FULL "@/task" }, "TASK", AWS_SOURCE_CONTAINER, "" },
    { "with a token",
      "",
      { NO_FILES, FULL "@/guarded", "AWS_CONTAINER_AUTHORIZATION_TOKEN=Bearer one" },
      "GUARDED",
      AWS_SOURCE_CONTAINER,
      "" },
    { "with a token in a file, which comes first",
      "",
      { NO_FILES, FULL "@/guarded", "AWS_CONTAINER_AUTHORIZATION_TOKEN=x",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=%/auth" },
      "GUARDED",
      AWS_SOURCE_CONTAINER,
      "" },
    { "without it",
      "",
      { NO_FILES, FULL "@/guarded" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "HTTP status 401" },
    { "a token with a line break",
      "",
      { NO_FILES, FULL "@/task", "AWS_CONTAINER_AUTHORIZATION_TOKEN=a\r\nb: c" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "line break" },
    { "the agent refuses",
      "",
      { NO_FILES, FULL "@/refused" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "says AssumeRoleUnauthorized?" },
    { "the agent is a web page",
      "",
      { NO_FILES, FULL "@/page" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "no JSON object" },
    { "half a document", "", { NO_FILES, FULL "@/half" }, NULL, AWS_SOURCE_CONTAINER, "no keys" },
    { "http to just anybody",
      "",
      { NO_FILES, FULL "http://192.0.2.1/task" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "http only to loopback" },
    { "http to a name",
      "",
      { NO_FILES, FULL "http://agent.example/task" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "http only to loopback" },
    { "http to a link-local address that is no agent",
      "",
      { NO_FILES, FULL "http://169.254.170.3/task" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "http only to loopback" },
    { "https to a name may be asked",
      "",
      { NO_FILES, FULL "https://agent.example/task" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "nobody resolves agent.example" },
    { "a known agent, where link-local is not contacted",
      "",
      { NO_FILES, FULL "http://169.254.170.23/v1" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "169.254.170.23 is not contacted" },
    { "the relative form is ECS's address",
      "",
      { NO_FILES, RELATIVE "/v2/x" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "169.254.170.2 is not contacted" },
    { "the relative form leads nowhere else",
      "",
      { NO_FILES, RELATIVE "@evil.example/" },
      NULL,
      AWS_SOURCE_CONTAINER,
      "is no path" },
    { "the instance",
      "",
      { NO_FILES, "AWS_EC2_METADATA_SERVICE_ENDPOINT=@/" },
      "INSTANCE",
      AWS_SOURCE_INSTANCE,
      "" },
};

struct environment {
    char *of[MAX_ENV + 1];
};

static struct aws_session *make_session(const struct row *r, struct environment *env)
{
    size_t n = 0;
    for (; n < MAX_ENV && r->env[n] != NULL; n++)
        env->of[n] = expand(r->env[n]);
    env->of[n] = NULL;
    return aws_session_new(&(struct aws_session_options){
        .env = env->of, .profile = str_from_c(r->profile), .unix_s = the_clock });
}

static void free_session(struct aws_session *s, struct environment *env)
{
    aws_session_free(s);
    for (size_t i = 0; env->of[i] != NULL; i++)
        free(env->of[i]);
}

static void no_secret_in(const struct aws_credentials_report *report, const struct aws_error *e)
{
    static const char *const secrets[] = { "sEcr3t",  "T0K3N",  "jwt.jwt",
                                           "bad.jwt", "Bearer", "imds-t" };
    for (size_t i = 0; i < sizeof secrets / sizeof *secrets; i++) {
        assert_null(strstr(e->message, secrets[i]));
        for (unsigned k = 0; k < N_AWS_SOURCES; k++)
            assert_null(strstr(report->sources[k].why, secrets[i]));
    }
}

static void sources_in_their_order(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct environment env;
        struct aws_session *s = make_session(r, &env);
        struct aws_credentials_report report;
        struct aws_error e = { .kind = AWS_OK };
        bool ok = aws_credentials_look(s, &report, &e);
        if (ok != (r->id != NULL) || report.has_keys != ok ||
            (ok && (strcmp(report.key_id, r->id) != 0 || report.source != r->source)) ||
            strstr(report.sources[r->source].why, r->why) == NULL)
            fail_msg("%s: %d %s, %s", r->name, ok, report.key_id, report.sources[r->source].why);
        assert_int_equal(e.kind, ok ? AWS_OK : AWS_NO_CREDENTIALS);
        for (unsigned k = 0; k < r->source; k++)
            assert_int_equal(report.sources[k].tried, AWS_ABSENT);
        for (unsigned k = r->source + 1; k < N_AWS_SOURCES; k++)
            assert_int_equal(report.sources[k].tried, AWS_NOT_TRIED);
        no_secret_in(&report, &e);
        free_session(s, &env);
    }
}

static const struct row task = { "", "", { NO_FILES, FULL "@/task" }, "TASK", AWS_SOURCE_CONTAINER,
                                 "" };

static bool look(struct aws_session *s, struct aws_credentials_report *report,
                 struct aws_error *error)
{
    *error = (struct aws_error){ .kind = AWS_OK };
    return aws_credentials_look(s, report, error);
}

static void renewed_early_and_kept_on_failure(void **state)
{
    struct environment env;
    struct aws_credentials_report r;
    struct aws_error e;
    now = NOON;
    struct aws_session *s = make_session(&task, &env);
    size_t before = server_count(&server);
    assert_true(look(s, &r, &e));
    now = NOON + 44 * 60;
    assert_true(look(s, &r, &e));
    assert_int_equal(server_count(&server), before + 1); /* kept: 16 minutes are left */
    is_down = true;
    now = NOON + 46 * 60;
    assert_true(look(s, &r, &e) && r.is_renewal_failing);
    assert_non_null(strstr(r.sources[AWS_SOURCE_CONTAINER].why, "HTTP status 500"));
    now += 30;
    assert_true(look(s, &r, &e));
    assert_int_equal(server_count(&server), before + 2); /* not asked again at once */
    now = NOON + 61 * 60;
    assert_false(look(s, &r, &e));
    assert_int_equal(e.kind, AWS_NO_CREDENTIALS);
    is_down = false;
    ends = "2015-08-30T15:00:00.123Z";
    now += 61;
    assert_true(look(s, &r, &e) && !r.is_renewal_failing);
    assert_int_equal(r.expires_unix_s, NOON + 3 * 3600);
    ends = "2015-08-30T13:00:00Z";
    now = NOON;
    free_session(s, &env);
}

static void keys_that_came_expired(void **state)
{
    struct environment env;
    struct aws_credentials_report r;
    struct aws_error e;
    now = NOON + 2 * 3600;
    struct aws_session *s = make_session(&task, &env);
    assert_false(look(s, &r, &e));
    assert_int_equal(e.kind, AWS_BAD_KEY);
    assert_string_equal(e.message, "the keys of container have expired");
    now = NOON;
    free_session(s, &env);
}

static void *look_once(void *arg)
{
    struct aws_credentials_report r;
    struct aws_error e = { .kind = AWS_OK };
    return aws_credentials_look(arg, &r, &e) && strcmp(r.key_id, "TASK") == 0 ? arg : NULL;
}

static void threads_fetch_them_once(void **state)
{
    pthread_t threads[8];
    struct environment env;
    struct aws_session *s = make_session(&task, &env);
    size_t before = server_count(&server);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_once, s), 0);
    for (size_t i = 0; i < 8; i++) {
        void *ok = NULL;
        pthread_join(threads[i], &ok);
        assert_non_null(ok);
    }
    assert_int_equal(server_count(&server), before + 1);
    free_session(s, &env);
}

static void times(void **state)
{
    static const struct {
        const char *text;
        int64_t unix_s; /* -1: refused */
    } of[] = {
        { "2015-08-30T12:00:00Z", NOON },
        { "2015-08-30T12:00:00.999Z", NOON },
        { "1970-01-01T00:00:00Z", 0 },
        { "2015-08-30T12:00:00", -1 },
        { "2015-08-30T12:00:00+01:00", -1 },
        { "2015-08-30T12:00:00.Z", -1 },
        { "2015-13-30T12:00:00Z", -1 },
        { "2015-08-30 12:00:00Z", -1 },
        { "2015-08-30T12:00:00.1.2Z", -1 },
        { "", -1 },
        { "Z", -1 },
        { "1900-01-01T00:00:00Z", -1 },
    };
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        int64_t t = -1;
        if (aws_time_parse(str_from_c(of[i].text), &t) != (of[i].unix_s >= 0) || t != of[i].unix_s)
            fail_msg("%s: %lld", of[i].text, (long long)t);
    }
}

static int set_up(void **state)
{
    char path[128];
    if (mkdtemp(dir) == NULL)
        return -1;
    snprintf(path, sizeof path, "mkdir %s/.aws", dir);
    if (system(path) != 0)
        return -1;
    server_start(&server, answer, NULL);
    char *config = expand("[profile role]\nrole_arn = arn:role\nsource_profile = base\n"
                          "[profile web]\nrole_arn = arn:web\nweb_identity_token_file = %/jwt\n"
                          "[profile chain]\nrole_arn = arn:c\nsource_profile = role\n"
                          "[profile sso]\nsso_session = x\n"
                          "[profile program]\ncredential_process = /bin/keys sEcr3t\n");
    put_file(".aws/credentials", "[default]\naws_access_key_id=DEFAULT\naws_secret_access_key=x\n"
                                 "[base]\naws_access_key_id=BASE\naws_secret_access_key=y\n");
    put_file(".aws/elsewhere", "[default]\naws_access_key_id=OTHER\naws_secret_access_key=x\n");
    put_file(".aws/config", config);
    put_file("jwt", "jwt.jwt\n");
    put_file("bad", "bad.jwt");
    put_file("auth", "Bearer one\n");
    free(config);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    server_stop(&server);
    server_done(&server);
    snprintf(command, sizeof command, "rm -r %s", dir);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_in_their_order),
        cmocka_unit_test(renewed_early_and_kept_on_failure),
        cmocka_unit_test(keys_that_came_expired),
        cmocka_unit_test(threads_fetch_them_once),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
