#include "proxy/zip_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "../codec/zip_made.h"
#include "head.h"

#define MODIFIED "Sun, 06 Nov 1994 08:49:37 GMT"
#define KNOWN "1 5000 /h/k a\n2 5000 /h/k b\n"
#define UNKNOWN "1 5000 /h/k a\n- 5000 /h/k b\n"

/* One reply, from texts. */
struct said {
    struct zip_reply reply;
    struct zip_layout layout;
    struct http_head registry, request;
    struct buf out;
    char registry_text[4096], request_text[4096];
};

/* fields: lines of the heads, each with CR LF. list NULL: to a HEAD. */
static struct said *say(const char *registry, const char *request, const char *list)
{
    struct said *s = calloc(1, sizeof *s);
    struct fault f = { .kind = FAULT_NONE };
    snprintf(s->registry_text, sizeof s->registry_text,
             "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\nContent-Length: 7\r\n%s\r\n", registry);
    snprintf(s->request_text, sizeof s->request_text, "%s /zip/x HTTP/1.1\r\nHost: p\r\n%s\r\n",
             list ? "GET" : "HEAD", request);
    read_response(s->registry_text, HTTP_GET, &s->registry);
    read_request(s->request_text, &s->request);
    assert_true(zip_reply_init(&s->reply, &s->registry, &f));
    /* Nothing of it is borrowed. */
    memset(s->registry_text, '#', sizeof s->registry_text);
    memset(&s->registry, 0xa5, sizeof s->registry);
    if (list) {
        assert_true(zip_made_layout(&s->layout, str_from_c(list)));
        zip_reply_plan(&s->reply, &s->request, &s->layout);
    } else {
        zip_reply_plan_head(&s->reply);
    }
    buf_init(&s->out, 1 << 20);
    zip_reply_write_head(&s->out, &s->reply, &s->request, true);
    assert_false(s->out.failed);
    return s;
}

static void said_free(struct said *s)
{
    zip_reply_done(&s->reply);
    zip_layout_done(&s->layout);
    buf_done(&s->out);
    free(s);
}

static bool has(const struct said *s, const char *text)
{
    return str_contains(buf_str(&s->out), str_from_c(text));
}

/* ---- fields ---- */

static void fields_of_the_registry(void **state)
{
    static const struct {
        const char *field;
        bool passes;
    } rows[] = {
        { "Content-Disposition: attachment; filename=\"a.zip\"\r\n", true },
        { "ETag: \"e\"\r\n", true },
        { "ETag: W/\"e\"\r\n", true },
        { "Last-Modified: " MODIFIED "\r\n", true },
        { "Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n", true },
        { "Cache-Control: private\r\n", true },
        { "Access-Control-Allow-Origin: https://c\r\n", true },
        { "Vary: Origin\r\n", true },
        { "X-Request_Id: r\r\n", true },
        { "X-Archived: y\r\n", true },
        { "X-Archive-Pass-Headers: Authorization\r\n", false },
        { "x-archive-charset: utf-8\r\n", false },
        { "X-Archive-\r\n", false },
        { "Content-Type: text/plain\r\n", false },
        { "Content-Encoding: identity\r\n", false },
        { "Content-Range: bytes 0-6/7\r\n", false },
        { "Accept-Ranges: none\r\n", false },
        { "Content-MD5: x\r\n", false },
        { "digest: x\r\n", false },
        { "Content-Digest: x\r\n", false },
        { "Repr-Digest: x\r\n", false },
        { "Trailer: T\r\n", false },
        { "Keep-Alive: timeout=5\r\n", false },
        { "Connection: X-Named, close\r\n", false },
        { "Upgrade: h2c\r\n", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *field = rows[i].field;
        if (strchr(field, ':') == NULL)
            field = "X-Archive-: y\r\n";
        struct said *s = say(field, "", KNOWN);
        if (has(s, field) != rows[i].passes)
            fail_msg("%s", rows[i].field);
        assert_true(has(s, "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"));
        assert_false(has(s, "Archive-") || has(s, "Content-Length: 7\r\n"));
        said_free(s);
    }
    struct said *s = say("Connection: X-Named\r\nX-Named: y\r\n", "", KNOWN);
    assert_false(has(s, "X-Named"));
    said_free(s);
}

static void cache_control(void **state)
{
    struct said *s = say("", "", KNOWN);
    assert_true(has(s, "\r\nCache-Control: max-age=0\r\n"));
    said_free(s);
    s = say("cache-control: no-store\r\n", "", KNOWN);
    assert_true(has(s, "\r\ncache-control: no-store\r\n"));
    assert_false(has(s, "max-age"));
    said_free(s);
}

static void codings_are_refused(void **state)
{
    static const char *const codings[] = { "gzip", "br", "identity, gzip", "x" };
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++) {
        struct zip_reply r;
        struct http_head head;
        struct fault f = { .kind = FAULT_NONE };
        char text[256];
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\n\r\n", codings[i]);
        read_response(text, HTTP_GET, &head);
        assert_false(zip_reply_init(&r, &head, &f));
        assert_int_equal(f.kind, FAULT_MANIFEST);
        assert_string_equal(f.detail, "it has a Content-Encoding");
        zip_reply_done(&r);
    }
}

