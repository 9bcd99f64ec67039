#pragma once
/* Input in memory of exactly its size, so that the address sanitizer sees a read past its end. */
#include "base/str.h"

#include <stdlib.h>

/* The caller frees it. */
static inline char *exact_copy(const void *p, size_t n)
{
    char *copy = malloc(n ? n : 1);
    if (copy == NULL)
        abort();
    if (n > 0)
        memcpy(copy, p, n);
    return copy;
}
