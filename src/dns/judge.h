#pragma once
/*
 * What a datagram means: bytes and the question that was asked in, an outcome and the records that
 * may be believed out. Pure, so that it can be fuzzed and tested without a server.
 *
 * Believed are the CNAME chain that starts at the question's name, the records at its end, DNAMEs
 * above a name of the chain, and the SOA of a negative answer; where signatures were asked for,
 * also those, and the records that prove what is not there. Everything else in the message is
 * dropped (bailiwick). The chain ends at a name that belongs to another route: whatever the server
 * says about that name, it was not the one to ask.
 */
#include "codec/dns_msg.h"
#include "dns/answer.h"
#include "dns/ask.h"

enum { DNS_MAX_CNAMES = 8, DNS_NO_SOA_TTL_S = 5 };

/* Is this name asked through the same route as the question's? NULL: all are. */
typedef bool dns_same_route(void *arg, const struct dns_name *name);

struct dns_verdict {
    enum dns_outcome outcome;
    bool wants_tcp; /* truncated: nothing of it may be used */
    bool is_open;   /* ANSWERED, but the chain ends at tail, which has to be asked next */
    struct dns_name tail;
    unsigned n_cnames;
    uint32_t ttl_s; /* the least of what is kept; of a negative answer, how long it holds */
    unsigned rcode;
    unsigned n_kept;
    uint16_t kept[DNS_MAX_RRS]; /* indices into the message's records */
};

/*
 * False: not a reply to this question (another ID, a query, another question, not readable): keep
 * waiting, the genuine one may still come. m is scratch and holds the parsed message afterwards; it
 * borrows wire. An error reply may come without a question (header only).
 */
bool dns_judge(struct str wire, uint16_t id, const struct dns_ask *ask, dns_same_route *same,
               void *arg, struct dns_msg *m, struct dns_verdict *v);

/* Is it the name's own fault (NXDOMAIN, NODATA), rather than the server's? */
static inline bool dns_outcome_is_negative(enum dns_outcome o)
{
    return o == DNS_NXDOMAIN_OUTCOME || o == DNS_NODATA_OUTCOME;
}

/* Was nothing asked at all, by our own doing? It says nothing of a server, nor of the name. */
static inline bool dns_outcome_is_ours(enum dns_outcome o)
{
    return o == DNS_NOT_SENT || o == DNS_OVER_BUDGET || o == DNS_NOT_ASKED;
}
