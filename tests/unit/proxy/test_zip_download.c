/* Archives through a whole proxy, from a scripted registry and a scripted S3. */
#include "store.h"

#include "obs/metrics.h"
#include "proxy/zip_download.h"

#define KIB 1024
#define GET_ZIP "GET /zip/x HTTP/1.1\r\nHost: p\r\n"
#define NOT_FOUND "HTTP/1.1 404 N\r\nContent-Length: 0" END

static const struct object some[] = { { "/b/a", 1000, NULL },      { "/b/empty", 0, NULL },
                                      { "/b/b", 300 * KIB, NULL }, { "/b/c?q=1", 5, NULL },
                                      { "/b/d", 70000, "-" },      { 0 } };
static const struct object known[] = {
    { "/b/a", 1000, NULL }, { "/b/b", 3000, NULL }, { "/b/c", 2000, NULL }, { 0 }
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

static bool nothing_is_ahead(struct lab *l)
{
    return limits_held(l->px->limits, LIMITS_AHEAD) == 0 && metric_read(METRIC_ARCHIVE_AHEAD) == 0;
}

/* The registry gives this text, with fields of its own, to each request. */
static void lab_gives(struct lab *l, const struct object *objects, const struct say *script,
                      const char *fields, struct str list)
{
    static struct buf text;
    static struct act acts[8];
    buf_done(&text);
    buf_init(&text, 16 << 20);
    buf_printf(&text, "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\n%sContent-Length: %zu\r\n\r\n",
               fields, list.n);
    buf_append(&text, list);
    buf_byte(&text, 0);
    assert_false(text.failed);
    for (unsigned i = 0; i < 7; i++)
        acts[i] = (struct act){ i / 5, "/zip/x", text.p, 0, STAY };
    lab_serve(l, objects, script, acts);
}

static void lab_lists(struct lab *l, const struct object *objects, const struct say *script,
                      const char *fields)
{
    struct buf list;
    buf_init(&list, 16 << 20);
    lab_list(objects, &list);
    lab_gives(l, objects, script, fields, buf_str(&list));
    buf_done(&list);
}

static void ask(struct lab *l, struct side *s, const char *request)
{
    side_open(l->px, s);
    side_says(s, request);
}

/* The response at the start of what came, when it is whole: its body, and then *used bytes. */
static bool is_whole(struct side *s, struct str *body, size_t *used)
{
    struct str in;
    size_t n = 0;
    side_reads(s);
    in = buf_str(&s->in);
    while (n + 4 <= in.n && memcmp(in.p + n, END, 4) != 0)
        n++;
    if (n + 4 > in.n)
        return false;
    char *head = strndup(in.p, n + 4), *field = strstr(head, "Content-Length: ");
    size_t length = field ? (size_t)atoll(field + 16) : 0;
    free(head);
    if (in.n < n + 4 + length)
        return false;
    *body = str_first(str_from(in, n + 4), length);
    *used = n + 4 + length;
    return true;
}

static struct str body_of(struct side *s)
{
    struct str body;
    size_t used;
    TURN_UNTIL(s->px->rig, is_whole(s, &body, &used));
    return body;
}

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

/* The later ones come first, and wait for their turn. */
static void the_order_is_that_of_the_list(void **state)
{
    static const struct say script[] = { { "/b/a", NULL, ALL, STAY, 3 },
                                         { "/b/b", NULL, ALL, STAY, 2 },
                                         { "/b/c", NULL, ALL, STAY, 1 },
                                         { 0 } };
    struct lab *l = *state;
    struct side s;
    lab_lists(l, some, script, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 4);
    for (unsigned gate = 1; gate <= 3; gate++) {
        turn_ms(l->px->rig, 10);
        assert_false(side_got(&s, "H"));
        assert_true(limits_held(l->px->limits, LIMITS_AHEAD) > 0);
        store_open(&l->store, gate);
    }
    check_archive(body_of(&s), some);
    side_close(&s);
}

/* More than are fetched at once. */
static void many_files(void **state)
{
    enum { N = 1000 };
    static struct object many[N + 1];
    static char keys[N][16];
    static const struct say script[] = { { "/b/0 ", NULL, ALL, STAY, 1 }, { 0 } };
    struct lab *l = *state;
    struct side s;
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "/b/%d", i);
        many[i] = (struct object){ keys[i], (size_t)i % 7 == 3 ? 0 : (size_t)i * 3, NULL };
    }
    many[0].n = 1;
    lab_lists(l, many, script, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == ZIP_MAX_PARTS);
    turn_ms(l->px->rig, 20);
    assert_int_equal(l->store.n_requests, ZIP_MAX_PARTS);
    store_open(&l->store, 1);
    check_archive(body_of(&s), many);
    assert_true(l->store.o.n_peers <= ZIP_MAX_PARTS);
    assert_true(nothing_is_ahead(l));
    side_close(&s);
}

