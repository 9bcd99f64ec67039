#pragma once
/*
 * Fixed blocks for bytes in transit, kept in free lists of one loop: a connection that waits holds
 * none. Sizes are few, so that blocks are used again at once and memory stays flat.
 */
#include "base/str.h"
#include "io/loop.h"

/* The two large ones hold so many bytes of body and, beside them, a head of up to
 * IO_BLOCK_HEAD_BYTES. */
enum { IO_BLOCK_HEAD_BYTES = 4096, IO_BLOCK_16K_BYTES = 16 * 1024 };
enum io_block_size { IO_BLOCK_4K, IO_BLOCK_16K, IO_BLOCK_64K, IO_BLOCK_128K, N_IO_BLOCK_SIZES };

/* A window of bytes in a block: [start, end) is filled; p is NULL while no block is held. */
struct io_block {
    char *p;
    uint32_t start, end, cap;
};

/* False when memory is out. A block that is held already is kept. */
bool io_block_take(struct io_loop *l, struct io_block *b, enum io_block_size size);
/* Back to the free list; harmless when none is held. */
void io_block_give(struct io_loop *l, struct io_block *b);
/* Moves the filled bytes to the front of the block. */
void io_block_compact(struct io_block *b);

static inline size_t io_block_n(const struct io_block *b)
{
    return b->end - b->start;
}
static inline size_t io_block_room(const struct io_block *b)
{
    return b->cap - b->end;
}
/* The filled bytes; borrowed. Without a block, nothing: to NULL C lets nobody add even 0. */
static inline struct str io_block_str(const struct io_block *b)
{
    return b->p == NULL ? (struct str){ 0 } : str_of(b->p + b->start, io_block_n(b));
}
void io_blocks_done(struct io_loop *l);
