#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/buf.h"
#include "codec/zip.h"
#include "codec/zip_manifest.h"

/* shown: a line "CRC size location name" for each entry; then what comes: "." the end, "cut" a
 * line without an end, else the reason. A directory's location is "@". */
static const struct manifest_row {
    const char *what;
    struct str text;
    struct str shown;
} rows[] = {
#define ROW(what, text, shown)                                                                     \
    {                                                                                              \
        what, STR_INIT(text), STR_INIT(shown)                                                      \
    }
    ROW("nothing", "", "."),
    ROW("one file", "deadbeef 5 /h/k a\r\n", "deadbeef 5 /h/k a\n."),
    ROW("ended by LF", "1 5 /h/k a\n", "1 5 /h/k a\n."),
    ROW("ended by CR", "1 5 /h/k a\r", "1 5 /h/k a\n."),
    ROW("all ends in one text", "1 5 /h/k a\r2 5 /h/k b\n3 5 /h/k c\r\n",
        "1 5 /h/k a\n2 5 /h/k b\n3 5 /h/k c\n."),
    ROW("blank lines", "\r\n \n\r\r  \r\n1 5 /h/k a\n\n   \n", "1 5 /h/k a\n."),
    ROW("blank lines alone", "\r\n\n \r", "."),
    ROW("no CRC", "- 5 /h/k a\n", "- 5 /h/k a\n."),
    ROW("CRC in either case", "dEaDbEeF 5 /h/k a\n", "deadbeef 5 /h/k a\n."),
    ROW("CRC padded", "0000000000000000deadbeef 5 /h/k a\n", "deadbeef 5 /h/k a\n."),
    ROW("CRC 0 of a file with bytes", "0 5 /h/k a\n", "0 5 /h/k a\n."),
    ROW("CRC of nine digits", "1deadbeef 5 /h/k a\n", "the CRC has more than 32 bits"),
    ROW("CRC not hexadecimal", "deadbeeg 5 /h/k a\n", "the CRC is neither hexadecimal nor \"-\""),
    ROW("CRC with a prefix", "0x1 5 /h/k a\n", "the CRC is neither hexadecimal nor \"-\""),
    ROW("two dashes", "-- 5 /h/k a\n", "the CRC is neither hexadecimal nor \"-\""),
    ROW("a line that begins with a space", " 1 5 /h/k a\n", "the line begins with a space"),
    ROW("many spaces", "1   5  /h/k    a b \n", "1 5 /h/k a b \n."),
    ROW("a tab between", "1\t5 /h/k a\n", "the CRC is neither hexadecimal nor \"-\""),
    ROW("a tab before the location", "1 5 \t/h/k a\n", "the location does not begin with a slash"),
    ROW("a size that is padded", "1 0005 /h/k a\n", "1 5 /h/k a\n."),
    ROW("the largest size", "1 9223372036854775807 /h/k a\n", "1 9223372036854775807 /h/k a\n."),
    ROW("one more", "1 9223372036854775808 /h/k a\n", "the size is too large"),
    ROW("beyond 64 bits", "1 99999999999999999999 /h/k a\n", "the size is too large"),
    ROW("a negative size", "1 -5 /h/k a\n", "the size is not a decimal number"),
    ROW("a size in hexadecimal", "1 5f /h/k a\n", "the size is not a decimal number"),
    ROW("a line of a CRC", "1\n", "the size is missing"),
    ROW("a line of CRC and size", "1 5\n", "the location is missing"),
    ROW("a line without a name", "1 5 /h/k\n", "the name is missing"),
    ROW("a line with spaces for a name", "1 5 /h/k   \n", "the name is missing"),
    ROW("an empty file", "0 0 /h/k a\n", "0 0 /h/k a\n."),
    ROW("an empty file without a CRC has one", "- 0 /h/k a\n", "0 0 /h/k a\n."),
    ROW("an empty file with another CRC", "1 0 /h/k a\n", "an empty file's CRC is 0"),
    ROW("a directory", "0 0 @directory a\n", "0 0 @ a\n."),
    ROW("a directory with its slash", "0 0 @directory a/\n", "0 0 @ a/\n."),
    ROW("a directory's CRC and size", "deadbeef 99999999999999999999 @directory a\n", "0 0 @ a\n."),
    ROW("a directory without a CRC", "- 5 @directory a\n", "0 0 @ a\n."),
    ROW("a directory's broken CRC", "x 0 @directory a\n",
        "the CRC is neither hexadecimal nor \"-\""),
    ROW("a directory's broken size", "0 x @directory a\n", "the size is not a decimal number"),
    ROW("another word", "0 0 @directories a\n",
        "the location begins with \"@\", and is not \"@directory\""),
    ROW("another word's beginning", "0 0 @dir a\n",
        "the location begins with \"@\", and is not \"@directory\""),
    ROW("a location is raw", "1 5 /h/%2F/../k?x=%zz&y? a\n", "1 5 /h/%2F/../k?x=%zz&y? a\n."),
    ROW("a location of raw bytes", "1 5 /h/\xff\xc3 a\n", "1 5 /h/\xff\xc3 a\n."),
    ROW("a location with a fragment", "1 5 /h/k#f a\n",
        "the location holds a character that no request target has"),
    ROW("a location with NUL", "1 5 /h/\0k a\n",
        "the location holds a character that no request target has"),
    ROW("a location with a tab", "1 5 /h/\tk a\n",
        "the location holds a character that no request target has"),
    ROW("a location with DEL", "1 5 /h/\x7fk a\n",
        "the location holds a character that no request target has"),
    ROW("a location with a scheme", "1 5 https://h/k a\n",
        "the location does not begin with a slash"),
    ROW("a name with spaces at its end", "1 5 /h/k a  \r\n", "1 5 /h/k a  \n."),
    ROW("a name beyond ASCII", "1 5 /h/k \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
        "1 5 /h/k \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n."),
    ROW("the ends of UTF-8's lengths",
        "1 5 /h/k \xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n",
        "1 5 /h/k \xc2\xa0\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"
        "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\n."),
    ROW("Latin-1", "1 5 /h/k caf\xe9\n", "the name is not UTF-8"),
    ROW("a continuation alone", "1 5 /h/k a\x80\n", "the name is not UTF-8"),
    ROW("two bytes, cut", "1 5 /h/k a\xc3\n", "the name is not UTF-8"),
    ROW("three bytes, cut", "1 5 /h/k a\xe2\x82\n", "the name is not UTF-8"),
    ROW("four bytes, cut", "1 5 /h/k a\xf0\x9f\x98\n", "the name is not UTF-8"),
    ROW("overlong in two bytes", "1 5 /h/k \xc1\x81\n", "the name is not UTF-8"),
    ROW("an overlong dot", "1 5 /h/k \xc0\xae\xc0\xae/a\n", "the name is not UTF-8"),
    ROW("overlong in three bytes", "1 5 /h/k \xe0\x9f\xbf\n", "the name is not UTF-8"),
    ROW("overlong in four bytes", "1 5 /h/k \xf0\x8f\xbf\xbf\n", "the name is not UTF-8"),
    ROW("a surrogate", "1 5 /h/k \xed\xa0\x80\n", "the name is not UTF-8"),
    ROW("the last surrogate", "1 5 /h/k \xed\xbf\xbf\n", "the name is not UTF-8"),
    ROW("beyond Unicode", "1 5 /h/k \xf4\x90\x80\x80\n", "the name is not UTF-8"),
    ROW("a lead of five bytes", "1 5 /h/k \xf8\x88\x80\x80\x80\n", "the name is not UTF-8"),
    ROW("one, before three", "1 5 /h/k \xf8\x90\x80\x80\n", "the name is not UTF-8"),
    ROW("NUL in a name", "1 5 /h/k a\0b\n", "the name holds a control character"),
    ROW("a tab in a name", "1 5 /h/k a\tb\n", "the name holds a control character"),
    ROW("ESC in a name", "1 5 /h/k \x1b[2J\n", "the name holds a control character"),
    ROW("DEL in a name", "1 5 /h/k a\x7f\n", "the name holds a control character"),
    ROW("the first C1 control", "1 5 /h/k a\xc2\x80\n", "the name holds a control character"),
    ROW("the last C1 control", "1 5 /h/k a\xc2\x9f\n", "the name holds a control character"),
    ROW("a backslash", "1 5 /h/k a\\b\n", "the name holds a backslash"),
    ROW("an absolute name", "1 5 /h/k /a\n", "the name is absolute"),
    ROW("a name of slashes", "0 0 @directory //\n", "the name is absolute"),
    ROW("a drive", "1 5 /h/k C:a\n", "the name begins with a drive letter"),
    ROW("a drive alone", "1 5 /h/k c:\n", "the name begins with a drive letter"),
    ROW("a colon elsewhere", "1 5 /h/k ab:c\n1 5 /h/k 1:2\n", "1 5 /h/k ab:c\n1 5 /h/k 1:2\n."),
    ROW("up alone", "1 5 /h/k ..\n", "the name holds a \"..\" component"),
    ROW("up first", "1 5 /h/k ../a\n", "the name holds a \"..\" component"),
    ROW("up last", "1 5 /h/k a/..\n", "the name holds a \"..\" component"),
    ROW("up within", "1 5 /h/k a/../b\n", "the name holds a \"..\" component"),
    ROW("up, as a directory", "0 0 @directory a/../\n", "the name holds a \"..\" component"),
    ROW("dots that do not lead up", "1 5 /h/k ...\n1 5 /h/k a..b/..c/d..\n1 5 /h/k .. \n",
        "1 5 /h/k ...\n1 5 /h/k a..b/..c/d..\n1 5 /h/k .. \n."),
    ROW("names that come twice stay", "1 5 /h/k a\n2 6 /h/l a\n", "1 5 /h/k a\n2 6 /h/l a\n."),
    ROW("a last line without an end", "1 5 /h/k a\n1 5 /h/k b", "1 5 /h/k a\ncut"),
    ROW("even of spaces", "1 5 /h/k a\n  ", "1 5 /h/k a\ncut"),
    ROW("what is good before a bad one is told", "1 5 /h/k a\n\nx\n",
        "1 5 /h/k a\nthe CRC is neither hexadecimal nor \"-\""),
#undef ROW
};

