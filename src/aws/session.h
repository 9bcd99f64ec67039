#pragma once
/*
 * What AWS calls share: region, endpoints, credentials (fetched when first needed, kept, renewed
 * 15 minutes before they end) and connections. Threads may call on one session at once. All text
 * in it is the session's, until it is freed.
 */
#include "aws/http.h"
#include "aws/service.h"

struct aws_session_options {
    char *const *env;    /* like environ, NULL at the end; outlives the session. NULL: empty. */
    struct str region;   /* empty: AWS_REGION, AWS_DEFAULT_REGION, the profile's */
    struct str profile;  /* empty: AWS_PROFILE, "default". Given here, keys in env do not count. */
    struct str endpoint; /* URL for all services; empty: AWS_ENDPOINT_URL_<SERVICE>,
                            AWS_ENDPOINT_URL, the service's own name */
    struct str ca_file;  /* beside the system's and AWS_CA_BUNDLE */
    bool is_link_local_allowed;
    aws_resolve_fn *resolve;
    void *resolve_arg;
    uint64_t deadline_us;    /* CLOCK_MONOTONIC, for all calls; 0: none */
    int64_t (*unix_s)(void); /* NULL: the system's clock */
};

struct aws_session;

/* NULL when memory is out. What is wrong with region or profile shows when a call needs it. */
struct aws_session *aws_session_new(const struct aws_session_options *options);
void aws_session_free(struct aws_session *s);

/* Empty where none is known; *error then says why. error may be NULL. */
struct str aws_session_region(const struct aws_session *s, struct aws_error *error);
struct aws_transport *aws_session_transport(const struct aws_session *s);
/* An environment variable of the session's, empty where it is not set. */
struct str aws_session_env(const struct aws_session *s, const char *name);

/*
 * Where calls to a service go: scheme, host and port. False: no region, or a bad URL; *error
 * says which. url: NUL-terminated, "https://ec2.eu-west-1.amazonaws.com".
 */
enum { AWS_URL_BYTES = 400 };
bool aws_session_endpoint(const struct aws_session *s, enum aws_service service,
                          char url[static AWS_URL_BYTES],
                          char signing_region[static AWS_REGION_BYTES], struct aws_error *error);

/*
 * Host names, NUL-terminated and each once, that calls to these services will look up, those that
 * the credentials need included: so that somebody resolves them beforehand, side by side.
 * Addresses and localhost are none. Returns how many.
 */
enum { AWS_MAX_HOSTS = N_AWS_SERVICES + 2 };
size_t aws_session_hosts(const struct aws_session *s, const enum aws_service *services,
                         size_t n_services, char hosts[static AWS_MAX_HOSTS][AWS_HOST_BYTES]);
