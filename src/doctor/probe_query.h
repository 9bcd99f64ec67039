#pragma once
/*
 * One question to one DNS server, once, with nothing between: no cache, no retry, no switch to
 * another server, nor to TCP or to plain DNS by itself. What the proxy's own exchange hides for
 * good reasons (dns/exchange.h) is what the doctor wants to see. Over UDP with a socket, a source
 * port and an ID of its own, connected so that ICMP errors come in; over TCP on a connection of its
 * own.
 *
 * Embedded in its owner, zeroed at first.
 */
#include "dns/ask.h"
#include "dns/answer.h"
#include "dns/frames.h"
#include "io/stream.h"
#include "io/timer.h"

enum { PROBE_REPLY_ADDRESSES = 64, PROBE_REPLY_ALIASES = 8 };

/* What a reply says; outcome is the judge's (dns/judge.h), of a reply that it would not even take
 * for one DNS_BAD_REPLY. */
struct probe_reply {
    enum dns_outcome outcome;
    unsigned rcode;
    bool has_question, is_truncated;
    bool is_open; /* the aliases lead to a name of which the reply says nothing */
    bool has_ttl;
    uint32_t ttl_s;
    unsigned n_addresses, n_aliases;
    struct addr addresses[PROBE_REPLY_ADDRESSES]; /* port 0 */
    struct dns_name aliases[PROBE_REPLY_ALIASES];
    struct dns_name authority; /* owner of the SOA in a denial; n 0: none */
};

enum probe_query_end {
    PROBE_QUERY_REPLY,
    PROBE_QUERY_SILENT,
    PROBE_QUERY_UNREACHABLE, /* ICMP; TCP refused or reset */
    PROBE_QUERY_NO_ROUTE,    /* this host knows no way: nothing was sent */
    PROBE_QUERY_FAILED,      /* something else; sys_errno, 0: the server closed the connection */
};

struct probe_query {
    void *owner;
    /* Once, later than start. reply: PROBE_QUERY_REPLY's, borrowed for the call; else NULL. */
    void (*on_done)(struct probe_query *q, const struct probe_reply *reply);
    uint64_t sent_us, took_us;
    enum probe_query_end end;
    int sys_errno;
    bool by_tcp;
    /* private */
    struct io_loop *loop;
    struct dns_ask ask;
    struct io_timer timer;
    struct io_task failure;
    uv_poll_t *poll;          /* UDP */
    struct io_stream *stream; /* TCP */
    struct dns_frames frames;
    size_t n, sent_n; /* of query, the length in front included */
    struct addr server;
    int fd;
    uint16_t id;
    bool is_connected, is_active;
    uint8_t query[2 + 512];
};

struct probe_query_way {
    bool by_tcp, with_edns;
    unsigned timeout_ms;
};
/* owner and on_done are set. server has its port. */
void probe_query_start(struct probe_query *q, struct io_loop *loop, const struct addr *server,
                       const struct dns_question *question, struct probe_query_way way);
/* on_done does not run any more. Harmless when idle. */
void probe_query_cancel(struct probe_query *q);

/* Whether it is this process that has no descriptors or memory left: that says nothing of others.
 */
bool probe_is_exhausted(int sys_errno);

/* For tests and the fuzzer: false: no reply to this question. */
bool probe_reply_read(struct str wire, uint16_t id, const struct dns_ask *ask,
                      struct probe_reply *out);
