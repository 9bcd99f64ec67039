#pragma once
/*
 * A growing byte buffer with a ceiling. Appending past the ceiling (or without memory) appends
 * nothing and sets `failed`, so a caller may append many times and look once.
 */
#include "base/str.h"

struct buf {
    char *p;
    size_t n;
    size_t cap;
    size_t max_bytes;
    bool failed;
};

/* Holds nothing yet; grows to at most max_bytes. */
void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);

static inline void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

static inline struct str buf_str(const struct buf *b)
{
    return (struct str){ b->p, b->n };
}

/* Room for n more bytes, or NULL (and failed). The caller fills some of it and adds to b->n. */
char *buf_reserve(struct buf *b, size_t n);

static inline void buf_append(struct buf *b, struct str s)
{
    if (s.n == 0)
        return;
    char *to = s.n <= b->cap - b->n && !b->failed ? b->p + b->n : buf_reserve(b, s.n);
    if (to == NULL)
        return;
    memcpy(to, s.p, s.n);
    b->n += s.n;
}

static inline void buf_byte(struct buf *b, char c)
{
    buf_append(b, str_of(&c, 1));
}

void buf_u64(struct buf *b, uint64_t v);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Drops the first n bytes. */
void buf_drop(struct buf *b, size_t n);
