#include "cli/doctor_matrix.h"
#include "cli/doctor_text.h"

#include "doctor/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    INDENT = 2,
    GAP = 2, /* the table's */
    NAME_COLUMNS = 36,
    CELL_BYTES = 96,
    MOST_NAMES = 40,
    MOST_SERVERS = 16,
    MOST_ADDRESSES = 64, /* of one name */
};

struct shown {
    char text[CELL_BYTES];
    char
        said[CELL_BYTES]; /* the same without the time that it took; empty where packets got lost */
    enum style style;
};

/* Row 0 are the heads, column 0 the names. */
struct matrix {
    const struct fact_facts *f;
    size_t n_names, n_servers, n_columns;
    struct str
        same_as[MOST_SERVERS]; /* of a server whose column is not printed: which says the same */
    size_t n_printed, printed[MOST_SERVERS + 1]; /* columns, without the names */
    struct shown *cells;
};

static struct shown *cell(const struct matrix *m, size_t row, size_t column)
{
    return &m->cells[row * m->n_columns + column];
}

__attribute__((format(printf, 3, 4))) static void show(struct shown *to, enum style style,
                                                       const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(to->text, sizeof to->text, format, args);
    va_end(args);
    to->style = style;
}

/* Amazon's names without what they all end in; a long bucket's name without its middle. */
static void show_name(struct shown *to, struct str name)
{
    enum { END = 14 };
    if (str_ends_nocase(name, STR(".amazonaws.com")))
        name.n -= STR(".amazonaws.com").n;
    if (name.n <= NAME_COLUMNS)
        show(to, STYLE_PLAIN, "%.*s", STR_ARG(name));
    else
        show(to, STYLE_PLAIN, "%.*s...%.*s", NAME_COLUMNS - END - 3, name.p, END,
             name.p + name.n - END);
}

static void show_server(struct shown *to, const struct fact_server *s)
{
    static const char *const places[] = { "1st", "2nd", "3rd" };
    bool is_listed = view_is(s->source, "resolv.conf"), is_amazon = s->is_amazon == FACT_YES;
    char place[32] = "";
    if (is_listed && s->place >= 1 && s->place <= 3)
        snprintf(place, sizeof place, "%s", places[s->place - 1]);
    else if (is_listed && s->place > 3)
        snprintf(place, sizeof place, "%lldth", (long long)s->place);
    else if (view_is(s->source, "settings"))
        snprintf(place, sizeof place, "settings");
    else if (!is_amazon)
        snprintf(place, sizeof place, "asked for");
    show(to, STYLE_DIM, "%.*s (%s%s%s)", STR_ARG(s->address), place,
         place[0] != 0 && is_amazon ? ", " : "", is_amazon ? "Amazon" : "");
}

/* What one server said of one name, A and AAAA, over whatever transport. */
struct said {
    unsigned n, n_v6, n_private, n_public, n_blocked;
    struct str seen[MOST_ADDRESSES];
};

static void count(struct said *s, const struct fact_facts *f, struct str address)
{
    for (unsigned i = 0; i < s->n; i++)
        if (str_eq(s->seen[i], address))
            return;
    if (s->n == MOST_ADDRESSES)
        return;
    s->seen[s->n++] = address;
    s->n_v6 += str_find(address, ':', 0) < address.n;
    if (answer_is_sinkhole(f, address))
        s->n_blocked++;
    else if (answer_is_private(f, address))
        s->n_private++;
    else
        s->n_public++;
}

static void addresses_of(const struct fact_facts *f, const struct fact_question *as, struct said *s)
{
    *s = (struct said){ 0 };
    for (size_t i = 0; i < f->questions.n; i++) {
        const struct fact_question *q = &f->questions.v[i];
        if (!view_is(q->outcome, "answer") || !str_eq(q->server, as->server) ||
            !str_eq(q->name, as->name))
            continue;
        for (size_t k = 0; k < q->addresses.n && s->n < MOST_ADDRESSES; k++)
            count(s, f, q->addresses.v[k]);
    }
}

static void put_time(struct buf *text, const struct fact_question *q)
{
    if (q->replies <= 0 || q->time_us < 0)
        return;
    int64_t tenths = q->time_us < 100 ? 1 : q->time_us / 100; /* no answer takes no time */
    if (tenths < 100)
        buf_printf(text, " %lld.%lld ms", (long long)(tenths / 10), (long long)(tenths % 10));
    else
        buf_printf(text, " %lld ms", (long long)(tenths / 10));
}

