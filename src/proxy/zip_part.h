#pragma once
/*
 * One part of an archive: the bytes of one object, or a range of them, fetched from S3 and handed
 * out in their order. A part that is not the one whose turn it is reads ahead as far as its reserve
 * of memory goes; the leading one is read at the client's pace, without a copy. A connection that
 * dies is replaced and the rest fetched from the byte that was reached; what is not the object of
 * the list any more fails the part. Owned by its download.
 */
#include "base/list.h"
#include "codec/zip_layout.h"
#include "io/timer.h"
#include "proxy/resume.h"
#include "proxy/route.h"
#include "upstream/exchange.h"

enum {
    ZIP_PART_BLOCK_BYTES = 128 * 1024 + IO_BLOCK_HEAD_BYTES, /* what one exchange holds, at most */
    ZIP_PART_MAX_BARREN = RESUME_MAX_BARREN, /* tries in a row that brought no byte */
    ZIP_PART_MAX_BUSY = 3,                   /* tries again after 503 and the like */
    ZIP_PART_PAUSE_MS = 200,                 /* before a barren try; doubles */
    ZIP_PART_BUSY_MS = 500,                  /* after the first 503; doubles */
};

enum zip_part_state {
    ZIP_PART_ASKED,  /* the response head is awaited */
    ZIP_PART_PAUSED, /* before the next try */
    ZIP_PART_BODY,
    ZIP_PART_WHOLE, /* all that is not handed out yet is held here */
    ZIP_PART_FAILED,
};

struct proxy;

struct zip_part {
    void *owner;
    /* It may have become readable, whole, or failed. Not inside the owner's calls. */
    void (*on_change)(struct zip_part *p);
    struct list node; /* the owner's */
    struct zip_entry entry;
    uint64_t first, n_bytes; /* of the entry's data */
    int64_t number;          /* as of struct zip_piece */
    struct fault fault;      /* with FAILED; names the entry */
    unsigned n_tries;        /* beyond the first */
    uint8_t state;           /* enum zip_part_state */
    bool is_promised;        /* S3's response head said that it is what the list says */
    bool may_persist;        /* failures to connect, names included, are tried again too: not while
                                the archive's own head can still say what is wrong */
    /* private */
    struct proxy *proxy;
    struct str pass; /* fields that go with the request, the owner's */
    struct route route;
    struct exchange x;
    struct buf head;
    struct io_timer pause;
    uint64_t received; /* bytes that left the exchange */
    uint64_t handed;   /* of these, to the owner */
    uint64_t tried_at; /* received at the last try */
    uint64_t reserved; /* bytes of memory that it may hold, and counts as holding */
    uint64_t held;     /* that its blocks take */
    unsigned n_barren, n_busy;
    uint32_t crc;         /* of what left the exchange */
    uint32_t offered_crc; /* the same with its next offered_n bytes, where that is not 0 */
    size_t offered_n;
    bool is_leading, is_exchanging, asks_range;
    struct io_block *blocks; /* [first_block, n_blocks): received, not handed out */
    size_t first_block, n_blocks, cap_blocks;
    size_t etag_n;
    char etag[RESUME_ETAG_BYTES];
};

/* How much memory it could use before its turn comes. */
uint64_t zip_part_wish(uint64_t n_bytes);

/*
 * Begins to fetch what piece says, judged by conf. pass: "Name: value CRLF"..., borrowed until
 * free. reserve: memory that the owner has set aside for it; 0 for the leading one. NULL without
 * memory.
 */
struct zip_part *zip_part_new(struct proxy *proxy, const struct conf *conf,
                              const struct zip_piece *piece, struct str pass, uint64_t reserve);
/* Ends it; the struct lives until the end of the turn. NULL is fine. */
void zip_part_free(struct zip_part *p);

/* Its turn has come: it is read from now on. */
void zip_part_lead(struct zip_part *p);

/* What it need not hold any more of its reserve; the owner takes it back. */
uint64_t zip_part_unreserve(struct zip_part *p);

/*
 * The leading part's bytes. IO_OK: *data until zip_part_consume; IO_AGAIN: on_change follows;
 * IO_EOF: all n_bytes were handed out; IO_FAILED: p->fault. The last bytes of a whole entry are not
 * handed out when its CRC is not that of the list.
 */
enum io_result zip_part_read(struct zip_part *p, struct str *data);
void zip_part_consume(struct zip_part *p, size_t n);
