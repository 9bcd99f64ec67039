#include "codec/dns_rdata.h"

#include "codec/dns_msg.h"

#include <assert.h>

/* In this order: fixed bytes, <character-string>s, names, fixed bytes. */
struct layout {
    uint16_t type;
    bool is_in_only; /* other classes give the type another meaning (RFC 1035: CH A), or none */
    uint8_t n_before, n_strings, n_names, n_after;
};

static const struct layout layouts[] = {
    { DNS_A, true, 4, 0, 0, 0 },           { DNS_NS, false, 0, 0, 1, 0 },
    { 3 /* MD */, false, 0, 0, 1, 0 },     { 4 /* MF */, false, 0, 0, 1, 0 },
    { DNS_CNAME, false, 0, 0, 1, 0 },      { DNS_SOA, false, 0, 0, 2, 20 },
    { 7 /* MB */, false, 0, 0, 1, 0 },     { 8 /* MG */, false, 0, 0, 1, 0 },
    { 9 /* MR */, false, 0, 0, 1, 0 },     { DNS_PTR, false, 0, 0, 1, 0 },
    { 14 /* MINFO */, false, 0, 0, 2, 0 }, { DNS_MX, false, 2, 0, 1, 0 },
    { 17 /* RP */, false, 0, 0, 2, 0 },    { 18 /* AFSDB */, false, 2, 0, 1, 0 },
    { 21 /* RT */, false, 2, 0, 1, 0 },    { 26 /* PX */, true, 2, 0, 2, 0 },
    { DNS_AAAA, true, 16, 0, 0, 0 },       { DNS_SRV, true, 6, 0, 1, 0 },
    { 35 /* NAPTR */, true, 4, 3, 1, 0 },  { 36 /* KX */, true, 2, 0, 1, 0 },
    { DNS_DNAME, false, 0, 0, 1, 0 },
};
static_assert(DNS_RDATA_BYTES >= 4 + 3 * 256 + DNS_NAME_BYTES, "NAPTR fits");

static const struct layout *layout_of(uint16_t type)
{
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && layouts[i].type <= type; i++)
        if (layouts[i].type == type)
            return &layouts[i];
    return NULL;
}

bool dns_rdata_is_known(uint16_t type, uint16_t class)
{
    const struct layout *l = layout_of(type);
    return l != NULL && (class == DNS_CLASS_IN || !l->is_in_only);
}

struct reader {
    struct str rdata; /* the message up to the RDATA's end: pointers lead backwards out of it */
    size_t at;
    uint8_t *out; /* or NULL */
    size_t out_n;
};

static bool read_bytes(struct reader *r, size_t n)
{
    if (r->rdata.n - r->at < n)
        return false;
    if (r->out != NULL && n > 0)
        memcpy(r->out + r->out_n, r->rdata.p + r->at, n);
    r->out_n += n;
    r->at += n;
    return true;
}

static bool read_string(struct reader *r)
{
    return r->at < r->rdata.n && read_bytes(r, 1 + (size_t)(uint8_t)r->rdata.p[r->at]);
}

static bool read_name(struct reader *r)
{
    struct dns_name name;
    if (!dns_name_read(r->rdata, &r->at, &name))
        return false;
    if (r->out != NULL)
        memcpy(r->out + r->out_n, name.wire, name.n);
    r->out_n += name.n;
    return true;
}

bool dns_rdata_expand(struct str message, size_t at, size_t n, uint16_t type, uint8_t *out,
                      size_t *out_n)
{
    const struct layout *l = layout_of(type);
    assert(l != NULL && at <= message.n && n <= message.n - at);
    struct reader r = { .rdata = str_first(message, at + n), .at = at, .out = out };
    if (!read_bytes(&r, l->n_before))
        return false;
    for (unsigned i = 0; i < l->n_strings; i++)
        if (!read_string(&r))
            return false;
    for (unsigned i = 0; i < l->n_names; i++)
        if (!read_name(&r))
            return false;
    if (!read_bytes(&r, l->n_after) || r.at != r.rdata.n)
        return false;
    if (out != NULL)
        *out_n = r.out_n;
    return true;
}
