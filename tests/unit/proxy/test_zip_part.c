/* One part of an archive, from a scripted S3. */
#include "store.h"

#define KIB 1024
#define BLOCK ((uint64_t)ZIP_PART_BLOCK_BYTES)

static const struct object objects[] = { { "/b/k", 1000, NULL },
                                         { "/b/big", 1000 * KIB, NULL },
                                         { "/b/q?X-Amz-Signature=SECRET", 1000, NULL },
                                         { 0 } };

struct fetch {
    struct lab *l;
    struct zip_part *p;
    struct buf body;
    enum io_result end; /* IO_AGAIN until it has one */
    unsigned n_changes, n_pauses;
    uint64_t pauses[8];
    bool is_lazy;
    size_t bite; /* the most that is consumed at once; 0: all */
    char location[256];
};

static int setup(void **state)
{
    *state = lab_new();
    return 0;
}

static int teardown(void **state)
{
    lab_free(*state);
    return 0;
}

static void fetch_read(struct fetch *t)
{
    struct str data;
    while (!t->is_lazy && (t->end = zip_part_read(t->p, &data)) == IO_OK) {
        size_t n = t->bite > 0 && data.n > t->bite ? t->bite : data.n;
        assert_true(n > 0);
        buf_append(&t->body, str_first(data, n));
        zip_part_consume(t->p, n);
    }
}

static void on_fetch(struct zip_part *p)
{
    struct fetch *t = p->owner;
    t->n_changes++;
    if (p->is_leading)
        fetch_read(t);
}

/* Bytes [first, first + n) of an object; reserve 0: it leads. */
static void fetch_start(struct fetch *t, struct lab *l, unsigned object, uint64_t first, uint64_t n,
                        uint64_t reserve)
{
    const struct object *o = &l->store.objects[object];
    struct zip_piece piece = {
        .kind = ZIP_PIECE_DATA, .n = n, .first = first, .number = ZIP_NO_CRC
    };
    piece.entry = (struct zip_entry){ .name = STR("the name"),
                                      .location = location_of(o, t->location),
                                      .size = o->n,
                                      .has_crc = o->crc == NULL };
    if (piece.entry.has_crc)
        piece.entry.crc = zip_made_crc(piece.entry.location, o->n);
    t->l = l;
    t->end = IO_AGAIN;
    buf_init(&t->body, 64u << 20);
    t->p = zip_part_new(&l->px->proxy, &piece, STR("X-Passed: y\r\n"), reserve);
    assert_non_null(t->p);
    t->p->owner = t;
    t->p->on_change = on_fetch;
    t->p->may_persist = true;
    if (reserve == 0)
        zip_part_lead(t->p);
}

static void whole(struct fetch *t, struct lab *l, unsigned object, uint64_t reserve)
{
    fetch_start(t, l, object, 0, l->store.objects[object].n, reserve);
}

static void fetch_done(struct fetch *t)
{
    zip_part_free(t->p);
    buf_done(&t->body);
}

/* Pauses are noted and passed over. What is held never exceeds what was set aside. */
static bool fetch_is_settled(struct fetch *t)
{
    struct zip_part *p = t->p;
    if (p->state == ZIP_PART_PAUSED && p->pause.is_armed) {
        uint64_t now = io_now_ms(&t->l->px->rig->loop);
        if (p->pause.deadline_ms > now + 2) {
            assert_true(t->n_pauses < 8);
            /* The clock may have gone on a little since. */
            t->pauses[t->n_pauses++] = (p->pause.deadline_ms - now + 50) / 100 * 100;
            io_timer_arm(&t->l->px->rig->loop, &p->pause, 1);
        }
    }
    if (!p->is_leading)
        assert_true(p->held <= p->reserved);
    return t->end == IO_EOF || t->end == IO_FAILED ||
           (!p->is_leading && p->state >= ZIP_PART_WHOLE);
}

#define AWAIT(t) TURN_UNTIL((t)->l->px->rig, fetch_is_settled(t))

