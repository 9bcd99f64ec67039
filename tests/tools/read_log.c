/*
 * read-log lines < LOG     each line: its kind, name, server (- for none), tabs between
 * read-log report FILE|-   the groups as JSON, then how long it took and how much memory
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "codec/json_write.h"
#include "doctor/log_report.h"

static const char *or_dash(struct str s)
{
    static char text[2][512];
    static unsigned which;
    char *to = text[which++ % 2];
    snprintf(to, sizeof text[0], "%.*s", STR_ARG(s));
    return s.n > 0 ? to : "-";
}

static int read_lines(void)
{
    struct log_words words;
    struct log_line l;
    char *line = NULL;
    size_t bytes = 0;
    ssize_t n;
    log_words_init(&words);
    while ((n = getline(&line, &bytes, stdin)) > 0) {
        log_line_parse(&words, str_of(line, (size_t)n - (line[n - 1] == '\n')), &l);
        printf("%s\t%s\t%s\n", log_kind_row(l.kind)->name, or_dash(l.name), or_dash(l.server));
    }
    free(line);
    return 0;
}

static void put_group(struct json *j, const struct log_group *g)
{
    enum finding_code codes[LOG_MAX_HINTS];
    struct buf sentence;
    const struct log_kind_row *row = log_kind_row(g->kind);
    unsigned n = log_group_hints(g, codes);
    buf_init(&sentence, 4096);
    log_group_sentence(g, &sentence);
    json_open(j, NULL, '{');
    json_put_text(j, "kind", row->name);
    json_put_text(j, "name", g->name);
    json_put_text(j, "server", g->server);
    json_put_bool(j, "has_more_servers", g->has_more_servers);
    json_put_text(j, "writer", log_writer_name(g->writer));
    json_put_bool(j, "is_dns", row->about == LOG_ABOUT_DNS);
    json_put_bool(j, "is_consequence", row->is_consequence);
    json_put_u64(j, "lines", g->n_lines);
    json_put_bool(j, "has_time", g->has_time);
    json_put_u64(j, "first_ms", (uint64_t)g->first_ms);
    json_put_u64(j, "last_ms", (uint64_t)g->last_ms);
    json_put_text(j, "sample", g->sample);
    json_put_str(j, "sentence", buf_str(&sentence));
    json_open(j, "hints", '[');
    for (unsigned i = 0; i < n; i++)
        json_put_text(j, NULL, finding_row(codes[i])->code);
    json_close(j, '[');
    json_close(j, '{');
    buf_done(&sentence);
}

static void put_report(struct json *j, struct log_report *r, uint64_t us)
{
    struct log_counts c = log_report_counts(r);
    struct rusage use;
    struct buf sentence;
    getrusage(RUSAGE_SELF, &use);
    buf_init(&sentence, 4096);
    log_report_sentence(r, &sentence);
    json_open(j, NULL, '{');
    json_put_u64(j, "bytes", c.n_bytes);
    json_put_u64(j, "lines", c.n_lines);
    json_put_u64(j, "recognised", c.n_recognised);
    json_put_u64(j, "dns", c.n_dns);
    json_put_u64(j, "consequences", c.n_consequences);
    json_put_u64(j, "cut", c.n_cut);
    json_put_u64(j, "ungrouped", c.n_ungrouped);
    json_put_u64(j, "us", us);
    json_put_u64(j, "resident_kib", (uint64_t)use.ru_maxrss);
    json_put_str(j, "sentence", buf_str(&sentence));
    json_open(j, "groups", '[');
    for (unsigned i = 0; i < log_report_n_groups(r); i++)
        put_group(j, log_report_group(r, i));
    json_close(j, '[');
    json_close(j, '{');
    buf_done(&sentence);
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int report(const char *path)
{
    struct fault f = { .kind = FAULT_NONE };
    struct log_report *r = log_report_new(LOG_MAX_GROUPS);
    struct buf text;
    if (r == NULL)
        return 1;
    uint64_t began = now_us();
    bool is_read = log_report_file(r, path, &f);
    uint64_t us = now_us() - began;
    buf_init(&text, 1024 * 1024);
    struct json j = json_begin(&text);
    put_report(&j, r, us);
    log_report_free(r);
    printf("%.*s\n", STR_ARG(buf_str(&text)));
    bool is_whole = !text.failed;
    buf_done(&text);
    if (!is_read)
        fprintf(stderr, "%s: %s\n", path, f.detail);
    return is_read && is_whole ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "lines") == 0)
        return read_lines();
    if (argc == 3 && strcmp(argv[1], "report") == 0)
        return report(argv[2]);
    fprintf(stderr, "usage: read-log lines | read-log report FILE|-\n");
    return 64;
}
