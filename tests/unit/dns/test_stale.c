/* Answers past their time (RFC 8767): when they are given, and what ends them. */
#include "script.h"

#define AWS "b.amazonaws.com"
#define CORP "b.corp.example"

enum { N_STEPS = 6 };

/* What happens, in turn. Each question is for A unless type says otherwise. */
struct step {
    const char *system, *vpc; /* what they say from now on; NULL: as before */
    unsigned age_s;           /* the time that goes by first, for qname */
    const char *qname;        /* NULL: the end */
    uint16_t type;
    const char *want;
    enum dns_source source;
    uint32_t ttl_s, stale_s;
};

struct row {
    const char *name;
    struct step steps[N_STEPS];
};

#define GOOD "@ 5 A 192.0.2.1"
#define AWS_GOOD "answered | b.amazonaws.com 5 A 192.0.2.1"
#define AWS_OLD "answered | (65 s) b.amazonaws.com 5 A 192.0.2.1"

/* clang-format off */
static const struct row rows[] = {
    { "TTL 5 asked at 4 s shows 1",
      { { GOOD, "SILENT", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { NULL, NULL, 4, AWS, DNS_A, "answered | (4 s) b.amazonaws.com 5 A 192.0.2.1",
          DNS_FROM_CACHE, 1, 0 } } },
    { "SERVFAIL gives a stale answer, with its age and 30 s",
      { { GOOD, "SERVFAIL", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 65, AWS, DNS_A, AWS_OLD, DNS_FROM_STALE, 30, 60 } } },
    { "REFUSED gives a stale answer",
      { { GOOD, "REFUSED", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { "REFUSED", NULL, 65, AWS, DNS_A, AWS_OLD, DNS_FROM_STALE, 30, 60 } } },
    { "an answer that is just over its time is stale all the same",
      { { GOOD, "SERVFAIL", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 5, AWS, DNS_A, "answered | (6 s) b.amazonaws.com 5 A 192.0.2.1",
          DNS_FROM_STALE, 30, 0 } } },
    { "a failure never replaces an answer that is good",
      { { GOOD, "SERVFAIL", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 3, AWS, DNS_A, "answered | (3 s) b.amazonaws.com 5 A 192.0.2.1",
          DNS_FROM_CACHE, 2, 0 } } },
    { "NXDOMAIN ends staleness",
      { { GOOD, "SERVFAIL", 0, CORP, DNS_A, "answered | b.corp.example 5 A 192.0.2.1",
          DNS_FROM_SERVER, 5, 0 },
        { "NXDOMAIN, corp.example 60 SOA 3", NULL, 65, CORP, DNS_A,
          "NXDOMAIN | corp.example 3 SOA 3", DNS_FROM_NOWHERE, 0, 0 },
        { "SERVFAIL", NULL, 65, CORP, DNS_A, "SERVFAIL", DNS_FROM_NOWHERE, 0, 0 } } },
    { "NXDOMAIN of the first group is no end for the second one's old answer",
      { { "NXDOMAIN, amazonaws.com 60 SOA 3", GOOD, 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5,
          0 },
        { NULL, "SERVFAIL", 65, AWS, DNS_A, AWS_OLD, DNS_FROM_STALE, 30, 60 } } },
    { "the first group's old answer is better than the second one's NXDOMAIN",
      { { GOOD, "NXDOMAIN, amazonaws.com 60 SOA 3", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5,
          0 },
        { "SERVFAIL", NULL, 65, AWS, DNS_A, AWS_OLD, DNS_FROM_STALE, 30, 60 } } },
    { "another group's fresh answer is better than an old one",
      { { GOOD, "@ 9 A 192.0.2.2", 0, AWS, DNS_A, AWS_GOOD, DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 65, AWS, DNS_A, "answered | b.amazonaws.com 9 A 192.0.2.2",
          DNS_FROM_SERVER, 9, 0 } } },
    { "NODATA may be stale: one family's failure never fails the other",
      { { "corp.example 5 SOA 5", "SERVFAIL", 0, CORP, DNS_AAAA, "NODATA | corp.example 5 SOA 5",
          DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 65, CORP, DNS_AAAA, "NODATA | (65 s) corp.example 5 SOA 5",
          DNS_FROM_STALE, 30, 60 } } },
    { "what was never known stays unknown",
      { { "SERVFAIL", "SERVFAIL", 0, AWS, DNS_A, "SERVFAIL", DNS_FROM_NOWHERE, 0, 0 } } },
    { "an old TXT is as good as an old address",
      { { "@ 5 TXT \1x", "SERVFAIL", 0, AWS, DNS_TXT, "answered | b.amazonaws.com 5 TXT \1x",
          DNS_FROM_SERVER, 5, 0 },
        { "SERVFAIL", NULL, 65, AWS, DNS_TXT, "answered | (65 s) b.amazonaws.com 5 TXT \1x",
          DNS_FROM_STALE, 30, 60 } } },
    { "an old sinkhole is none",
      { { "@ 5 A 0.0.0.0", "SERVFAIL", 0, AWS, DNS_A, "answered | b.amazonaws.com 5 A 0.0.0.0",
          DNS_FROM_NOWHERE, 0, 0 },
        { "SERVFAIL", NULL, 65, AWS, DNS_A, "SERVFAIL", DNS_FROM_NOWHERE, 0, 0 } } },
};
/* clang-format on */

static void check_step(struct rig *g, const char *name, const struct step *s)
{
    struct asked a;
    struct dns_ask ask = ask_of(s->qname, s->type);
    if (s->age_s > 0)
        rig_age(g, &ask, s->age_s);
    ask_for(&a, g, s->qname, s->type);
    const struct dns_explain *x = &a.f.explain;
    if (strcmp(a.text, s->want) != 0 || x->source != s->source || x->ttl_s != s->ttl_s ||
        x->stale_s != s->stale_s)
        fail_msg("%s:\n    %s from %s, TTL %u, stale by %u s\n  instead of\n    %s", name, a.text,
                 dns_source_text(x->source), x->ttl_s, x->stale_s, s->want);
}

static void steps(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig g;
        struct script_row system[2], vpc[2];
        rig_init(&g, 1, 1);
        rig_go(&g);
        for (unsigned k = 0; k < N_STEPS && rows[i].steps[k].qname != NULL; k++) {
            const struct step *s = &rows[i].steps[k];
            if (s->system != NULL)
                fake_always_says(&g.fakes[0], system, s->system);
            if (s->vpc != NULL)
                fake_always_says(&g.fakes[1], vpc, s->vpc);
            check_step(&g, rows[i].name, s);
        }
        rig_done(&g);
    }
}

static void a_chain_may_be_partly_old(void **state)
{
    static const struct script_row good[] = { { CORP, 0, "@ 100 CNAME " AWS },
                                              { NULL, 0, "@ 5 A 192.0.2.1" },
                                              { 0 } };
    struct rig g;
    struct asked a;
    struct script_row system[2], vpc[2];
    struct dns_ask alias = ask_of(CORP, DNS_A), tail = ask_of(AWS, DNS_A);
    rig_init(&g, 1, 1);
    rig_go(&g);
    fake_says(&g.fakes[0], good);
    fake_always_says(&g.fakes[1], vpc, "SERVFAIL");
    ask_for(&a, &g, CORP, DNS_A);
    rig_age(&g, &alias, 70);
    rig_age(&g, &tail, 65);
    fake_always_says(&g.fakes[0], system, "SERVFAIL");
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A),
                        "answered | (70 s) b.corp.example 100 CNAME b.amazonaws.com | "
                        "(65 s) b.amazonaws.com 5 A 192.0.2.1");
    assert_int_equal(a.f.explain.source, DNS_FROM_STALE);
    assert_int_equal(a.f.explain.stale_s, 60);
    rig_done(&g);
}

