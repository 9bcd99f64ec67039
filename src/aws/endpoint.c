#include "aws/endpoint.h"

#include <stdio.h>

#include "codec/s3_host.h"

static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] > '~')
            return false;
    return true;
}

static bool take_scheme(struct str *rest, bool *is_https)
{
    struct str https = STR("https://"), http = STR("http://");
    *is_https = str_eq_nocase(str_first(*rest, https.n), https);
    if (!*is_https && !str_eq_nocase(str_first(*rest, http.n), http))
        return false;
    *rest = str_from(*rest, *is_https ? https.n : http.n);
    return true;
}

/* Cuts the host, and ":port" in *port, off authority. */
static bool split_authority(struct str authority, struct str *host, struct str *port)
{
    size_t end;
    if (authority.n > 0 && authority.p[0] == '[') {
        end = str_find(authority, ']', 0);
        if (end == authority.n)
            return false;
        *host = str_from(str_first(authority, end), 1);
        *port = str_from(authority, end + 1);
        return str_find(*host, ':', 0) < host->n;
    }
    end = str_find(authority, ':', 0);
    *host = str_first(authority, end);
    *port = str_from(authority, end);
    return true;
}

static bool read_port(struct str text, bool is_https, uint16_t *port)
{
    uint64_t number = is_https ? 443 : 80;
    if (text.n > 0 && (text.p[0] != ':' || !str_to_u64(str_from(text, 1), &number) || number == 0 ||
                       number > 65535))
        return false;
    *port = (uint16_t)number;
    return true;
}

bool aws_endpoint_parse(struct str url, struct aws_endpoint *out)
{
    struct aws_endpoint e = { .path = STR("/") };
    struct str rest = url, port;
    size_t slash;
    if (!is_visible(url) || !take_scheme(&rest, &e.is_https) || str_find(rest, '#', 0) < rest.n ||
        str_find(rest, '\\', 0) < rest.n)
        return false;
    slash = str_find(rest, '/', 0);
    struct str authority = str_first(rest, slash);
    if (slash < rest.n)
        e.path = str_from(rest, slash);
    if (!split_authority(authority, &e.host, &port) || !read_port(port, e.is_https, &e.port))
        return false;
    e.is_ip = str_find(e.host, '%', 0) == e.host.n && addr_parse_ip(e.host, &e.addr);
    if (e.is_ip)
        addr_set_port(&e.addr, e.port);
    else if (!host_name_is_valid(e.host))
        return false;
    *out = e;
    return true;
}

void aws_endpoint_authority(const struct aws_endpoint *e, char out[static AWS_AUTHORITY_BYTES])
{
    bool has_port = e->port != (e->is_https ? 443 : 80);
    bool is_v6 = e->is_ip && addr_family(&e->addr) == AF_INET6;
    int n = snprintf(out, AWS_AUTHORITY_BYTES, "%s%.*s%s", is_v6 ? "[" : "", STR_ARG(e->host),
                     is_v6 ? "]" : "");
    if (has_port && n > 0 && n < AWS_AUTHORITY_BYTES)
        snprintf(out + n, AWS_AUTHORITY_BYTES - (size_t)n, ":%u", e->port);
}

bool aws_endpoint_needs_no_dns(const struct aws_endpoint *e)
{
    return e->is_ip || str_eq_nocase(e->host, STR("localhost")) ||
           str_ends_nocase(e->host, STR(".localhost"));
}
