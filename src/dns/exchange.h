#pragma once
/*
 * One question to one server: over UDP with a socket, a source port and an ID of its own, connected
 * so that only the server's datagrams and its ICMP errors come in; over TCP when the answer was
 * truncated; again without EDNS when the server does not take it. Counts the server's health.
 *
 * Allocated here; ends with on_done, or with dns_exchange_cancel. Holds a reference to the server.
 */
#include "dns/shared.h"

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
    bool by_tcp;
    bool is_late;
    /* private */
    const struct dns_ask *ask; /* the owner's */
    dns_same_route *same;
    void *same_arg;
    struct io_timer timer;
    struct io_task failure; /* reports what went wrong inside start */
    uv_poll_t *poll;
    int fd;
    struct io_stream *stream;
    uint16_t id;
    bool with_edns;
    enum dns_outcome start_outcome;
    size_t sent; /* over TCP, of query_n */
    size_t query_n;
    uint8_t query[2 + 512]; /* behind room for TCP's length */
    struct buf reply;       /* over TCP */
};

/*
 * owner, on_done and on_late are the caller's to set on what is returned, before it returns to the
 * loop. ask and same_arg stay where they are. NULL without memory.
 */
struct dns_exchange *dns_exchange_start(struct dns_engine *e, struct dns_server *server,
                                        const struct dns_ask *ask, dns_same_route *same,
                                        void *same_arg);
/* Silently; NULL is fine. */
void dns_exchange_cancel(struct dns_exchange *x);