static bool body_is(const struct fetch *t, size_t first, size_t n)
{
    char *data = malloc(n + 1);
    zip_made_data(str_from_c(t->location), first, data, n);
    bool is_so = t->body.n == n && memcmp(t->body.p, data, n) == 0;
    free(data);
    return is_so;
}

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

/* ---- what is tried again ---- */

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
        assert_int_equal(l->store.n_requests, ZIP_PART_MAX_BARREN);
        assert_int_equal(t.p->n_tries, ZIP_PART_MAX_BARREN - 1);
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

/* ---- what ends it ---- */

#define OK200(n) "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: " #n "\r\n\r\n"
#define PART206(range, n)                                                                          \
    "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Range: bytes " range "\r\nContent-Length: " #n END
#define CHUNKED "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n"
#define HELLO "5\r\nhello\r\n"

/* /b/k of five bytes, "hello"; a range is 1-3. */
static const struct bad {
    const char *says;
    bool is_range;
    const char *send;
    enum after after;
    enum fault_kind kind;
    const char *detail;
} bads[] = {
    { "404", false, "HTTP/1.1 404 N\r\nx-amz-request-id: ID\r\nContent-Length: 0" END, STAY,
      FAULT_PART_REFUSED, "S3 answered 404, x-amz-request-id ID" },
    { "403", false, "HTTP/1.1 403 F\r\nContent-Length: 0" END, STAY, FAULT_PART_REFUSED,
      "S3 answered 403" },
    { "a redirect", false, "HTTP/1.1 307 T\r\nLocation: http://s3.test/x\r\nContent-Length: 0" END,
      STAY, FAULT_PART_REFUSED, "S3 answered 307" },
    { "501 is no matter of time", false, "HTTP/1.1 501 N\r\nContent-Length: 0" END, STAY,
      FAULT_PART_REFUSED, "S3 answered 501" },
    { "204", false, "HTTP/1.1 204 N" END, STAY, FAULT_PART_REFUSED, "S3 answered 204" },
    { "206 to a request for all", false, PART206("0-4/5", 5) "hello", STAY, FAULT_PART_REFUSED,
      "S3 answered 206" },
    { "200 to a request for a range", true, OK200(5) "hello", STAY, FAULT_PART_REFUSED,
      "S3 answered 200 to a request for a range" },
    { "412", true, "HTTP/1.1 412 P\r\nContent-Length: 0" END, STAY, FAULT_UPSTREAM_REPLACED,
      "it changed between two tries" },
    { "416", true, "HTTP/1.1 416 R\r\nContent-Length: 0" END, STAY, FAULT_PART_DAMAGED,
      "S3 has fewer bytes than the registry says, 5" },
    { "shorter", false, OK200(4) "hell", STAY, FAULT_PART_DAMAGED,
      "S3 has 4 bytes, the registry says 5" },
    { "empty", false, OK200(0), STAY, FAULT_PART_DAMAGED, "S3 has 0 bytes, the registry says 5" },
    { "longer", false, OK200(6) "hello!", STAY, FAULT_PART_DAMAGED,
      "S3 has 6 bytes, the registry says 5" },
    { "shorter, chunked", false, CHUNKED "4\r\nhell\r\n0" END, STAY, FAULT_PART_DAMAGED,
      "it ended after 4 of 5 bytes" },
    { "longer, chunked", false, CHUNKED "6\r\nhello!\r\n0" END, STAY, FAULT_PART_DAMAGED,
      "S3 sends more than the 5 bytes that the registry says" },
    { "longer, in a chunk of its own", false, CHUNKED HELLO "1\r\n!\r\n0" END, STAY,
      FAULT_PART_DAMAGED, "S3 sends more than the 5 bytes that the registry says" },
    { "shorter, to the end of the connection", false, "HTTP/1.1 200 OK\r\n\r\nhell", CLOSE,
      FAULT_PART_DAMAGED, "it ended after 4 of 5 bytes" },
    { "other bytes", false, OK200(5) "Hello", STAY, FAULT_PART_DAMAGED,
      "its CRC is f7d18982, the registry says 3610a686" },
    { "another range", true, PART206("0-2/5", 3) "hel", STAY, FAULT_PART_REFUSED,
      "S3 answered with another range than was asked for" },
    { "a longer range", true, PART206("1-4/5", 4) "ello", STAY, FAULT_PART_REFUSED,
      "S3 answered with another range than was asked for" },
    { "a range that begins before", true, PART206("0-3/5", 4) "hell", STAY, FAULT_PART_REFUSED,
      "S3 answered with another range than was asked for" },
    { "a range that begins behind", true, PART206("2-3/5", 2) "ll", STAY, FAULT_PART_REFUSED,
      "S3 answered with another range than was asked for" },
    { "a range of another length than it says", true, PART206("1-3/5", 2) "el", STAY,
      FAULT_PART_REFUSED, "S3 answered with another range than was asked for" },
    { "a range of an unknown total", true, PART206("1-3/*", 3) "ell", STAY, FAULT_PART_REFUSED,
      "S3 answered with another range than was asked for" },
    { "a range without Content-Range", true, "HTTP/1.1 206 P\r\nContent-Length: 3\r\n\r\nell", STAY,
      FAULT_PART_REFUSED, "S3 answered with another range than was asked for" },
    { "a range of a larger object", true, PART206("1-3/6", 3) "ell", STAY, FAULT_PART_DAMAGED,
      "S3 has 6 bytes, the registry says 5" },
    { "a range of a smaller object", true, PART206("1-2/3", 2) "el", STAY, FAULT_PART_DAMAGED,
      "S3 has 3 bytes, the registry says 5" },
};

