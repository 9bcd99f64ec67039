/* Sending, and sending again: retries, uploads, origins that answer early or stop reading. */
#include "rig.h"
#include "upstream/pool.h"

/* ---- retries ---- */

struct retry_row {
    const char *name;
    enum http_method method;
    enum http_framing framing;
    size_t n_body; /* of which all is written */
    bool is_idempotent;
    enum after after;  /* what happens to the reused connection when the request came */
    const char *reply; /* what it said before */
    bool is_retried;
};

static const struct retry_row retry_rows[] = {
    { "GET", HTTP_GET, HTTP_NO_BODY, 0, true, CLOSE, "", true },
    { "GET, reset", HTTP_GET, HTTP_NO_BODY, 0, true, RESET, "", true },
    { "GET, FIN without close_notify", HTTP_GET, HTTP_NO_BODY, 0, true, CUT, "", true },
    { "a small PUT is sent again from what is held", HTTP_PUT, HTTP_LENGTH, 1000, true, CLOSE, "",
      true },
    { "64 KiB too", HTTP_PUT, HTTP_LENGTH, 65536, true, CLOSE, "", true },
    { "chunks too", HTTP_PUT, HTTP_CHUNKED, 3000, true, CLOSE, "", true },
    { "POST without body, nothing came back", HTTP_POST, HTTP_LENGTH, 0, false, CLOSE, "", true },
    { "POST with a held body, nothing came back", HTTP_POST, HTTP_LENGTH, 100, false, CLOSE, "",
      true },
    { "not when a byte came back", HTTP_GET, HTTP_NO_BODY, 0, true, CLOSE, "H", false },
    { "not when the body is over 64 KiB", HTTP_PUT, HTTP_LENGTH, 65537, true, CLOSE, "", false },
    { "nor when its chunks are", HTTP_PUT, HTTP_CHUNKED, 80000, true, CLOSE, "", false },
};

static void check_retry(struct rig *r, const struct retry_row *row, bool is_tls)
{
    static char body[100000];
    memset(body, 'b', sizeof body);
    if (row->n_body > 0)
        body[row->n_body - 1] = '$';
    const char *last = row->framing == HTTP_CHUNKED ? "0\r\n\r\n" : row->n_body > 0 ? "$" : END;
    const struct act acts[] = { { 0, END, OK5, 0, STAY },
                                { 0, last, row->reply, 0, row->after },
                                { 1, last, OK5, 0, STAY },
                                { 0 } };
    serve(r, is_tls, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    struct exchange_request q = put(r, row->n_body);
    q.method = row->method;
    q.framing = row->framing;
    q.is_idempotent = row->is_idempotent;
    c = (struct call){ .request = q };
    if (row->framing != HTTP_NO_BODY)
        c.upload = str_of(body, row->n_body);
    call_run(r, &c);
    if (c.is_whole != row->is_retried || c.x.n_retries != row->is_retried ||
        r->origin.n_peers != 1u + row->is_retried)
        fail_msg("%s (tls %d): whole %d, retries %u, connections %u, %s", row->name, is_tls,
                 c.is_whole, c.x.n_retries, r->origin.n_peers, fault_row(c.x.fault.kind)->name);
    if (row->is_retried) {
        assert_false(c.x.is_reused);
        struct str a =
            str_from(buf_str(&r->origin.peers[0].in), strlen("GET /k HTTP/1.1\r\nHost: h" END));
        assert_true(str_eq(a, buf_str(&r->origin.peers[1].in)));
    }
    buf_done(&c.body);
    origin_close(&r->origin);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
}

static void retries(void **state)
{
    for (size_t i = 0; i < sizeof retry_rows / sizeof retry_rows[0]; i++) {
        check_retry(*state, &retry_rows[i], false);
        check_retry(*state, &retry_rows[i], true);
    }
}

/* A body that cannot be held does not travel on a connection that may be closed any moment. */
static void a_large_body_takes_a_fresh_connection_after_a_pause(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    turn_ms(r, 1050);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    c.request = put(r, 70000);
    call_start(r, &c);
    TURN_UNTIL(r, c.n_heads > 0);
    assert_false(c.x.is_reused);
    call_done(&c);
}

/* Idempotent, fresh, reset before a byte, one address only: the first fault is told. */
static void another_address_or_none(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, "", 0, RESET }, { 1, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_RESET);
    assert_int_equal(r->origin.n_peers, 1);
    buf_done(&c.body);
}

/* ---- bodies up ---- */

