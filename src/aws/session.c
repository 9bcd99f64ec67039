#include "aws/session_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SESSION_BYTES = 64 * 1024 };

struct str aws_session_env(const struct aws_session *s, const char *name)
{
    size_t n = strlen(name);
    for (char *const *e = s->options.env; e != NULL && *e != NULL; e++)
        if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
            return str_from_c(*e + n + 1);
    return STR("");
}

int64_t aws_session_now(const struct aws_session *s)
{
    return s->options.unix_s != NULL ? s->options.unix_s() : time(NULL);
}

static void find_region(struct aws_session *s)
{
    static const char *const names[] = { "AWS_REGION", "AWS_DEFAULT_REGION" };
    struct aws_profiles profiles;
    s->region = s->options.region;
    s->region_from = "the given region";
    for (size_t i = 0; i < 2 && s->region.n == 0; i++) {
        s->region = aws_session_env(s, names[i]);
        s->region_from = names[i];
    }
    if (s->region.n > 0)
        return;
    aws_profiles_read(&profiles, aws_session_env(s, "AWS_SHARED_CREDENTIALS_FILE"),
                      aws_session_env(s, "AWS_CONFIG_FILE"), aws_session_env(s, "HOME"));
    s->region = arena_copy(&s->arena, aws_profiles_get(&profiles, s->profile, STR("region")));
    s->region_from = "the profile's region";
    aws_profiles_done(&profiles);
}

static struct str kept(struct aws_session *s, struct str text)
{
    return text.n > 0 ? arena_copy(&s->arena, text) : STR("");
}

static struct str profile_of(const struct aws_session *s)
{
    struct str name = s->options.profile;
    if (name.n == 0)
        name = aws_session_env(s, "AWS_PROFILE");
    if (name.n == 0)
        name = aws_session_env(s, "AWS_DEFAULT_PROFILE");
    return name.n > 0 ? name : STR("default");
}

struct aws_session *aws_session_new(const struct aws_session_options *options)
{
    struct aws_session *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    arena_init(&s->arena, SESSION_BYTES);
    pthread_mutex_init(&s->keys_lock, NULL);
    s->options = *options;
    s->options.region = kept(s, options->region);
    s->options.profile = kept(s, options->profile);
    s->options.endpoint = kept(s, options->endpoint);
    s->profile = profile_of(s);
    s->transport = aws_transport_new(&(struct aws_transport_options){
        .resolve = options->resolve,
        .resolve_arg = options->resolve_arg,
        .ca_file = options->ca_file,
        .ca_bundle = aws_session_env(s, "AWS_CA_BUNDLE"),
        .is_link_local_allowed = options->is_link_local_allowed,
        .deadline_us = options->deadline_us,
    });
    find_region(s);
    if (s->transport == NULL || s->options.region.n != options->region.n ||
        s->options.profile.n != options->profile.n ||
        s->options.endpoint.n != options->endpoint.n) {
        aws_session_free(s);
        return NULL;
    }
    return s;
}

void aws_session_free(struct aws_session *s)
{
    if (s == NULL)
        return;
    aws_keys_wipe(&s->keys);
    pthread_mutex_destroy(&s->keys_lock);
    aws_transport_free(s->transport);
    arena_done(&s->arena);
    free(s);
}

struct aws_transport *aws_session_transport(const struct aws_session *s)
{
    return s->transport;
}

struct str aws_session_region(const struct aws_session *s, struct aws_error *error)
{
    if (aws_region_is_valid(s->region))
        return s->region;
    if (error != NULL && s->region.n > 0)
        aws_error_set(error, AWS_NO_REGION, "%s is no region: %.*s", s->region_from,
                      STR_ARG(str_first(s->region, AWS_REGION_BYTES)));
    else if (error != NULL)
        aws_error_set(error, AWS_NO_REGION,
                      "give a region, set AWS_REGION, or put one into the profile");
    return STR("");
}

