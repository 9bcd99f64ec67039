#include "conf/value.h"

/*
 * INTERNAL_REGISTRY_URL. What stands before an '@' may be a password, so a URL with one is
 * refused before anything of it is shown.
 */

static bool is_path(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~' || strchr("\"<>\\^`{|}", s.p[i]))
            return false;
    return true;
}

/* A name whose last label is a number looks like an address and is none ("1.2.3", "10.0.0.256"). */
static bool ends_in_number(struct str name)
{
    size_t n = 0;
    while (n < name.n && ascii_is_digit(name.p[name.n - 1 - n]))
        n++;
    return n > 0 && (n == name.n || name.p[name.n - 1 - n] == '.');
}

/* What stands around the host: nothing, or brackets; and behind it: nothing, or ":443". */
struct authority {
    struct str host, port;
    bool has_brackets;
};

static bool split_authority(struct str text, struct authority *out)
{
    out->has_brackets = str_starts(text, STR("["));
    size_t end = str_find(text, out->has_brackets ? ']' : ':', 0);
    if (out->has_brackets && end == text.n)
        return false;
    out->host = str_from(str_first(text, end), out->has_brackets);
    out->port = str_from(text, end + out->has_brackets);
    return out->host.n > 0;
}

static bool take_port(struct conf_reader *r, struct str port, struct conf_registry *reg)
{
    uint64_t value;
    if (port.n == 0)
        return true; /* the scheme's */
    if (port.p[0] != ':' || !str_to_u64(str_from(port, 1), &value) || value == 0 || value > 65535)
        return conf_bad(r, "malformed: \"%.*s\" behind the host is no port", CONF_SHOWN(port));
    reg->port = (uint16_t)value;
    return true;
}

static bool take_host(struct conf_reader *r, const struct authority *a, struct conf_registry *reg)
{
    struct addr literal;
    reg->host = a->host;
    reg->is_literal = str_find(a->host, '%', 0) == a->host.n && addr_parse_ip(a->host, &literal) &&
                      (addr_family(&literal) == AF_INET6) == a->has_brackets;
    if (reg->is_literal) {
        if (addr_classify(&literal) == ADDR_UNSPECIFIED)
            return conf_bad(r, "%.*s is no address to connect to", CONF_SHOWN(a->host));
        return true;
    }
    if (reg->host.n > 1 && reg->host.p[reg->host.n - 1] == '.')
        reg->host.n--;
    /* An underscore is no letter of a host name, but container networks hand out such names. */
    if (a->has_brackets || !conf_is_name(reg->host, "_") || ends_in_number(reg->host))
        return conf_bad(r, "malformed: \"%.*s\" is neither a host name nor an address",
                        CONF_SHOWN(a->host));
    return true;
}

static bool keep(struct conf_reader *r, const struct authority *a, struct conf_registry *reg)
{
    struct arena *arena = &r->conf->arena;
    struct buf text;
    buf_init(&text, 512);
    buf_printf(&text, a->has_brackets ? "[%.*s]" : "%.*s", STR_ARG(reg->host));
    buf_append(&text, a->port);
    reg->authority = arena_copy(arena, buf_str(&text));
    buf_done(&text);
    reg->host = arena_copy(arena, reg->host);
    reg->path = arena_copy(arena, reg->path);
    return (reg->authority.p && reg->host.p && reg->path.p) || conf_no_memory(r);
}

/* The scheme and "://" go; false when there is none of the two. */
static bool take_scheme(struct str *rest, struct conf_registry *reg)
{
    struct str http = STR("http://"), https = STR("https://");
    bool is_https = str_eq_nocase(str_first(*rest, https.n), https);
    if (!is_https && !str_eq_nocase(str_first(*rest, http.n), http))
        return false;
    *rest = str_from(*rest, is_https ? https.n : http.n);
    reg->scheme = is_https ? CONF_HTTPS : CONF_HTTP;
    reg->port = is_https ? 443 : 80;
    return true;
}

bool conf_parse_registry(struct conf_reader *r, struct str text, void *field)
{
    struct conf_registry reg = { 0 };
    struct authority authority;
    size_t end = 0;
    if (str_find(text, '@', 0) < text.n)
        return conf_bad(r, "malformed: a user name, a password or an '@' has no place in it");
    if (!take_scheme(&text, &reg))
        return conf_bad(r, "must begin with http:// or https:// (%.*s)", CONF_SHOWN(text));
    if (str_find(text, '?', 0) < text.n || str_find(text, '#', 0) < text.n)
        return conf_bad(r, "malformed: a query or fragment has no place in it");
    end = str_find(text, '/', 0);
    reg.path = str_from(text, end);
    while (str_ends(reg.path, STR("/")))
        reg.path.n--;
    if (text.n > 2048 || !is_path(reg.path))
        return conf_bad(r, "malformed: the path is too long or holds a character that no URL has");
    if (!split_authority(str_first(text, end), &authority))
        return conf_bad(r, "malformed: there is no host");
    if (!take_port(r, authority.port, &reg) || !take_host(r, &authority, &reg) ||
        !keep(r, &authority, &reg))
        return false;
    *(struct conf_registry *)field = reg;
    return true;
}
