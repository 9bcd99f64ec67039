#include "io/tls_names.h"

#include "codec/addr.h"

#include <openssl/x509v3.h>
#include <stdio.h>

bool tls_names_list(X509 *cert, struct str host, char *out, size_t cap)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;
    bool has_wildcard = false;
    out[0] = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        char ip[ADDR_TEXT_BYTES];
        struct str name;
        struct addr a;
        if (g->type == GEN_DNS) {
            name = str_of((const char *)ASN1_STRING_get0_data(g->d.dNSName),
                          (size_t)ASN1_STRING_length(g->d.dNSName));
        } else if (g->type == GEN_IPADD && (g->d.ip->length == 4 || g->d.ip->length == 16)) {
            addr_from_bytes(g->d.ip->length == 4 ? AF_INET : AF_INET6, g->d.ip->data, 0, &a);
            name = str_from_c(addr_ip_text(&a, ip));
        } else {
            continue;
        }
        /* The very mistake: a.b under *.s3.amazonaws.com. */
        if (str_starts(name, STR("*.")) && str_ends_nocase(host, str_from(name, 1)))
            has_wildcard = true;
        int n = snprintf(out + used, cap - used, "%s%.*s", used > 0 ? ", " : "", STR_ARG(name));
        if (n < 0 || (size_t)n >= cap - used) {
            /* More names than there is room for: the first ones tell enough. */
            snprintf(out + used, cap - used, ", ...");
            break;
        }
        used += (size_t)n;
    }
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    return has_wildcard;
}
