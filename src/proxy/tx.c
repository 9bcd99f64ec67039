#include "proxy/tx_step.h"

#include "obs/log.h"
#include "obs/metrics.h"
#include "proxy/access_log.h"
#include "proxy/browse.h"
#include "proxy/limits.h"
#include "proxy/pump.h"
#include "proxy/reply.h"
#include "proxy/zip_download.h"

#include <stdlib.h>

/* Two response heads, of which one may be a redirect's that had nothing but cookies, and more. */
enum { TX_OUT_BYTES = 192 * 1024 };

static void on_page(struct page *p);

struct tx *tx_new(struct proxy *p)
{
    struct tx *tx = p->spare_tx;
    if (tx != NULL) {
        p->spare_tx = tx->next_spare;
        p->n_spare_tx--;
        return tx;
    }
    tx = calloc(1, sizeof *tx);
    if (tx == NULL)
        return NULL;
    tx->proxy = p;
    buf_init(&tx->up_head, HTTP_REQUEST_HEAD_BYTES + HTTP_TARGET_BYTES + 4096);
    buf_init(&tx->down.out, TX_OUT_BYTES);
    tx->x.owner = tx;
    tx->x.on_event = tx_on_exchange;
    tx->pause.on_fire = tx_on_pause;
    tx->page.on_done = on_page;
    return tx;
}

static void tx_destroy(struct tx *tx)
{
    buf_done(&tx->up_head);
    buf_done(&tx->down.out);
    free(tx);
}

void tx_free(struct tx *tx)
{
    struct proxy *p = tx->proxy;
    if (p->n_spare_tx >= TX_MAX_SPARE) {
        tx_destroy(tx);
        return;
    }
    tx->next_spare = p->spare_tx;
    p->spare_tx = tx;
    p->n_spare_tx++;
}

void tx_free_spare(struct proxy *p)
{
    for (struct tx *tx = p->spare_tx, *next; tx != NULL; tx = next) {
        next = tx->next_spare;
        tx_destroy(tx);
    }
    p->spare_tx = NULL;
    p->n_spare_tx = 0;
}

/* A spare one holds what the request before left; the large parts are written before they are read.
 */
static void reset(struct tx *tx, struct client *c)
{
    tx->client = c;
    tx->policy = proxy_policy_ref(tx->proxy->policy);
    tx->id = tx->proxy->next_id++;
    tx->started_us = c->head_started_us;
    tx_go(tx, TX_ROUTE);
    tx->keep_alive = false;
    tx->has_failed = tx->is_headed = tx->is_up_ended = tx->is_up_told = tx->has_head = false;
    tx->has_page = false;
    tx->waits_for_client = tx->waits_for_100 = tx->is_exchanging = tx->is_paging = false;
    tx->awaits_byte = false;
    tx->status = 0;
    tx->up_pending = tx->up_gap = 0;
    tx->up_bytes = 0;
    tx->route = (struct route){ .kind = ROUTE_REFUSED, .has_cors = c->port == PROXY_PORT_PUBLIC };
    tx->to = &tx->route;
    tx->browse = NULL;
    fault_clear(&tx->fault);
    buf_clear(&tx->up_head);
    buf_clear(&tx->down.out);
    tx->down.out_sent = 0;
    tx->down.chunk_left = tx->down.sent_bytes = tx->down.body_bytes = 0;
    tx->down.is_chunked = tx->down.has_chunk = tx->down.is_begun = tx->down.is_ended = false;
    tx->resume.is_possible = false;
    tx->resume.n_resumes = 0;
    tx->seen.addr.sa.sa_family = AF_UNSPEC;
    tx->seen.request_id[0] = tx->seen.dns[0] = 0;
    if (!tx_is_admin(tx))
        metric_add(METRIC_REQUESTS_OPEN, 1);
}

/* The head's block becomes the transaction's; what is behind the head goes into a block of its own.
 */