/* "10.0.1.99 private", "8 A public", "2 A + 2 AAAA private", "0.0.0.0 blocked" */
static void put_addresses(struct buf *text, const struct said *s)
{
    if (s->n == 1)
        buf_append(text, s->seen[0]);
    else if (s->n_v6 == 0)
        buf_printf(text, "%u A", s->n);
    else if (s->n_v6 == s->n)
        buf_printf(text, "%u AAAA", s->n);
    else
        buf_printf(text, "%u A + %u AAAA", s->n - s->n_v6, s->n_v6);
    unsigned n_kinds = (s->n_private > 0) + (s->n_public > 0) + (s->n_blocked > 0);
    const char *const words[] = { "private", "public", "blocked" };
    const unsigned counts[] = { s->n_private, s->n_public, s->n_blocked };
    for (unsigned i = 0, n = 0; i < 3; i++)
        if (counts[i] > 0 && n_kinds > 1)
            buf_printf(text, "%s%u %s", n++ ? ", " : ": ", counts[i], words[i]);
        else if (counts[i] > 0)
            buf_printf(text, " %s", words[i]);
}

static void show_answer(struct shown *to, const struct fact_facts *f, const struct fact_server *s,
                        const struct fact_name *name)
{
    const struct fact_question *q = view_question(f, s->address, name->name, NULL);
    struct buf text;
    if (q == NULL || view_is(q->outcome, "not_asked")) {
        show(to, STYLE_DIM, "-");
        return;
    }
    buf_init(&text, 4096);
    bool is_answer = view_is(q->outcome, "answer");
    struct said said = { 0 };
    if (is_answer) {
        addresses_of(f, q, &said);
        put_addresses(&text, &said);
    } else
        view_answer_text(q, &text);
    int64_t tries = answer_tries(q), replies = answer_replies(q);
    bool is_lossy = tries > 1 && replies < tries;
    if (!is_lossy)
        snprintf(to->said, sizeof to->said, "%.*s", STR_ARG(buf_str(&text)));
    put_time(&text, q);
    if (is_lossy)
        buf_printf(&text, " (%lld of %lld)", (long long)replies, (long long)tries);
    bool is_wanted = !view_is(name->purpose, "search");
    bool is_bad = !is_answer || said.n_blocked > 0;
    show(to, is_bad && is_wanted ? STYLE_BAD : STYLE_PLAIN, "%.*s", STR_ARG(buf_str(&text)));
    buf_done(&text);
}

/* The server whose answer the running penstock goes by; it is asked for S3's name alone. */
static void show_used(struct shown *to, const struct fact_proxy *p, const struct fact_name *name)
{
    if (!view_is(name->purpose, "s3"))
        return;
    if (p->resolves == FACT_NO)
        show(to, STYLE_BAD, "no answer");
    else if (p->used.n > 0)
        show(to, STYLE_GOOD, "%.*s", STR_ARG(p->used));
}

static bool says_the_same(const struct matrix *m, size_t column, size_t other)
{
    for (size_t row = 1; row <= m->n_names; row++) {
        const char *said = cell(m, row, column)->said;
        if (said[0] == 0 || strcmp(said, cell(m, row, other)->said) != 0)
            return false;
    }
    return true;
}

/* Amazon's addresses are one server: one that no program was told to ask needs no column of its own
 * if it says what another says. */
static void choose_columns(struct matrix *m)
{
    const struct fact_server *servers = m->f->servers.v;
    for (size_t k = 0; k < m->n_servers; k++) {
        for (size_t i = 0; i < m->n_printed && view_is(servers[k].source, "amazon"); i++) {
            size_t other = m->printed[i];
            if (servers[other - 1].is_amazon == FACT_YES && says_the_same(m, 1 + k, other))
                m->same_as[k] = servers[other - 1].address;
        }
        if (m->same_as[k].n == 0)
            m->printed[m->n_printed++] = 1 + k;
    }
    if (m->n_columns > 1 + m->n_servers)
        m->printed[m->n_printed++] = m->n_columns - 1;
}

