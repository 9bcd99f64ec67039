#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "zip_made.h"
#include "zip_reader.h"

enum { CASES = 60, WINDOWS = 300 };

static uint64_t seed = 88172645463325252ULL;

/* 0 to n - 1 */
static uint64_t chance(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 8) % n;
}

static void fetch_memory(void *arg, uint64_t at, uint8_t *to, size_t n)
{
    struct str *whole = arg;
    assert_true(at <= whole->n && n <= whole->n - at);
    if (n > 0)
        memcpy(to, whole->p + at, n);
}

static void add_name(struct buf *text, unsigned i)
{
    static const char *const parts[] = { "a", "dir/", "\xc3\xa9", " ", "long-name-", "x/y/" };
    for (uint64_t n = chance(6); n > 0; n--)
        buf_append(text, str_from_c(parts[chance(6)]));
    buf_printf(text, "%u", i);
}

/* A line as a registry would write it, and some as none would. */
static void add_line(struct buf *text, unsigned i)
{
    static const char *const ends[] = { "\r\n", "\n", "\r", "\r\n\r\n", "\n  \n" };
    char location[32];
    if (chance(8) == 0) {
        buf_printf(text, "%s 17 @directory ", chance(2) ? "-" : "0");
        add_name(text, i);
        if (chance(2))
            buf_byte(text, '/');
    } else {
        struct str l = str_of(location, (size_t)snprintf(location, sizeof location, "/h/%u", i));
        size_t size = chance(5) == 0 ? 0 : chance(200);
        if (chance(4) == 0)
            buf_printf(text, "- %zu %s ", size, location);
        else
            buf_printf(text, "%x  %zu %s ", zip_made_crc(l, size), size, location);
        add_name(text, i);
        uint64_t last = chance(10);
        if (last < 2)
            buf_byte(text, last == 0 ? ' ' : '/');
    }
    buf_append(text, str_from_c(ends[chance(5)]));
}

/* Each record says what the list says, and the data has the CRC that the records tell. */
static void check_archive(const struct zip_layout *l, struct str whole)
{
    struct zip_reader r = { .fetch = fetch_memory, .arg = &whole, .total_bytes = whole.n };
    static struct zip_seen seen;
    struct zip_entry e;
    size_t at = 0;
    const char *why = zip_reader_end(&r);
    if (why != NULL)
        fail_msg("%s", why);
    while (zip_manifest_next(l->text, &at, &e, &why) == ZIP_MANIFEST_ENTRY) {
        if ((why = zip_reader_next(&r, &seen)) != NULL)
            fail_msg("%.*s: %s", STR_ARG(e.name), why);
        assert_true(seen.name_n >= e.name.n);
        assert_memory_equal(seen.name, e.name.p, e.name.n);
        bool adds_slash = e.is_directory && e.name.p[e.name.n - 1] != '/';
        assert_int_equal(seen.name_n, e.name.n + adds_slash);
        assert_true(!adds_slash || seen.name[e.name.n] == '/');
        assert_true(seen.size == e.size);
        assert_int_equal(seen.time, l->time);
        assert_int_equal(seen.flags, e.has_crc ? 1 << 11 : 1 << 11 | 1 << 3);
        bool is_directory = e.is_directory || e.name.p[e.name.n - 1] == '/';
        assert_int_equal(seen.version, is_directory || !e.has_crc ? 20 : 10);
        assert_int_equal(seen.attributes, is_directory ? 040755U << 16 | 0x10 : 0100644U << 16);
        assert_int_equal(seen.crc, libdeflate_crc32(0, whole.p + seen.data, seen.size));
        if (e.has_crc)
            assert_int_equal(seen.crc, e.crc);
    }
    assert_int_equal(r.n_read, r.n_entries);
    assert_int_equal(r.n_entries, l->end.index);
    assert_true(r.central_offset == l->end.offset);
    assert_true(r.central_bytes == l->end.central_bytes);
}

