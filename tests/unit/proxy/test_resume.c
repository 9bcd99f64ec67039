#include "proxy/resume.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "head.h"

static const char plain_get[] = "GET /h/k HTTP/1.1\r\nHost: p\r\n\r\n";
static const char whole[] = "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\n";

static void test_what_can_be_resumed(void **state)
{
    static const struct {
        const char *says, *request, *response;
        bool is_possible;
    } rows[] = {
        { "plain GET", plain_get, whole, true },
        { "weak etag", plain_get, "HTTP/1.1 200 OK\r\nETag: W/\"e\"\r\nContent-Length: 100\r\n\r\n",
          false },
        { "no etag", plain_get, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n", false },
        { "chunked", plain_get,
          "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nTransfer-Encoding: chunked\r\n\r\n", false },
        { "206", plain_get,
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 10\r\nContent-Range: bytes "
          "5-14/100\r\n\r\n",
          true },
        { "206 that contradicts itself", plain_get,
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 9\r\nContent-Range: bytes "
          "5-14/100\r\n\r\n",
          false },
        { "206 of unknown size", plain_get,
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 10\r\nContent-Range: bytes "
          "5-14/*\r\n\r\n",
          false },
        { "POST", "POST /h/k HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n", whole, false },
        { "signed range in the header",
          "GET /h/k HTTP/1.1\r\nHost: p\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b, "
          "SignedHeaders=host;range;x-amz-date, Signature=0\r\n\r\n",
          whole, false },
        { "other signed headers",
          "GET /h/k HTTP/1.1\r\nHost: p\r\nAuthorization: AWS4-HMAC-SHA256 Credential=a/b, "
          "SignedHeaders=host;x-amz-range-thing;x-amz-date, Signature=0\r\n\r\n",
          whole, true },
        { "presigned if-match",
          "GET /h/k?X-Amz-SignedHeaders=host%3Bif-match&X-Amz-Signature=0 HTTP/1.1\r\nHost: "
          "p\r\n\r\n",
          whole, false },
        { "presigned range first",
          "GET /h/k?X-Amz-SignedHeaders=range%3bhost HTTP/1.1\r\nHost: p\r\n\r\n", whole, false },
        { "presigned host",
          "GET /h/k?X-Amz-SignedHeaders=host&X-Amz-Signature=0 HTTP/1.1\r\nHost: p\r\n\r\n", whole,
          true },
        { "error page", plain_get, "HTTP/1.1 404 N\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\n",
          false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head request, response;
        struct resume r;
        read_request(rows[i].request, &request);
        read_response(rows[i].response, request.method, &response);
        struct resume_plan plan;
        resume_init(&r, &request, request.target, &response);
        if (resume_next(&r, 1, &plan) != rows[i].is_possible)
            fail_msg("%s: %d", rows[i].says, !rows[i].is_possible);
    }
}

static void begin(struct resume *r, const char *response_text)
{
    static struct http_head request; /* the resume borrows it */
    struct http_head response;
    read_request(plain_get, &request);
    read_response(response_text, HTTP_GET, &response);
    resume_init(r, &request, request.target, &response);
    assert_true(r->is_possible);
}

static void test_progress_resets_the_count(void **state)
{
    struct resume r;
    struct resume_plan plan;
    begin(&r, whole);
    assert_true(resume_next(&r, 10, &plan));
    assert_int_equal(plan.from, 10);
    assert_int_equal(plan.to, 99);
    for (int i = 1; i < RESUME_MAX_BARREN; i++)
        assert_true(resume_next(&r, 10, &plan));
    assert_true(resume_next(&r, 11, &plan));
    for (int i = 1; i < RESUME_MAX_BARREN; i++)
        assert_true(resume_next(&r, 11, &plan));
    assert_false(resume_next(&r, 11, &plan));
}

static void test_a_range_is_resumed_by_offset(void **state)
{
    struct resume r;
    struct resume_plan plan;
    begin(&r, "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 10\r\n"
              "Content-Range: bytes 5-14/100\r\n\r\n");
    assert_true(resume_next(&r, 3, &plan));
    assert_int_equal(plan.from, 8);
    assert_int_equal(plan.to, 14);
    assert_false(resume_next(&r, 10, &plan));
}

static void test_what_the_rest_must_say(void **state)
{
    static const struct {
        const char *says, *response;
        enum resume_verdict verdict;
    } rows[] = {
        { "the rest",
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 90\r\nContent-Range: bytes "
          "10-99/100\r\n\r\n",
          RESUME_GOES_ON },
        { "other version",
          "HTTP/1.1 206 P\r\nETag: \"f\"\r\nContent-Length: 90\r\nContent-Range: bytes "
          "10-99/100\r\n\r\n",
          RESUME_REPLACED },
        { "other size",
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 90\r\nContent-Range: bytes "
          "10-99/101\r\n\r\n",
          RESUME_NO },
        { "other offset",
          "HTTP/1.1 206 P\r\nETag: \"e\"\r\nContent-Length: 89\r\nContent-Range: bytes "
          "11-99/100\r\n\r\n",
          RESUME_NO },
        { "Range ignored", "HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\n",
          RESUME_REPLACED },
        { "If-Match failed", "HTTP/1.1 412 P\r\nContent-Length: 0\r\n\r\n", RESUME_REPLACED },
        { "deleted", "HTTP/1.1 404 N\r\nContent-Length: 0\r\n\r\n", RESUME_REPLACED },
        { "SlowDown", "HTTP/1.1 503 S\r\nContent-Length: 0\r\n\r\n", RESUME_AGAIN },
        { "expired signature", "HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n", RESUME_NO },
    };
    struct resume r;
    struct resume_plan plan;
    begin(&r, whole);
    assert_true(resume_next(&r, 10, &plan));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_head response;
        read_response(rows[i].response, HTTP_GET, &response);
        enum resume_verdict v = resume_judge(&plan, &r, &response);
        if (v != rows[i].verdict)
            fail_msg("%s: %d", rows[i].says, v);
    }
}

static void test_content_range(void **state)
{
    static const struct {
        const char *value;
        bool is_good;
    } rows[] = {
        { "bytes 0-0/1", true },
        { "Bytes 5-9/10", true },
        { "bytes 5-10/10", false },
        { "bytes 9-5/10", false },
        { "bytes */10", false },
        { "bytes 0-1/*", false },
        { "bytes=0-1/2", false },
        { "bytes 0-1", false },
        { "bytes 0-1/2 ", false },
        { "bytes -1/2", false },
        { "", false },
        { "bytes 0-1/99999999999999999999", false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t first, last, total;
        if (content_range_parse(str_from_c(rows[i].value), &first, &last, &total) !=
            rows[i].is_good)
            fail_msg("%s", rows[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_can_be_resumed),
        cmocka_unit_test(test_progress_resets_the_count),
        cmocka_unit_test(test_a_range_is_resumed_by_offset),
        cmocka_unit_test(test_what_the_rest_must_say),
        cmocka_unit_test(test_content_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
