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

/* How much a question tells: an answer before another reply before silence. */
static int weight(const struct fact_question *q)
{
    if (q == NULL || view_is(q->outcome, "not_asked"))
        return 0;
    if (view_is(q->outcome, "answer"))
        return 3;
    return q->replies > 0 ? 2 : 1;
}

const struct fact_question *live_amazon(const struct fact_facts *f, struct str name)
{
    const struct fact_question *best = NULL;
    for (size_t i = 0; live_is_inside(f) && i < f->servers.n; i++) {
        if (f->servers.v[i].is_amazon != FACT_YES)
            continue;
        const struct fact_question *q = view_question(f, f->servers.v[i].address, name, NULL);
        if (weight(q) > weight(best))
            best = q;
    }
    return best;
}

bool live_amazon_knows_all(const struct fact_facts *f)
{
    size_t n_known = 0;
    for (size_t i = 0; i < f->names.n; i++) {
        if (!view_is_needed(&f->names.v[i]))
            continue;
        const struct fact_question *q = live_amazon(f, f->names.v[i].name);
        if (q == NULL || !view_is(q->outcome, "answer"))
            return false;
        n_known++;
    }
    return n_known > 0;
}

bool live_is_denial(const struct fact_question *q)
{
    return view_is(q->outcome, "nxdomain") || view_is(q->outcome, "nodata");
}

bool live_was_dialled(const struct fact_connection *c)
{
    return c->outcome.n > 0 && !view_is(c->outcome, "denied");
}

bool live_works(const struct fact_connection *c)
{
    return view_is(c->outcome, "ok") && (c->tls.n == 0 || view_is(c->tls, "ok")) &&
           (c->http.n == 0 || view_is(c->http, "ok"));
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

bool live_is_private(struct str address)
{
    static const char *const nets[] = { "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                                        "100.64.0.0/10", "fc00::/7" };
    struct addr a;
    struct cidr net;
    if (!addr_parse_ip(address, &a))
        return false;
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if (cidr_parse(str_from_c(nets[i]), &net) && cidr_has(&net, &a))
            return true;
    return false;
}

static bool has_private(const struct fact_question *q)
{
    for (size_t i = 0; i < q->addresses.n; i++)
        if (live_is_private(q->addresses.v[i]))
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
        const struct fact_question *q = view_question(f, address, name, NULL);
        if (!view_is_needed(&f->names.v[i]) || weight(q) == 0)
            continue;
        const struct fact_question *amazon = live_amazon(f, name);
        if (view_is(q->outcome, "answer")) {
            if (amazon != NULL && has_private(amazon) && !has_private(q) &&
                !connects_by(f, address, name))
                return false;
            n_good++;
        } else if (amazon == NULL || !live_is_denial(amazon)) {
            return false;
        }
    }
    return n_good > 0;
}
