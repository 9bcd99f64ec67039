#include "dns/reply.h"

enum {
    HINFO = 13,
    FLAG_QR = 0x80, /* of the third byte */
    FLAG_RD = 0x01,
    FLAG_RA = 0x80, /* of the fourth */
    FLAG_AD = 0x20,
    FLAG_CD = 0x10,
    OPT_BYTES = 11,
    EDE_BYTES = 6,
    ANY_TTL_S = 3600,
    /* RFC 6895 section 3.1: types that only stand in questions, or only beside one. */
    FIRST_META = 128,
    LAST_META = 254,
};

size_t dns_reply_room(const struct dns_request *req)
{
    if (!req->has_edns || req->udp_bytes < 512)
        return 512;
    return req->udp_bytes < DNS_UDP_BYTES ? req->udp_bytes : DNS_UDP_BYTES;
}

static uint32_t u32_of(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_u16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, v >> 16);
    put_u16(p + 2, v & 0xffff);
}

/* AD is what the engine let through, for those who asked to hear of it (RFC 6840 section 5.8). */
static bool shows_ad(const struct dns_request *req, const struct dns_set *set)
{
    bool wants = req->authentic_data || req->dnssec_ok;
    return wants && ((uint8_t)dns_set_wire(set).p[3] & FLAG_AD) != 0;
}

static bool is_stale(const struct dns_set *set, uint32_t age_s)
{
    return age_s > set->ttl_s;
}

/* A "no" must not live longer in the client's cache than in ours. */
static uint32_t ttl_ceiling(const struct dns_set *set, uint32_t age_s)
{
    return set->outcome == DNS_ANSWERED ? UINT32_MAX : set->ttl_s - age_s;
}

static uint32_t shown_ttl(const struct dns_set *set, uint32_t age_s, uint32_t ttl_s)
{
    if (is_stale(set, age_s))
        return DNS_STALE_TTL_S;
    uint32_t left = ttl_s > age_s ? ttl_s - age_s : 0;
    uint32_t ceiling = ttl_ceiling(set, age_s);
    return left < ceiling ? left : ceiling;
}

static void count_down(uint8_t *message, const struct dns_set *set, uint32_t age_s)
{
    for (unsigned i = 0; i < set->n_rrs; i++) {
        uint8_t *at = message + set->ttl_at[i];
        put_u32(at, shown_ttl(set, age_s, u32_of(at)));
    }
}

static void put_header(uint8_t *to, const struct dns_request *req, bool has_ad, unsigned rcode)
{
    put_u16(to, req->id);
    to[2] = (uint8_t)(FLAG_QR | (req->recursion_desired ? FLAG_RD : 0));
    to[3] = (uint8_t)(FLAG_RA | (has_ad ? FLAG_AD : 0) | (req->checking_disabled ? FLAG_CD : 0) |
                      (rcode & 15));
}

static void put_opt(uint8_t *to, const struct dns_request *req, enum dns_ede ede)
{
    to[0] = 0;
    put_u16(to + 1, DNS_OPT);
    put_u16(to + 3, DNS_UDP_BYTES);
    put_u32(to + 5, req->dnssec_ok ? 0x8000 : 0);
    put_u16(to + 9, ede == DNS_EDE_NONE ? 0 : EDE_BYTES);
    if (ede != DNS_EDE_NONE) {
        put_u16(to + 11, 15);
        put_u16(to + 13, 2);
        put_u16(to + 15, (unsigned)ede);
    }
}

static struct dns_reply_flags flags_of(const struct dns_request *req, uint16_t rcode)
{
    return (struct dns_reply_flags){
        .id = req->id,
        .opcode = req->opcode,
        .rcode = rcode,
        .recursion_desired = req->recursion_desired,
        .recursion_available = true,
        .checking_disabled = req->checking_disabled,
        .has_opt = req->has_edns,
    };
}

