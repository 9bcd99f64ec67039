#include "demo/s3_answer.h"

#include "demo/s3_origin.h"
#include "demo/s3_xml.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { ARENA_BYTES = 64 << 20, ID_BYTES = 17 };

static const struct demo_s3_error no_key = { 404, "NoSuchKey", "there is no object of that key" };
static const struct demo_s3_error bad_key = {
    400, "InvalidArgument", "the demo keeps objects as files: no file can have this key"
};
static const struct demo_s3_error disk = { 500, "InternalError", "the directory cannot be used" };
static const struct demo_s3_error condition = { 412, "PreconditionFailed",
                                                "a condition of the request does not hold" };
static const struct demo_s3_error bad_range = { 416, "InvalidRange",
                                                "the range lies outside the object" };
static const struct demo_s3_error incomplete = { 400, "IncompleteBody",
                                                 "the body is not as long as it says" };
static const struct demo_s3_error bad_chunks = { 400, "InvalidRequest",
                                                 "the aws-chunked framing of the body is broken" };
static const struct demo_s3_error too_large = { 400, "EntityTooLarge", "the object is too large" };

/* Whatever was under way is given up; the first error stays. */
static void fail(struct demo_s3_answer *a, struct demo_s3_error error)
{
    demo_upload_abandon(a->store, &a->upload);
    if (a->request.op == DEMO_S3_FAILED)
        return;
    a->request.op = DEMO_S3_FAILED;
    a->request.error = error;
}

static void begin_get(struct demo_s3_answer *a, const struct http_head *head)
{
    enum demo_store_result r = demo_store_get(a->store, a->request.key, &a->file, &a->object);
    if (r != DEMO_STORE_OK) {
        fail(a, r == DEMO_STORE_NO_KEY ? no_key : disk);
        return;
    }
    demo_s3_plan_get(head, &a->object, &a->plan);
    if (a->plan.status == 412)
        fail(a, condition);
    else if (a->plan.status == 416)
        fail(a, bad_range);
}

static void begin_put(struct demo_s3_answer *a, const struct http_head *head)
{
    struct demo_object old;
    bool is_there = demo_store_get(a->store, a->request.key, NULL, &old) == DEMO_STORE_OK;
    if (!demo_s3_may_put(head, is_there ? &old : NULL))
        fail(a, condition);
    else if (head->has_content_length && head->content_length > DEMO_S3_MAX_OBJECT)
        fail(a, too_large);
    else if (demo_upload_begin(a->store, &a->upload) != DEMO_STORE_OK)
        fail(a, disk);
    if (a->request.is_aws_chunked)
        http1_body_init(&a->aws_chunks, HTTP_CHUNKED, 0);
}

void demo_s3_answer_begin(struct demo_s3_answer *a, struct demo_store *store, uint64_t id,
                          const struct http_head *head)
{
    *a = (struct demo_s3_answer){
        .store = store, .id = id, .file = -1, .upload.fd = -1, .keep_alive = head->keep_alive
    };
    arena_init(&a->arena, ARENA_BYTES);
    a->resource = arena_copy(&a->arena, str_first(head->target, str_find(head->target, '?', 0)));
    demo_s3_request_read(head, &a->arena, &a->request);
    if (a->request.op == DEMO_S3_GET)
        begin_get(a, head);
    else if (a->request.op == DEMO_S3_PUT)
        begin_put(a, head);
}

static void store_data(struct demo_s3_answer *a, struct str data)
{
    if (a->upload.fd < 0)
        return;
    if (a->upload.n + data.n > DEMO_S3_MAX_OBJECT)
        fail(a, too_large);
    else if (!demo_upload_write(&a->upload, data))
        fail(a, disk);
}

/*
 * SigV4's chunks are HTTP's chunks with an extension (";chunk-signature=...") and, at the end, with
 * trailers: the same reader takes both.
 */
