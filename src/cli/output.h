#pragma once
/*
 * What commands print for people: text that is gathered and written at once, colours where a
 * terminal reads them (not with NO_COLOR, https://no-color.org), tables with aligned columns. What
 * comes from outside is made printable here.
 */
#include "base/buf.h"

#include <jansson.h>

enum style { STYLE_PLAIN, STYLE_BOLD, STYLE_DIM, STYLE_GOOD, STYLE_BAD, STYLE_WARN };

enum { TABLE_COLUMNS = 8, TABLE_ROWS = 1024, OUTPUT_BYTES = 16 * 1024 * 1024 };

struct output {
    struct buf text;
    bool has_colour;
};

/* For stdout. */
void output_init(struct output *o);
/* Writes it; false when stdout did not take all. Frees it either way. */
bool output_print(struct output *o);
/* A document for programs, indented. False as above. */
bool output_print_json(const json_t *document);

void output_text(struct output *o, enum style style, struct str text);
void output_line(struct output *o, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "10.0.0.2:53" without the port that goes without saying. */
const char *output_server(const char *address, char text[static 128]);

struct cell {
    size_t at, n; /* in the table's text */
    enum style style;
};

/* Cells are filled row by row; a row may end early. The last column is not padded. */
struct table {
    struct buf text;
    unsigned n_rows, n_columns; /* of the row that is being filled */
    struct cell (*rows)[TABLE_COLUMNS];
    unsigned *widths;
};

/* False without memory. */
bool table_init(struct table *t);
void table_done(struct table *t);
void table_cell(struct table *t, enum style style, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Begins the next row. Rows beyond TABLE_ROWS are dropped. */
void table_next(struct table *t);
/* Each line indented by so many spaces. */
void table_print(struct output *o, struct table *t, unsigned indent);
