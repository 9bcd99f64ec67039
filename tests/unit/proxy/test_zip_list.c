#include "proxy/zip_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#define S3 "s3.us-east-1.amazonaws.com"
#define AT "/" S3 "/b/k"

static struct conf *load(const char *setting)
{
    static char registry[] = "INTERNAL_REGISTRY_URL=http://registry.stk";
    char *env[] = { registry, (char *)(uintptr_t)setting, NULL };
    struct buf errors;
    buf_init(&errors, 4096);
    struct conf *c = conf_load(env, NULL, CONF_FOR_SERVE, &errors);
    if (c == NULL)
        fail_msg("%.*s", STR_ARG(buf_str(&errors)));
    buf_done(&errors);
    return c;
}

/* Fed n bytes at a time. */
static bool feed(struct zip_list *l, struct str text, size_t n, struct fault *f)
{
    for (size_t at = 0; at < text.n; at += n) {
        /* A copy that ends where it ends: what is read behind it is seen. */
        struct str some = str_first(str_from(text, at), n);
        char *copy = malloc(some.n);
        memcpy(copy, some.p, some.n);
        bool ok = zip_list_feed(l, str_of(copy, some.n), f);
        free(copy);
        if (!ok)
            return false;
    }
    return zip_list_end(l, 7, f);
}

static const struct row {
    const char *says, *setting;
    struct str text;
    const char *refusal;   /* NULL: it is taken */
    uint64_t n, n_unknown; /* entries of one that is taken */
} rows[] = {
#define TAKES(says, setting, text, n, n_unknown)                                                   \
    {                                                                                              \
        says, setting, STR_INIT(text), NULL, n, n_unknown                                          \
    }
#define REFUSES(says, setting, text, refusal)                                                      \
    {                                                                                              \
        says, setting, STR_INIT(text), refusal, 0, 0                                               \
    }
    TAKES("an empty list", NULL, "", 0, 0),
    TAKES("blank lines alone", NULL, "\r\n \n", 0, 0),
    TAKES("any line end", NULL, "1 5 " AT " a\r\n2 5 " AT " b\n- 5 " AT " c\r", 3, 1),
    TAKES("a directory goes nowhere", NULL, "0 0 @directory d\n", 1, 0),
    TAKES("hosts that the settings add", "PENSTOCK_ALLOW_HOSTS=minio.test:9000=http",
          "1 5 /minio.test/b/k a\n", 1, 0),
    TAKES("a host without a key, and a query", NULL, "1 5 /" S3 " a\n1 5 /" S3 "? b\n", 2, 0),
    TAKES("buckets that are allowed", "PENSTOCK_ALLOW_BUCKETS=b*", "1 5 " AT " a\n", 1, 0),
    REFUSES("a line that is broken", NULL, "1 5 " AT " a\nx\n",
            "entry 2: the CRC is neither hexadecimal nor \"-\""),
    REFUSES("blank lines are not counted", NULL, "\n\n1 5 " AT " a\n\n 1\n",
            "entry 2: the line begins with a space"),
    REFUSES("a name that leaves", NULL, "1 5 " AT " a/../b\n",
            "entry 1: the name holds a \"..\" component"),
    REFUSES("no last line end", NULL, "1 5 " AT " a\n2 5 " AT " b",
            "entry 2: the line has no end: the list was cut"),
    REFUSES("half a word", NULL, "1", "entry 1: the line has no end: the list was cut"),
    REFUSES("spaces without an end", NULL, "1 5 " AT " a\n  ",
            "entry 2: the line has no end: the list was cut"),
    REFUSES("another host", NULL, "1 5 /evil.test/k a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: evil.test"),
    REFUSES("a service that is not S3", NULL, "1 5 /ec2.us-east-1.amazonaws.com/?Action a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: "
            "ec2.us-east-1.amazonaws.com"),
    REFUSES("an address", NULL, "1 5 /169.254.169.254/latest a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: 169.254.169.254"),
    REFUSES("the registry's own routes", NULL, "1 5 /zip/x a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: zip"),
    REFUSES("no host", NULL, "1 5 / a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: "),
    REFUSES("two slashes", NULL, "1 5 /" AT " a\n",
            "entry 1: \"a\": the host is no S3 endpoint that this proxy serves: "),
    REFUSES("a bucket that is not allowed", "PENSTOCK_ALLOW_BUCKETS=c*", "1 5 " AT " a\n",
            "entry 1: \"a\": the bucket is not allowed by PENSTOCK_ALLOW_BUCKETS: b"),
    REFUSES("a bucket in disguise", "PENSTOCK_ALLOW_BUCKETS=b", "1 5 /" S3 "/%62/k a\n",
            "entry 1: \"a\": the bucket is not allowed by PENSTOCK_ALLOW_BUCKETS: "),
    REFUSES("a name that is not ASCII is shown printable", NULL, "1 5 /h/k \303\266\n",
            "entry 1: \"\\xc3\\xb6\": the host is no S3 endpoint that this proxy serves: h"),
    REFUSES("an archive that is too large", NULL, "1 9223372036854775807 " AT " a\n",
            "entry 1: the archive is too large, or memory is out"),
};

