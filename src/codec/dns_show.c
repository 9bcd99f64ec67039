#include "codec/dns_show.h"

#include "codec/addr.h"
#include "codec/dns_rdata.h"

static const uint8_t *bytes_of(const struct dns_msg *m, const struct dns_rr *rr)
{
    return (const uint8_t *)m->wire.p + rr->rdata_at;
}

static unsigned u16(const uint8_t *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

static bool show_address(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out)
{
    struct addr a;
    char text[ADDR_TEXT_BYTES];
    if (rr->rdata_n != (rr->type == DNS_A ? 4 : 16))
        return false;
    addr_from_bytes(rr->type == DNS_A ? AF_INET : AF_INET6, bytes_of(m, rr), 0, &a);
    buf_append(out, str_from_c(addr_ip_text(&a, text)));
    return true;
}

/* n_numbers of 16 bits each, then a name. */
static bool show_name(const struct dns_msg *m, const struct dns_rr *rr, size_t n_numbers,
                      struct buf *out)
{
    struct dns_name name;
    char text[DNS_NAME_TEXT_BYTES];
    size_t at = rr->rdata_at + 2 * n_numbers;
    if (rr->rdata_n <= 2 * n_numbers || !dns_name_read(m->wire, &at, &name) ||
        at != rr->rdata_at + rr->rdata_n)
        return false;
    for (size_t i = 0; i < n_numbers; i++)
        buf_printf(out, "%u ", u16(bytes_of(m, rr) + 2 * i));
    buf_append(out, str_from_c(dns_name_text(&name, text)));
    return true;
}

static bool show_text(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out)
{
    const uint8_t *p = bytes_of(m, rr);
    size_t at = 0;
    while (at < rr->rdata_n && at + 1 + p[at] <= rr->rdata_n)
        at += 1u + p[at];
    if (at != rr->rdata_n || rr->rdata_n == 0)
        return false;
    for (at = 0; at < rr->rdata_n; at += 1u + p[at]) {
        buf_append(out, at > 0 ? STR(" \"") : STR("\""));
        for (unsigned i = 1; i <= p[at]; i++) {
            uint8_t c = p[at + i];
            if (c < ' ' || c > '~')
                buf_printf(out, "\\%03u", c);
            else
                buf_printf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
        }
        buf_byte(out, '"');
    }
    return true;
}

static bool show_soa(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out)
{
    enum { NUMBERS_BYTES = 20 };
    size_t at = rr->rdata_at, end = rr->rdata_at + rr->rdata_n;
    struct dns_name names[2];
    char text[DNS_NAME_TEXT_BYTES];
    if (!dns_name_read(m->wire, &at, &names[0]) || !dns_name_read(m->wire, &at, &names[1]) ||
        at > end || end - at != NUMBERS_BYTES)
        return false;
    for (unsigned i = 0; i < 2; i++)
        buf_printf(out, "%s ", dns_name_text(&names[i], text));
    const uint8_t *p = (const uint8_t *)m->wire.p + at;
    for (unsigned i = 0; i < NUMBERS_BYTES; i += 4)
        buf_printf(out, "%s%u", i > 0 ? " " : "", u16(p + i) << 16 | u16(p + i + 2));
    return true;
}

static bool show_known(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out)
{
    if (rr->class != DNS_CLASS_IN)
        return false;
    switch (rr->type) {
    case DNS_A:
    case DNS_AAAA:
        return show_address(m, rr, out);
    case DNS_CNAME:
    case DNS_DNAME:
    case DNS_NS:
    case DNS_PTR:
        return show_name(m, rr, 0, out);
    case DNS_MX:
        return show_name(m, rr, 1, out);
    case DNS_SRV:
        return show_name(m, rr, 3, out);
    case DNS_TXT:
        return show_text(m, rr, out);
    case DNS_SOA:
        return show_soa(m, rr, out);
    default:
        return false;
    }
}

void dns_show_rdata(const struct dns_msg *m, const struct dns_rr *rr, struct buf *out)
{
    uint8_t expanded[DNS_RDATA_BYTES];
    const uint8_t *p = bytes_of(m, rr);
    size_t n = rr->rdata_n;
    if (show_known(m, rr, out))
        return;
    /* A pointer into the message would say nothing outside of it. */
    if (dns_rdata_is_known(rr->type, rr->class) &&
        dns_rdata_expand(m->wire, rr->rdata_at, rr->rdata_n, rr->type, expanded, &n))
        p = expanded;
    buf_printf(out, "\\# %zu", n);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%02x", i == 0 ? " " : "", p[i]);
}
