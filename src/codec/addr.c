#include "codec/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

socklen_t addr_len(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof a->v6 : sizeof a->v4;
}

uint16_t addr_port(const struct addr *a)
{
    return ntohs(a->sa.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
    else
        a->v4.sin_port = htons(port);
}

void addr_from_bytes(int family, const uint8_t *ip, uint16_t port, struct addr *out)
{
    memset(out, 0, sizeof *out);
    out->sa.sa_family = (sa_family_t)family;
    if (family == AF_INET6)
        memcpy(&out->v6.sin6_addr, ip, 16);
    else
        memcpy(&out->v4.sin_addr, ip, 4);
    addr_set_port(out, port);
}

const uint8_t *addr_bytes(const struct addr *a, size_t *n)
{
    if (a->sa.sa_family == AF_INET6) {
        *n = 16;
        return a->v6.sin6_addr.s6_addr;
    }
    *n = 4;
    return (const uint8_t *)&a->v4.sin_addr;
}

void addr_unmap(struct addr *a)
{
    if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return;
    uint8_t ip[4];
    memcpy(ip, a->v6.sin6_addr.s6_addr + 12, 4);
    addr_from_bytes(AF_INET, ip, addr_port(a), a);
}

static bool parse_zone(struct str zone, uint32_t *out)
{
    char name[IF_NAMESIZE];
    uint64_t number;
    if (str_to_u64(zone, &number)) {
        *out = (uint32_t)number;
        return number > 0 && number <= UINT32_MAX;
    }
    if (zone.n == 0 || zone.n >= sizeof name)
        return false;
    memcpy(name, zone.p, zone.n);
    name[zone.n] = 0;
    *out = if_nametoindex(name);
    return *out != 0;
}

bool addr_parse_ip(struct str text, struct addr *out)
{
    char c[INET6_ADDRSTRLEN];
    uint8_t ip[16];
    uint32_t zone = 0;
    size_t percent = str_find(text, '%', 0);
    if (percent < text.n && !parse_zone(str_from(text, percent + 1), &zone))
        return false;
    if (percent == 0 || percent >= sizeof c || memchr(text.p, 0, percent) != NULL)
        return false;
    memcpy(c, text.p, percent);
    c[percent] = 0;
    if (percent == text.n && inet_pton(AF_INET, c, ip) == 1) {
        addr_from_bytes(AF_INET, ip, 0, out);
        return true;
    }
    if (inet_pton(AF_INET6, c, ip) != 1)
        return false;
    addr_from_bytes(AF_INET6, ip, 0, out);
    out->v6.sin6_scope_id = zone;
    return true;
}

static bool parse_port(struct str text, uint16_t *out)
{
    uint64_t v;
    if (text.n > 5 || !str_to_u64(text, &v) || v > UINT16_MAX)
        return false;
    *out = (uint16_t)v;
    return true;
}

bool addr_parse(struct str text, uint16_t default_port, struct addr *out)
{
    struct addr a;
    struct str ip = text;
    uint16_t port = default_port;
    size_t colon = str_find(text, ':', 0);
    if (text.n > 0 && text.p[0] == '[') {
        size_t end = str_find(text, ']', 0);
        if (end == text.n)
            return false;
        ip = str_of(text.p + 1, end - 1);
        struct str rest = str_from(text, end + 1);
        if (rest.n > 0 && (rest.p[0] != ':' || !parse_port(str_from(rest, 1), &port)))
            return false;
        if (!addr_parse_ip(ip, &a) || a.sa.sa_family != AF_INET6)
            return false;
    } else {
        if (colon < text.n && str_find(text, ':', colon + 1) == text.n) {
            ip = colon == 0 ? STR("::") : str_first(text, colon);
            if (!parse_port(str_from(text, colon + 1), &port))
                return false;
        }
        if (!addr_parse_ip(ip, &a))
            return false;
    }
    addr_set_port(&a, port);
    *out = a;
    return true;
}

bool addr_ip_eq(const struct addr *a, const struct addr *b)
{
    size_t n, m;
    const uint8_t *p = addr_bytes(a, &n), *q = addr_bytes(b, &m);
    if (a->sa.sa_family != b->sa.sa_family || memcmp(p, q, n) != 0)
        return false;
    return a->sa.sa_family != AF_INET6 || a->v6.sin6_scope_id == b->v6.sin6_scope_id;
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return addr_ip_eq(a, b) && addr_port(a) == addr_port(b);
}

/* Decimal without leading zeros; returns what is behind it. */
static char *write_number(char *to, unsigned v)
{
    char digits[10];
    int n = 0;
    do
        digits[n++] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    while (n > 0)
        *to++ = digits[--n];
    return to;
}

/* Access lines are full of these: no printf. */
static char *write_v4(char *to, const uint8_t *ip)
{
    for (int i = 0; i < 4; i++) {
        if (i > 0)
            *to++ = '.';
        to = write_number(to, ip[i]);
    }
    return to;
}

const char *addr_ip_text(const struct addr *a, char text[static ADDR_TEXT_BYTES])
{
    size_t n;
    const uint8_t *ip = addr_bytes(a, &n);
    if (a->sa.sa_family == AF_INET) {
        *write_v4(text, ip) = 0;
        return text;
    }
    if (inet_ntop(a->sa.sa_family, ip, text, ADDR_TEXT_BYTES) == NULL)
        memcpy(text, "?", 2);
    if (a->sa.sa_family == AF_INET6 && a->v6.sin6_scope_id != 0) {
        size_t used = strlen(text);
        snprintf(text + used, ADDR_TEXT_BYTES - used, "%%%u", a->v6.sin6_scope_id);
    }
    return text;
}

const char *addr_text(const struct addr *a, char text[static ADDR_TEXT_BYTES])
{
    char ip[ADDR_TEXT_BYTES];
    addr_ip_text(a, ip);
    if (a->sa.sa_family == AF_INET) {
        char *end = stpcpy(text, ip);
        *end++ = ':';
        *write_number(end, addr_port(a)) = 0;
        return text;
    }
    /* 45 bytes of address, 11 of zone, 8 of brackets and port, NUL: it always fits; the width says
     * so. */
    snprintf(text, ADDR_TEXT_BYTES, a->sa.sa_family == AF_INET6 ? "[%.55s]:%u" : "%.55s:%u", ip,
             (unsigned)addr_port(a));
    return text;
}

static bool prefix_eq(const uint8_t *p, const uint8_t *q, unsigned n_bits)
{
    unsigned n = n_bits / 8, rest = n_bits % 8;
    if (memcmp(p, q, n) != 0)
        return false;
    return rest == 0 || ((p[n] ^ q[n]) >> (8 - rest)) == 0;
}

bool cidr_parse(struct str text, struct cidr *out)
{
    struct cidr c;
    size_t slash = str_find(text, '/', 0), n;
    if (str_find(text, '%', 0) < text.n || !addr_parse_ip(str_first(text, slash), &c.addr))
        return false;
    const uint8_t *ip = addr_bytes(&c.addr, &n);
    uint64_t bits = n * 8;
    if (slash < text.n) {
        struct str number = str_from(text, slash + 1);
        if (number.n > 3 || !str_to_u64(number, &bits) || bits > n * 8)
            return false;
    }
    c.prefix_bits = (unsigned)bits;
    for (unsigned i = c.prefix_bits; i < n * 8; i++)
        if ((ip[i / 8] >> (7 - i % 8) & 1) != 0)
            return false;
    *out = c;
    return true;
}

bool cidr_has(const struct cidr *c, const struct addr *a)
{
    struct addr b = *a;
    size_t n;
    if (c->addr.sa.sa_family == AF_INET)
        addr_unmap(&b);
    if (c->addr.sa.sa_family != b.sa.sa_family)
        return false;
    return prefix_eq(addr_bytes(&c->addr, &n), addr_bytes(&b, &n), c->prefix_bits);
}

/* First match wins. */
static const struct {
    uint8_t prefix[4];
    unsigned n_bits;
    enum addr_class class;
} v4_classes[] = {
    { { 0 }, 8, ADDR_UNSPECIFIED },        { { 127 }, 8, ADDR_LOOPBACK },
    { { 169, 254 }, 16, ADDR_LINK_LOCAL }, { { 224 }, 4, ADDR_MULTICAST },
    { { 240 }, 4, ADDR_MULTICAST },
};

enum { NOT_INSIDE = 0 };

/* First match wins. v4_at: where the IPv4 address inside begins; then that one is classified. */
static const struct {
    uint8_t prefix[16];
    unsigned n_bits;
    unsigned v4_at;
    enum addr_class class;
} v6_classes[] = {
    { { 0 }, 128, NOT_INSIDE, ADDR_UNSPECIFIED },
    { { [15] = 1 }, 128, NOT_INSIDE, ADDR_LOOPBACK },
    { { 0 }, 96, 12, ADDR_GLOBAL },                        /* v4-compatible */
    { { [10] = 0xff, [11] = 0xff }, 96, 12, ADDR_GLOBAL }, /* v4-mapped */
    { { [8] = 0xff, [9] = 0xff }, 96, 12, ADDR_GLOBAL },   /* v4-translated, RFC 7915 */
    { { 0, 0x64, 0xff, 0x9b }, 96, 12, ADDR_GLOBAL },      /* NAT64, RFC 6052 */
    { { 0x20, 0x02 }, 16, 2, ADDR_GLOBAL },                /* 6to4, RFC 3056 */
    { { 0xfe, 0x80 }, 10, NOT_INSIDE, ADDR_LINK_LOCAL },
    { { 0xfd, 0x00, 0x0e, 0xc2 }, 32, NOT_INSIDE, ADDR_LINK_LOCAL }, /* EC2's own services */
    { { 0xff }, 8, NOT_INSIDE, ADDR_MULTICAST },
};

static enum addr_class classify_v4(const uint8_t ip[4])
{
    for (size_t i = 0; i < sizeof v4_classes / sizeof v4_classes[0]; i++)
        if (prefix_eq(v4_classes[i].prefix, ip, v4_classes[i].n_bits))
            return v4_classes[i].class;
    return ADDR_GLOBAL;
}

/* RFC 8215: 64:ff9b:1::/48 is for NAT64 of one's own, with IPv4 after 48 bits (skipping octet 8) or
 * after 96. */
static enum addr_class classify_local_nat64(const uint8_t ip[16])
{
    static const uint8_t none[4];
    if (memcmp(ip + 12, none, 4) != 0)
        return classify_v4(ip + 12);
    return classify_v4((const uint8_t[4]){ ip[6], ip[7], ip[9], ip[10] });
}

enum addr_class addr_classify(const struct addr *a)
{
    static const uint8_t local_nat64[6] = { 0, 0x64, 0xff, 0x9b, 0, 1 };
    size_t n;
    const uint8_t *ip = addr_bytes(a, &n);
    if (n == 4)
        return classify_v4(ip);
    if (prefix_eq(local_nat64, ip, 48))
        return classify_local_nat64(ip);
    for (size_t i = 0; i < sizeof v6_classes / sizeof v6_classes[0]; i++) {
        if (!prefix_eq(v6_classes[i].prefix, ip, v6_classes[i].n_bits))
            continue;
        return v6_classes[i].v4_at != NOT_INSIDE ? classify_v4(ip + v6_classes[i].v4_at)
                                                 : v6_classes[i].class;
    }
    return ADDR_GLOBAL;
}

const char *addr_class_name(enum addr_class c)
{
    static const char *const names[] = {
        [ADDR_GLOBAL] = "global",       [ADDR_UNSPECIFIED] = "unspecified",
        [ADDR_LOOPBACK] = "loopback",   [ADDR_LINK_LOCAL] = "link-local",
        [ADDR_MULTICAST] = "multicast",
    };
    return names[c];
}
