#pragma once
/*
 * Domain names in wire form (RFC 1035 section 3.1): length-prefixed labels ending in the root, at
 * most 255 bytes. Comparison folds ASCII case; the spelling that came is kept. Any byte may stand
 * in a label.
 */
#include "base/str.h"

enum {
    DNS_NAME_BYTES = 255,
    DNS_LABEL_BYTES = 63,
    DNS_NAME_TEXT_BYTES = 1024,
    DNS_NAME_MAX_POINTERS = 127 /* one a label; a chain of them costs time and says nothing */
};

struct dns_name {
    uint8_t n; /* bytes in use, the root's zero included; 0 is no name */
    uint8_t wire[DNS_NAME_BYTES];
};

/* Text form, with or without the last dot, \DDD and \X escapes; "." is the root. False for empty
 * text, empty labels, long labels, long names, broken escapes. */
bool dns_name_parse(struct str text, struct dns_name *out);
/* Text without the last dot ("." for the root, "" for no name), specials escaped; printable ASCII,
 * NUL-terminated. Returns text. */
const char *dns_name_text(const struct dns_name *name, char text[static DNS_NAME_TEXT_BYTES]);

/*
 * Reads the name at message[*at]; follows compression pointers, at most DNS_NAME_MAX_POINTERS of
 * them. What one leads to stands whole before the bytes that led there (RFC 1035 section 4.1.4: "a
 * prior occurrence"), so no byte is read twice. *at goes behind the name as it stands there. False:
 * *at is untouched, *out is undefined.
 */
bool dns_name_read(struct str message, size_t *at, struct dns_name *out);

bool dns_name_eq(const struct dns_name *a, const struct dns_name *b);
/* name is zone, or below it, by whole labels. */
bool dns_name_is_in(const struct dns_name *name, const struct dns_name *zone);
void dns_name_lower(struct dns_name *name);
