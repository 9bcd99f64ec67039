#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "codec/dns_name.h"

#include "name_of.h"

#define A10 "aaaaaaaaaa"
#define A60 A10 A10 A10 A10 A10 A10
#define A61 A60 "a"
#define A63 A60 "aaa"
#define E30 "\\097\\097\\097\\097\\097\\097\\097\\097\\097\\097"
#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static struct str exact_copy(struct str s)
{
    char *p = malloc(s.n > 0 ? s.n : 1);
    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return str_of(s.n > 0 ? p : p + 1, s.n);
}

static void exact_free(struct str s)
{
    free((char *)(uintptr_t)s.p - (s.n > 0 ? 0 : 1));
}

static void text_becomes_wire_and_text(void **state)
{
    static const struct {
        const char *row;
        struct str text;
        const char *back; /* NULL: refused */
        unsigned n;
    } rows[] = {
        { "the root", B("."), ".", 1 },
        { "one label", B("localhost"), "localhost", 11 },
        { "the last dot makes no difference", B("a.b."), "a.b", 5 },
        { "case is kept", B("S3.Eu-West-1.AmazonAWS.com"), "S3.Eu-West-1.AmazonAWS.com", 28 },
        { "no text is no name", B(""), NULL, 0 },
        { "a leading dot is an empty label", B(".a"), NULL, 0 },
        { "two dots are an empty label", B("a..b"), NULL, 0 },
        { "two dots at the end are one too", B("a.."), NULL, 0 },
        { "two dots alone", B(".."), NULL, 0 },
        { "an escaped dot stands in a label", B("a\\.b.c"), "a\\.b.c", 7 },
        { "a decimal escape", B("\\000\\255\\097"), "\\000\\255a", 5 },
        { "an escape above 255", B("\\256"), NULL, 0 },
        { "an escape of two digits", B("a\\25"), NULL, 0 },
        { "an escape of digits and a letter", B("\\12x4"), NULL, 0 },
        { "a backslash at the end", B("a\\"), NULL, 0 },
        { "an escaped backslash", B("a\\\\"), "a\\\\", 4 },
        { "raw bytes come back escaped", B("a b\0\xff\t"), "a\\032b\\000\\255\\009", 8 },
        { "master file specials", B("\"();@$"), "\\\"\\(\\)\\;\\@\\$", 8 },
        { "underscore, star, hyphen, slash", B("_a.*.-.0/25"), "_a.*.-.0/25", 13 },
        { "a label of 63", B(A63), A63, 65 },
        { "a label of 64", B(A63 "a"), NULL, 0 },
        { "a name of 255 bytes", B(A63 "." A63 "." A63 "." A61), A63 "." A63 "." A63 "." A61, 255 },
        { "the same with a dot", B(A63 "." A63 "." A63 "." A61 "."), A63 "." A63 "." A63 "." A61,
          255 },
        { "a name of 256 bytes", B(A63 "." A63 "." A63 "." A61 "a"), NULL, 0 },
        { "escapes count as one byte", B(E30 E30 E30 E30 E30 E30), A60, 62 },
        { "a name that is long by a label", B(A63 "." A63 "." A63 "." A61 ".a"), NULL, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_name name = { .n = 77 };
        char text[DNS_NAME_TEXT_BYTES];
        print_message("  %s\n", rows[i].row);
        struct str copy = exact_copy(rows[i].text);
        assert_int_equal(dns_name_parse(copy, &name), rows[i].back != NULL);
        exact_free(copy);
        if (rows[i].back == NULL) {
            assert_int_equal(name.n, 77);
            continue;
        }
        assert_int_equal(name.n, rows[i].n);
        assert_string_equal(dns_name_text(&name, text), rows[i].back);
        struct dns_name again;
        assert_true(dns_name_parse(str_from_c(text), &again));
        assert_true(dns_name_eq(&name, &again));
    }
}

static void the_longest_text_fits(void **state)
{
    struct dns_name name = { .n = 255 };
    char text[DNS_NAME_TEXT_BYTES];
    memset(name.wire, 0xff, 255);
    name.wire[0] = name.wire[64] = name.wire[128] = 63;
    name.wire[192] = 61;
    name.wire[254] = 0;
    assert_int_equal(strlen(dns_name_text(&name, text)), (63 * 3 + 61) * 4 + 3);
    struct dns_name again;
    assert_true(dns_name_parse(str_from_c(text), &again));
    assert_int_equal(again.n, 255);
    assert_memory_equal(again.wire, name.wire, 255);
    assert_string_equal(dns_name_text(&(struct dns_name){ .n = 0 }, text), "");
}

#define L63 "\x3f" A63

static void wire_is_read(void **state)
{
    static const struct {
        const char *row;
        struct str message;
        size_t at;
        const char *text; /* NULL: refused */
        size_t end;
    } rows[] = {
        { "plain", B("\1a\2bc\0"), 0, "a.bc", 6 },
        { "what follows is left", B("\1a\0\1b"), 0, "a", 3 },
        { "the root", B("\0"), 0, ".", 1 },
        { "nothing", B(""), 0, NULL, 0 },
        { "behind the end", B("\0"), 2, NULL, 0 },
        { "a pointer back", B("\1a\0\1b\xc0\0"), 3, "b.a", 7 },
        { "a bare pointer", B("\1a\0\xc0\0"), 3, "a", 5 },
        { "pointer to pointer", B("\1a\0\1b\xc0\0\1c\xc0\3"), 7, "c.b.a", 11 },
        { "a pointer into the middle", B("\1a\1b\0\1c\xc0\2"), 5, "c.b", 9 },
        { "a pointer to itself", B("\xc0\0"), 0, NULL, 0 },
        { "a pointer to its own name", B("\1a\xc0\0"), 0, NULL, 0 },
        { "a pointer into its own name", B("\0\1a\1b\xc0\3"), 1, NULL, 0 },
        { "a pointer forwards", B("\xc0\2\0"), 0, NULL, 0 },
        { "a pointer past the end", B("\0\xff\xff"), 1, NULL, 0 },
        { "two that point at each other", B("\xc0\2\xc0\0"), 2, NULL, 0 },
        { "back, and then forwards again", B("\xc0\2\1a\0\xc0\0"), 5, NULL, 0 },
        { "labels that run into what points at them", B("\2\xc0\0\0"), 1, NULL, 0 },
        { "labels that end where it begins", B("\1a\0\xc0\0"), 3, "a", 5 },
        { "half a pointer", B("\0\xc0"), 1, NULL, 0 },
        { "a label past the end", B("\3ab"), 0, NULL, 0 },
        { "a label to the very end, no root", B("\2ab"), 0, NULL, 0 },
        { "label type 01", B("\x41" A63 "aa\0"), 0, NULL, 0 },
        { "label type 10", B("\x80\0"), 0, NULL, 0 },
        { "255 bytes", B(L63 L63 L63 "\x3d" A61 "\0"), 0, A63 "." A63 "." A63 "." A61, 255 },
        { "256 bytes", B(L63 L63 L63 "\x3e" A61 "a\0"), 0, NULL, 0 },
        { "256 bytes by a pointer", B(L63 L63 "\0" L63 "\x3e" A61 "a\xc0\0"), 129, NULL, 0 },
        { "255 bytes by a pointer", B(L63 L63 "\0" L63 "\x3d" A61 "\xc0\0"), 129,
          A63 "." A61 "." A63 "." A63, 257 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_name name;
        char text[DNS_NAME_TEXT_BYTES];
        size_t at = rows[i].at;
        print_message("  %s\n", rows[i].row);
        struct str copy = exact_copy(rows[i].message);
        bool is_read = dns_name_read(copy, &at, &name);
        exact_free(copy);
        assert_int_equal(is_read, rows[i].text != NULL);
        assert_int_equal(at, is_read ? rows[i].end : rows[i].at);
        if (is_read)
            assert_string_equal(dns_name_text(&name, text), rows[i].text);
    }
}

/* n pointers, each to the one before, behind a root. */
static bool chain_is_read(unsigned n)
{
    uint8_t message[1024] = { 0 };
    struct dns_name name;
    for (unsigned i = 0; i < n; i++) {
        unsigned to = i == 0 ? 0 : 1 + 2 * (i - 1);
        message[1 + 2 * i] = (uint8_t)(0xc0 | to >> 8);
        message[2 + 2 * i] = (uint8_t)to;
    }
    size_t at = 1 + 2 * (n - 1);
    return dns_name_read(str_of((char *)message, 1 + 2 * n), &at, &name);
}

static void chains_of_pointers_end(void **state)
{
    assert_true(chain_is_read(1));
    assert_true(chain_is_read(DNS_NAME_MAX_POINTERS));
    assert_false(chain_is_read(DNS_NAME_MAX_POINTERS + 1));
}

static void names_compare_by_labels(void **state)
{
    static const struct {
        const char *name, *zone;
        bool is_eq, is_in;
    } rows[] = {
        { "amazonaws.com", "amazonaws.com", true, true },
        { "AmazonAWS.COM", "amazonaws.com", true, true },
        { "s3.eu-west-1.amazonaws.com", "AMAZONAWS.com", false, true },
        { "notamazonaws.com", "amazonaws.com", false, false },
        { "amazonaws.com.evil.org", "amazonaws.com", false, false },
        { "com", "amazonaws.com", false, false },
        { "a", ".", false, true },
        { ".", ".", true, true },
        { ".", "a", false, false },
        { "x\\003com", "com", false, false }, /* the bytes of the zone's wire form in a label */
        { "\\192", "\\224", false, false },   /* only ASCII folds */
        { "[", "{", false, false },
        { "@", "\\`", false, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dns_name name = name_of(rows[i].name), zone = name_of(rows[i].zone);
        print_message("  %s in %s\n", rows[i].name, rows[i].zone);
        assert_int_equal(dns_name_eq(&name, &zone), rows[i].is_eq);
        assert_int_equal(dns_name_is_in(&name, &zone), rows[i].is_in);
    }
    struct dns_name none = { .n = 0 }, root = name_of(".");
    assert_false(dns_name_is_in(&root, &none));
    assert_false(dns_name_is_in(&none, &root));
    assert_false(dns_name_eq(&none, &root));
}

static void lower_folds_ascii(void **state)
{
    char text[DNS_NAME_TEXT_BYTES];
    struct dns_name name = name_of("A[Z\\201.B");
    dns_name_lower(&name);
    assert_string_equal(dns_name_text(&name, text), "a[z\\201.b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_wire_and_text),
        cmocka_unit_test(the_longest_text_fits),
        cmocka_unit_test(wire_is_read),
        cmocka_unit_test(chains_of_pointers_end),
        cmocka_unit_test(names_compare_by_labels),
        cmocka_unit_test(lower_folds_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
