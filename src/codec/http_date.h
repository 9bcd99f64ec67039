#pragma once
/* Dates of HTTP (RFC 9110 section 5.6.7). */
#include "base/str.h"

/* IMF-fixdate and the two obsolete forms. *unix_s: seconds since 1970, may be negative. False for
 * anything else. A two-digit year below 70 is of this century. */
bool http_date_parse(struct str value, int64_t *unix_s);
