#include "base/region.h"

#include <sys/mman.h>

enum { REGION_FIRST_BYTES = 64 * 1024 };

static bool grow(struct region *r, size_t least)
{
    size_t cap = r->cap == 0 ? REGION_FIRST_BYTES : r->cap;
    while (cap < least) {
        if (cap > SIZE_MAX / 2)
            return false;
        cap *= 2;
    }
    void *p = r->p == NULL ? mmap(NULL, cap, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
                           : mremap(r->p, r->cap, cap, MREMAP_MAYMOVE);
    if (p == MAP_FAILED)
        return false;
    r->p = p;
    r->cap = cap;
    return true;
}

bool region_append(struct region *r, struct str s)
{
    if (s.n > r->cap - r->n && (s.n > SIZE_MAX - r->n || !grow(r, r->n + s.n)))
        return false;
    if (s.n > 0)
        memcpy(r->p + r->n, s.p, s.n);
    r->n += s.n;
    return true;
}

void region_done(struct region *r)
{
    if (r->p != NULL)
        munmap(r->p, r->cap);
    *r = (struct region){ 0 };
}
