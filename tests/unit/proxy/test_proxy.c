/* Requests through a whole proxy: framing, waits and ends. */
#include "rig.h"

#define END "\r\n\r\n"
#define HOST "Host: p\r\n"
#define OK2 "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

static int setup(void **state)
{
    *state = px_new(100, 0);
    return 0;
}

static int teardown(void **state)
{
    px_free(*state);
    return 0;
}

/* ---- answers of our own ---- */

static void an_empty_body_keeps_the_connection(void **state)
{
    static const char *const requests[] = {
        "OPTIONS /s3.test/b/k HTTP/1.1\r\n" HOST "Content-Length: 0" END,
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 0" END,
        "GET /nothing HTTP/1.1\r\n" HOST "Content-Length: 0" END,
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 3" END "abc",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked" END "3\r\nabc\r\n0" END,
    };
    struct side s;
    side_open(*state, &s);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        side_says(&s, requests[i]);
        TURN_UNTIL(s.px->rig, side_count(&s, "HTTP/1.1 ") == i + 1);
        if (side_got(&s, "Connection: close"))
            fail_msg("%s", requests[i]);
    }
    side_close(&s);
}

static void hundreds_of_requests_in_one_piece(void **state)
{
    enum { N = 500 };
    struct side s;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < N; i++)
        buf_append(&b, i % 2 ? STR("GET / HTTP/1.1\r\n" HOST "\r\n")
                             : STR("PUT / HTTP/1.1\r\n" HOST "Content-Length: 5" END "hello"));
    side_open(*state, &s);
    side_send(&s, buf_str(&b));
    TURN_UNTIL(s.px->rig, side_count(&s, "HTTP/1.1 200 OK") == N);
    assert_false(s.is_over);
    buf_done(&b);
    side_close(&s);
}

static void the_longest_target_is_logged(void **state)
{
    static char target[HTTP_TARGET_BYTES - 64];
    struct side s;
    memset(target, 0xff, sizeof target);
    side_open(*state, &s);
    side_says(&s, "GET /nowhere.test/");
    side_send(&s, str_of(target, sizeof target));
    side_says(&s, " HTTP/1.1\r\n" HOST "\r\n");
    SIDE_AWAITS(&s, "HTTP/1.1 400 ");
    assert_true(px_logged(s.px, "\"end\":\"unexpected_host\""));
    assert_false(s.px->proxy.line.failed);
    side_close(&s);
}

/* ---- waiting ---- */

enum {
    SMALL = IO_BLOCK_16K_BYTES,
    BLOCK = 65536 + IO_BLOCK_HEAD_BYTES,
    TURN = SMALL + (TX_TURN_BLOCKS - 1) * BLOCK, /* what one turn reads */
};
static char upload[TURN + BLOCK];

/* The pair's buffer holds all that the proxy has not read yet. */
static void open_wide(struct px *p, struct side *s)
{
    side_open(p, s);
    /* More than the system's limit takes rights; without them less lies ready at once. */
    if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &(int){ 4 << 20 }, sizeof(int)) != 0)
        setsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &(int){ 4 << 20 }, sizeof(int));
}

/* Also where the last byte comes just when others get their turn: no event follows it. */
static void uploads_of_any_size_end(void **state)
{
    static const struct act acts[] = { { 0, "last", OK2, 0, STAY }, { 0 } };
    static const size_t sizes[] = { 4,    SMALL,    SMALL + 1, TX_TURN_BLOCKS * SMALL,
                                    TURN, TURN - 1, TURN + 1,  TURN + BLOCK };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct side s;
        char head[128];
        px_serve(*state, acts);
        open_wide(*state, &s);
        memset(upload, 'x', sizeof upload);
        memcpy(upload + sizes[i] - 4, "last", 4);
        snprintf(head, sizeof head, "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Content-Length: %zu" END,
                 sizes[i]);
        side_says(&s, head);
        TURN_UNTIL(s.px->rig, upstream_count(s.px->rig->up).n_busy == 1);
        side_send(&s, str_of(upload, sizes[i]));
        SIDE_AWAITS(&s, "HTTP/1.1 200 ");
        side_close(&s);
    }
}

