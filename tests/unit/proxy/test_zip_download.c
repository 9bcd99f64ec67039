/* Archives through a whole proxy: whole ones, what goes with their request, their ranges. */
#include "download.h"

/* ---- whole ones ---- */

static void whole_archives(void **state)
{
    static const uint64_t aheads[] = { 16 << 20, 0, 140 * KIB, 300 * KIB, 700 * KIB };
    struct lab *l = *state;
    uint64_t n_parts = metric_read(METRIC_ARCHIVE_PARTS);
    uint64_t n_archives = metric_read(METRIC_ARCHIVES);
    for (size_t i = 0; i < 2 * sizeof aheads / sizeof *aheads; i++) {
        struct side s;
        uint64_t limit = aheads[i / 2], most = 0;
        l->px->rig->conf->archive_ahead = i % 2 ? 16 << 20 : limit;
        l->px->rig->conf->archive_ahead_total = i % 2 ? limit : 64 << 20;
        lab_lists(l, some, NULL, "ETag: \"z\"\r\n");
        ask(l, &s, GET_ZIP "\r\n");
        struct str body;
        size_t used;
        for (int turn = 0; turn < 5000 && !is_whole(&s, &body, &used); turn++) {
            uint64_t n = limits_held(l->px->limits, LIMITS_AHEAD);
            assert_true(n <= limit && n == metric_read(METRIC_ARCHIVE_AHEAD));
            most = n > most ? n : most;
            turn_ms(l->px->rig, 1);
        }
        check_archive(body_of(&s), some);
        assert_true(side_got(&s, "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"));
        assert_true(side_got(&s, "\r\nETag: \"z\"\r\n"));
        assert_int_equal(l->store.n_requests, 4);
        assert_int_equal(metric_read(METRIC_ARCHIVE_PARTS) - n_parts, 4 * (i + 1));
        assert_int_equal(metric_read(METRIC_ARCHIVES) - n_archives, i + 1);
        assert_true(nothing_is_ahead(l));
        assert_true(px_logged(l->px, "\"status\":200"));
        /* The connection serves on. */
        side_says(&s, "GET / HTTP/1.1\r\nHost: p\r\n\r\n");
        SIDE_AWAITS(&s, "S3 Proxy");
        side_close(&s);
    }
}

