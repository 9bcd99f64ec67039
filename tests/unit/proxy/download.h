#pragma once
/*
 * Archives through a whole proxy, from a scripted registry and a scripted S3: objects, lists of
 * them, and a client that asks for such an archive and reads it.
 */
#include "store.h"

#include "obs/metrics.h"
#include "proxy/zip_download.h"

#define KIB 1024
#define GET_ZIP "GET /zip/x HTTP/1.1\r\nHost: p\r\n"
#define NOT_FOUND "HTTP/1.1 404 N\r\nContent-Length: 0" END

static const struct object some[] = { { "/b/a", 1000, NULL },      { "/b/empty", 0, NULL },
                                      { "/b/b", 300 * KIB, NULL }, { "/b/c?q=1", 5, NULL },
                                      { "/b/d", 70000, "-" },      { 0 } };
static const struct object known[] = {
    { "/b/a", 1000, NULL }, { "/b/b", 3000, NULL }, { "/b/c", 2000, NULL }, { 0 }
};

static inline bool nothing_is_ahead(struct lab *l)
{
    return limits_held(l->px->limits, LIMITS_AHEAD) == 0 && metric_read(METRIC_ARCHIVE_AHEAD) == 0;
}

/* The registry gives this text, with fields of its own, to each request. */
static inline void lab_gives(struct lab *l, const struct object *objects, const struct say *script,
                             const char *fields, struct str list)
{
    static struct buf text;
    static struct act acts[8];
    buf_done(&text);
    buf_init(&text, 16 << 20);
    buf_printf(&text, "HTTP/1.1 200 OK\r\nX-Archive-Files: zip\r\n%sContent-Length: %zu\r\n\r\n",
               fields, list.n);
    buf_append(&text, list);
    buf_byte(&text, 0);
    assert_false(text.failed);
    for (unsigned i = 0; i < 7; i++)
        acts[i] = (struct act){ i / 5, "/zip/x", text.p, 0, STAY };
    lab_serve(l, objects, script, acts);
}

static inline void lab_lists(struct lab *l, const struct object *objects, const struct say *script,
                             const char *fields)
{
    struct buf list;
    buf_init(&list, 16 << 20);
    lab_list(objects, &list);
    lab_gives(l, objects, script, fields, buf_str(&list));
    buf_done(&list);
}

static inline void ask(struct lab *l, struct side *s, const char *request)
{
    side_open(l->px, s);
    side_says(s, request);
}

/* The response at the start of what came, when it is whole: its body, and then *used bytes. */
static inline bool is_whole(struct side *s, struct str *body, size_t *used)
{
    struct str in;
    size_t n = 0;
    side_reads(s);
    in = buf_str(&s->in);
    while (n + 4 <= in.n && memcmp(in.p + n, END, 4) != 0)
        n++;
    if (n + 4 > in.n)
        return false;
    char *head = strndup(in.p, n + 4), *field = strstr(head, "Content-Length: ");
    size_t length = field ? (size_t)atoll(field + 16) : 0;
    free(head);
    if (in.n < n + 4 + length)
        return false;
    *body = str_first(str_from(in, n + 4), length);
    *used = n + 4 + length;
    return true;
}

static inline struct str body_of(struct side *s)
{
    struct str body = { 0 };
    size_t used = 0;
    TURN_UNTIL(s->px->rig, is_whole(s, &body, &used));
    return body;
}

/* Two files of 7 and 9 bytes among so many directories. */
enum { FAR = 40 * 1000 };
static const struct object few[] = { { "/b/a", 7, NULL }, { "/b/b", 9, NULL }, { 0 } };

static inline void far_apart(struct buf *list)
{
    buf_init(list, 16 << 20);
    for (int i = 0; i < 3 * FAR; i++) {
        buf_append(list, STR("0 0 @directory d\n"));
        if (i % FAR == FAR - 1 && i / FAR < 2)
            buf_printf(
                list, "%08x %zu /s3.test%s f\n",
                zip_made_crc(str_from_c(i / FAR ? "/s3.test/b/b" : "/s3.test/b/a"), few[i / FAR].n),
                few[i / FAR].n, few[i / FAR].key);
    }
}
