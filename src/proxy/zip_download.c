#include "proxy/zip_download.h"

#include "obs/metrics.h"
#include "proxy/limits.h"
#include "proxy/pump.h"
#include "proxy/zip_list.h"
#include "proxy/zip_part.h"
#include "proxy/zip_reply.h"

#include <stdlib.h>

/* Records are gathered up to this before they are sent alone; the next one still fits. */
enum { RECORDS_BYTES = 48 * 1024 };

/* Of a walk before others get their turn: pieces that have no data, and text of the list. A
 * millisecond or two. */
enum { WALK_TURN_PIECES = 16 * 1024, WALK_TURN_BYTES = 1024 * 1024 };

/* A walk over the windows of the reply: the output's, and that of the fetching ahead of it. */
struct walk {
    unsigned window;
    struct zip_cursor cursor;
    struct zip_piece piece; /* where it stands */
};

struct zip_download {
    struct tx *tx;
    struct zip_list list;
    struct zip_reply reply;
    struct buf pass; /* the client's fields that go with each part */
    struct walk out, ahead;
    struct list parts; /* in order; the first one's turn is next, or now */
    unsigned n_parts;
    unsigned n_ahead; /* of these, counted as connections that are not needed yet */
    uint64_t reserved_bytes;
    uint64_t list_bytes;  /* of memory that the list counts as holding */
    struct io_timer turn; /* the rest of a long list, or walk, after others had theirs */
    struct zip_counts counts;
    bool is_begun;
};

bool zip_download_is_list(const struct http_head *response)
{
    return response->status / 100 == 2 &&
           str_eq_nocase(http_value(response, HTTP_F_X_ARCHIVE_FILES), STR("zip"));
}

/* ---- what goes with each part ---- */

/* Fields that are never the registry's to pass on: what says where and how much is ours, and a
 * cookie is for the registry alone. */
static bool may_pass(const struct http_field *field)
{
    switch (field->id) {
    case HTTP_F_HOST:
    case HTTP_F_COOKIE:
    case HTTP_F_ACCEPT_ENCODING:
    case HTTP_F_EXPECT:
    case HTTP_F_RANGE:
    case HTTP_F_IF_RANGE:
    case HTTP_F_IF_MATCH:
    case HTTP_F_IF_NONE_MATCH:
    case HTTP_F_IF_MODIFIED_SINCE:
    case HTTP_F_IF_UNMODIFIED_SINCE:
        return false;
    default:
        return !field->is_hop && !str_eq_nocase(str_first(field->name, 8), STR("Content-"));
    }
}

static bool is_in(struct str names, struct str name)
{
    struct str one;
    while (str_next(&names, ':', &one))
        if (str_eq_nocase(str_trim(one), name))
            return true;
    return false;
}

static bool is_listed(const struct http_head *registry, struct str name)
{
    for (unsigned i = 0; i < registry->n_fields; i++)
        if (registry->fields[i].id == HTTP_F_X_ARCHIVE_PASS_HEADERS &&
            is_in(registry->fields[i].value, name))
            return true;
    return false;
}

/* Each field once, however often it is listed. */
static void take_pass_headers(struct zip_download *d, const struct http_head *request,
                              const struct http_head *registry)
{
    for (unsigned i = 0; i < request->n_fields; i++)
        if (may_pass(&request->fields[i]) && is_listed(registry, request->fields[i].name))
            http1_copy_fields(&d->pass, request, i, i + 1);
}

/* ---- the list ---- */

static void on_turn(struct io_timer *t)
{
    struct tx *tx = LIST_ENTRY(t, struct zip_download, turn)->tx;
    if (tx->step == TX_LIST || tx->step == TX_ARCHIVE)
        tx_run(tx);
}

static enum tx_result refuse(struct tx *tx)
{
    tx_end_exchange(tx, false);
    return tx_go(tx, TX_REPLY);
}

