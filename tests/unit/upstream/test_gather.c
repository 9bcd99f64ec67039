/* The body of a response in blocks that are handed over, for who reads ahead (exchange_gather). */
#include "rig.h"
#include "upstream/pool.h"

#define LENGTH_OF(n) "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* An exchange whose blocks are gathered whenever it may. */
struct pile {
    struct exchange x;
    struct exchange_request request;
    struct buf body;
    unsigned n_blocks, n_heads, n_readable, n_failed;
    unsigned max_blocks; /* so many are taken, then nobody asks */
    uint32_t n_full;     /* blocks whose window reaches their end */
    enum io_result last;
    bool is_lazy; /* takes nothing by itself */
};

static void gather_all(struct pile *p)
{
    struct io_block block;
    while (p->n_blocks < p->max_blocks && (p->last = exchange_gather(&p->x, &block)) == IO_OK) {
        assert_true(io_block_n(&block) > 0);
        buf_append(&p->body, io_block_str(&block));
        p->n_blocks++;
        p->n_full += io_block_room(&block) == 0;
        io_block_give(p->x.up->loop, &block);
    }
}

static void on_pile(struct exchange *x, enum exchange_event e)
{
    struct pile *p = x->owner;
    p->n_heads += e == EXCHANGE_HEAD;
    p->n_readable += e == EXCHANGE_READABLE;
    p->n_failed += e == EXCHANGE_FAILED;
    if (!p->is_lazy && p->n_heads > 0)
        gather_all(p);
}

static void pile_start(struct rig *r, struct pile *p)
{
    p->request = get(r);
    p->request.is_idempotent = false;
    p->last = IO_AGAIN;
    if (p->max_blocks == 0)
        p->max_blocks = UINT32_MAX;
    buf_init(&p->body, 64u << 20);
    p->x.owner = p;
    p->x.on_event = on_pile;
    exchange_start(&p->x, r->up, &p->request);
}

static bool is_over(const struct pile *p)
{
    return p->last == IO_EOF || p->last == IO_FAILED;
}

static void say(struct rig *r, unsigned peer, struct str bytes)
{
    buf_append(&r->origin.peers[peer].out, bytes);
    peer_flush(&r->origin.peers[peer]);
}

/* Text that repeats only after 23 * 89 bytes, and so at no place of a block. */
static char *text_new(size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        text[i] = (char)('#' + (i % 23 + i % 89) % 80);
    text[n] = '\0';
    return text;
}

/* ---- what the origin says, row by row ---- */

struct row {
    const char *name, *reply;
    enum after after;
    const char *body; /* NULL: RST may overtake any of it */
    enum fault_kind kind;
    bool is_kept;
};

static const struct row rows[] = {
    { "a length", OK5, STAY, "hello", FAULT_NONE, true },
    { "an empty body", LENGTH_OF(0), STAY, "", FAULT_NONE, true },
    { "no content", "HTTP/1.1 204 No\r\n\r\n", STAY, "", FAULT_NONE, true },
    { "a head that asks to close",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", STAY, "ab", FAULT_NONE,
      false },
    { "until close", "HTTP/1.1 200 OK\r\n\r\nabc", CLOSE, "abc", FAULT_NONE, false },
    { "until close, nothing", "HTTP/1.1 200 OK\r\n\r\n", CLOSE, "", FAULT_NONE, false },
    { "chunks are one block", CHUNKED "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n", STAY, "abcde", FAULT_NONE,
      true },
    { "no chunks", CHUNKED "0\r\n\r\n", STAY, "", FAULT_NONE, true },
    { "bytes behind a length", OK5 "x", STAY, "hello", FAULT_NONE, false },
    { "bytes behind an empty body", LENGTH_OF(0) "x", STAY, "", FAULT_NONE, false },
    { "a second response behind a length", OK5 OK5, STAY, "hello", FAULT_NONE, false },
    { "bytes behind the last chunk", CHUNKED "2\r\nab\r\n0\r\n\r\nx", STAY, "ab", FAULT_NONE,
      false },
    { "a cut length: what came is handed over first", LENGTH_OF(5) "hel", CLOSE, "hel",
      FAULT_UPSTREAM_CLOSED, false },
    { "cut before a byte of the body", LENGTH_OF(5), CLOSE, "", FAULT_UPSTREAM_CLOSED, false },
    { "cut behind a chunk", CHUNKED "5\r\nhello\r\n", CLOSE, "hello", FAULT_UPSTREAM_CLOSED,
      false },
    { "cut inside a chunk", CHUNKED "5\r\nhe", CLOSE, "he", FAULT_UPSTREAM_CLOSED, false },
    { "cut inside a chunk's line", CHUNKED "2\r\nab\r\n5", CLOSE, "ab", FAULT_UPSTREAM_CLOSED,
      false },
    { "broken chunks", CHUNKED "5\r\nhello\r\nzz\r\n", STAY, "hello", FAULT_UPSTREAM_PROTOCOL,
      false },
    { "a reset", LENGTH_OF(5) "he", RESET, NULL, FAULT_UPSTREAM_RESET, false },
    { "half a body, then silence", LENGTH_OF(5) "hel", STAY, "hel", FAULT_UPSTREAM_STALLED, false },
};

