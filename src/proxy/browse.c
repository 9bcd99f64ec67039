#include "proxy/browse.h"

#include "codec/http1.h"
#include "proxy/limits.h"
#include "proxy/pump.h"

#include <stdlib.h>

enum {
    BROWSE_READ_BYTES = 64 * 1024, /* of a redirect's body */
    BROWSE_READ_MS = 100,
};

static void on_impatient(struct io_timer *t)
{
    struct browse *b = LIST_ENTRY(t, struct browse, patience);
    tx_run(b->tx);
}

bool browse_start(struct tx *tx)
{
    struct browse *b = calloc(1, sizeof *b);
    if (b == NULL)
        return false;
    b->tx = tx;
    b->patience.on_fire = on_impatient;
    b->is_dropped = tx->head.framing == HTTP_LENGTH && tx->head.content_length > BROWSE_BODY_BYTES;
    buf_init(&b->kept, BROWSE_BODY_BYTES);
    buf_init(&b->location, HTTP_RESPONSE_HEAD_BYTES);
    buf_init(&b->cookies, HTTP_RESPONSE_HEAD_BYTES);
    tx->browse = b;
    return true;
}

static void forget_body(struct browse *b)
{
    limits_release(b->tx->proxy->limits, LIMITS_BODIES, b->held_bytes);
    b->held_bytes = 0;
    buf_done(&b->kept);
}

void browse_free(struct tx *tx)
{
    struct browse *b = tx->browse;
    if (b == NULL)
        return;
    io_timer_disarm(tx->proxy->loop, &b->patience);
    forget_body(b);
    buf_done(&b->location);
    buf_done(&b->cookies);
    free(b);
    tx->browse = NULL;
    tx->to = &tx->route;
}

void browse_keep(struct browse *b, struct str data)
{
    if (b->is_dropped)
        return;
    struct proxy *p = b->tx->proxy;
    b->is_dropped = !limits_hold(p->limits, LIMITS_BODIES, b->held_bytes, data.n,
                                 b->tx->policy->conf->browse_bodies_total);
    if (!b->is_dropped) {
        b->held_bytes += data.n;
        buf_append(&b->kept, data);
        b->is_dropped = b->kept.failed;
    }
    if (b->is_dropped)
        forget_body(b);
}

bool browse_send(struct tx *tx)
{
    struct browse *b = tx->browse;
    if (!b->is_followed)
        return true;
    b->kept_sent += exchange_write(&tx->x, str_from(buf_str(&b->kept), b->kept_sent));
    if (b->kept_sent < b->kept.n)
        return false;
    forget_body(b);
    b->kept_sent = 0;
    return true;
}

struct str browse_cookies(const struct tx *tx)
{
    return tx->browse != NULL ? buf_str(&tx->browse->cookies) : STR("");
}

bool browse_is_redirect(const struct tx *tx)
{
    unsigned status = tx->x.head.status;
    return tx->to->kind == ROUTE_BROWSE && (status == 301 || status == 302 || status == 307);
}

/* The head's strings die when its body is read. */
static bool copy_head(struct tx *tx, struct fault *f)
{
    const struct http_head *head = &tx->x.head;
    struct browse *b = tx->browse;
    unsigned n_locations = 0;
    for (unsigned i = 0; i < head->n_fields; i++) {
        const struct http_field *field = &head->fields[i];
        if (field->id == HTTP_F_LOCATION && n_locations++ == 0)
            buf_append(&b->location, field->value);
        else if (field->id == HTTP_F_SET_COOKIE && !field->is_hop)
            http1_copy_fields(&b->cookies, head, i, i + 1);
    }
    if (n_locations != 1)
        return fault_set(f, FAULT_REDIRECT, "redirect",
                         n_locations == 0 ? "it has no Location" : "it has more than one Location");
    if (b->location.failed || b->cookies.failed)
        return fault_set(f, FAULT_NO_MEMORY, "redirect", NULL);
    return true;
}

