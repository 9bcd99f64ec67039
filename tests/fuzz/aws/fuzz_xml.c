/*
 * Any bytes. A tree obeys the limits; written out and read again it is the same tree.
 */
#include <stdlib.h>

#include "aws/xml.h"
#include "codec/escape.h"
#include "../exact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static size_t check(const struct xml *node, size_t depth)
{
    size_t n = 1;
    if (depth > XML_MAX_DEPTH || node->name.n == 0)
        abort();
    for (const struct xml *child = node->first; child != NULL; child = child->next)
        n += check(child, depth + 1);
    return n;
}

static void write(const struct xml *node, struct buf *out)
{
    buf_printf(out, "<%.*s>", STR_ARG(node->name));
    escape_xml(out, node->text);
    for (const struct xml *child = node->first; child != NULL; child = child->next)
        write(child, out);
    buf_printf(out, "</%.*s>", STR_ARG(node->name));
}

/* What escape_xml cannot carry over (U+FFFE) is one '?' there. */
static bool same(const struct xml *a, const struct xml *b)
{
    if (!str_eq(a->name, b->name) || (str_eq(a->text, STR("")) != str_eq(b->text, STR(""))))
        return false;
    a = a->first;
    b = b->first;
    for (; a != NULL && b != NULL; a = a->next, b = b->next)
        if (!same(a, b))
            return false;
    return a == b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *why = NULL, *again = NULL;
    char *copy = exact_copy(data, n);
    struct xml_doc *doc = xml_parse(str_of(copy, n), &why);
    free(copy); /* the tree has copies */
    if (doc == NULL) {
        if (why == NULL)
            abort();
        return 0;
    }
    if (check(xml_root(doc), 1) > XML_MAX_NODES)
        abort();
    struct buf out;
    buf_init(&out, XML_MAX_BYTES);
    write(xml_root(doc), &out);
    if (!out.failed) {
        struct xml_doc *second = xml_parse(buf_str(&out), &again);
        if (second == NULL || !same(xml_root(doc), xml_root(second)))
            abort();
        xml_free(second);
    }
    buf_done(&out);
    xml_free(doc);
    return 0;
}
