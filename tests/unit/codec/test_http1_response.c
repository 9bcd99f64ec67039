#include "http1_said.h"

static void responses(void **state)
{
    static const struct {
        const char *row;
        struct str text;
        enum http_method method;
        const char *expected;
    } rows[] = {
        { "nothing", B(""), HTTP_GET, "more" },
        { "the first bytes", B("HTT"), HTTP_GET, "more" },
        { "a length", B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"), HTTP_GET,
          "200 OK 1.1 len=5 keep" },
        { "chunks", B("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_GET,
          "200 OK 1.1 chunked keep hop(Transfer-Encoding)" },
        { "until close", B("HTTP/1.1 200 OK\r\n\r\n"), HTTP_GET, "200 OK 1.1 eof close" },
        { "until close, whatever it says", B("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n\r\n"),
          HTTP_GET, "200 OK 1.0 eof close hop(Connection)" },
        { "1.0 with a length", B("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP_GET,
          "200 OK 1.0 len=5 close" },
        { "1.0 keeps", B("HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n"),
          HTTP_GET, "200 OK 1.0 len=5 keep hop(Connection)" },
        { "HEAD", B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"), HTTP_HEAD,
          "200 OK 1.1 none=5 keep" },
        { "HEAD without a length", B("HTTP/1.1 200 OK\r\n\r\n"), HTTP_HEAD,
          "200 OK 1.1 none keep" },
        { "HEAD with chunks", B("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_HEAD,
          "200 OK 1.1 none keep hop(Transfer-Encoding)" },
        { "304 has a length and no body",
          B("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"), HTTP_GET,
          "304 Not Modified 1.1 none=5 keep" },
        { "204", B("HTTP/1.1 204 No Content\r\n\r\n"), HTTP_DELETE,
          "204 No Content 1.1 none keep" },
        { "204 with 0", B("HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n"), HTTP_DELETE,
          "204 No Content 1.1 none=0 keep hop(Content-Length)" },
        { "204 with a body", B("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"), HTTP_DELETE,
          "204 No Content 1.1 none=5 close hop(Content-Length)" },
        { "100", B("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"), HTTP_PUT,
          "100 Continue 1.1 none keep" },
        { "103", B("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"), HTTP_GET,
          "103 Early Hints 1.1 none keep" },
        { "100 with a body", B("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n"), HTTP_PUT,
          "502 an interim response with a body" },
        { "101", B("HTTP/1.1 101 Switching Protocols\r\n\r\n"), HTTP_GET,
          "502 101, which was not asked for" },
        { "an empty reason", B("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"), HTTP_GET,
          "200  1.1 len=0 keep" },
        { "no space before the reason", B("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), HTTP_GET,
          "200  1.1 len=0 keep" },
        { "obs-text and tabs in the reason",
          B("HTTP/1.1 200 tr\xe8s\tbien\r\nContent-Length: 0\r\n\r\n"), HTTP_GET,
          "200 tr\xe8s\tbien 1.1 len=0 keep" },
        { "a status out of the usual", B("HTTP/1.1 999 x\r\nContent-Length: 0\r\n\r\n"), HTTP_GET,
          "999 x 1.1 len=0 keep" },
        { "two equal lengths",
          B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n"), HTTP_GET,
          "200 OK 1.1 len=5 keep hop(Content-Length)" },
        { "two lengths", B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"),
          HTTP_GET, "502 repeated Content-Length" },
        { "a list of lengths", B("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n"), HTTP_GET,
          "502 invalid Content-Length" },
        { "a length and chunks",
          B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_GET,
          "502 Transfer-Encoding with Content-Length" },
        { "a length and chunks to HEAD",
          B("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
          HTTP_HEAD, "502 Transfer-Encoding with Content-Length" },
        { "chunks in 1.0", B("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_GET,
          "502 Transfer-Encoding in HTTP/1.0" },
        { "an unknown coding", B("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
          HTTP_GET, "502 unknown transfer coding" },
        { "two Hosts mean nothing here",
          B("HTTP/1.1 200 OK\r\nHost: a b\r\nHost: b\r\nContent-Length: 0\r\n\r\n"), HTTP_GET,
          "200 OK 1.1 len=0 keep" },
        { "Connection cannot take the range away",
          B("HTTP/1.1 206 x\r\nConnection: Content-Range, ETag\r\nETag: \"a\"\r\n"
            "Content-Range: bytes 0-1/2\r\nContent-Length: 2\r\n\r\n"),
          HTTP_GET, "206 x 1.1 len=2 keep hop(Connection,ETag)" },
        { "an empty line in front", B("\r\nHTTP/1.1 200 OK\r\n\r\n"), HTTP_GET, "502 not HTTP/1" },
        { "HTTP/2", B("HTTP/2 200\r\n\r\n"), HTTP_GET, "502 not HTTP/1" },
        { "lower case", B("http/1.1 200 OK\r\n\r\n"), HTTP_GET, "502 not HTTP/1" },
        { "ICY", B("ICY 200 OK\r\n\r\n"), HTTP_GET, "502 not HTTP/1" },
        { "TLS", B("\x15\x03"), HTTP_GET, "502 not HTTP/1" },
        { "two minor digits", B("HTTP/1.10 200 OK\r\n\r\n"), HTTP_GET, "502 a malformed version" },
        { "no minor digit", B("HTTP/1. 200 OK\r\n\r\n"), HTTP_GET, "502 a malformed version" },
        { "two spaces", B("HTTP/1.1  200 OK\r\n\r\n"), HTTP_GET, "502 a malformed status" },
        { "no status", B("HTTP/1.1 \r\n\r\n"), HTTP_GET, "502 a malformed status" },
        { "two digits", B("HTTP/1.1 20 OK\r\n\r\n"), HTTP_GET, "502 a malformed status" },
        { "four digits", B("HTTP/1.1 2000 OK\r\n\r\n"), HTTP_GET, "502 a malformed status line" },
        { "below 100", B("HTTP/1.1 099 OK\r\n\r\n"), HTTP_GET, "502 a malformed status" },
        { "a sign", B("HTTP/1.1 +20 OK\r\n\r\n"), HTTP_GET, "502 a malformed status" },
        { "NUL in the reason", B("HTTP/1.1 200 O\0K\r\n\r\n"), HTTP_GET,
          "502 a malformed status line" },
        { "a bare LF", B("HTTP/1.1 200 OK\nContent-Length: 0\n\n"), HTTP_GET, "502 a bare LF" },
        { "obs-fold", B("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), HTTP_GET, "502 a folded line" },
        { "space before the colon", B("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"), HTTP_GET,
          "502 white space before the colon" },
    };
    for (size_t i = 0; i < N(rows); i++)
        parses(rows[i].row, rows[i].text, (int)rows[i].method, rows[i].expected);
}

static void limits_of_responses(void **state)
{
    for (size_t more = 0; more < 2; more++) {
        struct buf text;
        buf_init(&text, SIZE_MAX / 2);
        buf_printf(&text, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA:");
        repeat(&text, 'a', HTTP_RESPONSE_HEAD_BYTES - text.n - 4 + more);
        buf_printf(&text, "\r\n\r\n");
        parses("64 KiB", buf_str(&text), HTTP_GET,
               more ? "502 more than 65536 bytes" : "200 OK 1.1 len=0 keep");
        buf_done(&text);
    }
    struct buf text;
    buf_init(&text, SIZE_MAX / 2);
    buf_printf(&text, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 101; i++)
        buf_printf(&text, "A: %d\r\n", i);
    buf_printf(&text, "\r\n");
    parses("101 fields", buf_str(&text), HTTP_GET, "502 more than 100 fields");
    buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(responses),
        cmocka_unit_test(limits_of_responses),
    };
    buf_init(&said, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&said);
    return failed;
}
