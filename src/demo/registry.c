#include "demo/registry.h"

#include "base/hash.h"
#include "codec/zip_manifest.h"
#include "demo/s3_request.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
    ARENA_BYTES = 64 << 20,
    LINE_BYTES = 8 * 1024,
    READ_BYTES = 64 * 1024,
    OUT_BYTES = 128 * 1024
};

#define SET_COOKIE "/browse/set_browse_cookie"
#define PLACE DEMO_HOST "/" DEMO_BUCKET "/"

/* A list of files in the making. */
struct list_text {
    struct buf text;
    uint64_t read_bytes; /* for CRCs */
    int64_t mtime_s;     /* of the youngest object */
    struct buf versions; /* what the ETag is made of */
    char *block;         /* READ_BYTES */
};

static void text_init(struct list_text *l)
{
    *l = (struct list_text){ .block = malloc(READ_BYTES) };
    buf_init(&l->text, DEMO_REGISTRY_REPLY_BYTES);
    buf_init(&l->versions, DEMO_REGISTRY_REPLY_BYTES);
}

static void text_done(struct list_text *l)
{
    free(l->block);
    buf_done(&l->text);
    buf_done(&l->versions);
}

/* False when the file has other bytes than it had a moment ago, or cannot be read. */
static bool sum_file(struct list_text *l, int fd, uint64_t size, uint32_t *crc)
{
    uint64_t n = 0;
    ssize_t got;
    *crc = 0;
    while (n <= size && (got = read(fd, l->block, READ_BYTES)) > 0) {
        *crc = libdeflate_crc32(*crc, l->block, (size_t)got);
        n += (uint64_t)got;
    }
    return n == size;
}

/* A list may hold names only that are safe to unpack, and the spaces in front of one would be taken
 * for those behind the location. */
static bool may_list(struct str line, struct str key)
{
    struct zip_entry e;
    const char *why;
    size_t at = 0;
    return zip_manifest_next(line, &at, &e, &why) == ZIP_MANIFEST_ENTRY && at == line.n &&
           str_eq(e.name, key);
}

static void add_line(struct list_text *l, const struct demo_object *o, struct str key,
                     const uint32_t *crc)
{
    struct buf line;
    buf_init(&line, LINE_BYTES);
    if (crc != NULL)
        buf_printf(&line, "%08x", *crc);
    else
        buf_byte(&line, '-');
    buf_printf(&line, " %llu /" PLACE, (unsigned long long)o->size);
    demo_s3_encode_key(&line, key);
    buf_byte(&line, ' ');
    buf_append(&line, key);
    buf_byte(&line, '\n');
    if (!line.failed && may_list(buf_str(&line), key)) {
        buf_append(&l->text, buf_str(&line));
        buf_append(&l->versions, str_from_c(o->etag));
        if (o->mtime_s > l->mtime_s)
            l->mtime_s = o->mtime_s;
    }
    buf_done(&line);
}

static void add_file(struct list_text *l, const struct demo_store *store, struct str key)
{
    struct demo_object o;
    uint32_t crc;
    int fd;
    if (demo_store_get(store, key, &fd, &o) != DEMO_STORE_OK)
        return; /* gone meanwhile */
    bool has_crc = o.size <= DEMO_REGISTRY_CRC_BYTES - l->read_bytes;
    if (has_crc) {
        l->read_bytes += o.size;
        has_crc = sum_file(l, fd, o.size, &crc);
    }
    close(fd);
    add_line(l, &o, key, has_crc ? &crc : NULL);
}

static void begin_head(struct buf *out, const struct http_head *head, unsigned status)
{
    char date[DEMO_HTTP_DATE_BYTES];
    http1_write_status_line(out, status);
    http1_write_field(out, STR("Date"), str_from_c(demo_http_date(time(NULL), date)));
    http1_write_field(out, STR("Server"), STR("penstock demo's registry"));
    if (!head->keep_alive)
        http1_write_field(out, STR("Connection"), STR("close"));
}

static void end_reply(struct buf *out, const struct http_head *head, struct str body)
{
    http1_write_field(out, STR("Content-Type"), STR("text/plain; charset=utf-8"));
    buf_printf(out, "Content-Length: %zu\r\n\r\n", body.n);
    if (head->method != HTTP_HEAD)
        buf_append(out, body);
}

static void reply_text(struct buf *out, const struct http_head *head, unsigned status,
                       struct str text)
{
    begin_head(out, head, status);
    end_reply(out, head, text);
}

static void reply_list(struct buf *out, const struct http_head *head, const struct list_text *l)
{
    static const struct hash_key keys[2] = { { 1, 2 }, { 3, 4 } };
    char date[DEMO_HTTP_DATE_BYTES];
    struct str versions = buf_str(&l->versions);
    begin_head(out, head, 200);
    http1_write_field(out, STR("X-Archive-Files"), STR("zip"));
    http1_write_field(out, STR("Content-Disposition"),
                      STR("attachment; filename=\"" DEMO_BUCKET ".zip\""));
    buf_printf(out, "ETag: \"%016llx%016llx\"\r\n",
               (unsigned long long)hash_bytes(&keys[0], versions),
               (unsigned long long)hash_bytes(&keys[1], versions));
    if (l->text.n > 0)
        http1_write_field(out, STR("Last-Modified"), str_from_c(demo_http_date(l->mtime_s, date)));
    end_reply(out, head, buf_str(&l->text));
}