static void every_row_in_any_chunks(void **state)
{
    static const size_t chunks[] = { 1, 2, 3, 7, 1000 };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        struct conf *conf = load(row->setting);
        for (size_t j = 0; j < sizeof chunks / sizeof *chunks; j++) {
            struct zip_list l;
            struct fault f = { .kind = FAULT_NONE };
            zip_list_init(&l, conf);
            bool ok = feed(&l, row->text, chunks[j], &f);
            if (ok != (row->refusal == NULL))
                fail_msg("%s, by %zu: %s", row->says, chunks[j], f.detail);
            if (ok) {
                assert_int_equal(l.layout.end.index, row->n);
                assert_int_equal(l.layout.end.n_unknown, row->n_unknown);
                assert_int_equal(l.layout.time, 7);
                assert_true(str_eq(l.layout.text, row->text));
            } else {
                assert_int_equal(f.kind, FAULT_MANIFEST);
                assert_string_equal(f.step, "list");
                if (strcmp(f.detail, row->refusal) != 0)
                    fail_msg("%s, by %zu: %s", row->says, chunks[j], f.detail);
            }
            zip_list_done(&l);
        }
        conf_unref(conf);
    }
}

/* Signatures stand in the query: it is never shown, nor is the line that holds it. */
static void no_query_is_shown(void **state)
{
    static const char *const lines[] = {
        "1 5 /evil.test?X-Amz-Signature=SECRET a\n",
        "1 5 /evil.test/k?X-Amz-Signature=SECRET a\n",
        "1 5 " AT "?X-Amz-Signature=SECRET ../a\n",
        "1 5 " AT "?X-Amz-Signature=SECRET a",
        "1 5 " AT "?X-Amz-Signature=SECRET\n",
        "1 5 /" S3 "?X-Amz-Signature=SECRET a\n",
        "1 5 /b%2f/k?SECRET a\n",
        "1 5 https://" S3 "/k?SECRET a\n",
        "/" S3 "/k?SECRET 5 a\n",
    };
    struct conf *conf = load("PENSTOCK_ALLOW_BUCKETS=none");
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct zip_list l;
        struct fault f = { .kind = FAULT_NONE };
        zip_list_init(&l, conf);
        assert_false(feed(&l, str_from_c(lines[i]), 1000, &f));
        if (strstr(f.detail, "SECRET"))
            fail_msg("%s -> %s", lines[i], f.detail);
        zip_list_done(&l);
    }
    conf_unref(conf);
}

/* However long and strange host and name are, the reason is still told. */
static void the_reason_has_room(void **state)
{
    static char text[70000];
    struct conf *conf = load(NULL);
    struct zip_list l;
    struct fault f = { .kind = FAULT_NONE };
    char host[2001] = "", name[60001] = "";
    memset(host, 'h', sizeof host - 1);
    for (size_t i = 0; i < sizeof name - 1; i += 2)
        memcpy(name + i, "\303\266", 2);
    snprintf(text, sizeof text, "1 5 /%s/k %s\n", host, name);
    zip_list_init(&l, conf);
    assert_false(feed(&l, str_from_c(text), 1000, &f));
    assert_non_null(strstr(f.detail, "entry 1: \"\\xc3\\xb6"));
    assert_non_null(strstr(f.detail, "the host is no S3 endpoint that this proxy serves: hhhhh"));
    zip_list_done(&l);
    conf_unref(conf);
}

static void the_largest_list(void **state)
{
    static const char line[] = "1 5 " AT " a\n";
    enum { N = sizeof line - 1 };
    struct conf *conf = load("PENSTOCK_MAX_MANIFEST=1000");
    for (size_t chunk = 1; chunk <= 2 * N; chunk += N) {
        for (int over = 0; over < 2; over++) {
            struct zip_list l;
            struct fault f = { .kind = FAULT_NONE };
            char text[1001];
            memset(text, ' ', sizeof text);
            for (size_t at = 0; at + N <= 999; at += N)
                memcpy(text + at, line, N);
            text[999] = '\n';
            text[1000] = '\n';
            zip_list_init(&l, conf);
            assert_int_equal(feed(&l, str_of(text, 1000 + (size_t)over), chunk, &f), !over);
            if (over)
                assert_string_equal(f.detail, "it is over PENSTOCK_MAX_MANIFEST, 1000 bytes");
            else
                assert_int_equal(l.layout.end.index, 999 / N);
            zip_list_done(&l);
        }
    }
    conf_unref(conf);
}

