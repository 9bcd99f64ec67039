/* One request and its response, over plain TCP and TLS. Addresses are literals. */
#include "rig.h"
#include "upstream/pool.h"

/* ---- what the origin says, row by row ---- */

struct reply_row {
    const char *name, *reply;
    enum http_method method;
    enum after after;
    unsigned status; /* 0: no head comes */
    const char *body;
    enum fault_kind kind; /* of the end; NONE: whole */
    bool is_kept;         /* the connection is pooled */
};

static const struct reply_row reply_rows[] = {
    { "a length", OK5, HTTP_GET, STAY, 200, "hello", FAULT_NONE, true },
    { "an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", HTTP_GET, STAY, 200, "",
      FAULT_NONE, true },
    { "a head that asks to close",
      "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", HTTP_GET, STAY, 200,
      "ab", FAULT_NONE, false },
    { "HTTP/1.0 without keep-alive", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", HTTP_GET,
      CLOSE, 200, "ab", FAULT_NONE, false },
    { "HTTP/1.0 until close", "HTTP/1.0 200 OK\r\n\r\nabc", HTTP_GET, CLOSE, 200, "abc", FAULT_NONE,
      false },
    { "chunks",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n",
      HTTP_GET, STAY, 200, "abcde", FAULT_NONE, true },
    { "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", HTTP_HEAD, STAY, 200, "",
      FAULT_NONE, true },
    { "304", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", HTTP_GET, STAY, 304, "",
      FAULT_NONE, true },
    { "interim heads before",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n" OK5, HTTP_GET, STAY, 200,
      "hello", FAULT_NONE, true },
    { "bytes behind the end", OK5 "x", HTTP_GET, STAY, 200, "hello", FAULT_NONE, false },
    { "a second response", OK5 OK5, HTTP_GET, STAY, 200, "hello", FAULT_NONE, false },
    { "a cut length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", HTTP_GET, CLOSE, 200,
      "hel", FAULT_UPSTREAM_CLOSED, false },
    { "cut chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", HTTP_GET,
      CLOSE, 200, "hello", FAULT_UPSTREAM_CLOSED, false },
    { "broken chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
      HTTP_GET, STAY, 200, "hello", FAULT_UPSTREAM_PROTOCOL, false },
    { "a reset body", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", HTTP_GET, RESET, 200, NULL,
      FAULT_UPSTREAM_RESET, false },
    { "no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", HTTP_GET, STAY, 0, "", FAULT_UPSTREAM_PROTOCOL, false },
    { "a cut head", "HTTP/1.1 200 OK\r\nConte", HTTP_GET, CLOSE, 0, "", FAULT_UPSTREAM_CLOSED,
      false },
    { "101 without being asked",
      "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", HTTP_GET, STAY, 0, "",
      FAULT_UPSTREAM_PROTOCOL, false },
    { "silence", "", HTTP_GET, STAY, 0, "", FAULT_UPSTREAM_HEAD_TIMEOUT, false },
    { "half a head, then silence", "HTTP/1.1 200", HTTP_GET, STAY, 0, "",
      FAULT_UPSTREAM_HEAD_TIMEOUT, false },
    { "half a body, then silence", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", HTTP_GET,
      STAY, 200, "hel", FAULT_UPSTREAM_STALLED, false },
};

