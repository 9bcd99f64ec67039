#pragma once
/*
 * The penstock that runs here, asked at its admin listener: which server it uses for the S3
 * endpoint, and since when. Only an address of this host is asked.
 */
#include "doctor/probe.h"
#include "doctor/probe_http.h"

enum { PROBE_PROXY_MS = 2500, PROBE_PROXY_BYTES = 4 * 1024 * 1024 };

struct probe_proxy {
    void *owner;
    void (*on_done)(struct probe_proxy *p);
    struct io_loop *loop;
    struct fact_book *book;
    /* private */
    struct str name; /* the S3 endpoint */
    struct addr addr;
    bool is_active, is_routes; /* the second request is under way */
    struct io_task nothing;
    struct probe_http http;
};

/* owner and on_done are set, the rest is zero. name: the book's. on_done runs once, later;
 * facts.proxy is set then. */
void probe_proxy_start(struct probe_proxy *p, struct io_loop *loop, const struct conf *conf,
                       struct str name, struct fact_book *book);
void probe_proxy_cancel(struct probe_proxy *p);

/* For tests and the fuzzer: what /dns/lookup and /dns/routes say of name. False: not penstock's. */
bool probe_proxy_read_lookup(struct str json, struct fact_book *book, struct fact_proxy *out);
bool probe_proxy_read_routes(struct str json, struct str name, int64_t now_s,
                             struct fact_book *book, struct fact_proxy *out);
