#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/zip.h"

static const struct time_row {
    const char *what;
    int64_t unix_s;
    unsigned year, month, day, hour, minute, second;
} time_rows[] = {
    { "a time", 784111777, 1994, 11, 6, 8, 49, 36 },
    { "an even second", 784111776, 1994, 11, 6, 8, 49, 36 },
    { "the first", 315532800, 1980, 1, 1, 0, 0, 0 },
    { "before the first", 315532799, 1980, 1, 1, 0, 0, 0 },
    { "the epoch", 0, 1980, 1, 1, 0, 0, 0 },
    { "before the epoch", INT64_MIN, 1980, 1, 1, 0, 0, 0 },
    { "the last", 4354819199, 2107, 12, 31, 23, 59, 58 },
    { "after the last", 4354819200, 2107, 12, 31, 23, 59, 58 },
    { "far after", INT64_MAX, 2107, 12, 31, 23, 59, 58 },
    { "a leap day", 1709208000, 2024, 2, 29, 12, 0, 0 },
};

static void times_are_in_two_seconds(void **state)
{
    for (size_t i = 0; i < sizeof time_rows / sizeof *time_rows; i++) {
        const struct time_row *row = &time_rows[i];
        uint32_t t = zip_time(row->unix_s);
        if ((t >> 25) + 1980 != row->year || (t >> 21 & 15) != row->month ||
            (t >> 16 & 31) != row->day || (t >> 11 & 31) != row->hour ||
            (t >> 5 & 63) != row->minute || (t & 31) * 2 != row->second)
            fail_msg("%s: %08x", row->what, t);
    }
}

static const struct record_row {
    const char *what;
    struct zip_member m;
    struct str local, descriptor, central; /* as APPNOTE 4.3 lays them out */
} record_rows[] = {
    { "a file",
      { STR_INIT("ab"), 5, 0x1234, 0xdeadbeef, true, false, false },
      STR_INIT("PK\3\4"
               "\12\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\0\0"
               "ab"),
      STR_INIT(""),
      STR_INIT("PK\1\2"
               "\55\3"
               "\12\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0\xa4\x81"
               "\x34\x12\0\0"
               "ab") },
    { "a CRC that comes later",
      { STR_INIT("ab"), 5, 0x1234, 0xdeadbeef, false, false, false },
      STR_INIT("PK\3\4"
               "\24\0"
               "\10\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\0\0\0\0"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\0\0"
               "ab"),
      STR_INIT("PK\7\10"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"),
      STR_INIT("PK\1\2"
               "\55\3"
               "\24\0"
               "\10\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0\xa4\x81"
               "\x34\x12\0\0"
               "ab") },
    { "a directory",
      { STR_INIT("ab"), 0, 0, 0, true, true, true },
      STR_INIT("PK\3\4"
               "\24\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\0\0\0\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\3\0"
               "\0\0"
               "ab/"),
      STR_INIT(""),
      STR_INIT("PK\1\2"
               "\55\3"
               "\24\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\0\0\0\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\3\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\20\0\xed\x41"
               "\0\0\0\0"
               "ab/") },
    { "ZIP64 sizes and offset",
      { STR_INIT("ab"), 0x123456789a, 0xffffffff, 0xdeadbeef, false, false, false },
      STR_INIT("PK\3\4"
               "\55\0"
               "\10\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\0\0\0\0"
               "\xff\xff\xff\xff"
               "\xff\xff\xff\xff"
               "\2\0"
               "\24\0"
               "ab"
               "\1\0"
               "\20\0"
               "\x9a\x78\x56\x34\x12\0\0\0"
               "\x9a\x78\x56\x34\x12\0\0\0"),
      STR_INIT("PK\7\10"
               "\xef\xbe\xad\xde"
               "\x9a\x78\x56\x34\x12\0\0\0"
               "\x9a\x78\x56\x34\x12\0\0\0"),
      STR_INIT("PK\1\2"
               "\55\3"
               "\55\0"
               "\10\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\xff\xff\xff\xff"
               "\xff\xff\xff\xff"
               "\2\0"
               "\34\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0\xa4\x81"
               "\xff\xff\xff\xff"
               "ab"
               "\1\0"
               "\30\0"
               "\x9a\x78\x56\x34\x12\0\0\0"
               "\x9a\x78\x56\x34\x12\0\0\0"
               "\xff\xff\xff\xff\0\0\0\0") },
    { "a ZIP64 offset alone",
      { STR_INIT("ab"), 5, 0x100000000, 0xdeadbeef, true, false, false },
      STR_INIT("PK\3\4"
               "\55\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\0\0"
               "ab"),
      STR_INIT(""),
      STR_INIT("PK\1\2"
               "\55\3"
               "\55\0"
               "\0\10"
               "\0\0"
               "\x34\x12"
               "\x78\x56"
               "\xef\xbe\xad\xde"
               "\5\0\0\0"
               "\5\0\0\0"
               "\2\0"
               "\14\0"
               "\0\0"
               "\0\0"
               "\0\0"
               "\0\0\xa4\x81"
               "\xff\xff\xff\xff"
               "ab"
               "\1\0"
               "\10\0"
               "\0\0\0\0\1\0\0\0") },
};

static void check(const char *what, const char *record, struct buf *out, uint32_t n_bytes,
                  struct str expected)
{
    if (!str_eq(buf_str(out), expected) || n_bytes != expected.n)
        fail_msg("%s: %s of %zu bytes, said to be %u", what, record, out->n, n_bytes);
    buf_clear(out);
}

static void records_are_those_of_the_specification(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof record_rows / sizeof *record_rows; i++) {
        const struct record_row *row = &record_rows[i];
        zip_write_local(&out, &row->m, 0x56781234);
        check(row->what, "local", &out, zip_local_bytes(&row->m), row->local);
        zip_write_descriptor(&out, &row->m);
        check(row->what, "descriptor", &out, zip_descriptor_bytes(&row->m), row->descriptor);
        zip_write_central(&out, &row->m, 0x56781234);
        check(row->what, "central", &out, zip_central_bytes(&row->m), row->central);
    }
    buf_done(&out);
}

