#pragma once
/*
 * Where every byte of an archive stands, computed from the list of its files alone: so that the
 * length is known before the first byte, any range can be made without the rest, and 100,000
 * entries cost no more memory than the text that lists them. A layout keeps no entry: it goes over
 * the text again, from marks that it set every ZIP_MARK_BYTES of it. Beside them it keeps four
 * bytes for each CRC that the list does not know. Pure.
 */
#include "codec/zip.h"
#include "codec/zip_manifest.h"

enum { ZIP_MARK_BYTES = 64 * 1024, ZIP_NO_CRC = -1 };

/* A place between two entries: at the start of the text, all is 0. */
struct zip_mark {
    size_t at;              /* in the text */
    uint64_t index;         /* of the entry that follows */
    uint64_t n_unknown;     /* entries before it whose CRC the list does not know */
    uint64_t offset;        /* of its local header in the archive */
    uint64_t central_bytes; /* of the central directory before its record */
};

struct zip_layout {
    struct str text;     /* the checked lines, whole. The caller's, set before a cursor goes; it may
                            move between the calls */
    uint32_t time;       /* zip_time; to be set before records are written */
    struct zip_mark end; /* behind the last entry: end.index entries, the central directory starts
                            at end.offset */
    uint64_t total_bytes; /* of the archive; right after every zip_layout_add */
    /* private */
    struct zip_mark *marks;
    size_t n_marks, cap_marks;
    uint32_t *crcs; /* of the unknown ones, once they were told */
};

/* Of nothing: the empty archive. */
void zip_layout_init(struct zip_layout *l);
void zip_layout_done(struct zip_layout *l);

/*
 * The next entry of the text, as zip_manifest_next gave it, and where that put *at: behind its
 * line. False, and nothing is added, when memory is out or the archive would be larger than
 * INT64_MAX.
 */
bool zip_layout_add(struct zip_layout *l, const struct zip_entry *e, size_t at);
/* All entries were added: room for CRCs. False when memory is out. */
bool zip_layout_end(struct zip_layout *l);

/* The CRC of an unknown one: number as in struct zip_piece. */
void zip_layout_set_crc(struct zip_layout *l, int64_t number, uint32_t crc);

/* A walk over bytes [position, end) of the archive. */
struct zip_cursor {
    uint64_t position; /* of what comes next */
    uint64_t end;
    /* private */
    struct zip_mark mark;   /* before the entry that is walked */
    struct zip_entry entry; /* that one, read from the text again */
    struct zip_member member;
    size_t name_at, location_at, next_at; /* in the text: the entry's, and behind its line */
    uint8_t state;
};

enum zip_piece_kind {
    ZIP_PIECE_RECORD, /* n bytes of headers and the like, which were appended to records */
    ZIP_PIECE_DATA,   /* n bytes of an entry's data */
    ZIP_PIECE_END,    /* the walk is over; n is 0 */
};

struct zip_piece {
    enum zip_piece_kind kind;
    uint64_t n;             /* not 0 but at the end */
    struct zip_entry entry; /* DATA: whose; borrows from the text */
    uint64_t first;         /* DATA: where in the entry's data it begins */
    int64_t number;         /* DATA: for zip_layout_set_crc, or ZIP_NO_CRC */
};

/* Of a layout that is ended; first <= end <= total_bytes. */
void zip_cursor_init(struct zip_cursor *c, const struct zip_layout *l, uint64_t first,
                     uint64_t end);
/*
 * Goes one piece on. records NULL: records are passed over, not written. A record with a CRC that
 * was not told yet says 0. One call writes at most ZIP_CENTRAL_BYTES, and takes the time of two
 * entries; the first after init that of ZIP_MARK_BYTES of text more.
 */
void zip_cursor_next(struct zip_cursor *c, const struct zip_layout *l, struct buf *records,
                     struct zip_piece *p);
/* How much text that took, about: of the entry that was walked last. */
static inline size_t zip_cursor_text_bytes(const struct zip_cursor *c)
{
    return c->next_at - c->mark.at;
}