static void check_windows(struct zip_layout *l, struct str whole, unsigned n)
{
    struct buf part;
    buf_init(&part, SIZE_MAX / 2);
    for (unsigned i = 0; i < n; i++) {
        uint64_t first = chance(whole.n + 1);
        uint64_t end = first + chance((i & 1 ? whole.n - first : 40) + 1);
        if (end > whole.n)
            end = whole.n;
        buf_clear(&part);
        buf_append(&part, STR("before"));
        const char *why = zip_made_walk(l, first, end, &part);
        if (why != NULL)
            fail_msg("%llu to %llu: %s", (unsigned long long)first, (unsigned long long)end, why);
        assert_memory_equal(part.p, "before", 6);
        if (!str_eq(str_from(buf_str(&part), 6), str_of(whole.p + first, end - first)))
            fail_msg("%llu to %llu differs", (unsigned long long)first, (unsigned long long)end);
    }
    buf_done(&part);
}

static void check_case(unsigned n_entries, unsigned n_windows)
{
    struct buf text, whole;
    struct zip_layout l;
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&whole, SIZE_MAX / 2);
    for (unsigned i = 0; i < n_entries; i++)
        add_line(&text, i);
    assert_true(zip_made_layout(&l, buf_str(&text)));
    assert_true(l.end.index == n_entries);
    /* One every 64 KiB and a line. */
    assert_in_range(l.n_marks, text.n / (ZIP_MARK_BYTES + 1024), text.n / ZIP_MARK_BYTES);
    l.time = zip_time(1700000000);
    const char *why = zip_made_walk(&l, 0, l.total_bytes, &whole);
    if (why != NULL)
        fail_msg("%s", why);
    assert_true(whole.n == l.total_bytes);
    check_archive(&l, buf_str(&whole));
    check_windows(&l, buf_str(&whole), n_windows);
    zip_layout_done(&l);
    buf_done(&text);
    buf_done(&whole);
}

static void any_window_is_a_part_of_the_whole(void **state)
{
    for (unsigned i = 0; i < CASES; i++)
        check_case((unsigned)chance(i + 1), WINDOWS);
}

static void and_of_one_with_many_marks(void **state)
{
    check_case(20000, WINDOWS);
}

static void more_entries_than_16_bits_count(void **state)
{
    check_case(65534, 5);
    check_case(65535, 5);
    check_case(70000, 5);
}

