/* Questions over TCP: one connection for many, and what a server may do to it. */
#include "tcp_peer.h"

#include <sys/resource.h>

static void each_manner(void **state)
{
    static const struct {
        const char *name;
        enum manner manner;
        unsigned n, wave;
        enum dns_outcome outcome;
        unsigned n_conns, least_ms, most_ms;
    } rows[] = {
        { "one question", IN_ORDER, 1, 0, DNS_ANSWERED, 1, 0, 200 },
        { "many share a connection", IN_ORDER, 200, 0, DNS_ANSWERED, 1, 0, 500 },
        { "answers in any order", REVERSED, 200, 200, DNS_ANSWERED, 1, 0, 500 },
        { "a byte at a time", ONE_BYTE, 20, 0, DNS_ANSWERED, 1, 0, 1000 },
        { "each answer twice", TWICE, 10, 0, DNS_ANSWERED, 1, 0, 200 },
        { "a server that answers once a connection", ONE_EACH, 10, 0, DNS_ANSWERED, 10, 0, 500 },
        { "closed without an answer", CLOSES_FIRST, 5, 0, DNS_UNREACHABLE, 1, 0, 200 },
        { "no answer", DEAF, 5, 0, DNS_TIMED_OUT, 1, 1950, 2400 },
        { "half an answer", HALF, 5, 0, DNS_TIMED_OUT, 1, 1950, 2400 },
        { "junk first", JUNK_FIRST, 4, 0, DNS_ANSWERED, 1, 0, 200 },
        /* The ID fits once, so it is tried once more. */
        { "nothing but junk", JUNK_WITHOUT_END, 1, 0, DNS_UNREACHABLE, 2, 0, 200 },
        { "truncated over TCP too", TRUNCATES, 2, 0, DNS_BAD_REPLY, 1, 0, 200 },
        { "EDNS is not taken", NO_EDNS_THERE, 2, 0, DNS_ANSWERED, 1, 0, 200 },
    };
    static struct one v[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rig g;
        static struct peer p;
        struct dns_server *server = peer_open(&p, &g, rows[i].manner);
        p.wave = rows[i].wave;
        for (unsigned k = 0; k < rows[i].n; k++)
            one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
        run_until_done(&g, v, rows[i].n, 3000);
        for (unsigned k = 0; k < rows[i].n; k++) {
            if (v[k].outcome != rows[i].outcome || v[k].took_ms < rows[i].least_ms ||
                v[k].took_ms > rows[i].most_ms)
                fail_msg("%s, question %u: %s after %u ms", rows[i].name, k + 1,
                         dns_outcome_text(v[k].outcome), (unsigned)v[k].took_ms);
            assert_true(v[k].by_tcp);
            if (v[k].outcome == DNS_ANSWERED)
                assert_int_equal(v[k].octet, k + 1);
        }
        if (p.n_conns != rows[i].n_conns)
            fail_msg("%s: %u connections", rows[i].name, p.n_conns);
        assert_false(p.has_equal_ids);
        assert_int_equal(g.fakes[0].n_udp, 0);
        assert_false(server->is_suspect);
        peer_close(&p, &g, server);
    }
}

/* What was truncated over UDP goes over the connection that is there. */
static void truncated_answers_share_a_connection(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[20];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    g.fakes[0].mode = FAKE_TRUNCATED;
    g.fakes[0].ip = "127.6.6.6"; /* never used */
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned k = 0; k < 20; k++)
            one_start(&v[k], &g, server, k + 1, DNS_BY_UDP);
        run_until_done(&g, v, 20, 1000);
        for (unsigned k = 0; k < 20; k++) {
            assert_int_equal(v[k].outcome, DNS_ANSWERED);
            assert_int_equal(v[k].octet, k + 1);
            assert_true(v[k].by_tcp);
        }
    }
    assert_int_equal(p.n_conns, 1);
    assert_int_equal(g.fakes[0].n_udp, 40);
    peer_close(&p, &g, server);
}

static void a_connection_that_the_server_closed_is_replaced(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[10];
    struct dns_server *server = peer_open(&p, &g, SHUTS_QUIETLY);
    p.later = IN_ORDER;
    p.wave = 1;
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    for (unsigned k = 0; k < 10; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 10, 1000);
    for (unsigned k = 0; k < 10; k++)
        assert_int_equal(v[k].outcome, DNS_ANSWERED);
    /* Closed while nobody asks: the next one opens another at once. */
    unsigned before = p.n_conns;
    for (unsigned i = 0; i < p.n_conns; i++)
        conn_close(p.conns[i]);
    rig_run_for(&g, 20);
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 100);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(p.n_conns, before + 1);
    peer_close(&p, &g, server);
}

static void a_dead_connection_is_left_early(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[2];
    struct dns_server *server = peer_open(&p, &g, DEAF_LATER);
    p.later = IN_ORDER;
    p.wave = 1;
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    p.manner = DEAF;
    p.later = DEAF;
    one_start(&v[0], &g, server, 2, DNS_BY_TCP);
    rig_run_for(&g, 300);
    assert_false(v[0].is_done);
    assert_int_equal(p.n_conns, 1);
    p.later = IN_ORDER;
    run_until_done(&g, v, 1, 500);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(v[0].octet, 2);
    assert_int_equal(p.n_conns, 2);
    assert_int_equal(p.n_open, 1); /* the dead one was closed */
    peer_close(&p, &g, server);
}