static void show_entry(struct buf *out, const struct zip_entry *e)
{
    if (e->has_crc)
        buf_printf(out, "%x", e->crc);
    else
        buf_append(out, STR("-"));
    buf_byte(out, ' ');
    buf_u64(out, e->size);
    buf_byte(out, ' ');
    assert_int_equal(e->is_directory, e->location.n == 0);
    buf_append(out, e->is_directory ? STR("@") : e->location);
    buf_byte(out, ' ');
    buf_append(out, e->name);
    buf_byte(out, '\n');
}

/* The text comes in pieces; each entry is read as soon as it can be. */
static void show(struct str text, size_t piece, struct buf *out)
{
    size_t at = 0;
    const char *why = NULL;
    for (size_t here = piece;; here += piece) {
        struct str part = str_first(text, here);
        /* A copy of its own: a read past its end is seen, and the text moves. */
        char *copy = malloc(part.n + 1);
        memcpy(copy, part.p, part.n);
        char *exact = realloc(copy, part.n ? part.n : 1);
        struct zip_entry e;
        enum zip_manifest_step step;
        while ((step = zip_manifest_next(str_of(exact, part.n), &at, &e, &why)) ==
               ZIP_MANIFEST_ENTRY)
            show_entry(out, &e);
        free(exact);
        assert_true(at <= part.n);
        if (step == ZIP_MANIFEST_BAD) {
            buf_append(out, str_from_c(why));
            return;
        }
        if (here >= text.n) {
            buf_append(out, at == text.n ? STR(".") : STR("cut"));
            return;
        }
    }
}

