#include "codec/zip_layout.h"

#include <assert.h>
#include <stdlib.h>

/* What the cursor's entry was read for. */
enum { NOT_READ, READ_FOR_FILE, READ_FOR_CENTRAL };

/* A name that ends in a slash is a directory to every reader, and is to be one that can be entered:
 * the object that stands for a folder in S3, empty as a rule. */
static bool is_directory(const struct zip_entry *e)
{
    return e->is_directory || e->name.p[e->name.n - 1] == '/';
}

static struct zip_member member_of(const struct zip_entry *e, uint64_t offset)
{
    return (struct zip_member){
        .name = e->name,
        .size = e->size,
        .offset = offset,
        .crc = e->crc,
        .has_crc = e->has_crc,
        .is_directory = is_directory(e),
        .adds_slash = e->is_directory && e->name.p[e->name.n - 1] != '/',
    };
}

static uint64_t file_bytes(const struct zip_member *m)
{
    return zip_local_bytes(m) + m->size + zip_descriptor_bytes(m);
}

static uint64_t central_end(const struct zip_layout *l)
{
    return l->end.offset + l->end.central_bytes;
}

static uint64_t total_bytes(const struct zip_mark *end)
{
    return end->offset + end->central_bytes +
           zip_end_bytes(end->index, end->offset, end->central_bytes);
}

/* Behind entry m, whose line ends before text offset at. */
static void mark_pass(struct zip_mark *mark, const struct zip_member *m, size_t at)
{
    mark->at = at;
    mark->index++;
    mark->n_unknown += !m->has_crc;
    mark->offset += file_bytes(m);
    mark->central_bytes += zip_central_bytes(m);
}

void zip_layout_init(struct zip_layout *l)
{
    *l = (struct zip_layout){ .total_bytes = zip_end_bytes(0, 0, 0) };
}

void zip_layout_done(struct zip_layout *l)
{
    free(l->marks);
    free(l->crcs);
    l->marks = NULL;
    l->crcs = NULL;
    l->n_marks = l->cap_marks = 0;
}

/* At l->end. That the text's start is a place too goes without saying. */
static bool set_mark(struct zip_layout *l)
{
    if (l->n_marks == l->cap_marks) {
        size_t cap = l->cap_marks == 0 ? 16 : l->cap_marks * 2;
        struct zip_mark *p = reallocarray(l->marks, cap, sizeof *p);
        if (p == NULL)
            return false;
        l->marks = p;
        l->cap_marks = cap;
    }
    l->marks[l->n_marks++] = l->end;
    return true;
}

bool zip_layout_add(struct zip_layout *l, const struct zip_entry *e, size_t at)
{
    struct zip_member m = member_of(e, l->end.offset);
    struct zip_mark end = l->end;
    size_t marked_at = l->n_marks == 0 ? 0 : l->marks[l->n_marks - 1].at;
    /* So no sum passes UINT64_MAX: beside the data there are a few small records. */
    if (e->size > INT64_MAX - l->total_bytes)
        return false;
    mark_pass(&end, &m, at);
    if (total_bytes(&end) > INT64_MAX)
        return false;
    if (l->end.at - marked_at >= ZIP_MARK_BYTES && !set_mark(l))
        return false;
    l->end = end;
    l->total_bytes = total_bytes(&end);
    return true;
}

bool zip_layout_end(struct zip_layout *l)
{
    if (l->end.n_unknown == 0)
        return true;
    l->crcs = calloc(l->end.n_unknown, sizeof *l->crcs);
    return l->crcs != NULL;
}

void zip_layout_set_crc(struct zip_layout *l, int64_t number, uint32_t crc)
{
    assert(number >= 0 && (uint64_t)number < l->end.n_unknown);
    l->crcs[number] = crc;
}

void zip_cursor_init(struct zip_cursor *c, const struct zip_layout *l, uint64_t first, uint64_t end)
{
    assert(first <= end && end <= l->total_bytes);
    *c = (struct zip_cursor){ .position = first, .end = end };
}

/* Where in the archive that begins which the mark's entry was, or is to be, read for. */
static uint64_t place(const struct zip_layout *l, const struct zip_mark *mark, uint8_t read_for)
{
    return read_for == READ_FOR_FILE ? mark->offset : l->end.offset + mark->central_bytes;
}

/* To the last mark that is not behind the cursor. */
static void seek(struct zip_cursor *c, const struct zip_layout *l, uint8_t read_for)
{
    size_t low = 0, high = l->n_marks;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (place(l, &l->marks[middle], read_for) <= c->position)
            low = middle + 1;
        else
            high = middle;
    }
    c->mark = low == 0 ? (struct zip_mark){ 0 } : l->marks[low - 1];
}

