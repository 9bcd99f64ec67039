#pragma once
/*
 * Background questions that follow repair: suspect servers get a copy of a real query, and the
 * groups before the one that is used now, or all of them after a failure, are asked for the
 * endpoint's last name again and their address is connected to (and closed at once): an answer that
 * cannot be connected to is not an answer. Whichever engine finds a probe due claims it.
 *
 * While a person looks at the servers' health (dns_engine_look), every server of the routing table
 * is asked twice a second, the well ones too.
 */
#include "dns/shared.h"

void dns_probe_init(struct dns_engine *e);
void dns_probe_done(struct dns_engine *e);
/* There may be something to probe from now on. */
void dns_probe_wake(struct dns_engine *e);
