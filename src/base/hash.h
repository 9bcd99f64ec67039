#pragma once
/* SipHash-1-3 (Aumasson and Bernstein), for tables whose keys a peer may choose. */
#include "base/str.h"

struct hash_key {
    uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_key *key, struct str s);
