/*
 * A line with the status, one with x-amzn-ErrorType, then the body. There is always a kind and a
 * message; texts are printable, and what was sent is in none of them.
 */
#include <stdlib.h>

#include "aws/error_body.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check_text(const char *text, size_t size)
{
    if (strnlen(text, size) == size || strstr(text, "sEcr3t") != NULL)
        abort();
    for (; *text != 0; text++)
        if (*text < ' ' || *text > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const struct str secret = STR("sEcr3t");
    char *copy = exact_copy(data, n);
    struct str rest = str_of(copy, n), status = STR(""), type = STR("");
    uint64_t number = 0;
    str_next(&rest, '\n', &status);
    str_next(&rest, '\n', &type);
    str_to_u64(status, &number);
    struct aws_error e = { .kind = AWS_OK, .action = "ec2:X" };
    aws_error_read(&e, &(struct aws_error_body){ .status = (int)(number % 1000),
                                                 .error_type = type,
                                                 .body = rest,
                                                 .has_skew = number & 1,
                                                 .skew_s = (int64_t)number,
                                                 .secrets = &secret,
                                                 .n_secrets = 1 });
    check_text(e.message, sizeof e.message);
    if (strnlen(e.code, sizeof e.code) == sizeof e.code || e.kind == AWS_OK ||
        e.kind >= N_AWS_KINDS || e.message[0] == 0)
        abort();
    free(copy);
    return 0;
}