static bool split_block(struct tx *tx, struct client *c, size_t head_bytes)
{
    size_t rest = io_block_n(&c->in) - head_bytes;
    struct io_block in = { .p = NULL };
    if (rest > 0) {
        bool is_small = rest <= IO_BLOCK_16K_BYTES && tx->head.content_length <= IO_BLOCK_16K_BYTES;
        enum io_block_size size = is_small ? IO_BLOCK_16K : IO_BLOCK_64K;
        if (!io_block_take(tx->proxy->loop, &in, size))
            return false;
        memcpy(in.p, c->in.p + c->in.start + head_bytes, rest);
        in.end = (uint32_t)rest;
    }
    tx->head_block = c->in;
    c->in = in;
    return true;
}

void tx_start(struct tx *tx, struct client *c, size_t head_bytes)
{
    reset(tx, c);
    tx->has_head = true;
    if (!split_block(tx, c, head_bytes)) {
        tx->has_head = false;
        fault_set(&tx->fault, FAULT_NO_MEMORY, "head", NULL);
        tx_go(tx, TX_REPLY);
    }
    tx->keep_alive = tx->has_head && tx->head.keep_alive;
    http1_body_init(&tx->up_body, tx->head.framing, tx->head.content_length);
    tx->is_up_ended = http1_body_is_whole(&tx->up_body);
    tx->waits_for_100 = tx->has_head && tx->head.expects_continue;
    tx_run(tx);
}

void tx_start_refused(struct tx *tx, struct client *c, const struct fault *f)
{
    reset(tx, c);
    tx->fault = *f;
    tx_go(tx, TX_REPLY);
    http1_body_init(&tx->up_body, HTTP_NO_BODY, 0);
    tx_run(tx);
}

/* PAGE_REST: however many are asked for, making them takes one part in nine of the worker's time.
 */
enum { PAGE_REST = 8 };

static void start_page(struct tx *tx)
{
    struct proxy *p = tx->proxy;
    const struct page_maker *m = p->pages;
    uint64_t began_us = io_now_us();
    tx->has_page = true;
    tx->page.status = 200;
    tx->page.type = STR("text/plain");
    tx->page.headers = STR("");
    buf_init(&tx->page.body, PAGE_BYTES);
    tx->is_paging = !m->start(m->arg, &tx->page, tx->route.path, tx->route.query);
    uint64_t ended_us = io_now_us();
    p->pages_from_us = ended_us + (ended_us - began_us) * PAGE_REST;
}

/* PAGE: it waits for its turn, then whoever makes it tells when it is whole. */
static enum tx_result step_page(struct tx *tx)
{
    if (!tx->has_page && io_now_us() < tx->proxy->pages_from_us) {
        io_timer_arm(tx->proxy->loop, &tx->pause, 1);
        return TX_WAIT;
    }
    if (!tx->has_page)
        start_page(tx);
    if (tx->is_paging)
        return TX_WAIT;
    if (tx->page.body.failed)
        fault_set(&tx->fault, FAULT_NO_MEMORY, "page", NULL);
    /* Pages are few, so the room for one is not kept. */
    tx->down.out.max_bytes = TX_OUT_BYTES + PAGE_BYTES;
    return tx_go(tx, TX_REPLY);
}

static void end_page(struct tx *tx)
{
    if (tx->is_paging)
        tx->proxy->pages->cancel(tx->proxy->pages->arg, &tx->page);
    tx->is_paging = false;
    if (!tx->has_page)
        return;
    tx->has_page = false;
    buf_done(&tx->page.body);
    buf_done(&tx->down.out);
    buf_init(&tx->down.out, TX_OUT_BYTES);
}

/* ROUTE: the head and the settings decide; nobody was asked anything yet. */
static enum tx_result step_route(struct tx *tx)
{
    if (tx->client->is_refused) {
        fault_set(&tx->fault, FAULT_OVERLOADED, "accept", NULL);
        tx->keep_alive = false;
    } else if (tx->client->port == PROXY_PORT_ADMIN) {
        route_admin(&tx->head, tx->proxy->pages, tx->client->is_on_loopback, &tx->route,
                    &tx->fault);
    } else {
        route_public(tx->policy->conf, &tx->head, &tx->route, &tx->fault);
    }
    if (tx->route.kind == ROUTE_PAGE && !fault_is_set(&tx->fault))
        return tx_go(tx, TX_PAGE);
    bool has_origin = tx->route.kind == ROUTE_S3 || route_is_registry(tx->route.kind);
    if (!has_origin || fault_is_set(&tx->fault))
        return tx_go(tx, TX_REPLY);
    if (tx->head.framing == HTTP_LENGTH && tx->head.content_length > tx_max_body(tx)) {
        fault_set(&tx->fault, FAULT_BODY_TOO_LARGE, "head", NULL);
        return tx_go(tx, TX_REPLY);
    }
    return tx_go(tx, TX_SEND);
}

