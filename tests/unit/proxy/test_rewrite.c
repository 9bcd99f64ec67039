#include "proxy/cors.h"
#include "proxy/reply.h"
#include "proxy/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "head.h"

static const struct route route = {
    .kind = ROUTE_S3,
    .host = STR_INIT("s3.us-east-1.amazonaws.com"),
    .rest = STR_INIT("/b//k%2F?x=%20"),
    .has_cors = true,
};

static void assert_text(struct buf *b, const char *expected)
{
    assert_false(b->failed);
    buf_byte(b, 0);
    assert_string_equal(b->p, expected);
    buf_done(b);
}

static void test_request_reaches_s3_unchanged(void **state)
{
    struct http_head head;
    struct buf out;
    buf_init(&out, 4096);
    read_request("PUT /x HTTP/1.1\r\nHost: proxy\r\nx-amz-Meta_under: a  b\r\nCookie: s=1\r\n"
                 "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\n"
                 "Content-Length: 3\r\nX-Forwarded-For: 1.2.3.4\r\nExpect: 100-continue\r\n\r\n",
                 &head);
    rewrite_request(&out, &head, &route, NULL);
    assert_text(&out, "PUT /b//k%2F?x=%20 HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n"
                      "x-amz-Meta_under: a  b\r\nContent-Length: 3\r\nX-Forwarded-For: 1.2.3.4\r\n"
                      "Expect: 100-continue\r\n\r\n");
}

static void test_target_without_slash_gets_one(void **state)
{
    struct http_head head;
    struct route r = route;
    struct buf out;
    buf_init(&out, 4096);
    r.rest = STR("?list-type=2");
    read_request("GET /x HTTP/1.0\r\n\r\n", &head);
    rewrite_request(&out, &head, &r, NULL);
    assert_text(&out, "GET /?list-type=2 HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n\r\n");
}