static void check_reply(struct rig *r, const struct reply_row *row, bool is_tls)
{
    const struct act acts[] = { { 0, END, row->reply, 0, row->after }, { 0 } };
    serve(r, is_tls, acts);
    struct call c = { .request = get(r) };
    c.request.method = row->method;
    c.request.is_idempotent = false; /* no retry: what comes is shown */
    call_run(r, &c);
    /* RST may overtake what was sent before it. */
    bool is_body_right = !row->body || str_eq(buf_str(&c.body), str_from_c(row->body));
    bool is_status_right = c.status == row->status || (!row->body && c.status == 0);
    if (!is_status_right || c.x.fault.kind != row->kind || !is_body_right ||
        (upstream_count(r->up).n_idle > 0) != row->is_kept)
        fail_msg("%s (tls %d): status %u, %s %s, body %.*s, idle %zu", row->name, is_tls, c.status,
                 fault_row(c.x.fault.kind)->name, c.x.fault.detail, STR_ARG(buf_str(&c.body)),
                 upstream_count(r->up).n_idle);
    assert_int_equal(c.n_heads, c.status != 0);
    assert_int_equal(c.n_failed, row->kind != FAULT_NONE);
    buf_done(&c.body);
    origin_close(&r->origin);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0); /* closed by the origin: seen while idle */
}

static void replies(void **state)
{
    for (size_t i = 0; i < sizeof reply_rows / sizeof reply_rows[0]; i++) {
        check_reply(*state, &reply_rows[i], false);
        check_reply(*state, &reply_rows[i], true);
    }
}

/* A close-delimited body without close_notify is a cut one; with plain TCP nobody can tell. */
static void until_close_needs_close_notify(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, "HTTP/1.1 200 OK\r\n\r\nabc", 0, CUT }, { 0 } };
    serve(r, true, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    assert_int_equal(c.status, 200);
    assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_CLOSED);
    assert_false(c.is_whole);
    buf_done(&c.body);
}

static void trailers_arrive(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = {
        { 0, END,
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 1\r\n\r\n", 0,
          STAY },
        { 0 }
    };
    serve(r, false, acts);
    struct call c = { .request = get(r) };
    call_start(r, &c);
    TURN_UNTIL(r, is_settled(&c));
    assert_true(c.is_whole);
    assert_true(str_eq(buf_str(&c.x.body.trailers), STR("x-sum: 1\r\n")));
    call_done(&c);
}

static void large_bodies_arrive_whole(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = {
        { 0, END, "HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n", 5000000, STAY }, { 0 }
    };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        struct call c = { .request = get(r) };
        call_run(r, &c);
        assert_true(c.is_whole);
        assert_int_equal(c.body.n, 5000000);
        assert_true(c.x.received_bytes > 5000000);
        buf_done(&c.body);
    }
}

/* A head of exactly one block leaves no room behind it; the largest head needs the larger block. */
static void large_heads(void **state)
{
    struct rig *r = *state;
    static const size_t fields[] = { 100, 16000, 65000, 65536 - 43, 65536 - 42, 65536 - 41, 80000 };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        char *reply = malloc(fields[i] + 100);
        int n = sprintf(reply, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: ");
        memset(reply + n, 'y', fields[i]);
        strcpy(reply + n + fields[i], "\r\n\r\nhello");
        size_t n_head = (size_t)n + fields[i] + 4;
        const struct act acts[] = { { 0, END, reply, 0, STAY }, { 0 } };
        serve(r, false, acts);
        struct call c = { .request = get(r), .is_lazy = true };
        call_start(r, &c);
        TURN_UNTIL(r, c.n_heads > 0 || c.n_failed > 0);
        if (n_head <= HTTP_RESPONSE_HEAD_BYTES) {
            assert_int_equal(c.status, 200);
            struct str x = http_find_name(&c.x.head, STR("x"))->value;
            struct str data;
            enum io_result got = exchange_read(&c.x, &data);
            assert_true(x.n == fields[i] && x.p[0] == 'y' && x.p[x.n - 1] == 'y');
            if (got == IO_AGAIN)
                TURN_UNTIL(r, c.is_whole);
            else
                call_read(&c);
            assert_true(str_eq(buf_str(&c.body), STR("hello")));
        } else {
            assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_HEAD_TOO_LARGE);
        }
        call_done(&c);
        free(reply);
    }
}

