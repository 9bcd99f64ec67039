#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/list.h"

struct item {
    int value;
    struct list node;
};

static int sum_and_order(struct list *head)
{
    int seen = 0;
    LIST_EACH (it, after, head)
        seen = seen * 10 + LIST_ENTRY(it, struct item, node)->value;
    return seen;
}

static void lists_keep_their_order(void **state)
{
    struct list head;
    struct item items[5];
    list_init(&head);
    assert_true(list_is_empty(&head));
    assert_int_equal(sum_and_order(&head), 0);
    for (int i = 0; i < 5; i++)
        items[i].value = i + 1;
    list_push_back(&head, &items[1].node);
    list_push_back(&head, &items[2].node);
    list_push_front(&head, &items[0].node);
    list_insert_before(&items[2].node, &items[3].node);
    assert_int_equal(sum_and_order(&head), 1243);
    list_remove(&items[1].node);
    list_remove(&items[1].node);
    assert_int_equal(sum_and_order(&head), 143);
    assert_true(list_is_empty(&items[1].node));
    LIST_EACH (it, after, &head)
        list_remove(it);
    assert_true(list_is_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_keep_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
