#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/block.h"

#include <string.h>

static void test_take_and_give(void **state)
{
    static const uint32_t sizes[N_IO_BLOCK_SIZES] = { 4096, 16384, 65536 + 4096, 131072 + 4096 };
    struct io_loop l;
    memset(&l, 0, sizeof l);
    for (unsigned i = 0; i < N_IO_BLOCK_SIZES; i++) {
        struct io_block b = { 0 };
        assert_true(io_block_take(&l, &b, (enum io_block_size)i));
        assert_int_equal(io_block_room(&b), sizes[i]);
        assert_int_equal(io_block_n(&b), 0);
        memset(b.p, 'x', b.cap);
        char *p = b.p;
        b.end = 5;
        assert_true(io_block_take(&l, &b, IO_BLOCK_4K)); /* held already: kept */
        assert_true(b.p == p && b.end == 5);
        io_block_give(&l, &b);
        assert_null(b.p);
        io_block_give(&l, &b);
        assert_true(io_block_take(&l, &b, (enum io_block_size)i));
        assert_true(b.p == p && b.start == 0 && b.end == 0); /* the same memory again */
        io_block_give(&l, &b);
    }
    io_blocks_done(&l);
}

static void test_a_burst_goes_back(void **state)
{
    struct io_loop l;
    struct io_block b[100];
    memset(&l, 0, sizeof l);
    memset(b, 0, sizeof b);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++)
            assert_true(io_block_take(&l, &b[i], IO_BLOCK_128K));
        for (int i = 0; i < 100; i++)
            io_block_give(&l, &b[i]);
    }
    assert_true(io_block_take(&l, &b[0], IO_BLOCK_4K));
    io_blocks_done(&l);
    io_block_give(&l, &b[0]); /* after the end it is just freed */
}

static void test_compact(void **state)
{
    struct io_loop l;
    struct io_block b = { 0 };
    memset(&l, 0, sizeof l);
    io_block_compact(&b);
    assert_true(io_block_take(&l, &b, IO_BLOCK_4K));
    memcpy(b.p, "abcdef", 6);
    b.end = 6;
    io_block_compact(&b);
    assert_int_equal(io_block_n(&b), 6);
    b.start = 2;
    io_block_compact(&b);
    assert_true(b.start == 0 && b.end == 4 && memcmp(b.p, "cdef", 4) == 0);
    b.start = 4;
    io_block_compact(&b);
    assert_true(b.start == 0 && b.end == 0);
    io_block_give(&l, &b);
    io_blocks_done(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_and_give),
        cmocka_unit_test(test_a_burst_goes_back),
        cmocka_unit_test(test_compact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
