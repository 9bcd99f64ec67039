/* A host that moved within its TTL, and how an answer tells which way it came. */
#include "script.h"

#define REGISTRY "registry.stack"
#define OLD "127.0.0.10"
#define NEW "127.0.0.20"

static void reach(struct want *w, struct rig *g)
{
    want_start(w, g, REGISTRY, 80, DNS_POLICY_REGISTRY);
    want_wait(w);
}

static void age(struct rig *g, unsigned age_s)
{
    struct dns_ask ask = ask_of(REGISTRY, DNS_A);
    rig_age(g, &ask, age_s);
}

/* The cache has an address that takes no connection any more. */
static void moved(void **state)
{
    static const struct {
        const char *name;
        unsigned age_s;
        const char *system, *vpc; /* addresses from now on; NULL: NXDOMAIN */
        const char *next[3];      /* what is to be dialled, in turn */
        unsigned n_system;        /* questions that reached the system's server, all told */
    } rows[] = {
        { "its server is asked anew", 5, NEW, NULL, { NEW }, 2 },
        { "it says the same: the next group", 5, OLD, NEW, { NEW }, 2 },
        { "it knows it no more: the next group", 5, NULL, NEW, { NEW }, 2 },
        { "anew, and then the next group, each once",
          5,
          "127.0.0.11",
          NEW,
          { "127.0.0.11", NEW },
          2 },
        { "not anew within a second", 0, NEW, "127.0.0.11", { "127.0.0.11" }, 1 },
        { "it is nowhere else", 5, OLD, NULL, { NULL }, 2 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 1, 1);
        rig_go(&g);
        reach(&w, &g);
        dns_resolve_succeeded(&w.r);
        if (rows[i].age_s > 0)
            age(&g, rows[i].age_s);
        const char *const says[] = { rows[i].system, rows[i].vpc };
        for (unsigned k = 0; k < 2; k++) {
            g.fakes[k].ip = says[k];
            g.fakes[k].mode = says[k] != NULL ? FAKE_OK : FAKE_NXDOMAIN;
        }
        reach(&w, &g);
        assert_int_equal(w.r.explain.source, DNS_FROM_CACHE);
        assert_string_equal(want_ip(&w), OLD);
        for (unsigned k = 0; k < 3 && rows[i].next[k] != NULL; k++) {
            want_next(&w);
            if (w.r.n_addrs == 0 || strcmp(want_ip(&w), rows[i].next[k]) != 0)
                fail_msg("%s: %s", rows[i].name, want_ip(&w));
            assert_true(w.r.explain.is_detour);
        }
        want_next(&w);
        if (w.r.n_addrs != 0 || g.fakes[0].n_udp != rows[i].n_system)
            fail_msg("%s: %u addresses, %u questions", rows[i].name, w.r.n_addrs, g.fakes[0].n_udp);
        dns_resolve_cancel(&w.r);
        rig_done(&g);
    }
}

/* What a text says, times and ports aside. */
static void check_way(const struct want *w, const struct rig *g, const char *name, const char *form)
{
    char want[256], got[256], corp[ADDR_TEXT_BYTES], corp2[ADDR_TEXT_BYTES],
        amazon[ADDR_TEXT_BYTES];
    addr_text(&g->fakes[0].addr, corp);
    addr_text(&g->fakes[1].addr, corp2);
    addr_text(&g->fakes[2].addr, amazon);
    struct buf b;
    buf_init(&b, sizeof want);
    for (const char *p = form; *p != 0; p++)
        buf_append(&b, str_from_c(*p == '@'   ? corp
                                  : *p == '#' ? corp2
                                  : *p == '&' ? amazon
                                              : (char[]){ *p, 0 }));
    snprintf(want, sizeof want, "%.*s", (int)b.n, b.p);
    buf_done(&b);
    dns_explain_way(&w->r.explain, got, sizeof got);
    char *digits = got;
    for (const char *p = got; *p != 0; p++) { /* "in 0.4 ms", "for 300 ms" -> "in T", "for T" */
        *digits++ = *p;
        bool is_time =
            p - got >= 3 && (memcmp(p - 3, " in ", 4) == 0 || memcmp(p - 3, "for ", 4) == 0);
        if (!is_time)
            continue;
        *digits++ = 'T';
        p += strcspn(p + 1, "s") + 1;
    }
    *digits = 0;
    if (strcmp(got, want) != 0)
        fail_msg("%s: %s\n  instead of %s", name, got, want);
}

static void the_way_is_told_where_it_was_a_detour(void **state)
{
    static const struct {
        const char *name;
        enum mode modes[3]; /* two corporate servers, Amazon's */
        unsigned age_s;     /* 0: nothing is known; else an answer of so long ago, TTL 60 */
        const char *form;   /* @, #, &: the servers; NULL: no detour */
    } rows[] = {
        { "the first server", { FAKE_OK, FAKE_OK, FAKE_OK }, 0, NULL },
        { "its answer of before", { FAKE_SILENT, FAKE_SILENT, FAKE_SILENT }, 5, NULL },
        { "over TCP", { FAKE_TRUNCATED, FAKE_OK, FAKE_OK }, 0, NULL },
        { "the second one",
          { FAKE_REFUSED, FAKE_OK, FAKE_OK },
          0,
          "setting: @ REFUSED in T; # answered in T" },
        { "the second one, after a silence",
          { FAKE_SILENT, FAKE_OK, FAKE_OK },
          0,
          "setting: # answered in T; @ no reply for T" },
        { "the next group",
          { FAKE_NXDOMAIN, FAKE_OK, FAKE_OK },
          0,
          "vpc: @ NXDOMAIN in T; & answered in T" },
        { "an old answer",
          { FAKE_SERVFAIL, FAKE_REFUSED, FAKE_SERVFAIL },
          72,
          "setting, 12 s beyond its TTL: @ SERVFAIL in T; # REFUSED in T; & SERVFAIL in T" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct want w;
        rig_init(&g, 2, 1);
        rig_go(&g);
        if (rows[i].age_s > 0) {
            reach(&w, &g);
            dns_resolve_cancel(&w.r);
            age(&g, rows[i].age_s);
        }
        for (unsigned k = 0; k < 3; k++)
            g.fakes[k].mode = rows[i].modes[k];
        reach(&w, &g);
        assert_true(w.r.n_addrs > 0);
        if (w.r.explain.is_detour != (rows[i].form != NULL))
            fail_msg("%s: a detour? %d", rows[i].name, w.r.explain.is_detour);
        if (rows[i].form != NULL)
            check_way(&w, &g, rows[i].name, rows[i].form);
        bool is_vpc = rows[i].modes[0] == FAKE_NXDOMAIN;
        dns_resolve_succeeded(&w.r);
        reach(&w, &g);
        assert_true(w.r.explain.is_detour == (is_vpc || rows[i].age_s > 60));
        if (is_vpc)
            check_way(&w, &g, "remembered", "vpc, from the cache");
        dns_resolve_cancel(&w.r);
        rig_done(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(moved),
        cmocka_unit_test(the_way_is_told_where_it_was_a_detour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
