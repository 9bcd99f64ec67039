#include "doctor/log_read.h"

#include "codec/addr.h"

const struct log_kind_row *log_kind_row(enum log_kind kind)
{
    static const struct log_kind_row rows[N_LOG_KINDS] = {
        { "none", LOG_ABOUT_PEER, false, "", "" },
#define LOG_KIND(id, name, about, is_consequence, hints, meaning)                                  \
    { name, LOG_ABOUT_##about, is_consequence, hints, meaning },
#include "doctor/log_kind.def"
#undef LOG_KIND
    };
    return &rows[kind];
}

const char *log_writer_name(enum log_writer writer)
{
    static const char *const names[] = { [LOG_BY_NGINX] = "nginx",
                                         [LOG_BY_PENSTOCK] = "penstock",
                                         [LOG_BY_GO] = "Go",
                                         [LOG_BY_OTHERS] = "another program" };
    return names[writer];
}

size_t log_find(struct str s, struct str part)
{
    const char *found = s.n >= part.n && s.n > 0 ? memmem(s.p, s.n, part.p, part.n) : NULL;
    return found != NULL ? (size_t)(found - s.p) : s.n;
}

struct str log_behind(struct str s, struct str part)
{
    size_t at = log_find(s, part);
    return at < s.n ? str_from(s, at + part.n) : str_of(s.p, 0);
}

static bool is_host_byte(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c) || c == '.' || c == '-' || c == '_';
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '\\' || c == '`';
}

static struct str without_quotes(struct str s)
{
    while (s.n > 0 && (is_quote(*s.p) || *s.p == ' '))
        s = str_from(s, 1);
    return s;
}

struct str log_host_at(struct str s)
{
    size_t n = 0;
    s = without_quotes(s);
    while (n < s.n && is_host_byte(s.p[n]))
        n++;
    /* A full stop that ends the sentence, or the root: no part of the name. */
    while (n > 0 && s.p[n - 1] == '.')
        n--;
    return str_first(s, n);
}

struct str log_host_before(struct str line, size_t at)
{
    size_t end = at;
    while (end > 0 && is_quote(line.p[end - 1]))
        end--;
    size_t from = end;
    while (from > 0 && is_host_byte(line.p[from - 1]))
        from--;
    return log_host_at(str_of(line.p + from, end - from));
}

struct str log_server_at(struct str s)
{
    size_t n = 0;
    s = without_quotes(s);
    while (n < s.n && (is_host_byte(s.p[n]) || strchr(":[]%", s.p[n]) != NULL) && s.p[n] != 0)
        n++;
    while (n > 0 && (s.p[n - 1] == ':' || s.p[n - 1] == '.'))
        n--;
    return str_first(s, n);
}

bool log_is_address(struct str host)
{
    struct addr addr;
    return host.n == 0 || addr_parse_ip(host, &addr);
}

void log_authority_at(struct str s, struct log_line *out)
{
    size_t end = 0;
    while (end < s.n && !is_quote(s.p[end]) && strchr("/?# ,", s.p[end]) == NULL)
        end++;
    struct str authority = str_first(s, end);
    size_t user = str_find(authority, '@', 0);
    if (user < authority.n)
        authority = str_from(authority, user + 1);
    struct str host = log_host_at(authority);
    if (log_is_address(host)) /* an IPv6 one is in brackets, so host is empty */
        out->server = log_server_at(authority);
    else
        out->name = host;
}

void log_last_url(struct str text, struct log_line *out)
{
    enum { FAR = 4096 }; /* further in front it belongs to something else */
    struct str near = text.n > FAR ? str_from(text, text.n - FAR) : text;
    struct str url = log_behind(near, STR("://"));
    for (struct str next = url; next.n > 0; next = log_behind(next, STR("://")))
        url = next;
    if (url.n > 0)
        log_authority_at(url, out);
}

bool log_is_sinkhole(const struct log_line *l)
{
    struct addr addr;
    if (l->name.n == 0 || !addr_parse(l->server, 0, &addr))
        return false;
    enum addr_class class = addr_classify(&addr);
    return class == ADDR_UNSPECIFIED || (class == ADDR_LOOPBACK && addr_port(&addr) == 443);
}

enum log_kind log_first_phrase(struct str s, const struct log_phrase *v, size_t n)
{
    enum log_kind kind = LOG_KIND_NONE;
    struct str before = s;
    for (size_t i = 0; i < n; i++) {
        size_t at = log_find(before, v[i].text);
        if (at == before.n)
            continue;
        kind = v[i].kind;
        before = str_first(before, at + v[i].text.n - 1);
    }
    return kind;
}
