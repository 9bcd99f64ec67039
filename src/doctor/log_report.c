#include "doctor/log_report.h"

#include "base/hash.h"
#include "doctor/log_mask.h"

#include <stdlib.h>
#include <sys/random.h>

struct log_report {
    struct log_words words;
    struct hash_key key; /* names come from whoever can write into the log */
    struct log_counts counts;
    uint64_t ungrouped[N_LOG_KINDS];
    unsigned n_groups, max_groups;
    bool is_sorted;
    uint64_t hashes[LOG_MAX_GROUPS];
    struct log_group groups[LOG_MAX_GROUPS];
    unsigned order[LOG_MAX_GROUPS];
    /* The beginning of a line whose end has not come yet. */
    uint64_t n_pending; /* bytes of it, also those that were not kept */
    char pending[LOG_LINE_BYTES];
};

struct log_report *log_report_new(unsigned max_groups)
{
    struct log_report *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    log_words_init(&r->words);
    r->max_groups = max_groups < LOG_MAX_GROUPS ? max_groups : LOG_MAX_GROUPS;
    /* Without the kernel's pool the key is 0: a hostile log then makes looking up slower. */
    (void)!getrandom(&r->key, sizeof r->key, GRND_NONBLOCK);
    return r;
}

void log_report_free(struct log_report *r)
{
    free(r);
}

/* What a group is about: kind and name, or where the lines name none, kind and server. */
struct subject {
    enum log_kind kind;
    size_t n;
    char text[LOG_NAME_BYTES];
};

static void make_subject(const struct log_line *l, struct subject *s)
{
    struct str text = l->name.n > 0 ? l->name : str_first(l->server, LOG_SERVER_BYTES - 1);
    text = str_first(text, LOG_NAME_BYTES - 1);
    s->kind = l->kind;
    s->n = text.n;
    for (size_t i = 0; i < text.n; i++)
        s->text[i] = ascii_lower(text.p[i]);
    s->text[text.n] = 0;
}

static bool is_same(const struct log_group *g, const struct subject *s, bool is_name)
{
    const char *mine = g->name[0] != 0 ? g->name : g->server;
    return g->kind == s->kind && (g->name[0] != 0) == is_name && strlen(mine) == s->n &&
           memcmp(mine, s->text, s->n) == 0;
}

static void put_server(struct log_group *g, struct str server)
{
    char text[LOG_SERVER_BYTES];
    struct str cut = str_first(server, sizeof text - 1);
    if (cut.n == 0)
        return;
    for (size_t i = 0; i < cut.n; i++)
        text[i] = ascii_lower(cut.p[i]);
    text[cut.n] = 0;
    if (g->server[0] == 0)
        memcpy(g->server, text, cut.n + 1);
    else if (strcmp(g->server, text) != 0)
        g->has_more_servers = true;
}

static struct log_group *find_group(struct log_report *r, const struct log_line *l, struct str line)
{
    struct subject s;
    make_subject(l, &s);
    bool is_name = l->name.n > 0;
    uint64_t hash = hash_bytes(&r->key, str_of(s.text, s.n)) + (uint64_t)l->kind * 2 + is_name;
    for (unsigned i = 0; i < r->n_groups; i++)
        if (r->hashes[i] == hash && is_same(&r->groups[i], &s, is_name))
            return &r->groups[i];
    if (r->n_groups == r->max_groups)
        return NULL;
    struct log_group *g = &r->groups[r->n_groups];
    r->hashes[r->n_groups++] = hash;
    *g = (struct log_group){ .kind = l->kind, .writer = l->writer };
    if (is_name)
        memcpy(g->name, s.text, s.n + 1);
    log_mask(line, g->sample, sizeof g->sample);
    return g;
}

static void put_time(struct log_group *g, int64_t time_ms)
{
    if (!g->has_time || time_ms < g->first_ms)
        g->first_ms = time_ms;
    if (!g->has_time || time_ms > g->last_ms)
        g->last_ms = time_ms;
    g->has_time = true;
}

