/*
 * Any target. Its parts are the target again; a host that is taken for an S3 endpoint is a host
 * name under a partition's suffix, of letters, digits, '-' and '.', and its letter case does not
 * matter.
 */
#include <stdlib.h>

#include "../exact.h"
#include "codec/s3_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static bool is_inside(struct str part, struct str whole)
{
    return part.n == 0 || (part.p >= whole.p && part.n <= (size_t)(whole.p + whole.n - part.p));
}

static void check_host(struct str host)
{
    struct s3_host a, b;
    char other_case[253];
    if (!s3_host_parse(host, &a))
        return;
    if (!host_name_is_valid(host) || host.n > sizeof other_case || a.form == S3_NONE ||
        !is_inside(a.bucket, host) || !is_inside(a.region, host) || !is_inside(a.suffix, host) ||
        a.suffix.p + a.suffix.n != host.p + host.n || a.suffix.p[-1] != '.')
        abort();
    for (size_t i = 0; i < host.n; i++) {
        char c = host.p[i];
        if (!ascii_is_alpha(c) && !ascii_is_digit(c) && c != '-' && c != '.')
            abort();
        other_case[i] = (char)(ascii_is_alpha(c) ? c ^ 0x20 : c);
    }
    if (!s3_host_parse(str_of(other_case, host.n), &b) || a.form != b.form ||
        a.bucket.n != b.bucket.n || a.region.n != b.region.n || a.suffix.n != b.suffix.n ||
        a.bucket_has_dot != b.bucket_has_dot ||
        a.bucket_has_dot != (str_find(a.bucket, '.', 0) < a.bucket.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact_copy(data, n);
    struct str target = str_of(copy, n), bucket;
    struct s3_target t;
    check_host(target);
    if (s3_target_split(target, &t)) {
        if (t.host.n == 0 || 1 + t.host.n + t.rest.n != n || t.path.n > t.rest.n ||
            str_find(t.path, '?', 0) != t.path.n || str_find(t.host, '/', 0) != t.host.n)
            abort();
        check_host(t.host);
        struct s3_host host = { .form = S3_NONE };
        if (s3_bucket_of(&host, t.path, &bucket) == S3_BUCKET_OK &&
            (bucket.n == 0 || !is_inside(bucket, t.path) || str_find(bucket, '%', 0) != bucket.n))
            abort();
    }
    free(copy);
    return 0;
}
