/* penstock's own lines (docs/ACCESS-LOG.md), also as a string inside another program's JSON. */
#include "doctor/log_read.h"

#define N(rows) (sizeof(rows) / sizeof *(rows))

/*
 * A line as it is written in the log: its quotes may be escaped or doubled. Quotes inside its
 * values look different then, so that a client's bytes are never taken for a key.
 */
struct object {
    struct str line;
    struct str quote; /* `"`, `\"` or `""` */
};

static bool is_quote(char c)
{
    return c == '"' || c == '\\';
}

/* How the key "event" is quoted, which every line has. */
static bool read_object(struct str line, struct object *o)
{
    static const struct str key = STR_INIT("event");
    for (size_t at = log_find(line, key); at < line.n;
         at += 1 + log_find(str_from(line, at + 1), key)) {
        size_t n = 0;
        while (n < at && is_quote(line.p[at - n - 1]))
            n++;
        *o = (struct object){ line, str_of(line.p + at - n, n) };
        struct str behind = str_from(line, at + key.n);
        if (n > 0 && str_starts(behind, o->quote) && str_starts(str_from(behind, n), STR(":")))
            return true;
    }
    return false;
}

/* What stands behind `,"key":"`; nothing where there is no such key. */
static struct str behind_key(const struct object *o, struct str key)
{
    struct str rest = o->line;
    size_t q = o->quote.n;
    for (size_t at = log_find(rest, key); at < rest.n; at = log_find(rest, key)) {
        struct str before = str_first(rest, at), behind = str_from(rest, at + key.n);
        rest = behind;
        if (!str_ends(before, o->quote) || !str_ends(str_first(before, at - q), STR(",")) ||
            !str_starts(behind, o->quote) || !str_starts(str_from(behind, q), STR(":")))
            continue;
        struct str value = str_from(behind, q + 1);
        return str_starts(value, o->quote) ? str_from(value, q) : value;
    }
    return str_of(o->line.p, 0);
}

static struct str value_of(const struct object *o, struct str key)
{
    struct str value = behind_key(o, key);
    return str_first(value, log_find(value, o->quote));
}

static const struct log_phrase ends[] = {
    { STR_INIT("dns_failed"), LOG_KIND_UNRESOLVED },
    { STR_INIT("dns_timeout"), LOG_KIND_DNS_TIMEOUT },
    { STR_INIT("dns_no_server"), LOG_KIND_NO_RESOLVER },
    { STR_INIT("address_denied"), LOG_KIND_SINKHOLE },
    { STR_INIT("connect_refused"), LOG_KIND_CONNECT_REFUSED },
    { STR_INIT("connect_unreachable"), LOG_KIND_CONNECT_UNREACHABLE },
    { STR_INIT("connect_failed"), LOG_KIND_CONNECT_FAILED },
    { STR_INIT("connect_timeout"), LOG_KIND_CONNECT_TIMEOUT },
    { STR_INIT("tls_timeout"), LOG_KIND_TLS_TIMEOUT },
    { STR_INIT("tls_untrusted"), LOG_KIND_CERT_UNTRUSTED },
    { STR_INIT("tls_name"), LOG_KIND_CERT_NAME },
    { STR_INIT("tls_failed"), LOG_KIND_TLS_FAILED },
    { STR_INIT("upstream_closed"), LOG_KIND_CLOSED },
    { STR_INIT("upstream_reset"), LOG_KIND_CLOSED },
    { STR_INIT("upstream_head_timeout"), LOG_KIND_SLOW },
    { STR_INIT("upstream_stalled"), LOG_KIND_SLOW },
};

static const struct log_phrase events[] = {
    { STR_INIT("dns_no_server"), LOG_KIND_NO_RESOLVER },
    { STR_INIT("dns_server_suspect"), LOG_KIND_DNS_SUSPECT },
    { STR_INIT("dns_group_switched"), LOG_KIND_DNS_SWITCHED },
    { STR_INIT("dns_over_budget"), LOG_KIND_DNS_BUDGET },
};

static enum log_kind kind_of(const struct log_phrase *v, size_t n, struct str value)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(v[i].text, value))
            return v[i].kind;
    return LOG_KIND_NONE;
}

