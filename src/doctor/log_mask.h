#pragma once
/*
 * A log line as it may be shown: values of whatever is called token, signature, secret, credential,
 * password, authorization, cookie, access key and the like are ***, in URLs (percent-encoded too),
 * header fields, JSON and assignments; so are users and passwords in URLs, key IDs of AWS, and
 * JWTs. What is no printable ASCII becomes '?'. Pure.
 */
#include "base/str.h"

/* NUL-terminated; what does not fit is left out, and "..." ends it. text_bytes is at least 8. */
void log_mask(struct str line, char *text, size_t text_bytes);
