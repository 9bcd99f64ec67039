/* Which figures move when connections are made, used again, lost and not to be had. */
#include "rig.h"
#include "../obs/counted.h"

static void connections_and_requests(void **state)
{
    struct rig *r = rig_new("", NULL);
    const struct act acts[] = { { 0, END, OK5, 0, STAY },
                                { 0, END, OK5, 0, STAY },
                                { 0, END, "", 0, CLOSE },
                                { 1, END, OK5, 0, STAY },
                                { 0 } };
    struct counted n;
    origin_open(r, &r->origin, "127.0.0.1", 0, true, acts);
    struct call c = { .request = get(r) };
    int request = (int)c.request.head.n, response = sizeof OK5 - 1;
    counted_begin(&n);

    call_run(r, &c);
    buf_done(&c.body);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECTED), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_OPEN), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_REUSED), 0);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_BYTES_IN), response);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_BYTES_OUT), request);

    call_run(r, &c);
    buf_done(&c.body);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_REUSED), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECTED), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_RETRIES), 0);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_TLS_RESUMED), 0);

    call_run(r, &c); /* the connection is closed under it, and another resumes the session */
    buf_done(&c.body);
    assert_true(c.is_whole);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_REUSED), 2);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_RETRIES), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECTED), 2);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_TLS_RESUMED), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_OPEN), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_BYTES_IN), 3 * response);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_BYTES_OUT), 4 * request);

    origin_close(&r->origin);
    TURN_UNTIL(r, upstream_count(r->up).n_idle == 0);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_OPEN), 0);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECT_FAILED), 0);
    call_run(r, &c); /* nobody listens any more */
    buf_done(&c.body);
    assert_int_equal(c.x.fault.kind, FAULT_CONNECT_REFUSED);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECT_FAILED), 1);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECTED), 2);
    rig_free(r);
}

/* Each of two addresses that do not answer was an attempt, when the time for all is over. */
static void attempts_that_run_out_of_time(void **state)
{
    struct rig *r = rig_new("127.0.0.1 s3.test\n127.0.0.2 s3.test\n", NULL);
    const struct act acts[] = { { 0 } };
    struct origin_server other;
    struct counted n;
    origin_open(r, &r->origin, "127.0.0.1", 0, false, acts);
    uint16_t port = addr_port(&r->origin.listener.local);
    origin_open(r, &other, "127.0.0.2", port, false, acts);
    r->conf->tls_timeout_ms = 5000;
    r->conf->connect_total_ms = 1500;
    struct call c = { .request = get_from(origin_at("s3.test", port, true)) };
    counted_begin(&n);
    call_run(r, &c); /* a handshake that is never answered */
    buf_done(&c.body);
    assert_int_equal(c.x.fault.kind, FAULT_TLS_TIMEOUT);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_CONNECT_FAILED), 2);
    assert_int_equal(counted(&n, METRIC_UPSTREAM_OPEN), 0);
    origin_close(&other);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_and_requests),
        cmocka_unit_test(attempts_that_run_out_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