static void check_row(struct rig *r, const struct row *row, bool is_tls)
{
    const struct act acts[] = { { 0, END, row->reply, 0, row->after }, { 0 } };
    struct pile p = { 0 };
    serve(r, is_tls, acts);
    pile_start(r, &p);
    TURN_UNTIL(r, is_over(&p) || (!row->body && p.n_failed > 0));
    struct io_block block = { 0 };
    if (p.n_heads > 0) /* the end is told as often as it is asked for, with no block */
        assert_true(exchange_gather(&p.x, &block) == p.last && block.p == NULL);
    bool is_body_right = !row->body || str_eq(buf_str(&p.body), str_from_c(row->body));
    unsigned n_blocks = row->body && *row->body ? 1 : 0;
    enum fault_kind kind = p.x.fault.kind;
    exchange_finish(&p.x);
    if (!is_body_right || kind != row->kind || (row->body && p.n_blocks != n_blocks) ||
        (p.last == IO_EOF) != (row->kind == FAULT_NONE) ||
        (upstream_count(r->up).n_idle > 0) != row->is_kept)
        fail_msg("%s (tls %d): %s, %u blocks, body %.*s, idle %zu", row->name, is_tls,
                 fault_row(kind)->name, p.n_blocks, STR_ARG(buf_str(&p.body)),
                 upstream_count(r->up).n_idle);
    buf_done(&p.body);
    origin_close(&r->origin);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
}

static void replies(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(*state, &rows[i], false);
        check_row(*state, &rows[i], true);
    }
}

/* ---- large bodies ---- */

static void check_large(struct rig *r, size_t n, bool is_chunked, bool is_tls)
{
    char *text = text_new(n), head[100];
    struct buf reply;
    struct pile p = { 0 };
    buf_init(&reply, 64u << 20);
    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n);
    buf_append(&reply, is_chunked ? STR(CHUNKED) : str_from_c(head));
    for (size_t at = 0, k = 0; at < n; k++) {
        size_t one = is_chunked ? k * 7919 % 70000 + 1 : n;
        if (one > n - at)
            one = n - at;
        snprintf(head, sizeof head, "%zx\r\n", one);
        buf_append(&reply, is_chunked ? str_from_c(head) : STR(""));
        buf_append(&reply, str_of(text + at, one));
        buf_append(&reply, is_chunked ? STR("\r\n") : STR(""));
        at += one;
    }
    if (is_chunked)
        buf_append(&reply, STR("0\r\n\r\n"));
    buf_byte(&reply, '\0');
    const struct act acts[] = { { 0, END, reply.p, 0, STAY }, { 0 } };
    serve(r, is_tls, acts);
    pile_start(r, &p);
    TURN_UNTIL(r, is_over(&p));
    assert_int_equal(p.last, IO_EOF);
    assert_true(str_eq(buf_str(&p.body), str_of(text, n)));
    /* All but the last are full, or nearly, where the chunks' lines have made room. */
    assert_true(p.n_blocks <= n / (120u * 1024) + 3);
    if (!is_chunked)
        assert_true(p.n_full + 1 >= p.n_blocks);
    exchange_finish(&p.x);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    buf_done(&p.body);
    buf_done(&reply);
    free(text);
}

/* Sizes about the two kinds of blocks; the head shares the first one. */
static void large_bodies_are_exact(void **state)
{
    static const size_t sizes[] = { 65535,  65536,  65537,  69590,  69632,  131072,
                                    131073, 135168, 200704, 204800, 5000003 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        for (unsigned kind = 0; kind < 4; kind++)
            check_large(*state, sizes[i], kind / 2, kind % 2);
}

/* ---- piece by piece ---- */

static void a_trickle_is_handed_over_when_the_block_is_full(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(200000), 0, STAY }, { 0 } };
    char *text = text_new(200000);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct pile p = { 0 };
        size_t sent = 0;
        serve(r, is_tls, acts);
        pile_start(r, &p);
        TURN_UNTIL(r, p.n_heads == 1);
        for (; sent < 50000; sent += 1000) {
            unsigned n_readable = p.n_readable;
            say(r, 0, str_of(text + sent, 1000));
            TURN_UNTIL(r, p.n_readable > n_readable);
            assert_int_equal(p.n_blocks, 0);
        }
        say(r, 0, str_of(text + sent, 199999 - sent));
        TURN_UNTIL(r, p.x.body.total == 199999);
        assert_in_range(p.n_blocks, 1, 2);
        assert_int_equal(p.n_full, p.n_blocks);
        assert_int_equal(p.last, IO_AGAIN);
        say(r, 0, str_of(text + 199999, 1));
        TURN_UNTIL(r, is_over(&p));
        assert_true(str_eq(buf_str(&p.body), str_of(text, 200000)));
        exchange_finish(&p.x);
        assert_int_equal(upstream_count(r->up).n_idle, 1);
        buf_done(&p.body);
    }
    free(text);
}