static void interim_heads_have_a_bound(void **state)
{
    struct rig *r = *state;
    char many[17 * 26 + 1] = "";
    for (int i = 0; i < 17; i++)
        strcat(many, "HTTP/1.1 102 Wait\r\n\r\n");
    const struct act acts[] = { { 0, END, many, 0, STAY }, { 0 } };
    serve(r, false, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    assert_int_equal(c.n_interim, 16);
    assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_PROTOCOL);
    buf_done(&c.body);
}

/* ---- reuse ---- */

static void a_connection_is_used_again(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = {
        { 0, END, OK5, 0, STAY }, { 0, END, OK5, 0, STAY }, { 0, END, OK5, 0, STAY }, { 0 }
    };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        for (int i = 0; i < 3; i++) {
            struct call c = { .request = get(r) };
            call_run(r, &c);
            assert_true(c.is_whole);
            assert_int_equal(c.x.is_reused, i > 0);
            assert_int_equal(c.x.timing.connect_us > 0, i == 0);
            assert_true(c.x.timing.sent_us >= c.x.timing.started_us);
            assert_true(c.x.timing.first_byte_us >= c.x.timing.sent_us);
            assert_null(c.x.explain);
            buf_done(&c.body);
        }
        assert_int_equal(r->origin.n_peers, 1);
    }
}

static void tls_sessions_are_resumed(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, CLOSE }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, true, acts);
    for (int i = 0; i < 2; i++) {
        struct call c = { .request = get(r) };
        call_run(r, &c);
        assert_true(c.is_whole);
        assert_false(c.x.is_reused);
        assert_int_equal(c.x.is_resumed, i > 0);
        buf_done(&c.body);
        TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
    }
}

static void policies_do_not_share_connections(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    c.request.origin.policy = DNS_POLICY_REGISTRY;
    call_run(r, &c);
    assert_false(c.x.is_reused);
    buf_done(&c.body);
}

static void idle_connections_end(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    r->conf->upstream_idle_ms = 60;
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    turn_ms(r, 30);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    turn_ms(r, 60);
    assert_int_equal(upstream_count(r->up).n_idle, 0);
    call_run(r, &c);
    assert_false(c.x.is_reused);
    buf_done(&c.body);
}

static void old_connections_end(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    r->conf->upstream_max_age_ms = 50;
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    turn_ms(r, 60);
    call_run(r, &c);
    assert_false(c.x.is_reused);
    buf_done(&c.body);
}

/* Bytes that nobody asked for would be taken for the next request's response. */
static void a_talkative_idle_connection_is_dropped(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 0 } };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        struct call c = { .request = get(r) };
        call_run(r, &c);
        buf_done(&c.body);
        assert_int_equal(upstream_count(r->up).n_idle, 1);
        buf_append(&r->origin.peers[0].out, STR("HTTP/1.1 408 Too late\r\n\r\n"));
        peer_flush(&r->origin.peers[0]);
        TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
    }
}

static void many_at_once_and_few_stay(void **state)
{
    struct rig *r = *state;
    enum { N = 40 };
    struct act acts[N + 1] = { 0 };
    static struct call calls[N];
    for (unsigned i = 0; i < N; i++)
        acts[i] = (struct act){ i, END, OK5, 0, STAY };
    serve(r, false, acts);
    for (unsigned i = 0; i < N; i++) {
        calls[i] = (struct call){ .request = get(r) };
        call_start(r, &calls[i]);
    }
    for (unsigned i = 0; i < N; i++)
        TURN_UNTIL(r, is_settled(&calls[i]));
    assert_int_equal(upstream_count(r->up).n_busy, N);
    for (unsigned i = 0; i < N; i++) {
        assert_true(calls[i].is_whole);
        call_done(&calls[i]);
    }
    assert_int_equal(upstream_count(r->up).n_idle, N);
}

/* ---- backpressure and cancelling ---- */