/* Whoever gives an endpoint on the command line means it for everything. */
static struct str configured_endpoint(const struct aws_session *s, enum aws_service service,
                                      const char **from)
{
    char name[64];
    struct str url = s->options.endpoint;
    *from = "the given endpoint";
    if (url.n > 0 ||
        str_eq_nocase(aws_session_env(s, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"), STR("true")))
        return url;
    snprintf(name, sizeof name, "AWS_ENDPOINT_URL_%s", aws_service_row(service)->env_suffix);
    url = aws_session_env(s, name);
    *from = "AWS_ENDPOINT_URL_...";
    if (url.n == 0) {
        url = aws_session_env(s, "AWS_ENDPOINT_URL");
        *from = "AWS_ENDPOINT_URL";
    }
    return url;
}

bool aws_session_endpoint(const struct aws_session *s, enum aws_service service,
                          char url[static AWS_URL_BYTES],
                          char signing_region[static AWS_REGION_BYTES], struct aws_error *error)
{
    char host[AWS_HOST_BYTES], authority[AWS_AUTHORITY_BYTES];
    const char *from;
    struct aws_endpoint e;
    struct str region = aws_session_region(s, error);
    if (region.n == 0)
        return false;
    aws_service_host(service, region, host, signing_region);
    struct str given = configured_endpoint(s, service, &from);
    if (given.n == 0) {
        snprintf(url, AWS_URL_BYTES, "https://%s", host);
        return true;
    }
    if (!aws_endpoint_parse(given, &e) || !str_eq(e.path, STR("/")))
        return aws_error_set(error, AWS_BAD_REQUEST, "%s for %s is no http(s)://HOST[:PORT]", from,
                             aws_service_row(service)->name);
    aws_endpoint_authority(&e, authority);
    snprintf(url, AWS_URL_BYTES, "%s://%s", e.is_https ? "https" : "http", authority);
    return true;
}

static void add_host(struct str url, char hosts[static AWS_MAX_HOSTS][AWS_HOST_BYTES], size_t *n)
{
    struct aws_endpoint e;
    char name[AWS_HOST_BYTES];
    if (*n == AWS_MAX_HOSTS || !aws_endpoint_parse(url, &e) || aws_endpoint_needs_no_dns(&e))
        return;
    snprintf(name, sizeof name, "%.*s", STR_ARG(e.host));
    for (size_t i = 0; i < *n; i++)
        if (strcmp(hosts[i], name) == 0)
            return;
    memcpy(hosts[(*n)++], name, sizeof name);
}

/* STS is asked for keys where a role is to be assumed; a profile's role is known only when its file
 * is read, which is then. */
static bool needs_sts(const struct aws_session *s)
{
    struct aws_profiles profiles;
    if (aws_session_env(s, "AWS_WEB_IDENTITY_TOKEN_FILE").n > 0)
        return true;
    aws_profiles_read(&profiles, aws_session_env(s, "AWS_SHARED_CREDENTIALS_FILE"),
                      aws_session_env(s, "AWS_CONFIG_FILE"), aws_session_env(s, "HOME"));
    bool has_role = aws_profiles_get(&profiles, s->profile, STR("role_arn")).n > 0;
    aws_profiles_done(&profiles);
    return has_role;
}

size_t aws_session_hosts(const struct aws_session *s, const enum aws_service *services,
                         size_t n_services, char hosts[static AWS_MAX_HOSTS][AWS_HOST_BYTES])
{
    size_t n = 0;
    char url[AWS_URL_BYTES], region[AWS_REGION_BYTES];
    struct aws_error ignored = { 0 };
    for (size_t i = 0; i < n_services; i++)
        if (aws_session_endpoint(s, services[i], url, region, &ignored))
            add_host(str_from_c(url), hosts, &n);
    if (needs_sts(s) && aws_session_endpoint(s, AWS_STS, url, region, &ignored))
        add_host(str_from_c(url), hosts, &n);
    add_host(aws_session_env(s, "AWS_CONTAINER_CREDENTIALS_FULL_URI"), hosts, &n);
    return n;
}