static void times(void **state)
{
    struct said *s = say("Last-Modified: " MODIFIED "\r\n", "", KNOWN);
    assert_true(s->reply.has_modified && s->reply.modified_s == 784111777);
    said_free(s);
    s = say("Last-Modified: today\r\n", "", KNOWN);
    assert_false(s->reply.has_modified);
    said_free(s);
}

/* ---- ranges ---- */

/* The archive of KNOWN: two local headers with their data, the central directory, the end. */
enum { TOTAL = 2 * (30 + 1 + 5000) + 2 * (46 + 1) + 22 };

#define R "Range: bytes="
static const struct range_row {
    const char *says, *request;
    unsigned status, n_windows;
    uint64_t first, last; /* of a single one */
} ranges[] = {
    { "no range", "", 200, 1, 0, TOTAL - 1 },
    { "one", R "5-9\r\n", 206, 1, 5, 9 },
    { "one byte", R "0-0\r\n", 206, 1, 0, 0 },
    { "all of it", R "0-\r\n", 206, 1, 0, TOTAL - 1 },
    { "from a byte on", R "100-\r\n", 206, 1, 100, TOTAL - 1 },
    { "the last byte", R "10177-\r\n", 206, 1, 10177, 10177 },
    { "clipped", R "100-999999\r\n", 206, 1, 100, TOTAL - 1 },
    { "the last ones", R "-22\r\n", 206, 1, TOTAL - 22, TOTAL - 1 },
    { "more last ones than there are", R "-99999\r\n", 206, 1, 0, TOTAL - 1 },
    { "behind the end", R "10178-\r\n", 416, 0, 0, 0 },
    { "none of the last", R "-0\r\n", 416, 0, 0, 0 },
    { "two", R "0-4,10-14\r\n", 206, 2, 0, 0 },
    { "two, of which one is behind the end", R "0-4,99999-\r\n", 206, 1, 0, 4 },
    { "two behind the end", R "88888-,99999-\r\n", 416, 0, 0, 0 },
    { "another unit", "Range: lines=1-2\r\n", 200, 1, 0, TOTAL - 1 },
    { "broken", R "9-5\r\n", 200, 1, 0, TOTAL - 1 },
    { "more than the whole together", R "0-,0-\r\n", 200, 1, 0, TOTAL - 1 },
    { "two fields", R "0-4\r\n" R "5-9\r\n", 200, 1, 0, TOTAL - 1 },
    { "If-Range with the ETag", R "5-9\r\nIf-Range: \"e\"\r\n", 206, 1, 5, 9 },
    { "If-Range with another", R "5-9\r\nIf-Range: \"f\"\r\n", 200, 1, 0, TOTAL - 1 },
    { "If-Range with a longer one", R "5-9\r\nIf-Range: \"e\" \"\r\n", 200, 1, 0, TOTAL - 1 },
    { "If-Range with a weak one", R "5-9\r\nIf-Range: W/\"e\"\r\n", 200, 1, 0, TOTAL - 1 },
    { "If-Range with the date", R "5-9\r\nIf-Range: " MODIFIED "\r\n", 206, 1, 5, 9 },
    { "If-Range with a later date", R "5-9\r\nIf-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", 200, 1,
      0, TOTAL - 1 },
    { "If-Range with an earlier date", R "5-9\r\nIf-Range: Sun, 06 Nov 1994 08:49:36 GMT\r\n", 200,
      1, 0, TOTAL - 1 },
    { "If-Range of nonsense", R "5-9\r\nIf-Range: e\r\n", 200, 1, 0, TOTAL - 1 },
    { "an empty If-Range", R "5-9\r\nIf-Range:\r\n", 200, 1, 0, TOTAL - 1 },
    { "If-Range alone", "If-Range: \"e\"\r\n", 200, 1, 0, TOTAL - 1 },
    { "416 needs If-Range too", R "99999-\r\nIf-Range: \"f\"\r\n", 200, 1, 0, TOTAL - 1 },
};

