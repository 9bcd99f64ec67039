#pragma once
/*
 * The response head of an archive, and which bytes of it go out. What the registry said in its own
 * head is taken when that head is there; the rest is decided when the list of files is whole. Pure,
 * owned by its download.
 */
#include "base/buf.h"
#include "codec/byte_range.h"
#include "codec/http1.h"
#include "codec/zip_layout.h"

enum { ZIP_MAX_RANGES = 128, ZIP_BOUNDARY_BYTES = 32 };

struct zip_reply {
    uint16_t status;    /* 200, 206, 416 */
    bool is_multipart;  /* 206 with several ranges */
    bool has_length;    /* false for HEAD, whose answer has no list to count */
    uint64_t n_bytes;   /* of the body */
    unsigned n_windows; /* of the archive that go out, one behind the other */
    struct zip_window {
        uint64_t first, end; /* bytes [first, end) of the archive */
    } windows[ZIP_MAX_RANGES];
    int64_t modified_s; /* the registry's Last-Modified, for the entries' times */
    bool has_modified;
    /* private */
    struct buf fields; /* the registry's, as they go on */
    struct str etag;   /* in fields; empty: none that is strong */
    size_t etag_at;
    bool may_range;
    uint64_t total_bytes;
    char boundary[ZIP_BOUNDARY_BYTES];
};

/* Takes what is wanted from the registry's head; nothing is borrowed afterwards. False with *f
 * (MANIFEST, NO_MEMORY) when a list of files cannot be read behind such a head. */
bool zip_reply_init(struct zip_reply *r, const struct http_head *registry, struct fault *f);
void zip_reply_done(struct zip_reply *r);

/* Which bytes go out: Range and If-Range of the request against the archive. */
void zip_reply_plan(struct zip_reply *r, const struct http_head *request,
                    const struct zip_layout *l);
/* To a HEAD: there is no list, so nothing is known of the archive's length. */
void zip_reply_plan_head(struct zip_reply *r);

void zip_reply_write_head(struct buf *out, const struct zip_reply *r,
                          const struct http_head *request, bool keep_alive);
/* What stands before window i of a multipart body, and with i = n_windows the end of it. */
void zip_reply_write_delimiter(struct buf *out, const struct zip_reply *r, unsigned i);