/* What the first server said: it is the one that other programs would have asked. */
static enum log_kind refine(enum log_kind kind, struct str detail)
{
    static const struct log_phrase dns[] = {
        { STR_INIT("NXDOMAIN"), LOG_KIND_NAME_UNKNOWN },
        { STR_INIT("NODATA"), LOG_KIND_NO_ADDRESS },
        { STR_INIT("SERVFAIL"), LOG_KIND_SERVER_FAILURE },
        { STR_INIT("REFUSED"), LOG_KIND_REFUSED },
        { STR_INIT("FORMERR"), LOG_KIND_FORMAT_ERROR },
        { STR_INIT("NOTIMP"), LOG_KIND_NOT_IMPLEMENTED },
        { STR_INIT("no reply"), LOG_KIND_DNS_TIMEOUT },
        { STR_INIT("unreachable"), LOG_KIND_DNS_NO_ROUTE },
        { STR_INIT("unreadable reply"), LOG_KIND_BAD_REPLY },
        { STR_INIT("never dialled"), LOG_KIND_SINKHOLE },
        { STR_INIT("over the packet budget"), LOG_KIND_DNS_BUDGET },
    };
    static const struct log_phrase certificate[] = {
        { STR_INIT("has expired"), LOG_KIND_CERT_DATE },
        { STR_INIT("not yet valid"), LOG_KIND_CERT_DATE },
    };
    static const struct log_phrase handshake[] = {
        { STR_INIT("the peer closed"), LOG_KIND_TLS_CUT },
        { STR_INIT("reset"), LOG_KIND_TLS_CUT },
    };
    enum log_kind finer = LOG_KIND_NONE;
    if (kind == LOG_KIND_UNRESOLVED)
        finer = log_first_phrase(detail, dns, N(dns));
    else if (kind == LOG_KIND_CERT_UNTRUSTED)
        finer = log_first_phrase(detail, certificate, N(certificate));
    else if (kind == LOG_KIND_TLS_FAILED)
        finer = log_first_phrase(detail, handshake, N(handshake));
    return finer != LOG_KIND_NONE ? finer : kind;
}

static bool found(struct log_line *out, enum log_kind kind)
{
    out->kind = kind;
    out->writer = LOG_BY_PENSTOCK;
    return true;
}

/* "10.0.2.53 NXDOMAIN in 3 ms; ...", "10.0.3.98:443 Connection refused; ..." */
static struct str address_at(struct str detail)
{
    struct str server = log_server_at(detail);
    bool is_v6 = server.n > 0 && (*server.p == '[' || log_is_address(server));
    struct str host = is_v6 ? server : str_first(server, str_find(server, ':', 0));
    return is_v6 || (host.n > 0 && log_is_address(host)) ? server : str_of(detail.p, 0);
}

static bool read_access(const struct object *o, enum log_kind kind, struct log_line *out)
{
    struct str detail = behind_key(o, STR("detail"));
    struct str part = log_behind(detail, STR("\" of ")); /* a file of an archive: of which host */
    if (part.n > 0) {
        out->name = log_host_at(part);
        detail = log_behind(part, STR(": "));
    } else {
        struct str followed = value_of(o, STR("followed_host"));
        out->name = log_host_at(followed.n > 0 ? followed : value_of(o, STR("host")));
    }
    out->server = address_at(detail);
    return found(out, refine(kind, detail));
}

static bool read_event(const struct object *o, enum log_kind kind, struct log_line *out)
{
    struct str message = value_of(o, STR("message"));
    if (kind == LOG_KIND_DNS_SWITCHED)
        out->name = log_host_at(message);
    else if (kind != LOG_KIND_NO_RESOLVER)
        out->server = log_server_at(log_behind(message, STR("DNS server ")));
    return found(out, kind);
}

bool log_penstock(struct str line, size_t at, struct log_line *out)
{
    struct object o;
    if (!read_object(line, &o))
        return false;
    enum log_kind kind = kind_of(events, N(events), value_of(&o, STR("event")));
    if (kind != LOG_KIND_NONE)
        return read_event(&o, kind, out);
    kind = kind_of(ends, N(ends), value_of(&o, STR("end")));
    return kind != LOG_KIND_NONE && read_access(&o, kind, out);
}