/* event_ms: of the service that keeps the log, or NULL. */
static void read_line(struct log_report *r, struct str line, const int64_t *event_ms)
{
    struct log_line l;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    if (!log_line_parse(&r->words, line, &l))
        return;
    const struct log_kind_row *row = log_kind_row(l.kind);
    r->counts.n_recognised++;
    r->counts.n_dns += row->about == LOG_ABOUT_DNS && !row->is_consequence;
    r->counts.n_consequences += row->is_consequence;
    struct log_group *g = find_group(r, &l, line);
    if (g == NULL) {
        r->counts.n_ungrouped++;
        r->ungrouped[l.kind]++;
        return;
    }
    g->n_lines++;
    g->is_start |= l.is_start;
    r->is_sorted = false;
    put_server(g, l.server);
    if (event_ms != NULL)
        put_time(g, *event_ms);
    else if (l.has_time)
        put_time(g, l.time_ms);
}

/* Whole lines, the last one with its line end. Only those with one of the words are looked at. */
static void read_lines(struct log_report *r, struct str lines, const int64_t *event_ms)
{
    size_t hit = log_words_find(&r->words, lines, 0);
    for (size_t from = 0; from < lines.n;) {
        size_t end = str_find(lines, '\n', from);
        struct str line = str_of(lines.p + from, end - from);
        r->counts.n_lines++;
        r->counts.n_cut += line.n > LOG_LINE_BYTES;
        if (hit < end) {
            read_line(r, str_first(line, LOG_LINE_BYTES), event_ms);
            hit = end < lines.n ? log_words_find(&r->words, lines, end) : lines.n;
        }
        from = end + 1;
    }
}

static void pend(struct log_report *r, struct str bytes)
{
    if (r->n_pending < sizeof r->pending) {
        size_t room = sizeof r->pending - (size_t)r->n_pending;
        memcpy(r->pending + r->n_pending, bytes.p, bytes.n < room ? bytes.n : room);
    }
    r->n_pending += bytes.n;
}

void log_report_end(struct log_report *r)
{
    if (r->n_pending == 0)
        return;
    bool is_cut = r->n_pending > sizeof r->pending;
    read_lines(r, str_of(r->pending, is_cut ? sizeof r->pending : (size_t)r->n_pending), NULL);
    r->counts.n_cut += is_cut;
    r->n_pending = 0;
}

void log_report_feed(struct log_report *r, struct str bytes)
{
    r->counts.n_bytes += bytes.n;
    if (r->n_pending > 0) {
        size_t end = str_find(bytes, '\n', 0);
        pend(r, str_first(bytes, end));
        if (end == bytes.n)
            return;
        log_report_end(r);
        bytes = str_from(bytes, end + 1);
    }
    const char *last = bytes.n > 0 ? memrchr(bytes.p, '\n', bytes.n) : NULL;
    size_t whole = last != NULL ? (size_t)(last - bytes.p) + 1 : 0;
    read_lines(r, str_first(bytes, whole), NULL);
    if (whole < bytes.n)
        pend(r, str_from(bytes, whole));
}

void log_report_line(struct log_report *r, int64_t time_ms, struct str text)
{
    r->counts.n_bytes += text.n;
    read_lines(r, text, &time_ms);
}

struct log_counts log_report_counts(const struct log_report *r)
{
    return r->counts;
}

unsigned log_report_n_groups(const struct log_report *r)
{
    return r->n_groups;
}

static int by_lines(const void *a, const void *b, void *arg)
{
    const struct log_report *r = arg;
    unsigned i = *(const unsigned *)a, k = *(const unsigned *)b;
    if (r->groups[i].n_lines != r->groups[k].n_lines)
        return r->groups[i].n_lines > r->groups[k].n_lines ? -1 : 1;
    return i < k ? -1 : i > k;
}

const struct log_group *log_report_group(struct log_report *r, unsigned i)
{
    if (!r->is_sorted) {
        for (unsigned k = 0; k < r->n_groups; k++)
            r->order[k] = k;
        qsort_r(r->order, r->n_groups, sizeof *r->order, by_lines, r);
        r->is_sorted = true;
    }
    return &r->groups[r->order[i]];
}

uint64_t log_report_ungrouped(const struct log_report *r, enum log_kind kind)
{
    return r->ungrouped[kind];
}
