#pragma once
/*
 * What a client of a DNS server sent, read fast: a forwarder looks at every packet, and needs of it
 * the header, one question and EDNS. What a server sends is read by codec/dns_msg.h. Pure; nothing
 * borrows.
 */
#include "codec/dns_msg.h"

enum {
    DNS_REQUEST_MAX_RRS = 8, /* behind the question; OPT and a signature are usual */
};

struct dns_request {
    uint16_t id;
    uint8_t opcode;
    bool recursion_desired, authentic_data, checking_disabled;
    bool has_question;
    bool has_records; /* answer or authority, as only zone transfers and updates have them */
    bool is_signed;   /* TSIG or SIG(0) */
    bool has_edns;
    bool dnssec_ok;
    uint8_t edns_version;
    uint16_t udp_bytes;
    struct dns_question question;
};

enum dns_request_read {
    DNS_REQUEST_OK,
    DNS_REQUEST_BAD,  /* FORMERR; the header was read, and the question if has_question */
    DNS_REQUEST_NONE, /* no whole header, or a response: not answered, or two servers would talk
                         to each other without end */
};
/*
 * Reads the whole of wire. BAD: not one question, a question whose name is compressed, more than
 * DNS_REQUEST_MAX_RRS records, records that run past the end, an OPT that is broken or not alone,
 * bytes behind the last record. A message of another opcode than QUERY is not looked into: OK,
 * without a question.
 */
enum dns_request_read dns_request_read(struct str wire, struct dns_request *out);
