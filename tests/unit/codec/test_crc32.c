#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/crc32.h"

enum { MAX_BYTES = 5000 };

static unsigned char bytes[MAX_BYTES + 64];

/* Bit by bit, as RFC 1952 has it. */
static uint32_t slowly(uint32_t crc, const unsigned char *p, size_t n)
{
    crc = ~crc;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static struct str part(size_t at, size_t n)
{
    return str_of((const char *)bytes + at, n);
}

static void known_values(void **state)
{
    assert_int_equal(crc32_update(0, STR("")), 0);
    assert_int_equal(crc32_update(0, STR("123456789")), 0xcbf43926);
    assert_int_equal(crc32_update(crc32_update(0, STR("1234")), STR("56789")), 0xcbf43926);
    assert_int_equal(crc32_update(0x12345678, STR("")), 0x12345678);
}

static void any_length_and_alignment(void **state)
{
    uint32_t expected = 0;
    for (size_t n = 0; n <= MAX_BYTES; n++) {
        assert_int_equal(crc32_update(0, part(0, n)), expected);
        expected = slowly(expected, bytes + n, 1);
    }
    for (size_t at = 0; at < 64; at++)
        assert_int_equal(crc32_update(7, part(at, 3000)), slowly(7, bytes + at, 3000));
}

static void in_two_pieces_as_in_one(void **state)
{
    uint32_t whole = slowly(0, bytes, MAX_BYTES);
    for (size_t n = 0; n <= MAX_BYTES; n += 13)
        assert_int_equal(crc32_update(crc32_update(0, part(0, n)), part(n, MAX_BYTES - n)), whole);
}

static void every_bit_counts(void **state)
{
    uint32_t whole = crc32_update(0, part(0, 2048));
    for (size_t bit = 0; bit < 2048 * 8; bit += 5) {
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
        assert_int_not_equal(crc32_update(0, part(0, 2048)), whole);
        bytes[bit / 8] ^= (unsigned char)(1 << bit % 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(any_length_and_alignment),
        cmocka_unit_test(in_two_pieces_as_in_one),
        cmocka_unit_test(every_bit_counts),
    };
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof bytes; i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (unsigned char)(x >> 24);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
