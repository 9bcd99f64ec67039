#pragma once
/*
 * A transaction: one request and its response. It is born when a head is whole (or broken) and dies
 * when its access line is written; its life is the table of steps in tx.c. Strings of the head
 * borrow from head_block, which it owns.
 */
#include "codec/http1.h"
#include "proxy/client.h"
#include "proxy/resume.h"
#include "proxy/route.h"
#include "upstream/exchange.h"

enum {
    BROWSE_BODY_BYTES = 1024 * 1024, /* of a body that goes where a redirect leads */
    TX_MAX_SPARE = 64,
    TX_DISCARD_BYTES = 64 * 1024, /* of a body that nobody wants, read to keep the connection */
    TX_TURN_BLOCKS = 8,           /* blocks relayed before others get their turn */
};

enum tx_step {
    TX_ROUTE,   /* which backend, may it */
    TX_PAGE,    /* a page of the admin port is being made */
    TX_REPLY,   /* an answer of our own goes out */
    TX_SEND,    /* the exchange starts */
    TX_HEAD,    /* the body goes up, the response head is awaited */
    TX_BODY,    /* the response goes down */
    TX_FOLLOW,  /* the registry redirects to S3: what S3 must get is gathered */
    TX_RESUME,  /* the connection died inside the body: the rest is being fetched */
    TX_LIST,    /* the registry's list of an archive's files comes in */
    TX_ARCHIVE, /* the archive goes down */
    TX_CUT,     /* the client must see that its response is not whole */
    TX_GONE,    /* the client left */
    TX_FINISH,  /* all said */
    N_TX_STEPS
};

/* The half that goes to the client. */
struct down {
    struct buf out; /* head and chunk framing: goes before data */
    size_t out_sent;
    uint64_t chunk_left; /* data bytes still to come of the chunk that was announced */
    uint64_t sent_bytes; /* on the wire */
    uint64_t body_bytes; /* of the body, unframed */
    bool is_chunked;
    bool has_chunk; /* a chunk was announced before: its CR LF is due */
    bool is_begun;  /* the final head is in out, or was sent */
    bool is_ended;  /* and so is the end */
};

struct tx {
    struct client *client;
    struct proxy *proxy;
    struct proxy_policy *policy; /* of its birth; NULL in a spare one */
    struct tx *next_spare;
    uint64_t id;
    uint64_t started_us;   /* the head's first byte */
    uint8_t step;          /* enum tx_step, changed by tx_go alone */
    bool keep_alive;       /* the client's connection may serve another request */
    bool is_headed;        /* x.head is the final response head */
    bool has_failed;       /* x.fault is final */
    bool is_exchanging;    /* x was started and not ended */
    bool is_up_ended;      /* the request's body was read to its end */
    bool is_up_told;       /* and the exchange knows */
    bool waits_for_client; /* the client's timer counts */
    bool waits_for_100;    /* the client does, with its body; 100 was not passed on yet */
    bool awaits_byte;      /* the origin's answer begins with the next byte to the client */
    bool has_head;         /* false: the head was refused, only the fault is known */
    uint16_t status;       /* sent to the client; 0: none */

    struct io_block head_block;
    struct http_head head;
    struct route route;
    const struct route *to; /* whom the exchange speaks to: &route, or where a redirect leads */
    struct browse *browse;  /* on the browse route; else NULL */
    struct fault fault; /* the first thing that went wrong: the access line's termination code */

    struct http1_body up_body;
    /* At the front of client->in: body bytes that the exchange did not take yet, and framing. */
    size_t up_pending, up_gap;
    uint64_t up_bytes;

    struct buf up_head;
    struct exchange x;
    struct down down;
    struct resume resume;
    struct resume_plan plan;  /* of the resume under way */
    struct zip_download *zip; /* with LIST and ARCHIVE; else NULL */
    struct page page;         /* of the admin port */
    bool has_page;            /* it was started */
    bool is_paging;           /* and is not whole */
    struct io_timer pause;    /* before the next try to resume; before a page is begun */
    struct tx_summary { /* of the first exchange with whom it speaks to, for the access line */
        struct exchange_timing timing;
        struct addr addr;
        bool is_reused, is_resumed;
        unsigned n_retries;
        char request_id[64];
        char dns[FAULT_DETAIL_BYTES / 2]; /* the way to the address, where it was a detour */
    } seen;
};

/* Another request may follow on the client's connection. */
static inline bool tx_body_was_read(const struct tx *tx)
{
    return tx->is_up_ended && tx->up_pending == 0;
}

/* A request of the admin port is no client's: it counts apart. */
static inline bool tx_is_admin(const struct tx *tx)
{
    return tx->client->port == PROXY_PORT_ADMIN;
}

/* Of the request, in bytes; more is 413. */
static inline uint64_t tx_max_body(const struct tx *tx)
{
    const struct conf *conf = tx->policy->conf;
    if (tx->to->kind == ROUTE_FOLLOW)
        return BROWSE_BODY_BYTES;
    return route_is_registry(tx->to->kind) ? conf->max_registry_body : conf->max_body;
}

/* From the spare ones where there is one; NULL without memory. */
struct tx *tx_new(struct proxy *p);
void tx_free(struct tx *tx);
/* All the spare ones. */
void tx_free_spare(struct proxy *p);

/* tx->head was parsed from the first head_bytes of c->in: takes that block over and begins. */
void tx_start(struct tx *tx, struct client *c, size_t head_bytes);
/* The head was refused: answers f. */
void tx_start_refused(struct tx *tx, struct client *c, const struct fault *f);

/* The client's connection is ready for what it was waited for, its deadline passed, or it is gone.
 */
void tx_on_client_ready(struct tx *tx);
void tx_on_client_late(struct tx *tx);
void tx_on_client_gone(struct tx *tx);

/* For proxy.c: ends it and its client's connection now, with this fault where no response has
 * begun.
 */
void tx_abort(struct tx *tx, enum fault_kind why);
