#include "cli/output.h"

#include "codec/escape.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LINE_BYTES = 4096, GAP = 2 };

static const char *const codes[] = {
    [STYLE_BOLD] = "\033[1m", [STYLE_DIM] = "\033[2m",   [STYLE_GOOD] = "\033[32m",
    [STYLE_BAD] = "\033[31m", [STYLE_WARN] = "\033[33m",
};

void output_init(struct output *o)
{
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool is_dumb = term == NULL || term[0] == 0 || strcmp(term, "dumb") == 0;
    buf_init(&o->text, OUTPUT_BYTES);
    o->has_colour =
        isatty(STDOUT_FILENO) == 1 && !is_dumb && (no_colour == NULL || no_colour[0] == 0);
}

bool output_print(struct output *o)
{
    bool is_whole = !o->text.failed && fwrite(o->text.p, 1, o->text.n, stdout) == o->text.n;
    is_whole = fflush(stdout) == 0 && is_whole;
    buf_done(&o->text);
    return is_whole;
}

bool output_print_json(const json_t *document)
{
    struct output o;
    char *text = json_dumps(document, JSON_INDENT(2) | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    if (text == NULL)
        return false;
    output_init(&o);
    buf_append(&o.text, str_from_c(text));
    buf_byte(&o.text, '\n');
    free(text);
    return output_print(&o);
}

void output_text(struct output *o, enum style style, struct str text)
{
    bool has_style = o->has_colour && style != STYLE_PLAIN && text.n > 0;
    if (has_style)
        buf_append(&o->text, str_from_c(codes[style]));
    escape_plain(&o->text, text, LINE_BYTES);
    if (has_style)
        buf_append(&o->text, STR("\033[0m"));
}

void output_line(struct output *o, enum style style, const char *format, ...)
{
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        output_text(o, style, str_from_c(line));
    buf_byte(&o->text, '\n');
}

const char *output_server(const char *address, char text[static 128])
{
    size_t n = strlen(address);
    snprintf(text, 128, "%s", address);
    if (n < 128 && n > 3 && strcmp(address + n - 3, ":53") == 0) {
        text[n - 3] = 0;
        if (text[0] == '[') {
            memmove(text, text + 1, n);
            text[strcspn(text, "]")] = 0;
        }
    }
    return text;
}

bool table_init(struct table *t)
{
    *t = (struct table){ 0 };
    buf_init(&t->text, OUTPUT_BYTES);
    t->rows = calloc(TABLE_ROWS, sizeof *t->rows);
    t->widths = calloc(TABLE_ROWS, sizeof *t->widths);
    if (t->rows != NULL && t->widths != NULL)
        return true;
    table_done(t);
    return false;
}

void table_done(struct table *t)
{
    buf_done(&t->text);
    free(t->rows);
    free(t->widths);
    *t = (struct table){ 0 };
}

void table_cell(struct table *t, enum style style, const char *format, ...)
{
    char text[LINE_BYTES];
    va_list args;
    if (t->n_rows == TABLE_ROWS || t->n_columns == TABLE_COLUMNS)
        return;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t at = t->text.n;
    if (n > 0)
        escape_plain(&t->text, str_from_c(text), LINE_BYTES);
    t->rows[t->n_rows][t->n_columns++] = (struct cell){ at, t->text.n - at, style };
    t->widths[t->n_rows] = t->n_columns;
}

void table_next(struct table *t)
{
    t->n_rows += t->n_rows < TABLE_ROWS;
    t->n_columns = 0;
}

static void print_cell(struct output *o, const struct table *t, const struct cell *c, size_t width)
{
    output_text(o, c->style, str_of(t->text.p + c->at, c->n));
    for (size_t i = c->n; i < width; i++)
        buf_byte(&o->text, ' ');
}

void table_print(struct output *o, struct table *t, unsigned indent)
{
    size_t widest[TABLE_COLUMNS] = { 0 };
    unsigned n_rows = t->n_rows + (t->n_columns > 0);
    for (unsigned r = 0; r < n_rows; r++)
        for (unsigned c = 0; c + 1 < t->widths[r]; c++)
            if (t->rows[r][c].n > widest[c])
                widest[c] = t->rows[r][c].n;
    for (unsigned r = 0; r < n_rows; r++) {
        unsigned end = t->widths[r]; /* nothing stands behind the last cell with a text */
        while (end > 0 && t->rows[r][end - 1].n == 0)
            end--;
        buf_printf(&o->text, "%*s", (int)indent, "");
        for (unsigned c = 0; c < end; c++)
            print_cell(o, t, &t->rows[r][c], c + 1 < end ? widest[c] + GAP : 0);
        buf_byte(&o->text, '\n');
    }
    o->text.failed |= t->text.failed;
}