static void wrong_answers(void **state)
{
    struct object hello[] = { { "/b/k", 5, NULL }, { 0 } };
    struct lab *l = *state;
    for (size_t i = 0; i < 2 * sizeof bads / sizeof *bads; i++) {
        const struct bad *row = &bads[i / 2];
        const struct say script[] = { { "", row->send, 0, row->after, 0 }, { 0 } };
        struct fetch t = { 0 };
        lab_serve(l, hello, script, NULL);
        fetch_start(&t, l, 0, row->is_range ? 1 : 0, row->is_range ? 3 : 5, i % 2 ? 4 * BLOCK : 0);
        t.p->entry.crc = 0x3610a686;
        AWAIT(&t);
        zip_part_lead(t.p);
        fetch_read(&t);
        if (t.end != IO_FAILED || t.p->fault.kind != row->kind ||
            !strstr(t.p->fault.detail, row->detail))
            fail_msg("%s: %s", row->says, t.p->fault.detail);
        assert_true(strncmp(t.p->fault.detail, "\"the name\" of s3.test: ", 23) == 0);
        assert_int_equal(l->store.n_requests, 1);
        assert_true(t.body.n <= 5);
        /* And it stays so. */
        fetch_read(&t);
        assert_int_equal(t.end, IO_FAILED);
        fetch_done(&t);
    }
}

/* What is right in other clothes. */
static void right_answers(void **state)
{
    static const struct {
        bool is_range;
        const char *send;
        enum after after;
    } rows[] = {
        { false, CHUNKED HELLO "0" END, STAY },
        { false, CHUNKED "1\r\nh\r\n4\r\nello\r\n0\r\nT: t" END, STAY },
        { false, "HTTP/1.1 200 OK\r\n\r\nhello", CLOSE },
        { false, "HTTP/1.1 103 E" END OK200(5) "hello", STAY },
        { true, PART206("1-3/5", 3) "ell", STAY },
        { true,
          "HTTP/1.1 206 P\r\nContent-Range: bytes 1-3/5\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nell\r\n0" END,
          STAY },
        /* All of it came; the end that says so did not. */
        { false, CHUNKED HELLO, CUT },
        { true,
          "HTTP/1.1 206 P\r\nContent-Range: bytes 1-3/5\r\nTransfer-Encoding: chunked\r\n\r\n"
          "3\r\nell\r\n",
          CUT },
    };
    struct object hello[] = { { "/b/k", 5, NULL }, { 0 } };
    struct lab *l = *state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const struct say script[] = { { "", rows[i / 2].send, 0, rows[i / 2].after, 0 }, { 0 } };
        bool is_range = rows[i / 2].is_range;
        struct fetch t = { 0 };
        lab_serve(l, hello, script, NULL);
        fetch_start(&t, l, 0, is_range ? 1 : 0, is_range ? 3 : 5, i % 2 ? 4 * BLOCK : 0);
        t.p->entry.crc = 0x3610a686;
        AWAIT(&t);
        zip_part_lead(t.p);
        fetch_read(&t);
        if (t.end != IO_EOF)
            fail_msg("row %zu: %s", i / 2, t.p->fault.detail);
        assert_true(str_eq(buf_str(&t.body), is_range ? STR("ell") : STR("hello")));
        fetch_done(&t);
    }
}

