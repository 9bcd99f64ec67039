#include "server/failures.h"

#include "codec/escape.h"

#include <stdlib.h>

bool fault_is_clients(enum fault_kind kind)
{
    static const char *const stages[] = { "client", "route", "policy", "" };
    const char *stage = fault_row(kind)->stage;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strcmp(stage, stages[i]) == 0)
            return true;
    return false;
}

static bool is_unreached(enum fault_kind kind)
{
    static const char *const stages[] = { "dns", "connect", "tls" };
    const char *stage = fault_row(kind)->stage;
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++)
        if (strcmp(stage, stages[i]) == 0)
            return true;
    return false;
}

/* -- a minute ----------------------------------------------------------------------------- */

void failure_window_add(struct failure_window *w, uint64_t now_ms)
{
    uint64_t s = now_ms / 1000;
    /* Workers' clocks differ by a turn: what is late belongs to the newest second. */
    if (w->total == 0 || s >= w->newest_s + FAILURES_WINDOW_S)
        memset(w->v, 0, sizeof w->v);
    else
        for (uint64_t i = w->newest_s + 1; i <= s; i++)
            w->v[i % FAILURES_WINDOW_S] = 0;
    if (w->total == 0 || s > w->newest_s)
        w->newest_s = s;
    w->total++;
    if (now_ms > w->last_ms)
        w->last_ms = now_ms;
    w->v[w->newest_s % FAILURES_WINDOW_S]++;
}

uint64_t failure_window_count(const struct failure_window *w, uint64_t now_ms)
{
    uint64_t s = now_ms / 1000, n = 0;
    for (uint64_t i = 0; i < FAILURES_WINDOW_S; i++)
        if (w->newest_s >= i && w->newest_s - i + FAILURES_WINDOW_S > s)
            n += w->v[(w->newest_s - i) % FAILURES_WINDOW_S];
    return n;
}

/* -- requests ----------------------------------------------------------------------------- */

void failures_init(struct failures *f)
{
    *f = (struct failures){ .next_number = 1 };
    pthread_mutex_init(&f->lock, NULL);
}

void failures_done(struct failures *f)
{
    pthread_mutex_destroy(&f->lock);
}

static uint16_t keep(char *to, size_t to_bytes, struct str from)
{
    size_t n = from.n < to_bytes ? from.n : to_bytes;
    if (n > 0)
        memcpy(to, from.p, n);
    return (uint16_t)n;
}

/* A mask never takes more room than an escape of what stands there. */
static uint16_t keep_path(char to[static FAILURE_PATH_BYTES], struct str target)
{
    struct buf b;
    buf_init(&b, FAILURE_PATH_BYTES);
    escape_json_target(&b, str_first(target, FAILURE_TARGET_BYTES));
    uint16_t n = b.failed ? 0 : keep(to, FAILURE_PATH_BYTES, buf_str(&b));
    buf_done(&b);
    return n;
}

static void fill(struct failure *to, const struct proxy_failure *from, uint64_t now_ms)
{
    to->kind = from->fault->kind;
    to->at_ms = now_ms;
    to->id = from->id;
    to->client = *from->client;
    to->status = from->status;
    to->n_method = keep(to->method, sizeof to->method, from->method);
    to->n_host = keep(to->host, sizeof to->host, from->host);
    to->n_path = keep_path(to->path, from->target);
    keep(to->detail, sizeof to->detail, str_of(from->fault->detail, sizeof to->detail));
}

void failures_add(struct failures *f, const struct proxy_failure *failure, uint64_t now_ms)
{
    enum fault_kind kind = failure->fault->kind;
    bool is_clients = fault_is_clients(kind);
    pthread_mutex_lock(&f->lock);
    struct failure *to = is_clients ? &f->clients[f->n_clients++ % FAILURES_CLIENTS]
                                    : &f->ours[f->n_ours++ % FAILURES_OURS];
    fill(to, failure, now_ms);
    to->number = f->next_number++;
    failure_window_add(&f->kinds[kind], now_ms);
    if (is_unreached(kind) && failure->leg == PROXY_LEG_S3)
        failure_window_add(&f->unreached_s3, now_ms);
    else if (is_unreached(kind) && failure->leg == PROXY_LEG_REGISTRY)
        failure_window_add(&f->unreached_registry, now_ms);
    pthread_mutex_unlock(&f->lock);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = ((const struct failure *)a)->number, y = ((const struct failure *)b)->number;
    return x < y ? 1 : x > y ? -1 : 0;
}

void failures_read(struct failures *f, uint64_t now_ms, struct failures_view *out)
{
    pthread_mutex_lock(&f->lock);
    unsigned n_ours = f->n_ours < FAILURES_OURS ? f->n_ours : FAILURES_OURS;
    unsigned n_clients = f->n_clients < FAILURES_CLIENTS ? f->n_clients : FAILURES_CLIENTS;
    out->n = n_ours + n_clients;
    memcpy(out->v, f->ours, n_ours * sizeof out->v[0]);
    memcpy(out->v + n_ours, f->clients, n_clients * sizeof out->v[0]);
    for (unsigned k = 0; k < N_FAULTS; k++) {
        out->kinds[k].total = f->kinds[k].total;
        out->kinds[k].last_minute = failure_window_count(&f->kinds[k], now_ms);
        out->kinds[k].last_ms = f->kinds[k].last_ms;
    }
    out->unreached_s3 = failure_window_count(&f->unreached_s3, now_ms);
    out->unreached_registry = failure_window_count(&f->unreached_registry, now_ms);
    pthread_mutex_unlock(&f->lock);
    qsort(out->v, out->n, sizeof out->v[0], newest_first);
}