static void test_chunked_body_stays_chunked(void **state)
{
    struct http_head head;
    struct buf out;
    buf_init(&out, 4096);
    read_request("PUT /x HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n"
                 "x-amz-trailer: x-amz-checksum-crc32\r\n\r\n",
                 &head);
    rewrite_request(&out, &head, &route, NULL);
    assert_text(&out, "PUT /b//k%2F?x=%20 HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n"
                      "x-amz-trailer: x-amz-checksum-crc32\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void test_resume_asks_for_the_rest(void **state)
{
    struct http_head head;
    struct buf out;
    struct resume_plan plan = { .from = 10, .to = 99, .etag = STR("\"e\"") };
    buf_init(&out, 4096);
    read_request("GET /x HTTP/1.1\r\nHost: p\r\nRange: bytes=0-99\r\nIf-Range: \"q\"\r\n"
                 "Authorization: AWS4-HMAC-SHA256 x\r\n\r\n",
                 &head);
    rewrite_request(&out, &head, &route, &plan);
    assert_text(&out, "GET /b//k%2F?x=%20 HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n"
                      "Authorization: AWS4-HMAC-SHA256 x\r\nRange: bytes=10-99\r\n"
                      "If-Match: \"e\"\r\n\r\n");
}

static const struct route followed = {
    .kind = ROUTE_FOLLOW,
    .host = STR_INIT("s3.us-east-1.amazonaws.com"),
    .rest = STR_INIT("/b/k?sig"),
    .has_cors = true,
};
#define FOLLOWED_LINE(method) method " /b/k?sig HTTP/1.1\r\nHost: s3.us-east-1.amazonaws.com\r\n"

static void test_what_goes_where_a_redirect_leads(void **state)
{
    struct http_head head;
    struct buf out;
    buf_init(&out, 4096);
    read_request(
        "PUT /browse/x HTTP/1.1\r\nHost: proxy\r\nRange: bytes=0-1\r\nIf-Match: \"a\"\r\n"
        "IF-NONE-MATCH: *\r\nif-modified-since: d\r\nIf-Unmodified-Since: d\r\nIf-Range: r\r\n"
        "Accept: a\r\naccept-language: l\r\nAccept-Encoding: gzip\r\nUser-Agent: u\r\n"
        "Content-Type: t\r\nContent-MD5: m\r\ncontent-encoding: e\r\nContent-Length: 7\r\n"
        "Cookie: c=1\r\nAuthorization: Bearer t\r\nOrigin: o\r\nReferer: r\r\nX-Amz-Date: d\r\n"
        "x-amz-copy-source: /b/k\r\nAcceptable: x\r\nContents: x\r\nIf: x\r\nRanges: x\r\n"
        "User-Agents: x\r\nX-Forwarded-For: 1.2.3.4\r\nExpect: 100-continue\r\nTE: trailers\r\n"
        "Access-Control-Request-Method: PUT\r\nConnection: If-Hop, Content-Hop\r\nIf-Hop: 1\r\n"
        "Content-Hop: 1\r\nTrailer: t\r\nCache-Control: c\r\nProxy-Authorization: p\r\n\r\n",
        &head);
    rewrite_followed(&out, &head, &followed, 7, NULL);
    assert_text(&out,
                FOLLOWED_LINE(
                    "PUT") "Range: bytes=0-1\r\nIf-Match: \"a\"\r\n"
                           "IF-NONE-MATCH: *\r\nif-modified-since: d\r\nIf-Unmodified-Since: d\r\n"
                           "If-Range: r\r\nAccept: a\r\naccept-language: l\r\n"
                           "Accept-Encoding: gzip\r\nUser-Agent: u\r\nContent-Type: t\r\n"
                           "Content-MD5: m\r\ncontent-encoding: e\r\nContent-Length: 7\r\n\r\n");
}

static void test_lengths_where_a_redirect_leads(void **state)
{
    static const struct {
        const char *request, *expected;
        uint64_t n;
    } rows[] = {
        { "POST /browse/x HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n",
          FOLLOWED_LINE("POST") "Content-Length: 1048576\r\n\r\n", 1048576 },
        { "POST /browse/x HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\n\r\n",
          FOLLOWED_LINE("POST") "Content-Length: 0\r\n\r\n", 0 },
        { "POST /browse/x HTTP/1.1\r\nHost: p\r\nContent-Length: 0\r\n\r\n",
          FOLLOWED_LINE("POST") "Content-Length: 0\r\n\r\n", 0 },
        { "GET /browse/x HTTP/1.1\r\nHost: p\r\n\r\n", FOLLOWED_LINE("GET") "\r\n", 0 },
    };
    struct resume_plan plan = { .from = 10, .to = 99, .etag = STR("\"e\"") };
    struct http_head head;
    struct buf out;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        buf_init(&out, 4096);
        read_request(rows[i].request, &head);
        rewrite_followed(&out, &head, &followed, rows[i].n, NULL);
        assert_text(&out, rows[i].expected);
    }
    buf_init(&out, 4096);
    read_request("GET /x HTTP/1.1\r\nHost: p\r\nRange: bytes=0-99\r\nIf-Range: \"q\"\r\n"
                 "If-None-Match: \"n\"\r\nAuthorization: x\r\nAccept: a\r\n\r\n",
                 &head);
    rewrite_followed(&out, &head, &followed, 0, &plan);
    assert_text(&out, FOLLOWED_LINE("GET") "If-None-Match: \"n\"\r\nAccept: a\r\n"
                                           "Range: bytes=10-99\r\nIf-Match: \"e\"\r\n\r\n");
}

static void test_cookies_of_a_redirect_go_with_the_response(void **state)
{
    struct http_head request, response;
    struct buf out;
    buf_init(&out, 4096);
    read_request("GET /browse/x HTTP/1.1\r\nHost: p\r\n\r\n", &request);
    read_response("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nAccess-Control-Allow-Origin: x\r\n\r\n",
                  HTTP_GET, &response);
    rewrite_response(&out, &request, &response, ROUTE_FOLLOW, rewrite_framing(&request, &response),
                     true, STR("ETag"), STR("Set-Cookie: a=1\r\n"));
    assert_text(&out, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nSet-Cookie: a=1\r\n"
                      "Access-Control-Allow-Origin: *\r\nAccess-Control-Max-Age: 3000\r\n"
                      "Access-Control-Expose-Headers: ETag\r\n\r\n");
}

static void test_response_gets_our_cors(void **state)
{
    struct http_head request, response;
    struct buf out;
    buf_init(&out, 4096);
    read_request("GET /x HTTP/1.1\r\nHost: p\r\nOrigin: https://c\r\n"
                 "Access-Control-Request-Method: PUT\r\n"
                 "Access-Control-Request-Headers: x-a,x-b\r\n"
                 "Access-Control-Request-Private-Network: true\r\n\r\n",
                 &request);
    read_response(
        "HTTP/1.1 206 Partial Content\r\nETag: \"e\"\r\nContent-Length: 5\r\n"
        "Access-Control-Allow-Origin: https://c\r\nAccess-Control-Expose-Headers: ETag\r\n"
        "Connection: close\r\nServer: AmazonS3\r\n\r\n",
        HTTP_GET, &response);
    rewrite_response(&out, &request, &response, ROUTE_S3, rewrite_framing(&request, &response),
                     true, STR("ETag, x"), STR(""));
    assert_text(&out,
                "HTTP/1.1 206 Partial Content\r\nETag: \"e\"\r\nContent-Length: 5\r\n"
                "Server: AmazonS3\r\nAccess-Control-Allow-Origin: *\r\n"
                "Access-Control-Max-Age: 3000\r\nAccess-Control-Expose-Headers: ETag, x\r\n"
                "Access-Control-Allow-Headers: x-a,x-b\r\nAccess-Control-Allow-Methods: PUT\r\n"
                "Access-Control-Allow-Private-Network: true\r\n\r\n");
}

static void test_204_has_no_length(void **state)
{
    struct http_head request, response;
    struct buf out;
    buf_init(&out, 8192);
    read_request("DELETE /x HTTP/1.1\r\nHost: p\r\n\r\n", &request);
    read_response("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\nServer: s\r\n\r\n", HTTP_DELETE,
                  &response);
    rewrite_response(&out, &request, &response, ROUTE_S3, rewrite_framing(&request, &response),
                     true, STR("ETag"), STR(""));
    assert_text(&out,
                "HTTP/1.1 204 No Content\r\nServer: s\r\nAccess-Control-Allow-Origin: *\r\n"
                "Access-Control-Max-Age: 3000\r\nAccess-Control-Expose-Headers: ETag\r\n\r\n");
}

static void test_unknown_length_by_version(void **state)
{
    struct http_head v11, v10, response;
    read_request("GET /x HTTP/1.1\r\nHost: p\r\n\r\n", &v11);
    read_request("GET /x HTTP/1.0\r\n\r\n", &v10);
    read_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_GET, &response);
    assert_int_equal(rewrite_framing(&v11, &response), DOWN_CHUNKED);
    assert_int_equal(rewrite_framing(&v10, &response), DOWN_UNTIL_CLOSE);
    read_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", HTTP_HEAD, &response);
    assert_int_equal(rewrite_framing(&v11, &response), DOWN_AS_IT_IS);
}

