#include "doctor/live_view.h"

#include "codec/addr.h"

bool live_is_inside(const struct fact_facts *f)
{
    return f->surroundings.inside != FACT_NO;
}

struct str live_url_host(struct str url)
{
    size_t at = str_find(url, ':', 0);
    if (str_starts(str_from(url, at), STR("://")))
        url = str_from(url, at + 3);
    if (url.n > 0 && url.p[0] == '[')
        return str_first(str_from(url, 1), str_find(url, ']', 1) - 1);
    return str_first(url, str_find(str_first(url, str_find(url, '/', 0)), ':', 0));
}

unsigned live_names(const struct fact_facts *f, struct fact_book *book,
                    struct live_name out[static LIVE_MAX_NAMES])
{
    unsigned n = 0;
    for (size_t i = 0; i < f->names.n && n < LIVE_MAX_NAMES; i++)
        if (view_is_needed(&f->names.v[i]))
            out[n++] = (struct live_name){ f->names.v[i].name,
                                           view_is(f->names.v[i].purpose, "registry") };
    if (n > 0)
        return n;
    struct str region = f->surroundings.region;
    struct str registry = live_url_host(f->surroundings.registry_url);
    struct addr a;
    if (region.n > 0) {
        const char *suffix = str_starts(region, STR("cn-")) ? "amazonaws.com.cn" : "amazonaws.com";
        out[n++].name = fact_textf(book, "s3.%.*s.%s", STR_ARG(region), suffix);
        out[n - 1].is_registry = false;
    }
    if (registry.n > 0 && !addr_parse_ip(registry, &a))
        out[n++] = (struct live_name){ registry, true };
    return n;
}

bool live_is_s3(const struct fact_connection *c)
{
    return view_is(c->purpose, "s3") || view_is(c->purpose, "bucket");
}

bool live_was_dialled(const struct fact_connection *c)
{
    return c->outcome.n > 0 && !view_is(c->outcome, "denied");
}

bool live_works(const struct fact_connection *c)
{
    return view_connects(c) && (c->http.n == 0 || view_is(c->http, "ok"));
}

bool live_tried_s3(const struct fact_facts *f)
{
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++)
        if (live_is_s3(&f->connections.v[i]) && live_was_dialled(&f->connections.v[i]))
            return true;
    return false;
}

bool live_reaches_s3(const struct fact_facts *f)
{
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++)
        if (live_is_s3(&f->connections.v[i]) && view_is(f->connections.v[i].outcome, "ok"))
            return true;
    return false;
}

bool live_name_works(const struct fact_facts *f, struct str name)
{
    for (size_t i = 0; live_is_inside(f) && i < f->connections.n; i++)
        if (view_is_same_name(f->connections.v[i].name, name) && live_works(&f->connections.v[i]))
            return true;
    return false;
}

bool live_all_works(const struct fact_facts *f)
{
    size_t n_needed = 0;
    for (size_t i = 0; i < f->names.n; i++) {
        if (!view_is_needed(&f->names.v[i]))
            continue;
        if (!live_name_works(f, f->names.v[i].name))
            return false;
        n_needed++;
    }
    return n_needed > 0;
}

static bool has_private(const struct fact_facts *f, const struct fact_question *q)
{
    for (size_t i = 0; i < q->addresses.n; i++)
        if (answer_is_private(f, q->addresses.v[i]))
            return true;
    return false;
}

/* A connection to the name works by an address that this server gave. */
static bool connects_by(const struct fact_facts *f, struct str server, struct str name)
{
    for (size_t i = 0; i < f->connections.n; i++) {
        const struct fact_connection *c = &f->connections.v[i];
        if (view_is_same_name(c->name, name) && live_works(c) && fact_has_text(&c->servers, server))
            return true;
    }
    return false;
}

bool live_server_is_good(const struct fact_facts *f, struct str address)
{
    size_t n_good = 0;
    for (size_t i = 0; live_is_inside(f) && i < f->names.n; i++) {
        struct str name = f->names.v[i].name;
        struct answer got = answer_of(f, address, name), amazon = answer_of_amazon(f, name);
        if (!answer_is_needed(f, &f->names.v[i]) || got.kind == ANSWER_NONE)
            continue;
        if (got.kind == ANSWER_GOOD) {
            if (amazon.kind == ANSWER_GOOD && has_private(f, amazon.question) &&
                !has_private(f, got.question) && !connects_by(f, address, name))
                return false;
            n_good++;
        } else if (amazon.kind != ANSWER_NXDOMAIN && amazon.kind != ANSWER_NODATA) {
            return false;
        }
    }
    return n_good > 0;
}
