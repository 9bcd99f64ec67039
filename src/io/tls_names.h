#pragma once
/* The names that a certificate is for, as people read them. For io/tls alone. */
#include "base/str.h"

#include <openssl/x509.h>
#include <stddef.h>

/*
 * Host names and addresses, joined with ", "; "" when there is none. What does not fit into cap
 * bytes is told by ", ..." at the end. True where a wildcard among them ends as host does, and so
 * would match if it stood for several labels.
 */
bool tls_names_list(X509 *cert, struct str host, char *out, size_t cap);
