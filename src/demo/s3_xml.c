#include "demo/s3_xml.h"

#include "codec/escape.h"

#include <time.h>

#define XML_HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define XMLNS " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static void element(struct buf *out, const char *name, struct str text)
{
    buf_printf(out, "<%s>", name);
    escape_xml(out, text);
    buf_printf(out, "</%s>", name);
}

static void element_u64(struct buf *out, const char *name, uint64_t v)
{
    buf_printf(out, "<%s>%llu</%s>", name, (unsigned long long)v, name);
}

void demo_s3_write_error(struct buf *out, const struct demo_s3_error *error, struct str resource,
                         struct str request_id)
{
    buf_append(out, STR(XML_HEAD "<Error>"));
    element(out, "Code", str_from_c(error->code));
    element(out, "Message", str_from_c(error->message));
    element(out, "Resource", resource);
    element(out, "RequestId", request_id);
    buf_append(out, STR("</Error>\n"));
}

void demo_s3_write_buckets(struct buf *out)
{
    buf_append(out, STR(XML_HEAD "<ListAllMyBucketsResult" XMLNS "><Owner><ID>demo</ID></Owner>"
                                 "<Buckets><Bucket><Name>" DEMO_BUCKET "</Name>"
                                 "<CreationDate>2006-03-14T00:00:00.000Z</CreationDate></Bucket>"
                                 "</Buckets></ListAllMyBucketsResult>\n"));
}

/* us-east-1 is the region without a name. */
void demo_s3_write_location(struct buf *out)
{
    buf_append(out, STR(XML_HEAD "<LocationConstraint" XMLNS "></LocationConstraint>\n"));
}

struct list {
    struct buf *out;
    const struct demo_s3_list_params *params;
    struct str last; /* what the page ended with so far */
    uint64_t n;      /* keys and common prefixes */
    bool is_truncated;
};

/* A key, or something that may hold parts of one. */
static void element_key(struct list *l, const char *name, struct str key)
{
    buf_printf(l->out, "<%s>", name);
    if (l->params->encodes_urls)
        demo_s3_encode_key(l->out, key);
    else
        escape_xml(l->out, key);
    buf_printf(l->out, "</%s>", name);
}

static size_t find_part(struct str s, struct str part, size_t from)
{
    for (size_t i = from; i + part.n <= s.n; i++)
        if (memcmp(s.p + i, part.p, part.n) == 0)
            return i;
    return s.n;
}

/* What the reply shows for a key: the key, or the common prefix that stands for it. */
static struct str shown(const struct demo_s3_list_params *p, struct str key)
{
    if (p->delimiter.n == 0)
        return key;
    size_t at = find_part(key, p->delimiter, p->prefix.n);
    return at == key.n ? key : str_first(key, at + p->delimiter.n);
}

static int compare(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;
    return c != 0 ? c : a.n < b.n ? -1 : a.n > b.n;
}

static void write_content(struct list *l, const struct demo_entry *e)
{
    char when[32];
    struct tm parts;
    time_t t = e->object.mtime_s;
    gmtime_r(&t, &parts);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S.000Z", &parts);
    buf_append(l->out, STR("<Contents>"));
    element_key(l, "Key", e->key);
    element(l->out, "LastModified", str_from_c(when));
    element(l->out, "ETag", str_from_c(e->object.etag));
    element_u64(l->out, "Size", e->object.size);
    buf_append(l->out, STR("<StorageClass>STANDARD</StorageClass></Contents>"));
}

static void write_items(struct list *l, const struct demo_entry *entries, size_t n)
{
    const struct demo_s3_list_params *p = l->params;
    for (size_t i = 0; i < n; i++) {
        struct str item = shown(p, entries[i].key);
        if (compare(item, p->after) <= 0 || (l->n > 0 && str_eq(item, l->last)))
            continue;
        if (l->n == p->max_keys) {
            l->is_truncated =
                l->n > 0; /* max-keys=0 asks for nothing, and there is no more of it */
            return;
        }
        l->last = item;
        l->n++;
        if (item.n == entries[i].key.n) {
            write_content(l, &entries[i]);
            continue;
        }
        buf_append(l->out, STR("<CommonPrefixes>"));
        element_key(l, "Prefix", item);
        buf_append(l->out, STR("</CommonPrefixes>"));
    }
}

static void write_token(struct buf *out, struct str last)
{
    buf_append(out, STR("<NextContinuationToken>"));
    for (size_t i = 0; i < last.n; i++)
        buf_printf(out, "%02x", (uint8_t)last.p[i]);
    buf_append(out, STR("</NextContinuationToken>"));
}

static void write_place(struct list *l)
{
    const struct demo_s3_list_params *p = l->params;
    buf_printf(l->out, "<IsTruncated>%s</IsTruncated>", l->is_truncated ? "true" : "false");
    if (!p->is_v2) {
        element_key(l, "Marker", p->given_after);
        if (l->is_truncated)
            element_key(l, "NextMarker", l->last);
        return;
    }
    element_u64(l->out, "KeyCount", l->n);
    if (p->given_after.n > 0)
        element_key(l, "StartAfter", p->given_after);
    if (p->token.n > 0)
        element(l->out, "ContinuationToken", p->token);
    if (l->is_truncated)
        write_token(l->out, l->last);
}

void demo_s3_write_list(struct buf *out, const struct demo_s3_list_params *p,
                        const struct demo_entry *entries, size_t n)
{
    struct list l = { .out = out, .params = p };
    buf_append(out, STR(XML_HEAD "<ListBucketResult" XMLNS "><Name>" DEMO_BUCKET "</Name>"));
    element_key(&l, "Prefix", p->prefix);
    if (p->delimiter.n > 0)
        element_key(&l, "Delimiter", p->delimiter);
    element_u64(out, "MaxKeys", p->max_keys);
    if (p->encodes_urls)
        buf_append(out, STR("<EncodingType>url</EncodingType>"));
    write_items(&l, entries, n);
    write_place(&l);
    buf_append(out, STR("</ListBucketResult>\n"));
}
