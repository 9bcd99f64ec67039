#include "codec/zip.h"

#include <time.h>

enum {
    LOCAL_BYTES = 30,
    CENTRAL_BYTES = 46,
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    DESCRIPTOR_BYTES = 16,
    DESCRIPTOR64_BYTES = 24,
    EXTRA_HEAD_BYTES = 4,
    EXTRA_LOCAL_BYTES = EXTRA_HEAD_BYTES + 2 * 8,
    EXTRA_ZIP64 = 1,
    FLAG_DESCRIPTOR = 1 << 3,
    FLAG_UTF8 = 1 << 11,
    VERSION_FILE = 10,
    VERSION_DIRECTORY = 20, /* and a descriptor: PKZIP 2.0 brought both */
    VERSION_ZIP64 = 45,
    MADE_BY_UNIX = 3 << 8,
    DOS_DIRECTORY = 0x10,
};

#define SIGNATURE_LOCAL 0x04034b50U
#define SIGNATURE_DESCRIPTOR 0x08074b50U
#define SIGNATURE_CENTRAL 0x02014b50U
#define SIGNATURE_END 0x06054b50U
#define SIGNATURE_END64 0x06064b50U
#define SIGNATURE_LOCATOR 0x07064b50U

#define MODE_FILE (0100644U << 16)
#define MODE_DIRECTORY (040755U << 16 | DOS_DIRECTORY)

static char *put16(char *p, uint32_t v)
{
    *p++ = (char)(v & 0xff);
    *p++ = (char)(v >> 8 & 0xff);
    return p;
}

static char *put32(char *p, uint32_t v)
{
    return put16(put16(p, v & 0xffff), v >> 16);
}

