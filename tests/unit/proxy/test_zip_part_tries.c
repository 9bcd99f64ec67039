/* One part of an archive that S3 cuts, or is too busy for, or cannot be had: it is tried again. */
#include "fetch.h"

static void cut_bodies_are_resumed(void **state)
{
    static const struct say script[] = {
        { "GET /b/big ", NULL, 300000, CUT, 0 },
        { "Range: bytes=300000-1023999\r\nIf-Match: \"e\"\r\n", NULL, 1, RESET, 0 },
        { "Range: bytes=300001-1023999\r\nIf-Match: \"e\"\r\n", NULL, 400000, CLOSE, 0 },
        { "Range: bytes=700001-1023999\r\nIf-Match: \"e\"\r\n", NULL, 300000, STAY,
          0 }, /* stalls */
        { "Range: bytes=1000001-1023999\r\nIf-Match: \"e\"\r\n", NULL, ALL, STAY, 0 },
        { 0 },
    };
    struct lab *l = *state;
    l->px->rig->conf->body_timeout_ms = 200;
    for (int i = 0; i < 2; i++) {
        struct fetch t = { 0 };
        lab_serve(l, objects, script, NULL);
        /* What comes after a cut may need blocks of its own. */
        whole(&t, l, 1, i ? 2 * zip_part_wish(objects[1].n) : 0);
        AWAIT(&t);
        zip_part_lead(t.p);
        fetch_read(&t);
        assert_int_equal(t.end, IO_EOF);
        assert_true(body_is(&t, 0, objects[1].n));
        /* A reset may take the one byte with it: then there is one try more. */
        assert_in_range(t.p->n_tries, 4, 5);
        assert_in_range(t.n_pauses, 0, 1);
        fetch_done(&t);
    }
}

/* And a range of an entry goes on inside its range. */
static void a_cut_range_is_resumed(void **state)
{
    static const struct say script[] = {
        { "Range: bytes=100-899\r\n", NULL, 200, CUT, 0 },
        { "Range: bytes=300-899\r\nIf-Match: \"e\"\r\n", NULL, ALL, STAY, 0 },
        { 0 },
    };
    struct fetch t = { 0 };
    lab_serve(*state, objects, script, NULL);
    fetch_start(&t, *state, 0, 100, 800, 0);
    AWAIT(&t);
    assert_int_equal(t.end, IO_EOF);
    assert_true(body_is(&t, 100, 800));
    assert_int_equal(t.p->n_tries, 1);
    fetch_done(&t);
}