static void read_entry(struct zip_cursor *c, const struct zip_layout *l)
{
    const char *why;
    c->next_at = c->mark.at;
    enum zip_manifest_step step = zip_manifest_next(l->text, &c->next_at, &c->entry, &why);
    assert(step == ZIP_MANIFEST_ENTRY);
    (void)step;
    c->member = member_of(&c->entry, c->mark.offset);
    c->name_at = (size_t)(c->entry.name.p - l->text.p);
    c->location_at = c->entry.location.n == 0 ? 0 : (size_t)(c->entry.location.p - l->text.p);
}

/* The entry whose file or central record, as read_for says, has the byte at the position. */
static void walk(struct zip_cursor *c, const struct zip_layout *l, uint8_t read_for)
{
    if (c->state == read_for) {
        /* The text may stand elsewhere by now. */
        c->entry.name.p = c->member.name.p = l->text.p + c->name_at;
        c->entry.location.p = l->text.p + c->location_at;
    } else {
        seek(c, l, read_for);
        read_entry(c, l);
        c->state = read_for;
    }
    for (;;) {
        struct zip_mark next = c->mark;
        mark_pass(&next, &c->member, c->next_at);
        if (place(l, &next, read_for) > c->position)
            return;
        c->mark = next;
        read_entry(c, l);
    }
}

static void read_crc(struct zip_cursor *c, const struct zip_layout *l)
{
    if (!c->member.has_crc)
        c->member.crc = l->crcs[c->mark.n_unknown];
}

/* [start, start + n_bytes) of the archive is a record, which stands in records from `before` on;
 * what of it lies outside the cursor's window is taken out again. */
static void clip(struct zip_cursor *c, struct buf *records, size_t before, uint64_t start,
                 uint64_t n_bytes, struct zip_piece *p)
{
    uint64_t skip = c->position - start;
    uint64_t n = n_bytes - skip < c->end - c->position ? n_bytes - skip : c->end - c->position;
    if (records != NULL && !records->failed) {
        if (skip > 0)
            memmove(records->p + before, records->p + before + skip, n);
        records->n = before + n;
    }
    p->kind = ZIP_PIECE_RECORD;
    p->n = n;
}

static void data_piece(struct zip_cursor *c, uint64_t first, struct zip_piece *p)
{
    uint64_t left = c->member.size - first, room = c->end - c->position;
    p->kind = ZIP_PIECE_DATA;
    p->n = left < room ? left : room;
    p->entry = c->entry;
    p->first = first;
    p->number = c->entry.has_crc ? ZIP_NO_CRC : (int64_t)c->mark.n_unknown;
}

static void file_piece(struct zip_cursor *c, const struct zip_layout *l, struct buf *records,
                       struct zip_piece *p)
{
    walk(c, l, READ_FOR_FILE);
    size_t before = records == NULL ? 0 : records->n;
    uint64_t data = c->mark.offset + zip_local_bytes(&c->member);
    uint64_t descriptor = data + c->member.size;
    if (c->position < data) {
        if (records != NULL)
            zip_write_local(records, &c->member, l->time);
        clip(c, records, before, c->mark.offset, data - c->mark.offset, p);
    } else if (c->position < descriptor) {
        data_piece(c, c->position - data, p);
    } else {
        read_crc(c, l);
        if (records != NULL)
            zip_write_descriptor(records, &c->member);
        clip(c, records, before, descriptor, zip_descriptor_bytes(&c->member), p);
    }
}

static void central_piece(struct zip_cursor *c, const struct zip_layout *l, struct buf *records,
                          struct zip_piece *p)
{
    walk(c, l, READ_FOR_CENTRAL);
    size_t before = records == NULL ? 0 : records->n;
    read_crc(c, l);
    if (records != NULL)
        zip_write_central(records, &c->member, l->time);
    clip(c, records, before, place(l, &c->mark, READ_FOR_CENTRAL), zip_central_bytes(&c->member),
         p);
}

static void end_piece(struct zip_cursor *c, const struct zip_layout *l, struct buf *records,
                      struct zip_piece *p)
{
    size_t before = records == NULL ? 0 : records->n;
    if (records != NULL)
        zip_write_end(records, l->end.index, l->end.offset, l->end.central_bytes);
    clip(c, records, before, central_end(l), l->total_bytes - central_end(l), p);
}

void zip_cursor_next(struct zip_cursor *c, const struct zip_layout *l, struct buf *records,
                     struct zip_piece *p)
{
    *p = (struct zip_piece){ .kind = ZIP_PIECE_END, .number = ZIP_NO_CRC };
    if (c->position >= c->end)
        return;
    if (c->position < l->end.offset)
        file_piece(c, l, records, p);
    else if (c->position < central_end(l))
        central_piece(c, l, records, p);
    else
        end_piece(c, l, records, p);
    c->position += p->n;
}
