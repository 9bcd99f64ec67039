#pragma once
/*
 * The registry's redirects to S3, followed once. While the registry is asked, the client's body
 * passes and is kept as well, up to BROWSE_BODY_BYTES: a redirect asks for all of it again. A
 * struct browse belongs to one transaction on the browse route and dies with it.
 */
#include "proxy/tx_step.h"

struct browse {
    /* of the client's body, from its first byte on */
    struct buf kept;
    size_t kept_sent;    /* to S3 */
    uint64_t held_bytes; /* of memory that it counts as holding */
    bool is_dropped; /* it grew too long, or there was no memory for it: nothing is kept any more */
    /* of the redirect; empty before one came */
    struct buf location;
    struct buf cookies; /* its Set-Cookie lines, whole */
    struct route to;    /* borrows from location */
    bool is_followed;   /* S3 was asked: tx->seen is of that, and here is what it was before */
    struct tx_summary registry;
    /* the redirect's own body is read, so that the registry's connection serves on */
    struct tx *tx;
    struct io_timer patience;
    size_t read_bytes;
};

/* False without memory. */
bool browse_start(struct tx *tx);
void browse_free(struct tx *tx);

/* These bytes of the client's body were passed on. */
void browse_keep(struct browse *b, struct str data);
/* Gives what was kept to the exchange with S3; false when that is full. True while the registry is
 * asked. */
bool browse_send(struct tx *tx);

/* Is the response head that came a redirect that is followed, if it may be? */
bool browse_is_redirect(const struct tx *tx);
/* Then: FOLLOW, or REPLY where it leads nowhere. */
enum tx_result browse_take_redirect(struct tx *tx);
/* FOLLOW: the redirect's body is read to its end, then the rest of the client's body; then S3 is
 * asked. */
enum tx_result step_follow(struct tx *tx);

/* Lines that go with S3's response, or nothing. */
struct str browse_cookies(const struct tx *tx);