static void an_archive_of_nothing(void **state)
{
    static const struct object none[] = { { 0 } };
    struct lab *l = *state;
    struct side s;
    lab_lists(l, none, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    assert_int_equal(body_of(&s).n, 22);
    check_archive(body_of(&s), none);
    assert_int_equal(l->store.n_requests, 0);
    side_close(&s);
}

/* A list that takes several turns to read, and to walk over to its files. */
static void a_long_way_between_files(void **state)
{
    static struct zip_seen seen;
    struct lab *l = *state;
    struct buf list;
    far_apart(&list);
    for (int ahead = 0; ahead < 2; ahead++) {
        struct side s;
        l->px->rig->conf->archive_ahead = ahead ? 16 << 20 : 0;
        lab_gives(l, few, NULL, "", buf_str(&list));
        ask(l, &s, GET_ZIP "\r\n");
        struct str body = body_of(&s);
        struct zip_reader z = { .fetch = fetch_from_str, .arg = &body, .total_bytes = body.n };
        assert_null(zip_reader_end(&z));
        assert_int_equal(z.n_entries, 3 * FAR + 2);
        uint64_t data = 0;
        for (uint64_t i = 0; i < z.n_entries; i++) {
            const char *why = zip_reader_next(&z, &seen);
            if (why)
                fail_msg("%s", why);
            data += seen.size;
        }
        assert_int_equal(data, 16);
        side_close(&s);
    }
    buf_done(&list);
}

/* The entries' time is that of Last-Modified, else the earliest. */
static void times(void **state)
{
    static struct zip_seen seen;
    static const char *const fields[] = { "", "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n" };
    struct lab *l = *state;
    for (int i = 0; i < 2; i++) {
        struct side s;
        lab_lists(l, known, NULL, fields[i]);
        ask(l, &s, GET_ZIP "\r\n");
        struct str body = body_of(&s);
        struct zip_reader z = { .fetch = fetch_from_str, .arg = &body, .total_bytes = body.n };
        assert_null(zip_reader_end(&z));
        assert_null(zip_reader_next(&z, &seen));
        assert_int_equal(seen.time, zip_time(i ? 784111777 : 0));
        side_close(&s);
    }
}

/* ---- the request and its fields ---- */

static void what_goes_with_each_part(void **state)
{
    struct lab *l = *state;
    struct side s;
    lab_lists(l, known, NULL,
              "X-Archive-Pass-Headers: authorization:Authorization::cookie:host:range:"
              "if-range:if-match:if-none-match:if-modified-since:if-unmodified-since:connection\r\n"
              "X-Archive-Pass-Headers:  X-Extra "
              ":x-named:te:content-length:content-type:content-encoding:expect:"
              "transfer-encoding:keep-alive:accept-encoding:content-range::absent\r\n");
    ask(l, &s,
        "POST /zip/x HTTP/1.1\r\nHost: p\r\nAuthorization: one\r\nCookie: c\r\nRange: bytes=0-\r\n"
        "If-Range: \"q\"\r\nIf-Match: \"q\"\r\nIf-None-Match: \"q\"\r\nIf-Modified-Since: q\r\n"
        "If-Unmodified-Since: q\r\nConnection: X-Named\r\nX-Named: q\r\nTE: trailers\r\n"
        "Content-Type: t/t\r\nContent-Encoding: q\r\nKeep-Alive: q\r\nX-Extra: two\r\n"
        "Expect: 100-continue\r\nContent-Range: bytes 0-6/7\r\n"
        "x-extra:three \r\nX-Extra-2: q\r\nAccept-Encoding: q\r\nContent-Length: 7\r\n\r\n"
        "SECRET!");
    check_archive(body_of(&s), known);
    for (const struct object *o = known; o->key; o++) {
        char head[256];
        snprintf(head, sizeof head,
                 "GET %s HTTP/1.1\r\nHost: s3.test\r\nAuthorization: one\r\nX-Extra: two\r\n"
                 "x-extra: three" END,
                 o->key);
        assert_int_equal(log_count(&l->store, head), 1);
    }
    const struct peer *registry = &l->registry.peers[0];
    assert_true(peer_got(registry, "POST /zip/x HTTP/1.1\r\n"));
    assert_true(peer_got(registry, "Cookie: c\r\n") && peer_got(registry, "SECRET!"));
    assert_true(peer_got(registry, "If-None-Match: \"q\"\r\n"));
    assert_false(peer_got(registry, "\r\nRange:") || peer_got(registry, "If-Range"));
    assert_false(peer_got(registry, "Accept-Encoding"));
    side_close(&s);
}

/* Without the field, nothing goes; and a full head of fields does. */
static void no_fields_and_all_fields(void **state)
{
    static char request[32 * KIB + 1];
    struct lab *l = *state;
    struct side s;
    lab_lists(l, known, NULL, "");
    ask(l, &s, GET_ZIP "Authorization: one\r\n\r\n");
    check_archive(body_of(&s), known);
    assert_int_equal(log_count(&l->store, "HTTP/1.1\r\nHost: s3.test" END), 3);
    side_close(&s);

    int n = snprintf(request, sizeof request, GET_ZIP);
    for (int i = 0; i < 90; i++)
        n += snprintf(request + n, sizeof request - (size_t)n, "A:%0345d\r\n", i);
    snprintf(request + n, sizeof request - (size_t)n, "A:%0*d" END, 32 * KIB - n - 6, 1);
    assert_int_equal(strlen(request), 32 * KIB);
    lab_lists(l, known, NULL, "X-Archive-Pass-Headers: a:A:a\r\n");
    ask(l, &s, request);
    check_archive(body_of(&s), known);
    assert_int_equal(log_count(&l->store, "\r\nA: 0"), 3 * 91);
    side_close(&s);
}

/* A registry that answers before it has read the request's body: nobody waits for the rest. */
static void a_body_that_is_owed(void **state)
{
    static const struct say script[] = { { "/b/a", NULL, ALL, STAY, 1 }, { 0 } };
    struct lab *l = *state;
    struct side s;
    l->px->rig->conf->body_timeout_ms = 100;
    lab_lists(l, known, script, "");
    ask(l, &s, "POST /zip/x HTTP/1.1\r\nHost: p\r\nContent-Length: 10\r\n\r\nhello");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 3);
    /* Shorter than the wait for S3's head. */
    turn_ms(l->px->rig, 300);
    assert_false(side_reads(&s) && s.is_over);
    store_open(&l->store, 1);
    check_archive(body_of(&s), known);
    assert_true(side_got(&s, "\r\nConnection: close\r\n"));
    side_close(&s);
}

