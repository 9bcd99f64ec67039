/*
 * Two bytes choose windows, the rest is a list; one first byte in sixteen has it said many times
 * over, for marks. Of a small archive, every window is a part of the whole; of any, a reader that
 * knows the format alone finds each entry again, in windows that hold records alone.
 */
#include <stdlib.h>

#include "../../unit/codec/zip_made.h"
#include "../../unit/codec/zip_reader.h"

enum {
    REPEATED_BYTES = 3 * ZIP_MARK_BYTES,
    WHOLE_BYTES = 16 * 1024, /* of a list that is said once */
    WHOLE_REPEATED_BYTES = 1024 * 1024,
    WINDOWS = 8,
    READ_MAX = 8,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(bool is_so)
{
    if (!is_so)
        abort();
}

static void fetch_memory(void *arg, uint64_t at, uint8_t *to, size_t n)
{
    struct str *whole = arg;
    check(at <= whole->n && n <= whole->n - at);
    if (n > 0)
        memcpy(to, whole->p + at, n);
}

/* The first READ_MAX entries: each read of a sparse archive is a search of its own. */
static void check_records(const struct zip_layout *l, struct zip_reader *r)
{
    static struct zip_seen seen;
    struct zip_entry e;
    const char *why;
    size_t at = 0;
    check(zip_reader_end(r) == NULL && r->n_entries == l->end.index);
    for (unsigned i = 0; i < READ_MAX; i++) {
        if (zip_manifest_next(l->text, &at, &e, &why) != ZIP_MANIFEST_ENTRY)
            return;
        check(zip_reader_next(r, &seen) == NULL);
        check(seen.size == e.size && seen.has_descriptor == !e.has_crc);
        check(seen.name_n >= e.name.n && memcmp(seen.name, e.name.p, e.name.n) == 0);
        check((seen.attributes >> 16 == 040755) ==
              (e.is_directory || (e.size == 0 && e.name.p[e.name.n - 1] == '/')));
    }
}

static void check_windows(struct zip_layout *l, uint64_t seed)
{
    struct buf whole, part;
    buf_init(&whole, SIZE_MAX / 2);
    buf_init(&part, SIZE_MAX / 2);
    check(zip_made_walk(l, 0, l->total_bytes, &whole) == NULL);
    for (unsigned i = 0; i < WINDOWS; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        uint64_t first = (seed >> 33) % (whole.n + 1);
        uint64_t end = first + (seed >> 13) % (i & 1 ? 64 : whole.n + 1);
        if (end > whole.n)
            end = whole.n;
        buf_clear(&part);
        check(zip_made_walk(l, first, end, &part) == NULL);
        check(str_eq(buf_str(&part), str_of(whole.p + first, end - first)));
    }
    struct str archive = buf_str(&whole);
    check_records(l, &(struct zip_reader){
                         .fetch = fetch_memory, .arg = &archive, .total_bytes = archive.n });
    buf_done(&whole);
    buf_done(&part);
}

/* Records passed over are as long as records written. */
static void check_pieces(const struct zip_layout *l)
{
    struct zip_cursor c;
    struct zip_piece p;
    uint64_t sum = 0;
    zip_cursor_init(&c, l, 0, l->total_bytes);
    do {
        zip_cursor_next(&c, l, NULL, &p);
        sum += p.n;
        check(c.position == sum && (p.n == 0) == (p.kind == ZIP_PIECE_END));
    } while (p.kind != ZIP_PIECE_END);
    check(sum == l->total_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    if (n < 2)
        return 0;
    struct str once = str_of((const char *)data + 2, n - 2);
    struct buf text;
    struct zip_layout l;
    buf_init(&text, SIZE_MAX / 2);
    bool repeats = data[0] % 16 == 1 && once.n > 0;
    do
        buf_append(&text, once);
    while (repeats && text.n < REPEATED_BYTES);
    if (zip_made_layout(&l, buf_str(&text))) {
        check_pieces(&l);
        if (l.total_bytes <= (repeats ? WHOLE_REPEATED_BYTES : WHOLE_BYTES))
            check_windows(&l, (uint64_t)data[0] << 8 | data[1]);
        check_records(&l, &(struct zip_reader){
                              .fetch = zip_made_fetch, .arg = &l, .total_bytes = l.total_bytes });
    }
    zip_layout_done(&l);
    buf_done(&text);
    return 0;
}
