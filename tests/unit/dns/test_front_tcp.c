/* The forwarder's TCP: many questions a connection, and many connections. */
#include "front_rig.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/resource.h>

static void tcp_is_pipelined_in_any_pieces(void **state)
{
    enum { N = 100 };
    struct front_rig r;
    static struct tcp_client c;
    static uint8_t out[N * 64];
    bool is_seen[N] = { false };
    size_t n = 0;
    front_rig_open(&r, "127.0.0.1:0", 0);
    c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
    for (unsigned i = 0; i < N; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%u.test", i % 50);
        n += frame(out + n, (uint16_t)i, name);
    }
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    for (size_t i = 0; i < 300; i++) { /* byte by byte, then the rest */
        assert_int_equal(send(c.fd, out + i, 1, 0), 1);
        if (i % 7 == 0)
            rig_run_for(&r.g, 1);
    }
    assert_int_equal(send(c.fd, out + 300, n - 300, 0), (ssize_t)(n - 300));
    shutdown(c.fd, SHUT_WR); /* what was asked is answered all the same */
    for (unsigned i = 0; i < N; i++) {
        assert_true(take_tcp(&r, &c, 3000) > 0);
        assert_in_range(got.id, 0, N - 1);
        assert_false(is_seen[got.id]);
        is_seen[got.id] = true;
        assert_int_equal(got.n_rrs, 1);
    }
    assert_int_equal(take_tcp(&r, &c, 1000), -1);
    assert_int_equal(r.front->n_conns, 0);
    assert_in_range(r.g.fakes[0].n_a, 50, 50);
    close(c.fd);
    front_rig_close(&r);
}

static void answers_do_not_wait_for_each_other(void **state)
{
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[256];
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].rules[0].name = "slow.test";
    r.g.fakes[0].rules[0].mode = FAKE_SILENT;
    c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
    size_t n = frame(out, 1, "slow.test");
    n += frame(out + n, 2, "quick.test");
    assert_int_equal(send(c.fd, out, n, 0), (ssize_t)n);
    assert_true(take_tcp(&r, &c, 1000) > 0);
    assert_int_equal(got.id, 2);
    assert_int_equal(r.front->n_questions, 1);
    close(c.fd); /* gone in the middle of a question */
    rig_run_for(&r.g, 50);
    front_rig_close(&r);
}

static void a_message_that_is_no_question_ends_the_connection(void **state)
{
    static const uint8_t bad[][20] = {
        { 0, 0 },                    /* empty */
        { 0, 3, 1, 2, 3 },           /* no header */
        { 0, 12, 0, 1, 0x81, 0x80 }, /* a response */
    };
    for (unsigned i = 0; i < 3; i++) {
        struct front_rig r;
        static struct tcp_client c;
        front_rig_open(&r, "127.0.0.1:0", 0);
        c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
        assert_int_equal(send(c.fd, bad[i], sizeof bad[i], 0), (ssize_t)sizeof bad[i]);
        assert_int_equal(take_tcp(&r, &c, 1000), -1);
        assert_int_equal(r.front->n_conns, 0);
        close(c.fd);
        front_rig_close(&r);
    }
}

/* One that asks and does not read is not read from for long; then it gets all that it asked for. */
static void who_does_not_read_is_not_read_from(void **state)
{
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[64], one[64];
    unsigned n_sent = 0, n_got = 0;
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].ip = "192.0.2.1,192.0.2.2,192.0.2.3,192.0.2.4,192.0.2.5,192.0.2.6,192.0.2.7";
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
    size_t n = frame(out, 7, "a.test"), rest = 0;
    for (unsigned idle = 0; idle < 20 && n_sent < 1000000;) {
        ssize_t went = send(c.fd, out + rest, n - rest, MSG_DONTWAIT);
        if (went < 0) {
            idle++;
            rig_run_for(&r.g, 5);
            continue;
        }
        idle = 0;
        rest = (rest + (size_t)went) % n;
        n_sent += rest == 0;
    }
    assert_true(n_sent < 1000000);
    put(fd, 2, "a.test"); /* others are served */
    assert_true(take(&r, fd, 1000) > 0);
    while (rest > 0) {
        ssize_t went = send(c.fd, out + rest, n - rest, MSG_DONTWAIT);
        if (went > 0)
            rest = (rest + (size_t)went) % n;
        else if (take_tcp(&r, &c, 1000) > 0)
            n_got++;
        n_sent += went > 0 && rest == 0;
    }
    while (n_got < n_sent && take_tcp(&r, &c, 1000) > 0)
        n_got++;
    assert_int_equal(n_got, n_sent);
    assert_int_equal(recv(c.fd, one, sizeof one, MSG_DONTWAIT), -1);
    close(c.fd);
    close(fd);
    front_rig_close(&r);
}