static void an_empty_list_is_an_empty_archive(void **state)
{
    struct zip_layout l;
    struct buf out;
    buf_init(&out, 100);
    assert_true(zip_made_layout(&l, STR("")));
    assert_int_equal(l.total_bytes, 22);
    assert_null(zip_made_walk(&l, 0, 22, &out));
    assert_memory_equal(out.p, "PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 22);
    zip_layout_done(&l);
    buf_done(&out);
}

/* Both windows at every place of a small archive. */
static void every_split_of_a_small_archive(void **state)
{
    struct zip_layout l;
    struct buf whole, parts;
    buf_init(&whole, 10000);
    buf_init(&parts, 10000);
    assert_true(zip_made_layout(&l, STR("- 5 /h/a a\n- 0 @directory d\n0 0 /h/e e\n")));
    assert_null(zip_made_walk(&l, 0, l.total_bytes, &whole));
    for (uint64_t at = 0; at <= l.total_bytes; at++) {
        buf_clear(&parts);
        assert_null(zip_made_walk(&l, 0, at, &parts));
        assert_null(zip_made_walk(&l, at, l.total_bytes, &parts));
        assert_true(str_eq(buf_str(&parts), buf_str(&whole)));
    }
    zip_layout_done(&l);
    buf_done(&whole);
    buf_done(&parts);
}

/* What stands for a folder in S3 comes out as one that can be entered. */
static void an_empty_file_whose_name_ends_in_a_slash(void **state)
{
    static const char *const texts[] = {
        "0 0 /h/a a/\n- 0 @directory b\n- 0 /h/c c/\n",
        "0 0 @directory a/\n- 0 @directory b/\n0 1 @directory c\n"
    };
    struct buf whole[2];
    for (int i = 0; i < 2; i++) {
        struct zip_layout l;
        buf_init(&whole[i], 10000);
        assert_true(zip_made_layout(&l, str_from_c(texts[i])));
        assert_null(zip_made_walk(&l, 0, l.total_bytes, &whole[i]));
        check_archive(&l, buf_str(&whole[i]));
        zip_layout_done(&l);
    }
    assert_true(str_eq(buf_str(&whole[0]), buf_str(&whole[1])));
    buf_done(&whole[0]);
    buf_done(&whole[1]);
}

#define GIB (1024ULL * 1024 * 1024)

/* One after another in one archive: a local header is 31 bytes long, 51 with ZIP64. */
static const struct large_row {
    const char *what;
    const char *crc;
    uint64_t size;
    unsigned version, local_extra_n, central_extra_n, descriptor_n;
} large_rows[] = {
    { "a size below the limit", "1", 0xfffffffeULL - 31, 10, 0, 0, 0 },
    { "an offset below the limit", "1", 0, 10, 0, 0, 0 },
    { "an offset beyond", "2", 7, 45, 0, 12, 0 },
    { "and a descriptor", "-", 7, 45, 0, 12, 16 },
    { "5 GiB", "3", 5 * GIB, 45, 20, 28, 0 },
    { "5 GiB and a descriptor", "-", 5 * GIB, 45, 20, 28, 24 },
    { "one byte less than the limit", "4", 0xfffffffeULL, 45, 0, 12, 0 },
    { "the limit", "4", 0xffffffffULL, 45, 20, 28, 0 },
};

static void large_text(struct buf *text, size_t first, size_t n)
{
    buf_init(text, 10000);
    for (size_t i = first; i < first + n; i++)
        buf_printf(text, "%s %llu /h/k n\n", large_rows[i].size ? large_rows[i].crc : "0",
                   (unsigned long long)large_rows[i].size);
}

static void check_large(size_t first, size_t n, bool is_zip64)
{
    struct zip_layout l;
    struct buf text;
    static struct zip_seen seen;
    large_text(&text, first, n);
    assert_true(zip_made_layout(&l, buf_str(&text)));
    struct zip_reader r = { .fetch = zip_made_fetch, .arg = &l, .total_bytes = l.total_bytes };
    const char *why = zip_reader_end(&r);
    if (why != NULL)
        fail_msg("%s", why);
    assert_int_equal(r.n_entries, n);
    assert_int_equal(r.is_zip64, is_zip64);
    for (size_t i = first; i < first + n; i++) {
        const struct large_row *row = &large_rows[i];
        if ((why = zip_reader_next(&r, &seen)) != NULL)
            fail_msg("%s: %s", row->what, why);
        if (seen.size != row->size || seen.version != row->version ||
            seen.local_extra_n != row->local_extra_n ||
            seen.central_extra_n != row->central_extra_n || seen.descriptor_n != row->descriptor_n)
            fail_msg("%s: size %llu, version %u, extra %zu and %zu, descriptor %zu", row->what,
                     (unsigned long long)seen.size, seen.version, seen.local_extra_n,
                     seen.central_extra_n, seen.descriptor_n);
    }
    zip_layout_done(&l);
    buf_done(&text);
}

static void zip64_stands_where_it_must(void **state)
{
    check_large(0, sizeof large_rows / sizeof *large_rows, true);
}

/* The first ends at 0xfffffffe: the next begins there, or the central directory does. */
static void the_end_is_zip64_where_it_must(void **state)
{
    check_large(0, 1, false);
    check_large(0, 2, true);
}

static void data_of_large_files_is_told(void **state)
{
    struct zip_layout l;
    struct zip_cursor c;
    struct zip_piece p;
    struct buf text;
    large_text(&text, 4, 2);
    assert_true(zip_made_layout(&l, buf_str(&text)));
    zip_cursor_init(&c, &l, 5 * GIB, l.total_bytes);
    zip_cursor_next(&c, &l, NULL, &p);
    assert_int_equal(p.kind, ZIP_PIECE_DATA);
    assert_true(p.first == 5 * GIB - 51 && p.n == 51 && p.number == ZIP_NO_CRC);
    zip_cursor_next(&c, &l, NULL, &p);
    assert_int_equal(p.kind, ZIP_PIECE_RECORD);
    assert_true(p.n == 51);
    zip_cursor_next(&c, &l, NULL, &p);
    assert_int_equal(p.kind, ZIP_PIECE_DATA);
    assert_true(p.first == 0 && p.n == 5 * GIB && p.number == 0);
    zip_layout_done(&l);
    buf_done(&text);
}

static void no_archive_is_larger_than_an_offset(void **state)
{
    struct zip_layout l;
    struct zip_entry e = {
        .name = STR("n"), .location = STR("/h/k"), .size = INT64_MAX, .crc = 1, .has_crc = true
    };
    zip_layout_init(&l);
    assert_false(zip_layout_add(&l, &e, 10));
    assert_int_equal(l.end.index, 0);
    /* Headers of 30 + 20 + 1 and 46 + 20 + 1, and an end of 98. */
    e.size = INT64_MAX - 51 - 67 - 98;
    assert_true(zip_layout_add(&l, &e, 10));
    assert_true(l.total_bytes == INT64_MAX);
    e.size = 0;
    assert_false(zip_layout_add(&l, &e, 20));
    e.size = INT64_MAX;
    assert_false(zip_layout_add(&l, &e, 20));
    assert_true(l.total_bytes == INT64_MAX && l.end.index == 1 && l.end.at == 10);
    e.size = INT64_MAX - 51 - 67 - 98 + 1;
    zip_layout_done(&l);
    zip_layout_init(&l);
    assert_false(zip_layout_add(&l, &e, 10));
    zip_layout_done(&l);
}

static void the_text_may_move_between_calls(void **state)
{
    struct str text = STR("- 5 /h/a a\n1 3 /h/b b\n- 0 @directory d\n- 4 /h/c c\n");
    struct zip_layout l;
    struct zip_cursor c;
    struct zip_piece p;
    struct buf out, whole;
    buf_init(&out, 10000);
    buf_init(&whole, 10000);
    assert_true(zip_made_layout(&l, text));
    zip_cursor_init(&c, &l, 0, l.total_bytes);
    do {
        char *moved = malloc(text.n);
        memcpy(moved, text.p, text.n);
        l.text.p = moved;
        zip_cursor_next(&c, &l, &out, &p);
        if (p.kind == ZIP_PIECE_DATA) {
            /* File a is at /h/a. */
            assert_true(p.entry.name.n == 1 && p.entry.name.p[0] == p.entry.location.p[3]);
            zip_made_data(p.entry.location, p.first, buf_reserve(&out, p.n), p.n);
            out.n += p.n;
            if (p.number != ZIP_NO_CRC)
                zip_layout_set_crc(&l, p.number, zip_made_crc(p.entry.location, p.n));
        }
        memset(moved, 'x', text.n);
        free(moved);
    } while (p.kind != ZIP_PIECE_END);
    l.text = text;
    assert_null(zip_made_walk(&l, 0, l.total_bytes, &whole));
    assert_true(str_eq(buf_str(&out), buf_str(&whole)));
    zip_layout_done(&l);
    buf_done(&out);
    buf_done(&whole);
}

/* A first entry far behind the text's start, and a first mark before the second. */
static void blank_lines_before_the_first(void **state)
{
    struct buf text, whole;
    struct zip_layout l;
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&whole, SIZE_MAX / 2);
    for (unsigned i = 0; i < ZIP_BLANK_BYTES; i++)
        buf_byte(&text, '\n');
    for (unsigned i = 0; i < 3; i++)
        add_line(&text, i);
    assert_true(zip_made_layout(&l, buf_str(&text)));
    assert_null(zip_made_walk(&l, 0, l.total_bytes, &whole));
    check_archive(&l, buf_str(&whole));
    check_windows(&l, buf_str(&whole), WINDOWS);
    zip_layout_done(&l);
    buf_done(&text);
    buf_done(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_window_is_a_part_of_the_whole),
        cmocka_unit_test(and_of_one_with_many_marks),
        cmocka_unit_test(more_entries_than_16_bits_count),
        cmocka_unit_test(an_empty_list_is_an_empty_archive),
        cmocka_unit_test(every_split_of_a_small_archive),
        cmocka_unit_test(an_empty_file_whose_name_ends_in_a_slash),
        cmocka_unit_test(zip64_stands_where_it_must),
        cmocka_unit_test(the_end_is_zip64_where_it_must),
        cmocka_unit_test(data_of_large_files_is_told),
        cmocka_unit_test(no_archive_is_larger_than_an_offset),
        cmocka_unit_test(the_text_may_move_between_calls),
        cmocka_unit_test(blank_lines_before_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
