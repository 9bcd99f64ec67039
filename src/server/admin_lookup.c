#include "server/admin_lookup.h"

#include "codec/uri_query.h"
#include "dns/report.h"

#include <stdlib.h>

struct admin_lookup {
    struct io_loop *loop;
    struct page *page;
    struct dns_report report;
};

static bool refuse(struct page *p, uint16_t status, const char *why)
{
    struct json j = json_begin(&p->body);
    p->status = status;
    json_open(&j, NULL, '{');
    json_put_text(&j, "error", why);
    json_close(&j, '{');
    buf_byte(&p->body, '\n');
    return true;
}

static void finish(struct admin_lookup *l)
{
    dns_report_done(&l->report);
    l->page->state = NULL;
    io_free_later(l->loop, l);
}

static void on_report(struct dns_report *r)
{
    struct admin_lookup *l = r->owner;
    struct page *p = l->page;
    dns_report_write(r, "process", &p->body);
    finish(l);
    p->on_done(p);
}

/* False: *why says what is wrong. */
static bool read_types(struct str query, struct dns_report *r, const char **why)
{
    struct buf type;
    buf_init(&type, 64);
    enum uri_query found = uri_query_find(query, STR("type"), &type);
    *why = found == URI_QUERY_BAD ? "type cannot be read" : "no such type";
    bool ok = found == URI_QUERY_NONE ||
              (found == URI_QUERY_FOUND && dns_type_parse(buf_str(&type), &r->types[0]));
    r->n_types = 1;
    if (found == URI_QUERY_NONE) {
        r->types[0] = DNS_A;
        r->types[1] = DNS_AAAA;
        r->n_types = 2;
    }
    buf_done(&type);
    if (ok && !dns_report_takes(r->types[0])) {
        *why = "this type asks for no record";
        ok = false;
    }
    return ok;
}

static bool read_query(struct str query, struct dns_report *r, const char **why)
{
    struct buf text;
    buf_init(&text, DNS_NAME_TEXT_BYTES);
    *why = "no name that DNS takes";
    bool ok = uri_query_find(query, STR("name"), &text) == URI_QUERY_FOUND &&
              dns_name_parse(buf_str(&text), &r->name) && read_types(query, r, why);
    buf_clear(&text);
    r->skips_cache = uri_query_find(query, STR("no-cache"), &text) == URI_QUERY_FOUND &&
                     str_eq(buf_str(&text), STR("1"));
    buf_done(&text);
    return ok;
}

/* Questions of the clients and these share the servers' budgets (PENSTOCK_DNS_BUDGET). */
static bool take_turn(struct admin_lookup_pace *pace, uint64_t now_ms)
{
    if (pace->paid_until_ms < now_ms)
        pace->paid_until_ms = now_ms;
    if (pace->paid_until_ms - now_ms >= (uint64_t)ADMIN_LOOKUP_BURST * ADMIN_LOOKUP_EVERY_MS)
        return false;
    pace->paid_until_ms += ADMIN_LOOKUP_EVERY_MS;
    return true;
}

bool admin_lookup_start(struct io_loop *loop, struct dns_engine *e, struct admin_lookup_pace *pace,
                        struct page *p, struct str query)
{
    const char *why;
    struct admin_lookup *l = calloc(1, sizeof *l);
    if (l == NULL) {
        p->body.failed = true;
        return true;
    }
    if (!read_query(query, &l->report, &why)) {
        free(l);
        return refuse(p, 400, why);
    }
    if (!take_turn(pace, io_now_ms(loop))) {
        free(l);
        return refuse(p, 429, "too many lookups: the DNS servers are for the clients' questions");
    }
    l->loop = loop;
    l->page = p;
    l->report.owner = l;
    l->report.on_done = on_report;
    p->state = l;
    dns_report_start(&l->report, e);
    return false;
}

void admin_lookup_cancel(struct page *p)
{
    if (p->state != NULL)
        finish(p->state);
}