/* A set of nearly 64 KiB for a.test, as if it had been asked for. */
static void know_large(struct front_rig *r)
{
    static char data[250];
    struct dns_ask ask = { .question = { .type = DNS_TXT, .class = DNS_CLASS_IN } };
    struct dns_writer w;
    struct buf out;
    assert_true(dns_name_parse(STR("a.test"), &ask.question.name));
    data[0] = (char)(sizeof data - 1);
    buf_init(&out, DNS_MESSAGE_BYTES);
    dns_write_begin(&w, &out, DNS_MESSAGE_BYTES, (struct dns_reply_flags){ 0 }, &ask.question);
    for (unsigned i = 0; i < 240; i++)
        dns_write_rr(&w, DNS_ANSWER, &ask.question.name, DNS_TXT, DNS_CLASS_IN, 60,
                     str_of(data, sizeof data));
    dns_write_end(&w);
    struct dns_set *set = dns_set_of_message(buf_str(&out), DNS_ANSWERED, 60);
    assert_non_null(set);
    const struct dns_route *route = dns_routes_find(r->g.shared->routes, &ask.question.name);
    struct dns_cache_key key = dns_cache_key_of(route->groups[0].id, &ask);
    dns_cache_put(r->g.shared->cache, &key, set, 60, io_now_ms(&r->g.loop));
    dns_set_unref(set);
    buf_done(&out);
}

/* 200 questions, 12 MiB of answers: a turn gives some, and the next ones the rest. */
static void large_answers_leave_turns_to_others(void **state)
{
    enum { N = 200 };
    struct front_rig r;
    static struct tcp_client c;
    static uint8_t out[N * 64];
    size_t n = 0, n_got = 0;
    front_rig_open(&r, "127.0.0.1:0", 0);
    know_large(&r);
    c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
    rig_run_for(&r.g, 10);
    for (unsigned i = 0; i < N; i++) {
        size_t at = n + 2;
        n += frame(out + n, (uint16_t)i, "a.test");
        out[n - 3] = DNS_TXT;
        assert_int_equal(out[at + 1], i);
    }
    assert_int_equal(send(c.fd, out, n, 0), (ssize_t)n);
    uv_run(&r.g.loop.uv, UV_RUN_NOWAIT);
    for (ssize_t came; (came = recv(c.fd, reply, sizeof reply, MSG_DONTWAIT)) > 0;)
        n_got += (size_t)came;
    assert_in_range(n_got, 1, 512 * 1024);
    for (unsigned idle = 0; idle < 100; idle++) {
        for (ssize_t came; (came = recv(c.fd, reply, sizeof reply, MSG_DONTWAIT)) > 0; idle = 0)
            n_got += (size_t)came;
        rig_run_for(&r.g, 2);
    }
    assert_in_range(n_got, N * 62000, N * 65537);
    close(c.fd);
    front_rig_close(&r);
}

static void buffers_of_all_connections_are_bounded(void **state)
{
    enum { N = 400 };
    struct front_rig r;
    static uint8_t half[60000] = { 0xff, 0xff };
    int fds[N];
    front_rig_open(&r, "127.0.0.1:0", 0);
    for (unsigned i = 0; i < N; i++) {
        fds[i] = client(SOCK_STREAM, &r.at);
        for (size_t sent = 0; sent < sizeof half;) {
            ssize_t went = send(fds[i], half + sent, sizeof half - sent, MSG_DONTWAIT);
            sent += went > 0 ? (size_t)went : 0;
            rig_run_for(&r.g, 1);
        }
    }
    assert_true(r.front->conn_bytes <= FRONT_CONN_BYTES);
    assert_in_range(r.front->n_conns, 200, N - 1);
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "b.test");
    assert_true(take(&r, fd, 1000) > 0);
    close(fd);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    rig_run_for(&r.g, 50);
    assert_int_equal(r.front->n_conns, 0);
    assert_int_equal(r.front->conn_bytes, 0);
    front_rig_close(&r);
}

