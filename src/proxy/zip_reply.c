#include "proxy/zip_reply.h"

#include "codec/http_date.h"
#include "proxy/rewrite.h"

/* What is true of the list and not of the archive, what is ours to say, and what is between the
 * registry and us. */
static bool stays_here(const struct http_field *field)
{
    static const struct str of_list[] = { STR_INIT("Content-MD5"), STR_INIT("Digest"),
                                          STR_INIT("Content-Digest"), STR_INIT("Repr-Digest") };
    switch (field->id) {
    case HTTP_F_CONTENT_TYPE:
    case HTTP_F_CONTENT_LENGTH:
    case HTTP_F_CONTENT_ENCODING:
    case HTTP_F_CONTENT_RANGE:
    case HTTP_F_ACCEPT_RANGES:
    case HTTP_F_TRAILER:
        return true;
    default:
        break;
    }
    if (field->is_hop || str_eq_nocase(str_first(field->name, 10), STR("X-Archive-")))
        return true;
    for (size_t i = 0; i < sizeof of_list / sizeof *of_list; i++)
        if (str_eq_nocase(field->name, of_list[i]))
            return true;
    return false;
}

bool zip_reply_init(struct zip_reply *r, const struct http_head *registry, struct fault *f)
{
    struct str coding = http_value(registry, HTTP_F_CONTENT_ENCODING);
    *r = (struct zip_reply){ .status = 200, .has_length = true };
    buf_init(&r->fields, HTTP_RESPONSE_HEAD_BYTES);
    if (coding.n > 0 && !str_eq_nocase(coding, STR("identity")))
        return fault_set(f, FAULT_MANIFEST, "list", "it has a Content-Encoding");
    for (unsigned i = 0; i < registry->n_fields; i++) {
        const struct http_field *field = &registry->fields[i];
        if (stays_here(field))
            continue;
        http1_copy_fields(&r->fields, registry, i, i + 1);
        if (field->id == HTTP_F_ETAG && http_etag_is_strong(field->value)) {
            r->etag.n = field->value.n;
            r->etag_at = r->fields.n - r->etag.n - 2; /* CR LF behind it */
        }
    }
    if (http_find(registry, HTTP_F_CACHE_CONTROL) == NULL)
        buf_append(&r->fields, STR("Cache-Control: max-age=0\r\n"));
    r->has_modified = http_date_parse(http_value(registry, HTTP_F_LAST_MODIFIED), &r->modified_s);
    if (r->fields.failed)
        return fault_set(f, FAULT_NO_MEMORY, "list", NULL);
    r->etag.p = r->fields.p + r->etag_at;
    return true;
}

void zip_reply_done(struct zip_reply *r)
{
    buf_done(&r->fields);
}

/* RFC 9110 section 13.1.5. */
static bool if_range_holds(const struct zip_reply *r, const struct http_head *request)
{
    const struct http_field *field = http_find(request, HTTP_F_IF_RANGE);
    int64_t date_s;
    if (field == NULL)
        return true;
    if (str_starts(field->value, STR("\"")))
        return r->etag.n > 0 && str_eq(field->value, r->etag);
    return r->has_modified && http_date_parse(field->value, &date_s) && date_s == r->modified_s;
}

/* Two Range fields are none that can be understood. */
static bool has_one_range(const struct http_head *request)
{
    unsigned n = 0;
    for (unsigned i = 0; i < request->n_fields; i++)
        n += request->fields[i].id == HTTP_F_RANGE;
    return n == 1;
}

/* Of the layout alone, so that every replica says the same; no data is looked at. */
static void make_boundary(struct zip_reply *r, const struct zip_layout *l)
{
    static const char digits[] = "0123456789abcdef";
    struct str text = l->text;
    uint64_t h = 14695981039346656037u; /* FNV-1a over a sample, and the length */
    for (size_t i = 0, step = text.n / 4096 + 1; i < text.n; i += step)
        h = (h ^ (uint8_t)text.p[i]) * 1099511628211u;
    h = (h ^ l->total_bytes) * 1099511628211u;
    memcpy(r->boundary, "penstock-", 9);
    for (int i = 0; i < 16; i++, h >>= 4)
        r->boundary[9 + i] = digits[h & 15];
    r->boundary[25] = 0;
}

/* The length of a multipart body is that of its parts and delimiters; these are written to be
 * counted. */
