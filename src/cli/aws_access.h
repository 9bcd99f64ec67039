#pragma once
/* A session with AWS's APIs, and the addresses of their hosts. */
#include "doctor/api_names.h"

struct aws_access {
    struct aws_session *session;
    /* private */
    struct api_names *names;
};

struct aws_access_options {
    const struct conf *conf;
    const char *profile, *endpoint_url; /* NULL: not given */
    struct str region;                  /* empty: not given */
    struct fact_book *probed; /* names are asked of the servers that its probes found; NULL: of
                                 those of the settings */
    uint64_t deadline_us;     /* io_now_us() */
};

/* False when memory is out. Names that nobody knows are no failure here: calls will tell. */
bool aws_access_open(struct aws_access *a, const struct aws_access_options *options);
void aws_access_close(struct aws_access *a);
