#include "io/block.h"

#include <stdlib.h>
#include <string.h>

/* A block that was given back and is touched all the same is a fault that AddressSanitizer shall
 * see. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(HAS_ASAN)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

static const struct {
    uint32_t n_bytes;
    unsigned max_free; /* more than these go back to the allocator, so that a burst does not stay
                          for ever */
} sizes[N_IO_BLOCK_SIZES] = {
    [IO_BLOCK_4K] = { 4096, 512 },
    [IO_BLOCK_16K] = { IO_BLOCK_16K_BYTES, 256 },
    [IO_BLOCK_64K] = { 65536 + IO_BLOCK_HEAD_BYTES, 64 },
    [IO_BLOCK_128K] = { 131072 + IO_BLOCK_HEAD_BYTES, 32 },
};

struct free_block {
    struct free_block *next;
};

struct io_block_pool {
    struct {
        struct free_block *first;
        unsigned n;
    } of[N_IO_BLOCK_SIZES];
};

bool io_block_take(struct io_loop *l, struct io_block *b, enum io_block_size size)
{
    if (b->p != NULL)
        return true;
    struct io_block_pool *pool = l->blocks;
    if (pool == NULL)
        pool = l->blocks = calloc(1, sizeof *pool);
    struct free_block *p = pool != NULL ? pool->of[size].first : NULL;
    if (p != NULL) {
        UNPOISON(p, sizes[size].n_bytes);
        pool->of[size].first = p->next;
        pool->of[size].n--;
    } else {
        p = malloc(sizes[size].n_bytes);
        if (p == NULL)
            return false;
    }
    *b = (struct io_block){ .p = (char *)p, .cap = sizes[size].n_bytes };
    return true;
}

static enum io_block_size size_of(const struct io_block *b)
{
    enum io_block_size size = IO_BLOCK_4K;
    while (size + 1 < N_IO_BLOCK_SIZES && sizes[size].n_bytes < b->cap)
        size++;
    return size;
}

void io_block_give(struct io_loop *l, struct io_block *b)
{
    if (b->p == NULL)
        return;
    enum io_block_size size = size_of(b);
    struct io_block_pool *pool = l->blocks;
    if (pool != NULL && pool->of[size].n < sizes[size].max_free) {
        struct free_block *p = (struct free_block *)(void *)b->p;
        p->next = pool->of[size].first;
        pool->of[size].first = p;
        pool->of[size].n++;
        /* But for the link: the leak sanitizer does not follow what is poisoned. */
        POISON(p + 1, sizes[size].n_bytes - sizeof *p);
    } else {
        free(b->p);
    }
    *b = (struct io_block){ 0 };
}

void io_block_compact(struct io_block *b)
{
    if (b->start == 0)
        return;
    size_t n = io_block_n(b);
    if (n > 0)
        memmove(b->p, b->p + b->start, n);
    b->start = 0;
    b->end = (uint32_t)n;
}

void io_blocks_done(struct io_loop *l)
{
    struct io_block_pool *pool = l->blocks;
    if (pool == NULL)
        return;
    for (unsigned i = 0; i < N_IO_BLOCK_SIZES; i++) {
        for (struct free_block *p = pool->of[i].first, *next; p != NULL; p = next) {
            UNPOISON(p, sizes[i].n_bytes);
            next = p->next;
            free(p);
        }
    }
    free(pool);
    l->blocks = NULL;
}
