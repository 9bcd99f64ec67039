/* One part of an archive, from a scripted S3: what goes well, and what it holds of memory. */
#include "fetch.h"

/* ---- what goes well ---- */

static void leading_and_ahead(void **state)
{
    static const size_t sizes[] = { 0, 1 };
    static const size_t bites[] = { 0, 777, 70000 };
    struct lab *l = *state;
    for (size_t i = 0; i < 2 * 3 * 2; i++) {
        struct fetch t = { .bite = bites[i / 2 % 3] };
        unsigned object = (unsigned)sizes[i / 6];
        size_t n = objects[object].n;
        lab_serve(l, objects, NULL, NULL);
        whole(&t, l, object, i % 2 ? zip_part_wish(n) : 0);
        AWAIT(&t);
        if (i % 2) {
            assert_int_equal(t.body.n, 0);
            assert_int_equal(t.p->state, ZIP_PART_WHOLE);
            zip_part_lead(t.p);
            fetch_read(&t);
        }
        assert_int_equal(t.end, IO_EOF);
        assert_true(body_is(&t, 0, n));
        assert_int_equal(t.p->held, 0);
        assert_int_equal(t.p->crc, zip_made_crc(str_from_c(t.location), n));
        assert_int_equal(t.p->n_tries, 0);
        assert_int_equal(l->store.n_requests, 1);
        fetch_done(&t);
        /* Its connection is kept. */
        assert_int_equal(upstream_count(l->px->rig->up).n_idle, 1);
    }
}

static void the_request(void **state)
{
    struct lab *l = *state;
    struct fetch t = { 0 };
    lab_serve(l, objects, NULL, NULL);
    whole(&t, l, 2, 0);
    AWAIT(&t);
    assert_true(str_eq(buf_str(&l->store.log),
                       STR("GET /b/q?X-Amz-Signature=SECRET HTTP/1.1\r\nHost: s3.test\r\n"
                           "X-Passed: y\r\n\r\n")));
    fetch_done(&t);
}

/* A location without a path, and with a query alone. */
static void roots(void **state)
{
    static const struct object roots_[] = { { "", 10, NULL }, { "?list", 10, NULL }, { 0 } };
    static const struct say script[] = {
        { "GET / HTTP", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", 0, STAY, 0 },
        { "GET /?list HTTP", "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n", 0, STAY, 0 },
        { 0 }
    };
    for (unsigned i = 0; i < 2; i++) {
        struct fetch t = { 0 };
        lab_serve(*state, roots_, script, NULL);
        whole(&t, *state, i, 0);
        AWAIT(&t);
        assert_int_equal(t.p->fault.kind, FAULT_PART_DAMAGED);
        fetch_done(&t);
    }
}

static void ranges_of_an_entry(void **state)
{
    static const struct {
        uint64_t first, n;
        const char *range;
    } rows[] = {
        { 0, 1, "Range: bytes=0-0\r\n" },       { 0, 999, "Range: bytes=0-998\r\n" },
        { 1, 999, "Range: bytes=1-999\r\n" },   { 500, 10, "Range: bytes=500-509\r\n" },
        { 999, 1, "Range: bytes=999-999\r\n" },
    };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fetch t = { 0 };
        lab_serve(l, objects, NULL, NULL);
        fetch_start(&t, l, 0, rows[i].first, rows[i].n, 0);
        AWAIT(&t);
        assert_int_equal(t.end, IO_EOF);
        assert_true(body_is(&t, rows[i].first, rows[i].n));
        assert_int_equal(log_count(&l->store, rows[i].range), 1);
        assert_int_equal(log_count(&l->store, "If-Match"), 0);
        fetch_done(&t);
    }
}

/* ---- memory ---- */

/* The leading one is read at the client's pace. */
static void the_leading_one_holds_nothing(void **state)
{
    struct lab *l = *state;
    for (unsigned i = 0; i < 2; i++) {
        struct fetch t = { .is_lazy = true };
        lab_serve(l, objects, NULL, NULL);
        whole(&t, l, i, 0);
        TURN_UNTIL(l->px->rig, t.p->is_promised);
        turn_ms(l->px->rig, 20);
        assert_int_equal(t.p->state, ZIP_PART_BODY);
        assert_int_equal(t.p->n_blocks, 0);
        t.is_lazy = false;
        fetch_read(&t);
        AWAIT(&t);
        assert_true(body_is(&t, 0, objects[i].n));
        fetch_done(&t);
    }
}

/* It stops where its reserve ends, holds no more however S3 sends, and goes on when it leads. */
static void the_reserve_is_kept(void **state)
{
    static const uint64_t blocks[] = { 1, 2, 3, 5 };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        struct fetch t = { 0 };
        uint64_t reserve = blocks[i] * BLOCK;
        lab_serve(l, objects, NULL, NULL);
        whole(&t, l, 1, reserve);
        TURN_UNTIL(l->px->rig, t.p->is_promised);
        for (int turn = 0; turn < 40; turn++) {
            turn_ms(l->px->rig, 1);
            assert_true(t.p->held <= reserve - BLOCK);
        }
        assert_int_equal(t.p->state, ZIP_PART_BODY);
        assert_int_equal(t.p->n_blocks, blocks[i] - 1);
        assert_int_equal(zip_part_unreserve(t.p), 0);
        zip_part_lead(t.p);
        assert_int_equal(zip_part_unreserve(t.p), reserve - t.p->held);
        fetch_read(&t);
        AWAIT(&t);
        assert_int_equal(t.end, IO_EOF);
        assert_true(body_is(&t, 0, objects[1].n));
        zip_part_unreserve(t.p);
        assert_int_equal(t.p->reserved, 0);
        fetch_done(&t);
    }
}