static void upload(struct rig *r, bool is_tls, enum http_framing framing, size_t n)
{
    const struct act acts[] = {
        { 0, framing == HTTP_CHUNKED ? "0\r\nx-t: 1\r\n\r\n" : "$", OK5, 0, STAY }, { 0 }
    };
    char *body = malloc(n);
    memset(body, 'b', n);
    body[n - 1] = '$';
    serve(r, is_tls, acts);
    struct call c = { .request = put(r, n), .upload = str_of(body, n) };
    c.request.framing = framing;
    if (framing == HTTP_CHUNKED)
        c.trailers = STR("x-t: 1\r\n");
    call_run(r, &c);
    assert_true(c.is_whole && c.x.is_request_sent);
    struct str in = str_from(buf_str(&r->origin.peers[0].in), c.request.head.n);
    assert_int_equal(c.x.sent_bytes, c.request.head.n + in.n);
    struct http1_body b;
    struct buf got;
    struct str data;
    size_t used;
    http1_body_init(&b, framing, n);
    buf_init(&got, 64u << 20);
    while (http1_body_next(&b, in, &used, &data) == HTTP1_BODY_DATA) {
        buf_append(&got, data);
        in = str_from(in, used);
    }
    assert_true(http1_body_is_whole(&b));
    assert_true(str_eq(buf_str(&got), str_of(body, n)));
    http1_body_done(&b);
    buf_done(&got);
    buf_done(&c.body);
    free(body);
}

static void uploads(void **state)
{
    static const size_t sizes[] = { 1, 4096, 4097, 16385, 65536, 65537, 70000, 3000000 };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (int is_tls = 0; is_tls < 2; is_tls++) {
            upload(*state, is_tls, HTTP_LENGTH, sizes[i]);
            upload(*state, is_tls, HTTP_CHUNKED, sizes[i]);
        }
    }
}

static void head_and_small_body_go_out_together(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 0, "body", OK5, 0, STAY }, { 0 } };
    serve(r, true, acts);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    c = (struct call){ .request = put(r, 4), .upload = STR("body") };
    call_start(r, &c);
    assert_true(c.x.is_request_sent);
    TURN_UNTIL(r, is_settled(&c));
    assert_true(c.is_whole && c.x.is_reused);
    call_done(&c);
}

/* The owner that waits for 100 (Continue) has its head sent without a body byte. */
static void the_head_goes_alone_when_no_body_comes(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, END, "HTTP/1.1 100 Continue\r\n\r\n", 0, STAY },
                                { 0, "body", OK5, 0, STAY },
                                { 0 } };
    serve(r, false, acts);
    struct call c = { .request = put(r, 4) };
    call_start(r, &c);
    TURN_UNTIL(r, c.n_interim == 1);
    turn_ms(r, RIG_ANSWER_MS + 100); /* no deadline while the owner waits */
    assert_int_equal(c.n_failed, 0);
    c.upload = STR("body");
    call_write(&c);
    TURN_UNTIL(r, is_settled(&c));
    assert_true(c.is_whole);
    call_done(&c);
}

static void an_early_answer_is_told_and_the_connection_not_kept(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = {
        { 0, END, "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno", 0, STAY }, { 0 }
    };
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        struct call c = { .request = put(r, 1000) };
        call_start(r, &c);
        exchange_write(&c.x, STR("only some of it"));
        TURN_UNTIL(r, is_settled(&c));
        assert_int_equal(c.status, 403);
        assert_true(c.is_whole);
        assert_false(c.x.is_request_sent);
        call_done(&c);
        assert_int_equal(upstream_count(r->up).n_idle, 0);
    }
}

/* The answer comes and the connection ends while megabytes are still to go. */
static void an_early_answer_survives_a_dead_send(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = {
        { 0, END, "HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 0, CLOSE },
        { 0 }
    };
    size_t n = 20u << 20;
    char *body = calloc(1, n);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        struct call c = { .request = put(r, n), .upload = str_of(body, n) };
        call_start(r, &c);
        TURN_UNTIL(r, is_settled(&c));
        assert_int_equal(c.status, 413);
        assert_true(c.is_whole);
        call_done(&c);
    }
    free(body);
}

static void a_server_that_dies_during_an_upload(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0, "bbbb", "", 0, RESET }, { 0 } };
    size_t n = 20u << 20;
    char *body = malloc(n);
    memset(body, 'b', n);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        serve(r, is_tls, acts);
        struct call c = { .request = put(r, n), .upload = str_of(body, n) };
        call_run(r, &c);
        assert_int_equal(c.n_failed, 1);
        assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_RESET);
        assert_int_equal(r->origin.n_peers, 1);
        buf_done(&c.body);
    }
    free(body);
}

static void an_origin_that_stops_reading(void **state)
{
    struct rig *r = *state;
    const struct act acts[] = { { 0 } };
    size_t n = 30u << 20;
    char *body = calloc(1, n);
    serve(r, false, acts);
    r->origin.is_deaf = true;
    struct call c = { .request = put(r, n), .upload = str_of(body, n) };
    call_run(r, &c);
    assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_STALLED);
    assert_true(c.uploaded < n);
    buf_done(&c.body);
    free(body);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(retries),
        TEST(a_large_body_takes_a_fresh_connection_after_a_pause),
        TEST(another_address_or_none),
        TEST(uploads),
        TEST(head_and_small_body_go_out_together),
        TEST(the_head_goes_alone_when_no_body_comes),
        TEST(an_early_answer_is_told_and_the_connection_not_kept),
        TEST(an_early_answer_survives_a_dead_send),
        TEST(a_server_that_dies_during_an_upload),
        TEST(an_origin_that_stops_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