/* Wherever a client stops sending, it gets its 408: also where others had just got their turn. */
static void a_stalled_upload_ends(void **state)
{
    static const struct act acts[] = { { 0 } };
    static const size_t sizes[] = { 3, TX_TURN_BLOCKS * SMALL, TURN, TURN + BLOCK };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct side s;
        px_serve(*state, acts);
        open_wide(*state, &s);
        side_says(&s, "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Content-Length: 9999999" END);
        TURN_UNTIL(s.px->rig, upstream_count(s.px->rig->up).n_busy == 1);
        side_send(&s, str_of(upload, sizes[i]));
        SIDE_AWAITS(&s, "HTTP/1.1 408 ");
        assert_true(px_logged(s.px, "\"end\":\"client_stalled\""));
        side_close(&s);
    }
}

static void a_reader_that_stalls_is_cut(void **state)
{
    static const struct act acts[] = {
        { 0, END, "HTTP/1.1 200 OK\r\nContent-Length: 20000000" END, 20000000, STAY }, { 0 }
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "GET /s3.test/b/k HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(s.px->rig, px_logged(s.px, "\"end\":\"client_stalled\""));
    assert_int_equal(s.px->proxy.n_clients, 0);
    side_close(&s);
}

/* The client waits for the origin, and the origin says nothing: that is not the client's fault. */
static void an_origin_without_100_is_late(void **state)
{
    static const struct act acts[] = { { 0 } };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                  "Content-Length: 5" END);
    SIDE_AWAITS(&s, "HTTP/1.1 504 ");
    assert_true(px_logged(s.px, "\"end\":\"upstream_head_timeout\""));
    side_close(&s);
}

static void one_100_is_passed_on(void **state)
{
    static const struct act acts[] = {
        { 0, END, "HTTP/1.1 100 Continue" END "HTTP/1.1 100 Continue" END, 0, STAY },
        { 0, "hello", OK2, 0, STAY },
        { 0 }
    };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                  "Content-Length: 5" END);
    SIDE_AWAITS(&s, "HTTP/1.1 100 Continue" END);
    turn_ms(s.px->rig, 5);
    side_says(&s, "hello");
    SIDE_AWAITS(&s, "ok");
    assert_int_equal(side_count(&s, "HTTP/1.1 "), 2);
    side_close(&s);
}

/* ---- uploads ---- */

/* What an origin sees of tiny chunks is few large ones. */
static void tiny_chunks_are_joined(void **state)
{
    enum { N = 20000 };
    static const struct act acts[] = { { 0 } };
    struct side s;
    struct buf b;
    px_serve(*state, acts);
    side_open(*state, &s);
    buf_init(&b, 1 << 20);
    buf_append(&b, STR("PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked" END));
    for (int i = 0; i < N; i++)
        buf_append(&b, STR("1\r\nz\r\n"));
    buf_append(&b, STR("0\r\nx-amx-sum: 1" END));
    side_send(&s, buf_str(&b));
    TURN_UNTIL(s.px->rig, s.px->rig->origin.n_peers == 1 &&
                              peer_got(&s.px->rig->origin.peers[0], "0\r\nx-amx-sum: 1" END));
    size_t n_z = 0, n_lines = 0;
    struct str got = buf_str(&s.px->rig->origin.peers[0].in);
    for (size_t i = 0; i < got.n; i++) {
        n_z += got.p[i] == 'z';
        n_lines += got.p[i] == '\n';
    }
    assert_int_equal(n_z, N);
    assert_true(n_lines < 50);
    buf_done(&b);
    side_close(&s);
}

/* ---- ends ---- */

static void the_origin_of_a_client_that_left_is_logged(void **state)
{
    static const struct act acts[] = { { 0 } };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "GET /s3.test/b/k HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(s.px->rig, upstream_count(s.px->rig->up).n_busy == 1);
    side_close(&s);
    TURN_UNTIL(s.px->rig, s.px->proxy.n_clients == 0);
    assert_true(px_logged(s.px, "\"end\":\"client_gone\""));
    assert_true(px_logged(s.px, "\"upstream\":\"127.0.0.1:"));
}

