/* Archives through a whole proxy that end from outside, and what comes behind them. */
#include "download.h"

static const struct object waits[] = {
    { "/b/a", 1000, NULL }, { "/b/b", 1000, NULL }, { "/b/c", 1000, NULL }, { 0 }
};
static const struct say head_waits[] = { { "/b/a", NULL, ALL, STAY, 1 }, { 0 } };
static const struct say body_waits[] = { { "/b/a", NULL, 500, STAY, 0 }, { 0 } };
static const struct say later_waits[] = { { "/b/b", NULL, ALL, STAY, 1 }, { 0 } };
static const struct say pauses[] = {
    { "/b/a", "HTTP/1.1 503 S\r\nContent-Length: 0" END, 0, STAY, 0 }, { 0 }
};
static const struct act half_a_list[] = {
    { 0, "/zip/x", "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nContent-Length: 999" END "1 5 ", 0,
      STAY },
    { 0 },
};

/* In the list, before the first head, in the first body, before the second head, in a pause. */
enum { N_MOMENTS = 5 };

static void to_moment(struct lab *l, struct side *s, int moment)
{
    static const struct say *const scripts[] = { NULL, head_waits, body_waits, later_waits,
                                                 pauses };
    if (moment == 0)
        lab_serve(l, waits, NULL, half_a_list);
    else
        lab_lists(l, waits, scripts[moment], "");
    ask(l, s, GET_ZIP "\r\n");
    if (moment == 0) {
        TURN_UNTIL(l->px->rig, l->registry.n_peers == 1 && l->registry.peers[0].next == 1);
    } else {
        TURN_UNTIL(l->px->rig, l->store.n_requests == 3);
        TURN_UNTIL(l->px->rig, moment % 2 || moment == 4 || side_got(s, "HTTP/1.1 200"));
    }
    turn_ms(l->px->rig, 20);
    assert_int_equal(side_got(s, "HTTP/1.1 200"), moment == 2 || moment == 3);
}

static void clients_that_leave(void **state)
{
    struct lab *l = *state;
    for (int i = 0; i < N_MOMENTS; i++) {
        struct side s;
        to_moment(l, &s, i);
        side_close(&s);
        TURN_UNTIL(l->px->rig, l->px->proxy.n_clients == 0);
        struct upstream_counts n = upstream_count(l->px->rig->up);
        assert_int_equal(n.n_busy + n.n_dialling, 0);
        assert_true(px_logged(l->px, "\"end\":\"client_gone\""));
        assert_true(nothing_is_ahead(l));
        /* The pause's timer is gone too. */
        if (i == 4)
            turn_ms(l->px->rig, 600);
    }
}

