#pragma once
/*
 * /dns/lookup?name=NAME[&type=TYPE][&no-cache=1]: one name, explained by the running process with
 * its own cache and what it knows of the servers. Without a type: A and AAAA. 400 with {"error"}
 * for what cannot be asked, 429 for more than ADMIN_LOOKUP_BURST and one each
 * ADMIN_LOOKUP_EVERY_MS.
 */
#include "dns/engine.h"
#include "proxy/page.h"

enum { ADMIN_LOOKUP_BURST = 100, ADMIN_LOOKUP_EVERY_MS = 50 };

struct admin_lookup_pace {
    uint64_t paid_until_ms; /* each lookup is worth ADMIN_LOOKUP_EVERY_MS */
};

/* See page_maker. */
bool admin_lookup_start(struct io_loop *loop, struct dns_engine *e, struct admin_lookup_pace *pace,
                        struct page *p, struct str query);
void admin_lookup_cancel(struct page *p);
