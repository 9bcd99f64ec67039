#include "codec/dns_msg.h"

#include "codec/dns_rdata.h"

#include <assert.h>

enum { OPT_BYTES = 11, OPTION_BYTES = 4, EDE_BYTES = 6, FIXED_RR_BYTES = 10, POINTER_MAX = 0x3fff };

static uint8_t *put_u16(uint8_t *to, unsigned v)
{
    to[0] = (uint8_t)(v >> 8);
    to[1] = (uint8_t)v;
    return to + 2;
}

static uint8_t *put_u32(uint8_t *to, uint32_t v)
{
    return put_u16(put_u16(to, v >> 16), v & 0xffff);
}

static uint8_t *put_bytes(uint8_t *to, const void *from, size_t n)
{
    if (n > 0)
        memcpy(to, from, n);
    return to + n;
}

static uint8_t *put_question(uint8_t *to, const struct dns_question *q)
{
    to = put_bytes(to, q->name.wire, q->name.n);
    return put_u16(put_u16(to, q->type), q->class);
}

static uint8_t *put_opt(uint8_t *to, uint16_t udp_bytes, uint16_t rcode, bool dnssec_ok,
                        size_t rdata_n)
{
    *to++ = 0;
    to = put_u16(put_u16(to, DNS_OPT), udp_bytes);
    to = put_u32(to, (uint32_t)(rcode >> 4 & 0xff) << 24 | (dnssec_ok ? 0x8000 : 0));
    return put_u16(to, (unsigned)rdata_n);
}

size_t dns_write_query(uint8_t out[static 512], uint16_t id, const struct dns_question *q,
                       struct dns_query_flags flags)
{
    assert(flags.cookie.n <= DNS_COOKIE_BYTES);
    uint8_t *to = put_u16(out, id);
    to = put_u16(to, 0x0100 | (flags.checking_disabled ? 0x0010 : 0));
    to = put_u32(to, 1u << 16); /* QDCOUNT 1, ANCOUNT 0 */
    to = put_u32(to, flags.udp_bytes > 0 ? 1 : 0);
    to = put_question(to, q);
    if (flags.udp_bytes > 0) {
        size_t cookie_n = flags.cookie.n > 0 ? OPTION_BYTES + flags.cookie.n : 0;
        to = put_opt(to, flags.udp_bytes, 0, flags.dnssec_ok, cookie_n);
        if (cookie_n > 0) {
            to = put_u16(put_u16(to, DNS_OPTION_COOKIE), (unsigned)flags.cookie.n);
            to = put_bytes(to, flags.cookie.p, flags.cookie.n);
        }
    }
    return (size_t)(to - out);
}

/* Room for n more bytes of message. NULL leaves out as it was. */
static uint8_t *reserve(struct dns_writer *w, size_t n)
{
    if (w->out->failed)
        return NULL;
    size_t used = w->out->n - w->start + w->reserved_bytes;
    if (used > w->max_bytes || n > w->max_bytes - used)
        return NULL;
    return (uint8_t *)buf_reserve(w->out, n);
}

static uint8_t *put_header(uint8_t *to, struct dns_reply_flags f, bool has_question)
{
    unsigned bits = 0x8000 | (f.opcode & 15u) << 11 | (f.authoritative ? 0x0400 : 0) |
                    (f.recursion_desired ? 0x0100 : 0) | (f.recursion_available ? 0x0080 : 0) |
                    (f.authentic_data ? 0x0020 : 0) | (f.checking_disabled ? 0x0010 : 0) |
                    (f.rcode & 15u);
    to = put_u16(put_u16(to, f.id), bits);
    to = put_u32(to, has_question ? 1u << 16 : 0);
    return put_u32(to, 0);
}

void dns_write_begin(struct dns_writer *w, struct buf *out, size_t max_bytes,
                     struct dns_reply_flags flags, const struct dns_question *q)
{
    size_t room = out->max_bytes - out->n;
    max_bytes = max_bytes < 512 ? 512 : max_bytes;
    max_bytes = max_bytes > DNS_MESSAGE_BYTES ? DNS_MESSAGE_BYTES : max_bytes;
    *w = (struct dns_writer){ .out = out,
                              .start = out->n,
                              .max_bytes = max_bytes < room ? max_bytes : room,
                              .reserved_bytes = flags.has_opt ? OPT_BYTES : 0 };
    size_t n = DNS_HEADER_BYTES + (q != NULL ? q->name.n + 4u : 0);
    uint8_t *to = reserve(w, n);
    if (to == NULL) {
        out->failed = true;
        return;
    }
    to = put_header(to, flags, q != NULL);
    if (q != NULL) {
        put_question(to, q);
        w->qname = q->name;
        w->counts[0] = 1;
    }
    out->n += n;
}

/* The longest run of labels at the ends of both names, the root alone left out: offsets of it. */
static bool common_tail(const struct dns_name *a, const struct dns_name *b, size_t *a_at,
                        size_t *b_at)
{
    size_t n_same = 0, i = 0, j = 0;
    while (n_same < a->n && n_same < b->n &&
           ascii_lower((char)a->wire[a->n - 1 - n_same]) ==
               ascii_lower((char)b->wire[b->n - 1 - n_same]))
        n_same++;
    while (i < a->n && j < b->n && a->wire[i] != 0 && b->wire[j] != 0) {
        size_t a_left = a->n - i, b_left = b->n - j;
        if (a_left == b_left && a_left <= n_same) {
            *a_at = i;
            *b_at = j;
            return true;
        }
        if (a_left >= b_left)
            i += 1 + (size_t)a->wire[i];
        if (b_left >= a_left)
            j += 1 + (size_t)b->wire[j];
    }
    return false;
}

