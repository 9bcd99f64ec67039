#include "cli/cli.h"
#include "cli/output.h"

#include "doctor/finding_text.h"

#include <stdio.h>

struct arguments {
    const char *word;
    bool wants_markdown;
    unsigned n_codes;
    enum finding_code codes[N_FINDING_CODES];
};

static enum style severity_style(enum finding_severity s)
{
    return s == FINDING_ERROR ? STYLE_BAD : s == FINDING_WARNING ? STYLE_WARN : STYLE_PLAIN;
}

/* The edit distance of two words (rows of the usual table, one kept). */
static unsigned distance(struct str a, struct str b)
{
    unsigned row[16];
    b = str_first(b, 15);
    for (unsigned j = 0; j <= b.n; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= b.n; j++) {
            unsigned change = diagonal + (ascii_lower(a.p[i - 1]) != ascii_lower(b.p[j - 1]));
            unsigned best = row[j] < row[j - 1] ? row[j] + 1 : row[j - 1] + 1;
            diagonal = row[j];
            row[j] = change < best ? change : best;
        }
    }
    return row[b.n];
}

static unsigned common_start(struct str a, struct str b)
{
    unsigned n = 0;
    while (n < a.n && n < b.n && ascii_lower(a.p[n]) == ascii_lower(b.p[n]))
        n++;
    return n;
}

/* NULL when all are far. Of those equally near, the one that begins alike for longest. */
static const struct finding_row *nearest(struct str text)
{
    enum { FAR = 4 };
    const struct finding_row *best = NULL;
    unsigned least = FAR, longest = 0;
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        const struct finding_row *row = finding_row((enum finding_code)i);
        unsigned d = distance(text, str_from_c(row->code));
        unsigned same = common_start(text, str_from_c(row->code));
        if (d < least || (d == least && best != NULL && same > longest)) {
            least = d;
            longest = same;
            best = row;
        }
    }
    return best;
}

static int unknown_code(const char *text)
{
    const struct finding_row *row = nearest(str_first(str_from_c(text), 64));
    if (row != NULL)
        cli_tell("explain", "no finding %.64s; the nearest is %s: %s", text, row->code, row->title);
    else
        cli_tell("explain", "no finding %.64s", text);
    fputs("`penstock explain` lists all, `penstock explain --search WORD` those with a word\n",
          stderr);
    return EXIT_USAGE_ERROR;
}

/* 0, or the exit code. */
static int parse(int argc, char **argv, struct arguments *a)
{
    for (int i = 1; i < argc; i++) {
        struct str argument = str_from_c(argv[i]);
        if (str_eq(argument, STR("--markdown")))
            a->wants_markdown = true;
        else if (str_eq(argument, STR("--search")) && i + 1 < argc)
            a->word = argv[++i];
        else if (str_starts(argument, STR("--search=")))
            a->word = argv[i] + STR("--search=").n;
        else if (str_eq(argument, STR("--search")))
            return cli_usage_error("explain", "no WORD behind", argv[i]);
        else if (str_starts(argument, STR("-")))
            return cli_usage_error("explain", "unexpected", argv[i]);
        else if (a->n_codes == N_FINDING_CODES)
            return cli_usage_error("explain", "more codes than there are:", argv[i]);
        else if (!finding_parse(argument, &a->codes[a->n_codes++]))
            return unknown_code(argv[i]);
    }
    if (a->wants_markdown + (a->word != NULL) + (a->n_codes > 0) > 1)
        return cli_usage_error("explain", "codes, --search and --markdown exclude each other",
                               NULL);
    return EXIT_OK;
}

static bool contains_nocase(struct str s, struct str part)
{
    for (size_t i = 0; i + part.n <= s.n; i++)
        if (str_eq_nocase(str_of(s.p + i, part.n), part))
            return true;
    return false;
}

/* Of a line: the text of links, without their targets. */
static void without_targets(struct buf *out, struct str line)
{
    size_t at = 0, open, close, end;
    while ((open = str_find(line, '[', at)) < line.n) {
        close = str_find(line, ']', open);
        end = str_find(line, ')', close);
        bool is_link = end < line.n && line.p[close + 1] == '(';
        buf_append(out, str_of(line.p + at, open + !is_link - at));
        if (is_link)
            buf_append(out, str_of(line.p + open + 1, close - open - 1));
        at = is_link ? end + 1 : open + 1;
    }
    buf_append(out, str_from(line, at));
}

/* For a terminal that shows colours: headings bold, the severity (line 3) in its colour. */
static void styled(struct output *o, enum finding_code code)
{
    struct str rest = finding_text(code), line;
    for (unsigned number = 1; str_next(&rest, '\n', &line); number++) {
        if (str_starts(line, STR("#"))) {
            output_text(o, STYLE_BOLD, line);
        } else if (number == 3) {
            struct str severity = str_first(line, str_find(line, ' ', 0));
            output_text(o, severity_style(finding_row(code)->severity), severity);
            buf_append(&o->text, str_from(line, severity.n));
        } else if (str_starts(line, STR("    "))) {
            buf_append(&o->text, line);
        } else {
            without_targets(&o->text, line);
        }
        buf_byte(&o->text, '\n');
    }
}

static void explain(struct output *o, const struct arguments *a)
{
    for (unsigned i = 0; i < a->n_codes; i++) {
        if (i > 0)
            buf_byte(&o->text, '\n');
        if (o->has_colour)
            styled(o, a->codes[i]);
        else
            buf_append(&o->text, finding_text(a->codes[i]));
    }
}

static void list_row(struct output *o, const struct finding_row *row)
{
    static const char letters[] = {
        [FINDING_INFO] = 'I', [FINDING_WARNING] = 'W', [FINDING_ERROR] = 'E'
    };
    output_text(o, severity_style(row->severity), str_of(&letters[row->severity], 1));
    output_line(o, STYLE_PLAIN, " %s  %s", row->code, row->title);
}

/* All, or those whose page has the word. Returns how many. */
static unsigned list(struct output *o, struct str word)
{
    const char *group = NULL;
    unsigned n = 0;
    for (unsigned i = 0; i < N_FINDING_CODES; i++) {
        enum finding_code code = (enum finding_code)i;
        if (!contains_nocase(finding_text(code), word))
            continue;
        if (group != finding_group(code)) {
            group = finding_group(code);
            if (n > 0)
                buf_byte(&o->text, '\n');
            output_line(o, STYLE_BOLD, "%.3s: %s", finding_row(code)->code, group);
        }
        list_row(o, finding_row(code));
        n++;
    }
    return n;
}

int cmd_explain(int argc, char **argv)
{
    struct arguments a = { 0 };
    struct output o;
    int wrong = parse(argc, argv, &a);
    if (wrong)
        return wrong;
    output_init(&o);
    bool found = true;
    if (a.wants_markdown)
        finding_index_markdown(&o.text);
    else if (a.n_codes > 0)
        explain(&o, &a);
    else
        found = list(&o, str_from_c(a.word)) > 0;
    if (found)
        return output_print(&o) ? EXIT_OK : EXIT_FAILED;
    cli_tell("explain", "no finding speaks of %s", a.word);
    buf_done(&o.text);
    return EXIT_FAILED;
}
