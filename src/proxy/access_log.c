#include "proxy/access_log.h"

#include "codec/escape.h"
#include "obs/log.h"
#include "proxy/browse.h"
#include "proxy/zip_download.h"

enum { FOLLOWED_PATH_BYTES = 2048 };

void request_id_text(uint64_t id, char text[static 17])
{
    static const char digits[] = "0123456789ABCDEF";
    for (int i = 15; i >= 0; i--, id >>= 4)
        text[i] = digits[id & 15];
    text[16] = 0;
}

/* Keys are literals: `,"key":` in front, so that no quoting is left for run time. */
static void put_text(struct buf *b, struct str key, struct str value)
{
    buf_append(b, key);
    buf_byte(b, '"');
    escape_json(b, value);
    buf_byte(b, '"');
}

static void put_u64(struct buf *b, struct str key, uint64_t value)
{
    buf_append(b, key);
    buf_u64(b, value);
}

/* Microseconds as milliseconds with three decimals. */
static void put_ms(struct buf *b, struct str key, uint64_t us)
{
    char decimals[4] = { '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
                         (char)('0' + us % 10) };
    buf_append(b, key);
    buf_u64(b, us / 1000);
    buf_append(b, str_of(decimals, sizeof decimals));
}

static void put_request(struct buf *b, const struct tx *tx)
{
    const struct http_field *trace = http_find(&tx->head, HTTP_F_TRACEPARENT);
    if (trace != NULL)
        put_text(b, STR(",\"traceparent\":"), str_first(trace->value, 128));
    put_text(b, STR(",\"method\":"), str_first(tx->head.method_text, 64));
    if (tx->route.host.n > 0)
        put_text(b, STR(",\"host\":"), str_first(tx->route.host, 256));
    if (tx->route.bucket.n > 0)
        put_text(b, STR(",\"bucket\":"), str_first(tx->route.bucket, 256));
    buf_append(b, STR(",\"path\":\""));
    escape_json_target(b, tx->route.host.n > 0 ? tx->route.rest : tx->head.target);
    buf_byte(b, '"');
}

/* An exchange's keys: the first one's, and that one's to which a redirect led. */
struct leg_keys {
    struct str upstream, dns_ms, connect_ms, tls_ms, dns, first_byte_ms, reused, tls_resumed,
        retries;
};
#define LEG_KEYS(prefix)                                                                           \
    {                                                                                              \
        .upstream = STR_INIT(",\"" prefix "upstream\":"),                                          \
        .dns_ms = STR_INIT(",\"" prefix "dns_ms\":"),                                              \
        .connect_ms = STR_INIT(",\"" prefix "connect_ms\":"),                                      \
        .tls_ms = STR_INIT(",\"" prefix "tls_ms\":"), .dns = STR_INIT(",\"" prefix "dns\":"),      \
        .first_byte_ms = STR_INIT(",\"" prefix "first_byte_ms\":"),                                \
        .reused = STR_INIT(",\"" prefix "reused\":"),                                              \
        .tls_resumed = STR_INIT(",\"" prefix "tls_resumed\":true"),                                \
        .retries = STR_INIT(",\"" prefix "retries\":"),                                            \
    }
static const struct leg_keys first_leg = LEG_KEYS(""), followed_leg = LEG_KEYS("followed_");

static void put_leg(struct buf *b, const struct tx *tx, const struct tx_summary *seen,
                    const struct leg_keys *k)
{
    char text[ADDR_TEXT_BYTES];
    if (addr_family(&seen->addr) == AF_UNSPEC)
        return;
    put_text(b, k->upstream, str_from_c(addr_text(&seen->addr, text)));
    if (!seen->is_reused) {
        put_ms(b, k->dns_ms, seen->timing.dns_us);
        put_ms(b, k->connect_ms, seen->timing.connect_us);
        put_ms(b, k->tls_ms, seen->timing.tls_us);
    }
    if (seen->dns[0] != 0)
        put_text(b, k->dns, str_from_c(seen->dns));
    if (seen->timing.first_byte_us > tx->started_us)
        put_ms(b, k->first_byte_ms, seen->timing.first_byte_us - tx->started_us);
    buf_append(b, k->reused);
    buf_append(b, seen->is_reused ? STR("true") : STR("false"));
    if (seen->is_resumed)
        buf_append(b, k->tls_resumed);
    if (seen->n_retries > 0)
        put_u64(b, k->retries, seen->n_retries);
}

/* Where a redirect led, which the registry's request does not tell. */
static void put_followed(struct buf *b, const struct route *to)
{
    put_text(b, STR(",\"followed_host\":"), str_first(to->host, 256));
    if (to->bucket.n > 0)
        put_text(b, STR(",\"followed_bucket\":"), str_first(to->bucket, 256));
    buf_append(b, STR(",\"followed_path\":\""));
    escape_json_target(b, str_first(to->rest, FOLLOWED_PATH_BYTES));
    buf_byte(b, '"');
}

static void put_upstream(struct buf *b, const struct tx *tx)
{
    if (tx->browse != NULL && tx->browse->is_followed) {
        put_leg(b, tx, &tx->browse->registry, &first_leg);
        put_followed(b, tx->to);
        put_leg(b, tx, &tx->seen, &followed_leg);
    } else {
        put_leg(b, tx, &tx->seen, &first_leg);
    }
    if (tx->resume.n_resumes > 0)
        put_u64(b, STR(",\"resumes\":"), tx->resume.n_resumes);
    if (tx->seen.request_id[0] != 0)
        put_text(b, STR(",\"x_amz_request_id\":"), str_from_c(tx->seen.request_id));
}

static void put_archive(struct buf *b, const struct zip_download *d)
{
    struct zip_counts n = zip_download_count(d);
    put_u64(b, STR(",\"entries\":"), n.n_entries);
    put_u64(b, STR(",\"parts\":"), n.n_parts);
    if (n.n_tries > 0)
        put_u64(b, STR(",\"part_tries\":"), n.n_tries);
}

void access_log_write(struct tx *tx)
{
    struct buf *b = &tx->proxy->line;
    char now[32], id[17], peer[ADDR_TEXT_BYTES];
    request_id_text(tx->id, id);
    buf_clear(b);
    put_text(b, STR("{\"time\":"), log_now(now));
    put_text(b, STR(",\"event\":\"access\",\"id\":"), str_from_c(id));
    put_text(b, STR(",\"client\":"), str_from_c(addr_text(&tx->client->peer, peer)));
    if (tx->client->stream->ssl != NULL)
        put_text(b, STR(",\"tls\":"), str_from_c(SSL_get_version(tx->client->stream->ssl)));
    if (tx->has_head)
        put_request(b, tx);
    put_u64(b, STR(",\"status\":"), tx->status);
    put_u64(b, STR(",\"bytes_in\":"), tx->up_bytes);
    put_u64(b, STR(",\"bytes_out\":"), tx->down.body_bytes);
    put_upstream(b, tx);
    if (tx->zip != NULL)
        put_archive(b, tx->zip);
    put_ms(b, STR(",\"total_ms\":"), io_now_us() - tx->started_us);
    put_text(b, STR(",\"end\":"),
             str_from_c(tx->fault.kind == FAULT_NONE ? "ok" : fault_row(tx->fault.kind)->name));
    if (tx->fault.detail[0] != 0)
        put_text(b, STR(",\"detail\":"), str_from_c(tx->fault.detail));
    buf_append(b, STR("}\n"));
    if (!b->failed)
        log_line(buf_str(b));
}
