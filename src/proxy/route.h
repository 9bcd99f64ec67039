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
    ROUTE_ZIP,    /* the registry: a list of files becomes an archive, all else passes */
    ROUTE_BROWSE, /* the registry: its redirects to S3 are followed */
    ROUTE_FOLLOW, /* S3, where such a redirect leads; never of a request's target */
};

static inline bool route_is_registry(enum route_kind k)
{
    return k == ROUTE_ZIP || k == ROUTE_BROWSE;
}

/* Strings borrow from the head. */
struct route {
    enum route_kind kind;
    struct origin origin;
    struct str host;   /* the Host field: the first segment as it came, or the registry's */
    struct str prefix; /* the registry's path: before rest */
    struct str rest;   /* what the origin gets; a "/" goes in front where it has none */
    struct str path;   /* of rest, for the log */
    struct str bucket; /* may be empty */
    struct str query;  /* of a page */
    bool has_cors;
    bool is_get_only; /* what a 405 says is allowed */
};

/* Fills *out always (has_cors and host as far as they are known); ROUTE_REFUSED fills *f. */
void route_public(const struct conf *conf, const struct http_head *head, struct route *out,
                  struct fault *f);
/*
 * The same gate for a target of this proxy's own form, "/HOST/KEY?QUERY", that the registry names
 * in a list of files: false with *f when it is not allowed.
 */
bool route_location(const struct conf *conf, struct str location, struct route *out,
                    struct fault *f);
/*
 * The same gate for the Location of a redirect that answers request. rest and path borrow from it;
 * false with *f, REDIRECT or BUCKET_DENIED, when it is not followed. Nothing of its query is in *f.
 */
bool route_redirect(const struct conf *conf, const struct http_head *request, struct str location,
                    struct route *out, struct fault *f);
/* The row of PENSTOCK_ALLOW_HOSTS that counts for this host, and that of PENSTOCK_ALLOW_BUCKETS for
 * this bucket; NULL where no row matches. */
const struct conf_host_rule *route_host_rule(const struct conf *conf, struct str host);
const struct str *route_bucket_glob(const struct conf *conf, struct str bucket, bool is_of_host);
/*
 * pages may be NULL. What a browser asks for another site's sake is refused as OTHER_SITE; so is a
 * Host that is neither an address nor localhost where is_loopback, the client having connected to a
 * loopback address: a page whose name was made to mean 127.0.0.1 sends its own name. /livez tells
 * nothing, and answers everybody.
 */
void route_admin(const struct http_head *head, const struct page_maker *pages, bool is_loopback,
                 struct route *out, struct fault *f);