static bool matrix_fill(struct matrix *m)
{
    const struct fact_facts *f = m->f;
    bool has_used = f->proxy.running == FACT_YES;
    m->n_names = f->names.n < MOST_NAMES ? f->names.n : (size_t)MOST_NAMES;
    m->n_servers = f->servers.n < MOST_SERVERS ? f->servers.n : (size_t)MOST_SERVERS;
    m->n_columns = 1 + m->n_servers + has_used;
    m->cells = calloc((m->n_names + 1) * m->n_columns, sizeof *m->cells);
    if (m->cells == NULL)
        return false;
    for (size_t k = 0; k < m->n_servers; k++)
        show_server(cell(m, 0, 1 + k), &f->servers.v[k]);
    if (has_used)
        show(cell(m, 0, m->n_columns - 1), STYLE_DIM, "used by penstock");
    for (size_t i = 0; i < m->n_names; i++) {
        show_name(cell(m, 1 + i, 0), f->names.v[i].name);
        for (size_t k = 0; k < m->n_servers; k++)
            show_answer(cell(m, 1 + i, 1 + k), f, &f->servers.v[k], &f->names.v[i]);
        if (has_used)
            show_used(cell(m, 1 + i, m->n_columns - 1), &f->proxy, &f->names.v[i]);
    }
    choose_columns(m);
    return true;
}

static size_t width_of(const struct matrix *m, size_t column)
{
    size_t width = 0;
    for (size_t row = 0; row <= m->n_names; row++) {
        size_t n = strlen(cell(m, row, column)->text);
        width = n > width ? n : width;
    }
    return width;
}

/* Of those that are printed. */
static void print_columns(const struct matrix *m, size_t from, size_t end, struct output *o)
{
    struct table t;
    if (!table_init(&t))
        return;
    for (size_t row = 0; row <= m->n_names; row++) {
        table_cell(&t, cell(m, row, 0)->style, "%s", cell(m, row, 0)->text);
        for (size_t i = from; i < end; i++) {
            const struct shown *c = cell(m, row, m->printed[i]);
            table_cell(&t, c->style, "%s", c->text);
        }
        table_next(&t);
    }
    buf_byte(&o->text, '\n');
    table_print(o, &t, INDENT);
    table_done(&t);
}

/* What the words of the table mean, of those that stand in it. */
static void put_legend(const struct matrix *m, struct output *o)
{
    static const struct {
        const char *word, *meaning;
    } words[] = {
        { "NXDOMAIN", "the server says that there is no such name" },
        { "SERVFAIL", "the server tried and failed" },
        { "REFUSED", "the server does not answer for this name" },
        { "no address", "the server knows the name, but no address of it" },
        { "no answer", "nothing came back" },
        { "blocked", "an address that leads nowhere" },
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        bool is_there = false;
        for (size_t k = 0; k < (m->n_names + 1) * m->n_columns; k++)
            is_there |= str_contains(str_from_c(m->cells[k].text), str_from_c(words[i].word));
        if (is_there)
            output_line(o, STYLE_DIM, "  %-10s  %s", words[i].word, words[i].meaning);
    }
}

/* "2 more servers: -o json" */
static void put_left_out(struct output *o, size_t names, size_t servers)
{
    char text[96] = "", *end = text;
    if (names > 0)
        end += snprintf(end, 40, "%zu more name%s", names, names > 1 ? "s" : "");
    if (servers > 0)
        snprintf(end, 48, "%s%zu more server%s", names > 0 ? " and " : "", servers,
                 servers > 1 ? "s" : "");
    if (text[0] != 0)
        output_line(o, STYLE_DIM, "  %s: -o json", text);
}

void doctor_matrix(const struct fact_facts *f, struct output *o)
{
    struct matrix m = { .f = f };
    if (f->servers.n == 0 || f->questions.n == 0 || !matrix_fill(&m))
        return;
    size_t names = width_of(&m, 0);
    for (size_t from = 0, end; from < m.n_printed; from = end) {
        size_t width = INDENT + names;
        for (end = from; end < m.n_printed && end - from < TABLE_COLUMNS - 1; end++) {
            width += GAP + width_of(&m, m.printed[end]);
            if (width > DOCTOR_TEXT_COLUMNS && end > from)
                break;
        }
        print_columns(&m, from, end, o);
    }
    for (size_t k = 0; k < m.n_servers; k++)
        if (m.same_as[k].n > 0)
            output_line(o, STYLE_DIM, "  %.*s answers as %.*s does",
                        STR_ARG(f->servers.v[k].address), STR_ARG(m.same_as[k]));
    put_left_out(o, f->names.n - m.n_names, f->servers.n - m.n_servers);
    put_legend(&m, o);
    free(m.cells);
}
