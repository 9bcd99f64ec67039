#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf/value.h"

#include <stdio.h>

static struct conf *load(const char *yaml)
{
    char registry[] = "INTERNAL_REGISTRY_URL=http://r";
    char *env[] = { registry, NULL };
    struct buf errors;
    buf_init(&errors, 4096);
    struct conf *c = conf_load_text(env, "p.yaml", str_from_c(yaml), CONF_FOR_SERVE, &errors);
    assert_non_null(c);
    buf_done(&errors);
    return c;
}

/* The sanitizer sees what is freed too early, twice or never. */
static void it_lives_while_anybody_holds_it(void **state)
{
    struct conf *c = load("");
    const struct conf *other = conf_ref(c);
    assert_ptr_equal(other, c);
    conf_unref(c);
    assert_string_equal(other->registry.host.p, "r");
    conf_unref(other);
    conf_unref(NULL);
    struct conf copy = { .workers = 7 };
    conf_unref(conf_ref(&copy));
    assert_int_equal(copy.workers, 7);
}

static void what_was_changed_is_known(void **state)
{
    static const struct {
        const char *name, *before, *after;
        int changed, restart; /* N_CONF_SETTINGS: none */
    } rows[] = {
        { "the same", "PENSTOCK_WORKERS: 2\n", "# more\nPENSTOCK_WORKERS: 2\n", N_CONF_SETTINGS,
          N_CONF_SETTINGS },
        { "the default said aloud", "", "PENSTOCK_LOG_LEVEL: info\n", N_CONF_SETTINGS,
          N_CONF_SETTINGS },
        { "a list", "PENSTOCK_ALLOW_BUCKETS: a,b\n", "PENSTOCK_ALLOW_BUCKETS: [a]\n",
          CONF_ALLOW_BUCKETS, N_CONF_SETTINGS },
        { "a list written otherwise", "PENSTOCK_ALLOW_BUCKETS: a,b\n",
          "PENSTOCK_ALLOW_BUCKETS: [a, b]\n", N_CONF_SETTINGS, N_CONF_SETTINGS },
        { "not set any more", "PENSTOCK_DNS_SERVERS: 127.0.0.1\n", "", CONF_DNS_SERVERS,
          N_CONF_SETTINGS },
        { "workers", "PENSTOCK_WORKERS: 2\n", "PENSTOCK_WORKERS: 3\n", N_CONF_SETTINGS,
          CONF_WORKERS },
        { "the cache", "", "PENSTOCK_DNS_CACHE: 1M\n", N_CONF_SETTINGS, CONF_DNS_CACHE },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct conf *before = load(rows[i].before), *after = load(rows[i].after);
        struct conf_changes changes;
        conf_compare(after, before, &changes);
        for (int s = 0; s < N_CONF_SETTINGS; s++)
            if (changes.is_changed[s] != (s == rows[i].changed) ||
                changes.needs_restart[s] != (s == rows[i].restart))
                fail_msg("%s: %s", rows[i].name, conf_key((enum conf_setting)s));
        conf_unref(before);
        conf_unref(after);
    }
}

static void what_needs_a_restart_stays(void **state)
{
    struct conf *before = load("PENSTOCK_WORKERS: 2\nPENSTOCK_DNS_CACHE: 2M\n"),
                *after = load("PENSTOCK_WORKERS: 3\nPENSTOCK_MAX_BODY: 7\n");
    assert_true(conf_keep_at_start(after, before));
    conf_unref(before);
    assert_int_equal(after->workers, 2);
    assert_int_equal(after->dns_cache_bytes, 2 << 20);
    assert_int_equal(after->max_body, 7);
    assert_string_equal(after->origins[CONF_WORKERS].text.p, "2");
    assert_string_equal(after->origins[CONF_DNS_CACHE].text.p, "2M");
    conf_unref(after);
}

static void what_needs_a_restart_is_a_number(void **state)
{
    for (unsigned s = 0; s < N_CONF_SETTINGS; s++) {
        enum conf_type t = conf_rows[s].type;
        bool is_number = t == CONF_TYPE_WORKERS || t == CONF_TYPE_SIZE || t == CONF_TYPE_COUNT;
        assert_true(is_number || !conf_rows[s].is_at_start);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_lives_while_anybody_holds_it),
        cmocka_unit_test(what_was_changed_is_known),
        cmocka_unit_test(what_needs_a_restart_stays),
        cmocka_unit_test(what_needs_a_restart_is_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
