#pragma once
/*
 * The proxy of one worker: client connections come in through proxy_accept, requests leave through
 * upstream. It owns its connections and transactions; everything given is borrowed and outlives it.
 */
#include "base/list.h"
#include "io/loop.h"
#include "proxy/policy.h"
#include "upstream/upstream.h"

struct tx;
struct limits;
struct page_maker;

/* A request that failed, as its access line tells it. Borrowed for the call, and from outside. */
struct proxy_failure {
    const struct fault *fault;
    uint64_t id;
    const struct addr *client;
    struct str method, host; /* empty where they are not known */
    struct str target;       /* behind the host; raw: escape_json_target is what shows it */
    uint16_t status;         /* sent to the client; 0: none */
    enum proxy_leg { PROXY_LEG_NONE, PROXY_LEG_S3, PROXY_LEG_REGISTRY } leg; /* who was asked */
};

enum { PROXY_ADMIN_CLIENTS = 64 };

struct proxy {
    struct io_loop *loop;
    struct proxy_policy *policy; /* of the requests that come now */
    struct upstream *upstream;
    struct limits *limits;
    const struct page_maker *pages; /* of the admin port; NULL: none. Set before the first client */
    /* Told of each request that failed, the admin port's apart. NULL: nobody is. Set before the
     * first client. */
    void (*on_failure)(void *arg, const struct proxy_failure *f);
    void *failure_arg;
    struct io_tls *tls; /* for the next connections on PROXY_PORT_TLS; NULL: none are accepted */
    bool is_draining;
    size_t n_clients, n_admin_clients;
    /* private */
    struct list clients, admin_clients;
    struct tx *spare_tx; /* kept for the next requests, at most PROXY_SPARE_TX */
    size_t n_spare_tx;
    uint64_t pages_from_us; /* when the next page of the admin port may be made */
    struct buf line;        /* the access line that is being written */
    uint64_t next_id;
    void (*on_drained)(void *arg);
    void *drained_arg;
};

/* False, with a fault, when memory is out. */
bool proxy_init(struct proxy *p, struct io_loop *loop, const struct conf *conf,
                struct upstream *upstream, struct limits *limits, struct fault *f);
/* Takes policy over, for the requests that begin after this. */
void proxy_set_policy(struct proxy *p, struct proxy_policy *policy);
/* Cuts what is still open. */
void proxy_done(struct proxy *p);
/* Takes over a server context for handshakes that begin from now on; older connections keep
 * theirs. */
void proxy_set_tls(struct proxy *p, struct io_tls *t);

enum proxy_port { PROXY_PORT_PUBLIC, PROXY_PORT_TLS, PROXY_PORT_ADMIN };
/*
 * Takes over fd. Over the limits it answers 503, or closes at once when even that is too much. The
 * admin port has PROXY_ADMIN_CLIENTS connections of its own: where all are taken, that one makes
 * room which has done nothing for longest.
 */
void proxy_accept(struct proxy *p, int fd, const struct addr *peer, enum proxy_port port);

/*
 * Connections that were idle for a second or longer close at once; those that asked or connected
 * later have half a second for a last request. Requests in flight (and TLS handshakes that have
 * begun) finish, and their connections close then. on_drained runs once, when none is left (perhaps
 * before this returns) but the admin port's: it goes on being served until proxy_done.
 */
void proxy_drain(struct proxy *p, void (*on_drained)(void *arg), void *arg);

/* For proxy/client: a connection is gone. */
void proxy_on_client_closed(struct proxy *p);
