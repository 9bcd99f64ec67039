/* Connecting: Happy Eyeballs over several addresses, TLS in the race, what is remembered. */
#include "rig.h"
#include "upstream/pool.h"

#include <sys/socket.h>

static const struct act answer_all[] = {
    { 0, END, OK5, 0, STAY }, { 1, END, OK5, 0, STAY }, { 2, END, OK5, 0, STAY },
    { 3, END, OK5, 0, STAY }, { 4, END, OK5, 0, STAY }, { 0 },
};

static const char hosts[] = "127.0.0.2 pair.test\n127.0.0.3 pair.test\n"
                            "127.0.0.2 a.b.s3.eu-west-1.amazonaws.com\n";

static int setup(void **state)
{
    *state = rig_new(hosts, NULL);
    return 0;
}

static int teardown(void **state)
{
    rig_free(*state);
    return 0;
}

static uint16_t port_of(const struct rig *r)
{
    return addr_port(&r->origin.listener.local);
}

static struct addr ip(const char *text, uint16_t port)
{
    struct addr a;
    assert_true(addr_parse_ip(str_from_c(text), &a));
    addr_set_port(&a, port);
    return a;
}

static struct pool *pool_at(struct rig *r, const struct origin *o)
{
    return pool_get(r->up, o);
}

/* One exchange on a new connection, which is closed behind it; returns the milliseconds. */
static uint64_t dial_once(struct rig *r, struct call *c)
{
    uv_update_time(&r->loop.uv); /* setting up took time, and deadlines count from the turn's */
    uint64_t start = io_now_us();
    call_start(r, c);
    TURN_UNTIL(r, is_settled(c));
    uint64_t ms = (io_now_us() - start) / 1000;
    exchange_cancel(&c->x);
    buf_done(&c->body);
    return ms;
}

/* A listening socket whose queue is full: SYNs to it are dropped. */
struct silent {
    int fd[5];
};

static void silent_open(struct silent *s, const char *text, uint16_t port)
{
    struct addr a = ip(text, port);
    s->fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(setsockopt(s->fd[0], SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int)), 0);
    assert_int_equal(bind(s->fd[0], &a.sa, addr_len(&a)), 0);
    assert_int_equal(listen(s->fd[0], 0), 0);
    for (int i = 1; i < 5; i++) {
        s->fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(s->fd[i], &a.sa, addr_len(&a));
    }
}

static void silent_close(struct silent *s)
{
    for (int i = 0; i < 5; i++)
        close(s->fd[i]);
}

/* ---- several addresses ---- */

static void a_refusing_address_costs_nothing(void **state)
{
    struct rig *r = *state;
    origin_open(r, &r->origin, "127.0.0.3", 0, false, answer_all);
    struct addr good = ip("127.0.0.3", port_of(r)), bad = ip("127.0.0.2", port_of(r));
    struct call c = { .request = get_from(origin_at("pair.test", port_of(r), false)) };
    bool has_met = false;
    for (int i = 0; i < 4; i++) {
        assert_true(dial_once(r, &c) < 200);
        assert_true(c.is_whole);
        assert_true(addr_eq(&c.x.addr, &good));
        has_met = has_met || !addr_book_is_good(&pool_at(r, &c.request.origin)->book, &bad);
    }
    assert_true(has_met);
}

static void a_silent_address_costs_a_quarter_of_a_second_once(void **state)
{
    struct rig *r = *state;
    struct silent s;
    unsigned n_slow = 0;
    origin_open(r, &r->origin, "127.0.0.3", 0, false, answer_all);
    silent_open(&s, "127.0.0.2", port_of(r));
    struct call c = { .request = get_from(origin_at("pair.test", port_of(r), false)) };
    for (int i = 0; i < 4; i++) {
        uint64_t ms = dial_once(r, &c);
        assert_true(c.is_whole);
        assert_true(ms < 395);
        n_slow += ms >= 200;
    }
    assert_int_equal(n_slow, 1); /* then it is set aside */
    silent_close(&s);
}