static void lines_are_read(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        for (size_t piece = rows[i].text.n + 1; piece > 0; piece--) {
            struct buf out;
            buf_init(&out, SIZE_MAX / 2);
            show(rows[i].text, piece, &out);
            if (!str_eq(buf_str(&out), rows[i].shown))
                fail_msg("%s, pieces of %zu: %.*s", rows[i].what, piece, STR_ARG(buf_str(&out)));
            buf_done(&out);
        }
    }
}

/* before, n times `fill`, after: is it one good entry? *why when not. */
static bool is_good(const char *before, size_t n, const char *after, const char **why)
{
    struct buf text;
    struct zip_entry e;
    size_t at = 0;
    buf_init(&text, SIZE_MAX / 2);
    buf_append(&text, str_from_c(before));
    for (size_t i = 0; i < n; i++)
        buf_byte(&text, '0');
    buf_append(&text, str_from_c(after));
    enum zip_manifest_step step = zip_manifest_next(buf_str(&text), &at, &e, why);
    buf_done(&text);
    return step == ZIP_MANIFEST_ENTRY;
}

static void what_may_be_long_has_an_end(void **state)
{
    const char *why = "";
    assert_true(is_good("1 5 /", ZIP_LOCATION_BYTES - 1, " a\n", &why));
    assert_false(is_good("1 5 /", ZIP_LOCATION_BYTES, " a\n", &why));
    assert_string_equal(why, "the location is too long");
    assert_true(is_good("1 5 /h/k ", ZIP_NAME_BYTES, "\n", &why));
    assert_false(is_good("1 5 /h/k ", ZIP_NAME_BYTES + 1, "\n", &why));
    assert_string_equal(why, "the name is too long");
    assert_true(is_good("0 0 @directory ", ZIP_NAME_BYTES - 1, "\n", &why));
    assert_false(is_good("0 0 @directory ", ZIP_NAME_BYTES, "\n", &why));
    assert_true(is_good("0 0 @directory ", ZIP_NAME_BYTES - 1, "/\n", &why));
    assert_false(is_good("0 0 @directory ", ZIP_NAME_BYTES, "/\n", &why));
    assert_true(is_good("0 ", 100000, " @directory a\n", &why));
    assert_true(is_good("", 100000, "1 5 /h/k a\n", &why));
    static const char rest[] = "1 5 /h/k a";
    assert_true(is_good("", ZIP_LINE_BYTES - (sizeof rest - 1), "1 5 /h/k a\n", &why));
    assert_false(is_good("", ZIP_LINE_BYTES - (sizeof rest - 1) + 1, "1 5 /h/k a\n", &why));
    assert_string_equal(why, "the line is too long");
}

