#include "proxy/browse.h"
#include "proxy/pump.h"
#include "proxy/rewrite.h"
#include "proxy/tx_step.h"
#include "proxy/zip_download.h"

#include "obs/metrics.h"

enum { TX_RESUME_PAUSE_MS = 200 };

static bool is_idempotent(enum http_method m)
{
    return m == HTTP_GET || m == HTTP_HEAD || m == HTTP_PUT || m == HTTP_DELETE ||
           m == HTTP_OPTIONS;
}

/* A body that was kept is whole, whatever its framing was. */
static void write_followed(struct tx *tx, const struct resume_plan *plan,
                           struct exchange_request *request)
{
    uint64_t n = tx->browse->kept.n;
    rewrite_followed(&tx->up_head, &tx->head, tx->to, n, plan);
    if (request->framing == HTTP_NO_BODY)
        return;
    request->framing = HTTP_LENGTH;
    request->content_length = n;
}

/* False without memory; the fault is set. */
static bool start_exchange(struct tx *tx, const struct resume_plan *plan)
{
    struct exchange_request request = {
        .origin = tx->to->origin,
        .method = tx->head.method,
        .framing = tx->head.framing,
        .content_length = tx->head.content_length,
        .is_idempotent = is_idempotent(tx->head.method),
    };
    if (tx->route.kind == ROUTE_ZIP)
        request.head_timeout_ms = request.body_timeout_ms = tx->policy->conf->archive_timeout_ms;
    buf_clear(&tx->up_head);
    if (tx->browse != NULL && tx->browse->is_followed)
        write_followed(tx, plan, &request);
    else
        rewrite_request(&tx->up_head, &tx->head, tx->to, plan);
    /* Half a head would be read as something else. */
    if (tx->up_head.failed)
        return fault_set(&tx->fault, FAULT_NO_MEMORY, "send", NULL);
    request.head = buf_str(&tx->up_head);
    tx->is_headed = tx->has_failed = false;
    tx->is_exchanging = true;
    exchange_start(&tx->x, tx->proxy->upstream, &request);
    return true;
}

/* What the access line says of the origin: the first exchange's, whatever is resumed later. */
static void look(struct tx *tx)
{
    struct tx_summary *seen = &tx->seen;
    const struct exchange *x = &tx->x;
    seen->timing = x->timing;
    seen->addr = x->addr;
    seen->is_reused = x->is_reused;
    seen->is_resumed = x->is_resumed;
    seen->n_retries = x->n_retries;
    seen->dns[0] = 0;
    if (x->explain != NULL && x->explain->is_detour)
        dns_explain_way(x->explain, seen->dns, sizeof seen->dns);
    if (!tx->is_headed)
        return;
    struct str id =
        str_first(http_value(&x->head, HTTP_F_X_AMZ_REQUEST_ID), sizeof seen->request_id - 1);
    if (id.n > 0)
        memcpy(seen->request_id, id.p, id.n);
    seen->request_id[id.n] = 0;
}

void tx_end_exchange(struct tx *tx, bool keep)
{
    if (!tx->is_exchanging)
        return;
    /* The client left, or stalled, before the head came: the origin is worth knowing all the more.
     */
    if (!tx->down.is_begun)
        look(tx);
    tx->is_exchanging = false;
    if (keep)
        exchange_finish(&tx->x);
    else
        exchange_cancel(&tx->x);
}

enum tx_result step_send(struct tx *tx)
{
    bool is_first = tx->browse == NULL;
    if (tx->route.kind == ROUTE_BROWSE && is_first && !browse_start(tx)) {
        fault_set(&tx->fault, FAULT_NO_MEMORY, "send", NULL);
        return tx_go(tx, TX_REPLY);
    }
    return tx_go(tx, start_exchange(tx, NULL) ? TX_HEAD : TX_REPLY);
}

bool tx_pump_up_or_go(struct tx *tx)
{
    if (tx->is_up_ended && (tx->is_up_told || tx->head.framing == HTTP_NO_BODY))
        return false;
    switch (pump_up(tx)) {
    case PUMP_GONE:
        tx_go(tx, TX_GONE);
        return true;
    case PUMP_FAILED:
        tx_end_exchange(tx, false);
        tx->keep_alive = false;
        tx_go(tx, tx->down.is_begun ? TX_CUT : TX_REPLY);
        return true;
    default:
        return false;
    }
}

static void begin_response(struct tx *tx)
{
    struct down *d = &tx->down;
    enum down_framing framing = rewrite_framing(&tx->head, &tx->x.head);
    if (framing == DOWN_UNTIL_CLOSE || !tx_body_was_read(tx) || tx->proxy->is_draining)
        tx->keep_alive = false;
    if (!route_is_registry(tx->to->kind))
        resume_init(&tx->resume, &tx->head, tx->to->rest, &tx->x.head);
    tx->status = (uint16_t)tx->x.head.status;
    d->is_chunked = framing == DOWN_CHUNKED;
    d->is_begun = tx->awaits_byte = true;
    rewrite_response(&d->out, &tx->head, &tx->x.head, tx->to->kind, framing, tx->keep_alive,
                     buf_str(&tx->policy->expose), browse_cookies(tx));
}