/* With requests unread, closing would be a reset, and that can overtake the answer. */
static void draining_does_not_reset_a_pipeline(void **state)
{
    static const struct act acts[] = { { 0, END, "", 0, STAY }, { 0 } };
    struct side s;
    px_serve(*state, acts);
    side_open(*state, &s);
    side_says(&s, "GET /s3.test/b/k HTTP/1.1\r\n" HOST "\r\nGET / HTTP/1.1\r\n" HOST "\r\n");
    TURN_UNTIL(s.px->rig, s.px->rig->origin.n_peers == 1);
    proxy_drain(&s.px->proxy, NULL, NULL);
    struct peer *p = &s.px->rig->origin.peers[0];
    TURN_UNTIL(s.px->rig, p->in.n > 0);
    buf_append(&p->out, STR(OK2));
    peer_flush(p);
    SIDE_AWAITS(&s, "\r\n\r\nok");
    SIDE_AWAITS_END(&s);
    assert_int_equal(side_count(&s, "HTTP/1.1 "), 1);
    assert_int_equal(s.px->proxy.n_clients, 1); /* until the client has closed too */
    side_close(&s);
    struct px *px = *state;
    TURN_UNTIL(px->rig, px->proxy.n_clients == 0);
}

/* ---- limits ---- */

static void the_admin_port_has_room_when_clients_have_none(void **state)
{
    struct px *p = px_new(1, 0);
    struct side many[4], admin;
    for (int i = 0; i < 4; i++)
        side_open(p, &many[i]);
    side_says(&many[1], "GET / HTTP/1.1\r\n" HOST "\r\n");
    SIDE_AWAITS(&many[1], "HTTP/1.1 503 ");
    SIDE_AWAITS_END(&many[3]);
    side_open_from(p, &admin, "127.0.0.1", PROXY_PORT_ADMIN);
    side_says(&admin, "GET /livez HTTP/1.1\r\n" HOST "\r\n");
    SIDE_AWAITS(&admin, "HTTP/1.1 200 ");
    for (int i = 0; i < 4; i++)
        side_close(&many[i]);
    side_close(&admin);
    px_free(p);
}

/* ---- random ends ---- */

/* Whatever stage a client leaves in, nothing of it stays. */
static void clients_that_leave_leave_nothing(void **state)
{
    static const char *const parts[] = {
        "GET /s3.test/b/k HTT",
        "GET /s3.test/b/k HTTP/1.1\r\n" HOST "\r\n",
        "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Content-Length: 50000" END "some",
        "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked" END "5\r\nsome",
        "PUT /s3.test/b/k HTTP/1.1\r\n" HOST "Content-Length: 5\r\nExpect: 100-continue" END,
        "PUT /elsewhere/x HTTP/1.1\r\n" HOST "Content-Length: 5" END "ab",
    };
    static const struct act acts[] = { { 0, END, "HTTP/1.1 100 Continue" END, 0, STAY },
                                       { 1, END, OK2, 0, STAY },
                                       { 0 } };
    struct px *p = *state;
    for (unsigned i = 0; i < sizeof parts / sizeof *parts * 6; i++) {
        struct side s;
        px_serve(p, acts);
        side_open(p, &s);
        side_says(&s, parts[i / 6]);
        for (unsigned turns = 0; turns < i % 6 * 2; turns++)
            uv_run(&p->rig->loop.uv, UV_RUN_NOWAIT);
        side_close(&s);
        TURN_UNTIL(p->rig, p->proxy.n_clients == 0 && upstream_count(p->rig->up).n_busy == 0 &&
                               upstream_count(p->rig->up).n_dialling == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_body_keeps_the_connection, setup, teardown),
        cmocka_unit_test_setup_teardown(hundreds_of_requests_in_one_piece, setup, teardown),
        cmocka_unit_test_setup_teardown(the_longest_target_is_logged, setup, teardown),
        cmocka_unit_test_setup_teardown(uploads_of_any_size_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stalled_upload_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_that_stalls_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(an_origin_without_100_is_late, setup, teardown),
        cmocka_unit_test_setup_teardown(one_100_is_passed_on, setup, teardown),
        cmocka_unit_test_setup_teardown(tiny_chunks_are_joined, setup, teardown),
        cmocka_unit_test_setup_teardown(the_origin_of_a_client_that_left_is_logged, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(draining_does_not_reset_a_pipeline, setup, teardown),
        cmocka_unit_test(the_admin_port_has_room_when_clients_have_none),
        cmocka_unit_test_setup_teardown(clients_that_leave_leave_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
