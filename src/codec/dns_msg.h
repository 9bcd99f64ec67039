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
    DNS_DS = 43,
    DNS_RRSIG = 46,
    DNS_NSEC = 47,
    DNS_NSEC3 = 50,
    DNS_SVCB = 64,
    DNS_HTTPS = 65,
    DNS_IXFR = 251,
    DNS_AXFR = 252,
    DNS_ANY = 255,
};
enum { DNS_CLASS_IN = 1, DNS_CLASS_CH = 3, DNS_CLASS_ANY = 255 };
enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5,
    DNS_BADVERS = 16,
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
 * Reads the whole of wire. BAD: shorter than it says, more than one question, bad names, RDLENGTH
 * past the end, names inside known RDATA (CNAME, DNAME, NS, PTR, SOA, MX, SRV) that do not parse or
 * overrun it, two OPTs, an OPT outside the additional section or with a name, bytes behind the last
 * record, A not 4 bytes, AAAA not 16. TOO_MANY: more than DNS_MAX_RRS records. When the header is
 * whole, id, flags and rcode are set even if BAD is returned (n_rrs is then 0), so that a FORMERR
 * can be answered. A message with TC may end early: what is whole is kept.
 */
enum dns_parse dns_msg_parse(struct str wire, struct dns_msg *out);

/* Owner name of a record; the target name inside RDATA of CNAME, DNAME, NS or PTR. They parsed once
 * and do again. */
bool dns_rr_owner(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out);
bool dns_rr_target(const struct dns_msg *m, const struct dns_rr *rr, struct dns_name *out);
/* SOA MINIMUM field. */
bool dns_rr_soa_minimum(const struct dns_msg *m, const struct dns_rr *rr, uint32_t *minimum);

/* A query: RD set, one question, EDNS when udp_bytes > 0. Returns its length (at most 12 + 255 + 4
 * + 11 bytes). */
struct dns_query_flags {
    bool dnssec_ok, checking_disabled;
    uint16_t udp_bytes; /* 0: no OPT */
};
size_t dns_write_query(uint8_t out[static 512], uint16_t id, const struct dns_question *q,
                       struct dns_query_flags flags);

/*
 * Writing a response record by record, owner names compressed against the question. Names in RDATA
 * are written out uncompressed by dns_write_rr_from, which copies a record of a parsed message
 * (decompressing CNAME, DNAME, NS, PTR, SOA, MX, SRV).
 */
struct dns_writer {
    struct buf *out;
    uint16_t counts[4];
    size_t max_bytes;
    struct dns_name qname;
    bool is_full; /* a record did not fit: it is left out and TC is set at the end */
};
struct dns_reply_flags {
    uint16_t id;
    uint16_t rcode;
    bool recursion_desired, recursion_available, authoritative, authentic_data, checking_disabled;
};
void dns_write_begin(struct dns_writer *w, struct buf *out, size_t max_bytes,
                     struct dns_reply_flags flags, const struct dns_question *q);
bool dns_write_rr(struct dns_writer *w, enum dns_section s, const struct dns_name *owner,
                  uint16_t type, uint16_t class, uint32_t ttl, struct str rdata);
bool dns_write_rr_from(struct dns_writer *w, enum dns_section s, const struct dns_msg *from,
                       const struct dns_rr *rr, uint32_t ttl);
/* OPT with the extended rcode and, with ede_code >= 0, an extended error (RFC 8914). */
void dns_write_opt(struct dns_writer *w, uint16_t udp_bytes, uint16_t rcode, bool dnssec_ok,
                   int ede_code, struct str ede_text);
void dns_write_end(struct dns_writer *w);