enum tx_result zip_download_begin(struct tx *tx)
{
    const struct http_head *registry = &tx->x.head;
    struct zip_download *d = calloc(1, sizeof *d);
    if (d == NULL) {
        fault_set(&tx->fault, FAULT_NO_MEMORY, "list", NULL);
        return refuse(tx);
    }
    tx->zip = d;
    d->tx = tx;
    d->turn.on_fire = on_turn;
    list_init(&d->parts);
    zip_list_init(&d->list, tx->policy->conf);
    /* Of each field, ": " and CR LF may be longer than they came. */
    buf_init(&d->pass, HTTP_REQUEST_HEAD_BYTES + 2 * HTTP_MAX_FIELDS);
    if (!zip_reply_init(&d->reply, registry, &tx->fault))
        return refuse(tx);
    take_pass_headers(d, &tx->head, registry);
    if (d->pass.failed) {
        fault_set(&tx->fault, FAULT_NO_MEMORY, "list", NULL);
        return refuse(tx);
    }
    tx->is_headed = false; /* its strings go with the first bytes of the list */
    return tx_go(tx, TX_LIST);
}

static void start_walk(struct zip_download *d, struct walk *w)
{
    const struct zip_window *first = &d->reply.windows[0];
    bool is_empty = d->reply.n_windows == 0;
    zip_cursor_init(&w->cursor, &d->list.layout, is_empty ? 0 : first->first,
                    is_empty ? 0 : first->end);
}

/* The list is whole: what goes out is decided, and fetching begins. */
static enum tx_result list_is_whole(struct tx *tx)
{
    struct zip_download *d = tx->zip;
    uint32_t time = zip_time(d->reply.has_modified ? d->reply.modified_s : 0);
    tx_end_exchange(tx, true);
    /* What it has not sent of the request's body is not waited for any more. */
    tx->waits_for_client = false;
    if (!zip_list_end(&d->list, time, &tx->fault))
        return refuse(tx);
    if (tx->head.method == HTTP_HEAD)
        zip_reply_plan_head(&d->reply);
    else
        zip_reply_plan(&d->reply, &tx->head, &d->list.layout);
    d->counts.n_entries = d->list.layout.end.index;
    metric_add(METRIC_ARCHIVES, 1);
    start_walk(d, &d->out);
    start_walk(d, &d->ahead);
    return tx_go(tx, TX_ARCHIVE);
}

static bool take_list(struct zip_download *d, struct str data)
{
    struct tx *tx = d->tx;
    uint64_t max = tx->policy->conf->max_manifest_total, most = tx->policy->conf->max_manifest;
    if (data.n > most || d->list_bytes > most - data.n)
        return zip_list_feed(&d->list, data, &tx->fault); /* which refuses it */
    if (!limits_hold(tx->proxy->limits, LIMITS_LISTS, d->list_bytes, data.n, max))
        return fault_set(&tx->fault, FAULT_BUSY, "list",
                         "for this list, PENSTOCK_MAX_MANIFEST_TOTAL, %llu bytes, leaves no room",
                         (unsigned long long)max);
    d->list_bytes += data.n;
    return zip_list_feed(&d->list, data, &tx->fault);
}

/* LIST: the registry's list is read, and checked as it comes. */
enum tx_result step_list(struct tx *tx)
{
    struct zip_download *d = tx->zip;
    if (tx_pump_up_or_go(tx))
        return TX_MORE;
    for (size_t taken = 0; taken < ZIP_TURN_BYTES;) {
        struct str data;
        switch (exchange_read(&tx->x, &data)) {
        case IO_OK:
            if (!take_list(d, data))
                return refuse(tx);
            taken += data.n;
            exchange_consume(&tx->x, data.n);
            break;
        case IO_AGAIN:
            return TX_WAIT;
        case IO_EOF:
            return list_is_whole(tx);
        default:
            tx->fault = tx->x.fault;
            return refuse(tx);
        }
    }
    io_timer_arm(tx->proxy->loop, &d->turn, 0);
    return TX_WAIT;
}

/* ---- fetching ahead ---- */

/* The next data of the walk, over the windows; END behind the last. RECORD: the rest of the way is
 * for another turn. */
