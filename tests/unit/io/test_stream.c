/* Bytes over TCP, and what TLS does the same way. */
#include "stream_rig.h"

static void test_bytes_arrive(void **state)
{
    struct rig *r = *state;
    static const size_t sizes[] = { 1, 100, 16383, 16384, 16385, 70000, 3000000 };
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        assert_true(c.is_open && s.is_open);
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            c.read_cap = i % 2 == 0 ? 0 : 1000;
            send_and_compare(r, &c, &s, sizes[i]);
            send_and_compare(r, &s, &c, sizes[i]);
        }
        end_close(&c);
        TURN_UNTIL(r, s.is_eof);
        end_close(&s);
    }
}

static void test_reset(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        end_reset(&s);
        TURN_UNTIL(r, c.is_failed || c.is_eof);
        assert_true(c.is_failed);
        assert_int_equal(c.fault.kind, FAULT_UPSTREAM_RESET);
        assert_int_equal(c.fault.sys_errno, ECONNRESET);
        end_close(&c);
        end_close(&s);
    }
}

static void test_backpressure(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    serve(r, &r->ca, "DNS:s3.test", 30);
    for (int is_tls = 0; is_tls < 2; is_tls++) {
        bool never = false;
        if (is_tls)
            tls_open(r, &c, &s, "s3.test");
        else
            plain_open(r, &c, &s);
        c.is_deaf = true;
        io_stream_want(c.s, 0);
        fill(&s.out, 20u << 20);
        size_t all = s.out.n;
        io_stream_want(s.s, IO_READ | IO_WRITE);
        turn_for(r, &never, 30);
        assert_true(s.out.n > 0);
        unsigned n = c.n_ready;
        turn_for(r, &never, 20);
        assert_int_equal(c.n_ready, n); /* deaf means quiet */
        c.is_deaf = false;
        io_stream_want(c.s, IO_READ);
        TURN_UNTIL(r, c.in.n == all || c.is_failed);
        assert_false(c.is_failed);
        for (size_t i = 0; i < all; i += 997)
            assert_int_equal(c.in.p[i], (char)(i * 31 + i / 251));
        end_close(&c);
        end_close(&s);
    }
}

static void test_nothing_wanted_nothing_told(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    bool never = false;
    plain_open(r, &c, &s);
    io_stream_want(c.s, 0);
    end_reset(&s);
    turn_for(r, &never, 20);
    assert_int_equal(c.n_ready, 0);
    io_stream_want(c.s, IO_READ);
    TURN_UNTIL(r, c.is_failed);
    end_close(&c);
    end_close(&s);
}

/* Inside a callback; the memory outlives the turn, the callbacks do not. */
static void on_ready_close(struct io_stream *s, unsigned events)
{
    struct end *e = s->owner;
    e->n_ready++;
    io_stream_close(s);
    io_stream_close(s);
    io_stream_want(s, IO_READ);
    e->is_eof = true;
}

static void test_closing_in_a_callback(void **state)
{
    struct rig *r = *state;
    struct end c, s;
    bool never = false;
    plain_open(r, &c, &s);
    c.s->on_ready = on_ready_close;
    buf_append(&s.out, STR("x"));
    flush(&s);
    TURN_UNTIL(r, c.is_eof);
    turn_for(r, &never, 10);
    assert_int_equal(c.n_ready, 1);
    c.s = NULL;
    end_close(&c);
    end_close(&s);
}

static void test_connect(void **state)
{
    struct rig *r = *state;
    struct end c;
    struct addr to;
    int e = 0;
    /* Port 1 of loopback: nobody listens. */
    assert_true(addr_parse(STR("127.0.0.1:1"), 0, &to));
    int fd = io_connect(&to, &e);
    if (fd < 0) {
        assert_int_equal(e, ECONNREFUSED);
        return;
    }
    end_open(r, &c, fd);
    c.is_deaf = true;
    io_stream_want(c.s, IO_WRITE);
    TURN_UNTIL(r, c.n_ready > 0);
    assert_int_equal(io_connect_result(c.s), ECONNREFUSED);
    end_close(&c);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_bytes_arrive),          T(test_reset),
        T(test_backpressure),          T(test_nothing_wanted_nothing_told),
        T(test_closing_in_a_callback), T(test_connect),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