static char *put64(char *p, uint64_t v)
{
    return put32(put32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

/* A value with all bits set means: look into the ZIP64 field. So that value itself goes there. */
static bool is_large(uint64_t v)
{
    return v >= UINT32_MAX;
}

static uint32_t saturated(uint64_t v)
{
    return is_large(v) ? UINT32_MAX : (uint32_t)v;
}

uint32_t zip_time(int64_t unix_s)
{
    static const int64_t first_s = 315532800, last_s = 4354819199; /* 1980-01-01, 2107-12-31 */
    if (unix_s < first_s)
        unix_s = first_s;
    if (unix_s > last_s)
        unix_s = last_s;
    time_t at = (time_t)unix_s;
    struct tm t;
    gmtime_r(&at, &t);
    uint32_t date =
        (uint32_t)(t.tm_year - 80) << 9 | (uint32_t)(t.tm_mon + 1) << 5 | (uint32_t)t.tm_mday;
    return date << 16 | (uint32_t)t.tm_hour << 11 | (uint32_t)t.tm_min << 5 |
           (uint32_t)t.tm_sec / 2;
}

static uint32_t name_bytes(const struct zip_member *m)
{
    return (uint32_t)m->name.n + m->adds_slash;
}

static uint32_t central_extra_bytes(const struct zip_member *m)
{
    uint32_t n = (is_large(m->size) ? 2 * 8 : 0) + (is_large(m->offset) ? 8 : 0);
    return n > 0 ? EXTRA_HEAD_BYTES + n : 0;
}

static uint32_t local_extra_bytes(const struct zip_member *m)
{
    return is_large(m->size) ? EXTRA_LOCAL_BYTES : 0;
}

static bool end_is_zip64(uint64_t n_entries, uint64_t central_offset, uint64_t central_bytes)
{
    return n_entries >= UINT16_MAX || is_large(central_offset) || is_large(central_bytes);
}

uint32_t zip_local_bytes(const struct zip_member *m)
{
    return LOCAL_BYTES + name_bytes(m) + local_extra_bytes(m);
}

uint32_t zip_descriptor_bytes(const struct zip_member *m)
{
    if (m->has_crc)
        return 0;
    return is_large(m->size) ? DESCRIPTOR64_BYTES : DESCRIPTOR_BYTES;
}

uint32_t zip_central_bytes(const struct zip_member *m)
{
    return CENTRAL_BYTES + name_bytes(m) + central_extra_bytes(m);
}

uint32_t zip_end_bytes(uint64_t n_entries, uint64_t central_offset, uint64_t central_bytes)
{
    return end_is_zip64(n_entries, central_offset, central_bytes)
               ? END64_BYTES + LOCATOR_BYTES + END_BYTES
               : END_BYTES;
}

/* What stands alike in both headers: from the version to the length of the name. */
static char *put_common(char *p, const struct zip_member *m, uint32_t time, uint32_t crc)
{
    uint32_t version = VERSION_FILE;
    if (is_large(m->size) || is_large(m->offset))
        version = VERSION_ZIP64;
    else if (m->is_directory || !m->has_crc)
        version = VERSION_DIRECTORY;
    p = put16(p, version);
    p = put16(p, FLAG_UTF8 | (m->has_crc ? 0 : FLAG_DESCRIPTOR));
    p = put16(p, 0); /* stored */
    p = put32(p, time);
    p = put32(p, crc);
    p = put32(p, saturated(m->size));
    p = put32(p, saturated(m->size));
    return put16(p, name_bytes(m));
}

static char *put_name(char *p, const struct zip_member *m)
{
    if (m->name.n > 0)
        memcpy(p, m->name.p, m->name.n);
    p += m->name.n;
    if (m->adds_slash)
        *p++ = '/';
    return p;
}

void zip_write_local(struct buf *out, const struct zip_member *m, uint32_t time)
{
    uint32_t n = zip_local_bytes(m), extra = local_extra_bytes(m);
    char *p = buf_reserve(out, n);
    if (p == NULL)
        return;
    p = put32(p, SIGNATURE_LOCAL);
    p = put_common(p, m, time, m->has_crc ? m->crc : 0);
    p = put16(p, extra);
    p = put_name(p, m);
    if (extra > 0) {
        p = put16(p, EXTRA_ZIP64);
        p = put16(p, extra - EXTRA_HEAD_BYTES);
        p = put64(p, m->size);
        put64(p, m->size);
    }
    out->n += n;
}

void zip_write_descriptor(struct buf *out, const struct zip_member *m)
{
    uint32_t n = zip_descriptor_bytes(m);
    char *p = n > 0 ? buf_reserve(out, n) : NULL;
    if (p == NULL)
        return;
    p = put32(p, SIGNATURE_DESCRIPTOR);
    p = put32(p, m->crc);
    if (n == DESCRIPTOR64_BYTES) {
        p = put64(p, m->size);
        put64(p, m->size);
    } else {
        p = put32(p, (uint32_t)m->size);
        put32(p, (uint32_t)m->size);
    }
    out->n += n;
}

void zip_write_central(struct buf *out, const struct zip_member *m, uint32_t time)
{
    uint32_t n = zip_central_bytes(m), extra = central_extra_bytes(m);
    char *p = buf_reserve(out, n);
    if (p == NULL)
        return;
    p = put32(p, SIGNATURE_CENTRAL);
    p = put16(p, MADE_BY_UNIX | VERSION_ZIP64);
    p = put_common(p, m, time, m->crc);
    p = put16(p, extra);
    p = put16(p, 0); /* of the comment */
    p = put16(p, 0); /* disk */
    p = put16(p, 0); /* internal attributes: not known to be text */
    p = put32(p, m->is_directory ? MODE_DIRECTORY : MODE_FILE);
    p = put32(p, saturated(m->offset));
    p = put_name(p, m);
    if (extra > 0) {
        p = put16(p, EXTRA_ZIP64);
        p = put16(p, extra - EXTRA_HEAD_BYTES);
        if (is_large(m->size))
            p = put64(put64(p, m->size), m->size);
        if (is_large(m->offset))
            put64(p, m->offset);
    }
    out->n += n;
}

static char *put_end64(char *p, uint64_t n_entries, uint64_t central_offset, uint64_t central_bytes)
{
    p = put32(p, SIGNATURE_END64);
    p = put64(p, END64_BYTES - 12); /* without the signature and this field */
    p = put16(p, MADE_BY_UNIX | VERSION_ZIP64);
    p = put16(p, VERSION_ZIP64);
    p = put32(p, 0);
    p = put32(p, 0);
    p = put64(p, n_entries);
    p = put64(p, n_entries);
    p = put64(p, central_bytes);
    p = put64(p, central_offset);
    p = put32(p, SIGNATURE_LOCATOR);
    p = put32(p, 0);
    p = put64(p, central_offset + central_bytes);
    return put32(p, 1); /* disks in all */
}

void zip_write_end(struct buf *out, uint64_t n_entries, uint64_t central_offset,
                   uint64_t central_bytes)
{
    uint32_t n = zip_end_bytes(n_entries, central_offset, central_bytes);
    uint32_t few = n_entries >= UINT16_MAX ? UINT16_MAX : (uint32_t)n_entries;
    char *p = buf_reserve(out, n);
    if (p == NULL)
        return;
    if (n > END_BYTES)
        p = put_end64(p, n_entries, central_offset, central_bytes);
    p = put32(p, SIGNATURE_END);
    p = put16(p, 0);
    p = put16(p, 0);
    p = put16(p, few);
    p = put16(p, few);
    p = put32(p, saturated(central_bytes));
    p = put32(p, saturated(central_offset));
    put16(p, 0); /* of the comment */
    out->n += n;
}
