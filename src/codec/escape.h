#pragma once
/* Bytes from outside, made harmless for where they are shown. */
#include "base/buf.h"

/*
 * Bytes of the printable character that s begins with (UTF-8, RFC 3629); 0: it is a control
 * character, one that turns the direction of text, or no UTF-8.
 */
size_t escape_printable_length(struct str s);
/* As the inside of a JSON string: control characters, those that turn the direction of text, quote,
 * backslash and bytes that are not UTF-8 are escaped (\uXXXX). */
void escape_json(struct buf *out, struct str s);
/* As XML character data: & < > " ' and, for what XML 1.0 cannot hold, '?'. Invalid UTF-8 becomes
 * '?'. */
void escape_xml(struct buf *out, struct str s);
/* Printable ASCII; everything else as \xHH; at most max bytes, then "...". */
void escape_plain(struct buf *out, struct str s, size_t max);
/*
 * A request target for the log: values of token, X-Amz-Signature, X-Amz-Security-Token,
 * X-Amz-Credential, AWSAccessKeyId and Signature (any letter case, percent-encoded names too)
 * become "***". JSON-escaped.
 */
void escape_json_target(struct buf *out, struct str target);
