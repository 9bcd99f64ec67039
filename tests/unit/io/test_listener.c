#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "io/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MAX_ACCEPTED = 256 };

struct door {
    struct io_listener listener;
    int fds[MAX_ACCEPTED];
    unsigned n;
    struct addr peer;
    bool closes;
};

static void on_accept(struct io_listener *l, int fd, const struct addr *peer)
{
    struct door *d = l->owner;
    assert_true(d->n < MAX_ACCEPTED);
    d->fds[d->n++] = fd;
    d->peer = *peer;
    if (d->closes)
        io_listener_close(l);
}

static void door_open(struct door *d, struct io_loop *l, const char *at)
{
    struct fault f = { 0 };
    struct addr a;
    memset(d, 0, sizeof *d);
    d->listener.owner = d;
    d->listener.on_accept = on_accept;
    assert_true(addr_parse(str_from_c(at), 0, &a));
    if (!io_listener_open(&d->listener, l, &a, false, &f))
        fail_msg("%s", f.detail);
    assert_true(addr_port(&d->listener.local) != 0);
}

static void door_close(struct door *d)
{
    io_listener_close(&d->listener);
    io_listener_close(&d->listener); /* harmless */
    for (unsigned i = 0; i < d->n; i++)
        close(d->fds[i]);
}

