#include "proxy/zip_part.h"

#include "codec/escape.h"
#include "obs/metrics.h"
#include "proxy/proxy.h"
#include "proxy/rewrite.h"

#include <libdeflate.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME_SHOWN_BYTES = 120,
    FIRST_BLOCK_BYTES = 64 * 1024, /* what fits into the block that a response begins in */
    SPARE_BLOCKS = 3, /* the first is smaller, one is being filled, the last is not full */
};

static void ask(struct zip_part *p);

static struct io_loop *loop_of(const struct zip_part *p)
{
    return p->proxy->loop;
}

static bool is_whole_entry(const struct zip_part *p)
{
    return p->first == 0 && p->n_bytes == p->entry.size;
}

/* ---- failing ---- */

static void end_exchange(struct zip_part *p, bool keep)
{
    if (!p->is_exchanging)
        return;
    p->is_exchanging = false;
    if (keep)
        exchange_finish(&p->x);
    else
        exchange_cancel(&p->x);
}

/* For good. The fault says which entry, and where it was looked for. */
static void fail(struct zip_part *p, enum fault_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void fail(struct zip_part *p, enum fault_kind kind, const char *format, ...)
{
    char why[FAULT_DETAIL_BYTES];
    struct buf name;
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    buf_init(&name, 4 * NAME_SHOWN_BYTES + 8);
    escape_plain(&name, p->entry.name, NAME_SHOWN_BYTES);
    fault_set(&p->fault, kind, "part", "\"%.*s\" of %.*s: %s", STR_ARG(buf_str(&name)),
              STR_ARG(str_first(p->route.host, 128)), why);
    buf_done(&name);
    end_exchange(p, false);
    p->state = ZIP_PART_FAILED;
}

static void pause_for(struct zip_part *p, uint64_t ms)
{
    p->state = ZIP_PART_PAUSED;
    io_timer_arm(loop_of(p), &p->pause, ms);
}

static void count_try(struct zip_part *p)
{
    p->n_tries++;
    p->tried_at = p->received;
    metric_add(METRIC_ARCHIVE_PART_TRIES, 1);
}

/* Without an ETag the CRC of the whole says whether two halves belong together. */
static bool can_go_on(const struct zip_part *p)
{
    if (p->received == p->n_bytes)
        return false; /* there is no rest */
    return p->received == 0 || p->etag_n > 0 || (p->entry.has_crc && is_whole_entry(p));
}

/* All bytes are here; the end that did not come is not needed where the CRC, or the total that
 * Content-Range gave, says that they are all. */
static bool is_whole_without_end(const struct zip_part *p)
{
    return p->received == p->n_bytes && (p->asks_range || (p->entry.has_crc && is_whole_entry(p)));
}

/* The exchange failed: the rest is asked for again, or that was all. */
static void exchange_died(struct zip_part *p)
{
    if (is_whole_without_end(p)) {
        end_exchange(p, false);
        p->state = ZIP_PART_WHOLE;
        return;
    }
    struct fault f = p->x.fault;
    bool is_death = f.kind == FAULT_UPSTREAM_CLOSED || f.kind == FAULT_UPSTREAM_RESET ||
                    f.kind == FAULT_UPSTREAM_STALLED;
    bool may = is_death || (p->may_persist && f.kind != FAULT_ADDRESS_DENIED);
    end_exchange(p, false);
    p->n_barren = p->received > p->tried_at ? 0 : p->n_barren + 1;
    if (!may || p->n_barren >= ZIP_PART_MAX_BARREN || !can_go_on(p)) {
        /* The client asked for nothing that is forbidden: it is the list that names this host. */
        fail(p, f.kind == FAULT_ADDRESS_DENIED ? FAULT_PART_REFUSED : f.kind, "%s", f.detail);
        return;
    }
    count_try(p);
    if (p->n_barren == 0)
        ask(p);
    else
        pause_for(p, (uint64_t)ZIP_PART_PAUSE_MS << p->n_barren);
}

/* ---- asking ---- */

static uint64_t from_of(const struct zip_part *p)
{
    return p->first + p->received;
}

static uint64_t last_of(const struct zip_part *p)
{
    return p->first + p->n_bytes - 1;
}

static void write_head(struct zip_part *p)
{
    struct buf *out = &p->head;
    buf_clear(out);
    rewrite_request_line(out, STR("GET"), &p->route);
    buf_append(out, p->pass);
    p->asks_range = from_of(p) > 0 || last_of(p) + 1 < p->entry.size;
    if (p->asks_range)
        rewrite_range(out, from_of(p), last_of(p));
    if (p->etag_n > 0)
        http1_write_field(out, STR("If-Match"), str_of(p->etag, p->etag_n));
    buf_append(out, STR("\r\n"));
}

static void ask(struct zip_part *p)
{
    write_head(p);
    if (p->head.failed) {
        fail(p, FAULT_NO_MEMORY, "the request's head");
        return;
    }
    const struct exchange_request request = {
        .origin = p->route.origin,
        .method = HTTP_GET,
        .head = buf_str(&p->head),
        .is_idempotent = true,
    };
    p->state = ZIP_PART_ASKED;
    p->offered_n = 0;
    p->is_exchanging = true;
    exchange_start(&p->x, p->proxy->upstream, &request);
}

static void on_pause(struct io_timer *t)
{
    struct zip_part *p = LIST_ENTRY(t, struct zip_part, pause);
    ask(p);
    if (p->state == ZIP_PART_FAILED)
        p->on_change(p);
}

/* ---- the response head ---- */

static bool is_busy(unsigned status)
{
    return status == 429 || status == 500 || (status >= 502 && status <= 504);
}

static void come_back_later(struct zip_part *p, struct str id)
{
    if (++p->n_busy > ZIP_PART_MAX_BUSY) {
        fail(p, FAULT_PART_REFUSED, "S3 answered %u, as it did to %u tries before%s%.*s",
             p->x.head.status, ZIP_PART_MAX_BUSY, id.n > 0 ? ", x-amz-request-id " : "",
             STR_ARG(id));
        return;
    }
    end_exchange(p, true);
    count_try(p);
    pause_for(p, (uint64_t)ZIP_PART_BUSY_MS << (p->n_busy - 1));
}

/* "bytes FIRST-LAST/TOTAL", said once. */
static bool has_content_range(const struct http_head *h, uint64_t *first, uint64_t *last,
                              uint64_t *total)
{
    unsigned n = 0;
    for (unsigned i = 0; i < h->n_fields; i++)
        n += h->fields[i].id == HTTP_F_CONTENT_RANGE;
    return n == 1 && content_range_parse(http_value(h, HTTP_F_CONTENT_RANGE), first, last, total);
}

/* The size that S3 has, where its head says it. */
static bool size_is_right(struct zip_part *p, const struct http_head *h)
{
    uint64_t first = 0, last = 0, total = h->content_length;
    bool has_total = h->framing == HTTP_LENGTH || h->framing == HTTP_NO_BODY;
    if (p->asks_range) {
        has_total = has_content_range(h, &first, &last, &total);
        if (!has_total || (total == p->entry.size && (first != from_of(p) || last != last_of(p))) ||
            (h->framing == HTTP_LENGTH && h->content_length != last - first + 1)) {
            fail(p, FAULT_PART_REFUSED, "S3 answered with another range than was asked for");
            return false;
        }
    }
    if (has_total && total != p->entry.size) {
        fail(p, FAULT_PART_DAMAGED, "S3 has %llu bytes, the registry says %llu",
             (unsigned long long)total, (unsigned long long)p->entry.size);
        return false;
    }
    return true;
}

/* All answers are of one version of the object, or there is no way to tell. */
static bool version_is_right(struct zip_part *p, const struct http_head *h)
{
    struct str etag = http_value(h, HTTP_F_ETAG);
    if (p->etag_n > 0 && !str_eq(etag, str_of(p->etag, p->etag_n))) {
        fail(p, FAULT_UPSTREAM_REPLACED, "another version than at the try before");
        return false;
    }
    if (p->etag_n == 0 && http_etag_is_strong(etag) && etag.n <= sizeof p->etag) {
        memcpy(p->etag, etag.p, etag.n);
        p->etag_n = etag.n;
    }
    return true;
}

static void judge_head(struct zip_part *p)
{
    const struct http_head *h = &p->x.head;
    struct str id = str_first(http_value(h, HTTP_F_X_AMZ_REQUEST_ID), 64);
    if (is_busy(h->status))
        come_back_later(p, id);
    else if (h->status == 412)
        fail(p, FAULT_UPSTREAM_REPLACED, "it changed between two tries");
    else if (h->status == 416)
        fail(p, FAULT_PART_DAMAGED, "S3 has fewer bytes than the registry says, %llu",
             (unsigned long long)p->entry.size);
    else if (h->status != (p->asks_range ? 206 : 200))
        fail(p, FAULT_PART_REFUSED, "S3 answered %u%s%s%.*s", h->status,
             p->asks_range && h->status == 200 ? " to a request for a range" : "",
             id.n > 0 ? ", x-amz-request-id " : "", STR_ARG(id));
    else if (size_is_right(p, h) && version_is_right(p, h)) {
        p->is_promised = true;
        p->n_busy = 0;
        p->state = ZIP_PART_BODY;
    }
}

/* ---- reading ahead ---- */

uint64_t zip_part_wish(uint64_t n_bytes)
{
    if (n_bytes <= FIRST_BLOCK_BYTES)
        return FIRST_BLOCK_BYTES + IO_BLOCK_HEAD_BYTES;
    return (n_bytes / ((uint64_t)128 * 1024) + SPARE_BLOCKS) * ZIP_PART_BLOCK_BYTES;
}

/* A large block for a few bytes is given for a small one. */
static void shrink(struct zip_part *p, struct io_block *b)
{
    struct io_block small = { .p = NULL };
    size_t n = io_block_n(b);
    if (n > IO_BLOCK_16K_BYTES || b->cap <= IO_BLOCK_16K_BYTES ||
        !io_block_take(loop_of(p), &small, n <= 4096 ? IO_BLOCK_4K : IO_BLOCK_16K))
        return;
    memcpy(small.p, b->p + b->start, n);
    small.end = (uint32_t)n;
    io_block_give(loop_of(p), b);
    *b = small;
}

static bool keep_block(struct zip_part *p, struct io_block *b)
{
    if (p->n_blocks == p->cap_blocks) {
        size_t cap = p->cap_blocks == 0 ? 4 : 2 * p->cap_blocks;
        struct io_block *more = realloc(p->blocks, cap * sizeof *more);
        if (more == NULL)
            return false;
        p->blocks = more;
        p->cap_blocks = cap;
    }
    shrink(p, b);
    /* Now: when they go out they are no longer in the processor's cache. Of a piece of an entry
     * nothing can be said. */
    if (is_whole_entry(p))
        p->crc = libdeflate_crc32(p->crc, b->p + b->start, io_block_n(b));
    p->received += io_block_n(b);
    p->held += b->cap;
    p->blocks[p->n_blocks++] = *b;
    return true;
}

static void end_of_body(struct zip_part *p)
{
    if (p->received < p->n_bytes) {
        fail(p, FAULT_PART_DAMAGED, "it ended after %llu of %llu bytes",
             (unsigned long long)p->received, (unsigned long long)p->n_bytes);
        return;
    }
    end_exchange(p, true);
    p->state = ZIP_PART_WHOLE;
}

static void too_long(struct zip_part *p)
{
    fail(p, FAULT_PART_DAMAGED, "S3 sends more than the %llu bytes that the registry says",
         (unsigned long long)p->n_bytes);
}

/*
 * Room for the block that is handed over, and for the one that the exchange takes instead. What is
 * small and of known length comes in one; what is cut or chunked may need more of them.
 */
static bool may_hold_more(const struct zip_part *p)
{
    bool is_small = p->n_bytes <= FIRST_BLOCK_BYTES && p->held == 0;
    if (p->x.head.framing == HTTP_LENGTH && (is_small || p->received == p->n_bytes))
        return true;
    return p->held + 2 * (uint64_t)ZIP_PART_BLOCK_BYTES <= p->reserved;
}

static void read_ahead(struct zip_part *p)
{
    while (p->state == ZIP_PART_BODY && may_hold_more(p)) {
        struct io_block b = { .p = NULL };
        switch (exchange_gather(&p->x, &b)) {
        case IO_OK:
            if (io_block_n(&b) > p->n_bytes - p->received) {
                io_block_give(loop_of(p), &b);
                too_long(p);
            } else if (!keep_block(p, &b)) {
                io_block_give(loop_of(p), &b);
                fail(p, FAULT_NO_MEMORY, "no room for what came");
            }
            break;
        case IO_AGAIN:
            return;
        case IO_EOF:
            end_of_body(p);
            break;
        default:
            exchange_died(p);
        }
    }
}

static void on_exchange(struct exchange *x, enum exchange_event e)
{
    struct zip_part *p = x->owner;
    if (e == EXCHANGE_HEAD)
        judge_head(p);
    else if (e == EXCHANGE_FAILED && p->state != ZIP_PART_BODY)
        exchange_died(p);
    else if (e != EXCHANGE_READABLE && e != EXCHANGE_FAILED)
        return; /* of a body, reading tells: behind the bytes that came before it failed */
    if (!p->is_leading)
        read_ahead(p);
    p->on_change(p);
}

/* ---- the owner's side ---- */

struct zip_part *zip_part_new(struct proxy *proxy, const struct conf *conf,
                              const struct zip_piece *piece, struct str pass, uint64_t reserve)
{
    struct zip_part *p = calloc(1, sizeof *p);
    if (p == NULL)
        return NULL;
    p->proxy = proxy;
    p->entry = piece->entry;
    p->first = piece->first;
    p->n_bytes = piece->n;
    p->number = piece->number;
    p->pass = pass;
    p->reserved = reserve;
    p->x.owner = p;
    p->x.on_event = on_exchange;
    p->pause.on_fire = on_pause;
    buf_init(&p->head, HTTP_REQUEST_HEAD_BYTES + ZIP_LOCATION_BYTES + 2048);
    list_init(&p->node);
    struct fault f = { .kind = FAULT_NONE };
    /* It passed the same gate, and by the same settings, when the list was read. */
    if (route_location(conf, p->entry.location, &p->route, &f))
        ask(p);
    else
        fail(p, f.kind, "%s", f.detail);
    metric_add(METRIC_ARCHIVE_PARTS, 1);
    return p;
}

void zip_part_free(struct zip_part *p)
{
    if (p == NULL)
        return;
    end_exchange(p, false);
    io_timer_disarm(loop_of(p), &p->pause);
    while (p->first_block < p->n_blocks)
        io_block_give(loop_of(p), &p->blocks[p->first_block++]);
    free(p->blocks);
    buf_done(&p->head);
    list_remove(&p->node);
    io_free_later(loop_of(p), p);
}

void zip_part_lead(struct zip_part *p)
{
    p->is_leading = true;
}

uint64_t zip_part_unreserve(struct zip_part *p)
{
    bool is_done = p->is_leading || p->state == ZIP_PART_WHOLE || p->state == ZIP_PART_FAILED;
    uint64_t needed = is_done && p->held < p->reserved ? p->held : p->reserved;
    uint64_t back = p->reserved - needed;
    p->reserved = needed;
    return back;
}

/* What was received and not handed out. */
static enum io_result next_bytes(struct zip_part *p, struct str *data)
{
    if (p->first_block < p->n_blocks) {
        *data = io_block_str(&p->blocks[p->first_block]);
        return IO_OK;
    }
    for (;;) {
        switch (p->state) {
        case ZIP_PART_WHOLE:
            return IO_EOF;
        case ZIP_PART_FAILED:
            return IO_FAILED;
        case ZIP_PART_BODY:
            break;
        default:
            return IO_AGAIN;
        }
        switch (exchange_read(&p->x, data)) {
        case IO_OK:
            if (data->n <= p->n_bytes - p->received)
                return IO_OK;
            too_long(p);
            break;
        case IO_AGAIN:
            return IO_AGAIN;
        case IO_EOF:
            end_of_body(p);
            break;
        default:
            exchange_died(p);
        }
    }
}

/* The CRC with these bytes, the next ones of the exchange. They are offered again when the client
 * took none. */
static uint32_t crc_with(struct zip_part *p, struct str data)
{
    if (p->offered_n != data.n) {
        p->offered_crc = libdeflate_crc32(p->crc, data.p, data.n);
        p->offered_n = data.n;
    }
    return p->offered_crc;
}

/* Are these the last bytes of an entry, and is it another one than the list says? This is asked
 * before they go out: where a range ends with them, nothing could be told any more behind them. */
static bool is_damaged(struct zip_part *p, struct str data)
{
    if (p->handed + data.n < p->n_bytes || !is_whole_entry(p) || !p->entry.has_crc)
        return false;
    uint32_t crc = p->first_block < p->n_blocks ? p->crc : crc_with(p, data);
    if (crc == p->entry.crc)
        return false;
    fail(p, FAULT_PART_DAMAGED, "its CRC is %08x, the registry says %08x", crc, p->entry.crc);
    return true;
}

enum io_result zip_part_read(struct zip_part *p, struct str *data)
{
    enum io_result r = next_bytes(p, data);
    return r == IO_OK && is_damaged(p, *data) ? IO_FAILED : r;
}

static void consume_block(struct zip_part *p, size_t n)
{
    struct io_block *b = &p->blocks[p->first_block];
    b->start += (uint32_t)n;
    if (io_block_n(b) > 0)
        return;
    p->held -= b->cap;
    io_block_give(loop_of(p), b);
    if (++p->first_block == p->n_blocks)
        p->first_block = p->n_blocks = 0;
}

void zip_part_consume(struct zip_part *p, size_t n)
{
    struct str data;
    if (n == 0 || next_bytes(p, &data) != IO_OK)
        return;
    p->handed += n;
    if (p->first_block < p->n_blocks) {
        consume_block(p, n);
    } else {
        if (is_whole_entry(p))
            p->crc = crc_with(p, str_first(data, n));
        p->offered_n = 0;
        p->received += n;
        exchange_consume(&p->x, n);
    }
}
