#include "cli/cli.h"
#include "cli/doctor_args.h"
#include "cli/doctor_text.h"

#include "doctor/facts_json.h"
#include "doctor/probe.h"
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Of the whole command; the probes and calls end before it. */
enum { DOCTOR_MS = 14000, EXIT_SOFTWARE = 70 };

static int failed(const char *what, const char *why)
{
    fprintf(stderr, "penstock doctor: %s: %s\n", what, why);
    return EXIT_SOFTWARE;
}

/* Facts of a file: a whole report or the facts alone. */
static bool load_facts(const char *path, struct fact_book *book)
{
    json_error_t at;
    struct buf errors;
    bool is_stdin = strcmp(path, "-") == 0;
    json_t *document = is_stdin ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &at)
                                : json_load_file(path, JSON_REJECT_DUPLICATES, &at);
    if (document == NULL) {
        fprintf(stderr, "penstock doctor: %s:%d:%d: %s\n", path, at.line, at.column, at.text);
        return false;
    }
    const json_t *facts = json_object_get(document, "facts");
    buf_init(&errors, 64 * 1024);
    bool is_read = facts_read(facts != NULL ? facts : document, book, &errors);
    if (!is_read)
        fprintf(stderr, "penstock doctor: %s: %.*s", path, STR_ARG(buf_str(&errors)));
    buf_done(&errors);
    json_decref(document);
    return is_read;
}

static bool save_facts(const char *path, const struct fact_facts *facts)
{
    struct buf text;
    buf_init(&text, FACTS_JSON_BYTES);
    struct json j = json_begin(&text);
    json_open(&j, NULL, '{');
    facts_write(facts, &j, "facts");
    json_close(&j, '{');
    buf_byte(&text, '\n');
    FILE *file = text.failed ? NULL : fopen(path, "we");
    bool is_written = file != NULL && fwrite(text.p, 1, text.n, file) == text.n;
    is_written = file != NULL && fclose(file) == 0 && is_written;
    if (!is_written)
        failed(path, text.failed ? "too much" : strerror(errno));
    buf_done(&text);
    return is_written;
}

/* What is seen from here is what the task sees, unless somebody asks about something elsewhere. */
static bool is_inside(const struct doctor_args *a)
{
    if (a->probes || a->probes_not)
        return a->probes;
    if (getenv("ECS_CONTAINER_METADATA_URI_V4") != NULL)
        return true;
    return a->vpc == NULL && a->cluster == NULL && a->task == NULL && a->log == NULL;
}

static void note_arguments(const struct doctor_args *a, bool inside, struct fact_book *book)
{
    struct fact_facts *f = &book->facts;
    struct fact_surroundings *s = &f->surroundings;
    f->version = fact_text(book, STR(PENSTOCK_VERSION));
    f->taken_s = (int64_t)time(NULL);
    s->inside = fact_truth_of(inside);
    s->on_ecs = fact_truth_of(getenv("ECS_CONTAINER_METADATA_URI_V4") != NULL);
    s->vpc_id = fact_text(book, str_from_c(a->vpc));
    s->cluster = fact_text(book, str_from_c(a->cluster));
    s->task = fact_text(book, str_from_c(a->task));
    for (unsigned i = 0; i < a->n_buckets; i++)
        fact_add_text(book, &s->buckets, a->buckets[i]);
}

static bool probe(const struct doctor_args *a, const struct conf *conf, uint64_t deadline_us,
                  struct fact_book *book)
{
    struct conf_strs buckets = { (struct str *)(uintptr_t)a->buckets, a->n_buckets };
    struct conf_addrs servers = { (struct addr *)(uintptr_t)a->servers, a->n_servers };
    struct fault fault = { .kind = FAULT_NONE };
    struct probe_request request = {
        .conf = conf,
        .env = environ,
        .region = str_from_c(a->region),
        .region_source = a->region != NULL ? STR("--region") : STR(""),
        .buckets = &buckets,
        .registry = conf->registry.host.n > 0 ? &conf->registry : NULL,
        .dns_servers = &servers,
        .inside = true,
        .link_local_allowed = conf->dns_aws_allowed,
        .deadline_us = deadline_us,
    };
    if (probe_run(&request, book, &fault))
        return true;
    failed("the probes could not begin", fault.detail);
    return false;
}

static int print(const struct doctor_args *a, const struct diagnosis *d)
{
    struct output o;
    output_init(&o);
    switch (a->format) {
    case DOCTOR_TEXT:
        doctor_text(d, &o);
        break;
    case DOCTOR_SHORT:
        doctor_short(d, &o);
        break;
    case DOCTOR_JSON:
        report_json(d, a->fail_on, &o.text);
        break;
    case DOCTOR_SARIF:
        report_sarif(d, &o.text);
        break;
    case DOCTOR_JUNIT:
        report_junit(d, a->fail_on, &o.text);
    }
    if (a->format >= DOCTOR_JSON)
        buf_byte(&o.text, '\n');
    if (!output_print(&o))
        return failed("stdout", "not everything could be written");
    return report_exit_code(d, a->fail_on);
}

static int judge(const struct doctor_args *a, const struct fact_facts *facts)
{
    struct diagnosis *d = malloc(sizeof *d);
    if (d == NULL)
        return failed("memory", strerror(ENOMEM));
    diagnose(facts, d);
    int code = print(a, d);
    diagnosis_done(d);
    free(d);
    return code;
}

/* Fills the book; 0, or the exit code with which it ends. */
static int collect(const struct doctor_args *a, struct fact_book *book)
{
    uint64_t started_us = io_now_us();
    bool inside = is_inside(a);
    if (a->registry != NULL && setenv("INTERNAL_REGISTRY_URL", a->registry, 1) != 0)
        return failed("memory", strerror(ENOMEM));
    struct conf *conf = cli_load_conf(a->config, CONF_FOR_TOOL);
    if (conf == NULL)
        return EXIT_USAGE_ERROR;
    note_arguments(a, inside, book);
    bool is_done = !inside || probe(a, conf, started_us + DOCTOR_MS * 1000ULL, book);
    book->facts.took_ms = (int64_t)((io_now_us() - started_us) / 1000);
    conf_free(conf);
    return is_done ? 0 : EXIT_SOFTWARE;
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor_args a;
    struct fact_book book;
    if (!doctor_args_read(argc, argv, &a))
        return EXIT_USAGE_ERROR;
    fact_book_init(&book);
    int code = 0;
    if (a.facts_in != NULL)
        code = load_facts(a.facts_in, &book) ? 0 : EXIT_USAGE_ERROR;
    else
        code = collect(&a, &book);
    if (code == 0 && a.facts_out != NULL && !save_facts(a.facts_out, &book.facts))
        code = EXIT_SOFTWARE;
    if (code == 0)
        code = judge(&a, &book.facts);
    fact_book_done(&book);
    return code;
}