static void an_address_with_the_wrong_name_does_not_connect(void **state)
{
    struct rig *r = *state;
    struct origin_server wrong;
    io_tls_free(r->server);
    r->server = server_tls(&r->ca, "DNS:pair.test");
    origin_open(r, &r->origin, "127.0.0.3", 0, true, answer_all);
    origin_open(r, &wrong, "127.0.0.2", port_of(r), true, answer_all);
    wrong.tls = server_tls(&r->ca, "DNS:portal.test");
    struct addr good = ip("127.0.0.3", port_of(r));
    struct call c = { .request = get_from(origin_at("pair.test", port_of(r), true)) };
    for (int i = 0; i < 3; i++) {
        dial_once(r, &c);
        assert_true(c.is_whole && addr_eq(&c.x.addr, &good));
    }
    io_tls_free(wrong.tls);
    origin_close(&wrong);
}

static void a_reset_before_a_byte_goes_to_another_address(void **state)
{
    struct rig *r = *state;
    static const struct act reset_all[] = { { 0, END, "", 0, RESET }, { 1, END, "", 0, RESET },
                                            { 2, END, "", 0, RESET }, { 3, END, "", 0, RESET },
                                            { 4, END, "", 0, RESET }, { 0 } };
    struct origin_server bad;
    origin_open(r, &r->origin, "127.0.0.3", 0, false, answer_all);
    origin_open(r, &bad, "127.0.0.2", port_of(r), false, reset_all);
    struct call c = { .request = get_from(origin_at("pair.test", port_of(r), false)) };
    unsigned n_retries = 0;
    for (int i = 0; i < 4; i++) {
        dial_once(r, &c);
        assert_true(c.is_whole);
        n_retries += c.x.n_retries;
        turn_ms(r, i == 3 ? 1050 : 1); /* set aside for a second */
    }
    assert_int_equal(n_retries, bad.n_peers);
    assert_in_range(n_retries, 1, 2);
    c.request.is_idempotent = false;
    c.request.method = HTTP_POST;
    unsigned n_before = bad.n_peers;
    for (int i = 0; i < 4 && bad.n_peers == n_before; i++)
        dial_once(r, &c);
    if (bad.n_peers > n_before)
        assert_int_equal(c.x.fault.kind, FAULT_UPSTREAM_RESET);
    origin_close(&bad);
}

static void a_failing_address_loses_its_idle_connections(void **state)
{
    struct rig *r = *state;
    origin_open(r, &r->origin, "127.0.0.1", 0, false, answer_all);
    struct call c = { .request = get(r) }, other = { .request = get(r) };
    call_start(r, &c);
    call_start(r, &other);
    TURN_UNTIL(r, is_settled(&c) && is_settled(&other));
    exchange_finish(&c.x);
    buf_done(&c.body);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    io_listener_close(&r->origin.listener);
    pool_addr_failed(pool_at(r, &c.request.origin), &other.x.addr);
    assert_int_equal(upstream_count(r->up).n_idle, 0);
    call_done(&other); /* busy meanwhile: not kept either */
    assert_int_equal(upstream_count(r->up).n_idle, 0);
}

/* ---- faults ---- */

/* A busy machine may take that much longer; still less than any deadline. */
enum { SLACK_MS = RIG_CONNECT_MS * 2 / 3 };

struct fault_row_ {
    const char *name, *host;
    bool is_tls, listens, is_deaf, is_silent;
    const char *san; /* of the certificate */
    bool is_other_ca;
    enum fault_kind kind;
    const char *part; /* of the detail */
    unsigned most_ms;
};

