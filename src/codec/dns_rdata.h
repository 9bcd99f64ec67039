#pragma once
/*
 * RDATA whose layout we know, because names in it may be compressed (RFC 3597 section 4) or because
 * its length is fixed. Everything else is opaque. Nothing is owned.
 */
#include "codec/dns_name.h"

enum { DNS_RDATA_BYTES = 1200 }; /* the longest known layout, expanded: NAPTR */

/* type has a row in this class. */
bool dns_rdata_is_known(uint16_t type, uint16_t class);

/*
 * Reads message[at, at + n), which lies within message, as RDATA of a known type. False unless its
 * parts fill it exactly. With out (DNS_RDATA_BYTES) it is written there with names uncompressed,
 * and *out_n is its length.
 */
bool dns_rdata_expand(struct str message, size_t at, size_t n, uint16_t type, uint8_t *out,
                      size_t *out_n);
