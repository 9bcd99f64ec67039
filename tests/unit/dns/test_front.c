#include "front_rig.h"

static void a_question_is_asked_once_and_then_known(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.id, 1);
    assert_int_equal(got.n_rrs, 1);
    assert_int_equal(got.rcode, DNS_NOERROR);
    put(fd, 2, "A.Test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.id, 2);
    assert_memory_equal(reply + DNS_HEADER_BYTES, "\1A\4Test", 8);
    assert_int_equal(r.g.fakes[0].n_a, 1);
    close(fd);
    front_rig_close(&r);
}

static void what_is_no_question_gets_no_answer(void **state)
{
    static const struct {
        const char *row;
        struct str wire;
    } rows[] = {
#define B(literal) { literal, sizeof(literal) - 1 }
        { "nothing", B("") },
        { "eleven bytes", B("\0\1\1\0\0\1\0\0\0\0\0") },
        { "a response", B("\0\1\x81\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1") },
#undef B
    };
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    int fd = client(SOCK_DGRAM, &r.at);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        print_message("%s\n", rows[i].row);
        assert_int_equal(send(fd, rows[i].wire.p, rows[i].wire.n, 0), (ssize_t)rows[i].wire.n);
    }
    put(fd, 9, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.id, 9);
    /* As long as a datagram may be: read in part, so it is refused, and the next one is well. */
    static uint8_t big[20000];
    size_t n = question(big, 10, "a.test", false);
    assert_int_equal(send(fd, big, sizeof big, 0), (ssize_t)sizeof big);
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.id, 10);
    assert_int_equal(got.rcode, DNS_FORMERR);
    assert_int_equal(send(fd, big, n, 0), (ssize_t)n);
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    close(fd);
    front_rig_close(&r);
}

static void strangers_are_refused(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    assert_true(cidr_parse(STR("192.0.2.0/24"), &r.allowed[0]));
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_REFUSED);
    assert_true(has_text("PENSTOCK_DNS_ALLOW"));
    assert_int_equal(r.g.fakes[0].n_udp, 0);
    put(fd, 2, "a.test"); /* told once */
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(rig_events(&r.g, DNS_EVENT_CLIENT_REFUSED), 1);
    assert_int_equal(rig_events(&r.g, DNS_EVENT_CLIENT_LIMITED), 0);
    close(fd);
    front_rig_close(&r);
}

static void a_repetition_waits_for_the_first(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].mode = FAKE_SILENT;
    int fd = client(SOCK_DGRAM, &r.at), other = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    put(fd, 1, "a.test");
    put(fd, 1, "A.test");
    rig_run_for(&r.g, 20);
    assert_int_equal(r.front->n_questions, 1);
    put(fd, 2, "a.test");    /* another ID */
    put(fd, 1, "b.test");    /* another name */
    put(other, 1, "a.test"); /* another port */
    rig_run_for(&r.g, 20);
    assert_int_equal(r.front->n_questions, 4);
    r.g.fakes[0].mode = FAKE_OK;
    for (unsigned i = 0; i < 3; i++)
        assert_true(take(&r, fd, 3000) > 0);
    assert_true(take(&r, other, 3000) > 0);
    assert_int_equal(take(&r, fd, 50), 0);
    assert_int_equal(r.front->n_questions, 0);
    close(fd);
    close(other);
    front_rig_close(&r);
}

static void beyond_its_limit_a_client_gets_what_is_known(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 1);
    r.g.fakes[0].ttl_s = 1;
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    rig_run_for(&r.g, 2100); /* its TTL is over, and a token is back */
    put(fd, 2, "b.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    put(fd, 3, "c.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_SERVFAIL);
    assert_true(has_text("PENSTOCK_DNS_CLIENT_RATE"));
    assert_int_equal(rig_events(&r.g, DNS_EVENT_CLIENT_LIMITED), 1);
    put(fd, 4, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    assert_int_equal(got.rrs[0].ttl, DNS_STALE_TTL_S);
    assert_int_equal(got.edns.options.p[5], DNS_EDE_STALE);
    assert_int_equal(r.g.fakes[0].n_a, 2);
    close(fd);
    front_rig_close(&r);
}

