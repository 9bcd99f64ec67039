#include "doctor/facts_json.h"

#include "doctor/log_mask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 256 };

enum {
    N_ROWS = 0
#define RECORD(name, help) +1
#include "doctor/facts.def"
};
#define RECORD(name, help) &fact_row_##name,
static const struct fact_row *const rows[N_ROWS] = {
#include "doctor/facts.def"
};

static void write_record(const struct fact_row *row, const void *record, struct json *j,
                         const char *key);

static void write_texts(const struct fact_texts *t, struct json *j, const char *key)
{
    if (t->n == 0)
        return;
    json_open(j, key, '[');
    for (size_t i = 0; i < t->n; i++)
        json_put_str(j, NULL, t->v[i]);
    json_close(j, '[');
}

static void write_many(const struct fact_row *row, const struct fact_list *list, struct json *j,
                       const char *key)
{
    if (list->n == 0)
        return;
    json_open(j, key, '[');
    for (size_t i = 0; i < list->n; i++)
        write_record(row, (const char *)list->v + i * row->size, j, NULL);
    json_close(j, '[');
}

static void write_field(const struct fact_field *field, const void *at, struct json *j)
{
    switch (field->kind) {
    case FACT_TEXT:
        if (((const struct str *)at)->p != NULL)
            json_put_str(j, field->name, *(const struct str *)at);
        break;
    case FACT_NUMBER:
        if (*(const int64_t *)at != FACT_NO_NUMBER)
            json_put_i64(j, field->name, *(const int64_t *)at);
        break;
    case FACT_TRUTH:
        if (*(const enum fact_truth *)at != FACT_UNKNOWN)
            json_put_bool(j, field->name, *(const enum fact_truth *)at == FACT_YES);
        break;
    case FACT_TEXTS:
        write_texts(at, j, field->name);
        break;
    case FACT_ONE:
        write_record(field->inner, at, j, field->name);
        break;
    case FACT_MANY:
        write_many(field->inner, at, j, field->name);
    }
}

static void write_record(const struct fact_row *row, const void *record, struct json *j,
                         const char *key)
{
    json_open(j, key, '{');
    for (size_t i = 0; i < row->n_fields; i++)
        write_field(&row->fields[i], (const char *)record + row->fields[i].offset, j);
    json_close(j, '{');
}

void facts_write(const struct fact_facts *facts, struct json *j, const char *key)
{
    write_record(&fact_row_facts, facts, j, key);
}

/* Where in the document we are, for errors. */
struct reader {
    struct fact_book *book;
    struct buf *errors;
    bool is_wrong;
    size_t n; /* of path */
    char path[PATH_BYTES];
};

