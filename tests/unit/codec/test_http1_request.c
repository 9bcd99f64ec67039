#include "http1_said.h"

static void request_lines(void **state)
{
    static const struct {
        const char *row;
        struct str text;
        const char *expected;
    } rows[] = {
        { "nothing", B(""), "more" },
        { "a beginning", B("GET / HTTP/1.1\r\nHost: h\r\n"), "more" },
        { "a health check", B("GET / HTTP/1.1\r\nHost: h\r\n\r\n"), "GET / 1.1 none keep" },
        { "what follows is left alone", B("GET / HTTP/1.1\r\nHost: h\r\n\r\nGET \n"),
          "GET / 1.1 none keep" },
        { "HTTP/1.0 closes and needs no Host", B("GET / HTTP/1.0\r\n\r\n"),
          "GET / 1.0 none close" },
        { "1.9 is a minor version", B("GET / HTTP/1.9\r\nHost: h\r\n\r\n"), "GET / 1.9 none keep" },
        { "one empty line in front", B("\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"),
          "GET / 1.1 none keep" },
        { "two empty lines", B("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "400 not HTTP" },
        { "LF in front", B("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "400 not HTTP" },
        { "CR in front", B("\rGET / HTTP/1.1\r\nHost: h\r\n\r\n"), "400 not HTTP" },
        { "any token is a method", B("BREW!#$%&'*+-.^_`|~ / HTTP/1.1\r\nHost: h\r\n\r\n"),
          "BREW!#$%&'*+-.^_`|~ / 1.1 none keep" },
        { "methods have a case", B("get / HTTP/1.1\r\nHost: h\r\n\r\n"), "get / 1.1 none keep" },
        { "a method with a slash", B("G/T / HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed method" },
        { "a method with NUL", B("G\0T / HTTP/1.1\r\nHost: h\r\n\r\n"), "400 a malformed method" },
        { "no method", B(" / HTTP/1.1\r\nHost: h\r\n\r\n"), "400 not HTTP" },
        { "TLS on a plain port", B("\x16\x03\x01\x02\x00\x01"), "400 not HTTP" },
        { "two spaces before the target", B("GET  / HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed target" },
        { "two spaces behind the target", B("GET /  HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed version" },
        { "a tab", B("GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n"), "400 a malformed method" },
        { "a space in the target", B("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed version" },
        { "a tab in the target", B("GET /a\tb HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed target" },
        { "NUL in the target", B("GET /a\0b HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed target" },
        { "DEL in the target", B("GET /a\x7f HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed target" },
        { "CR in the target", B("GET /a\rb HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed target" },
        { "a fragment", B("GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n"), "400 a malformed target" },
        { "raw bytes, quotes and brackets stay",
          B("GET //./../a%2F%zz\xc3\xa9\xff\"<>[]{}|\\^`?a=b&?/;+ HTTP/1.1\r\nHost: h\r\n\r\n"),
          "GET //./../a%2F%zz\xc3\xa9\xff\"<>[]{}|\\^`?a=b&?/;+ 1.1 none keep" },
        { "absolute-form", B("GET http://proxy:80/a HTTP/1.1\r\nHost: h\r\n\r\n"),
          "GET http://proxy:80/a 1.1 none keep" },
        { "an absolute-form of ftp", B("GET ftp://proxy/a HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a target of no known form" },
        { "a target without its slash", B("GET a HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a target of no known form" },
        { "a query alone", B("GET ?a HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a target of no known form" },
        { "userinfo", B("GET http://a@b/ HTTP/1.1\r\nHost: h\r\n\r\n"),
          "400 a target of no known form" },
        { "OPTIONS *", B("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"), "OPTIONS * 1.1 none keep" },
        { "GET *", B("GET * HTTP/1.1\r\nHost: h\r\n\r\n"), "400 a target of no known form" },
        { "CONNECT is parsed, and refused elsewhere",
          B("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), "CONNECT a:443 1.1 none keep" },
        { "HTTP/0.9", B("GET /\r\n\r\n"), "400 a malformed target" },
        { "no version", B("GET / \r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "a lower-case version", B("GET / http/1.1\r\nHost: h\r\n\r\n"),
          "400 a malformed version" },
        { "two minor digits", B("GET / HTTP/1.10\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "two major digits", B("GET / HTTP/11.1\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "no minor version", B("GET / HTTP/1\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "a comma", B("GET / HTTP/1,1\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "another protocol", B("GET / ICAP/1.1\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "a space behind the version", B("GET / HTTP/1.1 \r\nHost: h\r\n\r\n"),
          "400 a malformed version" },
        { "the start of HTTP/2", B("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505 HTTP/2.0" },
        { "HTTP/0.9 by name", B("GET / HTTP/0.9\r\n\r\n"), "505 HTTP/0.9" },
        { "HTTP/3.7", B("GET / HTTP/3.7\r\nHost: h\r\n\r\n"), "505 HTTP/3.7" },
        { "bare LF behind the request line", B("GET / HTTP/1.1\nHost: h\r\n\r\n"),
          "400 a bare LF" },
        { "bare CR behind the request line", B("GET / HTTP/1.1\rHost: h\r\n\r\n"),
          "400 a malformed version" },
        { "CR CR LF", B("GET / HTTP/1.1\r\r\nHost: h\r\n\r\n"), "400 a malformed version" },
        { "only LF", B("GET / HTTP/1.1\nHost: h\n\n"), "400 a bare LF" },
        { "the empty line is LF", B("GET / HTTP/1.1\r\nHost: h\r\n\n"), "400 a bare LF" },
    };
    for (size_t i = 0; i < N(rows); i++)
        parses(rows[i].row, rows[i].text, RESPONSE_TO_NONE, rows[i].expected);
}

/* Each row stands behind "POST / HTTP/1.x CRLF Host: h CRLF", an empty line behind it. */
struct fields_row {
    const char *row;
    struct str fields;
    const char *expected; /* of "POST / 1.x " only what is behind it, or the refusal */
};

static void request_fields_are(const struct fields_row *r, unsigned minor)
{
    struct buf text, expected;
    buf_init(&text, SIZE_MAX / 2);
    buf_init(&expected, 4096);
    buf_printf(&text, "POST / HTTP/1.%u\r\nHost: h\r\n", minor);
    buf_append(&text, r->fields);
    buf_printf(&text, "\r\n");
    if (ascii_is_digit(r->expected[0]))
        buf_printf(&expected, "%s", r->expected);
    else
        buf_printf(&expected, "POST / 1.%u %s", minor, r->expected);
    buf_byte(&expected, 0);
    parses(r->row, buf_str(&text), RESPONSE_TO_NONE, expected.p);
    buf_done(&text);
    buf_done(&expected);
}

static void request_fields(void **state)
{
    static const struct fields_row rows[] = {
        { "none", B(""), "none keep" },
        { "a value may be empty", B("A:\r\nB: \t \r\n"), "none keep" },
        { "no space behind the colon", B("Content-Length:5\r\n"), "len=5 keep" },
        { "tabs and spaces around a value", B("Content-Length: \t 5 \t\r\n"), "len=5 keep" },
        { "tabs and obs-text in a value", B("A: a\tb\xff\x80\tcdefghijk\tl\r\n"), "none keep" },
        { "names fold", B("cONTENT-lENGTH: 5\r\n"), "len=5 keep" },
        { "underscores and dots are token characters", B("a_b.c~: 1\r\n"), "none keep" },
        { "space before the colon", B("A : 1\r\n"), "400 white space before the colon" },
        { "tab before the colon", B("A\t: 1\r\n"), "400 white space before the colon" },
        { "space before the colon of a length", B("Content-Length : 1\r\n"),
          "400 white space before the colon" },
        { "an empty name", B(": 1\r\n"), "400 an empty field name" },
        { "a line without a colon", B("A\r\n"), "400 a line without a colon, or a bare CR" },
        { "obs-fold", B("A: 1\r\n 2\r\n"), "400 a folded line" },
        { "obs-fold with a tab", B("A: 1\r\n\tTransfer-Encoding: chunked\r\n"),
          "400 a folded line" },
        { "a fold that is empty", B("A: 1\r\n \r\n"), "400 a folded line" },
        { "a space in a name", B("A B: 1\r\n"), "400 white space before the colon" },
        { "NUL in a name", B("A\0: 1\r\n"), "400 a character that no field name has" },
        { "a raw byte in a name", B("A\xc3\xa9: 1\r\n"), "400 a character that no field name has" },
        { "a bracket in a name", B("A(b): 1\r\n"), "400 a character that no field name has" },
        { "a bare CR in a name", B("A\rB: 1\r\n"), "400 a line without a colon, or a bare CR" },
        { "NUL in a value", B("A: b\0c\r\n"), "400 a control character in a field value" },
        { "vertical tab in a value", B("A: b\vc\r\n"), "400 a control character in a field value" },
        { "DEL in a value", B("A: bbbbbbbbb\x7f\r\n"), "400 a control character in a field value" },
        { "ESC behind 16 bytes", B("A: bbbbbbbbbbbbbbbb\x1b\r\n"),
          "400 a control character in a field value" },
        { "a bare CR in a value", B("A: b\rc\r\n"), "400 a control character in a field value" },
        { "CR CR LF", B("A: b\r\r\n"), "400 a control character in a field value" },
        { "a bare LF in a value", B("A: b\nTransfer-Encoding: chunked\r\n"), "400 a bare LF" },
        { "a bare CR as the empty line", B("A: b\r\n\rB: c\r\n"), "400 a bare CR" },
        /* Host */
        { "a second Host", B("Host: h\r\n"), "400 repeated Host" },
        /* Content-Length */
        { "length 0", B("Content-Length: 0\r\n"), "len=0 keep" },
        { "leading zeros are digits", B("Content-Length: 0005\r\n"), "len=5 keep" },
        { "2^63 - 1", B("Content-Length: 9223372036854775807\r\n"),
          "len=9223372036854775807 keep" },
        { "2^63", B("Content-Length: 9223372036854775808\r\n"), "400 invalid Content-Length" },
        { "2^64", B("Content-Length: 18446744073709551616\r\n"), "400 invalid Content-Length" },
        { "2^64 + 5", B("Content-Length: 18446744073709551621\r\n"), "400 invalid Content-Length" },
        { "no length", B("Content-Length:\r\n"), "400 invalid Content-Length" },
        { "a sign", B("Content-Length: +5\r\n"), "400 invalid Content-Length" },
        { "less than nothing", B("Content-Length: -5\r\n"), "400 invalid Content-Length" },
        { "a list", B("Content-Length: 5,5\r\n"), "400 invalid Content-Length" },
        { "a list with a space", B("Content-Length: 5, 5\r\n"), "400 invalid Content-Length" },
        { "two numbers", B("Content-Length:  5 5\r\n"), "400 invalid Content-Length" },
        { "hexadecimal", B("Content-Length: 0x5\r\n"), "400 invalid Content-Length" },
        { "a point", B("Content-Length: 5.0\r\n"), "400 invalid Content-Length" },
        { "an exponent", B("Content-Length: 1e1\r\n"), "400 invalid Content-Length" },
        { "a quote", B("Content-Length: \"5\"\r\n"), "400 invalid Content-Length" },
        { "an underscore", B("Content-Length: 1_0\r\n"), "400 invalid Content-Length" },
        { "other digits", B("Content-Length: \xd9\xa5\r\n"), "400 invalid Content-Length" },
        { "twice, different", B("Content-Length: 5\r\nContent-Length: 6\r\n"),
          "400 repeated Content-Length" },
        { "twice, equal", B("Content-Length: 5\r\ncontent-length: 5\r\n"),
          "400 repeated Content-Length" },
        { "another name is another field", B("Content_Length: 5\r\nContent-Length-: 7\r\n"),
          "none keep" },
        /* Transfer-Encoding */
        { "chunked", B("Transfer-Encoding: chunked\r\n"), "chunked keep hop(Transfer-Encoding)" },
        { "chunked folds", B("transfer-encoding:CHUNKED\r\n"),
          "chunked keep hop(transfer-encoding)" },
        { "with a length", B("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
          "400 Transfer-Encoding with Content-Length" },
        { "with a length behind it", B("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n"),
          "400 Transfer-Encoding with Content-Length" },
        { "unknown, with a length", B("Transfer-Encoding: x\r\nContent-Length: 0\r\n"),
          "400 Transfer-Encoding with Content-Length" },
        { "chunked twice", B("Transfer-Encoding: chunked, chunked\r\n"),
          "400 chunked is not the last transfer coding" },
        { "chunked in two lines", B("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
          "400 chunked is not the last transfer coding" },
        { "chunked, identity", B("Transfer-Encoding: chunked, identity\r\n"),
          "400 chunked is not the last transfer coding" },
        { "identity, chunked", B("Transfer-Encoding: identity, chunked\r\n"),
          "501 transfer_coding" },
        { "chunked and identity in two lines",
          B("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n"),
          "400 chunked is not the last transfer coding" },
        { "identity and chunked in two lines",
          B("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
          "501 transfer_coding" },
        { "gzip, chunked", B("Transfer-Encoding: gzip, chunked\r\n"), "501 transfer_coding" },
        { "gzip", B("Transfer-Encoding: gzip\r\n"), "501 transfer_coding" },
        { "identity", B("Transfer-Encoding: identity\r\n"), "501 transfer_coding" },
        { "xchunked", B("Transfer-Encoding: xchunked\r\n"), "501 transfer_coding" },
        { "chunkedx", B("Transfer-Encoding: chunkedx\r\n"), "501 transfer_coding" },
        { "x chunked", B("Transfer-Encoding: x chunked\r\n"), "400 malformed Transfer-Encoding" },
        { "chunked in quotes", B("Transfer-Encoding: \"chunked\"\r\n"),
          "400 malformed Transfer-Encoding" },
        { "chunked with a parameter", B("Transfer-Encoding: chunked;q=1\r\n"),
          "400 chunked with parameters" },
        { "another with a parameter", B("Transfer-Encoding: x;chunked\r\n"),
          "501 transfer_coding" },
        { "chunked with a vertical tab", B("Transfer-Encoding: chunked\x0b\r\n"),
          "400 a control character in a field value" },
        { "chunked behind a vertical tab",
          B("Transfer-Encoding: \x0b"
            "chunked\r\n"),
          "400 a control character in a field value" },
        { "chunked with a form feed",
          B("Transfer-Encoding:\x0c"
            "chunked\r\n"),
          "400 a control character in a field value" },
        { "chunked behind a no-break space",
          B("Transfer-Encoding: \xa0"
            "chunked\r\n"),
          "400 malformed Transfer-Encoding" },
        { "chunked with NUL", B("Transfer-Encoding: chunked\0\r\n"),
          "400 a control character in a field value" },
        { "an empty coding", B("Transfer-Encoding:\r\n"),
          "400 empty element in Transfer-Encoding" },
        { "an empty element behind", B("Transfer-Encoding: chunked,\r\n"),
          "400 empty element in Transfer-Encoding" },
        { "an empty element in front", B("Transfer-Encoding: ,chunked\r\n"),
          "400 malformed Transfer-Encoding" },
        { "an empty second line", B("Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n"),
          "400 empty element in Transfer-Encoding" },
        { "tabs around chunked", B("Transfer-Encoding:\tchunked\t\r\n"),
          "chunked keep hop(Transfer-Encoding)" },
        { "space before its colon", B("Transfer-Encoding : chunked\r\n"),
          "400 white space before the colon" },
        { "another name", B("Transfer_Encoding: chunked\r\n"), "none keep" },
        { "in a fold", B("Transfer-Encoding:\r\n chunked\r\n"), "400 a folded line" },
        /* Connection */
        { "close", B("Connection: close\r\n"), "none close hop(Connection)" },
        { "Close in a list", B("Connection: x, Close\r\n"), "none close hop(Connection)" },
        { "close in a second line", B("Connection: keep-alive\r\nConnection: close\r\n"),
          "none close hop(Connection,Connection)" },
        { "closed is another word", B("Connection: closed\r\n"), "none keep hop(Connection)" },
        { "all the hop-by-hop fields",
          B("Keep-Alive: a\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Connection: close\r\n"
            "Proxy-Authorization: x\r\nProxy-Authenticate: x\r\nTrailer: x\r\nA: b\r\n"),
          "none keep "
          "hop(Keep-Alive,TE,Upgrade,Proxy-Connection,Proxy-Authorization,Proxy-Authenticate)" },
        { "named before and behind", B("B: 1\r\nConnection: a , B,,\r\nA: 1\r\nb: 2\r\nc: 3\r\n"),
          "none keep hop(B,Connection,A,b)" },
        { "a known name", B("Connection: cookie\r\nCookie: 1\r\n"),
          "none keep hop(Connection,Cookie)" },
        { "Trailer when it is named", B("Connection: trailer\r\nTrailer: 1\r\n"),
          "none keep hop(Connection,Trailer)" },
        { "what says what the body is stays",
          B("Connection: host, content-length, content-type, content-encoding, content-range\r\n"
            "Content-Length: 5\r\nContent-Type: a\r\nContent-Encoding: b\r\nContent-Range: c\r\n"),
          "len=5 keep hop(Connection)" },
        /* Expect */
        { "100-continue with a body", B("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
          "len=1 keep expects" },
        { "100-continue and chunks", B("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"),
          "chunked keep expects hop(Transfer-Encoding)" },
        { "100-continue without a body", B("Expect: 100-continue\r\nContent-Length: 0\r\n"),
          "len=0 keep" },
        { "another expectation", B("Expect: 200-ok\r\nContent-Length: 1\r\n"), "len=1 keep" },
    };
    for (size_t i = 0; i < N(rows); i++)
        request_fields_are(&rows[i], 1);

    static const struct fields_row old[] = {
        { "close is what 1.0 means", B(""), "none close" },
        { "keep-alive", B("Connection: Keep-Alive\r\n"), "none keep hop(Connection)" },
        { "keep-alive and close", B("Connection: close, keep-alive\r\n"),
          "none close hop(Connection)" },
        { "chunked in 1.0", B("Transfer-Encoding: chunked\r\n"),
          "400 Transfer-Encoding in HTTP/1.0" },
        { "unknown coding in 1.0", B("Transfer-Encoding: x\r\n"),
          "400 Transfer-Encoding in HTTP/1.0" },
        { "two Hosts in 1.0", B("Host: h\r\n"), "400 repeated Host" },
        { "1.0 expects nothing", B("Expect: 100-continue\r\nContent-Length: 1\r\n"),
          "len=1 close" },
    };
    for (size_t i = 0; i < N(old); i++)
        request_fields_are(&old[i], 0);
}

static void hosts_of_requests(void **state)
{
    static const struct {
        struct str value;
        bool is_valid;
    } rows[] = {
        { B("Host: a.b\r\n"), true },
        { B("Host: a.b:80\r\n"), true },
        { B("Host: a.b:\r\n"), true },
        { B("Host: a_b\r\n"), true },
        { B("Host:\r\n"), true },
        { B("Host: 10.0.0.1:8080\r\n"), true },
        { B("Host: [::1]:80\r\n"), true },
        { B("Host: [fd00::1]\r\n"), true },
        { B("Host: [::ffff:1.2.3.4]\r\n"), true },
        { B("hOST: x\r\n"), true },
        { B(""), false },
        { B("Host: a b\r\n"), false },
        { B("Host: a/b\r\n"), false },
        { B("Host: a@b\r\n"), false },
        { B("Host: a,b\r\n"), false },
        { B("Host: a%20b\r\n"), false },
        { B("Host: a?b\r\n"), false },
        { B("Host: a#b\r\n"), false },
        { B("Host: a\\b\r\n"), false },
        { B("Host: \"a\"\r\n"), false },
        { B("Host: a\xc3\xa9\r\n"), false },
        { B("Host: :80\r\n"), false },
        { B("Host: a:b\r\n"), false },
        { B("Host: a:65536\r\n"), false },
        { B("Host: a:99999999999999999999\r\n"), false },
        { B("Host: a:80:80\r\n"), false },
        { B("Host: ::1\r\n"), false },
        { B("Host: [::1\r\n"), false },
        { B("Host: []\r\n"), false },
        { B("Host: [::1]x\r\n"), false },
        { B("Host: [::g]\r\n"), false },
        { B("Host: [fe80::1%25eth0]\r\n"), false },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct buf text;
        buf_init(&text, 4096);
        buf_printf(&text, "GET / HTTP/1.1\r\n%.*s\r\n", STR_ARG(rows[i].value));
        parses(rows[i].value.p, buf_str(&text), RESPONSE_TO_NONE,
               rows[i].is_valid       ? "GET / 1.1 none keep"
               : rows[i].value.n == 0 ? "400 no Host"
                                      : "400 invalid Host");
        buf_done(&text);
    }
}

static void limits_of_requests(void **state)
{
    static const struct {
        const char *row;
        size_t target_bytes, n_fields, value_bytes;
        bool is_ended;
        const char *expected; /* NULL: whole */
    } rows[] = {
        { "the longest target", HTTP_TARGET_BYTES, 1, 1, true, NULL },
        { "one byte more", HTTP_TARGET_BYTES + 1, 1, 1, true, "414 more than 24576 bytes" },
        { "a target without end", 40000, 0, 0, false, "414 more than 24576 bytes" },
        { "100 fields", 1, 99, 1, true, NULL },
        { "101 fields", 1, 100, 1, true, "431 more than 100 fields" },
        { "the longest head", 1, 1, HTTP_REQUEST_HEAD_BYTES - 31, true, NULL },
        { "one byte more", 1, 1, HTTP_REQUEST_HEAD_BYTES - 30, true, "431 more than 32768 bytes" },
        { "a value without end", 1, 1, 40000, false, "431 more than 32768 bytes" },
    };
    for (size_t i = 0; i < N(rows); i++) {
        struct buf text;
        buf_init(&text, SIZE_MAX / 2);
        buf_printf(&text, "GET ");
        repeat(&text, '/', rows[i].target_bytes);
        if (rows[i].target_bytes < 30000)
            buf_printf(&text, " HTTP/1.1\r\nHost: h\r\n");
        for (size_t k = 0; k < rows[i].n_fields; k++) {
            buf_printf(&text, "A:");
            repeat(&text, 'a', rows[i].value_bytes);
            if (rows[i].is_ended)
                buf_printf(&text, "\r\n");
        }
        if (rows[i].is_ended)
            buf_printf(&text, "\r\n");
        size_t scanned = 0, used = 0;
        enum http_parse result = parse_into_said(buf_str(&text), &scanned, RESPONSE_TO_NONE, &used);
        if (rows[i].expected == NULL) {
            assert_int_equal(result, HTTP_DONE);
            assert_int_equal(used, text.n);
            assert_true(used <= HTTP_REQUEST_HEAD_BYTES);
        } else {
            says(rows[i].row, rows[i].expected);
        }
        /* In pieces of a thousand bytes, the same. */
        scanned = 0;
        enum http_parse pieces = HTTP_MORE;
        for (size_t n = 1000; pieces == HTTP_MORE; n += 1000) {
            pieces =
                parse_into_said(str_first(buf_str(&text), n), &scanned, RESPONSE_TO_NONE, &used);
            assert_true(pieces != HTTP_MORE || n < text.n);
        }
        assert_int_equal(pieces, result);
        if (rows[i].expected != NULL)
            says(rows[i].row, rows[i].expected);
        buf_done(&text);
    }
}

static void connection_options_are_counted(void **state)
{
    for (int n = 100; n <= 101; n++) {
        struct buf text;
        buf_init(&text, 65536);
        buf_printf(&text, "GET / HTTP/1.1\r\nHost: h\r\nConnection: ");
        for (int i = 0; i < n; i++)
            buf_printf(&text, "x,");
        buf_printf(&text, "\r\n\r\n");
        parses("options", buf_str(&text), RESPONSE_TO_NONE,
               n == 100 ? "GET / 1.1 none keep hop(Connection)"
                        : "400 too many options in Connection");
        buf_done(&text);
    }
}

static void a_dripping_head_is_not_searched_again(void **state)
{
    struct http_head *head = malloc(sizeof *head);
    struct fault f = { .kind = FAULT_NONE };
    size_t scanned = 0, used = 0;
    struct str in = STR("GET / HTTP/1.1\r\nHost: h\r\n");
    assert_int_equal(http1_parse_request(in, &scanned, head, &used, &f), HTTP_MORE);
    assert_int_equal(scanned, in.n);
    free(head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_lines),
        cmocka_unit_test(request_fields),
        cmocka_unit_test(hosts_of_requests),
        cmocka_unit_test(limits_of_requests),
        cmocka_unit_test(connection_options_are_counted),
        cmocka_unit_test(a_dripping_head_is_not_searched_again),
    };
    buf_init(&said, 1 << 20);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&said);
    return failed;
}
