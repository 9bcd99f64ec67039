#pragma once
/*
 * One question to one server until something can be said of it: tries side by side (a slow answer
 * is waited for while the next try is under way), so that silence, loss and slowness are told
 * apart. A row of what will be facts.questions. What may be sent, and what follows, its owner
 * decides.
 */
#include "doctor/probe_query.h"

enum {
    PROBE_TRIES = 3,
    PROBE_SAMPLES = 6,
    PROBE_FIRST_WAIT_MS = 1000,
    PROBE_NEXT_WAIT_MS = 1500,
    PROBE_ONLY_WAIT_MS =
        2100, /* where there is one try: servers give up themselves after two seconds */
};

enum probe_ask_state { PROBE_ASK_WAITS, PROBE_ASK_RUNS, PROBE_ASK_OVER };

struct probe_server;
struct probe_ask;

struct probe_ask_owner {
    struct io_loop *loop;
    unsigned n_packets; /* that were sent; counted by spend */
    /* Takes a packet from the budget. is_must: it may use what is kept for servers that are silent
     * so far. */
    bool (*spend)(struct probe_ask_owner *o, bool is_must);
    void (*on_reply)(struct probe_ask *a);   /* the first one */
    void (*on_silence)(struct probe_ask *a); /* a try's time is over without any reply */
    void (*on_over)(struct probe_ask *a);
};

struct probe_ask {
    struct probe_ask_owner *owner;
    struct probe_server *server;
    const struct addr *to;
    struct str name;
    struct dns_question question;
    bool by_tcp, with_edns;
    bool is_must;
    unsigned priority;  /* less goes first */
    unsigned max_tries; /* at most PROBE_TRIES */
    uint64_t until_us;  /* no later than this */
    enum probe_ask_state state;
    unsigned n_sent, n_tries, n_replies; /* packets; and those with no way to go */
    unsigned n_cut; /* tries that were not waited for as long as others: they say nothing */
    enum probe_query_end end; /* of the last try, where there is no reply */
    int sys_errno;
    uint64_t time_us;
    bool has_reply;
    struct probe_reply reply;
    /* private */
    unsigned n_samples; /* that are still to be sent */
    bool is_sampling;
    unsigned n_open;
    struct io_timer timer;
    struct probe_query queries[PROBE_TRIES + PROBE_SAMPLES];
};

/* Of a waiting one. False: the budget has no packet for it; it waits on. */
bool probe_ask_start(struct probe_ask *a);
/* The same question again, n times at most, quickly, to see how many are answered. Of one that is
 * over. */
void probe_ask_sample(struct probe_ask *a, unsigned n);
/* Stops it where it is. on_over does not run. */
void probe_ask_cancel(struct probe_ask *a);

/* The server fails, rather than the name. */
bool probe_ask_is_soft(const struct probe_reply *r);
