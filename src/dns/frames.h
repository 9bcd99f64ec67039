#pragma once
/*
 * Messages out of a stream of bytes (RFC 1035 section 4.2.2: each behind its length), however the
 * bytes are cut. Pure. The buffer grows with what a message says of itself, to at most 64 KiB and
 * what one read brings, and is given back when it is empty.
 */
#include "base/buf.h"

enum { DNS_FRAMES_READ_BYTES = 4096 };

struct dns_frames {
    /* private */
    struct buf in;
    size_t at; /* what stands before it was handed out */
};

void dns_frames_init(struct dns_frames *f);
void dns_frames_done(struct dns_frames *f);

/* Where the next *n bytes may be read to; NULL without memory. What was handed out is void. */
char *dns_frames_room(struct dns_frames *f, size_t *n);
/* n bytes were read there. */
void dns_frames_add(struct dns_frames *f, size_t n);
/* The next message that is whole, as short as its length says: 0 to 65535 bytes. Borrowed until
 * dns_frames_room. */
bool dns_frames_next(struct dns_frames *f, struct str *message);
