#pragma once
/*
 * Text of up to many megabytes that grows at its end: pages of its own, which are not copied when
 * it grows and go back to the system when it is done, whatever the allocator keeps. Only what was
 * written takes memory. The text moves when it grows.
 */
#include "base/str.h"

struct region {
    char *p;
    size_t n;
    /* private */
    size_t cap;
};

/* A zeroed struct is empty. False, and nothing was appended, without memory. */
bool region_append(struct region *r, struct str s);
void region_done(struct region *r);

static inline struct str region_str(const struct region *r)
{
    return (struct str){ r->p, r->n };
}
