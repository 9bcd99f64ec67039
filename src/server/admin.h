#pragma once
/*
 * The pages of the admin port that show what this process knows: /metrics (Prometheus' text
 * format), /readyz and /status.json (docs/STATUS.md), /dns/routes (the routing table and each
 * server's health, as JSON) and /dns/lookup (one name looked up and explained, as JSON). The proxy
 * has the connections (proxy/page.h); here is what stands on the pages. One struct a worker with an
 * admin listener; nothing in it is shared.
 */
#include "dns/engine.h"
#include "proxy/page.h"
#include "server/admin_lookup.h"
#include "server/status.h"

struct admin {
    struct page_maker pages; /* for struct proxy */
    /* private */
    struct io_loop *loop;
    struct dns_shared *shared;
    struct dns_engine *engine;
    struct status *status;
    struct admin_lookup_pace pace;
};

/* Everything given is borrowed. Pages are cancelled by the proxy, before the engine goes. */
void admin_init(struct admin *a, struct io_loop *loop, struct dns_shared *shared,
                struct dns_engine *engine, struct status *status);