static void reply_archive(struct buf *out, const struct demo_store *store,
                          const struct http_head *head)
{
    struct arena arena;
    struct demo_entry *entries;
    struct list_text l;
    size_t n;
    arena_init(&arena, ARENA_BYTES);
    text_init(&l);
    enum demo_store_result listed = demo_store_list(store, STR(""), &arena, &entries, &n);
    bool is_small = listed == DEMO_STORE_OK && n <= DEMO_REGISTRY_MAX_FILES;
    for (size_t i = 0; is_small && l.block != NULL && i < n; i++)
        add_file(&l, store, entries[i].key);
    buf_append(&l.versions, buf_str(&l.text));
    if (listed == DEMO_STORE_OK && !is_small)
        reply_text(out, head, 501, STR("too many files: the demo's archive has 10000 at most\n"));
    else if (!is_small || l.block == NULL || l.text.failed || l.versions.failed)
        reply_text(out, head, 500, STR("the bucket cannot be listed\n"));
    else
        reply_list(out, head, &l);
    text_done(&l);
    arena_done(&arena);
}

/* The key stays as it was asked for, query included. */
static void reply_browse(struct buf *out, const struct http_head *head, struct str key)
{
    begin_head(out, head, 302);
    buf_append(out, STR("Location: https://" PLACE));
    buf_append(out, key);
    buf_append(out, STR("\r\nSet-Cookie: demo_browse=seen; Path=/browse/; HttpOnly\r\n"));
    end_reply(out, head, STR("it is in S3\n"));
}

/* Any page may do this, since the cookie opens nothing here. */
static void reply_cookie(struct buf *out, const struct http_head *head)
{
    const struct http_field *origin = http_find_name(head, STR("Origin"));
    begin_head(out, head, 200);
    if (origin != NULL) {
        http1_write_field(out, STR("Access-Control-Allow-Origin"), origin->value);
        http1_write_field(out, STR("Access-Control-Allow-Credentials"), STR("true"));
        http1_write_field(out, STR("Vary"), STR("Origin"));
    }
    http1_write_field(out, STR("Set-Cookie"),
                      STR("demo_session=open; Path=/browse/; HttpOnly; SameSite=Lax"));
    end_reply(out, head, STR("a cookie for /browse/\n"));
}

void demo_registry_reply(const struct demo_store *store, const struct http_head *head,
                         struct buf *out)
{
    struct str authority, target;
    if (!http1_origin_form(head->target, &authority, &target))
        target = STR("");
    struct str path = str_first(target, str_find(target, '?', 0));
    bool is_post = head->method == HTTP_POST;
    bool is_read = head->method == HTTP_GET || head->method == HTTP_HEAD;
    if (str_eq(path, STR(DEMO_REGISTRY_ARCHIVE)) && (is_read || is_post))
        reply_archive(out, store, head);
    else if (str_starts(target, STR(DEMO_REGISTRY_BROWSE)))
        reply_browse(out, head, str_from(target, sizeof DEMO_REGISTRY_BROWSE - 1));
    else if (str_eq(path, STR(SET_COOKIE)) && is_post)
        reply_cookie(out, head);
    else
        reply_text(out, head, 404,
                   STR("the demo's registry has " DEMO_REGISTRY_ARCHIVE " and " DEMO_REGISTRY_BROWSE
                       "KEY\n"));
}

/* The reply is made when the head has come, and sent in pieces when the body has. */
struct answer {
    struct buf reply;
    size_t n_sent;
};

static void begin(void *answer, void *owner, uint64_t id, const struct http_head *head)
{
    struct answer *a = answer;
    *a = (struct answer){ 0 };
    buf_init(&a->reply, DEMO_REGISTRY_REPLY_BYTES);
    demo_registry_reply(owner, head, &a->reply);
}

static void body(void *answer, struct str data)
{
}

static enum demo_http_more more(void *answer, struct buf *out)
{
    struct answer *a = answer;
    struct str piece = str_first(str_from(buf_str(&a->reply), a->n_sent), DEMO_HTTP_PIECE_BYTES);
    if (a->reply.failed)
        return DEMO_HTTP_BROKEN;
    buf_append(out, piece);
    a->n_sent += piece.n;
    return piece.n > 0 ? DEMO_HTTP_PIECE : DEMO_HTTP_END;
}

static void reply(void *answer, struct buf *out)
{
    more(answer, out);
}

static void done(void *answer)
{
    struct answer *a = answer;
    buf_done(&a->reply);
}

static const struct demo_http_kind kind = { .answer_bytes = sizeof(struct answer),
                                            .reply_bytes = OUT_BYTES,
                                            .begin = begin,
                                            .body = body,
                                            .reply = reply,
                                            .more = more,
                                            .done = done };

bool demo_registry_open(struct demo_http_server *s, struct io_loop *loop, struct demo_store *store,
                        const struct addr *at, struct fault *f)
{
    return demo_http_server_open(s, loop, NULL, &kind, store, at, f);
}
