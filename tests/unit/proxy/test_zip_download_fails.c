/* Archives through a whole proxy whose list or files fail. */
#include "download.h"

static void lists_that_are_refused(void **state)
{
    static const struct {
        const char *answer;
        enum after after;
        const char *status, *why;
    } rows[] = {
        { "Content-Length: 2\r\n\r\nx\n", STAY, "502", "entry 1: the CRC is neither" },
        { "Content-Length: 1\r\n\r\nx", STAY, "502", "entry 1: the line has no end" },
        { "Content-Length: 18\r\n\r\n1 5 /evil.test/ a\n", STAY, "502", "evil.test" },
        { "Content-Length: 9\r\n\r\nx", CUT, "502", "after 1 of 9 bytes" },
        { "Transfer-Encoding: chunked\r\n\r\n1\r\n\n\r\n", CUT, "502", "after 1 bytes" },
        { "Transfer-Encoding: chunked\r\n\r\nq\r\n", STAY, "502", "broken chunk framing" },
        { "Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n", STAY, "502", "Content-Encoding" },
        { "Content-Length: 9\r\n\r\n", STAY, "504", "sends no more of the response" },
        { "Content-Length: 70\r\n\r\n\n", STAY, "502", "over PENSTOCK_MAX_MANIFEST" },
    };
    struct lab *l = *state;
    uint64_t n_archives = metric_read(METRIC_ARCHIVES);
    l->px->rig->conf->archive_timeout_ms = 150;
    l->px->rig->conf->max_manifest = 50;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[512], status[32];
        const struct act acts[] = { { 0, "/zip/x", text, i == 8 ? 69 : 0, rows[i].after }, { 0 } };
        struct side s;
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\n%s",
                 rows[i].answer);
        lab_serve(l, known, NULL, acts);
        ask(l, &s, GET_ZIP "\r\n");
        SIDE_AWAITS(&s, "</Error>");
        snprintf(status, sizeof status, "HTTP/1.1 %s ", rows[i].status);
        if (!side_got(&s, status) || !side_got(&s, rows[i].why))
            fail_msg("%s: %.*s", rows[i].answer, STR_ARG(buf_str(&s.in)));
        assert_int_equal(l->store.n_requests, 0);
        side_close(&s);
    }
    assert_int_equal(metric_read(METRIC_ARCHIVES), n_archives);
}

/* Before the answer has begun, it is one that says why. */
static void the_first_file_fails(void **state)
{
    static const struct {
        struct say says;
        const char *status, *why;
    } rows[] = {
        { { "/b/a", NOT_FOUND, 0, STAY, 0 },
          "502",
          "name of /b/a&quot; of s3.test: S3 answered 404" },
        { { "/b/a", "HTTP/1.1 200 OK\r\nContent-Length: 999" END, 0, STAY, 0 },
          "502",
          "S3 has 999 bytes, the registry says 1000" },
        { { "/b/a", "nonsense" END, 0, STAY, 0 }, "502", "name of /b/a&quot; of s3.test: " },
        { { "/b/a", "", 0, STAY, 0 }, "504", "no response head within" },
    };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct say script[] = { rows[i].says, { 0 } };
        char status[32];
        struct side s;
        l->px->rig->conf->upstream_head_timeout_ms = i == 3 ? 100 : 2000;
        lab_lists(l, some, script, "");
        ask(l, &s, GET_ZIP "\r\n");
        SIDE_AWAITS(&s, "</Error>");
        snprintf(status, sizeof status, "HTTP/1.1 %s ", rows[i].status);
        assert_true(str_starts(buf_str(&s.in), str_from_c(status)));
        if (!side_got(&s, rows[i].why))
            fail_msg("%.*s", STR_ARG(buf_str(&s.in)));
        assert_int_equal(side_count(&s, "HTTP/1.1 "), 1);
        assert_true(nothing_is_ahead(l));
        side_says(&s, "GET / HTTP/1.1\r\nHost: p\r\n\r\n");
        SIDE_AWAITS(&s, "S3 Proxy");
        side_close(&s);
    }
    /* A connection that is refused is told at once. */
    struct side s;
    lab_lists(l, some, NULL, "");
    io_listener_close(&l->store.o.listener);
    ask(l, &s, GET_ZIP "\r\n");
    SIDE_AWAITS(&s, "</Error>");
    assert_true(side_got(&s, "HTTP/1.1 502 ") && side_got(&s, "ConnectFailure"));
    side_close(&s);
}