/* The client's patience is short: it has its stale answer before the groups have used up their
 * time, and the answer that comes later is kept. */
static void silence_is_waited_for_no_longer_than_1800_ms(void **state)
{
    struct rig g;
    struct asked a;
    struct script_row row[2];
    struct dns_ask ask = ask_of(CORP, DNS_A);
    rig_init(&g, 1, 0);
    rig_go(&g);
    fake_always_says(&g.fakes[0], row, "@ 5 A 192.0.2.1");
    ask_for(&a, &g, CORP, DNS_A);
    rig_age(&g, &ask, 65);
    fake_always_says(&g.fakes[0], row, "SILENT");
    assert_string_equal(ask_for(&a, &g, CORP, DNS_A),
                        "answered | (66 s) b.corp.example 5 A 192.0.2.1");
    assert_in_range(a.took_ms, 1700, 1990);
    /* Who was silent stands in the explanation. */
    assert_true(a.f.explain.n_tries > 0);
    assert_int_equal(a.f.explain.tries[0].outcome, DNS_TIMED_OUT);
    /* Asked again while the servers are known to be silent: at once. */
    rig_run_for(&g, 2500);
    ask_for(&a, &g, CORP, DNS_A);
    assert_int_equal(a.f.explain.source, DNS_FROM_STALE);
    assert_true(a.took_ms < 100);
    rig_done(&g);
}

