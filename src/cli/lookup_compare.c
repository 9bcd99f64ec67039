#include "cli/lookup_text.h"

#include <stdio.h>
#include <stdlib.h>

enum { SAID_BYTES = 2048, MAX_DATA = 64 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a server said, in one line: its records in one order, or its no. */
static void said(const json_t *question, char text[static SAID_BYTES])
{
    const json_t *records = json_object_get(question, "records"), *row;
    const char *data[MAX_DATA];
    size_t n = 0, i, at = 0;
    json_array_foreach (records, i, row)
        if (n < MAX_DATA)
            data[n++] = json_get_text(row, "data");
    qsort(data, n, sizeof data[0], by_text);
    snprintf(text, SAID_BYTES, "%s", n == 0 ? json_get_text(question, "result") : "");
    for (i = 0; i < n && at < SAID_BYTES; i++)
        at += (size_t)snprintf(text + at, SAID_BYTES - at, "%s%s", i > 0 ? ", " : "", data[i]);
}

static const json_t *question_of(const json_t *server, size_t at)
{
    return json_array_get(json_object_get(server, "questions"), at);
}

/* An answer, or a definite no. Silence and errors are no opinion that others could differ from. */
static bool says_something(const json_t *question)
{
    const char *result = json_get_text(question, "result");
    return json_array_size(json_object_get(question, "records")) > 0 ||
           strcmp(result, "NODATA") == 0 || strcmp(result, "NXDOMAIN") == 0;
}

static unsigned count_alike(const json_t *servers, size_t at, const char *text)
{
    char one[SAID_BYTES];
    unsigned n = 0;
    for (size_t i = 0; i < json_array_size(servers); i++) {
        said(question_of(json_array_get(servers, i), at), one);
        n += strcmp(one, text) == 0;
    }
    return n;
}

/* What most of those say that say something; all of them, where none does. Where two things are
 * said equally often, nobody is to be blamed before the others: it is false, and all differ. */
static bool find_usual(const json_t *servers, size_t at, char usual[static SAID_BYTES])
{
    unsigned most = 0;
    bool is_something = false, is_one = false;
    usual[0] = 0;
    for (size_t i = 0; i < json_array_size(servers); i++) {
        char one[SAID_BYTES];
        const json_t *question = question_of(json_array_get(servers, i), at);
        bool is_better = says_something(question) && !is_something;
        if (is_something && !says_something(question))
            continue;
        said(question, one);
        unsigned n = count_alike(servers, at, one);
        if (is_better || n > most) {
            is_something |= is_better;
            most = n;
            is_one = true;
            memcpy(usual, one, SAID_BYTES);
        } else if (n == most && strcmp(one, usual) != 0) {
            is_one = false;
        }
    }
    return is_one;
}

static double least_ttl(const json_t *question)
{
    const json_t *row;
    size_t i;
    double least = -1;
    json_array_foreach (json_object_get(question, "records"), i, row) {
        double ttl_s = json_get_number(row, "ttl_s");
        least = least < 0 || ttl_s < least ? ttl_s : least;
    }
    return least;
}

/* usual: NULL where there is nothing that most say. */
static bool compare_one(struct table *t, const json_t *server, size_t at, const char *usual)
{
    char text[SAID_BYTES], address[128];
    const json_t *question = question_of(server, at);
    double ttl_s = least_ttl(question);
    bool is_answered = json_is_true(json_object_get(question, "answered"));
    said(question, text);
    bool is_same = usual != NULL && strcmp(text, usual) == 0;
    table_cell(t, STYLE_PLAIN, "%s", output_server(json_get_text(server, "address"), address));
    table_cell(t, STYLE_PLAIN, "%.1f ms", json_get_number(question, "took_ms"));
    if (ttl_s >= 0)
        table_cell(t, STYLE_DIM, "%.0f s", ttl_s);
    else
        table_cell(t, STYLE_DIM, "-");
    table_cell(t, is_same ? STYLE_PLAIN : STYLE_BAD, "%s", is_same ? "" : "differs");
    table_cell(t, is_answered ? STYLE_GOOD : STYLE_WARN, "%s", text);
    table_next(t);
    return is_same;
}

static bool compare_type(struct output *o, const json_t *servers, size_t at)
{
    char usual[SAID_BYTES];
    const json_t *server, *first = question_of(json_array_get(servers, 0), at);
    size_t i;
    bool all_same = true;
    struct table t;
    if (!table_init(&t)) {
        o->text.failed = true;
        return false;
    }
    bool has_usual = find_usual(servers, at, usual);
    table_cell(&t, STYLE_DIM, "server");
    table_cell(&t, STYLE_DIM, "took");
    table_cell(&t, STYLE_DIM, "ttl");
    table_cell(&t, STYLE_DIM, "%s", "");
    table_cell(&t, STYLE_DIM, "says");
    table_next(&t);
    json_array_foreach (servers, i, server)
        all_same = compare_one(&t, server, at, has_usual ? usual : NULL) && all_same;
    buf_byte(&o->text, '\n');
    output_line(o, STYLE_BOLD, "%s %s", json_get_text(first, "name"), json_get_text(first, "type"));
    table_print(o, &t, 2);
    table_done(&t);
    return all_same;
}

bool lookup_text_compared(struct output *o, const json_t *document)
{
    const json_t *servers = json_object_get(document, "servers");
    const json_t *first = json_array_get(servers, 0);
    bool all_same = true;
    if (first == NULL) {
        output_line(o, STYLE_BAD, "No DNS server is known.");
        return false;
    }
    for (size_t i = 0; i < json_array_size(json_object_get(first, "questions")); i++)
        all_same = compare_type(o, servers, i) && all_same;
    buf_byte(&o->text, '\n');
    output_line(o, all_same ? STYLE_GOOD : STYLE_BAD, "%s",
                all_same ? "All say the same." : "They do not say the same.");
    return all_same;
}