static void idle_connections_are_closed(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[1];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    one_start(&v[0], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 1, 500);
    rig_run_for(&g, DNS_LINK_IDLE_MS - 500);
    assert_int_equal(p.n_open, 1);
    rig_run_for(&g, 1000);
    assert_int_equal(p.n_open, 0);
    assert_int_equal(g.engine->n_links, 0);
    peer_close(&p, &g, server);
}

static void cancelled_questions_leave_nothing(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[50];
    struct dns_server *server = peer_open(&p, &g, REVERSED);
    p.wave = 50;
    for (unsigned k = 0; k < 49; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    rig_run_for(&g, 20);
    for (unsigned k = 0; k < 49; k += 2)
        dns_exchange_cancel(v[k].x);
    one_start(&v[49], &g, server, 50, DNS_BY_TCP);
    /* Their answers come, and are nobody's. */
    rig_run_for(&g, 100);
    for (unsigned k = 0; k < 50; k++) {
        assert_int_equal(v[k].is_done, k % 2);
        if (k % 2)
            assert_int_equal(v[k].octet, k + 1);
    }
    assert_int_equal(p.n_conns, 1);
    for (unsigned k = 0; k < 3; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    rig_run_for(&g, 1);
    for (unsigned k = 0; k < 3; k++)
        dns_exchange_cancel(v[k].x);
    peer_close(&p, &g, server); /* with the connection open */
}

static void no_more_than_so_many_at_once(void **state)
{
    struct rig g;
    static struct peer p;
    static struct one v[DNS_LINK_MAX_ASKS + 10];
    struct dns_server *server = peer_open(&p, &g, DEAF);
    server->budget_per_s = 100000;
    server->budget_milli = 100000 * 1000;
    for (unsigned k = 0; k < DNS_LINK_MAX_ASKS + 10; k++)
        one_start(&v[k], &g, server, k % 250, DNS_BY_TCP);
    rig_run_for(&g, 100);
    for (unsigned k = 0; k < DNS_LINK_MAX_ASKS + 10; k++) {
        assert_int_equal(v[k].is_done, k >= DNS_LINK_MAX_ASKS);
        if (v[k].is_done)
            assert_int_equal(v[k].outcome, DNS_OVER_BUDGET);
        dns_exchange_cancel(v[k].x);
    }
    assert_int_equal(p.n_conns, 1);
    peer_close(&p, &g, server);
}

static void tcp_pays_from_the_budget(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[4];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    server->budget_per_s = 6; /* a connection takes three, each question one */
    server->budget_milli = 6000;
    for (unsigned k = 0; k < 4; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 4, 500);
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(v[k].outcome, k < 3 ? DNS_ANSWERED : DNS_OVER_BUDGET);
    peer_close(&p, &g, server);
}

static void nobody_listens(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[3];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    io_listener_close(&p.tcp);
    rig_run_for(&g, 1);
    for (unsigned k = 0; k < 3; k++)
        one_start(&v[k], &g, server, k + 1, DNS_BY_TCP);
    run_until_done(&g, v, 3, 500);
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(v[k].outcome, DNS_UNREACHABLE);
    assert_int_equal(server->n_failures, 0); /* UDP is what a server's health is */
    assert_int_equal(g.engine->n_links, 0);
    peer_close(&p, &g, server);
}

/* A truncated reply twice, and then a whole one that is wrong: only what TCP says counts. */
static void send_truncated_twice(struct fake *f, const struct dns_msg *q, const struct addr *from)
{
    struct buf out;
    buf_init(&out, 4096);
    fake_write(&out, f, q, FAKE_OK, "127.6.6.6", NULL);
    out.p[2] = (char)(out.p[2] | 2);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 2)
            out.p[2] = (char)(out.p[2] & ~2);
        sendto(f->fd, out.p, out.n, 0, &from->sa, addr_len(from));
    }
    buf_done(&out);
}

static void late_datagrams_are_void_once_tcp_began(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[1];
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    g.fakes[0].on_query = send_truncated_twice;
    one_start(&v[0], &g, server, 7, DNS_BY_UDP);
    run_until_done(&g, v, 1, 500);
    assert_int_equal(v[0].outcome, DNS_ANSWERED);
    assert_int_equal(v[0].octet, 7);
    assert_int_equal(p.n_questions, 1);
    peer_close(&p, &g, server);
}

static void our_own_lack_is_not_the_servers_failure(void **state)
{
    struct rig g;
    static struct peer p;
    struct one v[2];
    struct rlimit usual, none;
    struct dns_server *server = peer_open(&p, &g, IN_ORDER);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    none = usual;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    one_start(&v[0], &g, server, 1, DNS_BY_UDP);
    one_start(&v[1], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 2, 500);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    for (unsigned k = 0; k < 2; k++)
        assert_int_equal(v[k].outcome, DNS_NOT_SENT);
    assert_int_equal(server->n_failures, 0);
    one_start(&v[0], &g, server, 1, DNS_BY_UDP);
    one_start(&v[1], &g, server, 1, DNS_BY_TCP);
    run_until_done(&g, v, 2, 500);
    for (unsigned k = 0; k < 2; k++)
        assert_int_equal(v[k].outcome, DNS_ANSWERED);
    peer_close(&p, &g, server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_manner),
        cmocka_unit_test(truncated_answers_share_a_connection),
        cmocka_unit_test(a_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(a_dead_connection_is_left_early),
        cmocka_unit_test(idle_connections_are_closed),
        cmocka_unit_test(cancelled_questions_leave_nothing),
        cmocka_unit_test(no_more_than_so_many_at_once),
        cmocka_unit_test(tcp_pays_from_the_budget),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(late_datagrams_are_void_once_tcp_began),
        cmocka_unit_test(our_own_lack_is_not_the_servers_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
