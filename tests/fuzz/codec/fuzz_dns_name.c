/*
 * The first byte says where the name begins; the rest is the message, and the text of a name.
 * wire -> text -> wire and text -> wire -> text -> wire give the same name.
 */
#include <stdlib.h>

#include "codec/dns_name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct dns_name *name)
{
    char text[DNS_NAME_TEXT_BYTES];
    struct dns_name again;
    size_t at = 0;
    if (!dns_name_parse(str_from_c(dns_name_text(name, text)), &again) || again.n != name->n ||
        memcmp(again.wire, name->wire, name->n) != 0)
        abort();
    if (!dns_name_read(str_of((const char *)name->wire, name->n), &at, &again) || at != name->n)
        abort();
    dns_name_lower(&again);
    if (!dns_name_eq(&again, name) || !dns_name_is_in(&again, name))
        abort();
    for (size_t i = 0; name->wire[i] != 0; i += 1 + (size_t)name->wire[i]) {
        struct dns_name zone = { .n = (uint8_t)(name->n - i) };
        memcpy(zone.wire, name->wire + i, zone.n);
        if (!dns_name_is_in(&again, &zone) || dns_name_is_in(&zone, &again) != (i == 0))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct dns_name name;
    if (n == 0)
        return 0;
    struct str rest = str_of((const char *)data + 1, n - 1);
    size_t at = data[0];
    if (dns_name_read(rest, &at, &name))
        check(&name);
    if (dns_name_parse(rest, &name))
        check(&name);
    return 0;
}