static const struct end_row {
    const char *what;
    uint64_t n_entries, central_offset, central_bytes;
    struct str expected;
} end_rows[] = {
    { "nothing", 0, 0, 0,
      STR_INIT("PK\5\6"
               "\0\0\0\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\0\0") },
    { "the largest", 0xfffe, 0xfffffffe, 0xfffffffe,
      STR_INIT("PK\5\6"
               "\0\0\0\0"
               "\xfe\xff\xfe\xff"
               "\xfe\xff\xff\xff"
               "\xfe\xff\xff\xff"
               "\0\0") },
    { "many entries", 0xffff, 0x1000, 0x200,
      STR_INIT("PK\6\6"
               "\54\0\0\0\0\0\0\0"
               "\55\3"
               "\55\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\xff\xff\0\0\0\0\0\0"
               "\xff\xff\0\0\0\0\0\0"
               "\0\2\0\0\0\0\0\0"
               "\0\20\0\0\0\0\0\0"
               "PK\6\7"
               "\0\0\0\0"
               "\0\22\0\0\0\0\0\0"
               "\1\0\0\0"
               "PK\5\6"
               "\0\0\0\0"
               "\xff\xff\xff\xff"
               "\0\2\0\0"
               "\0\20\0\0"
               "\0\0") },
    { "a far directory", 2, 0xffffffff, 0x200,
      STR_INIT("PK\6\6"
               "\54\0\0\0\0\0\0\0"
               "\55\3"
               "\55\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\2\0\0\0\0\0\0\0"
               "\2\0\0\0\0\0\0\0"
               "\0\2\0\0\0\0\0\0"
               "\xff\xff\xff\xff\0\0\0\0"
               "PK\6\7"
               "\0\0\0\0"
               "\xff\1\0\0\1\0\0\0"
               "\1\0\0\0"
               "PK\5\6"
               "\0\0\0\0"
               "\2\0\2\0"
               "\0\2\0\0"
               "\xff\xff\xff\xff"
               "\0\0") },
    { "a large directory", 2, 0x10, 0xffffffff,
      STR_INIT("PK\6\6"
               "\54\0\0\0\0\0\0\0"
               "\55\3"
               "\55\0"
               "\0\0\0\0"
               "\0\0\0\0"
               "\2\0\0\0\0\0\0\0"
               "\2\0\0\0\0\0\0\0"
               "\xff\xff\xff\xff\0\0\0\0"
               "\20\0\0\0\0\0\0\0"
               "PK\6\7"
               "\0\0\0\0"
               "\17\0\0\0\1\0\0\0"
               "\1\0\0\0"
               "PK\5\6"
               "\0\0\0\0"
               "\2\0\2\0"
               "\xff\xff\xff\xff"
               "\20\0\0\0"
               "\0\0") },
};

static void the_end_is_that_of_the_specification(void **state)
{
    struct buf out;
    buf_init(&out, 1000);
    for (size_t i = 0; i < sizeof end_rows / sizeof *end_rows; i++) {
        const struct end_row *row = &end_rows[i];
        zip_write_end(&out, row->n_entries, row->central_offset, row->central_bytes);
        check(row->what, "end", &out,
              zip_end_bytes(row->n_entries, row->central_offset, row->central_bytes),
              row->expected);
    }
    buf_done(&out);
}

static void no_room_means_nothing_written(void **state)
{
    struct zip_member m = { STR_INIT("ab"), 5, 0, 1, false, false, false };
    struct buf out;
    buf_init(&out, 15);
    zip_write_local(&out, &m, 0);
    assert_true(out.failed && out.n == 0);
    buf_clear(&out);
    zip_write_descriptor(&out, &m);
    assert_true(out.failed && out.n == 0);
    buf_clear(&out);
    zip_write_central(&out, &m, 0);
    assert_true(out.failed && out.n == 0);
    buf_clear(&out);
    zip_write_end(&out, 0, 0, 0);
    assert_true(out.failed && out.n == 0);
    buf_done(&out);
}

static void the_longest_name_fits(void **state)
{
    static char name[ZIP_NAME_BYTES];
    struct zip_member m = {
        { name, ZIP_NAME_BYTES }, UINT32_MAX, UINT32_MAX, 1, false, false, false
    };
    assert_int_equal(zip_local_bytes(&m), ZIP_LOCAL_BYTES);
    assert_int_equal(zip_central_bytes(&m), ZIP_CENTRAL_BYTES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_in_two_seconds),
        cmocka_unit_test(records_are_those_of_the_specification),
        cmocka_unit_test(the_end_is_that_of_the_specification),
        cmocka_unit_test(no_room_means_nothing_written),
        cmocka_unit_test(the_longest_name_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