static void write_reply(struct tx *tx)
{
    char id[17];
    request_id_text(tx->id, id);
    if (pump_discard(tx) == PUMP_FAILED || tx->proxy->is_draining)
        tx->keep_alive = false;
    const struct reply reply = {
        .request = tx->has_head ? &tx->head : NULL,
        .route = tx->to,
        .page = tx->has_page && !fault_is_set(&tx->fault) ? &tx->page : NULL,
        .fault = fault_is_set(&tx->fault) ? &tx->fault : NULL,
        .id = str_from_c(id),
        .expose = buf_str(&tx->policy->expose),
        .keep_alive = tx->keep_alive,
        .shows_detail = tx->policy->conf->error_detail,
    };
    tx->status = reply_write(&tx->down.out, &reply, &tx->down.body_bytes);
    tx->down.is_begun = tx->down.is_ended = true;
}

/* REPLY: an answer of our own. Entered once; the next runs only flush. */
static enum tx_result step_reply(struct tx *tx)
{
    if (!tx->down.is_begun)
        write_reply(tx);
    switch (pump_flush(tx)) {
    case PUMP_DONE:
        return tx_go(tx, TX_FINISH);
    case PUMP_GONE:
        return tx_go(tx, TX_GONE);
    default:
        return TX_WAIT;
    }
}

static void tell_failure(const struct tx *tx)
{
    const struct proxy *p = tx->proxy;
    enum proxy_leg leg = PROXY_LEG_NONE;
    if (tx->to->kind == ROUTE_S3)
        leg = PROXY_LEG_S3;
    else if (route_is_registry(tx->to->kind))
        leg = PROXY_LEG_REGISTRY;
    const struct proxy_failure f = {
        .fault = &tx->fault,
        .id = tx->id,
        .client = &tx->client->peer,
        .method = tx->has_head ? tx->head.method_text : STR(""),
        .host = tx->has_head ? tx->route.host : STR(""),
        .target = !tx->has_head          ? STR("")
                  : tx->route.host.n > 0 ? tx->route.rest
                                         : tx->head.target,
        .status = tx->status,
        .leg = leg,
    };
    if (tx->fault.kind != FAULT_NONE && p->on_failure != NULL)
        p->on_failure(p->failure_arg, &f);
}

static enum histogram duration_of(const struct tx *tx)
{
    if (tx->zip != NULL)
        return HISTOGRAM_REQUEST_ARCHIVE;
    if (route_is_registry(tx->route.kind))
        return HISTOGRAM_REQUEST_REGISTRY;
    return tx->route.kind == ROUTE_S3 ? HISTOGRAM_REQUEST_S3 : HISTOGRAM_REQUEST_OWN;
}

/* While all of it is still there. */
static void count_end(const struct tx *tx)
{
    if (tx_is_admin(tx)) {
        metric_add(METRIC_ADMIN_REQUESTS, 1);
        return;
    }
    metric_sub(METRIC_REQUESTS_OPEN, 1);
    metric_response(tx->status);
    metric_fault(tx->fault.kind);
    metric_add(METRIC_CLIENT_BYTES_IN, tx->up_bytes);
    metric_add(METRIC_CLIENT_BYTES_OUT, tx->down.body_bytes);
    metric_observe(duration_of(tx), io_now_us() - tx->started_us);
    tell_failure(tx);
}

/* The records that did not go any more are not counted; the line tells of what went. */
static void end_archive(struct tx *tx)
{
    struct down *d = &tx->down;
    uint64_t unsent = d->out.n - d->out_sent;
    if (tx->zip != NULL && d->is_begun)
        d->body_bytes -= unsent < d->body_bytes ? unsent : d->body_bytes;
    access_log_write(tx);
    count_end(tx);
    zip_download_free(tx->zip);
    tx->zip = NULL;
}