/* Afterwards it is cut, and never ended as if it were whole. */
static void a_later_file_fails(void **state)
{
    static const struct {
        struct object last;
        struct say says;
        const char *end;
    } rows[] = {
        { { "/b/z", 100, NULL }, { "/b/z", NOT_FOUND, 0, STAY, 0 }, "part_refused" },
        { { "/b/z", 100, NULL },
          { "/b/z", "HTTP/1.1 200 OK\r\nContent-Length: 101" END, 0, STAY, 0 },
          "part_damaged" },
        { { "/b/z", 100, "1" }, { 0 }, "part_damaged" },
        { { "/b/z", 500 * KIB, "1" }, { 0 }, "part_damaged" },
        { { "/b/z", 100, "-" },
          { "/b/z", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0" END, 0, STAY,
            0 },
          "part_damaged" },
    };
    struct lab *l = *state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        const struct say script[] = { rows[i / 2].says, { 0 } };
        const struct object objects[] = { known[0], known[1], rows[i / 2].last, { 0 } };
        char end[64];
        struct side s;
        struct str body;
        size_t used;
        l->px->rig->conf->archive_ahead = i % 2 ? 16 << 20 : 0;
        lab_lists(l, objects, script, "");
        ask(l, &s, GET_ZIP "\r\n");
        SIDE_AWAITS_END(&s);
        assert_true(side_got(&s, "HTTP/1.1 200 OK\r\n"));
        assert_false(is_whole(&s, &body, &used));
        snprintf(end, sizeof end, "\"end\":\"%s\"", rows[i / 2].end);
        if (!px_logged(l->px, end) || !px_logged(l->px, "name of /b/z"))
            fail_msg("%.*s", STR_ARG(buf_str(&l->px->proxy.line)));
        assert_true(nothing_is_ahead(l));
        side_close(&s);
    }
}

/* A cut one is fetched on, whoever's turn it is. */
static void cut_files_are_resumed(void **state)
{
    static const struct say script[] = {
        { "/b/a", NULL, 500, CUT, 0 },
        { "Range: bytes=500-999\r\nIf-Match: \"e\"\r\n", NULL, ALL, STAY, 0 },
        { "/b/b", NULL, 200 * KIB, RESET, 0 },
        { 0 },
    };
    struct lab *l = *state;
    uint64_t n_tries = metric_read(METRIC_ARCHIVE_PART_TRIES);
    for (int ahead = 0; ahead < 2; ahead++) {
        struct side s;
        l->px->rig->conf->archive_ahead = ahead ? 16 << 20 : 0;
        lab_lists(l, some, script, "");
        ask(l, &s, GET_ZIP "\r\n");
        check_archive(body_of(&s), some);
        assert_true(l->store.n_requests >= 6);
        assert_true(metric_read(METRIC_ARCHIVE_PART_TRIES) - n_tries >= 2);
        assert_true(px_logged(l->px, "\"part_tries\":"));
        n_tries = metric_read(METRIC_ARCHIVE_PART_TRIES);
        assert_true(nothing_is_ahead(l));
        side_close(&s);
    }
}

/* Once the answer has begun, or where it is not the first, a file gets more than one try. */
static void failures_that_may_pass(void **state)
{
    static const struct say later[] = { { "/b/a", NULL, ALL, STAY, 1 },
                                        { "/b/b", "nonsense" END, 0, CLOSE, 0 },
                                        { 0 } };
    static const struct say begun[] = { { "/b/a", NULL, 500, CUT, 0 },
                                        { "Range: bytes=500-", "nonsense" END, 0, CLOSE, 0 },
                                        { 0 } };
    struct lab *l = *state;
    for (int i = 0; i < 2; i++) {
        struct side s;
        lab_lists(l, known, i ? begun : later, "");
        ask(l, &s, GET_ZIP "\r\n");
        TURN_UNTIL(l->px->rig, l->store.n_requests >= 3);
        turn_ms(l->px->rig, 50);
        store_open(&l->store, 1);
        check_archive(body_of(&s), known);
        assert_int_equal(l->store.n_requests, i ? 5 : 4);
        side_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lists_that_are_refused), TEST(the_first_file_fails),   TEST(a_later_file_fails),
        TEST(cut_files_are_resumed),  TEST(failures_that_may_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
