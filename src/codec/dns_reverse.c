#include "codec/dns_reverse.h"

#include <stdio.h>

static const char v4_suffix[] = "\7in-addr\4arpa", v6_suffix[] = "\3ip6\4arpa"; /* with the root */
enum { V6_NIBBLES = 32 };

static void append(struct dns_name *out, const void *bytes, size_t n)
{
    memcpy(out->wire + out->n, bytes, n);
    out->n = (uint8_t)(out->n + n);
}

void dns_reverse_name(const struct addr *a, struct dns_name *out)
{
    size_t n;
    const uint8_t *ip = addr_bytes(a, &n);
    out->n = 0;
    for (size_t i = n; i-- > 0;) {
        char label[8];
        if (n == 4) {
            int text_n = snprintf(label + 1, sizeof label - 1, "%u", ip[i]);
            label[0] = (char)text_n;
            append(out, label, 1 + (size_t)text_n);
        } else {
            snprintf(label, sizeof label, "\1%x\1%x", ip[i] & 15, ip[i] >> 4);
            append(out, label, 4);
        }
    }
    if (n == 4)
        append(out, v4_suffix, sizeof v4_suffix);
    else
        append(out, v6_suffix, sizeof v6_suffix);
}

static bool has_suffix(const struct dns_name *lower, size_t at, const char *suffix, size_t n)
{
    return lower->n == at + n && memcmp(lower->wire + at, suffix, n) == 0;
}

/* A number from 0 to 255 as it is written, without leading zeros. */
static bool read_octet(const uint8_t *label, uint8_t *out)
{
    unsigned value = 0;
    if (label[0] < 1 || label[0] > 3 || (label[1] == '0' && label[0] > 1))
        return false;
    for (unsigned i = 1; i <= label[0]; i++) {
        if (label[i] < '0' || label[i] > '9')
            return false;
        value = value * 10 + (label[i] - '0');
    }
    *out = (uint8_t)value;
    return value <= 255;
}

static bool read_v4(const struct dns_name *lower, struct addr *out)
{
    uint8_t ip[4];
    size_t at = 0;
    for (unsigned i = 4; i-- > 0; at += 1 + (size_t)lower->wire[at])
        if (at + 4 >= lower->n || !read_octet(lower->wire + at, &ip[i]))
            return false;
    addr_from_bytes(AF_INET, ip, 0, out);
    return has_suffix(lower, at, v4_suffix, sizeof v4_suffix);
}

static bool read_v6(const struct dns_name *lower, struct addr *out)
{
    uint8_t ip[16] = { 0 };
    if (!has_suffix(lower, (size_t)2 * V6_NIBBLES, v6_suffix, sizeof v6_suffix))
        return false;
    for (unsigned i = 0; i < V6_NIBBLES; i++) {
        static const char digits[] = "0123456789abcdef";
        const uint8_t *label = lower->wire + (size_t)2 * i;
        const char *digit = label[0] == 1 && label[1] != 0 ? strchr(digits, label[1]) : NULL;
        if (digit == NULL)
            return false;
        /* The last nibble comes first. */
        unsigned nibble = V6_NIBBLES - 1 - i;
        ip[nibble / 2] |= (uint8_t)((digit - digits) << (nibble % 2 == 0 ? 4 : 0));
    }
    addr_from_bytes(AF_INET6, ip, 0, out);
    return true;
}

bool dns_reverse_addr(const struct dns_name *name, struct addr *out)
{
    struct dns_name lower = *name;
    dns_name_lower(&lower);
    return read_v4(&lower, out) || read_v6(&lower, out);
}