/* However many connections there are, questions to servers have descriptors. */
static void connections_leave_descriptors(void **state)
{
    enum { LIMIT = 64, ABOVE = 300, N = 100 };
    struct front_rig r;
    struct rlimit usual, few;
    int fds[N];
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
    few = usual;
    few.rlim_cur = LIMIT;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    front_rig_open(&r, "127.0.0.1:0", 0);
    int udp = client(SOCK_DGRAM, &r.at);
    for (unsigned i = 0; i < N; i++) {
        /* The clients' own ends are not to count: they stand above the limit. */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
        int fd = client(SOCK_STREAM, &r.at);
        fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, ABOVE);
        assert_true(fds[i] >= ABOVE);
        close(fd);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        rig_run_for(&r.g, 2);
    }
    put(udp, 1, "a.test");
    assert_true(take(&r, udp, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    assert_int_equal(r.front->n_conns, LIMIT / 2);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    close(udp);
    front_rig_close(&r);
}

static void strangers_hold_few_connections(void **state)
{
    enum { N = FRONT_MAX_STRANGERS + 6 };
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[64];
    int fds[N];
    front_rig_open(&r, "127.0.0.1:0", 0);
    assert_true(cidr_parse(STR("192.0.2.0/24"), &r.allowed[0]));
    for (unsigned i = 0; i < N; i++)
        fds[i] = client(SOCK_STREAM, &r.at);
    rig_run_for(&r.g, 50);
    assert_int_equal(r.front->n_conns, FRONT_MAX_STRANGERS);
    c = (struct tcp_client){ .fd = fds[0] };
    size_t n = frame(out, 5, "a.test");
    assert_int_equal(send(c.fd, out, n, 0), (ssize_t)n);
    assert_true(take_tcp(&r, &c, 1000) > 0);
    assert_int_equal(got.rcode, DNS_REFUSED);
    c = (struct tcp_client){ .fd = fds[N - 1] };
    assert_int_equal(take_tcp(&r, &c, 1000), -1);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    rig_run_for(&r.g, 50);
    assert_int_equal(r.front->n_conns, 0);
    assert_int_equal(r.front->n_strangers, 0);
    front_rig_close(&r);
}

/* When all places are taken, the one that has been idle longest goes; one that waits for its answer
 * stays. */
static void a_newcomer_takes_the_place_of_the_longest_idle(void **state)
{
    enum { N = FRONT_MAX_CONNS };
    struct front_rig r;
    static struct tcp_client c;
    static int fds[N];
    uint8_t out[64];
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 2 * N + 100)
        skip();
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].mode = FAKE_SILENT;
    for (unsigned i = 0; i < N; i++) {
        fds[i] = client(SOCK_STREAM, &r.at);
        if (i % 64 == 0)
            rig_run_for(&r.g, 5);
    }
    size_t n = frame(out, 5, "a.test");
    assert_int_equal(send(fds[0], out, n, 0), (ssize_t)n);
    rig_run_for(&r.g, 50);
    assert_int_equal(r.front->n_conns, N);
    assert_int_equal(r.front->n_questions, 1);
    int one_more = client(SOCK_STREAM, &r.at);
    rig_run_for(&r.g, 50);
    assert_int_equal(r.front->n_conns, N);
    c = (struct tcp_client){ .fd = fds[1] };
    assert_int_equal(take_tcp(&r, &c, 1000), -1);
    r.g.fakes[0].mode = FAKE_OK;
    c = (struct tcp_client){ .fd = fds[0] };
    assert_true(take_tcp(&r, &c, 3000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    close(one_more);
    for (unsigned i = 0; i < N; i++)
        close(fds[i]);
    front_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_is_pipelined_in_any_pieces),
        cmocka_unit_test(answers_do_not_wait_for_each_other),
        cmocka_unit_test(a_message_that_is_no_question_ends_the_connection),
        cmocka_unit_test(who_does_not_read_is_not_read_from),
        cmocka_unit_test(large_answers_leave_turns_to_others),
        cmocka_unit_test(buffers_of_all_connections_are_bounded),
        cmocka_unit_test(connections_leave_descriptors),
        cmocka_unit_test(strangers_hold_few_connections),
        cmocka_unit_test(a_newcomer_takes_the_place_of_the_longest_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
