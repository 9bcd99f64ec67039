#pragma once
/*
 * Memory that dies at once: what a transaction keeps. Blocks of 4 KiB, larger ones for larger
 * requests. Nothing is freed singly. NULL when memory is out or the ceiling is reached.
 */
#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *last;
    size_t total_bytes;
    size_t max_bytes;
};

void arena_init(struct arena *a, size_t max_bytes);
void arena_done(struct arena *a);

/* Zeroed, aligned for any type. */
void *arena_alloc(struct arena *a, size_t n);

/* A NUL-terminated copy; {NULL, 0} when there is no memory. */
struct str arena_copy(struct arena *a, struct str s);