/* Names that need no server, and failures that are remembered, cost nothing. */
static void what_needs_no_server_is_not_counted(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 1);
    int fd = client(SOCK_DGRAM, &r.at);
    for (uint16_t i = 0; i < 20; i++) {
        put(fd, i, "localhost");
        assert_true(take(&r, fd, 1000) > 0);
    }
    put(fd, 100, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    put(fd, 101, "b.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_SERVFAIL);
    close(fd);
    front_rig_close(&r);
}

static void ask_and_reset(struct front_rig *r, uint16_t id, const char *name)
{
    uint8_t out[64];
    int fd = client(SOCK_STREAM, &r->at);
    size_t n = question(out + 2, id, name, false);
    out[0] = 0;
    out[1] = (uint8_t)n;
    assert_int_equal(send(fd, out, n + 2, 0), (ssize_t)(n + 2));
    rig_run_for(&r->g, 10);
    /* RST; after a FIN it might still be listening. */
    struct linger now = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
    rig_run_for(&r->g, 10);
}

/* Who asks for a slow name and leaves does not make it fail for others. */
static void leaving_is_no_failure(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].mode = FAKE_SILENT;
    ask_and_reset(&r, 1, "a.test");
    rig_run_for(&r.g, 600);
    r.g.fakes[0].mode = FAKE_OK;
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 2, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    close(fd);
    front_rig_close(&r);
}

/* Who asks and leaves has asked. */
static void leaving_is_no_way_around_the_limit(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 2);
    r.g.fakes[0].mode = FAKE_SILENT;
    for (uint16_t i = 0; i < 5; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u.test", i);
        ask_and_reset(&r, i, name);
    }
    assert_int_equal(r.front->n_questions, 0);
    assert_in_range(r.g.fakes[0].n_a, 2, 4); /* with repetitions */
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 9, "z.test");
    assert_true(take(&r, fd, 300) > 0);
    assert_true(has_text("PENSTOCK_DNS_CLIENT_RATE"));
    close(fd);
    front_rig_close(&r);
}

static void no_server_says_so(void **state)
{
    struct front_rig r;
    front_rig_open(&r, "127.0.0.1:0", 0);
    fake_close(&r.g.fakes[0]);
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 6000) > 0);
    assert_int_equal(got.rcode, DNS_SERVFAIL);
    assert_int_equal(got.edns.options.p[5], DNS_EDE_NO_REACHABLE_AUTHORITY);
    assert_true(has_text("127.0.0.1:"));
    put(fd, 2, "a.test"); /* the failure is remembered */
    assert_true(take(&r, fd, 100) > 0);
    assert_int_equal(got.edns.options.p[5], DNS_EDE_CACHED_ERROR);
    close(fd);
    front_rig_close(&r);
}

static void what_all_servers_refuse_is_refused(void **state)
{
    static const struct {
        const char *row;
        enum mode mode;
        unsigned rcode;
    } rows[] = {
        { "REFUSED", FAKE_REFUSED, DNS_REFUSED },
        { "SERVFAIL", FAKE_SERVFAIL, DNS_SERVFAIL },
        { "a referral", FAKE_LAME, DNS_SERVFAIL },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct front_rig r;
        print_message("%s\n", rows[i].row);
        front_rig_open(&r, "127.0.0.1:0", 0);
        r.g.fakes[0].mode = rows[i].mode;
        int fd = client(SOCK_DGRAM, &r.at);
        put(fd, 1, "a.test");
        assert_true(take(&r, fd, 6000) > 0);
        assert_int_equal(got.rcode, rows[i].rcode);
        assert_int_equal(got.edns.options.p[5], DNS_EDE_NETWORK_ERROR);
        close(fd);
        front_rig_close(&r);
    }
}

