#pragma once
/*
 * An archive read back by somebody who knows the format alone: from its end to the central
 * directory, and from there to each file's header and descriptor. What two places say must agree,
 * nothing lies between the parts, and a ZIP64 field stands only where it is needed. Owns nothing.
 */
#include "base/str.h"

struct zip_reader {
    /* n bytes of the archive from at on; at + n is at most total_bytes. */
    void (*fetch)(void *arg, uint64_t at, uint8_t *to, size_t n);
    void *arg;
    uint64_t total_bytes;
    /* What the end says. */
    uint64_t n_entries, central_offset, central_bytes;
    bool is_zip64;
    /* private */
    uint64_t at;      /* of the next central record */
    uint64_t file_at; /* of the next file */
    uint64_t n_read;
};

struct zip_seen {
    char name[65536];
    size_t name_n;
    uint64_t size, offset;
    uint64_t data; /* where it begins */
    uint32_t crc, local_crc, time, attributes;
    unsigned version, flags;
    bool has_descriptor;
    size_t local_extra_n, central_extra_n, descriptor_n;
};

static inline uint64_t zip_reader_number(const uint8_t *p, unsigned n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* NULL, or what is wrong. */
static inline const char *zip_reader_end(struct zip_reader *r)
{
    uint8_t end[22], locator[20], end64[56];
    if (r->total_bytes < sizeof end)
        return "too short";
    uint64_t at = r->total_bytes - sizeof end;
    r->fetch(r->arg, at, end, sizeof end);
    if (memcmp(end, "PK\5\6\0\0\0\0", 8) != 0 || end[20] != 0 || end[21] != 0)
        return "no end record";
    uint64_t n = zip_reader_number(end + 8, 2), bytes = zip_reader_number(end + 12, 4),
             offset = zip_reader_number(end + 16, 4);
    if (n != zip_reader_number(end + 10, 2))
        return "the two counts differ";
    r->is_zip64 = n == 0xffff || bytes == 0xffffffff || offset == 0xffffffff;
    if (r->is_zip64) {
        if (at < sizeof locator + sizeof end64)
            return "no room for the ZIP64 end";
        r->fetch(r->arg, at - sizeof locator, locator, sizeof locator);
        at -= sizeof locator + sizeof end64;
        r->fetch(r->arg, at, end64, sizeof end64);
        if (memcmp(locator, "PK\6\7\0\0\0\0", 8) != 0 || zip_reader_number(locator + 16, 4) != 1 ||
            zip_reader_number(locator + 8, 8) != at)
            return "the locator is wrong";
        if (memcmp(end64, "PK\6\6\54\0\0\0\0\0\0\0\55\3\55\0\0\0\0\0\0\0\0\0", 24) != 0 ||
            memcmp(end64 + 24, end64 + 32, 8) != 0)
            return "the ZIP64 end is wrong";
        r->n_entries = zip_reader_number(end64 + 32, 8);
        r->central_bytes = zip_reader_number(end64 + 40, 8);
        r->central_offset = zip_reader_number(end64 + 48, 8);
        if (n != (r->n_entries < 0xffff ? r->n_entries : 0xffff) ||
            bytes != (r->central_bytes < 0xffffffff ? r->central_bytes : 0xffffffff) ||
            offset != (r->central_offset < 0xffffffff ? r->central_offset : 0xffffffff))
            return "the two ends differ";
    } else {
        r->n_entries = n;
        r->central_bytes = bytes;
        r->central_offset = offset;
    }
    if (r->central_offset > at || r->central_bytes != at - r->central_offset)
        return "the central directory does not reach the end";
    r->at = r->central_offset;
    r->file_at = r->n_read = 0;
    return NULL;
}

/* The ZIP64 field, if there must be one, gives the saturated values in their order. */
static inline const char *zip_reader_extra(const uint8_t *p, size_t n, uint64_t **values,
                                           size_t n_values)
{
    size_t n_large = 0;
    for (size_t i = 0; i < n_values; i++)
        n_large += *values[i] == 0xffffffff;
    if (n != (n_large > 0 ? 4 + 8 * n_large : 0))
        return "an extra field of another length";
    if (n_large == 0)
        return NULL;
    if (zip_reader_number(p, 2) != 1 || zip_reader_number(p + 2, 2) != 8 * n_large)
        return "not a ZIP64 field";
    p += 4;
    for (size_t i = 0; i < n_values; i++) {
        if (*values[i] != 0xffffffff)
            continue;
        *values[i] = zip_reader_number(p, 8);
        if (*values[i] < 0xffffffff)
            return "a ZIP64 field that was not needed";
        p += 8;
    }
    return NULL;
}

/* c: its central record's fixed part. */
static inline const char *zip_reader_file(struct zip_reader *r, const uint8_t *c,
                                          struct zip_seen *seen)
{
    uint8_t local[30], extra[64], descriptor[24];
    static char name[65536];
    if (seen->offset != r->file_at || r->central_offset - r->file_at < sizeof local)
        return "a file does not begin where the last ended";
    r->fetch(r->arg, seen->offset, local, sizeof local);
    if (memcmp(local, "PK\3\4", 4) != 0)
        return "no local header";
    /* Version, flags, method, time; the lengths of the name. */
    if (memcmp(local + 4, c + 6, 10) != 0 || memcmp(local + 26, c + 28, 2) != 0)
        return "local header and central record differ";
    uint64_t packed = zip_reader_number(local + 18, 4), size = zip_reader_number(local + 22, 4);
    seen->local_extra_n = zip_reader_number(local + 28, 2);
    seen->local_crc = (uint32_t)zip_reader_number(local + 14, 4);
    seen->data = seen->offset + sizeof local + seen->name_n + seen->local_extra_n;
    if (seen->local_extra_n > sizeof extra || seen->data > r->central_offset)
        return "the local header is too long";
    r->fetch(r->arg, seen->offset + sizeof local, (uint8_t *)name, seen->name_n);
    r->fetch(r->arg, seen->data - seen->local_extra_n, extra, seen->local_extra_n);
    if (memcmp(name, seen->name, seen->name_n) != 0)
        return "the names differ";
    const char *why =
        zip_reader_extra(extra, seen->local_extra_n, (uint64_t *[]){ &size, &packed }, 2);
    if (why != NULL)
        return why;
    if (size != seen->size || packed != seen->size)
        return "the sizes differ";
    seen->has_descriptor = seen->flags & 8;
    seen->descriptor_n = !seen->has_descriptor ? 0 : seen->local_extra_n > 0 ? 24 : 16;
    if (seen->size > r->central_offset - seen->data ||
        seen->descriptor_n > r->central_offset - seen->data - seen->size)
        return "the data is too long";
    r->file_at = seen->data + seen->size + seen->descriptor_n;
    if (!seen->has_descriptor)
        return seen->local_crc == seen->crc ? NULL : "the CRCs differ";
    unsigned width = seen->descriptor_n == 24 ? 8 : 4;
    r->fetch(r->arg, seen->data + seen->size, descriptor, seen->descriptor_n);
    if (memcmp(descriptor, "PK\7\10", 4) != 0 || seen->local_crc != 0 ||
        zip_reader_number(descriptor + 4, 4) != seen->crc ||
        zip_reader_number(descriptor + 8, width) != seen->size ||
        zip_reader_number(descriptor + 8 + width, width) != seen->size)
        return "the descriptor differs";
    return NULL;
}

/* The next entry; n_entries of them. */
static inline const char *zip_reader_next(struct zip_reader *r, struct zip_seen *seen)
{
    uint8_t c[46], extra[64];
    uint64_t left = r->central_offset + r->central_bytes - r->at;
    if (left < sizeof c)
        return "the central directory is too short";
    r->fetch(r->arg, r->at, c, sizeof c);
    if (memcmp(c, "PK\1\2\55\3", 6) != 0)
        return "no central record";
    seen->version = (unsigned)zip_reader_number(c + 6, 2);
    seen->flags = (unsigned)zip_reader_number(c + 8, 2);
    seen->time = (uint32_t)zip_reader_number(c + 12, 4);
    seen->crc = (uint32_t)zip_reader_number(c + 16, 4);
    uint64_t packed = zip_reader_number(c + 20, 4);
    seen->size = zip_reader_number(c + 24, 4);
    seen->name_n = zip_reader_number(c + 28, 2);
    seen->central_extra_n = zip_reader_number(c + 30, 2);
    seen->attributes = (uint32_t)zip_reader_number(c + 38, 4);
    seen->offset = zip_reader_number(c + 42, 4);
    /* Method; comment, disk, internal attributes. */
    if (memcmp(c + 10, "\0\0", 2) != 0 || memcmp(c + 32, "\0\0\0\0\0\0", 6) != 0)
        return "what must be 0 is not";
    if (seen->central_extra_n > sizeof extra ||
        left < sizeof c + seen->name_n + seen->central_extra_n)
        return "the central record is too long";
    r->at += sizeof c;
    r->fetch(r->arg, r->at, (uint8_t *)seen->name, seen->name_n);
    r->at += seen->name_n;
    r->fetch(r->arg, r->at, extra, seen->central_extra_n);
    r->at += seen->central_extra_n;
    const char *why = zip_reader_extra(extra, seen->central_extra_n,
                                       (uint64_t *[]){ &seen->size, &packed, &seen->offset }, 3);
    if (why == NULL && packed != seen->size)
        why = "the sizes differ";
    if (why == NULL)
        why = zip_reader_file(r, c, seen);
    if (why == NULL && ++r->n_read == r->n_entries &&
        (r->file_at != r->central_offset || r->at != r->central_offset + r->central_bytes))
        why = "something lies behind the last";
    return why;
}
