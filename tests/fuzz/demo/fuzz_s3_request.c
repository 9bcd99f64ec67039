/*
 * One request head, as the demo's origin reads it. A plan lies inside the object, a key is no
 * longer than the path it was decoded from.
 */
#include <stdlib.h>

#include "demo/s3_request.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_plan(const struct http_head *head)
{
    const struct demo_object object = { .size = 1000, .mtime_s = 784111777, .etag = "\"a\"" };
    struct demo_s3_plan plan;
    demo_s3_plan_get(head, &object, &plan);
    if (plan.status != 200 && plan.status != 206 && plan.status != 304 && plan.status != 412 &&
        plan.status != 416)
        abort();
    if (plan.status == 206 && (plan.n == 0 || plan.first > 999 || plan.n > 1000 - plan.first))
        abort();
    demo_s3_may_put(head, &object);
    demo_s3_may_put(head, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct http_head head;
    struct demo_s3_request request;
    struct fault f = { .kind = FAULT_NONE };
    struct arena arena;
    size_t scanned = 0, used = 0;
    char *copy = exact_copy(data, n);
    if (http1_parse_request(str_of(copy, n), &scanned, &head, &used, &f) == HTTP_DONE) {
        arena_init(&arena, 1 << 20);
        demo_s3_request_read(&head, &arena, &request);
        if (request.key.n > head.target.n || request.list.max_keys > 1000)
            abort();
        check_plan(&head);
        arena_done(&arena);
    }
    free(copy);
    return 0;
}