/* How an owner is written: its first n bytes, and a pointer behind them unless to is 0. */
struct squeezed {
    size_t n;
    size_t to;
};

static struct squeezed squeeze(const struct dns_writer *w, const struct dns_name *owner)
{
    struct squeezed best = { owner->n, 0 };
    size_t at, there;
    if (common_tail(owner, &w->qname, &at, &there))
        best = (struct squeezed){ at, DNS_HEADER_BYTES + there };
    if (common_tail(owner, &w->last, &at, &there) && at < best.n && there < w->last_n &&
        w->last_at + there <= POINTER_MAX)
        best = (struct squeezed){ at, w->last_at + there };
    return best;
}

static void remember(struct dns_writer *w, const struct dns_name *name, size_t at, size_t n)
{
    w->last = *name;
    w->last_at = at;
    w->last_n = n;
}

bool dns_write_rr(struct dns_writer *w, enum dns_section s, const struct dns_name *owner,
                  uint16_t type, uint16_t class, uint32_t ttl, struct str rdata)
{
    assert(owner->n > 0);
    for (unsigned later = s + 2; later < 4; later++)
        assert(w->counts[later] == 0);
    struct squeezed name = squeeze(w, owner);
    size_t name_n = name.n + (name.to != 0 ? 2 : 0), n = name_n + FIXED_RR_BYTES + rdata.n;
    uint8_t *to = w->is_full || rdata.n > UINT16_MAX ? NULL : reserve(w, n);
    if (to == NULL) {
        if (s != DNS_ADDITIONAL)
            w->is_full = true;
        return false;
    }
    size_t at = w->out->n - w->start;
    to = put_bytes(to, owner->wire, name.n);
    if (name.to != 0)
        to = put_u16(to, 0xc000 | (unsigned)name.to);
    to = put_u32(put_u16(put_u16(to, type), class), ttl);
    put_bytes(put_u16(to, (unsigned)rdata.n), rdata.p, rdata.n);
    w->out->n += n;
    w->counts[1 + s]++;

    /* What a CNAME leads to is the owner of what comes next. */
    struct dns_name target;
    size_t end = 0;
    if (type == DNS_CNAME && dns_name_read(rdata, &end, &target) && target.n == rdata.n)
        remember(w, &target, at + name_n + FIXED_RR_BYTES, target.n);
    else if (name.n > 0)
        remember(w, owner, at, name.n);
    return true;
}

bool dns_write_rr_from(struct dns_writer *w, enum dns_section s, const struct dns_msg *from,
                       const struct dns_rr *rr, uint32_t ttl)
{
    struct dns_name owner;
    struct str rdata = str_of(from->wire.p + rr->rdata_at, rr->rdata_n);
    uint8_t expanded[DNS_RDATA_BYTES];
    if (!dns_rr_owner(from, rr, &owner))
        return false;
    if (dns_rdata_is_known(rr->type, rr->class)) {
        size_t n;
        if (!dns_rdata_expand(from->wire, rr->rdata_at, rr->rdata_n, rr->type, expanded, &n))
            return false;
        rdata = str_of((const char *)expanded, n);
    }
    return dns_write_rr(w, s, &owner, rr->type, rr->class, ttl, rdata);
}

/* The longest part of text within n bytes that does not split a UTF-8 sequence. */
static struct str cut_utf8(struct str text, size_t n)
{
    if (text.n <= n)
        return text;
    while (n > 0 && ((uint8_t)text.p[n] & 0xc0) == 0x80)
        n--;
    return str_first(text, n);
}

void dns_write_opt(struct dns_writer *w, uint16_t udp_bytes, uint16_t rcode, bool dnssec_ok,
                   int ede_code, struct str ede_text)
{
    size_t used = w->out->n - w->start, rdata_n = 0;
    w->reserved_bytes = 0;
    if (ede_code >= 0 && used + OPT_BYTES + EDE_BYTES <= w->max_bytes) {
        ede_text = cut_utf8(ede_text, w->max_bytes - used - OPT_BYTES - EDE_BYTES);
        rdata_n = EDE_BYTES + ede_text.n;
    }
    uint8_t *to = reserve(w, OPT_BYTES + rdata_n);
    if (to == NULL)
        return;
    to = put_opt(to, udp_bytes, rcode, dnssec_ok, rdata_n);
    if (rdata_n > 0) {
        to = put_u16(put_u16(to, DNS_OPTION_ERROR), (unsigned)rdata_n - OPTION_BYTES);
        put_bytes(put_u16(to, (unsigned)ede_code), ede_text.p, ede_text.n);
    }
    w->out->n += OPT_BYTES + rdata_n;
    w->counts[3]++;
}

void dns_write_end(struct dns_writer *w)
{
    if (w->out->failed)
        return;
    uint8_t *header = (uint8_t *)w->out->p + w->start;
    if (w->is_full)
        header[2] |= 0x02;
    for (unsigned i = 0; i < 4; i++)
        put_u16(header + 4 + (size_t)2 * i, w->counts[i]);
}
