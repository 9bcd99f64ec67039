#pragma once
/*
 * The registry's list of an archive's files while it arrives: kept as text, each line checked as
 * soon as it is whole, its place in the archive counted. Every location passes the gate of the S3
 * route. Owned by its download; entries borrow from the text once the list is whole.
 */
#include "base/region.h"
#include "codec/zip_layout.h"
#include "conf/settings.h"

struct zip_list {
    struct zip_layout layout; /* whole after zip_list_end */
    /* private */
    const struct conf *conf;
    struct region text;
    size_t at; /* the first line that is not whole */
};

void zip_list_init(struct zip_list *l, const struct conf *conf);
void zip_list_done(struct zip_list *l);

/* More of it. False with *f: a line is broken or not allowed (MANIFEST, which says which and why),
 * it is over PENSTOCK_MAX_MANIFEST, or memory is out. */
bool zip_list_feed(struct zip_list *l, struct str data, struct fault *f);
/* That was all. time: of every entry (zip_time). */
bool zip_list_end(struct zip_list *l, uint32_t time, struct fault *f);