static int dial(const char *ip, const struct addr *to)
{
    struct addr a;
    assert_true(addr_parse_ip(str_from_c(ip), &a));
    addr_set_port(&a, addr_port(to));
    int fd = socket(addr_family(&a), SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, &a.sa, addr_len(&a)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static bool has_ipv6(void)
{
    struct addr a;
    assert_true(addr_parse(STR("[::1]:0"), 0, &a));
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool ok = fd >= 0 && bind(fd, &a.sa, addr_len(&a)) == 0;
    close(fd);
    return ok;
}

static void turn(struct io_loop *l)
{
    uv_run(&l->uv, UV_RUN_NOWAIT);
}

static int setup(void **state)
{
    struct io_loop *l = malloc(sizeof *l);
    assert_true(io_loop_init(l));
    *state = l;
    return 0;
}

static int teardown(void **state)
{
    io_loop_done(*state);
    free(*state);
    return 0;
}

static void test_accepted_sockets(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    int no_delay = 0;
    socklen_t n = sizeof no_delay;
    door_open(&d, l, "127.0.0.1:0");
    int fd = dial("127.0.0.1", &d.listener.local);
    turn(l);
    assert_int_equal(d.n, 1);
    assert_true((fcntl(d.fds[0], F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(d.fds[0], F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getsockopt(d.fds[0], IPPROTO_TCP, TCP_NODELAY, &no_delay, &n), 0);
    assert_int_equal(no_delay, 1);
    close(fd);
    door_close(&d);
}

static void test_both_families(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    char text[ADDR_TEXT_BYTES];
    door_open(&d, l, ":0");
    int fd = dial("127.0.0.1", &d.listener.local);
    assert_true(fd >= 0);
    turn(l);
    assert_int_equal(d.n, 1);
    assert_string_equal(addr_ip_text(&d.peer, text), "127.0.0.1");
    close(fd);
    assert_int_equal(addr_family(&d.listener.local), has_ipv6() ? AF_INET6 : AF_INET);
    if (has_ipv6()) {
        fd = dial("::1", &d.listener.local);
        assert_true(fd >= 0);
        turn(l);
        assert_int_equal(d.n, 2);
        assert_string_equal(addr_ip_text(&d.peer, text), "::1");
        close(fd);
    }
    door_close(&d);
}

static void test_a_flood_is_taken_in_turns(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    int fds[100];
    door_open(&d, l, "127.0.0.1:0");
    for (int i = 0; i < 100; i++)
        assert_true((fds[i] = dial("127.0.0.1", &d.listener.local)) >= 0);
    turn(l);
    assert_int_equal(d.n, 64);
    turn(l);
    assert_int_equal(d.n, 100);
    for (int i = 0; i < 100; i++)
        close(fds[i]);
    door_close(&d);
}

static void test_closing_in_the_callback(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    door_open(&d, l, "127.0.0.1:0");
    d.closes = true;
    int a = dial("127.0.0.1", &d.listener.local), b = dial("127.0.0.1", &d.listener.local);
    turn(l);
    assert_int_equal(d.n, 1);
    close(a);
    close(b);
    door_close(&d);
}

static void test_an_address_in_use(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    struct io_listener other = { .on_accept = on_accept };
    struct fault f = { 0 };
    char text[ADDR_TEXT_BYTES];
    door_open(&d, l, "127.0.0.1:0");
    assert_false(io_listener_open(&other, l, &d.listener.local, false, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);
    assert_non_null(strstr(f.detail, addr_text(&d.listener.local, text)));
    io_listener_close(&other); /* nothing is open */
    door_close(&d);
}

static void test_workers_share_a_port(void **state)
{
    struct io_loop *l = *state;
    struct io_listener a = { .on_accept = on_accept }, b = { .on_accept = on_accept };
    struct fault f = { 0 };
    struct addr at;
    assert_true(addr_parse(STR("127.0.0.1:0"), 0, &at));
    assert_true(io_listener_open(&a, l, &at, true, &f));
    assert_true(io_listener_open(&b, l, &a.local, true, &f));
    assert_true(addr_eq(&a.local, &b.local));
    at = a.local;
    assert_false(io_listener_is_free(&at, &f));
    assert_int_equal(f.sys_errno, EADDRINUSE);
    io_listener_close(&a);
    assert_false(io_listener_is_free(&at, &f));
    io_listener_close(&b);
    assert_true(io_listener_is_free(&at, &f));
}

/* A reload that fails leaves nothing behind, and one that succeeds refuses nobody. */
static void test_in_steps(void **state)
{
    struct io_loop *l = *state;
    struct door d = { .listener = { .owner = &d, .on_accept = on_accept } };
    struct fault f = { 0 };
    struct addr at;
    assert_true(addr_parse(STR("127.0.0.1:0"), 0, &at));
    assert_true(io_listener_bind(&d.listener, &at, false, &f));
    at = d.listener.local;
    assert_int_equal(dial("127.0.0.1", &at), -1);
    io_listener_close(&d.listener);
    assert_true(io_listener_is_free(&at, &f));
    assert_true(io_listener_bind(&d.listener, &at, false, &f));
    assert_true(io_listener_listen(&d.listener, &f));
    int early = dial("127.0.0.1", &at);
    assert_true(early >= 0);
    assert_true(io_listener_start(&d.listener, l, &f));
    turn(l);
    assert_int_equal(d.n, 1);
    close(early);
    door_close(&d);
}

static void test_what_waits_is_taken_before_the_end(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    int fds[100];
    door_open(&d, l, "127.0.0.1:0");
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        assert_true((fds[i] = dial("127.0.0.1", &d.listener.local)) >= 0);
    io_listener_retire(&d.listener);
    assert_int_equal(d.n, 100);
    assert_int_equal(dial("127.0.0.1", &d.listener.local), -1);
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        close(fds[i]);
    door_close(&d);
}

static void test_without_descriptors_it_pauses(void **state)
{
    struct io_loop *l = *state;
    struct door d;
    struct rlimit old, none;
    door_open(&d, l, "127.0.0.1:0");
    int fd = dial("127.0.0.1", &d.listener.local);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = 3;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn(l);
    bool is_paused = io_timer_is_armed(&d.listener.pause);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_true(is_paused);
    assert_int_equal(d.n, 0);
    turn(l);
    assert_int_equal(d.n, 0);
    io_timers_fire(l, io_now_ms(l) + 100);
    turn(l);
    assert_int_equal(d.n, 1);
    close(fd);
    door_close(&d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_accepted_sockets),
        T(test_both_families),
        T(test_a_flood_is_taken_in_turns),
        T(test_closing_in_the_callback),
        T(test_an_address_in_use),
        T(test_workers_share_a_port),
        T(test_in_steps),
        T(test_what_waits_is_taken_before_the_end),
        T(test_without_descriptors_it_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