/* What all ends share. The client's connection goes its own way afterwards. */
static struct client *finish(struct tx *tx, bool keep_exchange)
{
    struct client *c = tx->client;
    tx_end_exchange(tx, keep_exchange);
    if (tx->route.kind == ROUTE_PAGE)
        end_page(tx);
    io_timer_disarm(tx->proxy->loop, &tx->pause);
    end_archive(tx);
    browse_free(tx);
    io_block_give(tx->proxy->loop, &tx->head_block);
    http1_body_done(&tx->up_body);
    proxy_policy_unref(tx->policy);
    tx->policy = NULL;
    c->tx = NULL;
    tx_free(tx);
    return c;
}

static enum tx_result step_cut(struct tx *tx)
{
    client_reset(finish(tx, false));
    return TX_WAIT;
}

static enum tx_result step_gone(struct tx *tx)
{
    client_close(finish(tx, false));
    return TX_WAIT;
}

static enum tx_result step_finish(struct tx *tx)
{
    bool keep_alive = tx->keep_alive, is_read = tx->is_up_ended && tx->has_head;
    struct client *c = finish(tx, true);
    if (keep_alive)
        client_next(c);
    else if (is_read && io_block_n(&c->in) == 0)
        client_end(c);
    else
        client_linger(c);
    return TX_WAIT;
}

static enum tx_result (*const steps[N_TX_STEPS])(struct tx *) = {
    [TX_ROUTE] = step_route,     [TX_PAGE] = step_page,     [TX_REPLY] = step_reply,
    [TX_SEND] = step_send,       [TX_HEAD] = step_head,     [TX_BODY] = step_body,
    [TX_RESUME] = step_resume,   [TX_FOLLOW] = step_follow, [TX_LIST] = step_list,
    [TX_ARCHIVE] = step_archive, [TX_CUT] = step_cut,       [TX_GONE] = step_gone,
    [TX_FINISH] = step_finish,
};

/* The transaction may be gone when this returns. */
void tx_run(struct tx *tx)
{
    enum tx_result r;
    do {
        enum tx_step step = tx->step;
        r = steps[step](tx);
    } while (r == TX_MORE);
}

static void on_page(struct page *p)
{
    struct tx *tx = LIST_ENTRY(p, struct tx, page);
    tx->is_paging = false;
    tx_run(tx);
}

void tx_on_client_ready(struct tx *tx)
{
    struct io_stream *s = tx->client->stream;
    if (s->wanted & IO_WRITE)
        io_stream_want(s, s->wanted & ~(unsigned)IO_WRITE);
    tx->waits_for_client = false;
    tx_run(tx);
}

void tx_on_client_late(struct tx *tx)
{
    if (!tx->waits_for_client)
        return;
    /* A client that waits to be told to go on is not the one that stalls. */
    if (tx->waits_for_100 && tx->up_bytes == 0 && tx->is_exchanging)
        fault_set(&tx->fault, FAULT_UPSTREAM_HEAD_TIMEOUT, "head", "neither 100 nor a response");
    else
        fault_set(&tx->fault, FAULT_CLIENT_STALLED, "body", NULL);
    tx->keep_alive = false;
    tx_end_exchange(tx, false);
    tx_go(tx, tx->down.is_begun ? TX_CUT : TX_REPLY);
    tx_run(tx);
}

void tx_on_client_gone(struct tx *tx)
{
    fault_set(&tx->fault, FAULT_CLIENT_GONE, "connection", NULL);
    tx_go(tx, TX_GONE);
    tx_run(tx);
}

void tx_abort(struct tx *tx, enum fault_kind why)
{
    fault_set(&tx->fault, why, "abort", NULL);
    tx_end_exchange(tx, false);
    bool is_told = false;
    if (!tx->down.is_begun) {
        write_reply(tx);
        is_told = pump_flush(tx) == PUMP_DONE;
    }
    struct client *c = finish(tx, false);
    if (is_told)
        client_close(c);
    else
        client_reset(c);
}