static void aborts(void **state)
{
    for (int i = 0; i < N_MOMENTS; i++) {
        struct lab *l = lab_new();
        struct side s;
        to_moment(l, &s, i);
        proxy_done(&l->px->proxy);
        side_reads(&s);
        assert_true(s.is_over);
        assert_int_equal(side_got(&s, "HTTP/1.1 503 "), i != 2 && i != 3);
        assert_true(nothing_is_ahead(l));
        struct fault f = { 0 };
        assert_true(proxy_init(&l->px->proxy, &l->px->rig->loop, l->px->rig->conf, l->px->rig->up,
                               l->px->limits, &f));
        side_close(&s);
        lab_free(l);
    }
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

/* What is under way is ended well, and its connection then. */
static void drains(void **state)
{
    for (int i = 1; i < 4; i += 2) {
        struct lab *l = lab_new();
        struct side s;
        bool is_drained = false;
        to_moment(l, &s, i);
        proxy_drain(&l->px->proxy, on_drained, &is_drained);
        turn_ms(l->px->rig, 20);
        assert_false(is_drained || s.is_over);
        store_open(&l->store, 1);
        check_archive(body_of(&s), waits);
        assert_int_equal(side_got(&s, "\r\nConnection: close\r\n"), i == 1);
        SIDE_AWAITS_END(&s);
        side_close(&s);
        TURN_UNTIL(l->px->rig, is_drained);
        lab_free(l);
    }
}

/* The timer of the walk's next turn goes with the archive. */
static void an_abort_on_the_way(void **state)
{
    struct lab *l = lab_new();
    struct side s;
    struct buf list;
    uint64_t n = metric_read(METRIC_ARCHIVES);
    far_apart(&list);
    lab_gives(l, few, NULL, "", buf_str(&list));
    ask(l, &s, GET_ZIP "\r\n");
    for (int turns = 0; turns < 100000 && metric_read(METRIC_ARCHIVES) == n; turns++)
        uv_run(&l->px->rig->loop.uv, UV_RUN_NOWAIT);
    assert_int_equal(metric_read(METRIC_ARCHIVES), n + 1);
    assert_int_equal(l->store.n_requests, 0);
    proxy_done(&l->px->proxy);
    turn_ms(l->px->rig, 20);
    struct fault f = { 0 };
    assert_true(proxy_init(&l->px->proxy, &l->px->rig->loop, l->px->rig->conf, l->px->rig->up,
                           l->px->limits, &f));
    side_close(&s);
    lab_free(l);
    buf_done(&list);
}

/* Records that were made and did not go are not counted. */
static void a_cut_among_records(void **state)
{
    struct lab *l = *state;
    struct side s;
    struct buf list;
    char sent[64];
    size_t n = 0;
    far_apart(&list);
    l->px->rig->conf->body_timeout_ms = 150;
    lab_gives(l, few, NULL, "", buf_str(&list));
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, px_logged(l->px, "\"end\":\"client_stalled\""));
    SIDE_AWAITS_END(&s);
    while (memcmp(s.in.p + n, END, 4) != 0)
        n++;
    snprintf(sent, sizeof sent, "\"bytes_out\":%zu,", s.in.n - n - 4);
    if (!px_logged(l->px, sent))
        fail_msg("%s: %.*s", sent, STR_ARG(buf_str(&l->px->proxy.line)));
    side_close(&s);
    buf_done(&list);
}

/* What an archive leaves behind is no matter to the next request, pipelined or not. */
static void what_comes_behind(void **state)
{
    static const struct say script[] = {
        { "/b/a", NULL, ALL, STAY, 0 },
        { "/b/b", NULL, ALL, STAY, 0 },
        { "/b/c", NULL, ALL, STAY, 0 },
        { "/b/c", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain", 0, STAY, 0 },
        { "/b/b", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nchunk\r\n0" END, 0,
          STAY, 0 },
        { 0 },
    };
    struct lab *l = *state;
    for (int is_pipelined = 0; is_pipelined < 2; is_pipelined++) {
        struct side s;
        struct str body = { 0 };
        size_t used = 0;
        lab_lists(l, known, script, "");
        ask(l, &s, GET_ZIP "\r\n");
        if (!is_pipelined)
            body_of(&s);
        side_says(&s, "GET /s3.test/b/c HTTP/1.1\r\nHost: p\r\n\r\n"
                      "GET /s3.test/b/b HTTP/1.1\r\nHost: p\r\n\r\n" GET_ZIP
                      "Connection: close\r\n\r\n");
        SIDE_AWAITS_END(&s);
        assert_true(is_whole(&s, &body, &used));
        check_archive(body, known);
        buf_drop(&s.in, used);
        assert_true(is_whole(&s, &body, &used));
        assert_true(str_eq(body, STR("plain")));
        assert_true(side_got(&s, "Access-Control-Allow-Origin: *\r\n"));
        buf_drop(&s.in, used);
        assert_true(str_contains(str_first(buf_str(&s.in), 1000), STR("\r\n5\r\nchunk\r\n0" END)));
        size_t at = 0;
        while (memcmp(s.in.p + at, "\r\n0" END, 7) != 0)
            at++;
        buf_drop(&s.in, at + 7);
        assert_true(is_whole(&s, &body, &used));
        check_archive(body, known);
        assert_int_equal(used, s.in.n);
        side_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_abort_on_the_way),
        TEST(clients_that_leave),
        cmocka_unit_test(aborts),
        cmocka_unit_test(drains),
        TEST(what_comes_behind),
        TEST(a_cut_among_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
