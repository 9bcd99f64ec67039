/*
 * Any bytes as an address and as a prefix. What is accepted prints to a text that parses to the
 * same value; a prefix holds its own address; every address has a class.
 */
#include "codec/addr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct str text = str_of((const char *)data, n);
    char out[ADDR_TEXT_BYTES];
    struct addr a, b;
    struct cidr c;
    if (addr_parse(text, 443, &a)) {
        if (!addr_parse(str_from_c(addr_text(&a, out)), 1, &b) || !addr_eq(&a, &b))
            abort();
        if (!addr_parse_ip(str_from_c(addr_ip_text(&a, out)), &b) || !addr_ip_eq(&a, &b))
            abort();
        if (addr_class_name(addr_classify(&a)) == NULL)
            abort();
        addr_unmap(&b);
        if (addr_classify(&a) != addr_classify(&b))
            abort();
    }
    if (cidr_parse(text, &c) && !cidr_has(&c, &c.addr))
        abort();
    return 0;
}
