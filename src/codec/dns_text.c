/* Names of types and rcodes (IANA's DNS parameters). */
#include "codec/dns_msg.h"

#include <stdio.h>

struct named {
    uint16_t value;
    const char *name;
};

static const struct named rcodes[] = {
    { 0, "NOERROR" },  { 1, "FORMERR" },  { 2, "SERVFAIL" },   { 3, "NXDOMAIN" }, { 4, "NOTIMP" },
    { 5, "REFUSED" },  { 6, "YXDOMAIN" }, { 7, "YXRRSET" },    { 8, "NXRRSET" },  { 9, "NOTAUTH" },
    { 10, "NOTZONE" }, { 16, "BADVERS" }, { 23, "BADCOOKIE" },
};

static const struct named types[] = {
    { 1, "A" },        { 2, "NS" },          { 5, "CNAME" },  { 6, "SOA" },     { 12, "PTR" },
    { 13, "HINFO" },   { 15, "MX" },         { 16, "TXT" },   { 17, "RP" },     { 18, "AFSDB" },
    { 24, "SIG" },     { 25, "KEY" },        { 28, "AAAA" },  { 29, "LOC" },    { 33, "SRV" },
    { 35, "NAPTR" },   { 36, "KX" },         { 37, "CERT" },  { 39, "DNAME" },  { 41, "OPT" },
    { 43, "DS" },      { 44, "SSHFP" },      { 46, "RRSIG" }, { 47, "NSEC" },   { 48, "DNSKEY" },
    { 50, "NSEC3" },   { 51, "NSEC3PARAM" }, { 52, "TLSA" },  { 53, "SMIMEA" }, { 59, "CDS" },
    { 60, "CDNSKEY" }, { 61, "OPENPGPKEY" }, { 64, "SVCB" },  { 65, "HTTPS" },  { 99, "SPF" },
    { 249, "TKEY" },   { 250, "TSIG" },      { 251, "IXFR" }, { 252, "AXFR" },  { 255, "ANY" },
    { 256, "URI" },    { 257, "CAA" },
};

static const char *name_of(const struct named *rows, size_t n, unsigned value, const char *prefix,
                           char text[static 16])
{
    for (size_t i = 0; i < n; i++) {
        if (rows[i].value == value) {
            snprintf(text, 16, "%s", rows[i].name);
            return text;
        }
    }
    snprintf(text, 16, "%s%u", prefix, value);
    return text;
}

const char *dns_rcode_text(unsigned rcode, char text[static 16])
{
    return name_of(rcodes, sizeof rcodes / sizeof *rcodes, rcode, "RCODE", text);
}

const char *dns_type_text(unsigned type, char text[static 16])
{
    return name_of(types, sizeof types / sizeof *types, type, "TYPE", text);
}

bool dns_type_parse(struct str text, uint16_t *type)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (str_eq_nocase(text, str_from_c(types[i].name))) {
            *type = types[i].value;
            return true;
        }
    }
    uint64_t value;
    if (!str_eq_nocase(str_first(text, 4), STR("TYPE")) || !str_to_u64(str_from(text, 4), &value) ||
        value > UINT16_MAX)
        return false;
    *type = (uint16_t)value;
    return true;
}
