#pragma once
/* What holds for all settings, whatever text they came from. Included by one target each. */
#include "conf/settings.h"

#include <stdio.h>
#include <stdlib.h>

#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Either settings or printable lines that say why not. */
static struct conf *load(char *const *env, const char *file, struct str yaml)
{
    struct buf errors;
    buf_init(&errors, 8 << 20);
    struct conf *c = conf_load_text(env, file, yaml, CONF_FOR_SERVE, &errors);
    MUST((c == NULL) == (errors.n > 0));
    for (size_t i = 0; i < errors.n; i++)
        MUST(errors.p[i] == '\n' || (errors.p[i] >= ' ' && errors.p[i] <= '~'));
    MUST(errors.n == 0 || errors.p[errors.n - 1] == '\n');
    buf_done(&errors);
    return c;
}

static void check_bounds(const struct conf *c)
{
    MUST(c->registry.host.n > 0 && c->registry.port > 0);
    MUST(c->registry.path.n == 0 || c->registry.path.p[0] == '/');
    MUST(c->listen.n > 0 && c->listen.n <= CONF_MAX_LISTEN && c->workers > 0);
    MUST(c->allow_hosts.n <= CONF_MAX_LIST && c->allow_buckets.n <= CONF_MAX_LIST);
    for (size_t i = 0; i < c->allow_hosts.n; i++)
        MUST(c->allow_hosts.v[i].pattern.n > 0 && c->allow_hosts.v[i].port > 0);
    for (size_t i = 0; i < c->dns_routes.n; i++) {
        const struct conf_dns_route *r = &c->dns_routes.v[i];
        MUST(r->zone.n > 0 && r->n_groups > 0 && r->n_groups <= CONF_MAX_DNS_GROUPS);
        for (size_t j = 0; j < r->n_groups; j++)
            MUST(r->groups[j].n > 0 && r->groups[j].n <= CONF_MAX_DNS_SERVERS);
    }
}

/* What `config show` prints, given back as an environment, is the same settings. */
static void check_shown(const struct conf *c)
{
    struct buf first, lines;
    char *env[N_CONF_SETTINGS + 1] = { 0 };
    buf_init(&first, 8 << 20);
    buf_init(&lines, 8 << 20);
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++)
        MUST(c->origins[s].text.n <= CONF_VALUE_BYTES);
    conf_show(c, CONF_SHOW_ALL, &first);
    buf_append(&lines, buf_str(&first));
    char *at = lines.p;
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        char *end = memchr(at, '\n', (size_t)(lines.p + lines.n - at));
        MUST(end != NULL);
        size_t n_value = strcspn(at, "=") + 1 + c->origins[s].text.n;
        MUST(memcmp(at + n_value, "   # ", 5) == 0);
        at[n_value] = 0;
        env[s] = at;
        at = end + 1;
    }
    struct conf *again = load(env, NULL, STR(""));
    MUST(again != NULL);
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++)
        MUST(str_eq(c->origins[s].text, again->origins[s].text));
    MUST(str_eq(c->registry.authority, again->registry.authority));
    MUST(c->dns_routes.n == again->dns_routes.n && c->allow_hosts.n == again->allow_hosts.n);
    conf_unref(again);
    buf_done(&first);
    buf_done(&lines);
}