static void next_data(struct zip_download *d, struct walk *w)
{
    size_t text_bytes = 0;
    for (unsigned n = 0; n < WALK_TURN_PIECES && text_bytes < WALK_TURN_BYTES; n++) {
        zip_cursor_next(&w->cursor, &d->list.layout, NULL, &w->piece);
        text_bytes += zip_cursor_text_bytes(&w->cursor);
        if (w->piece.kind == ZIP_PIECE_DATA)
            return;
        if (w->piece.kind != ZIP_PIECE_END)
            continue;
        if (w->window + 1 >= d->reply.n_windows)
            return;
        const struct zip_window *next = &d->reply.windows[++w->window];
        zip_cursor_init(&w->cursor, &d->list.layout, next->first, next->end);
    }
}

static struct zip_part *leading(const struct zip_download *d)
{
    return list_is_empty(&d->parts) ? NULL : LIST_ENTRY(d->parts.next, struct zip_part, node);
}

static bool hold(struct zip_download *d, uint64_t n_bytes)
{
    const struct conf *conf = d->tx->policy->conf;
    if (n_bytes > conf->archive_ahead || d->reserved_bytes > conf->archive_ahead - n_bytes ||
        !limits_hold(d->tx->proxy->limits, LIMITS_AHEAD, d->reserved_bytes, n_bytes,
                     conf->archive_ahead_total))
        return false;
    d->reserved_bytes += n_bytes;
    metric_add(METRIC_ARCHIVE_AHEAD, n_bytes);
    return true;
}

static void release(struct zip_download *d, uint64_t n_bytes)
{
    if (n_bytes == 0)
        return;
    d->reserved_bytes -= n_bytes;
    limits_release(d->tx->proxy->limits, LIMITS_AHEAD, n_bytes);
    metric_sub(METRIC_ARCHIVE_AHEAD, n_bytes);
}

/*
 * Memory for a part that is not the next: all that it can use, else what is left, so that large
 * parts are fetched whole, one after the other, rather than many of them a little.
 */
static uint64_t reserve_for(struct zip_download *d, uint64_t part_bytes)
{
    uint64_t wish = zip_part_wish(part_bytes);
    uint64_t limit = d->tx->policy->conf->archive_ahead;
    uint64_t left = limit > d->reserved_bytes ? limit - d->reserved_bytes : 0;
    if (wish > left && left >= ZIP_PART_BLOCK_BYTES)
        wish = left;
    if (hold(d, wish))
        return wish;
    return wish > ZIP_PART_BLOCK_BYTES && hold(d, ZIP_PART_BLOCK_BYTES) ? ZIP_PART_BLOCK_BYTES : 0;
}

static void on_part(struct zip_part *p);

/* The leading part, and one that ended, are not counted any more. */
static void settle_ahead(struct zip_download *d)
{
    unsigned n = d->n_parts > 0 ? d->n_parts - 1 : 0;
    if (d->n_ahead > n)
        limits_release(d->tx->proxy->limits, LIMITS_PARTS, d->n_ahead - n);
    d->n_ahead = d->n_ahead < n ? d->n_ahead : n;
}

static bool may_connect_ahead(struct zip_download *d)
{
    struct limits *l = d->tx->proxy->limits;
    if (!limits_hold(l, LIMITS_PARTS, d->n_ahead, 1, limits_max_parts(l)))
        return false;
    d->n_ahead++;
    return true;
}

/* Starts the walk's next part; false when there is no memory, or descriptor, for it now. */
static bool start_part(struct zip_download *d)
{
    bool is_leading = d->n_parts == 0;
    uint64_t reserve = is_leading ? 0 : reserve_for(d, d->ahead.piece.n);
    if (!is_leading && reserve == 0)
        return false;
    if (!is_leading && !may_connect_ahead(d)) {
        release(d, reserve);
        return false;
    }
    struct zip_part *p = zip_part_new(d->tx->proxy, d->tx->policy->conf, &d->ahead.piece,
                                      buf_str(&d->pass), reserve);
    if (p == NULL) {
        release(d, reserve);
        settle_ahead(d);
        return false;
    }
    p->owner = d;
    p->on_change = on_part;
    p->may_persist = d->is_begun || !is_leading;
    if (is_leading)
        zip_part_lead(p);
    list_push_back(&d->parts, &p->node);
    d->n_parts++;
    d->counts.n_parts++;
    return true;
}

