#pragma once
/*
 * Connections to what the names resolved to: for each server's answer up to two addresses, TCP, TLS
 * as the proxy does it, and an unsigned HEAD. Addresses that the settings never let the proxy dial
 * are not dialled here either.
 */
#include "doctor/probe_http.h"
#include "doctor/probe_names.h"

enum {
    PROBE_CONNECTIONS = 8,    /* that are made */
    PROBE_DENIED = 8,         /* that are only told of */
    PROBE_VIEW_ADDRESSES = 2, /* one in a light run */
    PROBE_CONNECT_TRIES = 2,
    PROBE_STEP_MS = 3000, /* for TCP, for TLS, for the response */
};

struct probe_connection {
    struct probe_connect *all;
    const struct probe_target *target;
    struct addr addr;
    struct str address; /* its text; the book's */
    struct fact_texts servers;
    bool is_denied, is_running;
    unsigned n_tries;
    int64_t skew_s;
    struct probe_http http;
};

struct probe_connect {
    void *owner;
    void (*on_done)(struct probe_connect *c);
    struct io_loop *loop;
    struct fact_book *book;
    const struct conf *conf;
    struct io_tls *tls;
    const char *why_no_tls; /* set before start where tls is NULL */
    bool is_light;          /* likewise: probe_request.is_light */
    bool has_ipv6;
    unsigned n, n_running, n_dialled;
    struct probe_connection v[PROBE_CONNECTIONS + PROBE_DENIED];
    struct io_timer until;
};

/*
 * owner and on_done are set, the rest is zero. What servers answered is read from the book. on_done
 * runs once, later, no later than until_us; facts.connections are in the book then. tls NULL:
 * nothing is connected to by TLS. tls, conf, names and book stay.
 */
void probe_connect_start(struct probe_connect *c, struct io_loop *loop, struct io_tls *tls,
                         const struct conf *conf, const struct probe_names *names,
                         uint64_t until_us, struct fact_book *book);
/* on_done does not run any more. Harmless when it never started. */
void probe_connect_cancel(struct probe_connect *c);

/* probe_connect_facts.c */
void probe_connection_add_fact(struct probe_connection *c);
