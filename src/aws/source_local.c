#include "aws/source.h"

#include <errno.h>

/* Settings of a profile that mean keys from somewhere we do not go. */
static const struct {
    struct str key;
    const char *what;
} unsupported[] = {
    { STR_INIT("credential_process"), "runs a program for its keys" },
    { STR_INIT("sso_session"), "signs in by SSO" },
    { STR_INIT("sso_start_url"), "signs in by SSO" },
    { STR_INIT("login_session"), "signs in by a browser" },
};

enum { MAX_TOKEN_FILE_BYTES = 16 * 1024 };

enum aws_tried aws_source_env(struct aws_search *search)
{
    struct aws_session *s = search->session;
    struct str id = aws_session_env(s, "AWS_ACCESS_KEY_ID");
    struct str secret = aws_session_env(s, "AWS_SECRET_ACCESS_KEY");
    if (s->options.profile.n > 0)
        return aws_source_tell(search, AWS_ABSENT, "passed over: a profile was given");
    if (id.n == 0 && secret.n == 0)
        return aws_source_tell(search, AWS_ABSENT, "AWS_ACCESS_KEY_ID is not set");
    if (id.n == 0 || secret.n == 0)
        return aws_source_tell(search, AWS_FAILED, "%s is not set, its sister is",
                               id.n == 0 ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY");
    if (!aws_keys_set(search->keys, id, secret, aws_session_env(s, "AWS_SESSION_TOKEN"), 0))
        return aws_source_tell(search, AWS_FAILED,
                               "a key has characters that no key has, or is too long");
    return aws_source_tell(search, AWS_GAVE, "AWS_ACCESS_KEY_ID and its sisters");
}

static enum aws_tried assume_by_token(struct aws_search *search, struct str file, struct str role,
                                      struct str name)
{
    struct buf token;
    char path[AWS_PATH_BYTES];
    if (file.n >= sizeof path)
        return aws_source_tell(search, AWS_FAILED, "the token file's path is too long");
    memcpy(path, file.p, file.n);
    path[file.n] = 0;
    buf_init(&token, MAX_TOKEN_FILE_BYTES);
    enum aws_tried tried;
    if (!aws_read_file(path, &token)) {
        tried = aws_source_tell(search, AWS_FAILED, "token file %.100s: %s", path, strerror(errno));
    } else {
        struct str text = buf_str(&token);
        while (text.n > 0 && (uint8_t)text.p[text.n - 1] <= ' ')
            text.n--;
        struct aws_param params[] = {
            { "RoleArn", role },
            { "RoleSessionName", name.n > 0 ? name : STR("penstock") },
            { "WebIdentityToken", text },
        };
        tried = aws_source_ask_sts(search, "AssumeRoleWithWebIdentity", NULL, params, 3);
    }
    buf_done(&token);
    return tried;
}

enum aws_tried aws_source_web_identity(struct aws_search *search)
{
    struct aws_session *s = search->session;
    struct str file = aws_session_env(s, "AWS_WEB_IDENTITY_TOKEN_FILE");
    struct str role = aws_session_env(s, "AWS_ROLE_ARN");
    if (s->options.profile.n > 0)
        return aws_source_tell(search, AWS_ABSENT, "passed over: a profile was given");
    if (file.n == 0)
        return aws_source_tell(search, AWS_ABSENT, "AWS_WEB_IDENTITY_TOKEN_FILE is not set");
    if (role.n == 0)
        return aws_source_tell(search, AWS_FAILED,
                               "AWS_WEB_IDENTITY_TOKEN_FILE is set, AWS_ROLE_ARN is not");
    return assume_by_token(search, file, role, aws_session_env(s, "AWS_ROLE_SESSION_NAME"));
}

static struct str get(const struct aws_search *search, struct str profile, const char *key)
{
    return aws_profiles_get(search->profiles, profile, str_from_c(key));
}

/* The keys that stand in the file. */
static enum aws_tried static_keys(struct aws_search *search, struct str profile)
{
    struct str id = get(search, profile, "aws_access_key_id");
    struct str secret = get(search, profile, "aws_secret_access_key");
    if (id.n == 0 && secret.n == 0)
        return aws_source_tell(search, AWS_ABSENT, "profile %.*s has no keys",
                               STR_ARG(str_first(profile, 64)));
    if (!aws_keys_set(search->keys, id, secret, get(search, profile, "aws_session_token"), 0))
        return aws_source_tell(search, AWS_FAILED, "profile %.*s: half of a key, or a strange one",
                               STR_ARG(str_first(profile, 64)));
    return aws_source_tell(search, AWS_GAVE, "profile %.*s", STR_ARG(str_first(profile, 64)));
}

/* A role, assumed with the keys of another profile (or its own); one step, no chain of roles. */
static enum aws_tried assume_from_profile(struct aws_search *search, struct str profile,
                                          struct str role)
{
    struct aws_keys keys = { 0 };
    struct aws_search inner = { search->session, search->profiles, &keys, search->why };
    struct str source = get(search, profile, "source_profile");
    struct str name = get(search, profile, "role_session_name");
    struct str external = get(search, profile, "external_id");
    if (source.n == 0)
        return aws_source_tell(search, AWS_FAILED,
                               "profile %.*s has role_arn without source_profile or "
                               "web_identity_token_file: others are not supported",
                               STR_ARG(str_first(profile, 64)));
    if (get(search, profile, "mfa_serial").n > 0)
        return aws_source_tell(search, AWS_FAILED, "profile %.*s: mfa_serial is not supported",
                               STR_ARG(str_first(profile, 64)));
    if (static_keys(&inner, source) != AWS_GAVE)
        return aws_source_tell(search, AWS_FAILED,
                               "source_profile %.*s has no keys; chains of roles are not supported",
                               STR_ARG(str_first(source, 64)));
    struct aws_param params[3] = { { "RoleArn", role },
                                   { "RoleSessionName", name.n > 0 ? name : STR("penstock") },
                                   { "ExternalId", external } };
    enum aws_tried tried =
        aws_source_ask_sts(search, "AssumeRole", &keys, params, external.n > 0 ? 3 : 2);
    aws_keys_wipe(&keys);
    return tried;
}

enum aws_tried aws_source_profile(struct aws_search *search)
{
    struct str profile = search->session->profile;
    struct str role = get(search, profile, "role_arn");
    struct str token_file = get(search, profile, "web_identity_token_file");
    if (!aws_profiles_has(search->profiles, profile)) {
        bool is_wanted = !str_eq(profile, STR("default"));
        return aws_source_tell(search, is_wanted ? AWS_FAILED : AWS_ABSENT,
                               "no profile %.*s in %.60s or %.60s", STR_ARG(str_first(profile, 40)),
                               search->profiles->credentials_path, search->profiles->config_path);
    }
    if (role.n > 0 && token_file.n > 0)
        return assume_by_token(search, token_file, role, get(search, profile, "role_session_name"));
    if (role.n > 0)
        return assume_from_profile(search, profile, role);
    enum aws_tried tried = static_keys(search, profile);
    for (size_t i = 0; tried == AWS_ABSENT && i < sizeof unsupported / sizeof *unsupported; i++)
        if (aws_profiles_get(search->profiles, profile, unsupported[i].key).n > 0)
            tried = aws_source_tell(search, AWS_FAILED, "profile %.*s %s, which is not supported",
                                    STR_ARG(str_first(profile, 64)), unsupported[i].what);
    return tried;
}