static const struct fault_row_ fault_rows[] = {
    { "refused", "127.0.0.2", .kind = FAULT_CONNECT_REFUSED,
      .part = "127.0.0.2:", .most_ms = SLACK_MS },
    { "all of a name's addresses", "pair.test", .kind = FAULT_CONNECT_REFUSED, .part = "refused",
      .most_ms = SLACK_MS },
    { "silent", "127.0.0.2", .is_silent = true, .kind = FAULT_CONNECT_TIMEOUT, .part = "no reply",
      .most_ms = RIG_CONNECT_MS + SLACK_MS },
    { "TLS is silent", "127.0.0.2", .is_tls = true, .listens = true, .is_deaf = true,
      .kind = FAULT_TLS_TIMEOUT, .part = "127.0.0.2:", .most_ms = RIG_CONNECT_MS + SLACK_MS },
    { "another name", "127.0.0.2", .is_tls = true, .listens = true, .san = "DNS:other.test",
      .kind = FAULT_TLS_NAME, .part = "other.test", .most_ms = SLACK_MS },
    { "another name tells more than a refusal", "pair.test", .is_tls = true, .listens = true,
      .san = "DNS:other.test", .kind = FAULT_TLS_NAME, .part = "other.test", .most_ms = SLACK_MS },
    { "a bucket with dots", "a.b.s3.eu-west-1.amazonaws.com", .is_tls = true, .listens = true,
      .san = "DNS:*.s3.eu-west-1.amazonaws.com", .kind = FAULT_TLS_NAME, .part = "with dots",
      .most_ms = SLACK_MS },
    { "another authority", "127.0.0.2", .is_tls = true, .listens = true, .san = "IP:127.0.0.2",
      .is_other_ca = true, .kind = FAULT_TLS_UNTRUSTED, .part = "127.0.0.2:", .most_ms = SLACK_MS },
    { "no TLS there", "127.0.0.2", .is_tls = true, .listens = true, .kind = FAULT_TLS_FAILED,
      .part = "127.0.0.2:", .most_ms = SLACK_MS },
    { "no such name", "none.test", .kind = FAULT_DNS_FAILED, .part = "", .most_ms = 5000 },
};

static const struct act talk[] = { { 0, "", "220 mail\r\n", 0, STAY }, { 0 } };

static void check_fault(struct rig *r, const struct fault_row_ *row)
{
    struct origin_server o = { 0 }, spare;
    struct silent s;
    struct pki ca;
    struct io_tls *tls = NULL;
    origin_open(r, &spare, "127.0.0.1", 0, false, answer_all); /* for a port that is free */
    uint16_t port = addr_port(&spare.listener.local);
    pki_init(&ca, "Other authority");
    if (row->san)
        tls = server_tls(row->is_other_ca ? &ca : &r->ca, row->san);
    if (row->listens) {
        origin_open(r, &o, "127.0.0.2", port, false, row->san ? answer_all : talk);
        o.tls = tls;
        o.is_deaf = row->is_deaf;
    }
    if (row->is_deaf)
        o.acts = &answer_all[5];
    if (row->is_silent)
        silent_open(&s, "127.0.0.2", port);
    struct call c = { .request = get_from(origin_at(row->host, port, row->is_tls)) };
    uint64_t ms = dial_once(r, &c);
    if (c.n_failed != 1 || c.x.fault.kind != row->kind || ms > row->most_ms ||
        !str_contains(str_from_c(c.x.fault.detail), str_from_c(row->part)))
        fail_msg("%s: %s in %u ms: %s", row->name, fault_row(c.x.fault.kind)->name, (unsigned)ms,
                 c.x.fault.detail);
    if (row->is_silent)
        silent_close(&s);
    origin_close(&o);
    origin_close(&spare);
    io_tls_free(tls);
    pki_done(&ca);
}

static void faults(void **state)
{
    for (size_t i = 0; i < sizeof fault_rows / sizeof fault_rows[0]; i++)
        check_fault(*state, &fault_rows[i]);
}

static void the_whole_dial_has_an_end(void **state)
{
    struct rig *r = *state;
    struct silent s, t;
    r->conf->connect_timeout_ms = 60000;
    r->conf->connect_total_ms = 500;
    origin_open(r, &r->origin, "127.0.0.1", 0, false, answer_all);
    silent_open(&s, "127.0.0.2", port_of(r));
    silent_open(&t, "127.0.0.3", port_of(r));
    struct call c = { .request = get_from(origin_at("pair.test", port_of(r), false)) };
    uint64_t ms = dial_once(r, &c);
    assert_int_equal(c.x.fault.kind, FAULT_CONNECT_TIMEOUT);
    assert_in_range(ms, 480, 800);
    silent_close(&s);
    silent_close(&t);
}

/* ---- names in use ---- */

