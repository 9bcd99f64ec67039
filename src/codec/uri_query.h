#pragma once
/* The query of a URI as name=value pairs between '&' (RFC 3986 section 3.4). '+' is a plus sign. */
#include "base/buf.h"

enum uri_query { URI_QUERY_NONE, URI_QUERY_FOUND, URI_QUERY_BAD };

/* Appends the first pair's value, percent-decoded, to out; without '=' it is empty. BAD: a broken
 * escape, or more than out holds. name stands there as it is, not encoded. */
enum uri_query uri_query_find(struct str query, struct str name, struct buf *out);
/* Percent-encodes all but unreserved characters. */
void uri_query_escape(struct buf *out, struct str value);
