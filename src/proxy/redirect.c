#include "proxy/redirect.h"

#include "codec/http1.h"

/* Bytes above 127 pass, as they do in a request's target. */
static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return true;
    return false;
}

/* RFC 3986 section 3.1: a letter, then letters, digits, "+", "-" and ".", then a colon. */
static bool has_scheme(struct str s)
{
    size_t n = 0;
    while (n < s.n && (ascii_is_alpha(s.p[n]) ||
                       (n > 0 && (ascii_is_digit(s.p[n]) || strchr("+-.", s.p[n]) != NULL))))
        n++;
    return n > 0 && n < s.n && s.p[n] == ':';
}

static enum redirect_flaw take_scheme(struct str *rest, struct redirect *out)
{
    struct str https = STR("https://"), http = STR("http://");
    out->is_https = str_eq_nocase(str_first(*rest, https.n), https);
    if (!out->is_https && !str_eq_nocase(str_first(*rest, http.n), http))
        return has_scheme(*rest) ? REDIRECT_SCHEME : REDIRECT_RELATIVE;
    *rest = str_from(*rest, out->is_https ? https.n : http.n);
    return REDIRECT_OK;
}

static size_t authority_end(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '/' && s.p[n] != '?')
        n++;
    return n;
}

/* An empty port is no port (RFC 3986 section 3.2.3). */
static enum redirect_flaw take_authority(struct str authority, struct redirect *out)
{
    uint16_t usual = out->is_https ? 443 : 80;
    uint64_t port = usual;
    if (str_find(authority, '@', 0) < authority.n)
        return REDIRECT_USERINFO;
    size_t colon = str_find(authority, ':', 0);
    struct str digits = str_from(authority, colon + 1);
    if (digits.n > 0 && (digits.p[0] == '0' || !str_to_u64(digits, &port) || port > UINT16_MAX))
        return REDIRECT_PORT;
    out->host = str_first(authority, colon);
    out->port = (uint16_t)port;
    out->authority = port == usual ? out->host : authority;
    return REDIRECT_OK;
}

enum redirect_flaw redirect_split(struct str location, struct redirect *out)
{
    struct redirect r = { .is_https = false };
    if (location.n == 0)
        return REDIRECT_EMPTY;
    if (location.n > HTTP_TARGET_BYTES)
        return REDIRECT_TOO_LONG;
    if (has_control(location))
        return REDIRECT_CONTROL;
    struct str rest = str_first(location, str_find(location, '#', 0));
    enum redirect_flaw flaw = take_scheme(&rest, &r);
    if (flaw != REDIRECT_OK)
        return flaw;
    size_t end = authority_end(rest);
    r.rest = str_from(rest, end);
    r.path = str_first(r.rest, str_find(r.rest, '?', 0));
    flaw = take_authority(str_first(rest, end), &r);
    if (flaw == REDIRECT_OK)
        *out = r;
    return flaw;
}