static void an_expired_name_is_refreshed_behind_the_request(void **state)
{
    struct rig *r = *state;
    static const struct act again[] = { { 0, END, OK5, 0, STAY }, { 0, END, OK5, 0, STAY }, { 0 } };
    origin_open(r, &r->origin, "127.0.0.3", 0, false, again);
    struct call c = { .request = get_from(origin_at("PAIR.test", port_of(r), false)) };
    call_run(r, &c);
    buf_done(&c.body);
    c.request.origin.host = STR("pair.TEST"); /* the same host */
    struct pool *p = pool_at(r, &c.request.origin);
    p->expires_ms = 0;
    for (unsigned i = 0; i < p->book.n; i++)
        p->book.entries[i].seen_ms = 0;
    call_start(r, &c);
    assert_true(c.x.is_reused);
    assert_non_null(p->refresh);
    TURN_UNTIL(r, is_settled(&c) && !p->refresh);
    assert_true(c.is_whole);
    assert_true(p->expires_ms > io_now_ms(&r->loop));
    assert_true(p->book.entries[0].seen_ms > 0);
    call_done(&c);
}

static void connections_of_forgotten_addresses_are_closed(void **state)
{
    struct rig *r = *state;
    origin_open(r, &r->origin, "127.0.0.1", 0, false, answer_all);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    struct pool *p = pool_at(r, &c.request.origin);
    struct addr other = ip("127.0.0.9", port_of(r));
    pool_answered(p, &other, 1, UINT64_MAX);
    assert_int_equal(upstream_count(r->up).n_idle, 1); /* seen less than 30 s ago */
    p->book.entries[0].seen_ms -= ADDR_BOOK_KEEP_MS;
    pool_answered(p, &other, 1, UINT64_MAX);
    assert_int_equal(upstream_count(r->up).n_idle, 0);
}

/* The registry moves; its idle connections do not wait for a request to find out. */
static void the_registry_is_where_its_newest_answer_says(void **state)
{
    struct rig *r = *state;
    static const struct act twice[] = { { 0, END, OK5, 0, STAY }, { 0, END, OK5, 0, STAY }, { 0 } };
    origin_open(r, &r->origin, "127.0.0.1", 0, false, twice);
    struct call c = { .request = get(r) };
    c.request.origin.policy = DNS_POLICY_REGISTRY;
    call_run(r, &c);
    buf_done(&c.body);
    struct pool *p = pool_at(r, &c.request.origin);
    struct addr other = ip("127.0.0.9", port_of(r));
    assert_true(p->book.is_newest_only);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    p->expires_ms = io_now_ms(&r->loop) + 20;
    call_run(r, &c); /* back in the pool, the end of the answer's time is waited for */
    buf_done(&c.body);
    assert_true(c.x.is_reused);
    p->book.entries[0].seen_ms = 0;
    TURN_UNTIL(r, p->book.entries[0].seen_ms > 0);
    assert_true(p->expires_ms > io_now_ms(&r->loop) + 900);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    pool_answered(p, &other, 1, UINT64_MAX);
    assert_int_equal(upstream_count(r->up).n_idle, 0);
}

/* ---- the next group's answer ---- */

/* A DNS server that gives one IPv4 address for every name. */
struct name_server {
    uv_udp_t udp;
    uint8_t ip[4];
    uint16_t port;
    unsigned n_questions;
    char in[2048];
};

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *b)
{
    struct name_server *s = h->data;
    *b = uv_buf_init(s->in, sizeof s->in);
}

