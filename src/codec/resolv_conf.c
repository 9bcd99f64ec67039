#include "codec/resolv_conf.h"

#include "codec/dns_name.h"

#include <arpa/inet.h>

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\0' || c == '\v' || c == '\f';
}

/* Cuts the next word off *line; false when there is none. */
static bool next_word(struct str *line, struct str *word)
{
    size_t at = 0, end;
    while (at < line->n && is_blank(line->p[at]))
        at++;
    for (end = at; end < line->n && !is_blank(line->p[end]);)
        end++;
    if (at == end)
        return false;
    *word = str_of(line->p + at, end - at);
    *line = str_from(*line, end);
    return true;
}

/* The same, where a word that begins with a comment's sign ends the line. */
static bool next_value(struct str *line, struct str *word)
{
    return next_word(line, word) && word->p[0] != '#' && word->p[0] != ';';
}

/* Whole lines within max_bytes: half a name would be another name. */
static struct str whole_lines(struct str text, size_t max_bytes)
{
    if (text.n <= max_bytes)
        return text;
    while (max_bytes > 0 && text.p[max_bytes - 1] != '\n')
        max_bytes--;
    return str_first(text, max_bytes);
}

static bool is_address_of(int family, struct str s)
{
    char c[INET6_ADDRSTRLEN];
    uint8_t address[16];
    if (s.n == 0 || s.n >= sizeof c || memchr(s.p, 0, s.n) != NULL)
        return false;
    memcpy(c, s.p, s.n);
    c[s.n] = 0;
    return inet_pton(family, c, address) == 1;
}

static bool is_v6(struct str s)
{
    size_t zone = str_find(s, '%', 0);
    return zone + 1 != s.n && is_address_of(AF_INET6, str_first(s, zone));
}

static bool is_port(struct str s)
{
    uint64_t port;
    return str_to_u64(s, &port) && port > 0 && port <= UINT16_MAX;
}

/* ADDRESS, IPV4:PORT, [IPV6], [IPV6]:PORT */
static bool is_server(struct str s)
{
    if (s.n > 0 && s.p[0] == '[') {
        size_t close = str_find(s, ']', 0);
        struct str after = str_from(s, close + 1);
        return close < s.n && is_v6(str_of(s.p + 1, close - 1)) &&
               (after.n == 0 || (after.p[0] == ':' && is_port(str_from(after, 1))));
    }
    if (is_v6(s))
        return true;
    size_t colon = str_find(s, ':', 0);
    return is_address_of(AF_INET, str_first(s, colon)) &&
           (colon == s.n || is_port(str_from(s, colon + 1)));
}

static bool take_server(struct resolv_conf *out, struct str rest, unsigned line)
{
    struct str word;
    if (!next_value(&rest, &word) || !is_server(word))
        return false;
    for (unsigned i = 0; i < out->n_servers; i++)
        if (str_eq_nocase(out->servers[i].text, word))
            return true;
    if (out->n_servers == RESOLV_MAX_SERVERS)
        return false;
    out->servers[out->n_servers++] = (struct resolv_server){ word, line };
    return true;
}

/* A line without any name changes nothing, as in libc. */
static bool take_search(struct resolv_conf *out, struct str rest, unsigned max)
{
    struct str word;
    struct dns_name name;
    unsigned n = 0;
    bool is_good = true;
    while (next_value(&rest, &word)) {
        if (n == max || !dns_name_parse(word, &name)) {
            is_good = false;
            continue;
        }
        out->search[n++] = word;
    }
    if (n > 0)
        out->n_search = n;
    return is_good && n > 0;
}

struct option {
    const char *name;          /* with ':' where a number follows */
    size_t number_at, flag_at; /* offsets in resolv_conf; 0: libc's, of no meaning here */
    unsigned min, max;
};

static const struct option options[] = {
    { "ndots:", offsetof(struct resolv_conf, ndots), 0, 0, 15 },
    { "timeout:", offsetof(struct resolv_conf, timeout_s), 0, 1, 30 },
    { "attempts:", offsetof(struct resolv_conf, attempts), 0, 1, 5 },
    { "rotate", 0, offsetof(struct resolv_conf, rotate), 0, 0 },
    { "use-vc", 0, offsetof(struct resolv_conf, use_tcp), 0, 0 },
    { "edns0", 0, offsetof(struct resolv_conf, edns0), 0, 0 },
    { "debug", 0, 0, 0, 0 },
    { "inet6", 0, 0, 0, 0 },
    { "ip6-bytestring", 0, 0, 0, 0 },
    { "ip6-dotint", 0, 0, 0, 0 },
    { "no-ip6-dotint", 0, 0, 0, 0 },
    { "no-aaaa", 0, 0, 0, 0 },
    { "no-check-names", 0, 0, 0, 0 },
    { "no-reload", 0, 0, 0, 0 },
    { "no-tld-query", 0, 0, 0, 0 },
    { "single-request", 0, 0, 0, 0 },
    { "single-request-reopen", 0, 0, 0, 0 },
    { "strict-error", 0, 0, 0, 0 },
    { "trust-ad", 0, offsetof(struct resolv_conf, trust_ad), 0, 0 },
};

static bool take_option(struct resolv_conf *out, struct str word)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const struct option *o = &options[i];
        struct str name = str_from_c(o->name);
        if (o->number_at == 0) {
            if (!str_eq(word, name))
                continue;
            if (o->flag_at != 0)
                *(bool *)((char *)out + o->flag_at) = true;
            return true;
        }
        uint64_t v;
        if (!str_starts(word, name))
            continue;
        if (!str_to_u64(str_from(word, name.n), &v))
            return false;
        *(unsigned *)(void *)((char *)out + o->number_at) = v > o->max   ? o->max
                                                            : v < o->min ? o->min
                                                                         : (unsigned)v;
        return true;
    }
    return false;
}

static bool take_options(struct resolv_conf *out, struct str rest)
{
    struct str word;
    bool is_good = true;
    while (next_value(&rest, &word))
        is_good = take_option(out, word) && is_good;
    return is_good;
}

static bool take_line(struct resolv_conf *out, struct str rest, unsigned line)
{
    struct str keyword;
    if (!next_value(&rest, &keyword))
        return true;
    if (str_eq(keyword, STR("nameserver")))
        return take_server(out, rest, line);
    if (str_eq(keyword, STR("search")))
        return take_search(out, rest, RESOLV_MAX_SEARCH);
    if (str_eq(keyword, STR("domain")))
        return take_search(out, rest, 1);
    if (str_eq(keyword, STR("options")))
        return take_options(out, rest);
    return str_eq(keyword, STR("sortlist"));
}

void resolv_conf_parse(struct str text, struct resolv_conf *out)
{
    *out = (struct resolv_conf){ .ndots = 1, .timeout_s = 5, .attempts = 2 };
    struct str rest = whole_lines(text, RESOLV_CONF_BYTES), line;
    if (rest.n < text.n)
        out->n_bad_lines++;
    for (unsigned n = 1; str_next(&rest, '\n', &line); n++)
        if (!take_line(out, line, n))
            out->n_bad_lines++;
}

void hosts_parse(struct str text, hosts_on_entry *on_entry, void *arg)
{
    struct str rest = whole_lines(text, HOSTS_BYTES), line, address, name;
    for (unsigned n = 1; str_next(&rest, '\n', &line); n++) {
        line = str_first(line, str_find(line, '#', 0));
        if (!next_word(&line, &address))
            continue;
        while (next_word(&line, &name))
            if (!on_entry(arg, address, name, n))
                return;
    }
}
