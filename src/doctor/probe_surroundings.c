#include "codec/s3_host.h"
#include "doctor/probe_local.h"

#include <ifaddrs.h>
#include <net/if.h>

struct str probe_variable(char *const *env, const char *name)
{
    struct str key = str_from_c(name);
    for (; env != NULL && *env != NULL; env++) {
        struct str one = str_from_c(*env);
        if (one.n > key.n && one.p[key.n] == '=' && str_starts(one, key))
            return str_from(one, key.n + 1);
    }
    return (struct str){ NULL, 0 };
}

/* A proxy's URL may hold a password: what stands before an '@' is dropped, scheme apart. */
static struct str without_user(struct fact_book *book, struct str value)
{
    struct str scheme = { value.p, 0 };
    size_t at = value.n;
    for (size_t i = 0; i + 3 <= value.n && scheme.n == 0; i++)
        if (memcmp(value.p + i, "://", 3) == 0)
            scheme.n = i + 3;
    while (at > 0 && value.p[at - 1] != '@')
        at--;
    if (at <= scheme.n)
        return fact_text(book, value);
    return fact_textf(book, "%.*s%.*s", STR_ARG(scheme), STR_ARG(str_from(value, at)));
}

static void add_proxies(char *const *env, struct fact_book *book)
{
    static const char *const names[] = { "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
                                         "ALL_PROXY",  "all_proxy",  "NO_PROXY",    "no_proxy" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct str value = probe_variable(env, names[i]);
        struct fact_variable v;
        if (value.n == 0)
            continue;
        FACT_CLEAR(variable, &v);
        v.name = fact_text(book, str_from_c(names[i]));
        v.value = without_user(book, value);
        fact_add(book, &book->facts.surroundings.proxies, &v);
    }
}

static void add_legacy(struct fact_book *book, struct str host)
{
    struct s3_host parsed;
    struct fact_texts *to = &book->facts.surroundings.legacy_names;
    /* A rule may begin with "*.": the bucket that it stands for. */
    if (str_starts(host, STR("*.")))
        host = str_from(host, 2);
    if (s3_host_parse(host, &parsed) && parsed.form == S3_GLOBAL && !fact_has_text(to, host))
        fact_add_text(book, to, host);
}

static void add_legacy_names(const struct probe_request *r, struct fact_book *book)
{
    for (size_t i = 0; i < r->conf->allow_hosts.n; i++)
        add_legacy(book, r->conf->allow_hosts.v[i].pattern);
    for (size_t i = 0; r->buckets != NULL && i < r->buckets->n; i++)
        add_legacy(book, r->buckets->v[i]);
    if (r->registry != NULL)
        add_legacy(book, r->registry->host);
}

/* "fd00:ec2::253:53" reads as one address, of another host than was meant. */
static bool is_unbracketed(struct str item)
{
    static const char *const ports[] = { "53", "853", "5353" };
    struct addr a;
    size_t colon = item.n;
    while (colon > 0 && item.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !addr_parse_ip(item, &a) || addr_family(&a) != AF_INET6)
        return false;
    for (size_t i = 0; i < sizeof ports / sizeof ports[0]; i++)
        if (str_eq(str_from(item, colon), str_from_c(ports[i])))
            return true;
    return false;
}

static void add_unbracketed(const struct conf *conf, struct fact_book *book)
{
    static const enum conf_setting settings[] = { CONF_DNS_SERVERS, CONF_DNS_AWS_SERVERS,
                                                  CONF_DNS_ROUTES };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct str text = conf->origins[settings[i]].text, item;
        size_t from = 0;
        for (size_t at = 0; at <= text.n; at++) {
            if (at < text.n && strchr(",|;= \t", text.p[at]) == NULL)
                continue;
            item = str_first(str_from(text, from), at - from);
            from = at + 1;
            struct str line =
                is_unbracketed(item)
                    ? fact_textf(book, "%s: %.*s", conf_key(settings[i]), STR_ARG(item))
                    : (struct str){ NULL, 0 };
            if (line.n > 0 && !fact_has_text(&book->facts.surroundings.unbracketed, line))
                fact_add(book, &book->facts.surroundings.unbracketed, &line);
        }
    }
}

static void add_addresses(struct fact_book *book)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    struct ifaddrs *all = NULL;
    bool has_ipv6 = false;
    if (getifaddrs(&all) != 0)
        return;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        char text[ADDR_TEXT_BYTES];
        struct addr a = { 0 };
        int family = i->ifa_addr != NULL ? i->ifa_addr->sa_family : AF_UNSPEC;
        if ((family != AF_INET && family != AF_INET6) || (i->ifa_flags & IFF_LOOPBACK) != 0 ||
            (i->ifa_flags & IFF_UP) == 0)
            continue;
        memcpy(&a, i->ifa_addr,
               family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
        has_ipv6 |= family == AF_INET6 && addr_classify(&a) == ADDR_GLOBAL;
        fact_add_text(book, &s->local_addresses, str_from_c(addr_ip_text(&a, text)));
    }
    freeifaddrs(all);
    s->has_ipv6 = fact_truth_of(has_ipv6);
}

static bool is_on_ecs(char *const *env)
{
    return probe_variable(env, "ECS_CONTAINER_METADATA_URI_V4").n > 0 ||
           probe_variable(env, "ECS_CONTAINER_METADATA_URI").n > 0 ||
           str_starts(probe_variable(env, "AWS_EXECUTION_ENV"), STR("AWS_ECS_"));
}

static void set_registry(const struct conf_registry *r, struct fact_book *book)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    if (s->registry_url.n == 0 && r != NULL && r->host.n > 0)
        s->registry_url =
            fact_textf(book, "%s://%.*s%.*s", r->scheme == CONF_HTTPS ? "https" : "http",
                       STR_ARG(r->authority), STR_ARG(r->path));
}

void probe_arguments(const struct probe_request *r, struct fact_book *book)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    for (size_t i = 0; r->buckets != NULL && i < r->buckets->n; i++)
        if (!fact_has_text(&s->buckets, r->buckets->v[i]))
            fact_add_text(book, &s->buckets, r->buckets->v[i]);
    set_registry(r->registry, book);
    add_legacy_names(r, book);
}

void probe_surroundings(const struct probe_request *r, struct fact_book *book)
{
    struct fact_surroundings *s = &book->facts.surroundings;
    s->on_ecs = fact_truth_of(is_on_ecs(r->env));
    s->inside = fact_truth_of(r->inside);
    s->link_local_allowed = fact_truth_of(r->link_local_allowed);
    probe_arguments(r, book);
    add_proxies(r->env, book);
    add_unbracketed(r->conf, book);
    add_addresses(book);
}