/* How long an old answer may be given, by the kind of its zone. */
static void an_hour_or_a_day(void **state)
{
    static const struct {
        const char *qname;
        unsigned stale_s;
    } kinds[] = { { AWS, 3600 }, { "registry.stack", 3600 }, { CORP, 24 * 3600 } };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rig g;
        struct asked a;
        struct script_row row[2];
        struct dns_ask ask = ask_of(kinds[i].qname, DNS_A);
        struct dns_cache_hit hit;
        rig_init(&g, 1, 0);
        rig_go(&g);
        fake_always_says(&g.fakes[0], row, "@ 5 A 192.0.2.1");
        ask_for(&a, &g, kinds[i].qname, DNS_A);
        assert_int_equal(a.f.explain.source, DNS_FROM_SERVER);
        struct dns_routes *routes = dns_shared_routes(g.shared);
        const struct dns_route *route = dns_routes_find(routes, &ask.question.name);
        struct dns_cache_key key = dns_cache_key_of(route->groups[0].id, &ask);
        uint64_t end_ms = io_now_ms(&g.loop) + (5 + (uint64_t)kinds[i].stale_s) * 1000;
        assert_true(dns_cache_get_stale(g.shared->cache, &key, end_ms - 5000, &hit));
        dns_set_unref(hit.set);
        assert_false(dns_cache_get_stale(g.shared->cache, &key, end_ms + 5000, &hit));
        dns_routes_unref(routes);
        rig_done(&g);
    }
}

static void both_families_of_an_outage(void **state)
{
    static const struct script_row good[] = { { NULL, DNS_A, "@ 5 A 192.0.2.1" },
                                              { NULL, 0, "amazonaws.com 5 SOA 5" },
                                              { 0 } };
    struct rig g;
    struct asked a;
    struct script_row system[2], vpc[2];
    struct dns_ask v4 = ask_of(AWS, DNS_A), v6 = ask_of(AWS, DNS_AAAA);
    rig_init(&g, 1, 1);
    rig_go(&g);
    fake_says(&g.fakes[0], good);
    fake_always_says(&g.fakes[1], vpc, "SERVFAIL");
    ask_for(&a, &g, AWS, DNS_A);
    ask_for(&a, &g, AWS, DNS_AAAA);
    rig_age(&g, &v4, 65);
    rig_age(&g, &v6, 65);
    fake_always_says(&g.fakes[0], system, "SERVFAIL");
    assert_string_equal(ask_for(&a, &g, AWS, DNS_A), AWS_OLD);
    assert_string_equal(ask_for(&a, &g, AWS, DNS_AAAA), "NODATA | (65 s) amazonaws.com 5 SOA 5");
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps),
        cmocka_unit_test(a_chain_may_be_partly_old),
        cmocka_unit_test(both_families_of_an_outage),
        cmocka_unit_test(an_hour_or_a_day),
        cmocka_unit_test(silence_is_waited_for_no_longer_than_1800_ms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