/* ---- what is not one ---- */

static void other_answers(void **state)
{
    static const struct {
        const char *answer, *has, *has_not;
    } rows[] = {
        { "HTTP/1.1 403 F\r\nX-Archive-Files: zip\r\nX-Archive-Pass-Headers: a\r\nX-Why: y\r\n"
          "Content-Length: 2\r\n\r\nno",
          "X-Why: y\r\n", "X-Archive" },
        { "HTTP/1.1 302 F\r\nX-Archive-Files: zip\r\nLocation: /x\r\nContent-Length: 2\r\n\r\nno",
          "Location: /x\r\n", "X-Archive" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 200 OK\r\n", "PK" },
        { "HTTP/1.1 200 OK\r\nX-Archive-Files: tar\r\nContent-Length: 2\r\n\r\nno",
          "HTTP/1.1 200 OK\r\n", "PK" },
    };
    struct lab *l = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct act acts[] = { { 0, "/zip/x", rows[i].answer, 0, STAY }, { 0 } };
        struct side s;
        lab_serve(l, known, NULL, acts);
        ask(l, &s, GET_ZIP "\r\n");
        SIDE_AWAITS(&s, END "no");
        assert_true(side_got(&s, rows[i].has));
        assert_false(side_got(&s, rows[i].has_not));
        side_close(&s);
    }
}

static void head_requests(void **state)
{
    static const struct act acts[] = {
        { 0, "HEAD /zip/x",
          "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nETag: \"e\"\r\nContent-Length: 99" END, 0,
          STAY },
        { 0, "GET /zip/x", "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nContent-Length: 0" END, 0,
          STAY },
        { 0 },
    };
    struct lab *l = *state;
    struct side s;
    lab_serve(l, known, NULL, acts);
    ask(l, &s, "HEAD /zip/x HTTP/1.1\r\nHost: p\r\nRange: bytes=0-4\r\n\r\n" GET_ZIP "\r\n");
    SIDE_AWAITS(&s, "PK\5\6");
    assert_int_equal(side_count(&s, "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"), 2);
    assert_int_equal(side_count(&s, "Content-Length"), 1);
    assert_true(side_got(&s, "ETag: \"e\"\r\n"));
    assert_int_equal(l->registry.n_peers, 1);
    side_close(&s);
}

/* ---- ranges ---- */

