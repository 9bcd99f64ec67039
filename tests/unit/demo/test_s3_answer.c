#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "demo/s3_answer.h"
#include "folder.h"

struct rig {
    char path[64];
    struct demo_store store;
    struct buf out;
    char etag[DEMO_ETAG_BYTES];
};

static int setup(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    if (r == NULL)
        return -1;
    struct fault f = { 0 };
    struct demo_object o;
    folder_make(r->path);
    folder_put(r->path, "digits.txt", "0123456789");
    folder_put(r->path, "empty", "");
    folder_put(r->path, "d/1", "1");
    folder_put(r->path, "d/2", "2");
    folder_put(r->path, "d/e/3", "3");
    folder_put(r->path, "f/4 & 5", "4");
    assert_true(demo_store_open(&r->store, r->path, &f));
    assert_int_equal(demo_store_get(&r->store, STR("digits.txt"), NULL, &o), DEMO_STORE_OK);
    memcpy(r->etag, o.etag, sizeof r->etag);
    buf_init(&r->out, DEMO_S3_REPLY_BYTES);
    *state = r;
    return 0;
}

static int teardown(void **state)
{
    struct rig *r = *state;
    buf_done(&r->out);
    demo_store_close(&r->store);
    folder_remove(r->path);
    free(r);
    return 0;
}

/* The whole reply, a file's bytes included, as the connection would send it. */
static void ask(struct rig *r, const char *host, const char *request, const char *fields,
                struct str body)
{
    struct demo_s3_answer a;
    struct http_head head;
    struct fault f = { 0 };
    struct buf in;
    size_t scanned = 0, used;
    buf_init(&in, 1 << 20);
    buf_printf(&in, "%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n%s\r\n", request, host,
               body.n, fields);
    assert_int_equal(http1_parse_request(buf_str(&in), &scanned, &head, &used, &f), HTTP_DONE);
    buf_clear(&r->out);
    demo_s3_answer_begin(&a, &r->store, 1, &head);
    buf_done(&in);
    for (size_t i = 0; i < body.n; i++) /* the worst of all chunkings */
        demo_s3_answer_body(&a, str_of(body.p + i, 1));
    demo_s3_answer_reply(&a, &r->out);
    char *to = buf_reserve(&r->out, a.plan.n + 1);
    if (a.plan.n > 0)
        assert_int_equal(pread(a.file, to, a.plan.n, (off_t)a.plan.first), a.plan.n);
    to[a.plan.n] = 0;
    demo_s3_answer_done(&a);
}

#define PATH_HOST "s3.us-east-1.amazonaws.com"

static bool says(const struct rig *r, const char *text)
{
    return strstr(r->out.p, text) != NULL;
}

