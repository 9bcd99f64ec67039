#pragma once
/*
 * Connections to origins (S3, the registry) of one worker: pools of idle ones, dialling with Happy
 * Eyeballs over the resolver's answers, TLS. One pool per (scheme, host, port, address, TLS
 * identity). Callers see exchanges (upstream/exchange.h), never connections.
 */
#include "conf/settings.h"
#include "dns/resolve.h"
#include "io/loop.h"
#include "io/tls.h"

struct upstream;
struct upstream_board;

/* Everything given is borrowed and outlives it. tls: one client context for all https origins of
 * the worker. */
struct upstream *upstream_new(struct io_loop *loop, struct dns_engine *dns, struct io_tls *tls,
                              const struct conf *conf, struct fault *f);
/* Before the first exchange: its connections have rows there. */
void upstream_on_board(struct upstream *u, struct upstream_board *board);
/*
 * Others from here on. Idle connections of another tls are closed, busy ones end on theirs: it goes
 * when the last of them does.
 */
void upstream_set(struct upstream *u, struct io_tls *tls, const struct conf *conf);
/* Closes idle connections; exchanges are cancelled by their owners before. */
void upstream_free(struct upstream *u);

/* Who is spoken to. host is the name for DNS, SNI and certificate; the Host field is part of the
 * head that the caller writes. */
struct origin {
    struct str host;
    uint16_t port;
    enum conf_scheme scheme;
    enum dns_policy policy;
};

struct upstream_counts {
    size_t n_idle, n_busy, n_dialling;
};
struct upstream_counts upstream_count(const struct upstream *u);
