/*
 * A line with a profile and a key, then a file, read as both kinds. A value lies inside the file,
 * on one line; a profile that has a value is there.
 */
#include <stdlib.h>

#include "aws/ini.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(struct str text, enum ini_file kind, struct str profile, struct str key)
{
    struct str value = { NULL, 0 };
    if (!ini_get(text, kind, profile, key, &value))
        return;
    if (!ini_has_profile(text, kind, profile) || str_find(value, '\n', 0) < value.n)
        abort();
    if (value.n > 0 && (value.p < text.p || value.p + value.n > text.p + text.n))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *copy = exact_copy(data, n);
    struct str text = str_of(copy, n), first = STR("");
    str_next(&text, '\n', &first);
    size_t space = str_find(first, ' ', 0);
    for (int kind = INI_CREDENTIALS; kind <= INI_CONFIG; kind++)
        check(text, kind, str_first(first, space), str_from(first, space + 1));
    free(copy);
    return 0;
}