static void get_rows(void **state)
{
    static const struct {
        const char *says, *request, *fields, *status, *has;
    } rows[] = {
        { "an object", "GET /demo-bucket/digits.txt", "", "200", "\r\n\r\n0123456789" },
        { "its type", "GET /demo-bucket/digits.txt", "", "200", "Content-Type: text/plain" },
        { "HEAD has the length", "HEAD /demo-bucket/digits.txt", "", "200",
          "Content-Length: 10\r\n\r\n" },
        { "an empty object", "GET /demo-bucket/empty", "", "200", "Content-Length: 0\r\n\r\n" },
        { "no object", "GET /demo-bucket/none", "", "404", "<Code>NoSuchKey</Code>" },
        { "no bucket", "GET /other/digits.txt", "", "404", "<Code>NoSuchBucket</Code>" },
        { "an encoded key", "GET /demo-bucket/f/4%20%26%205", "", "200", "\r\n\r\n4" },
        { "a plus is a plus", "GET /demo-bucket/f/4+%26+5", "", "404", "NoSuchKey" },
        { "a broken escape", "GET /demo-bucket/%4", "", "400", "InvalidURI" },
        { "an encoded slash is one", "GET /demo-bucket/d%2Fe%2f3", "", "200", "\r\n\r\n3" },
        { "no way up", "GET /demo-bucket/d/%2e%2e/digits.txt", "", "404", "NoSuchKey" },
        { "a range", "GET /demo-bucket/digits.txt", "Range: bytes=2-4\r\n", "206", "bytes 2-4/10" },
        { "its bytes", "GET /demo-bucket/digits.txt", "Range: bytes=2-4\r\n", "206",
          "\r\n\r\n234" },
        { "an open range", "GET /demo-bucket/digits.txt", "Range: bytes=7-\r\n", "206",
          "\r\n\r\n789" },
        { "a suffix", "GET /demo-bucket/digits.txt", "Range: bytes=-2\r\n", "206", "\r\n\r\n89" },
        { "a long suffix", "GET /demo-bucket/digits.txt", "Range: bytes=-99\r\n", "206",
          "bytes 0-9/10" },
        { "a range past the end", "GET /demo-bucket/digits.txt", "Range: bytes=8-99\r\n", "206",
          "bytes 8-9/10" },
        { "a range outside", "GET /demo-bucket/digits.txt", "Range: bytes=10-\r\n", "416",
          "Content-Range: bytes */10" },
        { "no bytes at all", "GET /demo-bucket/digits.txt", "Range: bytes=-0\r\n", "416",
          "InvalidRange" },
        { "of an empty object", "GET /demo-bucket/empty", "Range: bytes=0-\r\n", "416",
          "bytes */0" },
        { "several ranges", "GET /demo-bucket/digits.txt", "Range: bytes=0-1,3-4\r\n", "200",
          "\r\n\r\n0123456789" },
        { "no range at all", "GET /demo-bucket/digits.txt", "Range: bytes=4-2\r\n", "200",
          "\r\n\r\n0123456789" },
        { "an overflowing range", "GET /demo-bucket/digits.txt",
          "Range: bytes=99999999999999999999-\r\n", "200", "\r\n\r\n0123456789" },
        { "HEAD with a range", "HEAD /demo-bucket/digits.txt", "Range: bytes=2-4\r\n", "206",
          "Content-Length: 3\r\n\r\n" },
        { "If-Match, its ETag", "GET /demo-bucket/digits.txt", "If-Match: \"x\", ETAG\r\n", "200",
          "0123456789" },
        { "If-Match, anything", "GET /demo-bucket/digits.txt", "If-Match: *\r\n", "200", "" },
        { "If-Match, another", "GET /demo-bucket/digits.txt", "If-Match: \"x\"\r\n", "412",
          "PreconditionFailed" },
        { "If-Match is strong", "GET /demo-bucket/digits.txt", "If-Match: W/ETAG\r\n", "412", "" },
        { "If-None-Match, its ETag", "GET /demo-bucket/digits.txt", "If-None-Match: ETAG\r\n",
          "304", "ETag: " },
        { "If-None-Match is weak", "GET /demo-bucket/digits.txt", "If-None-Match: W/ETAG\r\n",
          "304", "" },
        { "If-None-Match, another", "GET /demo-bucket/digits.txt", "If-None-Match: \"x\"\r\n",
          "200", "0123456789" },
        { "If-Range, its ETag", "GET /demo-bucket/digits.txt",
          "Range: bytes=1-1\r\nIf-Range: ETAG\r\n", "206", "\r\n\r\n1" },
        { "If-Range, another", "GET /demo-bucket/digits.txt",
          "Range: bytes=1-1\r\nIf-Range: \"x\"\r\n", "200", "0123456789" },
        { "modified since long ago", "GET /demo-bucket/digits.txt",
          "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "200", "0123456789" },
        { "not modified since the future", "GET /demo-bucket/digits.txt",
          "If-Modified-Since: Sun, 06 Nov 2094 08:49:37 GMT\r\n", "304", "" },
        { "unmodified since long ago", "GET /demo-bucket/digits.txt",
          "If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", "412", "" },
        { "the buckets", "GET /", "", "200", "<Name>demo-bucket</Name>" },
        { "the region", "GET /demo-bucket?location", "", "200", "LocationConstraint" },
        { "the bucket is there", "HEAD /demo-bucket", "", "200", "x-amz-bucket-region: us-east-1" },
        { "multipart is not played", "POST /demo-bucket/x?uploads", "", "501", "NotImplemented" },
        { "nor are forms", "POST /demo-bucket/x", "", "405", "MethodNotAllowed" },
        { "nor other subresources", "GET /demo-bucket/digits.txt?tagging", "", "501", "" },
        { "signatures are not looked at", "GET /demo-bucket/digits.txt?X-Amz-Signature=0", "",
          "200", "0123456789" },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char fields[256], expected[32];
        const char *etag = strstr(rows[i].fields, "ETAG");
        if (etag != NULL)
            snprintf(fields, sizeof fields, "%.*s%s%s", (int)(etag - rows[i].fields),
                     rows[i].fields, r->etag, etag + 4);
        else
            snprintf(fields, sizeof fields, "%s", rows[i].fields);
        ask(r, PATH_HOST, rows[i].request, fields, STR(""));
        snprintf(expected, sizeof expected, "HTTP/1.1 %s ", rows[i].status);
        if (!says(r, expected) || !says(r, rows[i].has))
            fail_msg("%s: %s", rows[i].says, r->out.p);
        if (rows[i].request[0] == 'H' || strcmp(rows[i].status, "304") == 0)
            assert_string_equal(strstr(r->out.p, "\r\n\r\n"), "\r\n\r\n");
    }
}

static void virtual_host(void **state)
{
    struct rig *r = *state;
    ask(r, "demo-bucket." PATH_HOST, "GET /digits.txt", "", STR(""));
    assert_true(says(r, "\r\n\r\n0123456789"));
    ask(r, "demo-bucket." PATH_HOST ":4443", "GET /?list-type=2", "", STR(""));
    assert_true(says(r, "<Key>digits.txt</Key>"));
    ask(r, "other." PATH_HOST, "GET /digits.txt", "", STR(""));
    assert_true(says(r, "NoSuchBucket"));
}

static void lists(void **state)
{
    static const struct {
        const char *says, *query, *has, *has_not;
    } rows[] = {
        { "all keys", "list-type=2", "<KeyCount>6</KeyCount>", "<NextC" },
        { "escaped", "list-type=2", "<Key>f/4 &amp; 5</Key>", "& " },
        { "by URL", "list-type=2&encoding-type=url", "<Key>f/4%20%26%205</Key>", "&amp;" },
        { "a prefix", "list-type=2&prefix=d%2F", "<KeyCount>3</KeyCount>", "digits" },
        { "a delimiter", "list-type=2&delimiter=/",
          "<CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes>", "<Key>d/1" },
        { "counts prefixes", "list-type=2&delimiter=/", "<KeyCount>4</KeyCount>", "<Key>f/" },
        { "prefix and delimiter", "list-type=2&delimiter=/&prefix=d/", "<Prefix>d/e/</Prefix>",
          "<Key>d/e/3" },
        { "a page", "list-type=2&max-keys=2", "<IsTruncated>true</IsTruncated>", "<Key>d/e/3" },
        { "no keys asked for", "list-type=2&max-keys=0", "<IsTruncated>false</IsTruncated>",
          "<Key>" },
        { "start-after", "list-type=2&start-after=d/e/3", "<Key>digits.txt</Key>", "<Key>d/" },
        { "version 1", "max-keys=1", "<NextMarker>d/1</NextMarker>", "KeyCount" },
        { "its marker", "marker=d/1", "<Marker>d/1</Marker>", "<Key>d/1" },
        { "a marker that is a prefix", "delimiter=/&marker=d/", "<Key>digits.txt</Key>",
          "<CommonPrefixes><Prefix>d/" },
        { "a broken token", "list-type=2&continuation-token=xyz", "<KeyCount>6</KeyCount>", "?" },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[256];
        snprintf(request, sizeof request, "GET /demo-bucket?%s", rows[i].query);
        ask(r, PATH_HOST, request, "", STR(""));
        const char *body = strstr(r->out.p, "<ListBucketResult");
        if (body == NULL || strstr(body, rows[i].has) == NULL ||
            strstr(body, rows[i].has_not) != NULL)
            fail_msg("%s: %s", rows[i].says, r->out.p);
    }
}

/* Page by page, with and without a delimiter, everything comes once. */
static void pages(void **state)
{
    struct rig *r = *state;
    for (int page = 1; page < 5; page++)
        for (int has_delimiter = 0; has_delimiter < 2; has_delimiter++) {
            char request[512], token[256] = "";
            int n = 0, n_pages = 0;
            do {
                snprintf(request, sizeof request, "GET /demo-bucket?list-type=2&max-keys=%d%s%s",
                         page, has_delimiter ? "&delimiter=%2F" : "", token);
                ask(r, PATH_HOST, request, "", STR(""));
                for (const char *at = r->out.p; (at = strstr(at, "<Key>")) != NULL; at++)
                    n++;
                for (const char *at = r->out.p; (at = strstr(at, "<Common")) != NULL; at++)
                    n++;
                const char *next = strstr(r->out.p, "<NextContinuationToken>");
                token[0] = 0;
                if (next != NULL)
                    snprintf(token, sizeof token, "&continuation-token=%.*s",
                             (int)strcspn(next + 23, "<"), next + 23);
            } while (token[0] != 0 && ++n_pages < 20);
            assert_int_equal(n, has_delimiter ? 4 : 6);
        }
}

static void puts_rows(void **state)
{
    static const struct {
        const char *says, *key, *fields, *body, *status, *stored;
    } rows[] = {
        { "a new object", "new.txt", "", "hello", "200", "hello" },
        { "an empty one", "new.txt", "", "", "200", "" },
        { "over an old one", "digits.txt", "", "x", "200", "x" },
        { "in folders", "p/q/new.txt", "", "hello", "200", "hello" },
        { "a key with odd characters", "a%20b%2Bc%25%C3%A4.txt", "", "hello", "200", "hello" },
        { "no way up", "../new.txt", "", "hello", "400", NULL },
        { "a folder's name", "d", "", "hello", "400", NULL },
        { "below a file", "digits.txt/x", "", "hello", "400", NULL },
        { "aws-chunked by Content-Encoding", "new.txt", "Content-Encoding: aws-chunked\r\n",
          "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", "200", "hello!" },
        { "aws-chunked by the hash's name", "new.txt",
          "x-amz-content-sha256: STREAMING-AWS4-HMAC-SHA256-PAYLOAD\r\n"
          "x-amz-decoded-content-length: 5\r\n",
          "5;chunk-signature=0011\r\nhello\r\n0;chunk-signature=2233\r\n\r\n", "200", "hello" },
        { "with a trailing checksum", "new.txt",
          "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\r\n"
          "x-amz-trailer: x-amz-checksum-crc32\r\nx-amz-decoded-content-length: 5\r\n",
          "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", "200", "hello" },
        { "aws-chunked without an end", "new.txt", "Content-Encoding: aws-chunked\r\n",
          "5\r\nhello\r\n", "400", NULL },
        { "broken chunks", "new.txt", "Content-Encoding: aws-chunked\r\n", "5\r\nhelloworld", "400",
          NULL },
        { "bytes behind the end", "new.txt", "Content-Encoding: aws-chunked\r\n", "0\r\n\r\nmore",
          "400", NULL },
        { "another length than it says", "new.txt",
          "Content-Encoding: aws-chunked\r\nx-amz-decoded-content-length: 6\r\n",
          "5\r\nhello\r\n0\r\n\r\n", "400", NULL },
        { "only if it is new", "digits.txt", "If-None-Match: *\r\n", "x", "412", "0123456789" },
        { "and it is", "new.txt", "If-None-Match: *\r\n", "x", "200", "x" },
        { "only if it is another", "digits.txt", "If-Match: \"x\"\r\n", "x", "412", "0123456789" },
        { "a copy", "new.txt", "x-amz-copy-source: /demo-bucket/digits.txt\r\n", "", "501", NULL },
    };
    struct rig *r = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char request[256], expected[64];
        folder_put(r->path, "digits.txt", "0123456789");
        snprintf(request, sizeof request, "PUT /demo-bucket/%s", rows[i].key);
        ask(r, PATH_HOST, request, rows[i].fields, str_from_c(rows[i].body));
        snprintf(expected, sizeof expected, "HTTP/1.1 %s ", rows[i].status);
        if (!says(r, expected))
            fail_msg("%s: %s", rows[i].says, r->out.p);
        snprintf(request, sizeof request, "GET /demo-bucket/%s", rows[i].key);
        ask(r, PATH_HOST, request, "", STR(""));
        if (rows[i].stored == NULL && strcmp(rows[i].key, "digits.txt") != 0)
            assert_true(says(r, "HTTP/1.1 404"));
        else if (strcmp(strstr(r->out.p, "\r\n\r\n") + 4, rows[i].stored) != 0)
            fail_msg("%s: stored: %s", rows[i].says, r->out.p);
        snprintf(request, sizeof request, "DELETE /demo-bucket/%s", rows[i].key);
        ask(r, PATH_HOST, request, "", STR(""));
        assert_true(says(r, "HTTP/1.1 204"));
    }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(get_rows), TEST(virtual_host), TEST(lists), TEST(pages), TEST(puts_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
