#include "rig.h"

#include "dns/front_impl.h"

#include <netinet/tcp.h>
#include <sys/resource.h>

/* A forwarder in front of the rig's engine, and a client in the same loop. */
struct front_rig {
    struct rig g;
    struct addr listen[1];
    struct cidr allowed[2];
    struct dns_front *front;
    struct addr at;
};

static struct dns_msg got;
static uint8_t reply[65536];

static void open_rig(struct front_rig *r, const char *listen, uint64_t rate)
{
    struct fault f = { 0 };
    rig_init(&r->g, 1, 0);
    assert_true(addr_parse(str_from_c(listen), 0, &r->listen[0]));
    assert_true(cidr_parse(STR("127.0.0.0/8"), &r->allowed[0]));
    assert_true(cidr_parse(STR("::1"), &r->allowed[1]));
    r->g.conf.workers = 1;
    r->g.conf.dns_listen = (struct conf_addrs){ r->listen, 1 };
    r->g.conf.dns_allow = (struct conf_cidrs){ r->allowed, 2 };
    r->g.conf.dns_client_rate = rate;
    rig_go(&r->g);
    r->front = dns_front_new(&r->g.loop, r->g.engine, &r->g.conf, &f);
    if (r->front == NULL)
        fail_msg("%s", f.detail);
    r->at = *dns_front_addr(r->front, 0);
}

static void close_rig(struct front_rig *r)
{
    dns_front_free(r->front);
    rig_done(&r->g);
}

static size_t question(uint8_t *out, uint16_t id, const char *name, bool has_edns)
{
    struct dns_question q = { .type = DNS_A, .class = DNS_CLASS_IN };
    assert_true(dns_name_parse(str_from_c(name), &q.name));
    return dns_write_query(out, id, &q,
                           (struct dns_query_flags){ .udp_bytes = has_edns ? 1232 : 0 });
}

static int client(int type, const struct addr *to)
{
    int fd = socket(addr_family(to), type | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &to->sa, addr_len(to)), 0);
    return fd;
}

static void put(int fd, uint16_t id, const char *name)
{
    uint8_t p[512];
    size_t n = question(p, id, name, true);
    assert_int_equal(send(fd, p, n, 0), (ssize_t)n);
}

/* The next datagram within ms, or 0. */
static size_t take(struct front_rig *r, int fd, unsigned ms)
{
    for (unsigned waited = 0; waited <= ms; waited += 5) {
        rig_run_for(&r->g, 5);
        ssize_t n = recv(fd, reply, sizeof reply, MSG_DONTWAIT);
        if (n >= 0) {
            assert_int_equal(dns_msg_parse(str_of((char *)reply, (size_t)n), &got), DNS_PARSE_OK);
            return (size_t)n;
        }
    }
    return 0;
}

static bool has_text(const char *text)
{
    return str_contains(got.edns.options, str_from_c(text));
}

static void a_question_is_asked_once_and_then_known(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
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
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

static void strangers_are_refused(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 0);
    assert_true(cidr_parse(STR("192.0.2.0/24"), &r.allowed[0]));
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 1, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_REFUSED);
    assert_true(has_text("PENSTOCK_DNS_ALLOW"));
    assert_int_equal(r.g.fakes[0].n_udp, 0);
    close(fd);
    close_rig(&r);
}

static void a_repetition_waits_for_the_first(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

static void beyond_its_limit_a_client_gets_what_is_known(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 1);
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
    put(fd, 4, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    assert_int_equal(got.rrs[0].ttl, DNS_STALE_TTL_S);
    assert_int_equal(got.edns.options.p[5], DNS_EDE_STALE);
    assert_int_equal(r.g.fakes[0].n_a, 2);
    close(fd);
    close_rig(&r);
}

/* Names that need no server, and failures that are remembered, cost nothing. */
static void what_needs_no_server_is_not_counted(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 1);
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
    close_rig(&r);
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
    open_rig(&r, "127.0.0.1:0", 0);
    r.g.fakes[0].mode = FAKE_SILENT;
    ask_and_reset(&r, 1, "a.test");
    rig_run_for(&r.g, 600);
    r.g.fakes[0].mode = FAKE_OK;
    int fd = client(SOCK_DGRAM, &r.at);
    put(fd, 2, "a.test");
    assert_true(take(&r, fd, 1000) > 0);
    assert_int_equal(got.rcode, DNS_NOERROR);
    close(fd);
    close_rig(&r);
}

/* Who asks and leaves has asked. */
static void leaving_is_no_way_around_the_limit(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 2);
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
    close_rig(&r);
}

static void no_server_says_so(void **state)
{
    struct front_rig r;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
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
        open_rig(&r, "127.0.0.1:0", 0);
        r.g.fakes[0].mode = rows[i].mode;
        int fd = client(SOCK_DGRAM, &r.at);
        put(fd, 1, "a.test");
        assert_true(take(&r, fd, 6000) > 0);
        assert_int_equal(got.rcode, rows[i].rcode);
        assert_int_equal(got.edns.options.p[5], DNS_EDE_NETWORK_ERROR);
        close(fd);
        close_rig(&r);
    }
}

