#pragma once
/*
 * Where the session's credentials come from, and why not from elsewhere. The order is that of the
 * AWS SDKs: environment, web identity, shared files, container, EC2 instance. A source that is
 * configured but fails ends the search, as it does there: whoever configured it does not want to
 * be somebody else without notice.
 */
#include "aws/session.h"

enum aws_source {
    AWS_SOURCE_ENV,          /* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY */
    AWS_SOURCE_WEB_IDENTITY, /* AWS_WEB_IDENTITY_TOKEN_FILE, AWS_ROLE_ARN */
    AWS_SOURCE_PROFILE,      /* shared credentials and config files */
    AWS_SOURCE_CONTAINER,    /* AWS_CONTAINER_CREDENTIALS_* */
    AWS_SOURCE_INSTANCE,     /* IMDSv2 */
    N_AWS_SOURCES
};

enum aws_tried {
    AWS_NOT_TRIED, /* an earlier one gave or ended it */
    AWS_ABSENT,    /* not configured here; `why` says what is missing */
    AWS_FAILED,
    AWS_GAVE,
};

enum { AWS_WHY_BYTES = 240, AWS_KEY_ID_BYTES = 129 };

struct aws_source_report {
    enum aws_tried tried;
    char why[AWS_WHY_BYTES]; /* printable, without secrets; where it gave: from which file, role */
};

struct aws_credentials_report {
    bool has_keys;
    enum aws_source source;        /* who gave them, if has_keys */
    char key_id[AWS_KEY_ID_BYTES]; /* an identifier, not a secret */
    int64_t expires_unix_s;        /* 0: never */
    bool is_renewal_failing;       /* the old ones are in use; the source's row says why */
    struct aws_source_report sources[N_AWS_SOURCES];
};

const char *aws_source_name(enum aws_source source); /* "environment", ... */

/* Fetches them if that has not been done. False: *error is NO_CREDENTIALS (or BAD_KEY: they have
 * expired and cannot be renewed) with the reason in short; the report has it at length. */
bool aws_credentials_look(struct aws_session *s, struct aws_credentials_report *report,
                          struct aws_error *error);