/* It is refused when it is too long, not when it ends or memory is full. */
static void a_line_that_never_ends(void **state)
{
    static char text[4096];
    struct conf *conf = load(NULL);
    struct zip_list l;
    struct fault f = { .kind = FAULT_NONE };
    size_t fed = 0;
    memset(text, 'a', sizeof text);
    zip_list_init(&l, conf);
    while (fed < 2 * ZIP_LINE_BYTES && zip_list_feed(&l, str_of(text, sizeof text), &f))
        fed += sizeof text;
    assert_int_equal(f.kind, FAULT_MANIFEST);
    assert_string_equal(f.detail, "entry 1: the line is too long");
    assert_in_range(fed, ZIP_LINE_BYTES - sizeof text, ZIP_LINE_BYTES + sizeof text);
    zip_list_done(&l);
    conf_unref(conf);
}

/* They are passed over each time that the entry behind them is read, so there is an end to them. */
static void blank_lines_in_a_row(void **state)
{
    static const size_t chunks[] = { 1, 100, 100000 };
    struct conf *conf = load(NULL);
    for (size_t i = 0; i < 3; i++)
        for (size_t n = ZIP_BLANK_BYTES; n <= ZIP_BLANK_BYTES + 1; n++) {
            struct zip_list l;
            struct fault f = { .kind = FAULT_NONE };
            struct buf text;
            buf_init(&text, SIZE_MAX / 2);
            for (int entry = 0; entry < 3; entry++) {
                for (size_t k = 0; k < (entry < 2 ? ZIP_BLANK_BYTES : n); k++)
                    buf_byte(&text, k % 3 ? '\n' : '\r');
                buf_append(&text, STR("1 5 " AT " a\n"));
            }
            zip_list_init(&l, conf);
            assert_int_equal(feed(&l, buf_str(&text), chunks[i], &f), n == ZIP_BLANK_BYTES);
            if (n > ZIP_BLANK_BYTES)
                assert_string_equal(f.detail, "entry 3: too many blank lines");
            zip_list_done(&l);
            buf_done(&text);
        }
    conf_unref(conf);
}

/* Beside the text of 100,000 entries, at most a tenth of it. */
static void memory_is_that_of_the_text(void **state)
{
    enum { N = 100 * 1000 };
    struct conf *conf = load(NULL);
    struct zip_list l;
    struct fault f = { .kind = FAULT_NONE };
    char line[256];
    zip_list_init(&l, conf);
    for (int i = 0; i < N; i++) {
        int n = snprintf(line, sizeof line, "%08x %d " AT "/%d?X-Amz-Signature=%064d name %d\r\n",
                         i, i, i, i, i);
        assert_true(zip_list_feed(&l, str_of(line, (size_t)n), &f));
    }
    assert_true(zip_list_end(&l, 0, &f));
    assert_int_equal(l.layout.end.index, N);
    assert_true(l.layout.cap_marks * sizeof *l.layout.marks < l.text.n / 10);
    assert_null(l.layout.crcs);
    assert_true(l.layout.text.p == l.text.p && l.layout.text.n == l.text.n);
    zip_list_done(&l);
    assert_null(l.text.p);
    conf_unref(conf);
}

/* One that is freed in the middle, refused or not, leaves nothing: the sanitizer sees it. */
static void any_end(void **state)
{
    struct conf *conf = load(NULL);
    struct zip_list l;
    struct fault f = { .kind = FAULT_NONE };
    zip_list_init(&l, conf);
    zip_list_done(&l);
    zip_list_init(&l, conf);
    assert_true(zip_list_feed(&l, STR("- 5 " AT " a\n- 5 "), &f));
    zip_list_done(&l);
    zip_list_init(&l, conf);
    assert_false(feed(&l, STR("- 5 " AT " a\n- 5 "), 4, &f));
    zip_list_done(&l);
    conf_unref(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_in_any_chunks),    cmocka_unit_test(no_query_is_shown),
        cmocka_unit_test(the_reason_has_room),        cmocka_unit_test(the_largest_list),
        cmocka_unit_test(a_line_that_never_ends),     cmocka_unit_test(blank_lines_in_a_row),
        cmocka_unit_test(memory_is_that_of_the_text), cmocka_unit_test(any_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