/* The count was right and nothing says that it was all. */
static void an_end_that_nothing_vouches_for(void **state)
{
    static const struct say script[] = { { "", CHUNKED HELLO, 0, CUT, 0 }, { 0 } };
    struct object hello[] = { { "/b/k", 5, "-" }, { 0 } };
    struct fetch t = { 0 };
    lab_serve(*state, hello, script, NULL);
    whole(&t, *state, 0, 0);
    AWAIT(&t);
    assert_int_equal(t.end, IO_FAILED);
    assert_int_equal(t.p->fault.kind, FAULT_UPSTREAM_CLOSED);
    fetch_done(&t);
}

static void replaced_between_two_tries(void **state)
{
    static const char *const again[] = {
        "HTTP/1.1 412 P\r\nContent-Length: 0" END,
        "HTTP/1.1 206 P\r\nETag: \"f\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3" END
        "llo",
        "HTTP/1.1 206 P\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3" END "llo",
        "HTTP/1.1 206 P\r\nETag: W/\"e\"\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3" END
        "llo",
    };
    struct object hello[] = { { "/b/k", 5, NULL }, { 0 } };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof again / sizeof *again; i++) {
        const struct say script[] = { { "", OK200(5) "he", 0, CUT, 0 },
                                      { "Range: bytes=2-4\r\nIf-Match: \"e\"\r\n", again[i], 0,
                                        STAY, 0 },
                                      { 0 } };
        struct fetch t = { 0 };
        lab_serve(l, hello, script, NULL);
        whole(&t, l, 0, 0);
        AWAIT(&t);
        assert_int_equal(t.end, IO_FAILED);
        assert_int_equal(t.p->fault.kind, FAULT_UPSTREAM_REPLACED);
        assert_true(str_eq(buf_str(&t.body), STR("he")));
        fetch_done(&t);
    }
}

/* What came before it failed is handed out; then it is said. */
static void a_part_that_failed_ahead(void **state)
{
    static const struct say script[] = {
        { "", NULL, 200 * KIB, CUT, 0 },
        { "", "HTTP/1.1 404 N\r\nContent-Length: 0" END, 0, STAY, 0 },
        { 0 },
    };
    struct fetch t = { 0 };
    lab_serve(*state, objects, script, NULL);
    whole(&t, *state, 1, zip_part_wish(objects[1].n));
    AWAIT(&t);
    assert_int_equal(t.p->state, ZIP_PART_FAILED);
    assert_true(zip_part_unreserve(t.p) > 0);
    assert_int_equal(t.p->reserved, t.p->held);
    zip_part_lead(t.p);
    fetch_read(&t);
    assert_int_equal(t.end, IO_FAILED);
    assert_true(body_is(&t, 0, 200 * KIB));
    fetch_done(&t);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
        TEST(cut_bodies_are_resumed),
        TEST(a_cut_range_is_resumed),
        TEST(five_barren_tries_end_it),
        TEST(progress_resets_the_count),
        TEST(a_trickle_is_progress),
        TEST(without_an_etag),
        TEST(busy_answers_are_tried_three_times),
        TEST(a_connection_that_is_refused),
        TEST(an_address_that_is_never_dialled),
        TEST(wrong_answers),
        TEST(right_answers),
        TEST(an_end_that_nothing_vouches_for),
        TEST(replaced_between_two_tries),
        TEST(a_part_that_failed_ahead),
        TEST(freed_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
