#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/arena.h"

static void an_arena_gives_zeroed_aligned_memory(void **state)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    static const size_t sizes[] = { 1, 3, 8, 17, 100, 4000, 5000, 60000, 1 };
    unsigned char *given[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        given[i] = arena_alloc(&a, sizes[i]);
        assert_non_null(given[i]);
        assert_int_equal((uintptr_t)given[i] % _Alignof(max_align_t), 0);
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(given[i][k], 0);
        memset(given[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizes[i]; k++)
            assert_int_equal(given[i][k], i + 1);
    assert_true(a.total_bytes >= 70000 && a.total_bytes <= 1 << 20);
    arena_done(&a);
    assert_int_equal(a.total_bytes, 0);
    assert_non_null(arena_alloc(&a, 1));
    arena_done(&a);
}

static void an_arena_has_a_ceiling(void **state)
{
    struct arena a;
    arena_init(&a, 10000);
    assert_null(arena_alloc(&a, 10001));
    assert_non_null(arena_alloc(&a, 9000));
    assert_null(arena_alloc(&a, 9000));
    assert_true(a.total_bytes <= 10000);
    arena_done(&a);
}

static void an_arena_copies(void **state)
{
    struct arena a;
    arena_init(&a, 10000);
    struct str copy = arena_copy(&a, STR("a\0b"));
    assert_true(str_eq(copy, STR("a\0b")) && copy.p[3] == 0);
    copy = arena_copy(&a, (struct str){ NULL, 0 });
    assert_true(copy.n == 0 && copy.p != NULL && copy.p[0] == 0);
    char large[10000] = { 0 };
    assert_null(arena_copy(&a, str_of(large, sizeof large)).p);
    arena_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_gives_zeroed_aligned_memory),
        cmocka_unit_test(an_arena_has_a_ceiling),
        cmocka_unit_test(an_arena_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
