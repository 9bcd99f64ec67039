#pragma once
/*
 * Replies in XML as a light tree, read by expat. Namespaces are dropped, attributes too; text that
 * is only white space beside children is no text. A document type (and so any entity of its own)
 * is refused. The document owns all nodes and strings.
 */
#include "base/str.h"

enum { XML_MAX_BYTES = 16 << 20, XML_MAX_DEPTH = 32, XML_MAX_NODES = 200000 };

struct xml {
    struct str name;
    struct str text; /* of this element alone, its pieces joined; white space at the ends is gone */
    struct xml *first, *next; /* child, sibling; in their order */
};

struct xml_doc;

/* The root is xml_root. NULL: not well-formed, over a limit, or no memory; *why is static text. */
struct xml_doc *xml_parse(struct str text, const char **why);
void xml_free(struct xml_doc *doc);
const struct xml *xml_root(const struct xml_doc *doc);

/*
 * Paths are names between slashes, below `from`: "vpcSet/item/vpcId". The first element that
 * matches, with its first matching parents, or NULL. NULL as `from` gives NULL; an empty path gives
 * `from`.
 */
const struct xml *xml_at(const struct xml *from, const char *path);
/* Its text; empty where it is missing. */
struct str xml_text(const struct xml *from, const char *path);
/* Text is exactly "true". */
bool xml_is_true(const struct xml *from, const char *path);
/* The next sibling of that name, for loops: for (i = xml_at(r, "a/item"); i; i = xml_again(i)). */
const struct xml *xml_again(const struct xml *node);
