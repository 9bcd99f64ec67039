#pragma once
/*
 * What was found out, judged by nobody: the records of facts.def. Probes and calls fill them, from
 * several threads at once; checks only read. They can be saved and judged again elsewhere
 * (facts_json.h). All memory is the book's and dies with it; texts in it are NUL-terminated.
 */
#include "base/arena.h"

#include <pthread.h>

enum fact_truth { FACT_UNKNOWN, FACT_NO, FACT_YES };

static inline enum fact_truth fact_truth_of(bool is)
{
    return is ? FACT_YES : FACT_NO;
}

#define FACT_NO_NUMBER INT64_MIN

enum {
    FACTS_BYTES = 64 * 1024 * 1024,
    FACTS_MOST_OF_ONE = 4096, /* elements of a list; further ones are dropped */
};

/* Any list looks like this; v is an array of texts or records. */
struct fact_list {
    void *v;
    size_t n, cap;
};

struct fact_texts {
    struct str *v;
    size_t n, cap;
};

#define RECORD(name, help)                                                                         \
    struct fact_##name;                                                                            \
    struct fact_many_##name {                                                                      \
        struct fact_##name *v;                                                                     \
        size_t n, cap;                                                                             \
    };
#include "doctor/facts.def"

#define RECORD(name, help) struct fact_##name {
#define END(name)                                                                                  \
    }                                                                                              \
    ;
#define TEXT(record, field, help) struct str field;
#define NUMBER(record, field, help) int64_t field;
#define TRUTH(record, field, help) enum fact_truth field;
#define TEXTS(record, field, help) struct fact_texts field;
#define ONE(record, type, field, help) struct fact_##type field;
#define MANY(record, type, field, help) struct fact_many_##type field;
#include "doctor/facts.def"

enum fact_kind { FACT_TEXT, FACT_NUMBER, FACT_TRUTH, FACT_TEXTS, FACT_ONE, FACT_MANY };

struct fact_field {
    const char *name;
    const char *help;
    enum fact_kind kind;
    size_t offset;                /* in its record */
    const struct fact_row *inner; /* FACT_ONE, FACT_MANY */
};

struct fact_row {
    const char *name;
    const char *help;
    size_t size;
    const struct fact_field *fields;
    size_t n_fields;
};

/* Every record has its row. */
#define RECORD(name, help) extern const struct fact_row fact_row_##name;
#include "doctor/facts.def"

/* The facts and their memory. */
struct fact_book {
    struct fact_facts facts;
    /* private */
    pthread_mutex_t lock;
    struct arena arena;
    bool is_full; /* something was dropped */
};

void fact_book_init(struct fact_book *b);
void fact_book_done(struct fact_book *b);

/* Nothing is known in it: FACT_CLEAR(question, &q). */
#define FACT_CLEAR(type, record)                                                                   \
    fact_clear(&fact_row_##type, (1 ? (record) : (struct fact_##type *)NULL))
void fact_clear(const struct fact_row *row, void *record);

/*
 * From any thread. Texts are copied, with what is no printable UTF-8 as '?'; a record is copied as
 * it is, so it is filled before it is added, and its own lists and texts are the book's already.
 */
struct str fact_text(struct fact_book *b, struct str text);
struct str fact_textf(struct fact_book *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void fact_add_text(struct fact_book *b, struct fact_texts *to, struct str text);
#define fact_add(book, list, record)                                                               \
    fact_add_any((book), (struct fact_list *)(void *)(list), sizeof *(list)->v,                    \
                 (1 ? (record) : (list)->v))
void fact_add_any(struct fact_book *b, struct fact_list *to, size_t size, const void *record);

bool fact_has_text(const struct fact_texts *t, struct str text);
