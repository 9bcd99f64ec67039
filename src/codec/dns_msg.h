#pragma once
/*
 * DNS messages (RFC 1035, EDNS: RFC 6891): reading what a server sent, writing what we ask and
 * answer. Pure functions.
 */
#include "base/buf.h"
#include "codec/dns_name.h"

enum { DNS_HEADER_BYTES = 12, DNS_UDP_BYTES = 1232, DNS_MESSAGE_BYTES = 65535, DNS_MAX_RRS = 512 };

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_SOA = 6,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNAME = 39,
    DNS_OPT = 41,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_NSEC3 = 50,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_ANY = 255,
};
enum dns_option { DNS_OPTION_COOKIE = 10, DNS_OPTION_ERROR = 15 };
enum { DNS_COOKIE_BYTES = 40 };
enum { DNS_CLASS_IN = 1, DNS_CLASS_CH = 3, DNS_CLASS_ANY = 255 };
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16,
    DNS_BADCOOKIE = 23,
};
const char *dns_rcode_text(unsigned rcode, char text[static 16]); /* "NXDOMAIN", "RCODE17" */
const char *dns_type_text(unsigned type, char text[static 16]);   /* "AAAA", "TYPE65280" */
bool dns_type_parse(struct str text, uint16_t *type);             /* RFC 3597 TYPEnnn too */

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

struct dns_question {
    struct dns_name name;
    uint16_t type, class;
};

/* One record; rdata borrows from the message, rdata_at is its offset there (names in it may be
 * compressed). */
struct dns_rr {
    uint8_t section;
    uint16_t type, class;
    uint32_t ttl; /* values above 2^31-1 read as 0 (RFC 2181 section 8) */
    size_t owner_at;
    size_t rdata_at;
    uint16_t rdata_n;
};

struct dns_edns {
    bool is_present;
    uint16_t udp_bytes;
    uint8_t version;
    bool dnssec_ok;
    struct str options; /* raw, checked for lengths; borrowed */
};

/* A parsed message. wire borrows. Records are kept as offsets; names are read when they are needed.
 */
struct dns_msg {
    struct str wire;
    uint16_t id;
    uint8_t opcode;
    uint16_t rcode; /* with the extended bits of OPT */
    bool is_response, is_authoritative, is_truncated, recursion_desired, recursion_available,
        authentic_data, checking_disabled;
    bool has_question; /* QDCOUNT is 0 or 1; error replies may come without */
    struct dns_question question;
    struct dns_edns edns;
    size_t n_rrs;
    struct dns_rr rrs[DNS_MAX_RRS]; /* OPT is not among them */
};

enum dns_parse { DNS_PARSE_OK, DNS_PARSE_BAD, DNS_PARSE_TOO_MANY };
/*
 * Reads the whole of wire. BAD: shorter than it says, longer than DNS_MESSAGE_BYTES, more than one
 * question, bad names, RDLENGTH past the end, RDATA of a known layout (dns_rdata.h) that is not
 * filled exactly, two OPTs, an OPT outside the additional section, with a name or with options that
 * do not fill it, bytes behind the last record. TOO_MANY: more than DNS_MAX_RRS records. Unless OK,
 * n_rrs is 0; but id, opcode, flags and rcode are set when the header is whole (wire.n >=
 * DNS_HEADER_BYTES), question and edns when they were reached: enough to answer FORMERR or NOTIMP.
 * A message with TC may end early behind its question: what is whole is kept.
 */
enum dns_parse dns_msg_parse(struct str wire, struct dns_msg *out);

/* Owner name of a record; the target name inside RDATA of CNAME, DNAME, NS or PTR (false for other
 * types). They parsed once and do again. */
bool dns_rr_owner(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out);
bool dns_rr_target(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out);
/* SOA MINIMUM field; false for other types. */
bool dns_rr_soa_minimum(const struct dns_msg *m, const struct dns_rr *rr, uint32_t *minimum);

/* EDNS's options, each as long as it says. */
bool dns_options_are_whole(struct str options);
/* The first option of this code in edns.options; false when there is none. Borrowed. */
bool dns_edns_option(const struct dns_edns *edns, uint16_t code, struct str *out);

/* Sixteen bits in network order; bytes at and at + 1 are there. */
static inline uint16_t dns_u16(struct str s, size_t at)
{
    const uint8_t *p = (const uint8_t *)s.p + at;
    return (uint16_t)(p[0] << 8 | p[1]);
}

/* A query: RD set, one question, EDNS when udp_bytes > 0. Returns its length (at most 12 + 255 + 4
 * + 11 + 4 + 40 bytes). */
struct dns_query_flags {
    bool dnssec_ok, checking_disabled;
    uint16_t udp_bytes; /* 0: no OPT */
    struct str cookie; /* in OPT: at most DNS_COOKIE_BYTES, client's and server's (RFC 7873); empty:
                          none */
};
size_t dns_write_query(uint8_t out[static 512], uint16_t id, const struct dns_question *q,
                       struct dns_query_flags flags);

/*
 * Writing a response record by record, sections in their order. Owner names are compressed against
 * the question and the name written last. Names in RDATA are written out uncompressed by
 * dns_write_rr_from, which copies a record of a parsed message (known layouts: dns_rdata.h). The
 * message begins where out ends, so a TCP length may stand before it; out->failed tells that memory
 * ran out, and then there is no message. The writer owns nothing.
 */
struct dns_writer {
    struct buf *out;
    bool is_full; /* a record did not fit: nothing follows but OPT, and TC is set at the end */
    /* private */
    size_t start; /* offset of the message in out */
    size_t max_bytes;
    size_t reserved_bytes; /* of max_bytes, for OPT */
    uint16_t counts[4];
    struct dns_name qname; /* stands behind the header */
    struct dns_name last;  /* stands at last_at, its first last_n bytes written out */
    size_t last_at, last_n;
};
struct dns_reply_flags {
    uint16_t id;
    uint8_t opcode;
    uint16_t rcode; /* above 15: an OPT must follow to say so */
    bool recursion_desired, recursion_available, authoritative, authentic_data, checking_disabled;
    bool has_opt; /* dns_write_opt follows: keep room for it */
};
/* max_bytes is taken as at least 512 (RFC 1035) and at most DNS_MESSAGE_BYTES; out's own ceiling
 * counts too. q NULL: no question. */
void dns_write_begin(struct dns_writer *w, struct buf *out, size_t max_bytes,
                     struct dns_reply_flags flags, const struct dns_question *q);
/* False: left out, for want of room. In the additional section that is no truncation (RFC 2181
 * section 9). rdata must not hold compressed names. */
bool dns_write_rr(struct dns_writer *w, enum dns_section s, const struct dns_name *owner,
                  uint16_t type, uint16_t class, uint32_t ttl, struct str rdata);
bool dns_write_rr_from(struct dns_writer *w, enum dns_section s, const struct dns_msg *from,
                       const struct dns_rr *rr, uint32_t ttl);
/* OPT with the extended rcode and, with ede_code >= 0, an extended error (RFC 8914), whose UTF-8
 * text is cut, or which is left out, where room is short. Once, behind the records. */
void dns_write_opt(struct dns_writer *w, uint16_t udp_bytes, uint16_t rcode, bool dnssec_ok,
                   int ede_code, struct str ede_text);
void dns_write_end(struct dns_writer *w);
