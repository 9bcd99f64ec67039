#pragma once
/* RDATA as people write it (RFC 1035 section 5.1); what has no such form as RFC 3597's "\# n hex".
 */
#include "codec/dns_msg.h"

/* rr is of m. Printable ASCII whatever the record holds. */
void dns_show_rdata(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out);