static void ranges_of_a_known_archive(void **state)
{
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        const struct range_row *row = &ranges[i];
        struct said *s =
            say("ETag:\t \"e\" \r\nLast-Modified: " MODIFIED "\r\n", row->request, KNOWN);
        struct zip_reply *r = &s->reply;
        char text[128];
        if (r->status != row->status || r->n_windows != row->n_windows)
            fail_msg("%s: %u, %u windows", row->says, r->status, r->n_windows);
        assert_int_equal(r->is_multipart, row->n_windows == 2);
        if (row->n_windows == 1) {
            assert_int_equal(r->windows[0].first, row->first);
            assert_int_equal(r->windows[0].end, row->last + 1);
            assert_int_equal(r->n_bytes, row->last + 1 - row->first);
            snprintf(text, sizeof text, "\r\nContent-Range: bytes %u-%u/%u\r\n",
                     (unsigned)row->first, (unsigned)row->last, TOTAL);
            assert_int_equal(has(s, text), row->status == 206);
            assert_true(has(s, "\r\nContent-Type: application/zip\r\n"));
        } else if (row->n_windows == 0) {
            assert_int_equal(r->n_bytes, 0);
            snprintf(text, sizeof text, "\r\nContent-Range: bytes */%u\r\n", TOTAL);
            assert_true(has(s, text));
            assert_false(has(s, "Content-Type"));
        } else {
            assert_true(has(s, "\r\nContent-Type: multipart/byteranges; boundary=penstock-"));
            assert_false(has(s, "Content-Range"));
        }
        snprintf(text, sizeof text, "HTTP/1.1 %u ", row->status);
        assert_true(str_starts(buf_str(&s->out), str_from_c(text)));
        snprintf(text, sizeof text, "\r\nContent-Length: %u\r\n", (unsigned)r->n_bytes);
        assert_true(has(s, text));
        assert_true(has(s, "\r\nAccept-Ranges: bytes\r\n"));
        assert_true(str_ends(buf_str(&s->out), STR("\r\n\r\n")));
        /* Delimiters are those of several parts alone. */
        size_t before = s->out.n;
        zip_reply_write_delimiter(&s->out, r, 0);
        assert_int_equal(s->out.n > before, r->is_multipart);
        said_free(s);
    }
}

/* What has no validator fits no If-Range; a weak ETag is none. */
static void if_range_without_validators(void **state)
{
    static const char *const registries[] = { "", "ETag: W/\"e\"\r\n", "ETag: e\r\n",
                                              "ETag: \"\r\n", "Last-Modified: e\r\n" };
    static const char *const conditions[] = { "\"e\"", "W/\"e\"", "\"", "e", MODIFIED, "\"\"" };
    for (size_t i = 0; i < sizeof registries / sizeof *registries; i++)
        for (size_t j = 0; j < sizeof conditions / sizeof *conditions; j++) {
            char request[256];
            snprintf(request, sizeof request, R "5-9\r\nIf-Range: %s\r\n", conditions[j]);
            struct said *s = say(registries[i], request, KNOWN);
            if (s->reply.status != 200)
                fail_msg("%s %s", registries[i], request);
            said_free(s);
        }
}

static void an_unknown_crc_has_no_ranges(void **state)
{
    static const char *const requests[] = { "", R "5-9\r\n", R "99999-\r\n", R "0-4,10-14\r\n" };
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct said *s = say("ETag: \"e\"\r\n", requests[i], UNKNOWN);
        assert_int_equal(s->reply.status, 200);
        assert_int_equal(s->reply.n_windows, 1);
        assert_int_equal(s->reply.windows[0].end, TOTAL + 16);
        assert_int_equal(s->reply.n_bytes, TOTAL + 16);
        assert_false(has(s, "Accept-Ranges"));
        said_free(s);
    }
}

static void an_empty_archive(void **state)
{
    struct said *s = say("", "", "");
    assert_int_equal(s->reply.n_bytes, 22);
    assert_true(has(s, "\r\nContent-Length: 22\r\n"));
    said_free(s);
}

/* There is no list, so neither a length nor ranges are told. */
static void head_says_nothing_of_the_body(void **state)
{
    struct said *s = say("ETag: \"e\"\r\n", R "0-4\r\n", NULL);
    assert_int_equal(s->reply.status, 200);
    assert_int_equal(s->reply.n_windows, 0);
    assert_true(has(s, "HTTP/1.1 200 OK\r\nContent-Type: application/zip\r\n"));
    assert_true(has(s, "ETag: \"e\"\r\n"));
    assert_false(has(s, "Content-Length") || has(s, "Content-Range") || has(s, "Accept-Ranges"));
    said_free(s);
}

