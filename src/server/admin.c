#include "server/admin.h"

#include "codec/uri_query.h"
#include "dns/counts.h"
#include "dns/routes_json.h"
#include "obs/metrics.h"
#include "server/admin_lookup.h"
#include "server/admin_page.h"

/* No browser is to take it for a page, nor another site's page to read it. */
static const struct str data_headers =
    STR_INIT("Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "Cross-Origin-Resource-Policy: same-origin\r\n");

static bool start_metrics(struct admin *a, struct page *p, struct str query)
{
    p->type = STR("text/plain; version=0.0.4; charset=utf-8");
    metrics_write(&p->body);
    dns_counts_write(a->shared, io_now_ms(a->loop), &p->body);
    return true;
}

static bool wants_json(struct str query)
{
    struct buf format;
    buf_init(&format, 16);
    bool is_json = uri_query_find(query, STR("format"), &format) == URI_QUERY_FOUND &&
                   str_eq(buf_str(&format), STR("json"));
    buf_done(&format);
    return is_json;
}

static bool start_ready(struct admin *a, struct page *p, struct str query)
{
    struct ready ready;
    status_ready(a->status, &ready);
    p->status = ready.is_ready ? 200 : 503;
    if (wants_json(query)) {
        struct json j = json_begin(&p->body);
        p->type = STR("application/json");
        ready_json(&ready, &j, NULL);
        buf_byte(&p->body, '\n');
    } else {
        p->type = STR("text/plain; charset=utf-8");
        ready_text(&ready, &p->body);
    }
    return true;
}

static bool start_status(struct admin *a, struct page *p, struct str query)
{
    p->type = STR("application/json");
    dns_engine_look(a->engine);
    status_json(a->status, &p->body);
    return true;
}

static bool start_routes(struct admin *a, struct page *p, struct str query)
{
    p->type = STR("application/json");
    dns_routes_json(a->shared, io_now_ms(a->loop), "process", &p->body);
    return true;
}

static bool start_lookup(struct admin *a, struct page *p, struct str query)
{
    p->type = STR("application/json");
    return admin_lookup_start(a->loop, a->engine, &a->pace, p, query);
}

static const struct row {
    struct str path;
    bool (*start)(struct admin *a, struct page *p, struct str query);
} rows[] = {
    { STR_INIT("/metrics"), start_metrics },    { STR_INIT("/readyz"), start_ready },
    { STR_INIT("/status.json"), start_status }, { STR_INIT("/dns/routes"), start_routes },
    { STR_INIT("/dns/lookup"), start_lookup },
};

static const struct row *find(struct str path)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(rows[i].path, path))
            return &rows[i];
    return NULL;
}

static bool has(void *arg, struct str path)
{
    return find(path) != NULL || admin_page_has(path);
}

static bool start(void *arg, struct page *p, struct str path, struct str query)
{
    struct admin *a = arg;
    const struct row *row = find(path);
    if (row != NULL) {
        p->headers = data_headers;
        return row->start(a, p, query);
    }
    if (str_eq(path, STR("/")))
        dns_engine_look(a->engine);
    admin_page_write(p, path);
    return true;
}

/* Only a lookup is ever under way. */
static void cancel(void *arg, struct page *p)
{
    admin_lookup_cancel(p);
}

void admin_init(struct admin *a, struct io_loop *loop, struct dns_shared *shared,
                struct dns_engine *engine, struct status *status)
{
    *a = (struct admin){
        .pages = { a, has, start, cancel },
        .loop = loop,
        .shared = shared,
        .engine = engine,
        .status = status,
    };
}
