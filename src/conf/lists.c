#include "conf/value.h"

/* The items of a list, blanks around them cut off. An empty item is an item: "a,,b" has three. */
struct items {
    struct str rest;
    char separator;
    bool has_more;
};

static struct items items_of(struct str text, char separator)
{
    return (struct items){ text, separator, true };
}

static bool next_item(struct items *it, struct str *item)
{
    if (!it->has_more)
        return false;
    size_t end = str_find(it->rest, it->separator, 0);
    it->has_more = end < it->rest.n;
    *item = str_trim(str_first(it->rest, end));
    it->rest = str_from(it->rest, end + 1);
    return true;
}

/*
 * Room for the items of text, and how many there are. NULL, and told, when there are more than max
 * or one is empty: a list that lost an item to a typing error could allow too much.
 */
static void *list_alloc(struct conf_reader *r, struct str text, char separator, size_t max,
                        size_t item_bytes, size_t *n)
{
    struct items it = items_of(text, separator);
    struct str item;
    size_t count = 0;
    while (next_item(&it, &item)) {
        if (item.n == 0) {
            conf_bad(r, "the list has an empty item");
            return NULL;
        }
        count++;
    }
    if (count > max) {
        conf_bad(r, "more than %zu items", max);
        return NULL;
    }
    void *v = arena_alloc(&r->conf->arena, count * item_bytes);
    if (v == NULL)
        conf_no_memory(r);
    *n = count;
    return v;
}

/* Lists of strings */

static bool parse_strs(struct conf_reader *r, struct str text, struct conf_strs *out,
                       bool (*is_valid)(struct str), const char *wrong)
{
    struct conf_strs list;
    struct str item;
    list.v = list_alloc(r, text, ',', CONF_MAX_LIST, sizeof *list.v, &list.n);
    if (list.v == NULL)
        return false;
    struct items it = items_of(text, ',');
    for (size_t i = 0; next_item(&it, &item); i++) {
        if (!is_valid(item))
            return conf_bad(r, "\"%.*s\" %s", CONF_SHOWN(item), wrong);
        list.v[i] = arena_copy(&r->conf->arena, item);
        if (list.v[i].p == NULL)
            return conf_no_memory(r);
    }
    *out = list;
    return true;
}

static bool is_bucket_glob(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) && !strchr("._-*?", s.p[i]))
            return false;
    return s.n <= 255; /* the longest of old buckets */
}

bool conf_parse_buckets(struct conf_reader *r, struct str text, void *field)
{
    return parse_strs(r, text, field, is_bucket_glob,
                      "cannot match any bucket: names are letters, digits, . _ - (and * ?)");
}

/* RFC 9110 section 5.6.2 */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_is_alpha(s.p[i]) && !ascii_is_digit(s.p[i]) &&
            !strchr("!#$%&'*+-.^_`|~", s.p[i]))
            return false;
    return s.n <= 255;
}

bool conf_parse_field_names(struct conf_reader *r, struct str text, void *field)
{
    return parse_strs(r, text, field, is_token, "is no header name");
}

/* Lists of addresses */

static bool is_unusable(const struct addr *a)
{
    enum addr_class class = addr_classify(a);
    return class == ADDR_UNSPECIFIED || class == ADDR_MULTICAST || addr_port(a) == 0;
}

/* The default port is the row's `most`. Port 0, any free one, is for listeners alone. */
static bool parse_addrs(struct conf_reader *r, struct str text, char separator, size_t max,
                        bool is_to_listen, struct conf_addrs *out)
{
    struct conf_addrs list;
    struct str item;
    list.v = list_alloc(r, text, separator, max, sizeof *list.v, &list.n);
    if (list.v == NULL)
        return false;
    struct items it = items_of(text, separator);
    for (size_t i = 0; next_item(&it, &item); i++) {
        struct addr *a = &list.v[i];
        if (!addr_parse(item, (uint16_t)r->row->most, a))
            return conf_bad(r, "\"%.*s\" is no address: write %s", CONF_SHOWN(item),
                            is_to_listen ? "ADDR:PORT, [V6]:PORT or :PORT"
                                         : "ADDR, ADDR:PORT or [V6]:PORT");
        if (!is_to_listen && is_unusable(a))
            return conf_bad(r, "%.*s is no address that can be asked", CONF_SHOWN(item));
        for (size_t j = 0; j < i; j++)
            if (addr_eq(a, &list.v[j]) && addr_port(a) != 0)
                return conf_bad(r, "%.*s is there twice", CONF_SHOWN(item));
    }
    *out = list;
    return true;
}

bool conf_parse_listen(struct conf_reader *r, struct str text, void *field)
{
    return parse_addrs(r, text, ',', CONF_MAX_LISTEN, true, field);
}

bool conf_parse_admin(struct conf_reader *r, struct str text, void *field)
{
    if (!str_eq(text, STR("off")))
        return conf_parse_listen(r, text, field);
    *(struct conf_addrs *)field = (struct conf_addrs){ 0 };
    return true;
}

bool conf_parse_dns_servers(struct conf_reader *r, struct str text, void *field)
{
    return parse_addrs(r, text, ',', CONF_MAX_DNS_SERVERS, false, field);
}

