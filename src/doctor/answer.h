#pragma once
/*
 * What a program gets that asks one server for one name: A and AAAA, EDNS and plain, UDP and TCP
 * seen together. Pure; what is returned is borrowed from the facts.
 */
#include "doctor/facts_view.h"

enum answer_kind {
    ANSWER_NONE,     /* not asked, or it could not be */
    ANSWER_NO_ROUTE, /* nothing was sent */
    ANSWER_LOST,     /* silence, or ICMP */
    ANSWER_SERVFAIL, /* and FORMERR, NOTIMP, a damaged reply ...: words are view_answer_text's */
    ANSWER_REFUSED,
    ANSWER_NXDOMAIN,
    ANSWER_NODATA,  /* no address that this host could use */
    ANSWER_BLOCKED, /* all addresses are sinkholes */
    ANSWER_GOOD,
};

struct answer {
    enum answer_kind kind;
    const struct fact_question *question; /* that it rests on; NULL for ANSWER_NONE */
};

/* All questions of these three to the server, as a stub resolver would use them. type: "A". */
struct answer answer_of_type(const struct fact_facts *f, struct str server, struct str name,
                             const char *type);
/* A or AAAA; an address of a family that this host has goes before all else. */
struct answer answer_of(const struct fact_facts *f, struct str server, struct str name);
/* The best of Amazon's servers that were asked from inside. */
struct answer answer_of_amazon(const struct fact_facts *f, struct str name);
/* Amazon's servers were asked from inside for at least one needed name, and have an address for
 * each. */
bool answer_amazon_knows_all(const struct fact_facts *f);

/* No address for the name: NXDOMAIN or an empty answer. */
bool answer_is_denial(const struct fact_question *q);
/* Whether this host can use addresses of the type. Yes where that is not known. */
bool answer_is_usable(const struct fact_facts *f, const char *type);
/*
 * Unspecified, loopback, link-local, multicast or reserved. Not so where something of the right
 * certificate answered there, nor VPC Lattice's own link-local addresses.
 */
bool answer_is_sinkhole(const struct fact_facts *f, struct str address);
/* RFC 1918, RFC 6598, ULA, or of the VPC's CIDRs. */
bool answer_is_private(const struct fact_facts *f, struct str address);

enum answer_truth { ANSWER_UNSURE, ANSWER_IS_NOT_THERE, ANSWER_IS_THERE };

/*
 * Whether the name has addresses: an answer of Amazon's, S3's public names by themselves, an answer
 * of another server, Amazon's no. *witness is who said so; NULL where it goes without saying.
 */
enum answer_truth answer_truth(const struct fact_facts *f, const struct fact_name *name,
                               const struct fact_question **witness);

/* S3's, a bucket's or the registry's; not in the hosts file, and not an address. */
bool answer_is_needed(const struct fact_facts *f, const struct fact_name *name);

enum { ANSWER_MAX_SERVERS = 16 };
/*
 * The servers that programs here are told to ask, in their order: resolv.conf's, then those of
 * penstock's settings. Returns how many. Nothing where the doctor runs outside of what it judges.
 */
unsigned answer_servers(const struct fact_facts *f,
                        const struct fact_server *out[static ANSWER_MAX_SERVERS]);
/* Whether programs feel this server's faults: it is the first, all are used in turn, or those
 * before it do not reply at all. */
bool answer_counts(const struct fact_facts *f, const struct fact_server *s);

/* Packets over UDP between here and one server. */
struct answer_traffic {
    unsigned questions, replied, no_route, icmp; /* questions */
    int64_t tries, replies;
};
struct answer_traffic answer_traffic(const struct fact_facts *f, struct str server);
/* Asked often enough, and never a reply; no_route is another matter. */
bool answer_is_silent(const struct answer_traffic *t);

/* tries and replies, sound whatever the facts say: 0 <= replies <= tries <= 1000. */
int64_t answer_tries(const struct fact_question *q);
int64_t answer_replies(const struct fact_question *q);
