#include "doctor/facts.h"

#include "codec/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* The rows, each behind its fields: parts come before what holds them. */
#define RECORD(name, help) static const struct fact_field fields_##name[] = {
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#define FIELD(record, type, field, help, inner)                                                    \
    { #field, help, FACT_##type, offsetof(struct fact_##record, field), inner },
#define TEXT(record, field, help) FIELD(record, TEXT, field, help, NULL)
#define NUMBER(record, field, help) FIELD(record, NUMBER, field, help, NULL)
#define TRUTH(record, field, help) FIELD(record, TRUTH, field, help, NULL)
#define TEXTS(record, field, help) FIELD(record, TEXTS, field, help, NULL)
#define ONE(record, type, field, help) FIELD(record, ONE, field, help, &fact_row_##type)
#define MANY(record, type, field, help) FIELD(record, MANY, field, help, &fact_row_##type)
#include "doctor/facts.def"
#undef FIELD

#define RECORD(name, help)                                                                         \
    const struct fact_row fact_row_##name = { #name, help, sizeof(struct fact_##name),             \
                                              fields_##name,                                       \
                                              sizeof fields_##name / sizeof *fields_##name };
#include "doctor/facts.def"

void fact_clear(const struct fact_row *row, void *record)
{
    memset(record, 0, row->size);
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct fact_field *field = &row->fields[i];
        void *at = (char *)record + field->offset;
        if (field->kind == FACT_NUMBER)
            *(int64_t *)at = FACT_NO_NUMBER;
        else if (field->kind == FACT_ONE)
            fact_clear(field->inner, at);
    }
}

void fact_book_init(struct fact_book *b)
{
    fact_clear(&fact_row_facts, &b->facts);
    pthread_mutex_init(&b->lock, NULL);
    arena_init(&b->arena, FACTS_BYTES);
    b->is_full = false;
}

void fact_book_done(struct fact_book *b)
{
    arena_done(&b->arena);
    pthread_mutex_destroy(&b->lock);
}

static void make_printable(char *p, size_t n)
{
    for (size_t i = 0; i < n;) {
        size_t length = escape_printable_length(str_of(p + i, n - i));
        if (length == 0)
            p[i] = '?';
        i += length > 0 ? length : 1;
    }
}

struct str fact_text(struct fact_book *b, struct str text)
{
    if (text.p == NULL)
        return (struct str){ NULL, 0 };
    pthread_mutex_lock(&b->lock);
    char *p = arena_alloc(&b->arena, text.n + 1);
    if (p == NULL)
        b->is_full = true;
    pthread_mutex_unlock(&b->lock);
    if (p == NULL)
        return (struct str){ NULL, 0 };
    memcpy(p, text.p, text.n);
    make_printable(p, text.n);
    return str_of(p, text.n);
}

struct str fact_textf(struct fact_book *b, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return (struct str){ NULL, 0 };
    struct str kept = fact_text(b, str_of(text, (size_t)n));
    free(text);
    return kept;
}

/* Doubles the room; what was there stays in the arena until it dies. */
static bool make_room(struct fact_book *b, struct fact_list *to, size_t size)
{
    if (to->n < to->cap)
        return true;
    size_t cap = to->cap ? to->cap * 2 : 4;
    void *v = to->n < FACTS_MOST_OF_ONE ? arena_alloc(&b->arena, cap * size) : NULL;
    if (v == NULL)
        return false;
    if (to->n > 0)
        memcpy(v, to->v, to->n * size);
    to->v = v;
    to->cap = cap;
    return true;
}

void fact_add_any(struct fact_book *b, struct fact_list *to, size_t size, const void *record)
{
    pthread_mutex_lock(&b->lock);
    if (make_room(b, to, size))
        memcpy((char *)to->v + to->n++ * size, record, size);
    else
        b->is_full = true;
    pthread_mutex_unlock(&b->lock);
}

void fact_add_text(struct fact_book *b, struct fact_texts *to, struct str text)
{
    struct str kept = fact_text(b, text);
    if (kept.p != NULL)
        fact_add(b, to, &kept);
}

bool fact_has_text(const struct fact_texts *t, struct str text)
{
    for (size_t i = 0; i < t->n; i++)
        if (str_eq(t->v[i], text))
            return true;
    return false;
}