bool conf_parse_cidrs(struct conf_reader *r, struct str text, void *field)
{
    struct conf_cidrs list;
    struct str item;
    list.v = list_alloc(r, text, ',', CONF_MAX_LIST, sizeof *list.v, &list.n);
    if (list.v == NULL)
        return false;
    struct items it = items_of(text, ',');
    for (size_t i = 0; next_item(&it, &item); i++)
        if (!cidr_parse(item, &list.v[i]))
            return conf_bad(r,
                            "\"%.*s\" is no prefix: write ADDR or ADDR/BITS, zero behind the bits",
                            CONF_SHOWN(item));
    *(struct conf_cidrs *)field = list;
    return true;
}

/* PENSTOCK_ALLOW_HOSTS */

static bool parse_host_rule(struct conf_reader *r, struct str item, struct conf_host_rule *rule)
{
    size_t equals = str_find(item, '=', 0);
    if (str_find(item, '/', 0) < item.n)
        return conf_bad(r, "\"%.*s\" is no rule: write pattern[:port][=http|https], no URL",
                        CONF_SHOWN(item));
    struct str place = str_trim(str_first(item, equals));
    struct str scheme = str_trim(str_from(item, equals + 1));
    rule->scheme = CONF_HTTPS;
    if (str_eq(scheme, STR("http")))
        rule->scheme = CONF_HTTP;
    else if (equals < item.n && !str_eq(scheme, STR("https")))
        return conf_bad(r, "\"%.*s\": the scheme is http or https", CONF_SHOWN(item));
    size_t colon = str_find(place, ':', 0);
    struct str pattern = str_first(place, colon);
    rule->port = rule->scheme == CONF_HTTP ? 80 : 443;
    if (colon < place.n) {
        uint64_t port;
        if (!str_to_u64(str_from(place, colon + 1), &port) || port == 0 || port > 65535)
            return conf_bad(r, "\"%.*s\": the port is a number from 1 to 65535", CONF_SHOWN(item));
        rule->port = (uint16_t)port;
    }
    if (!conf_is_name(pattern, "*?"))
        return conf_bad(r, "\"%.*s\" is no host name (letters, digits, hyphens, dots, * and ?)",
                        CONF_SHOWN(pattern));
    rule->pattern = arena_copy(&r->conf->arena, pattern);
    return rule->pattern.p != NULL || conf_no_memory(r);
}

bool conf_parse_host_rules(struct conf_reader *r, struct str text, void *field)
{
    struct conf_host_rules list;
    struct str item;
    list.v = list_alloc(r, text, ',', CONF_MAX_LIST, sizeof *list.v, &list.n);
    if (list.v == NULL)
        return false;
    struct items it = items_of(text, ',');
    for (size_t i = 0; next_item(&it, &item); i++)
        if (!parse_host_rule(r, item, &list.v[i]))
            return false;
    *(struct conf_host_rules *)field = list;
    return true;
}

/* PENSTOCK_DNS_ROUTES */

static bool parse_zone(struct conf_reader *r, struct str zone, struct str *out)
{
    if (zone.n > 1 && zone.p[zone.n - 1] == '.')
        zone.n--;
    if (!str_eq(zone, STR(".")) && !conf_is_name(zone, "_"))
        return conf_bad(r, "\"%.*s\" is no zone", CONF_SHOWN(zone));
    char lower[254];
    for (size_t i = 0; i < zone.n; i++)
        lower[i] = ascii_lower(zone.p[i]);
    *out = arena_copy(&r->conf->arena, str_of(lower, zone.n));
    return out->p != NULL || conf_no_memory(r);
}

static bool parse_route(struct conf_reader *r, struct str item, struct conf_dns_route *route)
{
    size_t equals = str_find(item, '=', 0);
    if (equals == item.n)
        return conf_bad(r, "\"%.*s\" is no route: write zone=server,server|server",
                        CONF_SHOWN(item));
    struct str servers = str_trim(str_from(item, equals + 1)), group;
    if (!parse_zone(r, str_trim(str_first(item, equals)), &route->zone))
        return false;
    route->groups =
        list_alloc(r, servers, '|', CONF_MAX_DNS_GROUPS, sizeof *route->groups, &route->n_groups);
    if (route->groups == NULL)
        return false;
    struct items it = items_of(servers, '|');
    for (size_t i = 0; next_item(&it, &group); i++)
        if (!parse_addrs(r, group, ',', CONF_MAX_DNS_SERVERS, false, &route->groups[i]))
            return false;
    return true;
}

bool conf_parse_dns_routes(struct conf_reader *r, struct str text, void *field)
{
    struct conf_dns_routes list;
    struct str item;
    list.v = list_alloc(r, text, ';', CONF_MAX_LIST, sizeof *list.v, &list.n);
    if (list.v == NULL)
        return false;
    struct items it = items_of(text, ';');
    for (size_t i = 0; next_item(&it, &item); i++) {
        if (!parse_route(r, item, &list.v[i]))
            return false;
        for (size_t j = 0; j < i; j++)
            if (str_eq(list.v[i].zone, list.v[j].zone))
                return conf_bad(r, "the zone %.*s is there twice", CONF_SHOWN(list.v[i].zone));
    }
    *(struct conf_dns_routes *)field = list;
    return true;
}
