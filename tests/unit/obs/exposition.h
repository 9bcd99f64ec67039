#pragma once
/*
 * Prometheus' text format, read strictly enough to fail on what a scraper would refuse: HELP and
 * TYPE once and before the samples, a family in one piece, labels quoted, no sample twice.
 * Include cmocka first.
 */
#include "base/str.h"

#include <stdio.h>
#include <stdlib.h>

enum { EXPOSITION_MAX = 4096 };

struct exposition {
    unsigned n_families, n_samples;
    struct str type;                                              /* of the last family */
    struct str families[EXPOSITION_MAX], samples[EXPOSITION_MAX]; /* name and labels */
    double values[EXPOSITION_MAX];
};

static inline struct str exposition_word(struct str *rest)
{
    size_t end = str_find(*rest, ' ', 0);
    struct str word = str_first(*rest, end);
    *rest = str_from(*rest, end + 1);
    return word;
}

static inline void exposition_labels(struct str line, struct str labels)
{
    size_t i = 0;
    while (i < labels.n) {
        size_t from = i;
        while (i < labels.n && (labels.p[i] == '_' || ascii_is_alpha(labels.p[i])))
            i++;
        if (i == from || i + 1 >= labels.n || labels.p[i] != '=' || labels.p[i + 1] != '"')
            fail_msg("labels: %.*s", STR_ARG(line));
        for (i += 2; i < labels.n && labels.p[i] != '"'; i++)
            i += labels.p[i] == '\\';
        i++;
        if (i < labels.n && labels.p[i++] != ',')
            fail_msg("labels: %.*s", STR_ARG(line));
    }
    assert_int_equal(i, labels.n);
}

/* A summary's or histogram's samples have their part's name behind the family's. */
static inline bool exposition_belongs(const struct exposition *x, struct str name)
{
    struct str family = x->families[x->n_families - 1];
    if (str_eq(x->type, STR("counter")) || str_eq(x->type, STR("gauge")))
        return str_eq(name, family);
    struct str part = str_from(name, family.n);
    return str_starts(name, family) &&
           (str_eq(part, STR("_sum")) || str_eq(part, STR("_count")) ||
            (str_eq(x->type, STR("histogram")) && str_eq(part, STR("_bucket"))));
}

static inline void exposition_sample(struct exposition *x, struct str line)
{
    size_t end = line.n;
    while (end > 0 && line.p[end - 1] != ' ')
        end--;
    assert_true(end > 0);
    struct str key = str_first(line, end - 1);
    size_t name_n = str_find(key, '{', 0);
    if (x->n_families == 0 || !exposition_belongs(x, str_first(key, name_n)))
        fail_msg("not in its family: %.*s", STR_ARG(line));
    if (name_n < key.n) {
        assert_int_equal(key.p[key.n - 1], '}');
        exposition_labels(line, str_of(key.p + name_n + 1, key.n - name_n - 2));
    }
    for (unsigned i = 0; i < x->n_samples; i++)
        if (str_eq(x->samples[i], key))
            fail_msg("twice: %.*s", STR_ARG(line));
    char number[64], *rest;
    snprintf(number, sizeof number, "%.*s", STR_ARG(str_from(line, end)));
    x->samples[x->n_samples] = key;
    x->values[x->n_samples++] = strtod(number, &rest);
    if (rest == number || *rest != 0)
        fail_msg("no number: %.*s", STR_ARG(line));
}

static inline void exposition_parse(struct exposition *x, struct str text)
{
    struct str line, help = { NULL, 0 };
    *x = (struct exposition){ 0 };
    assert_true(text.n > 0 && text.p[text.n - 1] == '\n');
    while (str_next(&text, '\n', &line)) {
        struct str rest = line, mark = exposition_word(&rest);
        if (!str_eq(mark, STR("#"))) {
            exposition_sample(x, line);
            continue;
        }
        struct str what = exposition_word(&rest), name = exposition_word(&rest);
        if (str_eq(what, STR("HELP"))) {
            help = name;
            assert_true(rest.n > 0 && str_find(rest, '\\', 0) == rest.n);
            continue;
        }
        assert_true(str_eq(what, STR("TYPE")) && str_eq(name, help));
        assert_true(str_eq(rest, STR("counter")) || str_eq(rest, STR("gauge")) ||
                    str_eq(rest, STR("summary")) || str_eq(rest, STR("histogram")));
        x->type = rest;
        for (unsigned i = 0; i < x->n_families; i++)
            if (str_eq(x->families[i], name))
                fail_msg("a family in two pieces: %.*s", STR_ARG(name));
        x->families[x->n_families++] = name;
    }
}

/* The value of "name" or "name{labels}"; fails where there is none. */
static inline double exposition_value(const struct exposition *x, const char *key)
{
    for (unsigned i = 0; i < x->n_samples; i++)
        if (str_eq(x->samples[i], str_from_c(key)))
            return x->values[i];
    fail_msg("no sample %s", key);
    return 0;
}