static void on_question(uv_udp_t *u, ssize_t n, const uv_buf_t *b, const struct sockaddr *from,
                        unsigned flags)
{
    struct name_server *s = u->data;
    if (n < 17 || !from)
        return;
    size_t end = 12;
    while (end < (size_t)n && b->base[end] != 0)
        end += (uint8_t)b->base[end] + 1u;
    end += 5;
    assert_true(end <= (size_t)n);
    s->n_questions++;
    bool is_a = b->base[end - 3] == 1;
    char out[2048];
    memcpy(out, b->base, end);
    memcpy(out + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
    out[7] = (char)is_a;
    if (is_a) {
        memcpy(out + end, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
        memcpy(out + end + 12, s->ip, 4);
        end += 16;
    }
    uv_buf_t reply = uv_buf_init(out, (unsigned)end);
    uv_udp_try_send(u, &reply, 1, from);
}

static void name_server_open(struct name_server *s, uv_loop_t *l, unsigned last)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int n = sizeof at;
    *s = (struct name_server){ .ip = { 127, 0, 0, (uint8_t)last } };
    uv_udp_init(l, &s->udp);
    s->udp.data = s;
    assert_int_equal(uv_udp_bind(&s->udp, (struct sockaddr *)&at, 0), 0);
    assert_int_equal(uv_udp_getsockname(&s->udp, (struct sockaddr *)&at, &n), 0);
    s->port = ntohs(at.sin_port);
    uv_udp_recv_start(&s->udp, on_alloc, on_question);
}

static void an_answer_that_cannot_be_connected_to_is_no_answer(void **state)
{
    uv_loop_t ports; /* the settings want the ports before the rig has its loop */
    struct name_server corporate, amazon;
    char system[64], vpc[64];
    uv_loop_init(&ports);
    name_server_open(&corporate, &ports, 2);
    name_server_open(&amazon, &ports, 3);
    snprintf(system, sizeof system, "PENSTOCK_DNS_SERVERS=127.0.0.1:%u", corporate.port);
    snprintf(vpc, sizeof vpc, "PENSTOCK_DNS_AWS_SERVERS=127.0.0.1:%u", amazon.port);
    char *const dns[] = { (char *)"PENSTOCK_DNS_AWS=on", system, vpc };
    struct rig *r = rig_new("", dns);
    origin_open(r, &r->origin, "127.0.0.3", 0, false, answer_all);
    struct addr good = ip("127.0.0.3", port_of(r));
    struct call c = { .request =
                          get_from(origin_at("s3.eu-west-1.amazonaws.com", port_of(r), false)) };
    for (int i = 0; i < 2; i++) {
        call_start(r, &c);
        for (int turns = 0; turns < 3000 && !is_settled(&c); turns++) {
            turn_ms(r, 1);
            uv_run(&ports, UV_RUN_NOWAIT);
        }
        if (!c.is_whole)
            fail_msg("%s: %s", fault_row(c.x.fault.kind)->name, c.x.fault.detail);
        assert_true(addr_eq(&c.x.addr, &good));
        assert_non_null(c.x.explain);
        exchange_cancel(&c.x);
        buf_done(&c.body);
    }
    assert_true(corporate.n_questions > 0);
    assert_true(amazon.n_questions > 0);
    origin_close(&r->origin);
    struct pool *p = pool_at(r, &c.request.origin);
    memset(&p->book, 0, sizeof p->book);
    call_start(r, &c);
    for (int turns = 0; turns < 3000 && !is_settled(&c); turns++) {
        turn_ms(r, 1);
        uv_run(&ports, UV_RUN_NOWAIT);
    }
    assert_int_equal(c.x.fault.kind, FAULT_CONNECT_REFUSED);
    assert_non_null(strstr(c.x.fault.detail, "DNS: "));
    call_done(&c);
    rig_free(r);
    uv_close((uv_handle_t *)&corporate.udp, NULL);
    uv_close((uv_handle_t *)&amazon.udp, NULL);
    uv_run(&ports, UV_RUN_DEFAULT);
    uv_loop_close(&ports);
}

static void pools_are_bounded(void **state)
{
    struct rig *r = *state;
    char name[32];
    for (unsigned i = 0; i < UPSTREAM_MAX_POOLS + 50; i++) {
        snprintf(name, sizeof name, "bucket-%u.test", i);
        struct origin o = origin_at(name, 443, true);
        assert_non_null(pool_get(r->up, &o));
    }
    assert_int_equal(r->up->n_pools, UPSTREAM_MAX_POOLS);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_refusing_address_costs_nothing),
        TEST(a_silent_address_costs_a_quarter_of_a_second_once),
        TEST(an_address_with_the_wrong_name_does_not_connect),
        TEST(a_reset_before_a_byte_goes_to_another_address),
        TEST(a_failing_address_loses_its_idle_connections),
        TEST(faults),
        TEST(the_whole_dial_has_an_end),
        TEST(an_expired_name_is_refreshed_behind_the_request),
        TEST(connections_of_forgotten_addresses_are_closed),
        TEST(the_registry_is_where_its_newest_answer_says),
        TEST(pools_are_bounded),
        cmocka_unit_test(an_answer_that_cannot_be_connected_to_is_no_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