static void chunks_trickle_byte_by_byte(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, CHUNKED, 0, STAY }, { 0 } };
    static const char chunks[] = "3;ext=1\r\nabc\r\n1\r\nd\r\n0\r\nx-sum: 1\r\n\r\n";
    struct pile p = { 0 };
    serve(r, false, acts);
    pile_start(r, &p);
    TURN_UNTIL(r, p.n_heads == 1);
    for (size_t i = 0; i < sizeof chunks - 1; i++) {
        assert_int_equal(p.n_blocks, 0);
        say(r, 0, str_of(chunks + i, 1));
        turn_ms(r, 2);
    }
    TURN_UNTIL(r, is_over(&p));
    assert_int_equal(p.n_blocks, 1);
    assert_true(str_eq(buf_str(&p.body), STR("abcd")));
    assert_true(str_eq(buf_str(&p.x.body.trailers), STR("x-sum: 1\r\n")));
    exchange_finish(&p.x);
    buf_done(&p.body);
}

/* What came before a cut is worth keeping: the rest is fetched from there. */
static void the_bytes_before_a_cut_come_first(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(5000000), 1234567, CLOSE },
                                { 1, END, LENGTH_OF(5000000), 1234567, CLOSE },
                                { 0 } };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct pile p = { 0 };
        serve(r, is_tls, acts);
        pile_start(r, &p);
        TURN_UNTIL(r, is_over(&p));
        assert_int_equal(p.last, IO_FAILED);
        assert_int_equal(p.x.fault.kind, FAULT_UPSTREAM_CLOSED);
        assert_int_equal(p.body.n, 1234567);
        exchange_finish(&p.x);
        assert_int_equal(upstream_count(r->up).n_idle, 0);
        buf_done(&p.body);
    }
}

/* ---- beside exchange_read ---- */

static void reading_finds_what_gathering_left(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(10) "abc", 0, STAY }, { 0 } };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct pile p = { .is_lazy = true };
        struct io_block block = { 0 };
        struct str data;
        serve(r, is_tls, acts);
        pile_start(r, &p);
        TURN_UNTIL(r, p.n_heads == 1);
        while (p.x.body.total < 3) {
            assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
            turn_ms(r, 1);
        }
        assert_null(block.p);
        assert_int_equal(exchange_read(&p.x, &data), IO_OK);
        assert_true(str_eq(data, STR("abc")));
        exchange_consume(&p.x, 2);
        assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
        unsigned n_readable = p.n_readable;
        say(r, 0, STR("defg"));
        TURN_UNTIL(r, p.n_readable > n_readable);
        assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
        assert_int_equal(exchange_read(&p.x, &data), IO_OK);
        assert_true(str_eq(data, STR("cdefg")));
        exchange_consume(&p.x, 5);
        assert_int_equal(exchange_read(&p.x, &data), IO_AGAIN);
        say(r, 0, STR("hij"));
        TURN_UNTIL(r, p.n_readable > n_readable + 1);
        assert_int_equal(exchange_gather(&p.x, &block), IO_OK);
        assert_true(str_eq(io_block_str(&block), STR("hij")));
        io_block_give(&r->loop, &block);
        assert_int_equal(exchange_read(&p.x, &data), IO_EOF);
        assert_int_equal(exchange_gather(&p.x, &block), IO_EOF);
        exchange_finish(&p.x);
        assert_int_equal(upstream_count(r->up).n_idle, 1);
        buf_done(&p.body);
    }
}