/* HEAD: the body goes up while the response head is awaited. */
enum tx_result step_head(struct tx *tx)
{
    if (tx->has_failed) {
        tx->fault = tx->x.fault;
        tx_end_exchange(tx, false);
        return tx_go(tx, TX_REPLY);
    }
    if (tx_pump_up_or_go(tx))
        return TX_MORE;
    if (tx->is_headed) {
        look(tx);
        if (tx->browse != NULL && browse_is_redirect(tx))
            return browse_take_redirect(tx);
        if (tx->route.kind == ROUTE_ZIP && zip_download_is_list(&tx->x.head))
            return zip_download_begin(tx);
        begin_response(tx);
        return tx_go(tx, TX_BODY);
    }
    /* An interim response may be waiting. */
    switch (pump_flush(tx)) {
    case PUMP_GONE:
        return tx_go(tx, TX_GONE);
    default:
        return TX_WAIT;
    }
}

/* The origin's connection died inside the body, or what came instead is not the rest of it. */
static enum tx_result resume_or_cut(struct tx *tx)
{
    struct fault died = tx->x.fault;
    uint64_t whole_bytes = tx->down.body_bytes;
    tx_end_exchange(tx, false);
    if (!resume_next(&tx->resume, whole_bytes, &tx->plan)) {
        fault_set(&tx->fault, died.kind == FAULT_NONE ? FAULT_UPSTREAM_CLOSED : died.kind,
                  died.step, "%s", died.detail);
        return tx_go(tx, TX_CUT);
    }
    metric_add(METRIC_UPSTREAM_RESUMES, 1);
    if (tx->resume.n_barren == 0)
        return tx_go(tx, start_exchange(tx, &tx->plan) ? TX_RESUME : TX_CUT);
    io_timer_arm(tx->proxy->loop, &tx->pause, TX_RESUME_PAUSE_MS << tx->resume.n_barren);
    return tx_go(tx, TX_RESUME);
}

/* BODY: the response goes down; a request body that is not at its end goes on up. */
enum tx_result step_body(struct tx *tx)
{
    if (tx_pump_up_or_go(tx))
        return TX_MORE;
    switch (pump_down(tx)) {
    case PUMP_DONE:
        return tx_go(tx, TX_FINISH);
    case PUMP_GONE:
        return tx_go(tx, TX_GONE);
    case PUMP_FAILED:
        return resume_or_cut(tx);
    default:
        return TX_WAIT;
    }
}

/* RESUME: the rest was asked for; its head must promise the very bytes that are missing. */
enum tx_result step_resume(struct tx *tx)
{
    if (!tx->is_exchanging)
        return pump_flush(tx) == PUMP_GONE ? tx_go(tx, TX_GONE) : TX_WAIT;
    if (tx->has_failed)
        return resume_or_cut(tx);
    if (!tx->is_headed)
        return pump_flush(tx) == PUMP_GONE ? tx_go(tx, TX_GONE) : TX_WAIT;
    switch (resume_judge(&tx->plan, &tx->resume, &tx->x.head)) {
    case RESUME_GOES_ON:
        return tx_go(tx, TX_BODY);
    case RESUME_AGAIN:
        return resume_or_cut(tx);
    case RESUME_REPLACED:
        fault_set(&tx->fault, FAULT_UPSTREAM_REPLACED, "resume", NULL);
        return tx_go(tx, TX_CUT);
    default:
        fault_set(&tx->fault, FAULT_UPSTREAM_PROTOCOL, "resume", "status %u for the rest of a body",
                  tx->x.head.status);
        return tx_go(tx, TX_CUT);
    }
}

/* Only 100 is passed on, and only to a client that waits for it. */
static void relay_interim(struct tx *tx)
{
    if (tx->x.head.status != 100 || !tx->waits_for_100)
        return;
    tx->waits_for_100 = false;
    if (tx->up_bytes == 0 && !tx->is_up_ended && !tx->down.is_begun)
        buf_append(&tx->down.out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

void tx_on_exchange(struct exchange *x, enum exchange_event e)
{
    struct tx *tx = x->owner;
    if (e == EXCHANGE_INTERIM)
        relay_interim(tx);
    else if (e == EXCHANGE_HEAD)
        tx->is_headed = true;
    else if (e == EXCHANGE_FAILED)
        tx->has_failed = true;
    tx_run(tx);
}

void tx_on_pause(struct io_timer *t)
{
    struct tx *tx = LIST_ENTRY(t, struct tx, pause);
    if (tx->step != TX_PAGE && !start_exchange(tx, &tx->plan))
        tx_go(tx, TX_CUT);
    tx_run(tx);
}
