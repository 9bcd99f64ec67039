#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/fault.h"

static void the_first_fault_tells(void **state)
{
    struct fault f = { .kind = FAULT_NONE };
    assert_false(fault_is_set(&f));
    assert_false(fault_set(&f, FAULT_TLS_NAME, "handshake", "%s\n\x1b[2J%c", "for a", 0xe9));
    assert_true(fault_is_set(&f));
    assert_string_equal(f.detail, "for a??[2J?");
    assert_false(fault_set(&f, FAULT_SYSTEM, "connect", NULL));
    assert_false(fault_sys(&f, FAULT_SYSTEM, "connect", 2));
    assert_int_equal(f.kind, FAULT_TLS_NAME);
    assert_string_equal(f.step, "handshake");
    assert_int_equal(f.sys_errno, 0);
    fault_clear(&f);
    assert_false(fault_is_set(&f));
    assert_false(fault_sys(&f, FAULT_SYSTEM, "open", 2));
    assert_int_equal(f.sys_errno, 2);
    assert_string_equal(f.detail, strerror(2));
    fault_clear(&f);
    fault_set(&f, FAULT_CONFIG, NULL, "%0600d", 7);
    assert_int_equal(strlen(f.detail), FAULT_DETAIL_BYTES - 1);
}

static void every_fault_has_a_row(void **state)
{
    for (int i = 0; i < N_FAULTS; i++) {
        const struct fault_row *row = fault_row((enum fault_kind)i);
        assert_true(row->name[0] != 0 && row->sentence[0] != 0);
        assert_true(row->http_status == 200 ? i == FAULT_NONE
                                            : row->http_status >= 400 && row->http_status < 600);
        for (int k = 0; k < i; k++)
            assert_string_not_equal(row->name, fault_row((enum fault_kind)k)->name);
        if (i != FAULT_NONE)
            assert_true(row->s3_code[0] != 0 && row->stage[0] != 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_fault_tells),
        cmocka_unit_test(every_fault_has_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