/* ---- which address answers ---- */

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
        open_rig(&r, rows[i].listen, 0);
        bool has_ipv6 = addr_family(&r.at) == AF_INET6;
        for (unsigned k = 0; rows[i].asked[k] != NULL; k++) {
            if (strchr(rows[i].asked[k], ':') != NULL && !has_ipv6)
                continue;
            ask_from(&r, rows[i].asked[k]); /* waits for a server */
            ask_from(&r, rows[i].asked[k]); /* at once */
        }
        close_rig(&r);
    }
}

static void a_taken_address_is_explained(void **state)
{
    struct front_rig r;
    struct addr taken[1];
    struct fault f = { 0 };
    open_rig(&r, "127.0.0.1:0", 0);
    taken[0] = r.at;
    r.g.conf.dns_listen.v = taken;
    assert_null(dns_front_new(&r.g.loop, r.g.engine, &r.g.conf, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);
    assert_non_null(strstr(f.detail, "PENSTOCK_DNS_LISTEN"));
    assert_non_null(strstr(f.detail, "systemd-resolved"));
    f = (struct fault){ 0 };
    assert_false(dns_front_is_free(&r.g.conf, &f));
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
    assert_false(dns_front_is_free(&r.g.conf, &f));
    close(fd);
    close_rig(&r);
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
        n_free += dns_front_is_free(&conf, &f);
    }
    assert_true(n_free > 0);
}

/* ---- TCP ---- */

struct tcp_client {
    int fd;
    size_t n;
    uint8_t in[1 << 16];
};

static size_t frame(uint8_t *out, uint16_t id, const char *name)
{
    size_t n = question(out + 2, id, name, false);
    out[0] = (uint8_t)(n >> 8);
    out[1] = (uint8_t)n;
    return 2 + n;
}

/* The next message within ms; -1: the end, 0: nothing. */
static int take_tcp(struct front_rig *r, struct tcp_client *c, unsigned ms)
{
    for (unsigned waited = 0; waited <= ms; waited += 5) {
        size_t want = c->n < 2 ? 2 : 2 + ((size_t)c->in[0] << 8 | c->in[1]);
        if (c->n >= 2 && c->n >= want) {
            memcpy(reply, c->in + 2, want - 2);
            assert_int_equal(dns_msg_parse(str_of((char *)reply, want - 2), &got), DNS_PARSE_OK);
            memmove(c->in, c->in + want, c->n - want);
            c->n -= want;
            return (int)want;
        }
        ssize_t n = recv(c->fd, c->in + c->n, sizeof c->in - c->n, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return -1;
        if (n > 0) {
            c->n += (size_t)n;
            waited = 0;
        } else {
            rig_run_for(&r->g, 5);
        }
    }
    return 0;
}

static void tcp_is_pipelined_in_any_pieces(void **state)
{
    enum { N = 100 };
    struct front_rig r;
    static struct tcp_client c;
    static uint8_t out[N * 64];
    bool is_seen[N] = { false };
    size_t n = 0;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

static void answers_do_not_wait_for_each_other(void **state)
{
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[256];
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
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
        open_rig(&r, "127.0.0.1:0", 0);
        c = (struct tcp_client){ .fd = client(SOCK_STREAM, &r.at) };
        assert_int_equal(send(c.fd, bad[i], sizeof bad[i], 0), (ssize_t)sizeof bad[i]);
        assert_int_equal(take_tcp(&r, &c, 1000), -1);
        assert_int_equal(r.front->n_conns, 0);
        close(c.fd);
        close_rig(&r);
    }
}

/* One that asks and does not read is not read from for long; then it gets all that it asked for. */
static void who_does_not_read_is_not_read_from(void **state)
{
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[64], one[64];
    unsigned n_sent = 0, n_got = 0;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
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
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

static void buffers_of_all_connections_are_bounded(void **state)
{
    enum { N = 400 };
    struct front_rig r;
    static uint8_t half[60000] = { 0xff, 0xff };
    int fds[N];
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

static void strangers_hold_few_connections(void **state)
{
    enum { N = FRONT_MAX_STRANGERS + 6 };
    struct front_rig r;
    static struct tcp_client c;
    uint8_t out[64];
    int fds[N];
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
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
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);
}

/* ---- the end ---- */

static void on_drained(void *arg)
{
    *(bool *)arg = true;
}

static void draining_waits_a_second_at_most(void **state)
{
    struct front_rig r;
    bool is_drained = false;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);

    is_drained = false;
    open_rig(&r, "127.0.0.1:0", 0);
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
    close_rig(&r);

    is_drained = false;
    open_rig(&r, "127.0.0.1:0", 0);
    dns_front_drain(r.front, on_drained, &is_drained);
    assert_true(is_drained);
    close_rig(&r);
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
        cmocka_unit_test(tcp_is_pipelined_in_any_pieces),
        cmocka_unit_test(answers_do_not_wait_for_each_other),
        cmocka_unit_test(a_message_that_is_no_question_ends_the_connection),
        cmocka_unit_test(who_does_not_read_is_not_read_from),
        cmocka_unit_test(large_answers_leave_turns_to_others),
        cmocka_unit_test(buffers_of_all_connections_are_bounded),
        cmocka_unit_test(strangers_hold_few_connections),
        cmocka_unit_test(a_newcomer_takes_the_place_of_the_longest_idle),
        cmocka_unit_test(draining_waits_a_second_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
