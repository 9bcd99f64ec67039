#pragma once
/*
 * Forwarders that ask each other in a circle: a corporate server that sends a zone's questions to
 * us, whom we ask first for the same zone. Where its questions come from the address that it
 * answers at, its group is passed over for them (forward.h). Where they come from elsewhere, the
 * circle shows as silence: everybody waits for everybody. So a server that stayed silent to a
 * client's question is asked for a name that only we know of, right below the route's zone; when
 * that question comes in at our own door, the circle is proven, and the server is left out for the
 * zone for a while. Whoever owns that name or serves it could bring it here as well, so it is below
 * no name of a client's choice.
 */
#include "dns/shared.h"

enum { DNS_LOOP_ASK_MS = 30 * 1000 }; /* not more often of one server */

/* A client's question was not answered by everybody in time: asks those, where it is time. */
void dns_loop_suspect(struct dns_engine *e, const struct dns_route *route,
                      const struct dns_explain *x);

/* Does the name look like one of ours? Quickly, for every question that comes in. */
bool dns_loop_is_mark(const struct dns_name *qname);
/* It came in: true when it is ours, and the server that it was sent to is left out from now on.
 * Others' are questions like any other. */
bool dns_loop_seen(struct dns_engine *e, const struct dns_name *qname);

/* For the engine's end. */
void dns_loop_done(struct dns_engine *e);