static void reading_finds_what_came_before_a_stall(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(10) "abc", 0, STAY }, { 0 } };
    struct pile p = { .is_lazy = true };
    struct io_block block = { 0 };
    struct str data;
    serve(r, false, acts);
    pile_start(r, &p);
    TURN_UNTIL(r, p.n_heads == 1);
    assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
    TURN_UNTIL(r, p.n_failed == 1);
    assert_int_equal(exchange_read(&p.x, &data), IO_OK);
    assert_true(str_eq(data, STR("abc")));
    exchange_consume(&p.x, 1);
    assert_int_equal(exchange_gather(&p.x, &block), IO_OK);
    assert_true(str_eq(io_block_str(&block), STR("bc")));
    io_block_give(&r->loop, &block);
    assert_int_equal(exchange_gather(&p.x, &block), IO_FAILED);
    assert_int_equal(p.x.fault.kind, FAULT_UPSTREAM_STALLED);
    exchange_finish(&p.x);
    buf_done(&p.body);
}

/* ---- the block is the owner's ---- */

/* The next response on the same connection has a block of its own. */
static void a_block_outlives_its_exchange(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY },
                                { 0, END, LENGTH_OF(9) "different", 0, STAY },
                                { 0 } };
    struct pile first = { .is_lazy = true }, second = { 0 };
    struct io_block block = { 0 };
    serve(r, false, acts);
    pile_start(r, &first);
    TURN_UNTIL(r, first.n_heads == 1);
    TURN_UNTIL(r, exchange_gather(&first.x, &block) == IO_OK);
    assert_int_equal(exchange_gather(&first.x, &block), IO_EOF);
    exchange_finish(&first.x);
    pile_start(r, &second);
    TURN_UNTIL(r, is_over(&second));
    assert_true(second.x.is_reused);
    assert_true(str_eq(buf_str(&second.body), STR("different")));
    assert_true(str_eq(io_block_str(&block), STR("hello")));
    exchange_finish(&second.x);
    io_block_give(&r->loop, &block);
    buf_done(&first.body);
    buf_done(&second.body);
}

static void cancelling_leaves_the_block_alone(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(5000000), 5000000, STAY }, { 0 } };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        struct pile p = { .is_lazy = true };
        struct io_block block = { 0 };
        serve(r, is_tls, acts);
        pile_start(r, &p);
        TURN_UNTIL(r, p.n_heads == 1);
        TURN_UNTIL(r, exchange_gather(&p.x, &block) == IO_OK);
        unsigned n_readable = p.n_readable;
        exchange_cancel(&p.x);
        turn_ms(r, 20);
        assert_int_equal(p.n_readable, n_readable);
        assert_int_equal(p.n_failed, 0);
        for (uint32_t i = block.start; i < block.end; i++)
            assert_int_equal(block.p[i], 'x');
        io_block_give(&r->loop, &block);
        assert_int_equal(upstream_count(r->up).n_idle, 0);
        buf_done(&p.body);
    }
}

static void an_owner_that_holds_its_blocks_is_not_stalled(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, LENGTH_OF(31457280), 31457280, STAY }, { 0 } };
    struct pile p = { .max_blocks = 2 };
    serve(r, false, acts);
    pile_start(r, &p);
    TURN_UNTIL(r, p.n_blocks == 2);
    turn_ms(r, 2 * RIG_ANSWER_MS + 100);
    assert_int_equal(p.n_failed, 0);
    assert_true(p.x.received_bytes <= p.body.n + 140000);
    p.max_blocks = UINT32_MAX;
    gather_all(&p);
    TURN_UNTIL(r, is_over(&p));
    assert_int_equal(p.last, IO_EOF);
    assert_int_equal(p.body.n, 31457280);
    exchange_finish(&p.x);
    buf_done(&p.body);
}

static void before_the_head_there_is_nothing(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, "HTTP/1.1 200", 0, STAY }, { 0 } };
    struct pile p = { .is_lazy = true };
    struct io_block block = { 0 };
    serve(r, false, acts);
    pile_start(r, &p);
    assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
    turn_ms(r, 20);
    assert_int_equal(exchange_gather(&p.x, &block), IO_AGAIN);
    TURN_UNTIL(r, p.n_failed == 1);
    assert_int_equal(exchange_gather(&p.x, &block), IO_FAILED);
    assert_int_equal(p.x.fault.kind, FAULT_UPSTREAM_HEAD_TIMEOUT);
    exchange_finish(&p.x);
    buf_done(&p.body);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(replies),
        TEST(large_bodies_are_exact),
        TEST(a_trickle_is_handed_over_when_the_block_is_full),
        TEST(chunks_trickle_byte_by_byte),
        TEST(the_bytes_before_a_cut_come_first),
        TEST(reading_finds_what_gathering_left),
        TEST(reading_finds_what_came_before_a_stall),
        TEST(a_block_outlives_its_exchange),
        TEST(cancelling_leaves_the_block_alone),
        TEST(an_owner_that_holds_its_blocks_is_not_stalled),
        TEST(before_the_head_there_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
