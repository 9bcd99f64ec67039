#pragma once
/*
 * Pages of the admin port beyond the proxy's own: a room above makes them. One may take its time;
 * it is cancelled when its client leaves. The transaction owns the struct page.
 */
#include "base/buf.h"

enum { PAGE_BYTES = 8 * 1024 * 1024 };

struct page {
    /* The proxy's: the page is whole. Once, and not after cancel. */
    void (*on_done)(struct page *p);
    /* the maker's, to fill */
    uint16_t status;
    struct str type;    /* of the content; static text */
    struct str headers; /* whole further lines of the response's head; static text; may be empty */
    struct buf body;    /* at most PAGE_BYTES; failed: the client gets a fault instead */
    void *state;
};

struct page_maker {
    void *arg;
    bool (*has)(void *arg, struct str path);
    /* For a GET, or a HEAD, whose body is dropped; query stands behind the "?", raw; both are
     * borrowed for the call. True: the page is whole now. False: on_done runs later. */
    bool (*start)(void *arg, struct page *p, struct str path, struct str query);
    /* Between a start that said false and on_done. */
    void (*cancel)(void *arg, struct page *p);
};
