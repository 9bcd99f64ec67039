#include "dns/frames.h"

#include "codec/dns_msg.h"

enum { LENGTH_BYTES = 2, KEPT_BYTES = 2 * DNS_FRAMES_READ_BYTES };

void dns_frames_init(struct dns_frames *f)
{
    f->at = 0;
    buf_init(&f->in, LENGTH_BYTES + DNS_MESSAGE_BYTES + DNS_FRAMES_READ_BYTES);
}

void dns_frames_done(struct dns_frames *f)
{
    buf_done(&f->in);
}

/* Of the message at the front, its length included; 0: not known yet. */
static size_t front_bytes(const struct dns_frames *f)
{
    if (f->in.n - f->at < LENGTH_BYTES)
        return 0;
    const uint8_t *p = (const uint8_t *)f->in.p + f->at;
    return LENGTH_BYTES + ((size_t)p[0] << 8 | p[1]);
}

char *dns_frames_room(struct dns_frames *f, size_t *n)
{
    buf_drop(&f->in, f->at);
    f->at = 0;
    if (f->in.n == 0 && f->in.cap > KEPT_BYTES) {
        buf_done(&f->in);
        dns_frames_init(f);
    }
    size_t whole = front_bytes(f), missing = whole > f->in.n ? whole - f->in.n : 0;
    *n = missing > DNS_FRAMES_READ_BYTES ? missing : DNS_FRAMES_READ_BYTES;
    return buf_reserve(&f->in, *n);
}

void dns_frames_add(struct dns_frames *f, size_t n)
{
    f->in.n += n;
}

bool dns_frames_next(struct dns_frames *f, struct str *message)
{
    size_t whole = front_bytes(f);
    if (whole == 0 || f->in.n - f->at < whole)
        return false;
    *message = str_of(f->in.p + f->at + LENGTH_BYTES, whole - LENGTH_BYTES);
    f->at += whole;
    return true;
}
