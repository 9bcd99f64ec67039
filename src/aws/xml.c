#include "aws/xml.h"

#include <expat.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/buf.h"

/* Nodes, names and texts of the largest document. */
enum { XML_ARENA_BYTES = 64 << 20 };

struct open_element {
    struct xml *node;
    struct xml *last; /* its last child */
    size_t text_at;   /* where its text begins in reader.text */
};

struct xml_doc {
    struct arena arena;
    struct xml *root;
};

struct reader {
    XML_Parser parser;
    struct xml_doc *doc;
    struct open_element open[XML_MAX_DEPTH];
    size_t depth, n_nodes;
    struct buf text; /* of the open elements, one behind another */
    const char *why;
};

static void give_up(struct reader *r, const char *why)
{
    if (r->why == NULL)
        r->why = why;
    XML_StopParser(r->parser, XML_FALSE);
}

/* Without its namespace's prefix; what is left must be a name ("a:" and "a:1" stay whole). */
static struct str local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    bool is_prefixed = colon != NULL && (ascii_is_alpha(colon[1]) || colon[1] == '_');
    return str_from_c(is_prefixed ? colon + 1 : name);
}

static void on_open(void *arg, const char *name, const char **attributes)
{
    struct reader *r = arg;
    if (r->why != NULL)
        return;
    if (r->depth == XML_MAX_DEPTH || ++r->n_nodes > XML_MAX_NODES) {
        give_up(r, "too deep, or too many elements");
        return;
    }
    struct xml *node = arena_alloc(&r->doc->arena, sizeof *node);
    if (node == NULL || (node->name = arena_copy(&r->doc->arena, local_name(name))).p == NULL) {
        give_up(r, "out of memory");
        return;
    }
    if (r->depth == 0) {
        r->doc->root = node;
    } else {
        struct open_element *parent = &r->open[r->depth - 1];
        if (parent->last == NULL)
            parent->node->first = node;
        else
            parent->last->next = node;
        parent->last = node;
    }
    r->open[r->depth++] = (struct open_element){ .node = node, .text_at = r->text.n };
}

static struct str without_white_space(struct str s)
{
    static const char white[] = " \t\r\n";
    while (s.n > 0 && memchr(white, s.p[0], sizeof white - 1) != NULL)
        s = str_from(s, 1);
    while (s.n > 0 && memchr(white, s.p[s.n - 1], sizeof white - 1) != NULL)
        s.n--;
    return s;
}

/* A child's text was taken off when it closed, so what is left is the element's own. */
static void on_close(void *arg, const char *name)
{
    struct reader *r = arg;
    if (r->why != NULL || r->depth == 0)
        return;
    struct open_element *open = &r->open[--r->depth];
    struct str text = without_white_space(str_from(buf_str(&r->text), open->text_at));
    if (text.n > 0 && (open->node->text = arena_copy(&r->doc->arena, text)).p == NULL)
        give_up(r, "out of memory");
    r->text.n = open->text_at;
}

static void on_text(void *arg, const char *p, int n)
{
    struct reader *r = arg;
    if (r->why != NULL || r->depth == 0 || n <= 0)
        return;
    buf_append(&r->text, str_of(p, (size_t)n));
    if (r->text.failed)
        give_up(r, "too much text");
}

static void on_doctype(void *arg, const char *name, const char *system_id, const char *public_id,
                       int has_internal_subset)
{
    give_up(arg, "a document type, which no AWS reply has");
}

static bool read_document(struct reader *r, struct str text)
{
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_open, on_close);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
    enum XML_Status status = XML_Parse(r->parser, text.n > 0 ? text.p : "", (int)text.n, 1);
    if (r->why == NULL && status != XML_STATUS_OK)
        r->why = "not well-formed XML";
    return r->why == NULL && r->doc->root != NULL;
}

struct xml_doc *xml_parse(struct str text, const char **why)
{
    *why = "more than is read";
    if (text.n > XML_MAX_BYTES)
        return NULL;
    *why = "out of memory";
    struct reader r = { .parser = XML_ParserCreate(NULL), .doc = calloc(1, sizeof *r.doc) };
    bool ok = false;
    buf_init(&r.text, XML_MAX_BYTES);
    if (r.parser != NULL && r.doc != NULL) {
        arena_init(&r.doc->arena, XML_ARENA_BYTES);
        ok = read_document(&r, text);
        *why = r.why;
    }
    if (!ok) {
        xml_free(r.doc);
        r.doc = NULL;
    }
    buf_done(&r.text);
    if (r.parser != NULL)
        XML_ParserFree(r.parser);
    return r.doc;
}

void xml_free(struct xml_doc *doc)
{
    if (doc == NULL)
        return;
    arena_done(&doc->arena);
    free(doc);
}

const struct xml *xml_root(const struct xml_doc *doc)
{
    return doc != NULL ? doc->root : NULL;
}

static const struct xml *named(const struct xml *node, struct str name)
{
    while (node != NULL && !str_eq(node->name, name))
        node = node->next;
    return node;
}

const struct xml *xml_at(const struct xml *from, const char *path)
{
    struct str rest = str_from_c(path), name;
    while (from != NULL && str_next(&rest, '/', &name))
        from = named(from->first, name);
    return from;
}

struct str xml_text(const struct xml *from, const char *path)
{
    const struct xml *at = xml_at(from, path);
    return at != NULL ? at->text : STR("");
}

bool xml_is_true(const struct xml *from, const char *path)
{
    return str_eq(xml_text(from, path), STR("true"));
}

const struct xml *xml_again(const struct xml *node)
{
    return named(node->next, node->name);
}
