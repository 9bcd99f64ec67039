#include "proxy/zip_list.h"

#include "codec/escape.h"
#include "proxy/route.h"

enum { SHOWN_BYTES = 120 };

void zip_list_init(struct zip_list *l, const struct conf *conf)
{
    *l = (struct zip_list){ .conf = conf };
    zip_layout_init(&l->layout);
}

void zip_list_done(struct zip_list *l)
{
    zip_layout_done(&l->layout);
    region_done(&l->text);
}

/* Lines hold signatures, so only their number is told. */
static bool refuse(const struct zip_list *l, struct fault *f, const char *why)
{
    return fault_set(f, FAULT_MANIFEST, "list", "entry %llu: %s",
                     (unsigned long long)l->layout.end.index + 1, why);
}

/* May this location be asked for? The route itself is made again when its turn comes. */
static bool check_location(const struct zip_list *l, const struct zip_entry *e, struct fault *f)
{
    struct route route;
    struct fault cause = { .kind = FAULT_NONE };
    if (e->is_directory || route_location(l->conf, e->location, &route, &cause))
        return true;
    struct buf text;
    buf_init(&text, FAULT_DETAIL_BYTES);
    buf_append(&text, STR("\""));
    escape_plain(&text, e->name, SHOWN_BYTES);
    buf_printf(&text, "\": %s: %s", fault_row(cause.kind)->sentence, cause.detail);
    buf_byte(&text, 0);
    refuse(l, f, text.failed ? "" : text.p);
    buf_done(&text);
    return false;
}

static bool take_lines(struct zip_list *l, struct fault *f)
{
    struct str text = region_str(&l->text);
    l->layout.text = text;
    for (;;) {
        struct zip_entry e;
        const char *why = NULL;
        /* From the last entry on, however the list comes in pieces: so an entry that is taken here
         * is read again from there. */
        size_t at = l->layout.end.at;
        switch (zip_manifest_next(text, &at, &e, &why)) {
        case ZIP_MANIFEST_MORE:
            l->at = at;
            return true;
        case ZIP_MANIFEST_BAD:
            return refuse(l, f, why);
        default:
            break;
        }
        if (!check_location(l, &e, f))
            return false;
        if (!zip_layout_add(&l->layout, &e, at))
            return refuse(l, f, "the archive is too large, or memory is out");
    }
}

bool zip_list_feed(struct zip_list *l, struct str data, struct fault *f)
{
    if (data.n > l->conf->max_manifest || l->text.n > l->conf->max_manifest - data.n)
        return fault_set(f, FAULT_MANIFEST, "list", "it is over PENSTOCK_MAX_MANIFEST, %llu bytes",
                         (unsigned long long)l->conf->max_manifest);
    if (!region_append(&l->text, data))
        return fault_set(f, FAULT_NO_MEMORY, "list", NULL);
    return take_lines(l, f);
}

bool zip_list_end(struct zip_list *l, uint32_t time, struct fault *f)
{
    if (l->at < l->text.n)
        return refuse(l, f, "the line has no end: the list was cut");
    if (!zip_layout_end(&l->layout))
        return fault_set(f, FAULT_NO_MEMORY, "list", NULL);
    l->layout.time = time;
    return true;
}
