#include "conf/value.h"

#include <stdio.h>
#include <yaml.h>

/*
 * One mapping of keys to scalars or to sequences of scalars. libyaml reads the syntax; its events
 * go through a table of what may come where. Nested and unknown values are skipped by depth, never
 * built, so that a hostile file costs no more than its length.
 */
enum { MAX_NESTING = 32 }; /* libyaml takes time by the square of it */

enum place { BEFORE, AT_KEY, AT_VALUE, IN_LIST, SKIPPING, AFTER };

struct walk {
    enum place place;
    unsigned depth;   /* while skipping: of open mappings and sequences */
    unsigned nesting; /* of all that are open */
    bool is_bad;      /* the value being read was told */
    char separator;
    struct conf_pair pair;
    struct buf key, value;
    const struct conf_yaml_events *events;
    void *arg;
};

static void tell(struct walk *w, const yaml_mark_t *at, const char *problem)
{
    w->events->on_error(w->arg, (unsigned)at->line + 1, (unsigned)at->column + 1, problem);
}

static struct str scalar_text(const yaml_event_t *e)
{
    return str_of((const char *)e->data.scalar.value, e->data.scalar.length);
}

/* An empty value, "~" and "null" written plainly: not set, like an empty variable. */
static bool is_null(const yaml_event_t *e)
{
    struct str text = scalar_text(e);
    return e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (str_eq(text, STR("~")) || str_eq(text, STR("null")));
}

static void start_value(struct walk *w, const yaml_event_t *e)
{
    w->pair.line = (unsigned)e->start_mark.line + 1;
    w->pair.column = (unsigned)e->start_mark.column + 1;
    buf_clear(&w->value);
}

static void end_value(struct walk *w, const yaml_event_t *e)
{
    w->place = AT_KEY;
    if (w->value.failed)
        tell(w, &e->start_mark, "the value is too long");
    else if (!w->is_bad) {
        w->pair.value = buf_str(&w->value);
        w->events->on_pair(w->arg, &w->pair);
    }
}

/* Everything up to the end of what e begins is passed over; then `place` goes on. */
static void skip_from(struct walk *w, const yaml_event_t *e)
{
    bool opens = e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT;
    w->place = opens ? SKIPPING : AT_KEY;
    w->depth = opens;
}

static void at_key(struct walk *w, const yaml_event_t *e)
{
    if (e->type == YAML_MAPPING_END_EVENT) {
        w->place = AFTER;
        return;
    }
    buf_clear(&w->key);
    w->pair = (struct conf_pair){ .key_line = (unsigned)e->start_mark.line + 1,
                                  .key_column = (unsigned)e->start_mark.column + 1 };
    w->separator = 0;
    w->place = AT_VALUE;
    w->is_bad = true;
    if (e->type != YAML_SCALAR_EVENT) {
        tell(w, &e->start_mark, "a key has to be the plain name of a setting");
        w->place = e->type == YAML_ALIAS_EVENT ? AT_VALUE : AFTER;
        return;
    }
    buf_append(&w->key, scalar_text(e));
    w->pair.key = buf_str(&w->key);
    if (w->key.failed)
        tell(w, &e->start_mark, "the key is too long");
    else
        w->is_bad = !w->events->on_key(w->arg, &w->pair, &w->separator);
}

static void at_value(struct walk *w, const yaml_event_t *e)
{
    start_value(w, e);
    if (w->is_bad) {
        skip_from(w, e);
    } else if (e->type == YAML_SCALAR_EVENT) {
        if (!is_null(e))
            buf_append(&w->value, scalar_text(e));
        end_value(w, e);
    } else if (e->type == YAML_SEQUENCE_START_EVENT && w->separator) {
        w->place = IN_LIST;
    } else {
        tell(w, &e->start_mark,
             w->separator ? "expected a text or a list of texts" : "expected a single text");
        skip_from(w, e);
    }
}

