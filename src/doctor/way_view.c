#include "doctor/way_view.h"

#include "codec/addr.h"
#include "doctor/live_view.h"

static bool has_address(struct str cidr_text, const struct fact_texts *addresses)
{
    struct cidr cidr;
    struct addr a;
    if (!cidr_parse(cidr_text, &cidr))
        return false;
    for (size_t i = 0; i < addresses->n; i++)
        if (addr_parse_ip(addresses->v[i], &a) && cidr_has(&cidr, &a))
            return true;
    return false;
}

static bool is_metadata_subnet(const struct fact_facts *f, struct str cidr)
{
    for (size_t i = 0; i < f->metadata.networks.n; i++)
        if (cidr.n > 0 && str_eq(f->metadata.networks.v[i].subnet_cidr, cidr))
            return true;
    return false;
}

const struct fact_subnet *way_subnet(const struct fact_facts *f)
{
    for (size_t i = 0; f->task.subnet_id.n > 0 && i < f->subnets.n; i++)
        if (str_eq(f->subnets.v[i].id, f->task.subnet_id))
            return &f->subnets.v[i];
    if (f->task.subnet_id.n > 0)
        return NULL;
    for (size_t i = 0; live_is_inside(f) && i < f->subnets.n; i++)
        if (is_metadata_subnet(f, f->subnets.v[i].cidr) ||
            has_address(f->subnets.v[i].cidr, &f->surroundings.local_addresses))
            return &f->subnets.v[i];
    return f->subnets.n == 1 ? &f->subnets.v[0] : NULL;
}

const struct fact_route_table *way_table(const struct fact_facts *f)
{
    const struct fact_subnet *subnet = way_subnet(f);
    struct str id = f->task.subnet_id.n > 0 ? f->task.subnet_id
                    : subnet != NULL        ? subnet->id
                                            : (struct str){ NULL, 0 };
    const struct fact_route_table *main_table = NULL;
    for (size_t i = 0; i < f->route_tables.n; i++) {
        const struct fact_route_table *t = &f->route_tables.v[i];
        if (id.n > 0 && fact_has_text(&t->subnets, id))
            return t;
        if (t->main == FACT_YES)
            main_table = t;
    }
    return id.n > 0 || f->route_tables.n == 1 ? main_table : NULL;
}

static bool is_usable(const struct fact_route *r)
{
    return !view_is(r->state, "blackhole") && r->target.n > 0 && !view_is(r->target, "local");
}

/* A default route may be written in halves; 64:ff9b::/96 leads to a NAT gateway (RFC 6052). */
static bool is_wide(struct str destination)
{
    enum { WIDE_BITS = 7 };
    struct cidr cidr;
    if (view_is(destination, "64:ff9b::/96"))
        return true;
    /* The unique local addresses, fc00::/7, are no way to anywhere but other networks. */
    return cidr_parse(destination, &cidr) && cidr.prefix_bits <= WIDE_BITS &&
           !view_is(destination, "fc00::/7");
}

static bool leads_to_s3(const struct fact_facts *f, struct str destination)
{
    for (size_t i = 0; i < f->names.n; i++) {
        const struct fact_name *n = &f->names.v[i];
        if (!view_is(n->purpose, "s3") && !view_is(n->purpose, "bucket"))
            continue;
        for (size_t j = 0; j < f->questions.n; j++)
            if (view_is_same_name(f->questions.v[j].name, n->name) &&
                has_address(destination, &f->questions.v[j].addresses))
                return true;
    }
    return false;
}

const struct fact_route *way_out(const struct fact_facts *f, const struct fact_route_table *t)
{
    for (size_t i = 0; i < t->routes.n; i++) {
        const struct fact_route *r = &t->routes.v[i];
        if (is_usable(r) && (is_wide(r->destination) || leads_to_s3(f, r->destination)))
            return r;
    }
    return NULL;
}

const struct fact_route *way_elsewhere(const struct fact_route_table *t)
{
    static const char *const others[] = { "tgw-", "pcx-", "vgw-", "eni-", "i-", "arn:" };
    for (size_t i = 0; i < t->routes.n; i++)
        for (size_t j = 0; j < sizeof others / sizeof *others; j++)
            if (is_usable(&t->routes.v[i]) &&
                str_starts(t->routes.v[i].target, str_from_c(others[j])))
                return &t->routes.v[i];
    return NULL;
}

bool way_is_available(const struct fact_endpoint *e)
{
    return e->state.n == 0 || str_eq_nocase(e->state, STR("available"));
}

/* "com.amazonaws.eu-west-1.ecr.api": the service at its end, the region before that. */
static bool is_for(const struct fact_facts *f, const struct fact_endpoint *e, struct str service)
{
    struct str name = e->service, region = f->surroundings.region;
    if (!str_ends(name, service))
        return false;
    name.n -= service.n;
    if (name.n == 0 || name.p[name.n - 1] != '.')
        return false;
    name.n--;
    if (region.n == 0)
        return true;
    return str_ends(name, region) && name.n > region.n && name.p[name.n - region.n - 1] == '.';
}

const struct fact_endpoint *way_endpoint(const struct fact_facts *f, const char *service,
                                         const char *type)
{
    const struct fact_endpoint *found = NULL;
    for (size_t i = 0; i < f->endpoints.n; i++) {
        const struct fact_endpoint *e = &f->endpoints.v[i];
        if (!is_for(f, e, str_from_c(service)) ||
            (type != NULL && !str_eq_nocase(e->type, str_from_c(type))))
            continue;
        if (way_is_available(e))
            return e;
        found = found == NULL ? e : found;
    }
    return found;
}

bool way_is_in_table(const struct fact_endpoint *e, const struct fact_route_table *t)
{
    for (size_t i = 0; i < t->routes.n; i++)
        if (str_eq(t->routes.v[i].target, e->id))
            return !view_is(t->routes.v[i].state, "blackhole");
    return fact_has_text(&e->route_tables, t->id);
}

bool way_has_private_dns(const struct fact_facts *f, const char *service)
{
    for (size_t i = 0; i < f->endpoints.n; i++) {
        const struct fact_endpoint *e = &f->endpoints.v[i];
        if (is_for(f, e, str_from_c(service)) && str_eq_nocase(e->type, STR("Interface")) &&
            way_is_available(e) && e->private_dns == FACT_YES && e->inbound_only != FACT_YES)
            return true;
    }
    return false;
}
