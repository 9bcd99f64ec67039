#pragma once
/*
 * One TCP connection to one server (RFC 7766), for all the questions that a worker has for it: sent
 * behind each other, answered in any order, told apart by their IDs. Opened by the first question
 * and closed when it was idle for a few seconds, when the server closes it, or when nothing comes
 * over it any more. What a question's deadline is, its owner knows; so a connection that hangs
 * delays nobody beyond it.
 *
 * Links are the engine's, and live on its loop. A question is embedded in its owner and stands in
 * one link at most.
 */
#include "dns/answer.h"
#include "dns/frames.h"
#include "dns/shared.h"
#include "io/stream.h"

enum {
    DNS_LINK_IDLE_MS = 5000,
    DNS_LINK_MAX_ASKS = 256, /* in flight on one connection */
    DNS_MAX_LINKS = 64,      /* of one engine */
    /* Messages that answer no question: a connection that brings more of them is given up. */
    DNS_LINK_MAX_STRAYS = 16,
    DNS_LINK_QUERY_BYTES = 2 + 512,
};

struct dns_link;

struct dns_link_ask {
    /* A message with this ID; borrowed for the call. The owner says whether it is its reply by
     * leaving, or waits on. */
    void (*on_reply)(struct dns_link_ask *a, struct str wire);
    /* The connection is over, and the question not on it any more. was_well: others were answered
     * over it, so another connection is worth a try. */
    void (*on_broken)(struct dns_link_ask *a, bool was_well);
    uint16_t id;
    bool is_reused; /* the connection had answered before this question came */
    /* private */
    struct list node;
    struct dns_link *link; /* NULL: in none */
    unsigned n_before;     /* messages that had come when it was sent */
};

/*
 * Sends a query, framed: two bytes of room for its length, then n bytes. Its ID is replaced by one
 * that no other question on the connection has. alone: over a connection that nobody else has.
 * Pays for its packets from the server's budget. False: not sent, and *outcome says why
 * (DNS_OVER_BUDGET; DNS_NOT_SENT; DNS_UNREACHABLE). No callback runs inside.
 */
bool dns_link_ask(struct dns_link_ask *a, struct dns_engine *e, struct dns_server *server,
                  uint8_t *framed, size_t n, bool alone, enum dns_outcome *outcome);
/* Nothing has come over its connection since it was sent. */
bool dns_link_is_quiet(const struct dns_link_ask *a);
/* Takes it off; harmless when it is on none. */
void dns_link_leave(struct dns_link_ask *a);
/* The same; if its connection is quiet, nobody else is sent over it. */
void dns_link_give_up(struct dns_link_ask *a);

/* It is ourselves who have no descriptor, port or memory left. */
bool dns_is_our_lack(int sys_errno);

/* For the engine's end, after its questions. */
void dns_links_close(struct dns_engine *e);
