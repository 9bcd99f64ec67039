/* Any text. What was read, put together again, is read the same. */
#include <stdio.h>
#include <stdlib.h>

#include "aws/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct aws_endpoint e, again;
    char authority[AWS_AUTHORITY_BYTES], url[8192];
    if (!aws_endpoint_parse(str_of((const char *)data, n), &e) || e.path.n > 4096)
        return 0;
    aws_endpoint_authority(&e, authority);
    snprintf(url, sizeof url, "%s://%s%.*s", e.is_https ? "https" : "http", authority,
             STR_ARG(e.path));
    if (!aws_endpoint_parse(str_from_c(url), &again) || again.is_https != e.is_https ||
        again.port != e.port || !str_eq(again.host, e.host) || !str_eq(again.path, e.path) ||
        again.is_ip != e.is_ip || e.path.p[0] != '/')
        abort();
    return 0;
}
