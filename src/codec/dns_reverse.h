#pragma once
/* The names under which addresses have PTR records: in-addr.arpa (RFC 1035 section 3.5) and
 * ip6.arpa (RFC 3596 section 2.5). */
#include "codec/addr.h"
#include "codec/dns_name.h"

void dns_reverse_name(const struct addr *a, struct dns_name *out);
/* False when name is no whole address. The port is 0. */
bool dns_reverse_addr(const struct dns_name *name, struct addr *out);