/* ---- several ---- */

/* What is announced is what is written, and each part says where it is from. */
static void multipart_lengths(void **state)
{
    srand(1);
    for (int round = 0; round < 300; round++) {
        char request[4096];
        unsigned n = 2 + (unsigned)rand() % 60, at = 0;
        int used = snprintf(request, sizeof request, R);
        for (unsigned i = 0; i < n; i++) {
            unsigned first = at + (unsigned)rand() % 20, last = first + (unsigned)rand() % 120;
            used += snprintf(request + used, sizeof request - (size_t)used, "%s%u-%u",
                             i > 0 ? "," : "", first, last);
            at = last + 1;
        }
        snprintf(request + used, sizeof request - (size_t)used, "\r\n");
        struct said *s = say("", request, KNOWN);
        const struct zip_reply *r = &s->reply;
        assert_int_equal(r->status, 206);
        assert_true(r->is_multipart);
        assert_int_equal(r->n_windows, n);
        struct buf body;
        buf_init(&body, 1 << 20);
        uint64_t data = 0;
        for (unsigned i = 0; i <= n; i++) {
            size_t before = body.n;
            char text[256];
            zip_reply_write_delimiter(&body, r, i);
            if (i == n) {
                snprintf(text, sizeof text, "\r\n--%s--\r\n", r->boundary);
            } else {
                const struct zip_window *w = &r->windows[i];
                snprintf(text, sizeof text,
                         "%s--%s\r\nContent-Type: application/zip\r\n"
                         "Content-Range: bytes %u-%u/%u\r\n\r\n",
                         i > 0 ? "\r\n" : "", r->boundary, (unsigned)w->first, (unsigned)w->end - 1,
                         TOTAL);
                data += w->end - w->first;
            }
            assert_true(str_eq(str_from(buf_str(&body), before), str_from_c(text)));
        }
        assert_int_equal(body.n + data, r->n_bytes);
        buf_done(&body);
        said_free(s);
    }
}

static void the_most_ranges(void **state)
{
    for (unsigned n = 128; n <= 129; n++) {
        char request[4096];
        int used = snprintf(request, sizeof request, R "0-0");
        for (unsigned i = 1; i < n; i++)
            used += snprintf(request + used, sizeof request - (size_t)used, ",%u-%u", 2 * i, 2 * i);
        snprintf(request + used, sizeof request - (size_t)used, "\r\n");
        struct said *s = say("", request, KNOWN);
        assert_int_equal(s->reply.status, n > 128 ? 200 : 206);
        assert_int_equal(s->reply.n_windows, n > 128 ? 1 : n);
        said_free(s);
    }
}

/* Any replica says the same of the same list, and another of another. */
static void the_boundary_follows_from_the_list(void **state)
{
    static const char *const lists[] = { KNOWN, KNOWN, "1 5000 /h/k a\n2 5000 /h/k c\n",
                                         "1 5000 /h/k a\n2 5001 /h/k b\n" };
    char boundaries[4][ZIP_BOUNDARY_BYTES];
    for (int i = 0; i < 4; i++) {
        struct said *s = say(i % 2 ? "ETag: \"e\"\r\n" : "", R "0-4,10-14\r\n", lists[i]);
        memcpy(boundaries[i], s->reply.boundary, sizeof boundaries[i]);
        assert_int_equal(strlen(s->reply.boundary), 25);
        said_free(s);
    }
    assert_string_equal(boundaries[0], boundaries[1]);
    assert_string_not_equal(boundaries[0], boundaries[2]);
    assert_string_not_equal(boundaries[0], boundaries[3]);
    /* What today's version says, tomorrow's must too. */
    assert_string_equal(boundaries[0], "penstock-56389782a0f08c9b");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_the_registry),
        cmocka_unit_test(cache_control),
        cmocka_unit_test(codings_are_refused),
        cmocka_unit_test(times),
        cmocka_unit_test(ranges_of_a_known_archive),
        cmocka_unit_test(if_range_without_validators),
        cmocka_unit_test(an_unknown_crc_has_no_ranges),
        cmocka_unit_test(an_empty_archive),
        cmocka_unit_test(head_says_nothing_of_the_body),
        cmocka_unit_test(multipart_lengths),
        cmocka_unit_test(the_most_ranges),
        cmocka_unit_test(the_boundary_follows_from_the_list),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