static void fetch_ahead(struct zip_download *d)
{
    if (d->n_parts > 0) /* what the others have to spare went back when it turned out */
        release(d, zip_part_unreserve(leading(d)));
    while (d->n_parts < ZIP_MAX_PARTS) {
        if (d->ahead.piece.kind != ZIP_PIECE_DATA)
            next_data(d, &d->ahead);
        if (d->ahead.piece.kind == ZIP_PIECE_RECORD)
            io_timer_arm(d->tx->proxy->loop, &d->turn, 0);
        if (d->ahead.piece.kind != ZIP_PIECE_DATA || !start_part(d))
            return;
        d->ahead.piece.kind = ZIP_PIECE_RECORD; /* it is being fetched */
    }
}

static void on_part(struct zip_part *p)
{
    struct zip_download *d = p->owner;
    if (d->tx->step != TX_ARCHIVE)
        return; /* it has failed, and that is being told */
    if (p == leading(d)) {
        tx_run(d->tx);
        return;
    }
    uint64_t spare = zip_part_unreserve(p);
    release(d, spare);
    if (spare > 0)
        fetch_ahead(d);
}

static void end_part(struct zip_download *d, struct zip_part *p)
{
    d->counts.n_tries += p->n_tries;
    release(d, p->reserved);
    zip_part_free(p);
    d->n_parts--;
    settle_ahead(d);
    if (d->n_parts > 0)
        zip_part_lead(leading(d));
}

void zip_download_free(struct zip_download *d)
{
    if (d == NULL)
        return;
    while (d->n_parts > 0)
        end_part(d, leading(d));
    io_timer_disarm(d->tx->proxy->loop, &d->turn);
    zip_reply_done(&d->reply);
    zip_list_done(&d->list);
    limits_release(d->tx->proxy->limits, LIMITS_LISTS, d->list_bytes);
    buf_done(&d->pass);
    free(d);
}

struct zip_counts zip_download_count(const struct zip_download *d)
{
    struct zip_counts counts = d->counts;
    LIST_EACH (it, after, &d->parts)
        counts.n_tries += LIST_ENTRY(it, struct zip_part, node)->n_tries;
    return counts;
}

/* ---- sending ---- */

static void begin(struct zip_download *d)
{
    struct tx *tx = d->tx;
    struct zip_part *first = leading(d);
    if (!tx_body_was_read(tx) || tx->proxy->is_draining)
        tx->keep_alive = false;
    if (first != NULL)
        first->may_persist = true;
    d->is_begun = true;
    tx->status = d->reply.status;
    tx->down.is_begun = tx->awaits_byte = true;
    zip_reply_write_head(&tx->down.out, &d->reply, &tx->head, tx->keep_alive);
    size_t head_n = tx->down.out.n;
    if (d->reply.n_windows > 0)
        zip_reply_write_delimiter(&tx->down.out, &d->reply, 0);
    tx->down.body_bytes += tx->down.out.n - head_n;
}

/* The head waits for the first part's, so that an early failure is one that can be read. */
static bool may_begin(struct zip_download *d, struct tx *tx)
{
    struct zip_part *first = leading(d);
    if (first == NULL && d->ahead.piece.kind == ZIP_PIECE_RECORD)
        return false;
    if (first == NULL && d->ahead.piece.kind == ZIP_PIECE_DATA)
        fault_set(&tx->fault, FAULT_NO_MEMORY, "part", NULL);
    else if (first != NULL && first->state == ZIP_PART_FAILED)
        tx->fault = first->fault;
    else
        return first == NULL || first->is_promised;
    return false;
}

