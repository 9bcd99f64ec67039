#include "codec/dns_msg.h"

#include "codec/dns_rdata.h"

static uint32_t u32_at(struct str s, size_t at)
{
    return (uint32_t)dns_u16(s, at) << 16 | dns_u16(s, at + 2);
}

static void read_header(struct dns_msg *m)
{
    unsigned flags = dns_u16(m->wire, 2);
    m->id = dns_u16(m->wire, 0);
    m->is_response = (flags & 0x8000) != 0;
    m->opcode = flags >> 11 & 15;
    m->is_authoritative = (flags & 0x0400) != 0;
    m->is_truncated = (flags & 0x0200) != 0;
    m->recursion_desired = (flags & 0x0100) != 0;
    m->recursion_available = (flags & 0x0080) != 0;
    m->authentic_data = (flags & 0x0020) != 0;
    m->checking_disabled = (flags & 0x0010) != 0;
    m->rcode = flags & 15;
}

static bool read_question(struct dns_msg *m, size_t *at)
{
    if (!dns_name_read(m->wire, at, &m->question.name) || m->wire.n - *at < 4)
        return false;
    m->question.type = dns_u16(m->wire, *at);
    m->question.class = dns_u16(m->wire, *at + 2);
    m->has_question = true;
    *at += 4;
    return true;
}

bool dns_options_are_whole(struct str options)
{
    while (options.n > 0) {
        if (options.n < 4 || options.n - 4 < dns_u16(options, 2))
            return false;
        options = str_from(options, 4 + (size_t)dns_u16(options, 2));
    }
    return true;
}

bool dns_edns_option(const struct dns_edns *edns, uint16_t code, struct str *out)
{
    struct str left = edns->options;
    while (left.n >= 4) {
        size_t n = dns_u16(left, 2);
        if (dns_u16(left, 0) == code) {
            *out = str_of(left.p + 4, n);
            return true;
        }
        left = str_from(left, 4 + n);
    }
    return false;
}

/* RFC 6891 section 6.1: class is the UDP size, TTL holds rcode, version and flags. */
static bool take_opt(struct dns_msg *m, const struct dns_rr *rr, uint32_t ttl, size_t owner_n)
{
    struct str options = str_of(m->wire.p + rr->rdata_at, rr->rdata_n);
    if (m->edns.is_present || rr->section != DNS_ADDITIONAL || owner_n != 1 ||
        !dns_options_are_whole(options))
        return false;
    m->rcode |= (uint16_t)(ttl >> 24 << 4);
    m->edns = (struct dns_edns){ .is_present = true,
                                 .udp_bytes = rr->class,
                                 .version = (uint8_t)(ttl >> 16),
                                 .dnssec_ok = (ttl & 0x8000) != 0,
                                 .options = options };
    return true;
}

/* A name that could not be read ran into the message's end, and was well until there. */
static bool name_is_cut(struct str wire, size_t at)
{
    while (at < wire.n) {
        uint8_t len = (uint8_t)wire.p[at];
        if (len > DNS_LABEL_BYTES)
            return len >= 0xc0 && at + 1 == wire.n;
        if (len == 0)
            return false;
        at += 1 + (size_t)len;
    }
    return true;
}

enum rr_read { RR_OK, RR_CUT, RR_BAD, RR_TOO_MANY };

static enum rr_read read_rr(struct dns_msg *m, enum dns_section section, size_t *at)
{
    struct dns_name owner;
    size_t i = *at;
    if (!dns_name_read(m->wire, &i, &owner))
        return name_is_cut(m->wire, i) ? RR_CUT : RR_BAD;
    if (m->wire.n - i < 10 || m->wire.n - i - 10 < dns_u16(m->wire, i + 8))
        return RR_CUT;
    uint32_t ttl = u32_at(m->wire, i + 4);
    struct dns_rr rr = { .section = (uint8_t)section,
                         .type = dns_u16(m->wire, i),
                         .class = dns_u16(m->wire, i + 2),
                         .ttl = ttl > INT32_MAX ? 0 : ttl,
                         .owner_at = *at,
                         .rdata_at = i + 10,
                         .rdata_n = dns_u16(m->wire, i + 8) };
    *at = rr.rdata_at + rr.rdata_n;
    if (rr.type == DNS_OPT)
        return take_opt(m, &rr, ttl, owner.n) ? RR_OK : RR_BAD;
    if (dns_rdata_is_known(rr.type, rr.class) &&
        !dns_rdata_expand(m->wire, rr.rdata_at, rr.rdata_n, rr.type, NULL, NULL))
        return RR_BAD;
    if (m->n_rrs == DNS_MAX_RRS)
        return RR_TOO_MANY;
    m->rrs[m->n_rrs++] = rr;
    return RR_OK;
}

static enum dns_parse read_body(struct dns_msg *m)
{
    size_t at = DNS_HEADER_BYTES;
    unsigned n_questions = dns_u16(m->wire, 4);
    if (m->wire.n > DNS_MESSAGE_BYTES || n_questions > 1)
        return DNS_PARSE_BAD;
    if (n_questions == 1 && !read_question(m, &at))
        return DNS_PARSE_BAD;
    for (unsigned s = DNS_ANSWER; s <= DNS_ADDITIONAL; s++) {
        for (unsigned n = dns_u16(m->wire, 6 + 2 * s); n > 0; n--) {
            enum rr_read r = read_rr(m, s, &at);
            if (r == RR_TOO_MANY)
                return DNS_PARSE_TOO_MANY;
            if (r == RR_CUT && m->is_truncated)
                return DNS_PARSE_OK;
            if (r != RR_OK)
                return DNS_PARSE_BAD;
        }
    }
    return at == m->wire.n ? DNS_PARSE_OK : DNS_PARSE_BAD;
}

enum dns_parse dns_msg_parse(struct str wire, struct dns_msg *out)
{
    memset(out, 0, offsetof(struct dns_msg, rrs));
    out->wire = wire;
    if (wire.n < DNS_HEADER_BYTES)
        return DNS_PARSE_BAD;
    read_header(out);
    enum dns_parse result = read_body(out);
    if (result != DNS_PARSE_OK)
        out->n_rrs = 0;
    return result;
}

bool dns_rr_owner(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out)
{
    size_t at = rr->owner_at;
    return dns_name_read(m->wire, &at, out);
}

bool dns_rr_target(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out)
{
    if (rr->type != DNS_CNAME && rr->type != DNS_DNAME && rr->type != DNS_NS && rr->type != DNS_PTR)
        return false;
    size_t at = rr->rdata_at;
    return dns_name_read(m->wire, &at, out);
}

bool dns_rr_soa_minimum(const struct dns_msg *m, const struct dns_rr *rr, uint32_t *minimum)
{
    if (rr->type != DNS_SOA || rr->rdata_n < 4)
        return false;
    *minimum = u32_at(m->wire, rr->rdata_at + rr->rdata_n - 4);
    return true;
}