/* Also of a small one that comes in pieces, or without its length. */
static void small_ones_keep_their_reserve(void **state)
{
    static char chunks[40000];
    static const struct object small[] = { { "/b/k", 60000, NULL }, { 0 } };
    const struct say scripts[][4] = {
        { { "", NULL, 20000, CUT, 0 }, { "", NULL, 20000, CUT, 0 }, { 0 } },
        { { "", NULL, 100, CUT, 0 }, { "", NULL, 100, CUT, 0 }, { 0 } },
        { { "", chunks, 0, CUT, 0 }, { 0 } },
    };
    struct lab *l = *state;
    char location[256];
    int n =
        snprintf(chunks, sizeof chunks,
                 "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n7530\r\n");
    zip_made_data(location_of(small, location), 0, chunks + n, 30000);
    /* The script is text. */
    for (int i = 0; i < 30000; i++)
        if (chunks[n + i] == 0)
            chunks[n + i] = 'x';
    for (int i = 0; i < 3; i++) {
        struct fetch t = { 0 };
        lab_serve(l, small, scripts[i], NULL);
        whole(&t, l, 0, zip_part_wish(60000));
        t.p->entry.has_crc = i < 2;
        TURN_UNTIL(l->px->rig, fetch_is_settled(&t) || t.p->is_promised);
        for (int turn = 0; turn < 50; turn++) {
            turn_ms(l->px->rig, 1);
            fetch_is_settled(&t);
        }
        zip_part_lead(t.p);
        fetch_read(&t);
        AWAIT(&t);
        assert_int_equal(t.end, IO_EOF);
        assert_true(i == 2 || body_is(&t, 0, 60000));
        fetch_done(&t);
    }
}

/* A wish is enough for all of it, whatever comes in which pieces, and what is not needed returns.
 */
static void a_wish_is_enough(void **state)
{
    static const size_t sizes[] = { 1,     100,    4096,   5000,   16384,  20000,  65536,
                                    65537, 131072, 131073, 262144, 400000, 1 << 20 };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const struct object one[] = { { "/b/k", sizes[i], NULL }, { 0 } };
        struct fetch t = { 0 };
        uint64_t wish = zip_part_wish(sizes[i]);
        lab_serve(l, one, NULL, NULL);
        whole(&t, l, 0, wish);
        AWAIT(&t);
        assert_int_equal(t.p->state, ZIP_PART_WHOLE);
        assert_int_equal(zip_part_unreserve(t.p), wish - t.p->held);
        assert_int_equal(t.p->reserved, t.p->held);
        /* Few bytes stand in a small block. */
        assert_true(t.p->held <= sizes[i] + sizes[i] / 2 + 20 * KIB || sizes[i] > 16 * KIB);
        assert_true(sizes[i] > 4096 || t.p->held == 4096);
        fetch_done(&t);
    }
}

/* ---- ends from outside ---- */

/* In any state, and inside its own callback. */
static void on_fetch_frees(struct zip_part *p)
{
    struct fetch *t = p->owner;
    t->end = IO_EOF;
    zip_part_free(p);
}

static void freed_at_any_time(void **state)
{
    static const struct say script[] = { { "", NULL, 100, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { 0 } };
    struct lab *l = *state;
    for (int i = 0; i < 6; i++) {
        struct fetch t = { .is_lazy = i == 3 };
        lab_serve(l, objects, i == 2 ? script : NULL, NULL);
        whole(&t, l, i == 3 ? 1 : 0, i % 2 ? 2 * BLOCK : 0);
        if (i == 4 || i == 5) {
            t.p->on_change = on_fetch_frees;
            TURN_UNTIL(l->px->rig, t.end == IO_EOF);
            buf_done(&t.body);
            continue;
        }
        if (i == 1)
            TURN_UNTIL(l->px->rig, l->store.o.n_peers == 1);
        if (i == 2)
            TURN_UNTIL(l->px->rig, t.p->state == ZIP_PART_PAUSED);
        if (i == 3)
            TURN_UNTIL(l->px->rig, t.p->n_blocks > 0);
        fetch_done(&t);
        turn_ms(l->px->rig, 5);
    }
    zip_part_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(leading_and_ahead),
        TEST(the_request),
        TEST(roots),
        TEST(ranges_of_an_entry),
        TEST(the_leading_one_holds_nothing),
        TEST(the_reserve_is_kept),
        TEST(small_ones_keep_their_reserve),
        TEST(a_wish_is_enough),
        TEST(freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