/* To the next piece; false when all is in down.out. */
static bool next_piece(struct zip_download *d)
{
    struct down *down = &d->tx->down;
    struct walk *w = &d->out;
    for (;;) {
        size_t before = down->out.n;
        zip_cursor_next(&w->cursor, &d->list.layout, &down->out, &w->piece);
        if (w->piece.kind != ZIP_PIECE_END) {
            down->body_bytes += down->out.n - before;
            return true;
        }
        if (d->reply.n_windows > 0)
            zip_reply_write_delimiter(&down->out, &d->reply, ++w->window);
        down->body_bytes += down->out.n - before;
        if (w->window >= d->reply.n_windows)
            return false;
        const struct zip_window *next = &d->reply.windows[w->window];
        zip_cursor_init(&w->cursor, &d->list.layout, next->first, next->end);
    }
}

static void part_is_sent(struct zip_download *d, struct zip_part *p)
{
    if (p->number != ZIP_NO_CRC)
        zip_layout_set_crc(&d->list.layout, p->number, p->crc);
    end_part(d, p);
    d->out.piece.kind = ZIP_PIECE_RECORD;
    fetch_ahead(d);
}

/* The data whose turn it is; DONE when all of it went. */
static enum pump_result send_data(struct zip_download *d, unsigned *turn)
{
    struct tx *tx = d->tx;
    for (;;) {
        struct str data;
        size_t n;
        struct zip_part *p = leading(d);
        enum io_result r = p != NULL ? zip_part_read(p, &data) : IO_FAILED;
        if (p == NULL && d->ahead.piece.kind == ZIP_PIECE_RECORD)
            r = IO_AGAIN; /* the walk ahead is not here yet */
        if (r == IO_EOF) {
            part_is_sent(d, p);
            return PUMP_DONE;
        }
        if (r == IO_AGAIN) {
            enum pump_result sent = pump_flush(tx);
            return sent == PUMP_DONE ? PUMP_WAIT : sent;
        }
        if (r == IO_FAILED) {
            if (p != NULL)
                tx->fault = p->fault;
            fault_set(&tx->fault, FAULT_NO_MEMORY, "part", NULL);
            return PUMP_FAILED;
        }
        enum pump_result sent = pump_send(tx, data, &n);
        zip_part_consume(p, n);
        if (sent != PUMP_DONE)
            return sent;
        if (++*turn > TX_TURN_BLOCKS)
            return pump_yield(tx);
    }
}

static enum pump_result send_archive(struct zip_download *d)
{
    struct tx *tx = d->tx;
    size_t text_bytes = 0;
    for (unsigned turn = 0; !tx->down.is_ended;) {
        if (d->out.piece.kind == ZIP_PIECE_DATA) {
            enum pump_result r = send_data(d, &turn);
            if (r != PUMP_DONE)
                return r;
        }
        if (tx->down.out.n >= RECORDS_BYTES) {
            enum pump_result r = pump_flush(tx);
            if (r != PUMP_DONE)
                return r;
            if (++turn > TX_TURN_BLOCKS)
                return pump_yield(tx);
        }
        /* Many lines may make few bytes. */
        if (text_bytes >= WALK_TURN_BYTES)
            return pump_yield(tx);
        tx->down.is_ended = !next_piece(d);
        text_bytes += zip_cursor_text_bytes(&d->out.cursor);
    }
    return pump_flush(tx);
}

/* ARCHIVE: what the reply's windows show of it goes out. */
enum tx_result step_archive(struct tx *tx)
{
    struct zip_download *d = tx->zip;
    pump_drop(tx);
    if (!d->is_begun) {
        fetch_ahead(d);
        if (!may_begin(d, tx))
            return fault_is_set(&tx->fault) ? tx_go(tx, TX_REPLY) : TX_WAIT;
        begin(d);
    }
    switch (send_archive(d)) {
    case PUMP_DONE:
        return tx_go(tx, TX_FINISH);
    case PUMP_GONE:
        return tx_go(tx, TX_GONE);
    case PUMP_FAILED:
        return tx_go(tx, TX_CUT);
    default:
        fetch_ahead(d);
        return TX_WAIT;
    }
}
