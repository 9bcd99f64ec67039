#pragma once
/*
 * The registry that stands behind the proxy's /zip and /browse, in small: plain HTTP/1.1, and it
 * knows one archive, of all objects of the demo's bucket. No cookie or token means anything to it.
 *
 *     GET, POST /zip/demo.zip           the list of files that the proxy makes the archive of
 *     any       /browse/demo/KEY        302 to the object
 *     POST      /browse/set_browse_cookie   a cookie, with CORS for credentials
 *
 * It belongs to one loop; the store is borrowed.
 */
#include "demo/http_server.h"
#include "demo/s3_store.h"

#define DEMO_REGISTRY_ARCHIVE "/zip/demo.zip"
#define DEMO_REGISTRY_BROWSE "/browse/demo/"

enum {
    DEMO_REGISTRY_MAX_FILES = 10000,
    DEMO_REGISTRY_REPLY_BYTES = 56 << 20, /* as many lines of the longest keys, all escaped */
    /* Objects are read for their CRC-32 while the list is made, and nothing else happens meanwhile:
     * what does not fit into this many bytes any more is listed without one. */
    DEMO_REGISTRY_CRC_BYTES = 64 << 20,
};

/* The reply to one request, head and body; what the request's own body says does not count. Blocks
 * on the disk. */
void demo_registry_reply(const struct demo_store *store, const struct http_head *head,
                         struct buf *out);

bool demo_registry_open(struct demo_http_server *s, struct io_loop *loop, struct demo_store *store,
                        const struct addr *at, struct fault *f);
