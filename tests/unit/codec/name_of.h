#pragma once
/* Names as tests write them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "codec/dns_name.h"

static inline struct dns_name name_of(const char *text)
{
    struct dns_name name;
    assert_true(dns_name_parse(str_from_c(text), &name));
    return name;
}
