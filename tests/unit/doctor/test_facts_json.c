/* Every field of every record goes out and comes in again, by the table itself. */
#include "doctor/facts_json.h"

#include <stdio.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

/* Each value is another one; all are known, and lists have two elements. */
static void fill(struct fact_book *b, const struct fact_row *row, void *record, int *next)
{
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct fact_field *field = &row->fields[i];
        void *at = (char *)record + field->offset;
        switch (field->kind) {
        case FACT_TEXT:
            *(struct str *)at = fact_textf(b, "%s \"%d\" \xc3\xa4", field->name, (*next)++);
            break;
        case FACT_NUMBER:
            *(int64_t *)at = -1000000000000LL * (*next)++;
            break;
        case FACT_TRUTH:
            *(enum fact_truth *)at = (*next)++ % 2 ? FACT_YES : FACT_NO;
            break;
        case FACT_TEXTS:
            fact_add_text(b, at, str_from_c("one"));
            fact_add_text(b, at, str_from_c(""));
            break;
        case FACT_ONE:
            fill(b, field->inner, at, next);
            break;
        case FACT_MANY: {
            void *one = malloc(field->inner->size);
            assert_non_null(one);
            for (int k = 0; k < 2; k++) {
                fact_clear(field->inner, one);
                fill(b, field->inner, one, next);
                fact_add_any(b, at, field->inner->size, one);
            }
            free(one);
        }
        }
    }
}

static struct buf written(const struct fact_book *b)
{
    struct buf out;
    buf_init(&out, FACTS_JSON_BYTES);
    struct json j = json_begin(&out);
    facts_write(&b->facts, &j, NULL);
    assert_false(out.failed);
    return out;
}

static bool read_back(const char *text, size_t n, struct fact_book *b, char *errors, size_t cap)
{
    struct buf e;
    json_error_t at;
    json_t *document = json_loadb(text, n, JSON_REJECT_DUPLICATES, &at);
    if (document == NULL)
        fprintf(stderr, "%s at %d: %.*s\n", at.text, at.position, (int)n, text);
    assert_non_null(document);
    buf_init(&e, 64 * 1024);
    fact_book_init(b);
    bool is_read = facts_read(document, b, &e);
    snprintf(errors, cap, "%.*s", (int)e.n, e.n > 0 ? e.p : "");
    buf_done(&e);
    json_decref(document);
    return is_read;
}

static void test_round_trip(void **state)
{
    struct fact_book before, after;
    char errors[256];
    int next = 0;
    fact_book_init(&before);
    fill(&before, &fact_row_facts, &before.facts, &next);
    assert_true(next > 250);
    struct buf first = written(&before);
    assert_true(read_back(first.p, first.n, &after, errors, sizeof errors));
    assert_string_equal(errors, "");
    struct buf second = written(&after);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.p, second.p, first.n);
    buf_done(&first);
    buf_done(&second);
    fact_book_done(&before);
    fact_book_done(&after);
}

/* What is not known is left out, and stays unknown. */
static void test_nothing_known(void **state)
{
    struct fact_book before, after;
    char errors[256];
    fact_book_init(&before);
    struct buf out = written(&before);
    assert_null(memchr(out.p, '-', out.n)); /* no FACT_NO_NUMBER */
    assert_true(read_back(out.p, out.n, &after, errors, sizeof errors));
    assert_int_equal(after.facts.taken_s, FACT_NO_NUMBER);
    assert_int_equal(after.facts.vpc.dns_support, FACT_UNKNOWN);
    assert_null(after.facts.vpc.id.p);
    buf_done(&out);
    fact_book_done(&before);
    fact_book_done(&after);
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        { "[]", "facts: an object is wanted\n" },
        { "{\"vpc\":[]}", "facts.vpc: an object is wanted\n" },
        { "{\"vpc\":{\"id\":1}}", "facts.vpc.id: a string is wanted\n" },
        { "{\"vpc\":{\"cidrs\":[\"10.0.0.0/16\",{}]}}",
          "facts.vpc.cidrs[1]: a string is wanted\n" },
        { "{\"vpc\":{\"dns_support\":\"yes\"}}",
          "facts.vpc.dns_support: true or false is wanted\n" },
        { "{\"questions\":{}}", "facts.questions: an array is wanted\n" },
        { "{\"questions\":[{},{\"tries\":1.5}]}",
          "facts.questions[1].tries: an integer is wanted\n" },
        { "{\"servers\":[7]}", "facts.servers[0]: an object is wanted\n" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fact_book b;
        char errors[256];
        assert_false(read_back(cases[i].text, strlen(cases[i].text), &b, errors, sizeof errors));
        assert_string_equal(errors, cases[i].error);
        fact_book_done(&b);
    }
}

static void test_of_a_later_version(void **state)
{
    static const char text[] =
        "{\"moon\":[1,2],\"vpc\":{\"id\":\"vpc-1\",\"shape\":{}},\"dhcp\":null}";
    struct fact_book b;
    char errors[256];
    assert_true(read_back(text, sizeof text - 1, &b, errors, sizeof errors));
    assert_true(str_eq(b.facts.vpc.id, STR("vpc-1")));
    fact_book_done(&b);
}

static void test_too_long_a_list(void **state)
{
    struct buf text;
    struct fact_book b;
    char errors[256];
    buf_init(&text, 1 << 20);
    buf_append(&text, STR("{\"hosts\":["));
    for (int i = 0; i <= FACTS_MOST_OF_ONE; i++)
        buf_append(&text, i ? STR(",{}") : STR("{}"));
    buf_append(&text, STR("]}"));
    assert_false(read_back(text.p, text.n, &b, errors, sizeof errors));
    assert_string_equal(errors, "facts.hosts: a shorter array is wanted\n");
    buf_done(&text);
    fact_book_done(&b);
}

static void test_not_printable(void **state)
{
    struct fact_book b;
    fact_book_init(&b);
    struct str text = fact_text(&b, STR("a\x1b[31m\n\x7f\0z"));
    assert_int_equal(text.n, 10);
    assert_string_equal(text.p, "a?[31m???z");
    fact_book_done(&b);
}

/* Rooms grow without moving what is in them, from several threads. */
static void *add_many(void *arg)
{
    struct fact_book *b = arg;
    for (int i = 0; i < 1000; i++) {
        struct fact_call call;
        FACT_CLEAR(call, &call);
        call.action = fact_textf(b, "ec2:Action%d", i);
        fact_add(b, &b->facts.calls, &call);
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fact_book b;
    pthread_t threads[4];
    fact_book_init(&b);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &b), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(b.facts.calls.n, 4000);
    for (size_t i = 0; i < 4000; i++)
        assert_true(str_starts(b.facts.calls.v[i].action, STR("ec2:Action")));
    add_many(&b);
    assert_int_equal(b.facts.calls.n, FACTS_MOST_OF_ONE);
    assert_true(b.is_full);
    fact_book_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_nothing_known),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_of_a_later_version),
        cmocka_unit_test(test_too_long_a_list), cmocka_unit_test(test_not_printable),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
