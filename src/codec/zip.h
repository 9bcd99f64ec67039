#pragma once
/*
 * The records of a ZIP archive (PKWARE APPNOTE 6.3.9), for files that are stored: pure framing, the
 * data itself never comes here. Sizes are known from the start, so every record's length is known
 * before it is written. ZIP64 (section 4.5.3, version needed 4.5) stands where a size or an offset
 * reaches 0xFFFFFFFF, or there are 0xFFFF entries.
 */
#include "base/buf.h"

enum {
    ZIP_NAME_BYTES = 65535,
    ZIP_LOCAL_BYTES = 30 + 20 + ZIP_NAME_BYTES,   /* at most */
    ZIP_CENTRAL_BYTES = 46 + 28 + ZIP_NAME_BYTES, /* at most */
};

/* One entry, as its records say it. */
struct zip_member {
    struct str name;   /* UTF-8, without the slash that adds_slash puts behind it */
    uint64_t size;     /* of the data */
    uint64_t offset;   /* of the local header */
    uint32_t crc;      /* of the data; 0 in the local header of one without has_crc */
    bool has_crc;      /* known from the start; else it stands in a descriptor behind the data */
    bool is_directory; /* attributes 040755, else 0100644 */
    bool adds_slash;   /* name + slash: at most ZIP_NAME_BYTES */
};

/* MS-DOS date (upper half) and time (lower half), in UTC; outside 1980 to 2107, the nearest. */
uint32_t zip_time(int64_t unix_s);

/* The exact lengths of what the functions below write. */
uint32_t zip_local_bytes(const struct zip_member *m);
uint32_t zip_descriptor_bytes(const struct zip_member *m); /* 0 with has_crc */
uint32_t zip_central_bytes(const struct zip_member *m);
uint32_t zip_end_bytes(uint64_t n_entries, uint64_t central_offset, uint64_t central_bytes);

/* The sizes stand in the local header even where a descriptor follows: readers that take the
 * archive from front to back could not find the end of stored data otherwise. */
void zip_write_local(struct buf *out, const struct zip_member *m, uint32_t time);
/* Signed; 16 bytes, 24 with ZIP64 sizes. Nothing with has_crc. */
void zip_write_descriptor(struct buf *out, const struct zip_member *m);
void zip_write_central(struct buf *out, const struct zip_member *m, uint32_t time);
void zip_write_end(struct buf *out, uint64_t n_entries, uint64_t central_offset,
                   uint64_t central_bytes);
