#pragma once
/* Where a request goes, decided from its head and the settings alone: no I/O, no DNS. */
#include "codec/http1.h"
#include "codec/s3_host.h"
#include "conf/settings.h"
#include "proxy/page.h"
#include "upstream/upstream.h"

enum route_kind {
    ROUTE_REFUSED, /* the fault says why */
    ROUTE_ROOT,    /* "/": the load balancer's health check */
    ROUTE_ROBOTS,
    ROUTE_LIVEZ,     /* admin port */
    ROUTE_PAGE,      /* admin port: made by a room above */
    ROUTE_PREFLIGHT, /* OPTIONS on the S3 route */
    ROUTE_S3,
};

/* Strings borrow from the head. */
struct route {
    enum route_kind kind;
    struct origin origin;
    struct str host;   /* the first segment, as it came: the Host field */
    struct str rest;   /* what S3 gets; a "/" goes in front where it has none */
    struct str path;   /* of rest, for the log */
    struct str bucket; /* may be empty */
    struct str query;  /* of a page */
    bool has_cors;
    bool is_get_only; /* what a 405 says is allowed */
};

/* Fills *out always (has_cors and host as far as they are known); ROUTE_REFUSED fills *f. */
void route_public(const struct conf *conf, const struct http_head *head, struct route *out,
                  struct fault *f);
/* pages may be NULL. */
void route_admin(const struct http_head *head, const struct page_maker *pages, struct route *out,
                 struct fault *f);