static enum dns_replied end_reply(struct dns_writer *w, const struct dns_request *req,
                                  uint16_t rcode, enum dns_ede ede, struct str text)
{
    if (req->has_edns)
        dns_write_opt(w, DNS_UDP_BYTES, rcode, req->dnssec_ok, (int)ede, text);
    dns_write_end(w);
    return w->out->failed ? DNS_REPLIED_NONE : DNS_REPLIED;
}

/* Records of one section, part after part. */
static void write_parts(struct dns_writer *w, enum dns_section section,
                        const struct dns_part *parts, unsigned n_parts)
{
    struct dns_msg m;
    for (unsigned i = 0; i < n_parts && !w->is_full; i++) {
        const struct dns_part *part = &parts[i];
        if (dns_msg_parse(dns_set_wire(part->set), &m) != DNS_PARSE_OK)
            continue;
        for (size_t k = 0; k < m.n_rrs; k++)
            if (m.rrs[k].section == section)
                dns_write_rr_from(w, section, &m, &m.rrs[k],
                                  shown_ttl(part->set, part->age_s, m.rrs[k].ttl));
    }
}

static enum dns_replied write_reply(struct buf *out, size_t max_bytes,
                                    const struct dns_request *req, const struct dns_part *parts,
                                    unsigned n_parts)
{
    struct dns_writer w;
    const struct dns_set *last = parts[n_parts - 1].set;
    bool has_ad = true, has_stale = false;
    size_t start = out->n;
    for (unsigned i = 0; i < n_parts; i++) {
        has_ad &= shows_ad(req, parts[i].set);
        has_stale |= is_stale(parts[i].set, parts[i].age_s);
    }
    uint16_t rcode = last->outcome == DNS_NXDOMAIN_OUTCOME ? DNS_NXDOMAIN : DNS_NOERROR;
    struct dns_reply_flags flags = flags_of(req, rcode);
    flags.authentic_data = has_ad;
    dns_write_begin(&w, out, max_bytes, flags, &req->question);
    write_parts(&w, DNS_ANSWER, parts, n_parts);
    write_parts(&w, DNS_AUTHORITY, &parts[n_parts - 1], 1);
    enum dns_replied replied =
        end_reply(&w, req, rcode, has_stale ? DNS_EDE_STALE : DNS_EDE_NONE, STR(""));
    if (!w.is_full || replied != DNS_REPLIED)
        return replied;
    out->p[start + 3] = (char)(out->p[start + 3] & ~FLAG_AD);
    return DNS_REPLIED_CUT;
}

/*
 * The hot path. The set's message has the question that was asked first; ours has the same length
 * and stands at the same place, and owners that point into it follow its spelling.
 */
enum dns_replied dns_reply_set(struct buf *out, size_t max_bytes, const struct dns_request *req,
                               const struct dns_set *set, uint32_t age_s)
{
    struct str wire = dns_set_wire(set);
    enum dns_ede ede = is_stale(set, age_s) ? DNS_EDE_STALE : DNS_EDE_NONE;
    unsigned rcode = (uint8_t)wire.p[3] & 15;
    size_t opt_n = req->has_edns ? OPT_BYTES + (ede == DNS_EDE_NONE ? 0 : EDE_BYTES) : 0;
    if (wire.n + opt_n > max_bytes) {
        struct dns_part whole = { .set = (struct dns_set *)(uintptr_t)set, .age_s = age_s };
        return write_reply(out, max_bytes, req, &whole, 1);
    }
    uint8_t *to = (uint8_t *)buf_reserve(out, wire.n + opt_n);
    if (to == NULL)
        return DNS_REPLIED_NONE;
    memcpy(to, wire.p, wire.n);
    put_header(to, req, shows_ad(req, set), rcode);
    memcpy(to + DNS_HEADER_BYTES, req->question.name.wire, req->question.name.n);
    count_down(to, set, age_s);
    if (req->has_edns) {
        put_opt(to + wire.n, req, ede);
        put_u16(to + 10, 1); /* a set has no additional records */
    }
    out->n += wire.n + opt_n;
    return DNS_REPLIED;
}

