#include "dns/report.h"
#include "dns/shared.h"

#include <stdio.h>

/* What the cache had to do with it. */
static const char *cache_of(const struct dns_explain *x, enum dns_outcome result)
{
    bool is_no = dns_outcome_is_negative(result), all_known = x->n_tries > 0;
    for (unsigned i = 0; i < x->n_tries; i++)
        all_known = all_known && x->tries[i].from_cache && x->tries[i].outcome != DNS_SINKHOLE;
    if (x->source == DNS_FROM_STALE)
        return "stale";
    if (is_no && (all_known || x->source == DNS_FROM_CACHE))
        return "negative";
    if (x->source == DNS_FROM_CACHE)
        return "fresh";
    return all_known ? "failed" : "no";
}

/* One word for a shell, whatever stands in the name. */
static void append_word(struct buf *out, struct str word)
{
    bool is_plain = word.n > 0;
    for (size_t i = 0; i < word.n; i++)
        is_plain = is_plain && (ascii_is_alpha(word.p[i]) || ascii_is_digit(word.p[i]) ||
                                strchr("._-:%", word.p[i]) != NULL);
    if (is_plain) {
        buf_append(out, word);
        return;
    }
    buf_byte(out, '\'');
    for (size_t i = 0; i < word.n; i++)
        buf_append(out, word.p[i] == '\'' ? STR("'\\''") : str_of(word.p + i, 1));
    buf_byte(out, '\'');
}

/* -q and -t: a name may look like an option or like a type. */
static void write_dig(struct json *j, const struct dns_try *t, const char *name)
{
    char server[ADDR_TEXT_BYTES], type[16];
    struct buf line;
    buf_init(&line, 4096);
    buf_append(&line, STR("dig @"));
    append_word(&line, str_from_c(addr_ip_text(&t->server, server)));
    if (addr_port(&t->server) != 53)
        buf_printf(&line, " -p %u", addr_port(&t->server));
    buf_append(&line, t->by_tcp ? STR(" +tcp -q ") : STR(" -q "));
    append_word(&line, str_from_c(name));
    buf_printf(&line, " -t %s", dns_type_text(t->type, type));
    json_put_str(j, "dig", buf_str(&line));
    buf_done(&line);
}

/* The name that a try asked for. Of several aliases with routes of their own the last is known. */
static const char *name_of(const struct dns_explain *x, const struct dns_try *t,
                           char text[static DNS_NAME_TEXT_BYTES])
{
    if (t->hop == 0)
        return dns_name_text(&x->qname, text);
    return t->hop == x->n_hops ? dns_name_text(&x->alias, text) : NULL;
}

static void write_try(const struct dns_explain *x, const struct dns_try *t, bool is_answered,
                      struct json *j)
{
    char text[ADDR_TEXT_BYTES], type[16], name_text[DNS_NAME_TEXT_BYTES];
    const char *name = name_of(x, t, name_text);
    json_open(j, NULL, '{');
    json_put_text(j, "server", addr_text(&t->server, text));
    json_put_text(j, "group", t->group_name);
    json_put_text(j, "name", name);
    json_put_text(j, "type", dns_type_text(t->type, type));
    /* Where another answered first, no reply yet says nothing against a server. */
    bool is_open = t->is_pending && is_answered;
    json_put_text(j, "result", is_open ? "not waited for" : dns_outcome_text(t->outcome));
    json_put_bool(j, "answered", t->outcome == DNS_ANSWERED);
    json_put_bool(j, "tcp", t->by_tcp);
    json_put_bool(j, "known", t->from_cache);
    json_put_ms(j, "took_ms", t->took_us);
    if (name != NULL && !t->from_cache)
        write_dig(j, t, name);
    json_close(j, '{');
}

static void write_hop(const struct dns_name *name, const struct dns_routes *routes, struct json *j)
{
    char text[DNS_NAME_TEXT_BYTES];
    const struct dns_route *route = dns_routes_find(routes, name);
    json_open(j, NULL, '{');
    json_put_text(j, "name", dns_name_text(name, text));
    json_put_text(j, "zone", dns_name_text(&route->zone, text));
    json_put_text(j, "from", route->from);
    json_close(j, '{');
}

void dns_explain_json(const struct dns_explain *x, enum dns_outcome result,
                      struct dns_routes *routes, struct json *j)
{
    char text[DNS_NAME_TEXT_BYTES];
    bool has_failed = result != DNS_ANSWERED && !dns_outcome_is_negative(result);
    bool is_nobody = has_failed && x->n_tries == 0;
    json_put_text(j, "result", is_nobody ? "no server to ask" : dns_outcome_text(result));
    if (x->route_from != NULL) {
        json_open(j, "route", '{');
        json_put_text(j, "zone", dns_name_text(&x->zone, text));
        json_put_text(j, "from", x->route_from);
        json_close(j, '{');
    } else {
        json_put_null(j, "route");
    }
    json_put_text(j, "group", x->group_name);
    json_put_text(j, "source", dns_source_text(x->source));
    json_put_text(j, "cache", cache_of(x, result));
    json_put_u64(j, "ttl_s", x->ttl_s);
    json_put_u64(j, "stale_s", x->stale_s);
    json_put_ms(j, "took_ms", x->took_us);
    json_put_u64(j, "n_aliases", x->n_cnames);
    json_open(j, "hops", '[');
    if (x->n_hops > 0)
        write_hop(&x->alias, routes, j);
    json_close(j, '[');
    json_open(j, "tries", '[');
    for (unsigned i = 0; i < x->n_tries; i++)
        write_try(x, &x->tries[i], result == DNS_ANSWERED, j);
    json_close(j, '[');
    json_put_u64(j, "more_tries", x->n_more);
}