/* Two files of 7 and 9 bytes among so many directories. */
enum { FAR = 40 * 1000 };
static const struct object few[] = { { "/b/a", 7, NULL }, { "/b/b", 9, NULL }, { 0 } };

static void far_apart(struct buf *list)
{
    buf_init(list, 16 << 20);
    for (int i = 0; i < 3 * FAR; i++) {
        buf_append(list, STR("0 0 @directory d\n"));
        if (i % FAR == FAR - 1 && i / FAR < 2)
            buf_printf(
                list, "%08x %zu /s3.test%s f\n",
                zip_made_crc(str_from_c(i / FAR ? "/s3.test/b/b" : "/s3.test/b/a"), few[i / FAR].n),
                few[i / FAR].n, few[i / FAR].key);
    }
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

/* While S3 waits, two archives hold no more than both may, and no more than each may. */
static void check_budget(struct lab *l, uint64_t ahead, uint64_t total)
{
    struct conf *conf = l->px->rig->conf;
    struct side s[2];
    struct str body;
    size_t used;
    conf->archive_ahead = ahead;
    conf->archive_ahead_total = total;
    static const struct say script[] = { { "/b/a", NULL, ALL, STAY, 1 },
                                         { "/b/a", NULL, ALL, STAY, 1 },
                                         { 0 } };
    lab_lists(l, some, script, "");
    ask(l, &s[0], GET_ZIP "\r\n");
    ask(l, &s[1], GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, log_count(&l->store, "/b/a") == 2);
    turn_ms(l->px->rig, 20);
    assert_in_range(limits_held(l->px->limits, LIMITS_AHEAD), 1, 600 * KIB);
    store_open(&l->store, 1);
    for (int i = 0; i < 2; i++) {
        TURN_UNTIL(l->px->rig, is_whole(&s[i], &body, &used) &&
                                   limits_held(l->px->limits, LIMITS_AHEAD) <= 600 * KIB);
        check_archive(body, some);
    }
    assert_true(nothing_is_ahead(l));
    side_close(&s[0]);
    side_close(&s[1]);
}

static void two_share_the_budget(void **state)
{
    check_budget(*state, 16 << 20, 600 * KIB);
    check_budget(*state, 300 * KIB, 64 << 20);
}

static const struct object large_first[] = { { "/b/a", 1000 * KIB, NULL },
                                             { "/b/b", 1000, NULL },
                                             { 0 } };
static const struct object large_last[] = { { "/b/a", 1000, NULL },
                                            { "/b/b", 1000 * KIB, NULL },
                                            { 0 } };

/* What the leading one holds is not of the budget, so the next is fetched beside it. */
static void the_leading_part_needs_no_reserve(void **state)
{
    static const struct say gated[] = { { "/b/a", NULL, ALL, STAY, 1 }, { 0 } };
    static const struct say stalls[] = { { "/b/a", NULL, ALL, STAY, 1 },
                                         { "/b/b", NULL, 600 * KIB, STAY, 0 },
                                         { 0 } };
    struct lab *l = *state;
    struct side s;
    l->px->rig->conf->archive_ahead = 300 * KIB;
    lab_lists(l, large_first, gated, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 2);
    store_open(&l->store, 1);
    check_archive(body_of(&s), large_first);
    side_close(&s);

    /* And when its turn has come, and what was held is gone, it gives its reserve back. */
    lab_lists(l, large_last, stalls, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, limits_held(l->px->limits, LIMITS_AHEAD) > 0);
    store_open(&l->store, 1);
    TURN_UNTIL(l->px->rig, side_reads(&s) && s.in.n > 600 * KIB);
    TURN_UNTIL(l->px->rig, limits_held(l->px->limits, LIMITS_AHEAD) == 0);
    assert_int_equal(l->store.n_requests, 2);
    side_close(&s);
}

/* A client that takes its time is waited for, and S3 with it; one that takes nothing is cut. */
static void slow_clients(void **state)
{
    static const struct object large[] = { { "/b/a", 8000 * KIB, NULL },
                                           { "/b/b", 8000 * KIB, NULL },
                                           { 0 } };
    struct lab *l = *state;
    struct side s;
    l->px->rig->conf->archive_ahead = 300 * KIB;
    lab_lists(l, large, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 2);
    turn_ms(l->px->rig, 200);
    assert_true(l->store.o.peers[0].out.n > 1000 * KIB);
    assert_true(l->store.o.peers[1].out.n > 1000 * KIB);
    assert_true(limits_held(l->px->limits, LIMITS_AHEAD) <= 300 * KIB);
    check_archive(body_of(&s), large);
    side_close(&s);

    uint64_t ahead = METRIC_ARCHIVE_AHEAD;
    l->px->rig->conf->body_timeout_ms = 150;
    lab_lists(l, large, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, metric_read((unsigned)ahead) > 0);
    TURN_UNTIL(l->px->rig, l->px->proxy.n_clients == 0);
    assert_true(px_logged(l->px, "\"end\":\"client_stalled\""));
    assert_true(nothing_is_ahead(l));
    side_close(&s);
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
              "transfer-encoding:keep-alive::absent\r\n");
    ask(l, &s,
        "POST /zip/x HTTP/1.1\r\nHost: p\r\nAuthorization: one\r\nCookie: c\r\nRange: bytes=0-\r\n"
        "If-Range: \"q\"\r\nIf-Match: \"q\"\r\nIf-None-Match: \"q\"\r\nIf-Modified-Since: q\r\n"
        "If-Unmodified-Since: q\r\nConnection: X-Named\r\nX-Named: q\r\nTE: trailers\r\n"
        "Content-Type: t/t\r\nContent-Encoding: q\r\nKeep-Alive: q\r\nX-Extra: two\r\n"
        "Expect: 100-continue\r\n"
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

/* ---- what fails ---- */

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

/* ---- ends from outside ---- */

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
        struct str body;
        size_t used;
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(whole_archives),
        TEST(an_archive_of_nothing),
        TEST(the_order_is_that_of_the_list),
        TEST(many_files),
        TEST(a_long_way_between_files),
        cmocka_unit_test(an_abort_on_the_way),
        TEST(times),
        TEST(two_share_the_budget),
        TEST(the_leading_part_needs_no_reserve),
        TEST(slow_clients),
        TEST(what_goes_with_each_part),
        TEST(no_fields_and_all_fields),
        TEST(a_body_that_is_owed),
        TEST(other_answers),
        TEST(head_requests),
        TEST(ranges),
        TEST(several_ranges),
        TEST(a_range_behind_the_end),
        TEST(lists_that_are_refused),
        TEST(the_first_file_fails),
        TEST(a_later_file_fails),
        TEST(cut_files_are_resumed),
        TEST(failures_that_may_pass),
        TEST(clients_that_leave),
        cmocka_unit_test(aborts),
        cmocka_unit_test(drains),
        TEST(what_comes_behind),
        TEST(the_access_line),
        TEST(a_cut_among_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
