#pragma once
/* The CRC-32 of ZIP and gzip (RFC 1952 section 8). Pure. */
#include "base/str.h"

/* crc: of the bytes before these, 0 when there were none. */
uint32_t crc32_update(uint32_t crc, struct str data);
