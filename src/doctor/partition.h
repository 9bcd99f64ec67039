#pragma once
/*
 * The partitions of AWS: which one a region belongs to, and the DNS zones that its services live
 * in. Everything here is static.
 */
#include "base/str.h"

enum { PARTITION_MAX_ZONES = 4 };

struct partition_zone {
    const char *name;
    const char *what; /* what lives there, for people */
};

struct partition {
    const char *name; /* "aws-cn" */
    unsigned n_zones;
    struct partition_zone zones[PARTITION_MAX_ZONES];
};

/* The commercial one, where no region is known. */
const struct partition *partition_default(void);
/*
 * By the region's name alone, so that regions that do not exist yet are known too. NULL when text
 * is no region's name: letter groups with hyphens, lower case, and a number ("us-gov-west-1").
 */
const struct partition *partition_of_region(struct str text);
