#include "doctor/api_names.h"

#include "dns/resolve.h"
#include "dns/router.h"
#include "dns/shared.h"
#include "doctor/probe.h"

#include <stdio.h>
#include <stdlib.h>

enum { HTTPS_PORT = 443 };

void api_names_init(struct api_names *names, const struct aws_session *s,
                    const enum aws_service *services, size_t n_services)
{
    char hosts[AWS_MAX_HOSTS][AWS_HOST_BYTES];
    memset(names, 0, sizeof *names);
    names->n = aws_session_hosts(s, services, n_services, hosts);
    for (size_t i = 0; i < names->n; i++)
        memcpy(names->v[i].host, hosts[i], sizeof hosts[i]);
}

static void add_addrs(struct api_name *name, const struct addr *addrs, size_t n)
{
    for (size_t i = 0; i < n && name->n_addrs < AWS_MAX_ADDRS; i++)
        name->addrs[name->n_addrs++] = addrs[i];
}

void api_names_by_probes(struct api_names *names, struct fact_book *book)
{
    struct str hosts[PROBE_MAX_NAMES];
    struct probe_addresses found[PROBE_MAX_NAMES] = { 0 };
    unsigned n = 0;
    for (; n < names->n && n < PROBE_MAX_NAMES; n++)
        hosts[n] = str_from_c(names->v[n].host);
    if (n == 0)
        return;
    probe_resolve(book, hosts, n, found);
    for (unsigned i = 0; i < n; i++)
        add_addrs(&names->v[i], found[i].v, found[i].n);
}

/* All names at once, on a loop of their own. */
struct engine_run {
    struct io_loop loop;
    size_t n_pending;
    struct dns_resolve resolves[AWS_MAX_HOSTS];
};

static void on_resolved(struct dns_resolve *r)
{
    struct engine_run *run = r->owner;
    if (--run->n_pending == 0)
        io_loop_stop(&run->loop);
}

/* Those of from .. to that have no address yet. True: a server was there to say something. */
static bool resolve_some(struct engine_run *run, struct dns_engine *engine, struct api_names *names,
                         size_t from, size_t to)
{
    bool is_alive = true;
    for (size_t i = from; i < to; i++) {
        struct dns_resolve *r = &run->resolves[i];
        if (names->v[i].n_addrs > 0)
            continue;
        *r = (struct dns_resolve){ .owner = run, .on_done = on_resolved };
        run->n_pending++;
        dns_resolve_start(r, engine, str_from_c(names->v[i].host), HTTPS_PORT, DNS_POLICY_S3);
    }
    if (run->n_pending > 0)
        io_loop_run(&run->loop);
    for (size_t i = from; i < to; i++) {
        struct dns_resolve *r = &run->resolves[i];
        add_addrs(&names->v[i], r->addrs, r->n_addrs);
        is_alive &= r->fault.kind != FAULT_DNS_TIMEOUT && r->fault.kind != FAULT_DNS_NO_SERVER;
        dns_resolve_cancel(r);
    }
    return is_alive;
}

/* The first that an AWS server should know: where it is not found, others will not be. */
static size_t choose_first(const struct api_names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        struct dns_name dns;
        if (names->v[i].n_addrs == 0 && dns_name_parse(str_from_c(names->v[i].host), &dns) &&
            dns_is_aws_name(&dns))
            return i;
    }
    for (size_t i = 0; i < names->n; i++)
        if (names->v[i].n_addrs == 0)
            return i;
    return names->n;
}

/* One name before the others, so that servers that are dead get a few packets, not a few of each
 * name. is_known: the servers must know it, else another one is asked for the rest. */
static void resolve_all(struct engine_run *run, struct dns_engine *engine, struct api_names *names,
                        bool is_known)
{
    size_t first = choose_first(names);
    if (first == names->n)
        return;
    bool is_alive = resolve_some(run, engine, names, first, first + 1);
    if (is_known ? names->v[first].n_addrs > 0 : is_alive)
        resolve_some(run, engine, names, 0, names->n);
}

/* The system's servers, as the engine read them. */
struct system_servers {
    size_t n;
    struct addr v[RESOLV_MAX_SERVERS];
};

static void copy_servers(struct dns_shared *shared, struct system_servers *out)
{
    struct dns_routes *routes = dns_shared_routes(shared);
    for (out->n = 0; out->n < routes->n_system; out->n++)
        out->v[out->n] = routes->system[out->n].addr;
    dns_routes_unref(routes);
}

static bool run_engine(struct api_names *names, const struct conf *conf, bool is_known,
                       struct system_servers *servers, struct fault *f)
{
    struct engine_run *run = calloc(1, sizeof *run);
    if (run == NULL || !io_loop_init(&run->loop)) {
        free(run);
        return fault_set(f, FAULT_SYSTEM, "start", "no event loop");
    }
    struct dns_shared *shared = dns_shared_new(conf, f);
    struct dns_engine *engine = shared != NULL ? dns_engine_new(&run->loop, shared, f) : NULL;
    if (engine != NULL) {
        resolve_all(run, engine, names, is_known);
        copy_servers(shared, servers);
    }
    dns_engine_free(engine);
    io_loop_done(&run->loop);
    if (shared != NULL)
        dns_shared_free(shared);
    free(run);
    return engine != NULL;
}

static bool has_all(const struct api_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->v[i].n_addrs == 0)
            return false;
    return true;
}

bool api_names_by_engine(struct api_names *names, const struct conf *conf, uint64_t until_us,
                         struct fault *f)
{
    struct system_servers servers = { .n = 0 }, ignored;
    if (!run_engine(names, conf, false, &servers, f))
        return false;
    for (size_t i = 0; i < servers.n && !has_all(names) && io_now_us() < until_us; i++) {
        struct conf alone = *conf;
        alone.dns_servers = (struct conf_addrs){ &servers.v[i], 1 };
        alone.dns_routes = (struct conf_dns_routes){ NULL, 0 };
        alone.dns_aws_allowed = false;
        if (!run_engine(names, &alone, true, &ignored, f))
            return false;
    }
    return true;
}

bool api_names_find(void *arg, struct str host, struct addr *out, size_t *n, struct fault *f)
{
    const struct api_names *names = arg;
    for (size_t i = 0; i < names->n; i++) {
        const struct api_name *name = &names->v[i];
        if (!str_eq_nocase(str_from_c(name->host), host) || name->n_addrs == 0)
            continue;
        *n = *n < name->n_addrs ? *n : name->n_addrs;
        memcpy(out, name->addrs, *n * sizeof *out);
        return true;
    }
    return fault_set(f, FAULT_DNS_FAILED, "resolve", "no DNS server gave an address of %.*s",
                     STR_ARG(str_first(host, AWS_HOST_BYTES)));
}
