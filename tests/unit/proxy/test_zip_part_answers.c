/* One part of an archive that S3 answers wrongly, or rightly in other clothes. */
#include "fetch.h"

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
    { "a range with two of them", true,
      "HTTP/1.1 206 P\r\nContent-Range: bytes 1-3/5\r\nContent-Range: bytes 2-4/5\r\n"
      "Content-Length: 3\r\n\r\nell",
      STAY, FAULT_PART_REFUSED, "S3 answered with another range than was asked for" },
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wrong_answers),
        TEST(right_answers),
        TEST(an_end_that_nothing_vouches_for),
        TEST(replaced_between_two_tries),
        TEST(a_part_that_failed_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
