#include "base/arena.h"

#include <stdalign.h>
#include <stdlib.h>

struct arena_block {
    struct arena_block *before;
    size_t used;
    size_t cap;
    alignas(max_align_t) char data[];
};

enum { ARENA_BLOCK_BYTES = 4096 - (int)sizeof(struct arena_block) };

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){ .max_bytes = max_bytes };
}

void arena_done(struct arena *a)
{
    for (struct arena_block *b = a->last, *before; b != NULL; b = before) {
        before = b->before;
        free(b);
    }
    *a = (struct arena){ .max_bytes = a->max_bytes };
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    if (n > a->max_bytes)
        return NULL;
    n = (n + align - 1) / align * align;
    struct arena_block *b = a->last;
    if (b == NULL || b->cap - b->used < n) {
        size_t cap = n > ARENA_BLOCK_BYTES ? n : (size_t)ARENA_BLOCK_BYTES;
        if (cap > a->max_bytes - a->total_bytes || (b = malloc(sizeof *b + cap)) == NULL)
            return NULL;
        *b = (struct arena_block){ .before = a->last, .cap = cap };
        a->last = b;
        a->total_bytes += cap;
    }
    void *p = b->data + b->used;
    b->used += n;
    return memset(p, 0, n);
}

struct str arena_copy(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (p == NULL)
        return (struct str){ NULL, 0 };
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct str){ p, s.n };
}
