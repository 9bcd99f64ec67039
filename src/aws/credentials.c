#include "aws/credentials.h"

#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>

#include "aws/source.h"

/* Renewed this long before they end; a failure is not repeated for RETRY_S. */
enum { EARLY_S = 15 * 60, RETRY_S = 60 };

static const struct {
    const char *name;
    aws_source_fn *get;
} sources[N_AWS_SOURCES] = {
    [AWS_SOURCE_ENV] = { "environment", aws_source_env },
    [AWS_SOURCE_WEB_IDENTITY] = { "web identity", aws_source_web_identity },
    [AWS_SOURCE_PROFILE] = { "profile", aws_source_profile },
    [AWS_SOURCE_CONTAINER] = { "container", aws_source_container },
    [AWS_SOURCE_INSTANCE] = { "instance", aws_source_instance },
};

const char *aws_source_name(enum aws_source source)
{
    return source < N_AWS_SOURCES ? sources[source].name : "unknown";
}

void aws_keys_wipe(struct aws_keys *keys)
{
    OPENSSL_cleanse(keys, sizeof *keys);
}

static bool set_text(char *out, size_t size, struct str text)
{
    if (text.n >= size)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~')
            return false;
    if (text.n > 0)
        memcpy(out, text.p, text.n);
    out[text.n] = 0;
    return true;
}

bool aws_keys_set(struct aws_keys *out, struct str id, struct str secret, struct str token,
                  int64_t expires_unix_s)
{
    out->expires_unix_s = expires_unix_s;
    if (id.n > 0 && secret.n > 0 && set_text(out->id, sizeof out->id, id) &&
        set_text(out->secret, sizeof out->secret, secret) &&
        set_text(out->token, sizeof out->token, token))
        return true;
    aws_keys_wipe(out);
    return false;
}

enum aws_tried aws_source_tell(struct aws_search *search, enum aws_tried tried, const char *format,
                               ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(search->why, AWS_WHY_BYTES, format, ap);
    va_end(ap);
    for (char *c = search->why; *c != 0; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return tried;
}

/* With the lock. True: fresh keys. */
static bool search_all(struct aws_session *s)
{
    struct aws_keys found = { 0 };
    struct aws_profiles profiles;
    struct aws_credentials_report *r = &s->report;
    enum aws_tried tried = AWS_ABSENT;
    aws_profiles_read(&profiles, aws_session_env(s, "AWS_SHARED_CREDENTIALS_FILE"),
                      aws_session_env(s, "AWS_CONFIG_FILE"), aws_session_env(s, "HOME"));
    memset(r->sources, 0, sizeof r->sources);
    for (unsigned i = 0; i < N_AWS_SOURCES && tried == AWS_ABSENT; i++) {
        struct aws_search search = { s, &profiles, &found, r->sources[i].why };
        tried = r->sources[i].tried = sources[i].get(&search);
        if (tried == AWS_GAVE) {
            r->source = i;
            s->keys = found;
        } else if (tried == AWS_FAILED) {
            aws_error_set(&s->keys_error, AWS_NO_CREDENTIALS, "%s: %s", sources[i].name,
                          search.why);
        }
    }
    if (tried == AWS_ABSENT)
        aws_error_set(&s->keys_error, AWS_NO_CREDENTIALS,
                      "nothing in the environment, files, container or instance gives any");
    aws_profiles_done(&profiles);
    aws_keys_wipe(&found);
    return tried == AWS_GAVE;
}

static bool are_good(const struct aws_session *s, int64_t now)
{
    return s->report.has_keys && (s->keys.expires_unix_s == 0 || now < s->keys.expires_unix_s);
}

static bool is_due(const struct aws_session *s, int64_t now)
{
    if (!s->was_tried)
        return true;
    if (now < s->next_try_unix_s)
        return false;
    return !s->report.has_keys ||
           (s->keys.expires_unix_s != 0 && now >= s->keys.expires_unix_s - EARLY_S);
}

/* With the lock. */
static bool have_keys(struct aws_session *s, struct aws_error *error)
{
    int64_t now = aws_session_now(s);
    struct aws_credentials_report *r = &s->report;
    if (is_due(s, now)) {
        bool ok = search_all(s);
        s->was_tried = true;
        s->next_try_unix_s = now + RETRY_S;
        r->is_renewal_failing = !ok && r->has_keys;
        r->has_keys = ok || are_good(s, now);
        r->expires_unix_s = s->keys.expires_unix_s;
        snprintf(r->key_id, sizeof r->key_id, "%s", s->keys.id);
    }
    if (are_good(s, now))
        return true;
    if (s->report.has_keys)
        return aws_error_set(error, AWS_BAD_KEY, "the keys of %s have expired%s%s",
                             aws_source_name(r->source),
                             r->is_renewal_failing ? "; renewing them: " : "",
                             r->is_renewal_failing ? s->keys_error.message : "");
    return aws_error_set(error, AWS_NO_CREDENTIALS, "%s", s->keys_error.message);
}

bool aws_keys_get(struct aws_session *s, struct aws_keys *out, struct aws_error *error)
{
    pthread_mutex_lock(&s->keys_lock);
    bool ok = have_keys(s, error);
    if (ok)
        *out = s->keys;
    pthread_mutex_unlock(&s->keys_lock);
    return ok;
}

bool aws_credentials_look(struct aws_session *s, struct aws_credentials_report *report,
                          struct aws_error *error)
{
    pthread_mutex_lock(&s->keys_lock);
    bool ok = have_keys(s, error);
    *report = s->report;
    pthread_mutex_unlock(&s->keys_lock);
    return ok;
}