static void ask_from(struct front_rig *r, const char *ip)
{
    struct addr to, from = { 0 };
    socklen_t from_n = sizeof from;
    uint8_t p[512];
    size_t n = question(p, 1, "a.test", true);
    assert_true(addr_parse_ip(str_from_c(ip), &to));
    addr_set_port(&to, addr_port(&r->at));
    int fd = socket(addr_family(&to), SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(sendto(fd, p, n, 0, &to.sa, addr_len(&to)), (ssize_t)n);
    ssize_t came = -1;
    for (unsigned i = 0; i < 200 && came < 0; i++) {
        rig_run_for(&r->g, 5);
        came = recvfrom(fd, reply, sizeof reply, MSG_DONTWAIT, &from.sa, &from_n);
    }
    assert_true(came > 0);
    assert_true(addr_eq(&from, &to));
    close(fd);
}

static void the_address_that_was_asked_answers(void **state)
{
    static const struct {
        const char *listen, *asked[3];
    } rows[] = {
        { "0.0.0.0:0", { "127.0.0.5", "127.0.0.1", NULL } },
        { "[::]:0", { "127.0.0.6", "127.0.0.1", NULL } },
        { "[::]:0", { "::1", NULL } },
        { "127.0.0.7:0", { "127.0.0.7", NULL } },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct front_rig r;
        print_message("%s\n", rows[i].listen);
        front_rig_open(&r, rows[i].listen, 0);
        bool has_ipv6 = addr_family(&r.at) == AF_INET6;
        for (unsigned k = 0; rows[i].asked[k] != NULL; k++) {
            if (strchr(rows[i].asked[k], ':') != NULL && !has_ipv6)
                continue;
            ask_from(&r, rows[i].asked[k]); /* waits for a server */
            ask_from(&r, rows[i].asked[k]); /* at once */
        }
        front_rig_close(&r);
    }
}

static void a_taken_address_is_explained(void **state)
{
    struct front_rig r;
    struct addr taken[1];
    struct fault f = { 0 };
    front_rig_open(&r, "127.0.0.1:0", 0);
    taken[0] = r.at;
    r.g.conf.dns_listen.v = taken;
    assert_null(dns_front_new(&r.g.loop, r.g.engine, &r.g.conf, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);
    assert_non_null(strstr(f.detail, "PENSTOCK_DNS_LISTEN"));
    assert_non_null(strstr(f.detail, "systemd-resolved"));
    f = (struct fault){ 0 };
    assert_false(dns_front_is_free(&r.g.conf, NULL, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);

    /* UDP alone may be taken. */
    struct addr udp;
    socklen_t n = sizeof udp;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(addr_parse(STR("127.0.0.1:0"), 0, &udp));
    assert_int_equal(bind(fd, &udp.sa, addr_len(&udp)), 0);
    assert_int_equal(getsockname(fd, &udp.sa, &n), 0);
    taken[0] = udp;
    f = (struct fault){ 0 };
    assert_null(dns_front_new(&r.g.loop, r.g.engine, &r.g.conf, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);
    f = (struct fault){ 0 };
    assert_false(dns_front_is_free(&r.g.conf, NULL, &f));
    close(fd);
    front_rig_close(&r);
}

/* Of a few ports that nobody had a moment ago, one is still free. */
static void a_free_address_is_free(void **state)
{
    struct conf conf = { .workers = 2 };
    struct addr at;
    unsigned n_free = 0;
    conf.dns_listen = (struct conf_addrs){ &at, 1 };
    for (unsigned i = 0; i < 8; i++) {
        struct fault f = { 0 };
        socklen_t n = sizeof at;
        int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_true(addr_parse(STR("127.0.0.1:0"), 0, &at));
        assert_int_equal(bind(fd, &at.sa, addr_len(&at)), 0);
        assert_int_equal(getsockname(fd, &at.sa, &n), 0);
        close(fd);
        n_free += dns_front_is_free(&conf, NULL, &f);
    }
    assert_true(n_free > 0);
}

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

static void draining_waits_a_second_at_most(void **state)
{
    struct front_rig r;
    bool is_drained = false;
    front_rig_open(&r, "127.0.0.1:0", 0);
    int idle = client(SOCK_STREAM, &r.at), fd = client(SOCK_DGRAM, &r.at);
    rig_run_for(&r.g, 20);
    assert_int_equal(r.front->n_conns, 1);
    r.g.fakes[0].mode = FAKE_SILENT;
    put(fd, 1, "a.test");
    rig_run_for(&r.g, 20);
    put(fd, 2, "b.test"); /* in the socket when the drain begins */
    dns_front_drain(r.front, on_drained, &is_drained);
    assert_int_equal(r.front->n_conns, 0);
    assert_int_equal(r.front->n_questions, 2);
    r.g.fakes[0].mode = FAKE_OK;
    assert_false(is_drained);
    assert_true(take(&r, fd, 900) > 0);
    assert_true(take(&r, fd, 900) > 0);
    assert_true(is_drained);
    close(idle);
    close(fd);
    front_rig_close(&r);

    is_drained = false;
    front_rig_open(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].mode = FAKE_SILENT;
    fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    rig_run_for(&r.g, 20);
    dns_front_drain(r.front, on_drained, &is_drained);
    rig_run_for(&r.g, 800);
    assert_false(is_drained);
    rig_run_for(&r.g, 400);
    assert_true(is_drained);
    close(fd);
    front_rig_close(&r);

    is_drained = false;
    front_rig_open(&r, "127.0.0.1:0", 0);
    dns_front_drain(r.front, on_drained, &is_drained);
    assert_true(is_drained);
    front_rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_asked_once_and_then_known),
        cmocka_unit_test(what_is_no_question_gets_no_answer),
        cmocka_unit_test(strangers_are_refused),
        cmocka_unit_test(a_repetition_waits_for_the_first),
        cmocka_unit_test(beyond_its_limit_a_client_gets_what_is_known),
        cmocka_unit_test(what_needs_no_server_is_not_counted),
        cmocka_unit_test(leaving_is_no_failure),
        cmocka_unit_test(leaving_is_no_way_around_the_limit),
        cmocka_unit_test(no_server_says_so),
        cmocka_unit_test(what_all_servers_refuse_is_refused),
        cmocka_unit_test(the_address_that_was_asked_answers),
        cmocka_unit_test(a_taken_address_is_explained),
        cmocka_unit_test(a_free_address_is_free),
        cmocka_unit_test(draining_waits_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
