#pragma once
/*
 * What went wrong with an AWS call, a plain value that owns nothing: copy it freely. Texts are
 * printable ASCII, NUL-terminated, bounded, and hold no secret, token or signature.
 */
#include "base/str.h"

enum aws_kind {
#define AWS_KIND(id, name, sentence) AWS_##id,
#include "aws/error.def"
#undef AWS_KIND
    N_AWS_KINDS
};

/* How far an UNREACHABLE one came. */
enum aws_reach {
    AWS_REACHED,         /* a reply came; of every other kind but NO_REGION and NO_CREDENTIALS */
    AWS_REACH_DNS,       /* the host name has no address */
    AWS_REACH_FORBIDDEN, /* its addresses are link-local, which is not allowed here */
    AWS_REACH_CONNECT,   /* refused, no route, or no answer to the connection */
    AWS_REACH_TLS,       /* certificate or handshake */
    AWS_REACH_TIMEOUT,   /* connected, but no whole reply in time */
    AWS_REACH_LOST,      /* the connection broke */
    AWS_REACH_NO_TIME,   /* the deadline was over before anything was sent */
};

enum { AWS_ACTION_BYTES = 80, AWS_CODE_BYTES = 80, AWS_MESSAGE_BYTES = 400 };

struct aws_error {
    enum aws_kind kind;
    enum aws_reach reach;
    char action[AWS_ACTION_BYTES];   /* "ec2:DescribeVpcs"; empty before a call was named */
    char code[AWS_CODE_BYTES];       /* the service's: "UnauthorizedOperation"; may be empty */
    char message[AWS_MESSAGE_BYTES]; /* the service's words, or ours where no reply came */
    int http_status;                 /* 0 where no reply came */
    unsigned tries;                  /* how often it was sent */
    int64_t skew_s; /* CLOCK: this machine's time minus the service's; 0 where it is not known */
};

const char *aws_kind_name(enum aws_kind kind);
const char *aws_kind_sentence(enum aws_kind kind);
const char *aws_reach_name(enum aws_reach reach);

static inline bool aws_error_is_set(const struct aws_error *e)
{
    return e->kind != AWS_OK;
}

/*
 * Sets kind and message (a printf format; may be NULL), keeps action and tries. What is not
 * printable ASCII becomes '?'. Returns false, so that `return aws_error_set(...)` reads as the
 * failure it is.
 */
bool aws_error_set(struct aws_error *e, enum aws_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool aws_error_reach(struct aws_error *e, enum aws_reach reach, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The service's words, hostile and possibly with what we sent in them: any of the secrets (empty
 * ones are passed over), 64 hexadecimal digits in a row, and anything without a break that is too
 * long for a name become "***".
 */
void aws_error_tell(struct aws_error *e, struct str message, const struct str *secrets,
                    size_t n_secrets);

/* The kind that a service's error code, without prefix, means; where the table does not know it,
 * the status decides. */
enum aws_kind aws_kind_of_code(struct str code, int http_status);