enum dns_replied dns_reply_parts(struct buf *out, size_t max_bytes, const struct dns_request *req,
                                 const struct dns_part *parts, unsigned n_parts)
{
    if (n_parts == 1)
        return dns_reply_set(out, max_bytes, req, parts[0].set, parts[0].age_s);
    return write_reply(out, max_bytes, req, parts, n_parts);
}

enum dns_replied dns_reply_error(struct buf *out, size_t max_bytes, const struct dns_request *req,
                                 enum dns_rcode rcode, enum dns_ede ede, struct str text)
{
    struct dns_writer w;
    dns_write_begin(&w, out, max_bytes, flags_of(req, (uint16_t)rcode),
                    req->has_question ? &req->question : NULL);
    return end_reply(&w, req, (uint16_t)rcode, ede, text);
}

/* RFC 8482 section 4.2 */
static enum dns_replied reply_any(struct buf *out, size_t max_bytes, const struct dns_request *req)
{
    struct dns_writer w;
    dns_write_begin(&w, out, max_bytes, flags_of(req, DNS_NOERROR), &req->question);
    dns_write_rr(&w, DNS_ANSWER, &req->question.name, HINFO, DNS_CLASS_IN, ANY_TTL_S,
                 STR("\x07RFC8482\x00"));
    return end_reply(&w, req, DNS_NOERROR, DNS_EDE_NONE, STR(""));
}

struct refusal {
    enum dns_rcode rcode;
    enum dns_ede ede;
    const char *text;
};

/* rcode NOERROR: there is nothing to refuse. */
static struct refusal refusal_of(const struct dns_request *req, enum dns_request_read read)
{
    const struct dns_question *q = &req->question;
    if (req->opcode != 0)
        return (struct refusal){ DNS_NOTIMP, DNS_EDE_NONE, "" };
    if (read != DNS_REQUEST_OK)
        return (struct refusal){ DNS_FORMERR, DNS_EDE_NONE, "" };
    if (req->has_edns && req->edns_version != 0)
        return (struct refusal){ DNS_BADVERS, DNS_EDE_NONE, "" };
    if (q->type == DNS_AXFR || q->type == DNS_IXFR)
        return (struct refusal){ DNS_REFUSED, DNS_EDE_NOT_SUPPORTED,
                                 "a forwarder has no zones to transfer" };
    if (req->has_records || q->type == 0)
        return (struct refusal){ DNS_FORMERR, DNS_EDE_NONE, "" };
    if (req->is_signed)
        return (struct refusal){ DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED,
                                 "signed questions (TSIG, SIG(0)) cannot be passed on" };
    if (q->class != DNS_CLASS_IN)
        return (struct refusal){ DNS_REFUSED, DNS_EDE_NOT_SUPPORTED, "only class IN is passed on" };
    if (q->type == DNS_OPT || (q->type >= FIRST_META && q->type <= LAST_META))
        return (struct refusal){ DNS_NOTIMP, DNS_EDE_NOT_SUPPORTED,
                                 "this type cannot be asked for" };
    return (struct refusal){ DNS_NOERROR, DNS_EDE_NONE, "" };
}

bool dns_reply_at_once(struct buf *out, size_t max_bytes, const struct dns_request *req,
                       enum dns_request_read read, enum dns_replied *replied)
{
    struct refusal r = refusal_of(req, read);
    if (r.rcode != DNS_NOERROR) {
        *replied = dns_reply_error(out, max_bytes, req, r.rcode, r.ede, str_from_c(r.text));
        return true;
    }
    if (req->question.type != DNS_ANY)
        return false;
    *replied = reply_any(out, max_bytes, req);
    return true;
}