static size_t path_push(struct reader *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Returns what path_pop takes back. */
static size_t path_push(struct reader *r, const char *format, ...)
{
    size_t before = r->n;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(r->path + r->n, sizeof r->path - r->n, format, args);
    va_end(args);
    r->n = n < 0 ? r->n : r->n + (size_t)n < sizeof r->path ? r->n + (size_t)n : sizeof r->path - 1;
    return before;
}

static void path_pop(struct reader *r, size_t before)
{
    r->n = before;
    r->path[before] = 0;
}

static void is_wanted(struct reader *r, const char *what)
{
    r->is_wrong = true;
    buf_printf(r->errors, "%s: %s is wanted\n", r->path, what);
}

static void read_record(struct reader *r, const struct fact_row *row, const json_t *object,
                        void *record);

static unsigned count_stars(struct str text)
{
    unsigned n = 0;
    for (size_t i = 0; i + 2 < text.n; i++)
        n += memcmp(text.p + i, "***", 3) == 0;
    return n;
}

/* The text as the book may have it. */
static struct str read_text(struct reader *r, const json_t *value)
{
    struct str text = str_of(json_string_value(value), json_string_length(value));
    size_t room = 4 * text.n + 8; /* an empty value becomes three bytes */
    char *masked = malloc(room);
    if (masked == NULL) {
        r->is_wrong = true;
        return (struct str){ NULL, 0 };
    }
    log_mask(text, masked, room);
    bool has_secret = count_stars(str_from_c(masked)) > count_stars(text);
    struct str kept = fact_text(r->book, has_secret ? str_from_c(masked) : text);
    free(masked);
    return kept;
}

static bool is_list(struct reader *r, const json_t *value)
{
    if (!json_is_array(value))
        is_wanted(r, "an array");
    else if (json_array_size(value) > FACTS_MOST_OF_ONE)
        is_wanted(r, "a shorter array");
    else
        return true;
    return false;
}

static void read_texts(struct reader *r, const json_t *value, struct fact_texts *to)
{
    size_t i;
    json_t *element;
    if (!is_list(r, value))
        return;
    json_array_foreach (value, i, element) {
        size_t before = path_push(r, "[%zu]", i);
        struct str text = json_is_string(element) ? read_text(r, element) : (struct str){ NULL, 0 };
        if (json_is_string(element))
            fact_add(r->book, to, &text);
        else
            is_wanted(r, "a string");
        path_pop(r, before);
    }
}

static void read_many(struct reader *r, const struct fact_row *row, const json_t *value,
                      struct fact_list *to)
{
    size_t i;
    json_t *element;
    if (!is_list(r, value))
        return;
    void *record = malloc(row->size);
    json_array_foreach (value, i, element) {
        if (record == NULL)
            break;
        size_t before = path_push(r, "[%zu]", i);
        fact_clear(row, record);
        read_record(r, row, element, record);
        fact_add_any(r->book, to, row->size, record);
        path_pop(r, before);
    }
    r->is_wrong = r->is_wrong || record == NULL;
    free(record);
}

static void read_field(struct reader *r, const struct fact_field *field, const json_t *value,
                       void *at)
{
    switch (field->kind) {
    case FACT_TEXT:
        if (json_is_string(value))
            *(struct str *)at = read_text(r, value);
        else
            is_wanted(r, "a string");
        break;
    case FACT_NUMBER:
        if (json_is_integer(value))
            *(int64_t *)at = json_integer_value(value);
        else
            is_wanted(r, "an integer");
        break;
    case FACT_TRUTH:
        if (json_is_boolean(value))
            *(enum fact_truth *)at = fact_truth_of(json_is_true(value));
        else
            is_wanted(r, "true or false");
        break;
    case FACT_TEXTS:
        read_texts(r, value, at);
        break;
    case FACT_ONE:
        read_record(r, field->inner, value, at);
        break;
    case FACT_MANY:
        read_many(r, field->inner, value, at);
    }
}

static void read_record(struct reader *r, const struct fact_row *row, const json_t *object,
                        void *record)
{
    if (!json_is_object(object)) {
        is_wanted(r, "an object");
        return;
    }
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct fact_field *field = &row->fields[i];
        const json_t *value = json_object_get(object, field->name);
        if (value == NULL || json_is_null(value))
            continue;
        size_t before = path_push(r, ".%s", field->name);
        read_field(r, field, value, (char *)record + field->offset);
        path_pop(r, before);
    }
}

bool facts_read(const json_t *object, struct fact_book *b, struct buf *errors)
{
    struct reader r = { .book = b, .errors = errors };
    path_push(&r, "facts");
    read_record(&r, &fact_row_facts, object, &b->facts);
    if (b->is_full)
        buf_printf(errors, "facts: too much\n");
    return !r.is_wrong && !b->is_full;
}

static void write_reference(struct json *j, const char *key, const char *record)
{
    char path[64];
    snprintf(path, sizeof path, "#/$defs/%s", record);
    json_open(j, key, '{');
    json_put_text(j, "$ref", path);
    json_close(j, '{');
}

static void write_field_schema(const struct fact_field *field, struct json *j)
{
    static const char *const types[] = {
        [FACT_TEXT] = "string", [FACT_NUMBER] = "integer", [FACT_TRUTH] = "boolean",
        [FACT_TEXTS] = "array", [FACT_MANY] = "array",     [FACT_ONE] = NULL
    };
    if (field->kind == FACT_ONE) {
        write_reference(j, field->name, field->inner->name);
        return;
    }
    json_open(j, field->name, '{');
    json_put_text(j, "type", types[field->kind]);
    if (field->help[0])
        json_put_text(j, "description", field->help);
    if (field->kind == FACT_MANY)
        write_reference(j, "items", field->inner->name);
    if (field->kind == FACT_TEXTS) {
        json_open(j, "items", '{');
        json_put_text(j, "type", "string");
        json_close(j, '{');
    }
    json_close(j, '{');
}

void facts_write_schema(struct json *j)
{
    for (size_t i = 0; i < N_ROWS; i++) {
        json_open(j, rows[i]->name, '{');
        json_put_text(j, "type", "object");
        if (rows[i]->help[0])
            json_put_text(j, "description", rows[i]->help);
        json_open(j, "properties", '{');
        for (size_t k = 0; k < rows[i]->n_fields; k++)
            write_field_schema(&rows[i]->fields[k], j);
        json_close(j, '{');
        json_put_bool(j, "additionalProperties", false);
        json_close(j, '{');
    }
}