/* Any of it is the same as that of the whole, and S3 is asked for no more. */
static void ranges(void **state)
{
    struct lab *l = *state;
    struct side s;
    struct buf whole;
    lab_lists(l, known, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    buf_init(&whole, 1 << 20);
    buf_append(&whole, body_of(&s));
    side_close(&s);
    srand(2);
    for (int i = 0; i < 60; i++) {
        char request[256], range[64];
        size_t first = (size_t)rand() % whole.n, n = 1 + (size_t)rand() % (i % 2 ? 50 : 5000);
        size_t end = first + n < whole.n ? first + n : whole.n;
        uint64_t received = 0;
        lab_lists(l, known, NULL, "ETag: \"z\"\r\n");
        snprintf(request, sizeof request, GET_ZIP "Range: bytes=%zu-%zu\r\nIf-Range: \"z\"\r\n\r\n",
                 first, first + n - 1);
        ask(l, &s, request);
        assert_true(str_eq(body_of(&s), str_first(str_from(buf_str(&whole), first), end - first)));
        snprintf(range, sizeof range, "Content-Range: bytes %zu-%zu/%zu\r\n", first, end - 1,
                 whole.n);
        assert_true(side_got(&s, "HTTP/1.1 206 ") && side_got(&s, range));
        for (unsigned k = 0; k < l->store.n_requests; k++)
            received++;
        assert_true(received <= 3 && (n > 50 || received <= 1));
        assert_true(nothing_is_ahead(l));
        side_close(&s);
    }
    buf_done(&whole);
}

static void several_ranges(void **state)
{
    struct lab *l = *state;
    struct side s;
    struct buf whole;
    lab_lists(l, known, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    buf_init(&whole, 1 << 20);
    buf_append(&whole, body_of(&s));
    side_close(&s);
    for (int ahead = 0; ahead < 2; ahead++) {
        l->px->rig->conf->archive_ahead = ahead ? 16 << 20 : 0;
        lab_lists(l, known, NULL, "");
        ask(l, &s, GET_ZIP "Range: bytes=100-199,0-9,1100-3999,-22\r\n\r\n");
        struct str body = body_of(&s);
        static const size_t from[] = { 100, 0, 1100 }, to[] = { 200, 10, 4000 };
        for (int i = 0; i < 4; i++) {
            size_t first = i < 3 ? from[i] : whole.n - 22, end = i < 3 ? to[i] : whole.n;
            size_t at = 0;
            while (at + 4 < body.n && memcmp(body.p + at, END, 4) != 0)
                at++;
            body = str_from(body, at + 4);
            assert_true(body.n > end - first);
            assert_memory_equal(body.p, whole.p + first, end - first);
            body = str_from(body, end - first);
        }
        assert_true(str_starts(body, STR("\r\n--penstock-")) && str_ends(body, STR("--\r\n")));
        assert_int_equal(body.n, 2 + 2 + 25 + 2 + 2);
        assert_true(px_logged(l->px, "\"status\":206"));
        /* And nothing behind it. */
        side_says(&s, "GET / HTTP/1.1\r\nHost: p\r\n\r\n");
        SIDE_AWAITS(&s, "--\r\nHTTP/1.1 200 OK\r\n");
        side_close(&s);
    }
    buf_done(&whole);
}

static void a_range_behind_the_end(void **state)
{
    struct lab *l = *state;
    struct side s;
    lab_lists(l, known, NULL, "");
    ask(l, &s, GET_ZIP "Range: bytes=99999-\r\n\r\n");
    assert_int_equal(body_of(&s).n, 0);
    assert_true(side_got(&s, "HTTP/1.1 416 ") && side_got(&s, "\r\nContent-Length: 0\r\n"));
    assert_int_equal(l->store.n_requests, 0);
    side_says(&s, GET_ZIP "\r\n");
    SIDE_AWAITS(&s, "PK\5\6");
    side_close(&s);
}

/* The access line counts what went, and knows the registry's head when the list is long over. */
static void the_access_line(void **state)
{
    struct lab *l = *state;
    struct side s;
    char sent[64];
    lab_lists(l, some, NULL, "x-amz-request-id: REGISTRY\r\n");
    ask(l, &s, GET_ZIP "\r\n");
    snprintf(sent, sizeof sent, "\"bytes_out\":%zu", body_of(&s).n);
    if (!px_logged(l->px, sent))
        fail_msg("%s: %.*s", sent, STR_ARG(buf_str(&l->px->proxy.line)));
    assert_true(px_logged(l->px, "\"x_amz_request_id\":\"REGISTRY\""));
    assert_true(px_logged(l->px, "\"entries\":5,\"parts\":4"));
    side_close(&s);

    /* Of a long list, whose blocks took the place of the head. */
    static char list[200 * KIB];
    memset(list, '\n', sizeof list);
    list[sizeof list - 1] = '!';
    lab_gives(l, known, NULL, "x-amz-request-id: REGISTRY\r\n", str_of(list, sizeof list));
    ask(l, &s, GET_ZIP "\r\n");
    SIDE_AWAITS(&s, "entry 1: ");
    assert_true(px_logged(l->px, "\"x_amz_request_id\":\"REGISTRY\""));
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_archives),
        TEST(an_archive_of_nothing),
        TEST(a_long_way_between_files),
        TEST(times),
        TEST(what_goes_with_each_part),
        TEST(no_fields_and_all_fields),
        TEST(a_body_that_is_owed),
        TEST(other_answers),
        TEST(head_requests),
        TEST(ranges),
        TEST(several_ranges),
        TEST(a_range_behind_the_end),
        TEST(the_access_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