static bool count_multipart(struct zip_reply *r)
{
    struct buf text;
    buf_init(&text, (size_t)(ZIP_MAX_RANGES + 1) * 256);
    for (unsigned i = 0; i <= r->n_windows; i++)
        zip_reply_write_delimiter(&text, r, i);
    bool ok = !text.failed;
    r->n_bytes += text.n;
    buf_done(&text);
    return ok;
}

static void plan_whole(struct zip_reply *r)
{
    r->status = 200;
    r->is_multipart = false;
    r->n_windows = 1;
    r->windows[0] = (struct zip_window){ 0, r->total_bytes };
    r->n_bytes = r->total_bytes;
}

void zip_reply_plan(struct zip_reply *r, const struct http_head *request,
                    const struct zip_layout *l)
{
    struct byte_range ranges[ZIP_MAX_RANGES];
    r->total_bytes = l->total_bytes;
    r->may_range = l->end.n_unknown == 0;
    plan_whole(r);
    if (!r->may_range || !has_one_range(request) || !if_range_holds(r, request))
        return;
    switch (byte_range_parse(http_value(request, HTTP_F_RANGE), r->total_bytes, ranges,
                             ZIP_MAX_RANGES, &r->n_windows)) {
    case BYTE_RANGE_OK:
        r->status = 206;
        r->n_bytes = 0;
        for (unsigned i = 0; i < r->n_windows; i++) {
            r->windows[i] = (struct zip_window){ ranges[i].first, ranges[i].last + 1 };
            r->n_bytes += ranges[i].last + 1 - ranges[i].first;
        }
        r->is_multipart = r->n_windows > 1;
        make_boundary(r, l);
        if (r->is_multipart && !count_multipart(r))
            plan_whole(r);
        return;
    case BYTE_RANGE_UNSATISFIABLE:
        r->status = 416;
        r->n_windows = 0;
        r->n_bytes = 0;
        return;
    default:
        plan_whole(r);
    }
}

void zip_reply_plan_head(struct zip_reply *r)
{
    r->has_length = false;
    r->n_windows = 0;
    r->n_bytes = 0;
}

static void write_content_range(struct buf *out, const struct zip_reply *r,
                                const struct zip_window *w)
{
    buf_append(out, STR("Content-Range: bytes "));
    if (w != NULL) {
        buf_u64(out, w->first);
        buf_byte(out, '-');
        buf_u64(out, w->end - 1);
    } else {
        buf_byte(out, '*');
    }
    buf_byte(out, '/');
    buf_u64(out, r->total_bytes);
    buf_append(out, STR("\r\n"));
}

void zip_reply_write_head(struct buf *out, const struct zip_reply *r,
                          const struct http_head *request, bool keep_alive)
{
    http1_write_status_line(out, r->status);
    if (r->is_multipart) {
        buf_append(out, STR("Content-Type: multipart/byteranges; boundary="));
        buf_append(out, str_from_c(r->boundary));
        buf_append(out, STR("\r\n"));
    } else if (r->status != 416) {
        buf_append(out, STR("Content-Type: application/zip\r\n"));
    }
    if (r->has_length) {
        buf_append(out, STR("Content-Length: "));
        buf_u64(out, r->n_bytes);
        buf_append(out, STR("\r\n"));
    }
    if (r->may_range)
        buf_append(out, STR("Accept-Ranges: bytes\r\n"));
    if (r->status == 206 && !r->is_multipart)
        write_content_range(out, r, &r->windows[0]);
    else if (r->status == 416)
        write_content_range(out, r, NULL);
    buf_append(out, buf_str(&r->fields));
    rewrite_connection(out, request, keep_alive);
    buf_append(out, STR("\r\n"));
}

void zip_reply_write_delimiter(struct buf *out, const struct zip_reply *r, unsigned i)
{
    if (!r->is_multipart)
        return;
    if (i > 0)
        buf_append(out, STR("\r\n"));
    buf_append(out, STR("--"));
    buf_append(out, str_from_c(r->boundary));
    if (i == r->n_windows) {
        buf_append(out, STR("--\r\n"));
        return;
    }
    buf_append(out, STR("\r\nContent-Type: application/zip\r\n"));
    write_content_range(out, r, &r->windows[i]);
    buf_append(out, STR("\r\n"));
}
