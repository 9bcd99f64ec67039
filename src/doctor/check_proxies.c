#include "doctor/check_parts.h"
#include "doctor/facts_view.h"

#include "codec/addr.h"
#include "doctor/live_view.h"

/* What should never go through a proxy. */
struct target {
    struct str host; /* an address or a name */
    struct str what; /* for people */
    bool is_https;
};

static bool is_no_proxy(const struct fact_variable *v)
{
    return str_eq_nocase(v->name, STR("NO_PROXY"));
}

/* "10.0.0.0/8" covers addresses, "example.com" and ".example.com" names below; a port behind does
 * not matter here. */
static bool entry_covers(struct str entry, struct str host)
{
    struct cidr net;
    struct addr a;
    if (view_is(entry, "*"))
        return true;
    if (addr_parse_ip(host, &a)) {
        if (cidr_parse(entry, &net))
            return cidr_has(&net, &a);
        entry = str_first(entry, str_find(entry, ':', 0));
        return str_eq(entry, host);
    }
    entry = str_first(entry, str_find(entry, ':', 0));
    if (entry.n > 0 && entry.p[0] == '*')
        entry = str_from(entry, 1);
    if (entry.n > 0 && entry.p[0] == '.')
        entry = str_from(entry, 1);
    return entry.n > 0 && view_is_below(host, entry);
}

static bool is_exempt(const struct fact_facts *f, struct str host)
{
    for (size_t i = 0; i < f->surroundings.proxies.n; i++) {
        const struct fact_variable *v = &f->surroundings.proxies.v[i];
        struct str rest = v->value, entry;
        while (is_no_proxy(v) && str_next(&rest, ',', &entry))
            if (entry_covers(str_trim(entry), host))
                return true;
    }
    return false;
}

static const struct fact_variable *proxy_for(const struct fact_facts *f, bool is_https)
{
    for (size_t i = 0; i < f->surroundings.proxies.n; i++) {
        const struct fact_variable *v = &f->surroundings.proxies.v[i];
        if (v->value.n > 0 &&
            (str_eq_nocase(v->name, STR("ALL_PROXY")) ||
             str_eq_nocase(v->name, is_https ? STR("HTTPS_PROXY") : STR("HTTP_PROXY"))))
            return v;
    }
    return NULL;
}

static void judge_target(struct diagnosis *d, const struct target *t)
{
    const struct fact_variable *v = proxy_for(d->facts, t->is_https);
    if (v == NULL || t->host.n == 0 || is_exempt(d->facts, t->host))
        return;
    struct finding *f = check_fail(d, PS3014, v->name);
    finding_evidence(d, f, "%.*s=%.*s: requests to %.*s (%.*s) go there, NO_PROXY does not name it",
                     STR_ARG(v->name), STR_ARG(v->value), STR_ARG(t->host), STR_ARG(t->what));
    finding_fix(d, f, "Name what is inside in NO_PROXY: addresses and names, separated by commas.");
    finding_note(d, f, "missing in NO_PROXY: %.*s", STR_ARG(t->host));
}

/* Where S3 has a private address, sending its traffic to a proxy goes around the endpoint. */
static bool is_private_name(const struct fact_facts *f, struct str name)
{
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        for (size_t j = 0; view_is_same_name(q->name, name) && j < q->addresses.n; j++)
            if (answer_is_private(f, q->addresses.v[j]))
                return true;
    }
    return false;
}

static void add_no_proxy_line(struct diagnosis *d)
{
    struct finding *f = d->results[PS3014].finding;
    finding_fix(d, f,
                "NO_PROXY=169.254.170.2,169.254.169.254,localhost,127.0.0.1 and the names "
                "below, added to what is there");
}

void check_proxies(struct diagnosis *d)
{
    const struct fact_facts *f = d->facts;
    if (!live_is_inside(f)) {
        check_skip(d, PS3014, "the task's environment is not known here");
        return;
    }
    if (f->surroundings.on_ecs == FACT_YES) {
        judge_target(d, &(struct target){ STR("169.254.170.2"), STR("credentials"), false });
        judge_target(d,
                     &(struct target){ STR("169.254.169.254"), STR("instance metadata"), false });
    }
    for (size_t i = 0; i < f->names.n; i++) {
        const struct fact_name *n = &f->names.v[i];
        if (view_is(n->purpose, "registry"))
            judge_target(
                d, &(struct target){ n->name, STR("registry"),
                                     str_starts(f->surroundings.registry_url, STR("https:")) });
        else if (view_is_needed(n) &&
                 (f->surroundings.on_ecs == FACT_YES || is_private_name(f, n->name)))
            judge_target(d, &(struct target){ n->name, STR("S3, by the VPC's own way"), true });
    }
    if (check_failed(d, PS3014))
        add_no_proxy_line(d);
    check_pass(d, PS3014);
}
