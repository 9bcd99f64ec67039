#pragma once
/*
 * One question to one server: over UDP with a socket, a source port and an ID of its own, connected
 * so that only the server's datagrams and its ICMP errors come in; over TCP, on the connection that
 * the worker has to this server, when the answer was truncated; again without EDNS when the server
 * does not take it, with another cookie when it wants one. Counts the server's health.
 *
 * Health is what happens over UDP: silence, and ICMP. A server without TCP is well all the same,
 * and what we lack ourselves (descriptors, ports, memory) says nothing of a server.
 *
 * Allocated here; ends with on_done, or with dns_exchange_cancel. Holds a reference to the server.
 */
#include "dns/link.h"

enum dns_transport {
    DNS_BY_UDP, /* and by TCP what was truncated */
    DNS_BY_TCP,
};

struct dns_exchange {
    void *owner;
    /* Once, and the exchange is gone when it returns. m and verdict are NULL unless the server
     * replied; they are borrowed for the call. */
    void (*on_done)(struct dns_exchange *x, enum dns_outcome outcome, const struct dns_msg *m,
                    const struct dns_verdict *v);
    /* The time for an answer is over, and counted as a failure. The exchange still listens. */
    void (*on_late)(struct dns_exchange *x);
    struct dns_engine *engine;
    struct dns_server *server;
    uint64_t started_us;
    bool by_tcp; /* now */
    bool is_late;
    /* private */
    const struct dns_ask *ask; /* the owner's */
    dns_same_route *same;
    void *same_arg;
    enum dns_transport transport;
    struct io_timer timer;
    struct io_task failure; /* reports what went wrong inside start */
    enum dns_outcome start_outcome;
    uint64_t sent_us; /* the last time, over UDP */
    uv_poll_t *poll;
    int fd;
    struct dns_link_ask on_link;
    uint64_t tcp_until_ms;
    bool is_second_link; /* one other connection is tried, no more */
    uint16_t id;
    bool with_edns;
    bool is_edns_doubted; /* it was silent to EDNS */
    bool is_paid;         /* the next packet is */
    uint8_t cookie_n;     /* what was sent of cookie; 0: none */
    uint8_t cookie[DNS_COOKIE_BYTES];
    bool is_doubted, is_cookie_renewed, has_wrong_cookies;
    size_t query_n;
    uint8_t query[DNS_LINK_QUERY_BYTES]; /* behind room for TCP's length */
};

/*
 * owner, on_done and on_late are the caller's to set on what is returned, before it returns to the
 * loop. ask and same_arg stay where they are. NULL without memory.
 */
struct dns_exchange *dns_exchange_start(struct dns_engine *e, struct dns_server *server,
                                        const struct dns_ask *ask, dns_same_route *same,
                                        void *same_arg, enum dns_transport transport);
/* Cancels, and counts as a failure that nothing came. */
void dns_exchange_give_up(struct dns_exchange *x);
/* Silently; NULL is fine. */
void dns_exchange_cancel(struct dns_exchange *x);
