/* Servers that ask us in turn: the mark that comes home. */
#include "rig.h"

#include "dns/forward.h"
#include "dns/loop.h"

struct question {
    struct rig *rig;
    struct dns_forward f;
    bool is_done;
};

static void on_done(struct dns_forward *f)
{
    struct question *q = f->owner;
    q->is_done = true;
    io_loop_stop(&q->rig->loop);
}

static void ask(struct question *q, struct rig *g, const char *name)
{
    *q = (struct question){ .rig = g };
    q->f.owner = q;
    q->f.on_done = on_done;
    q->f.finds_loops = true;
    q->f.ask.question = (struct dns_question){ .type = DNS_A, .class = DNS_CLASS_IN };
    assert_true(dns_name_parse(str_from_c(name), &q->f.ask.question.name));
    dns_forward_start(&q->f, g->engine, NULL);
    while (!q->is_done)
        rig_run_for(g, 5000);
}

static struct dns_server *first_server(struct rig *g)
{
    return dns_routes_find(g->shared->routes, &(struct dns_name){ .n = 1 })->groups[0].servers[0];
}

static void mark_of(struct rig *g, const char *below, struct dns_name *out)
{
    char text[DNS_NAME_TEXT_BYTES];
    snprintf(text, sizeof text, "PENSTOCK-loop-%016llx.%s",
             (unsigned long long)first_server(g)->loop_nonce, below);
    assert_true(dns_name_parse(str_from_c(text), out));
}

static void a_mark_that_comes_home_leaves_the_server_out(void **state)
{
    struct rig g;
    struct question q;
    struct dns_name mark;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    ask(&q, &g, "a.corp.example");
    assert_int_equal(q.f.outcome, DNS_ANSWERED);
    dns_forward_done(&q.f);
    rig_run_for(&g, 50);
    unsigned n_before = g.fakes[0].n_udp;
    assert_true(n_before >= 2); /* the question, and the mark */
    assert_int_equal(g.fakes[0].n_aaaa, 0);
    mark_of(&g, "a.corp.example", &mark);
    assert_true(dns_loop_is_mark(&mark));
    assert_true(dns_loop_seen(g.engine, &mark));
    assert_int_equal(rig_events(&g, DNS_EVENT_LOOP), 1);
    ask(&q, &g, "b.corp.example");
    assert_int_equal(q.f.outcome, DNS_ANSWERED);
    assert_int_equal(g.fakes[0].n_udp, n_before); /* it is not asked at all */
    dns_forward_done(&q.f);
    rig_done(&g);
}

static struct dns_name marked;

static void stay_silent(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    if (q->question.type == DNS_TXT)
        marked = q->question.name;
}

/* Whoever serves the name that was asked for may be the one who had it asked. */
static void a_mark_is_below_no_clients_name(void **state)
{
    struct rig g;
    struct question q;
    char text[DNS_NAME_TEXT_BYTES];
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].on_query = stay_silent;
    ask(&q, &g, "a.evil.example");
    dns_forward_done(&q.f);
    rig_run_for(&g, 50);
    assert_true(dns_loop_is_mark(&marked));
    assert_null(strstr(dns_name_text(&marked, text), "evil"));
    assert_true(dns_loop_seen(g.engine, &marked));
    rig_done(&g);
}

static void without_another_server_it_fails_at_once(void **state)
{
    struct rig g;
    struct question q;
    struct dns_name mark;
    rig_init(&g, 1, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    ask(&q, &g, "a.corp.example");
    dns_forward_done(&q.f);
    mark_of(&g, "a.corp.example", &mark);
    assert_true(dns_loop_seen(g.engine, &mark));
    uint64_t start_ms = io_now_us() / 1000;
    ask(&q, &g, "b.corp.example");
    assert_int_equal(q.f.outcome, DNS_LOOPS);
    assert_true(io_now_us() / 1000 - start_ms < 200);
    dns_forward_done(&q.f);
    rig_done(&g);
}

static void others_marks_are_questions(void **state)
{
    static const struct {
        const char *name;
        bool is_mark;
    } rows[] = {
        { "penstock-loop-0123456789abcdef.s3.eu-west-1.amazonaws.com", true },
        { "penstock-loop-0123456789abcdeg.example", true }, /* no number: not ours */
        { "penstock-loop-0123456789abcdef", true },
        { "penstock-loop-0123456789abcde.example", false },
        { "xenstock-loop-0123456789abcdef.example", false },
    };
    struct rig g;
    rig_init(&g, 1, 0);
    rig_go(&g);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name name;
        assert_true(dns_name_parse(str_from_c(rows[i].name), &name));
        if (dns_loop_is_mark(&name) != rows[i].is_mark)
            fail_msg("%s", rows[i].name);
        if (rows[i].is_mark)
            assert_false(dns_loop_seen(g.engine, &name));
    }
    /* Nobody was sent a mark: zero is no nonce. */
    struct dns_name zero;
    assert_true(dns_name_parse(STR("penstock-loop-0000000000000000.example"), &zero));
    assert_false(dns_loop_seen(g.engine, &zero));
    rig_done(&g);
}

static void one_mark_in_half_a_minute(void **state)
{
    struct rig g;
    struct question q;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    ask(&q, &g, "a.corp.example");
    dns_forward_done(&q.f);
    uint64_t nonce = first_server(&g)->loop_nonce;
    assert_true(nonce != 0);
    ask(&q, &g, "b.corp.example");
    dns_forward_done(&q.f);
    assert_true(first_server(&g)->loop_nonce == nonce);
    rig_done(&g);
}

static void long_names_are_marked_below_their_zone(void **state)
{
    struct rig g;
    struct question q;
    char name[256];
    memset(name, 'x', sizeof name);
    for (unsigned i = 63; i < 250; i += 62)
        name[i] = '.';
    snprintf(name + 236, sizeof name - 236, ".corp.example");
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = FAKE_SILENT;
    ask(&q, &g, name);
    assert_int_equal(q.f.outcome, DNS_ANSWERED);
    assert_true(first_server(&g)->loop_nonce != 0);
    dns_forward_done(&q.f);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_that_comes_home_leaves_the_server_out),
        cmocka_unit_test(a_mark_is_below_no_clients_name),
        cmocka_unit_test(without_another_server_it_fails_at_once),
        cmocka_unit_test(others_marks_are_questions),
        cmocka_unit_test(one_mark_in_half_a_minute),
        cmocka_unit_test(long_names_are_marked_below_their_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