/* Of what the client sends, or would send, no more can be kept than BROWSE_BODY_BYTES. */
static bool check_body(const struct tx *tx, struct fault *f)
{
    bool is_known = tx->head.framing == HTTP_LENGTH;
    if ((is_known ? tx->head.content_length : tx->up_bytes) > BROWSE_BODY_BYTES)
        return fault_set(f, FAULT_BODY_TOO_LARGE, "redirect",
                         "with the registry's redirect, at most %d bytes can go to S3",
                         BROWSE_BODY_BYTES);
    if (tx->browse->is_dropped)
        return fault_set(f, FAULT_BUSY, "redirect", "the body could not be kept for S3");
    return true;
}

/* A redirect whose own body is short and has an end: reading it is cheaper than a new connection.
 */
static bool is_worth_reading(const struct tx *tx)
{
    const struct http_head *head = &tx->x.head;
    bool is_asked = tx->is_up_ended && (tx->is_up_told || tx->head.framing == HTTP_NO_BODY);
    return is_asked && head->keep_alive && head->framing != HTTP_UNTIL_CLOSE;
}

enum tx_result browse_take_redirect(struct tx *tx)
{
    struct browse *b = tx->browse;
    if (!copy_head(tx, &tx->fault) ||
        !route_redirect(tx->policy->conf, &tx->head, buf_str(&b->location), &b->to, &tx->fault) ||
        !check_body(tx, &tx->fault)) {
        tx_end_exchange(tx, true);
        return tx_go(tx, TX_REPLY);
    }
    bool is_read = is_worth_reading(tx);
    tx->to = &b->to;
    if (!is_read)
        tx_end_exchange(tx, true);
    else
        io_timer_arm(tx->proxy->loop, &b->patience, BROWSE_READ_MS);
    tx->is_headed = false;
    return tx_go(tx, TX_FOLLOW);
}

/* False: it is not at its end, and there is still time for it. */
static bool read_redirect(struct tx *tx)
{
    struct browse *b = tx->browse;
    struct str data;
    enum io_result r = IO_OK;
    while (b->read_bytes <= BROWSE_READ_BYTES && (r = exchange_read(&tx->x, &data)) == IO_OK) {
        b->read_bytes += data.n;
        exchange_consume(&tx->x, data.n);
    }
    if (r == IO_AGAIN && io_timer_is_armed(&b->patience))
        return false;
    io_timer_disarm(tx->proxy->loop, &b->patience);
    tx_end_exchange(tx, true);
    return true;
}

/* The registry did not ask for the body, but S3 is to get it. */
static void let_client_go_on(struct tx *tx)
{
    if (!tx->waits_for_100)
        return;
    tx->waits_for_100 = false;
    if (tx->up_bytes == 0 && !tx->is_up_ended && io_block_n(&tx->client->in) == 0)
        buf_append(&tx->down.out, STR("HTTP/1.1 100 Continue\r\n\r\n"));
}

static void ask_s3(struct tx *tx)
{
    struct browse *b = tx->browse;
    b->registry = tx->seen;
    b->is_followed = true;
    tx->seen = (struct tx_summary){ .addr.sa.sa_family = AF_UNSPEC };
    tx->is_up_told = false;
}

enum tx_result step_follow(struct tx *tx)
{
    enum pump_result r = PUMP_WAIT;
    if (!tx->is_exchanging || read_redirect(tx)) {
        let_client_go_on(tx);
        r = pump_up(tx);
    }
    if (r == PUMP_WAIT) /* an interim response may be waiting */
        r = pump_flush(tx) == PUMP_GONE ? PUMP_GONE : PUMP_WAIT;
    switch (r) {
    case PUMP_DONE:
        ask_s3(tx);
        return tx_go(tx, TX_SEND);
    case PUMP_GONE:
        return tx_go(tx, TX_GONE);
    case PUMP_FAILED:
        tx->keep_alive = false;
        return tx_go(tx, TX_REPLY);
    default:
        return TX_WAIT;
    }
}