void demo_s3_answer_body(struct demo_s3_answer *a, struct str data)
{
    size_t used;
    struct str piece;
    if (a->request.op != DEMO_S3_PUT)
        return;
    if (!a->request.is_aws_chunked) {
        store_data(a, data);
        return;
    }
    while (data.n > 0) {
        bool has_ended = http1_body_is_whole(&a->aws_chunks);
        enum http1_body_step step =
            has_ended ? HTTP1_BODY_BAD : http1_body_next(&a->aws_chunks, data, &used, &piece);
        if (step == HTTP1_BODY_BAD) {
            fail(a, bad_chunks);
            return;
        }
        if (step == HTTP1_BODY_DATA)
            store_data(a, piece);
        data = str_from(data, used);
    }
}

static void end_put(struct demo_s3_answer *a)
{
    const struct demo_s3_request *r = &a->request;
    bool is_whole = (!r->is_aws_chunked || http1_body_is_whole(&a->aws_chunks)) &&
                    (!r->has_decoded_length || r->decoded_length == a->upload.n);
    if (!is_whole) {
        fail(a, incomplete);
        return;
    }
    enum demo_store_result stored = demo_upload_commit(a->store, &a->upload, r->key, &a->object);
    if (stored != DEMO_STORE_OK)
        fail(a, stored == DEMO_STORE_BAD_KEY ? bad_key : disk);
}