static void an_owner_that_does_not_read_is_not_stalled(void **state)
{
    struct rig *r = *state;
    size_t n = 30u << 20;
    const struct act acts[] = {
        { 0, END, "HTTP/1.1 200 OK\r\nContent-Length: 31457280\r\n\r\n", 30u << 20, STAY }, { 0 }
    };
    serve(r, false, acts);
    struct call c = { .request = get(r), .is_lazy = true };
    call_start(r, &c);
    TURN_UNTIL(r, c.n_heads == 1);
    turn_ms(r, 2 * RIG_ANSWER_MS + 100);
    assert_int_equal(c.n_failed, 0);
    assert_true(c.x.received_bytes <= 128 * 1024);
    assert_true(r->origin.peers[0].out.n > 0);
    call_read(&c);
    TURN_UNTIL(r, is_settled(&c));
    assert_true(c.is_whole);
    assert_int_equal(c.body.n, n);
    call_done(&c);
}

static void cancelling_at_any_stage_leaves_nothing(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, "never", "", 0, STAY }, { 0 } };
    const struct act head[] = {
        { 0, END, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 0, STAY },
        { 1, END, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 0, STAY },
        { 0 }
    };
    for (unsigned turns = 0; turns < 12; turns++) {
        for (int is_tls = 0; is_tls < 2; is_tls++) {
            serve(r, is_tls, turns % 2 == 0 ? acts : head);
            struct call c = { .request = put(r, 100000), .upload = STR("abc") };
            call_start(r, &c);
            for (unsigned i = 0; i < turns; i++)
                uv_run(&r->loop.uv, UV_RUN_NOWAIT);
            exchange_cancel(&c.x);
            exchange_cancel(&c.x);
            exchange_finish(&c.x);
            unsigned events = c.n_heads + c.n_failed;
            turn_ms(r, 5);
            assert_int_equal(c.n_heads + c.n_failed, events);
            buf_done(&c.body);
        }
    }
    serve(r, false, head);
    struct call c = { .request = get(r), .cancels_at_head = true };
    call_start(r, &c);
    TURN_UNTIL(r, c.n_heads == 1);
    buf_done(&c.body);
    struct exchange zero = { 0 };
    exchange_cancel(&zero);
}

/* Tables of this test own nothing of the loop's: starting the next one inside an event. */
static struct call chained[2];

static void on_chained(struct exchange *x, enum exchange_event e)
{
    struct call *c = x->owner;
    on_call(x, e);
    if (c == &chained[0] && is_settled(c)) {
        struct rig *r = LIST_ENTRY(x->up->loop, struct rig, loop);
        exchange_finish(x);
        chained[1].request = chained[0].request;
        call_start(r, &chained[1]);
        assert_true(chained[1].x.is_reused);
    }
}

static void the_next_may_start_inside_an_event(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 0, END, OK5, 0, STAY }, { 0 } };
    serve(r, true, acts);
    chained[0] = (struct call){ .request = get(r) };
    chained[1] = (struct call){ 0 };
    call_start(r, &chained[0]);
    chained[0].x.on_event = on_chained;
    TURN_UNTIL(r, is_settled(&chained[0]) && is_settled(&chained[1]));
    assert_true(chained[0].is_whole && chained[1].is_whole);
    assert_int_equal(chained[0].n_heads, 1);
    buf_done(&chained[0].body);
    call_done(&chained[1]);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(replies),
        TEST(until_close_needs_close_notify),
        TEST(trailers_arrive),
        TEST(large_bodies_arrive_whole),
        TEST(large_heads),
        TEST(interim_heads_have_a_bound),
        TEST(a_connection_is_used_again),
        TEST(tls_sessions_are_resumed),
        TEST(policies_do_not_share_connections),
        TEST(idle_connections_end),
        TEST(old_connections_end),
        TEST(a_talkative_idle_connection_is_dropped),
        TEST(many_at_once_and_few_stay),
        TEST(an_owner_that_does_not_read_is_not_stalled),
        TEST(cancelling_at_any_stage_leaves_nothing),
        TEST(the_next_may_start_inside_an_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
