#pragma once
/*
 * Which DNS server is asked for what, and in which order, so that PROBE_DNS_PACKETS tell as much as
 * they can: each server's first name at once; what a server that answers knows of the other names;
 * plain DNS and TCP where EDNS or UDP is silent; IPv6 addresses, TCP, a search domain; then, with
 * what is left, how many of several equal questions are answered. A server that is silent for its
 * first name is asked for no other.
 */
#include "doctor/probe_local.h"
#include "doctor/probe_ask.h"

enum {
    PROBE_SERVERS = 24,
    PROBE_ASKED_SERVERS = 12,
    PROBE_SYSTEM_SERVERS = 8, /* of resolv.conf or the settings, that are asked */
    PROBE_LIGHT_SERVERS = 2,  /* the same in a light run; and of Amazon's as many */
    PROBE_ASKS = 96,
    PROBE_DNS_MS = 5000,
};

struct probe_server {
    struct addr addr;
    struct str address; /* the book's, as in facts */
    const char *source;
    unsigned place;
    bool is_amazon, is_first;
    bool is_asked;
    const char *not_asked;
    bool has_replied; /* over UDP */
    bool is_spawned;  /* its other names are under way */
    bool has_extras;  /* plain DNS and TCP were tried because it was silent */
    bool has_sampled;
    unsigned n_silent; /* times that its first question was */
};

struct probe_dns {
    struct probe_ask_owner asker; /* first */
    void *owner;
    void (*on_done)(struct probe_dns *d);
    struct fact_book *book;
    const struct probe_names *names;
    bool is_light;
    unsigned n_servers, n_asked;
    struct probe_server servers[PROBE_SERVERS];
    /* private */
    struct probe_name search; /* n 0: none */
    uint64_t until_us;
    unsigned n_asks;
    bool is_over;
    struct io_timer until;
    struct probe_ask asks[PROBE_ASKS];
};

/*
 * owner and on_done are set, the rest is zero. system: of resolv.conf. names and book stay. on_done
 * runs once, later; the facts are in the book then: servers, questions, dns_packets.
 */
void probe_dns_start(struct probe_dns *d, struct io_loop *loop, const struct probe_request *r,
                     const struct addr *system, unsigned n_system, const struct probe_names *names,
                     struct fact_book *book);
/* Whether it is over or not; on_done does not run any more. */
void probe_dns_cancel(struct probe_dns *d);

/* probe_dns_facts.c */
void probe_dns_add_facts(struct probe_dns *d);
/* "10.0.0.2", "[fd00::1]:5353": without the port 53. */
struct str probe_server_text(struct fact_book *book, const struct addr *a);
