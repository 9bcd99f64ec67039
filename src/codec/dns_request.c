#include "codec/dns_request.h"

enum { SIG = 24, TSIG = 250, RR_FIXED_BYTES = 10, SECTIONS = 3 };

static void read_header(struct str wire, struct dns_request *out)
{
    unsigned flags = dns_u16(wire, 2);
    *out = (struct dns_request){
        .id = dns_u16(wire, 0),
        .opcode = flags >> 11 & 15,
        .recursion_desired = (flags & 0x0100) != 0,
        .authentic_data = (flags & 0x0020) != 0,
        .checking_disabled = (flags & 0x0010) != 0,
        .has_records = dns_u16(wire, 6) != 0 || dns_u16(wire, 8) != 0,
    };
}

/* Nothing stands before the name that a pointer could lead to. */
static bool read_question(struct str wire, size_t *at, struct dns_request *out)
{
    const uint8_t *p = (const uint8_t *)wire.p + *at;
    size_t left = wire.n - *at, n = 0;
    for (;;) {
        if (n >= left || n >= DNS_NAME_BYTES || p[n] > DNS_LABEL_BYTES)
            return false;
        if (p[n] == 0)
            break;
        n += 1 + (size_t)p[n];
    }
    n++;
    if (left - n < 4)
        return false;
    struct dns_question *q = &out->question;
    memcpy(q->name.wire, p, n);
    q->name.n = (uint8_t)n;
    *at += n;
    q->type = dns_u16(wire, *at);
    q->class = dns_u16(wire, *at + 2);
    *at += 4;
    out->has_question = true;
    return true;
}

/* RFC 6891 section 6.1: class is the UDP size, TTL holds rcode, version and flags. */
static bool take_opt(struct str wire, size_t fixed_at, size_t rdata_n, bool is_in_place,
                     struct dns_request *out)
{
    if (!is_in_place || out->has_edns ||
        !dns_options_are_whole(str_of(wire.p + fixed_at + RR_FIXED_BYTES, rdata_n)))
        return false;
    out->has_edns = true;
    out->udp_bytes = dns_u16(wire, fixed_at + 2);
    out->edns_version = (uint8_t)wire.p[fixed_at + 5];
    out->dnssec_ok = (dns_u16(wire, fixed_at + 6) & 0x8000) != 0;
    return true;
}

static bool read_rr(struct str wire, size_t *at, bool is_additional, struct dns_request *out)
{
    struct dns_name owner;
    bool is_root = *at < wire.n && wire.p[*at] == 0;
    if (is_root)
        *at += 1;
    else if (!dns_name_read(wire, at, &owner))
        return false;
    if (wire.n - *at < RR_FIXED_BYTES)
        return false;
    size_t fixed_at = *at, rdata_n = dns_u16(wire, fixed_at + 8);
    unsigned type = dns_u16(wire, fixed_at);
    if (wire.n - fixed_at - RR_FIXED_BYTES < rdata_n)
        return false;
    *at = fixed_at + RR_FIXED_BYTES + rdata_n;
    if (type == TSIG || type == SIG)
        out->is_signed |= is_additional;
    return type != DNS_OPT || take_opt(wire, fixed_at, rdata_n, is_additional && is_root, out);
}

static bool read_records(struct str wire, size_t *at, struct dns_request *out)
{
    unsigned n_seen = 0;
    for (unsigned s = 0; s < SECTIONS; s++)
        for (unsigned n = dns_u16(wire, 6 + 2 * s); n > 0; n--)
            if (++n_seen > DNS_REQUEST_MAX_RRS || !read_rr(wire, at, s == SECTIONS - 1, out))
                return false;
    return true;
}

enum dns_request_read dns_request_read(struct str wire, struct dns_request *out)
{
    size_t at = DNS_HEADER_BYTES;
    if (wire.n < DNS_HEADER_BYTES || ((uint8_t)wire.p[2] & 0x80) != 0)
        return DNS_REQUEST_NONE;
    read_header(wire, out);
    if (out->opcode != 0)
        return DNS_REQUEST_OK;
    if (wire.n > DNS_MESSAGE_BYTES || dns_u16(wire, 4) != 1 || !read_question(wire, &at, out) ||
        !read_records(wire, &at, out) || at != wire.n)
        return DNS_REQUEST_BAD;
    return DNS_REQUEST_OK;
}
