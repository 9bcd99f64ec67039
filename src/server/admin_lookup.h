#pragma once
/*
 * /dns/lookup?name=NAME[&type=TYPE][&no-cache=1]: one name, explained by the running process with
 * its own cache and what it knows of the servers. Without a type: A and AAAA. 400 with {"error"}
 * for what cannot be asked.
 */
#include "dns/engine.h"
#include "proxy/page.h"

/* See page_maker. */
bool admin_lookup_start(struct io_loop *loop, struct dns_engine *e, struct page *p,
                        struct str query);
void admin_lookup_cancel(struct page *p);