/* By the end of the key: what a client sent as Content-Type is not kept. */
static struct str type_of(struct str key)
{
    static const struct {
        const char *end, *type;
    } rows[] = {
        { ".html", "text/html; charset=utf-8" },
        { ".txt", "text/plain; charset=utf-8" },
        { ".md", "text/markdown; charset=utf-8" },
        { ".css", "text/css" },
        { ".csv", "text/csv" },
        { ".js", "text/javascript" },
        { ".json", "application/json" },
        { ".xml", "application/xml" },
        { ".pdf", "application/pdf" },
        { ".png", "image/png" },
        { ".jpg", "image/jpeg" },
        { ".jpeg", "image/jpeg" },
        { ".gif", "image/gif" },
        { ".svg", "image/svg+xml" },
        { ".webp", "image/webp" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_ends_nocase(key, str_from_c(rows[i].end)))
            return str_from_c(rows[i].type);
    return STR("binary/octet-stream");
}

static const char *id_text(const struct demo_s3_answer *a, char text[static ID_BYTES])
{
    snprintf(text, ID_BYTES, "DEMO%012llX", (unsigned long long)a->id & 0xffffffffffff);
    return text;
}

static void begin_head(struct demo_s3_answer *a, struct buf *out, unsigned status)
{
    char date[DEMO_HTTP_DATE_BYTES], id[ID_BYTES];
    http1_write_status_line(out, status);
    http1_write_field(out, STR("Date"), str_from_c(demo_http_date(time(NULL), date)));
    http1_write_field(out, STR("Server"), STR("penstock demo, not Amazon S3"));
    http1_write_field(out, STR("x-amz-request-id"), str_from_c(id_text(a, id)));
    http1_write_field(out, STR("x-amz-bucket-region"), STR(DEMO_REGION));
    if (!a->keep_alive)
        http1_write_field(out, STR("Connection"), STR("close"));
}

static void end_head(struct buf *out, uint64_t length)
{
    buf_printf(out, "Content-Length: %llu\r\n\r\n", (unsigned long long)length);
}

/* A document, but for its bytes with HEAD. */
static void reply_xml(struct demo_s3_answer *a, struct buf *out, unsigned status, struct str xml)
{
    begin_head(a, out, status);
    if (status == 416)
        buf_printf(out, "Content-Range: bytes */%llu\r\n", (unsigned long long)a->object.size);
    http1_write_field(out, STR("Content-Type"), STR("application/xml"));
    end_head(out, xml.n);
    if (!a->request.is_head)
        buf_append(out, xml);
}

static void reply_error(struct demo_s3_answer *a, struct buf *out)
{
    struct buf xml;
    char id[ID_BYTES];
    buf_init(&xml, 1 << 20);
    demo_s3_write_error(&xml, &a->request.error, a->resource, str_from_c(id_text(a, id)));
    reply_xml(a, out, a->request.error.status, buf_str(&xml));
    buf_done(&xml);
}

static void reply_get(struct demo_s3_answer *a, struct buf *out)
{
    char date[DEMO_HTTP_DATE_BYTES];
    const struct demo_s3_plan *p = &a->plan;
    begin_head(a, out, p->status);
    http1_write_field(out, STR("ETag"), str_from_c(a->object.etag));
    http1_write_field(out, STR("Last-Modified"),
                      str_from_c(demo_http_date(a->object.mtime_s, date)));
    http1_write_field(out, STR("Accept-Ranges"), STR("bytes"));
    if (p->status == 304) {
        buf_append(out, STR("\r\n"));
        return;
    }
    if (p->status == 206)
        buf_printf(out, "Content-Range: bytes %llu-%llu/%llu\r\n", (unsigned long long)p->first,
                   (unsigned long long)(p->first + p->n - 1), (unsigned long long)a->object.size);
    http1_write_field(out, STR("Content-Type"), type_of(a->request.key));
    end_head(out, p->n);
    if (a->request.is_head)
        a->plan.n = 0;
}

static void reply_list(struct demo_s3_answer *a, struct buf *out)
{
    struct demo_entry *entries;
    struct buf xml;
    size_t n;
    const struct demo_s3_list_params *p = &a->request.list;
    if (demo_store_list(a->store, p->prefix, &a->arena, &entries, &n) != DEMO_STORE_OK) {
        fail(a, disk);
        reply_error(a, out);
        return;
    }
    buf_init(&xml, DEMO_S3_REPLY_BYTES / 2);
    demo_s3_write_list(&xml, p, entries, n);
    reply_xml(a, out, 200, buf_str(&xml));
    out->failed |= xml.failed;
    buf_done(&xml);
}

static void reply_fixed(struct demo_s3_answer *a, struct buf *out, void (*write)(struct buf *out))
{
    struct buf xml;
    buf_init(&xml, 4096);
    write(&xml);
    reply_xml(a, out, 200, buf_str(&xml));
    buf_done(&xml);
}

static void reply_empty(struct demo_s3_answer *a, struct buf *out, unsigned status)
{
    begin_head(a, out, status);
    if (a->request.op == DEMO_S3_PUT)
        http1_write_field(out, STR("ETag"), str_from_c(a->object.etag));
    if (status == 204) /* RFC 9110 section 8.6: no Content-Length */
        buf_append(out, STR("\r\n"));
    else
        end_head(out, 0);
}

void demo_s3_answer_reply(struct demo_s3_answer *a, struct buf *out)
{
    if (a->request.op == DEMO_S3_PUT)
        end_put(a);
    else if (a->request.op == DEMO_S3_DELETE &&
             demo_store_delete(a->store, a->request.key) != DEMO_STORE_OK)
        fail(a, disk);
    switch (a->request.op) {
    case DEMO_S3_LIST_BUCKETS:
        reply_fixed(a, out, demo_s3_write_buckets);
        break;
    case DEMO_S3_LOCATION:
        reply_fixed(a, out, demo_s3_write_location);
        break;
    case DEMO_S3_LIST:
        reply_list(a, out);
        break;
    case DEMO_S3_GET:
        reply_get(a, out);
        break;
    case DEMO_S3_PUT:
    case DEMO_S3_HEAD_BUCKET:
        reply_empty(a, out, 200);
        break;
    case DEMO_S3_DELETE:
        reply_empty(a, out, 204);
        break;
    case DEMO_S3_FAILED:
        reply_error(a, out);
        break;
    }
    if (a->request.op != DEMO_S3_GET)
        a->plan.n = 0;
}

void demo_s3_answer_done(struct demo_s3_answer *a)
{
    if (a->upload.fd >= 0)
        demo_upload_abandon(a->store, &a->upload);
    if (a->file >= 0)
        close(a->file);
    a->file = -1;
    http1_body_done(&a->aws_chunks);
    arena_done(&a->arena);
}
