#include "demo/s3_origin.h"

#include "demo/s3_answer.h"

#include <unistd.h>

static void begin(void *answer, void *owner, uint64_t id, const struct http_head *head)
{
    demo_s3_answer_begin(answer, owner, id, head);
}

static void body(void *answer, struct str data)
{
    demo_s3_answer_body(answer, data);
}

static void reply(void *answer, struct buf *out)
{
    demo_s3_answer_reply(answer, out);
}

/* The next piece of the file. It cannot be had when it was cut short, or the disk fails. */
static enum demo_http_more more(void *answer, struct buf *out)
{
    struct demo_s3_answer *a = answer;
    struct demo_s3_plan *p = &a->plan;
    if (p->n == 0)
        return DEMO_HTTP_END;
    size_t n = p->n < DEMO_HTTP_PIECE_BYTES ? (size_t)p->n : DEMO_HTTP_PIECE_BYTES;
    char *to = buf_reserve(out, n);
    ssize_t got = to != NULL ? pread(a->file, to, n, (off_t)p->first) : -1;
    if (got <= 0)
        return DEMO_HTTP_BROKEN;
    out->n += (size_t)got;
    p->first += (uint64_t)got;
    p->n -= (uint64_t)got;
    return DEMO_HTTP_PIECE;
}

static void done(void *answer)
{
    demo_s3_answer_done(answer);
}

static const struct demo_http_kind kind = { .answer_bytes = sizeof(struct demo_s3_answer),
                                            .reply_bytes = DEMO_S3_REPLY_BYTES,
                                            .begin = begin,
                                            .body = body,
                                            .reply = reply,
                                            .more = more,
                                            .done = done };

bool demo_s3_origin_open(struct demo_http_server *s, struct io_loop *loop, struct io_tls *tls,
                         struct demo_store *store, const struct addr *at, struct fault *f)
{
    return demo_http_server_open(s, loop, tls, &kind, store, at, f);
}
