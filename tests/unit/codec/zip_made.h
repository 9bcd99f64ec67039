#pragma once
/* Archives as tests make them: the data of a file follows from its location. */
#include <libdeflate.h>
#include <stdlib.h>

#include "base/buf.h"
#include "codec/zip_layout.h"

static inline uint32_t zip_made_seed(struct str location)
{
    uint32_t seed = 2166136261U;
    for (size_t i = 0; i < location.n; i++)
        seed = (seed ^ (uint8_t)location.p[i]) * 16777619U;
    return seed;
}

static inline void zip_made_data(struct str location, uint64_t first, char *to, size_t n)
{
    uint32_t seed = zip_made_seed(location);
    for (size_t i = 0; i < n; i++)
        to[i] = (char)(seed >> ((first + i) % 24) ^ (first + i) * 31);
}

static inline uint32_t zip_made_crc(struct str location, size_t n)
{
    char *data = malloc(n + 1);
    zip_made_data(location, 0, data, n);
    uint32_t crc = libdeflate_crc32(0, data, n);
    free(data);
    return crc;
}

/* The whole text, or false when it or the layout is refused. */
static inline bool zip_made_layout(struct zip_layout *l, struct str text)
{
    struct zip_entry e;
    const char *why;
    size_t at = 0;
    enum zip_manifest_step step;
    zip_layout_init(l);
    while ((step = zip_manifest_next(text, &at, &e, &why)) == ZIP_MANIFEST_ENTRY)
        if (!zip_layout_add(l, &e, at))
            return false;
    if (step != ZIP_MANIFEST_MORE || at != text.n || !zip_layout_end(l))
        return false;
    l->text = text;
    return true;
}

/* Bytes [first, end) of the archive, or what is wrong with the walk. */
static inline const char *zip_made_walk(struct zip_layout *l, uint64_t first, uint64_t end,
                                        struct buf *out)
{
    struct zip_cursor c;
    struct zip_piece p;
    size_t start = out->n;
    zip_cursor_init(&c, l, first, end);
    for (;;) {
        size_t before = out->n;
        zip_cursor_next(&c, l, out, &p);
        if (p.kind == ZIP_PIECE_END)
            break;
        if (p.kind == ZIP_PIECE_DATA) {
            if (out->n != before || p.n > p.entry.size || p.first > p.entry.size - p.n)
                return "data outside its file";
            char *to = buf_reserve(out, p.n);
            if (to == NULL)
                return "no memory";
            zip_made_data(p.entry.location, p.first, to, p.n);
            out->n += p.n;
            if ((p.number == ZIP_NO_CRC) != p.entry.has_crc)
                return "a number for a known CRC, or none for another";
            if (p.number != ZIP_NO_CRC && p.first + p.n == p.entry.size)
                zip_layout_set_crc(l, p.number, zip_made_crc(p.entry.location, p.entry.size));
        }
        if (p.n == 0 || out->n - before != p.n)
            return "a piece of another length";
        if (c.position != first + (out->n - start))
            return "the position is elsewhere";
    }
    if (p.n != 0 || out->n - start != end - first)
        return "the walk is shorter than its window";
    return NULL;
}

/* For struct zip_reader: a window of records in an archive whose data nobody has. */
static inline void zip_made_fetch(void *arg, uint64_t at, uint8_t *to, size_t n)
{
    struct zip_cursor c;
    struct zip_piece p;
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    zip_cursor_init(&c, arg, at, at + n);
    do {
        zip_cursor_next(&c, arg, &out, &p);
        if (p.kind == ZIP_PIECE_DATA)
            abort();
    } while (p.kind != ZIP_PIECE_END);
    if (out.n != n)
        abort();
    if (n > 0)
        memcpy(to, out.p, n);
    buf_done(&out);
}
