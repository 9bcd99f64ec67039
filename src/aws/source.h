#pragma once
/* One function for each place that credentials come from; for credentials.c alone. */
#include "aws/session_impl.h"

/* What one of them works on: `keys` on success, `why` in any case. */
struct aws_search {
    struct aws_session *session;
    struct aws_profiles *profiles;
    struct aws_keys *keys;
    char *why; /* AWS_WHY_BYTES; no secret goes there */
};

typedef enum aws_tried aws_source_fn(struct aws_search *search);

aws_source_fn aws_source_env, aws_source_web_identity, aws_source_profile, aws_source_container,
    aws_source_instance;

/* Writes search->why; what is not printable becomes '?'. Returns tried. */
enum aws_tried aws_source_tell(struct aws_search *search, enum aws_tried tried, const char *format,
                               ...) __attribute__((format(printf, 3, 4)));

/* The keys out of a container's or instance's JSON document. */
enum aws_tried aws_source_read_json(struct aws_search *search, struct str text, const char *from);

/* Asks STS; WebIdentityToken and the like are among params. keys NULL: unsigned. */
enum aws_tried aws_source_ask_sts(struct aws_search *search, const char *operation,
                                  const struct aws_keys *keys, const struct aws_param *params,
                                  size_t n_params);

/* "2015-08-30T12:36:00Z", with or without fractions of a second. */
bool aws_time_parse(struct str text, int64_t *unix_s);
