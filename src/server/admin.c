#include "server/admin.h"

#include "dns/counts.h"
#include "dns/routes_json.h"
#include "obs/metrics.h"
#include "server/admin_lookup.h"
#include "server/admin_page.h"

static bool start_metrics(struct admin *a, struct page *p, struct str query)
{
    p->type = STR("text/plain; version=0.0.4; charset=utf-8");
    metrics_write(&p->body);
    dns_counts_write(a->shared, io_now_ms(a->loop), &p->body);
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
    return admin_lookup_start(a->loop, a->engine, p, query);
}

static const struct row {
    struct str path;
    bool (*start)(struct admin *a, struct page *p, struct str query);
} rows[] = {
    { STR_INIT("/metrics"), start_metrics },
    { STR_INIT("/dns/routes"), start_routes },
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
    const struct row *row = find(path);
    if (row != NULL)
        return row->start(arg, p, query);
    admin_page_write(p, path);
    return true;
}

/* Only a lookup is ever under way. */
static void cancel(void *arg, struct page *p)
{
    admin_lookup_cancel(p);
}

void admin_init(struct admin *a, struct io_loop *loop, struct dns_shared *shared,
                struct dns_engine *engine)
{
    *a = (struct admin){
        .pages = { a, has, start, cancel }, .loop = loop, .shared = shared, .engine = engine
    };
}