static void in_list(struct walk *w, const yaml_event_t *e)
{
    if (e->type == YAML_SEQUENCE_END_EVENT) {
        end_value(w, e);
    } else if (e->type == YAML_SCALAR_EVENT) {
        if (scalar_text(e).n == 0 && !w->is_bad) {
            tell(w, &e->start_mark, "the list has an empty item");
            w->is_bad = true;
        }
        if (w->value.n > 0)
            buf_byte(&w->value, w->separator);
        buf_append(&w->value, scalar_text(e));
    } else {
        tell(w, &e->start_mark, "expected a text in the list");
        w->is_bad = true;
        skip_from(w, e);
        w->depth++; /* the list itself has to end too */
        w->place = SKIPPING;
    }
}

static void skipping(struct walk *w, const yaml_event_t *e)
{
    if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT)
        w->depth++;
    else if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT)
        w->depth--;
    if (w->depth == 0)
        w->place = AT_KEY;
}

static void before(struct walk *w, const yaml_event_t *e)
{
    if (e->type == YAML_MAPPING_START_EVENT) {
        w->place = AT_KEY;
    } else if (e->type != YAML_SCALAR_EVENT || e->data.scalar.length > 0) {
        tell(w, &e->start_mark, "expected settings, one \"NAME: value\" a line");
        w->place = AFTER;
    } /* else nothing but comments: a document that is one empty scalar */
}

/* False: so deep that no more is read. */
static bool count_nesting(struct walk *w, const yaml_event_t *e)
{
    if (e->type == YAML_MAPPING_START_EVENT || e->type == YAML_SEQUENCE_START_EVENT)
        w->nesting++;
    else if (e->type == YAML_MAPPING_END_EVENT || e->type == YAML_SEQUENCE_END_EVENT)
        w->nesting--;
    if (w->nesting > MAX_NESTING)
        tell(w, &e->start_mark, "nested too deeply; nothing behind it was read");
    return w->nesting <= MAX_NESTING;
}

/* False: nothing more to read. */
static bool walk_event(struct walk *w, const yaml_event_t *e, unsigned *n_documents)
{
    switch (e->type) {
    case YAML_NO_EVENT:
    case YAML_STREAM_END_EVENT:
        return false;
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return true;
    case YAML_DOCUMENT_START_EVENT:
        if (++*n_documents > 1)
            tell(w, &e->start_mark, "expected one document");
        return *n_documents == 1;
    default:
        break;
    }
    static void (*const steps[])(struct walk *, const yaml_event_t *) = {
        [BEFORE] = before,   [AT_KEY] = at_key,     [AT_VALUE] = at_value,
        [IN_LIST] = in_list, [SKIPPING] = skipping,
    };
    if (w->place != AFTER)
        steps[w->place](w, e);
    return count_nesting(w, e);
}

static void tell_syntax(struct walk *w, const yaml_parser_t *p)
{
    char text[256];
    if (p->error == YAML_READER_ERROR)
        snprintf(text, sizeof text, "%s (byte %zu)", p->problem, p->problem_offset);
    else
        snprintf(text, sizeof text, "%s%s%s", p->problem ? p->problem : "not YAML",
                 p->context ? ", " : "", p->context ? p->context : "");
    tell(w, p->error == YAML_READER_ERROR ? &p->mark : &p->problem_mark, text);
}

void conf_read_yaml(struct str text, const struct conf_yaml_events *events, void *arg)
{
    struct walk w = { .place = BEFORE, .events = events, .arg = arg };
    unsigned n_documents = 0;
    yaml_parser_t parser;
    buf_init(&w.key, 1024);
    buf_init(&w.value, CONF_VALUE_BYTES);
    if (!yaml_parser_initialize(&parser)) {
        events->on_error(arg, 1, 1, "out of memory");
        return;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text.p, text.n);
    for (bool goes_on = true; goes_on;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            tell_syntax(&w, &parser);
            break;
        }
        goes_on = walk_event(&w, &event, &n_documents);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    buf_done(&w.key);
    buf_done(&w.value);
}