static void a_line_is_too_long_before_its_end_comes(void **state)
{
    char *text = malloc(ZIP_LINE_BYTES + 1);
    struct zip_entry e;
    const char *why = NULL;
    size_t at = 0;
    memset(text, '0', ZIP_LINE_BYTES + 1);
    assert_int_equal(zip_manifest_next(str_of(text, ZIP_LINE_BYTES), &at, &e, &why),
                     ZIP_MANIFEST_MORE);
    assert_int_equal(at, 0);
    assert_int_equal(zip_manifest_next(str_of(text, ZIP_LINE_BYTES + 1), &at, &e, &why),
                     ZIP_MANIFEST_BAD);
    assert_string_equal(why, "the line is too long");
    free(text);
}

static void the_end_of_a_line_is_found_wherever_it_is(void **state)
{
    char text[1000];
    memset(text, 'n', sizeof text);
    memcpy(text, "1 5 /h/k ", 9);
    for (size_t i = 10; i < sizeof text; i++) {
        struct zip_entry e;
        const char *why;
        size_t at = 0;
        text[i] = i & 1 ? '\n' : '\r';
        assert_int_equal(zip_manifest_next(str_of(text, sizeof text), &at, &e, &why),
                         ZIP_MANIFEST_ENTRY);
        assert_int_equal(at, i + 1);
        assert_int_equal(e.name.n, i - 9);
        text[i] = 'n';
    }
}

static void entries_borrow_from_the_text(void **state)
{
    struct str text = STR("deadbeef 5 /h/k  a b\r\n");
    struct zip_entry e;
    const char *why;
    size_t at = 0;
    assert_int_equal(zip_manifest_next(text, &at, &e, &why), ZIP_MANIFEST_ENTRY);
    assert_int_equal(at, text.n - 1);
    assert_ptr_equal(e.location.p, text.p + 11);
    assert_ptr_equal(e.name.p, text.p + 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read),
        cmocka_unit_test(what_may_be_long_has_an_end),
        cmocka_unit_test(a_line_is_too_long_before_its_end_comes),
        cmocka_unit_test(the_end_of_a_line_is_found_wherever_it_is),
        cmocka_unit_test(entries_borrow_from_the_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