static void test_error_is_s3_shaped_and_escaped(void **state)
{
    struct http_head head;
    struct fault f = { .kind = FAULT_NONE };
    struct route r = route;
    struct buf out;
    uint64_t n;
    buf_init(&out, 8192);
    read_request("GET /x HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    fault_set(&f, FAULT_DNS_FAILED, "dns", "10.0.0.2 <NXDOMAIN>");
    struct reply reply = { .request = &head,
                           .route = &r,
                           .fault = &f,
                           .id = STR("00AB"),
                           .expose = STR("ETag"),
                           .keep_alive = true,
                           .shows_detail = true };
    assert_int_equal(reply_write(&out, &reply, &n), 502);
    buf_byte(&out, 0);
    assert_non_null(strstr(out.p, "<Code>DnsFailure</Code>"));
    assert_non_null(strstr(out.p, "10.0.0.2 &lt;NXDOMAIN&gt;"));
    assert_non_null(strstr(out.p, "Access-Control-Allow-Origin: *\r\n"));
    assert_non_null(strstr(out.p, "<RequestId>00AB</RequestId>"));
    buf_clear(&out);
    reply.shows_detail = false;
    reply_write(&out, &reply, &n);
    buf_byte(&out, 0);
    assert_null(strstr(out.p, "10.0.0.2"));
    buf_done(&out);
}

static void test_head_gets_no_body(void **state)
{
    struct http_head head;
    struct route root = { .kind = ROUTE_ROOT };
    struct buf out;
    uint64_t n;
    buf_init(&out, 4096);
    read_request("HEAD / HTTP/1.1\r\nHost: p\r\n\r\n", &head);
    struct reply reply = { .request = &head, .route = &root, .keep_alive = true };
    assert_int_equal(reply_write(&out, &reply, &n), 200);
    assert_text(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_reaches_s3_unchanged),
        cmocka_unit_test(test_target_without_slash_gets_one),
        cmocka_unit_test(test_chunked_body_stays_chunked),
        cmocka_unit_test(test_resume_asks_for_the_rest),
        cmocka_unit_test(test_what_goes_where_a_redirect_leads),
        cmocka_unit_test(test_lengths_where_a_redirect_leads),
        cmocka_unit_test(test_cookies_of_a_redirect_go_with_the_response),
        cmocka_unit_test(test_response_gets_our_cors),
        cmocka_unit_test(test_204_has_no_length),
        cmocka_unit_test(test_unknown_length_by_version),
        cmocka_unit_test(test_error_is_s3_shaped_and_escaped),
        cmocka_unit_test(test_head_gets_no_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
