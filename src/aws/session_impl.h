#pragma once
/* The inside of a session, for the files of this room. */
#include <pthread.h>
#include <stdatomic.h>

#include "aws/call.h"
#include "aws/credentials.h"
#include "aws/profile.h"
#include "aws/session.h"
#include "base/arena.h"

enum { AWS_SECRET_BYTES = 257, AWS_TOKEN_BYTES = 16 * 1024 + 1 };

/* Keys as a value; whoever has a copy wipes it. */
struct aws_keys {
    char id[AWS_KEY_ID_BYTES];
    char secret[AWS_SECRET_BYTES];
    char token[AWS_TOKEN_BYTES];
    int64_t expires_unix_s; /* 0: never */
};

struct aws_session {
    struct arena arena; /* the options' strings */
    struct aws_session_options options;
    struct aws_transport *transport;
    struct str profile;
    struct str region; /* as found, perhaps not valid */
    const char *region_from;
    atomic_bool is_unreachable[N_AWS_SERVICES]; /* a call gave up there: the next ones try once */

    pthread_mutex_t keys_lock; /* around what follows, also while keys are fetched */
    struct aws_keys keys;
    struct aws_credentials_report report;
    struct aws_error keys_error;
    int64_t next_try_unix_s; /* after a failure, and the earliest renewal */
    bool was_tried;
};

int64_t aws_session_now(const struct aws_session *s);

/* A copy of keys that are good now. */
bool aws_keys_get(struct aws_session *s, struct aws_keys *out, struct aws_error *error);
/* False when something does not fit or holds bytes that no key has; *out is then wiped. */
bool aws_keys_set(struct aws_keys *out, struct str id, struct str secret, struct str token,
                  int64_t expires_unix_s);
void aws_keys_wipe(struct aws_keys *keys);

/* aws_call with these keys; NULL: unsigned. */
bool aws_call_as(struct aws_session *s, const struct aws_keys *keys,
                 const struct aws_request *request, struct aws_reply *reply);
