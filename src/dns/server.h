#pragma once
/*
 * What is known of one DNS server: health, round-trip time, what it cannot do. One struct a server
 * address and process, shared by the workers; every function here runs under the lock of
 * dns_shared and takes the time as an argument. Counted by the routes that name it and by what is
 * under way.
 */
#include "base/list.h"
#include "codec/addr.h"
#include "dns/ask.h"
#include "dns/cookie.h"
#include "dns/counts.h"

enum {
    DNS_FAILURES_TO_SUSPECT = 3,
    DNS_FIRST_ATTEMPT_MS = 400,
    DNS_MIN_ATTEMPT_MS = 50,
    DNS_MAX_ATTEMPT_MS = 2000,
    DNS_MAX_HEDGE_MS = 300,
    DNS_MIN_HEDGE_MS = 50,        /* 3 x RTT of a cached answer says nothing about a fresh one */
    DNS_MIN_GROUP_HEDGE_MS = 150, /* dearer: another group may know other addresses */
    DNS_AVOID_MS = 5000,
    DNS_LOOP_OUT_MS = 300 * 1000, /* then it may have been mended */
    DNS_EDNS_OFF_MS = 600 * 1000,
    DNS_EDNS_DOUBTED_MS = 60 * 1000,
    DNS_BUDGET_PER_S = 400, /* where no setting says otherwise */
    DNS_MAX_BUDGET_PER_S = 1000000,
    DNS_MAX_AVOIDED_ZONES = 8,
    DNS_PROBED_WHILE_USED_MS = 600 * 1000,
    DNS_LOOK_MS = 500, /* between two questions while somebody looks */
};

struct dns_server {
    struct list node; /* in dns_shared */
    unsigned refs;
    struct addr addr;
    bool has_rtt;
    uint32_t srtt_us, rttvar_us;
    unsigned n_failures; /* in a row */
    bool is_suspect;
    unsigned probe_step;
    uint64_t probe_at_ms;
    uint64_t looked_ms;    /* when the last look's probe went out; 0: there was none */
    bool is_looked;        /* it is under way */
    uint64_t used_ms;      /* last asked for a client's sake */
    struct dns_ask sample; /* the last real one, for probes; its name is empty before it */
    uint64_t edns_off_until_ms;
    bool answers_edns; /* a query with EDNS was not lost */
    uint64_t edns_doubted_until_ms;
    struct dns_cookie cookie;
    uint32_t budget_per_s; /* packets; as many may go at once */
    uint32_t budget_milli; /* thousandths of packets */
    uint64_t budget_at_ms;
    uint64_t budget_told_ms; /* DNS_EVENT_OVER_BUDGET, next not before; 0: it never was */
    struct {
        uint64_t zone; /* 0: free */
        uint64_t until_ms;
        bool is_left_out;
    } avoided[DNS_MAX_AVOIDED_ZONES];
    /* dns/loop.h: the mark it was sent */
    uint64_t loop_asked_ms, loop_nonce, loop_zone;
    struct dns_server_counts counts; /* without the lock */
};

/* budget_per_s: packets, at most DNS_MAX_BUDGET_PER_S; 0: DNS_BUDGET_PER_S. */
void dns_server_init(struct dns_server *s, const struct addr *addr, uint64_t budget_per_s,
                     uint64_t now_ms);

/* Another one from here on; what is left of this second is cut to it. */
void dns_server_set_budget(struct dns_server *s, uint64_t budget_per_s);

/* How long an attempt may take before it counts as failed. */
unsigned dns_server_attempt_ms(const struct dns_server *s);
/* How long to wait for it before another server is asked as well. */
unsigned dns_server_hedge_ms(const struct dns_server *s, unsigned at_least_ms);

/* Any genuine reply; true when the server was suspect until now. rtt_us 0: not measured. */
bool dns_server_answered(struct dns_server *s, uint32_t rtt_us);
/* Silence or an ICMP error; true when it has just become suspect. */
bool dns_server_failed(struct dns_server *s, uint64_t now_ms);
/* It is suspect, and was asked for a client's sake lately. */
bool dns_server_wants_probes(const struct dns_server *s, uint64_t now_ms);
/* A suspect server is due for a probe: claims it (the next one is scheduled). */
bool dns_server_claim_probe(struct dns_server *s, uint64_t now_ms);
/*
 * While somebody looks: a question a second; a server that has begun to fail is asked again at
 * once, until it is known for dead or well. One at a time: claims it. dns_server_looked tells its
 * end.
 */
bool dns_server_claim_look(struct dns_server *s, uint64_t now_ms);
void dns_server_looked(struct dns_server *s);
/* The wait before the n-th probe of anything. */
unsigned dns_probe_wait_ms(unsigned step);

/* SERVFAIL, REFUSED and the like for a zone (its hash): others are asked first for a while. */
void dns_server_avoid(struct dns_server *s, uint64_t zone, uint64_t now_ms);
bool dns_server_is_avoided(const struct dns_server *s, uint64_t zone, uint64_t now_ms);
/* It asks us what we ask it for this zone: not asked at all for DNS_LOOP_OUT_MS. */
void dns_server_leave_out(struct dns_server *s, uint64_t zone, uint64_t now_ms);
bool dns_server_is_left_out(const struct dns_server *s, uint64_t zone, uint64_t now_ms);

/* is_needed: the question is not the same without (DO), so doubts do not count. */
bool dns_server_takes_edns(const struct dns_server *s, bool is_needed, uint64_t now_ms);
/* It may be silent to EDNS alone: the next query to it goes without. */
bool dns_server_may_drop_edns(const struct dns_server *s);
/* It has just been silent to EDNS, and it lives: worth a query of its own without. */
bool dns_server_drops_edns(const struct dns_server *s);

/* What is left of the budget, in packets. */
uint32_t dns_server_budget_left(const struct dns_server *s, uint64_t now_ms);
/* Packets of the budget, all or none; false when it has too few. */
bool dns_server_spend(struct dns_server *s, unsigned n_packets, uint64_t now_ms);