static void five_barren_tries_end_it(void **state)
{
    static const struct say script[] = { { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { 0 } };
    struct lab *l = *state;
    for (int i = 0; i < 2; i++) {
        struct fetch t = { 0 };
        lab_serve(l, objects, script, NULL);
        whole(&t, l, 0, i ? zip_part_wish(1000) : 0);
        AWAIT(&t);
        assert_int_equal(t.p->state, ZIP_PART_FAILED);
        assert_int_equal(t.p->fault.kind, FAULT_UPSTREAM_CLOSED);
        assert_non_null(
            strstr(t.p->fault.detail, "\"the name\" of s3.test: after 0 of 1000 bytes"));
        assert_int_equal(l->store.n_requests, 5);
        assert_int_equal(t.p->n_tries, 4);
        assert_int_equal(t.n_pauses, 4);
        for (unsigned j = 0; j < 4; j++)
            assert_int_equal(t.pauses[j], 400u << j);
        fetch_done(&t);
    }
}

/* A byte of progress, and the count begins anew. */
static void progress_resets_the_count(void **state)
{
    static const struct say script[] = { { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 10, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, 0, CUT, 0 },
                                         { "", NULL, ALL, STAY, 0 },
                                         { 0 } };
    struct fetch t = { 0 };
    lab_serve(*state, objects, script, NULL);
    whole(&t, *state, 0, 0);
    AWAIT(&t);
    assert_int_equal(t.end, IO_EOF);
    assert_true(body_is(&t, 0, 1000));
    assert_int_equal(t.n_pauses, 8);
    assert_int_equal(t.pauses[4], 400);
    fetch_done(&t);
}

/* Also what came before it stalled, while it was read ahead and a block was being filled. */
static void a_trickle_is_progress(void **state)
{
    static const struct say script[] = {
        { "", NULL, 10, STAY, 0 },
        { "Range: bytes=10-", NULL, 10, STAY, 0 },
        { "Range: bytes=20-", NULL, 10, STAY, 0 },
        { "Range: bytes=30-", NULL, 10, STAY, 0 },
        { "Range: bytes=40-", NULL, 10, STAY, 0 },
        { "Range: bytes=50-", NULL, 10, STAY, 0 },
        { 0 },
    };
    struct lab *l = *state;
    l->px->rig->conf->body_timeout_ms = 100;
    for (int i = 0; i < 2; i++) {
        struct fetch t = { 0 };
        lab_serve(l, objects, script, NULL);
        whole(&t, l, 0, i ? 4 * BLOCK : 0);
        AWAIT(&t);
        zip_part_lead(t.p);
        fetch_read(&t);
        assert_int_equal(t.end, IO_EOF);
        assert_true(body_is(&t, 0, 1000));
        assert_int_equal(t.p->n_tries, 6);
        assert_int_equal(t.n_pauses, 0);
        fetch_done(&t);
    }
}

/* Two halves that nothing holds together are not put together. */
static void without_an_etag(void **state)
{
    static const struct object unknown[] = { { "/b/k", 1000, "-" }, { "/b/k", 1000, NULL }, { 0 } };
    static const struct say script[] = { { "", NULL, 10, CUT, 0 }, { 0 } };
    struct lab *l = *state;
    for (unsigned i = 0; i < 3; i++) {
        struct fetch t = { 0 };
        lab_serve(l, unknown, script, NULL);
        l->store.etag = i == 2 ? "W/\"e\"" : NULL;
        if (i == 1)
            whole(&t, l, 1, 0);
        else
            fetch_start(&t, l, i == 0 ? 0 : 1, i == 0 ? 0 : 1, i == 0 ? 1000 : 999, 0);
        AWAIT(&t);
        assert_int_equal(t.end, i == 1 ? IO_EOF : IO_FAILED);
        assert_int_equal(l->store.n_requests, i == 1 ? 2 : 1);
        assert_int_equal(log_count(&l->store, "If-Match"), 0);
        if (i == 1)
            assert_true(body_is(&t, 0, 1000));
        fetch_done(&t);
    }
}

#define BUSY(status)                                                                               \
    {                                                                                              \
        "", "HTTP/1.1 " status " Slow\r\nContent-Length: 0" END, 0, STAY, 0                        \
    }

static void busy_answers_are_tried_three_times(void **state)
{
    static const struct say script[] = {
        BUSY("503"), BUSY("429"), BUSY("500"), BUSY("502 X\r\nx-amz-request-id: R4\r\nX:"), { 0 }
    };
    static const struct say recovers[] = { BUSY("504"), BUSY("502"),
                                           BUSY("503"), { "", NULL, 10, CUT, 0 },
                                           BUSY("503"), { 0 } };
    struct lab *l = *state;
    struct fetch t = { 0 };
    lab_serve(l, objects, script, NULL);
    whole(&t, l, 0, 0);
    AWAIT(&t);
    assert_int_equal(t.end, IO_FAILED);
    assert_int_equal(t.p->fault.kind, FAULT_PART_REFUSED);
    assert_string_equal(t.p->fault.detail,
                        "\"the name\" of s3.test: S3 answered 502, as it did to 3 tries before, "
                        "x-amz-request-id R4");
    assert_int_equal(l->store.n_requests, 4);
    assert_int_equal(l->store.o.n_peers, 1); /* on the connection that was kept */
    assert_int_equal(t.n_pauses, 3);
    for (unsigned j = 0; j < 3; j++)
        assert_int_equal(t.pauses[j], 500u << j);
    fetch_done(&t);

    t = (struct fetch){ 0 };
    lab_serve(l, objects, recovers, NULL);
    whole(&t, l, 0, 4 * BLOCK);
    AWAIT(&t);
    zip_part_lead(t.p);
    fetch_read(&t);
    assert_int_equal(t.end, IO_EOF);
    assert_true(body_is(&t, 0, 1000));
    assert_int_equal(t.n_pauses, 4);
    assert_int_equal(t.pauses[3], 500);
    fetch_done(&t);
}

/* Nobody listens: a matter for later parts alone. */
static void a_connection_that_is_refused(void **state)
{
    struct lab *l = *state;
    for (int persists = 0; persists < 2; persists++) {
        struct fetch t = { 0 };
        lab_serve(l, objects, NULL, NULL);
        io_listener_close(&l->store.o.listener);
        whole(&t, l, 0, 0);
        t.p->may_persist = persists;
        AWAIT(&t);
        assert_int_equal(t.end, IO_FAILED);
        assert_int_equal(t.p->n_tries, persists ? 4 : 0);
        fetch_done(&t);
    }
}

/* That is no matter of time. */
static void an_address_that_is_never_dialled(void **state)
{
    struct lab *l = *state;
    struct fetch t = { 0 };
    struct conf *conf = l->px->rig->conf;
    lab_serve(l, objects, NULL, NULL);
    size_t n = conf->allow_addresses.n;
    conf->allow_addresses.n = 0;
    whole(&t, l, 0, 0);
    AWAIT(&t);
    assert_int_equal(t.p->fault.kind, FAULT_PART_REFUSED);
    assert_int_equal(t.p->n_tries, 0);
    fetch_done(&t);
    conf->allow_addresses.n = n;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cut_bodies_are_resumed),
        TEST(a_cut_range_is_resumed),
        TEST(five_barren_tries_end_it),
        TEST(progress_resets_the_count),
        TEST(a_trickle_is_progress),
        TEST(without_an_etag),
        TEST(busy_answers_are_tried_three_times),
        TEST(a_connection_that_is_refused),
        TEST(an_address_that_is_never_dialled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
