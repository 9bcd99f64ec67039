#pragma once
/* Character classes of RFC 9110 and 9112, shared by the http1 files of this room. Borrows, owns
 * nothing. */
#include "base/str.h"

enum {
    HTTP1_TCHAR = 1,  /* of a token */
    HTTP1_VALUE = 2,  /* of a field value: VCHAR, obs-text, space, tab */
    HTTP1_TARGET = 4, /* of a request target: VCHAR without '#', and raw bytes above 127 */
    HTTP1_HOST = 8,   /* of a reg-name, without '%' and ',' that no real host has */
};

extern const uint8_t http1_class[256];

static inline bool http1_is(char c, uint8_t bits)
{
    return http1_class[(uint8_t)c] & bits;
}

/* The first byte from p on that is not HTTP1_VALUE, or end. */
const char *http1_skip_value(const char *p, const char *end);

bool http1_is_token(struct str s);

/* uri-host [":" port], not empty (RFC 3986 section 3.2), without userinfo. */
bool http1_authority_is_valid(struct str s);
