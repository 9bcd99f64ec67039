#include "cli/cli.h"
#include "cli/doctor_args.h"
#include "cli/doctor_collect.h"
#include "cli/doctor_text.h"

#include "doctor/facts_json.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int failed(const char *what, const char *why)
{
    cli_tell("doctor", "%s: %s", what, why);
    return EXIT_SOFTWARE;
}

/* A file of facts as it is read: at most so much. */
struct source {
    FILE *file;
    size_t left;
    bool is_too_long;
};

static size_t read_some(void *to, size_t n, void *arg)
{
    struct source *from = arg;
    if (from->left == 0) {
        from->is_too_long = true;
        return (size_t)-1;
    }
    size_t got = fread(to, 1, n < from->left ? n : from->left, from->file);
    from->left -= got;
    return ferror(from->file) ? (size_t)-1 : got;
}

/* NULL: what is wrong with it was said. */
static json_t *load_json(const char *path)
{
    json_error_t at;
    bool is_stdin = strcmp(path, "-") == 0;
    struct source from = { .file = is_stdin ? stdin : fopen(path, "re"), .left = FACTS_JSON_BYTES };
    if (from.file == NULL) {
        failed(path, strerror(errno));
        return NULL;
    }
    errno = 0;
    json_t *document = json_load_callback(read_some, &from, JSON_REJECT_DUPLICATES, &at);
    int problem = ferror(from.file) ? errno : 0;
    if (!is_stdin)
        fclose(from.file);
    if (document != NULL)
        return document;
    if (from.is_too_long)
        failed(path, "more than 16 MB are no facts of one task");
    else if (problem != 0)
        failed(path, strerror(problem));
    else
        cli_tell("doctor", "%s:%d:%d: %s", path, at.line, at.column, at.text);
    return NULL;
}

/* Facts of a file: what --facts-out or -o json wrote. */
static bool load_facts(const char *path, struct fact_book *book)
{
    struct buf errors;
    json_t *document = load_json(path);
    if (document == NULL)
        return false;
    const json_t *facts = json_object_get(document, "facts");
    if (facts == NULL) {
        failed(path, "there is no member \"facts\" in it");
        json_decref(document);
        return false;
    }
    buf_init(&errors, REPORT_TEXT_BYTES);
    bool is_read = facts_read(facts, book, &errors);
    if (!is_read)
        fprintf(stderr, "penstock doctor: %s: %.*s", path, STR_ARG(buf_str(&errors)));
    buf_done(&errors);
    json_decref(document);
    return is_read;
}

/* What a network looks like from inside is its owner's alone. A file that is there keeps its mode.
 */
static FILE *open_for_owner(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (fd >= 0 && file == NULL)
        close(fd);
    return file;
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
    FILE *file = text.failed ? NULL : open_for_owner(path);
    bool is_written = file != NULL && fwrite(text.p, 1, text.n, file) == text.n;
    is_written = file != NULL && fclose(file) == 0 && is_written;
    if (!is_written)
        failed(path, text.failed ? "too much" : strerror(errno));
    buf_done(&text);
    return is_written;
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

static int print_schema(void)
{
    struct buf text;
    buf_init(&text, FACTS_JSON_BYTES);
    report_schema(&text);
    json_t *schema = text.failed ? NULL : json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, NULL);
    bool is_printed = schema != NULL && output_print_json(schema);
    json_decref(schema);
    buf_done(&text);
    return is_printed ? DOCTOR_OK : failed("stdout", "the schema could not be written");
}

int cmd_doctor(int argc, char **argv)
{
    struct doctor_args a;
    struct fact_book book;
    if (!doctor_args_read(argc, argv, &a))
        return EXIT_USAGE_ERROR;
    if (a.schema)
        return print_schema();
    signal(SIGPIPE, SIG_IGN); /* a reader that goes away is told by write */
    fact_book_init(&book);
    int code = 0;
    if (a.facts_in != NULL)
        code = load_facts(a.facts_in, &book) ? 0 : EXIT_USAGE_ERROR;
    else
        code = doctor_collect(&a, &book);
    if (code == 0 && a.facts_out != NULL && !save_facts(a.facts_out, &book.facts))
        code = EXIT_SOFTWARE;
    if (code == 0)
        code = judge(&a, &book.facts);
    fact_book_done(&book);
    return code;
}
