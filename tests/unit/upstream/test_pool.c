/* Idle connections and the descriptors that the process may have: how many are kept, and that they
 * make room for others. */
#include "rig.h"

#include <sys/resource.h>

enum { N_CALLS = 150 };

static const struct row {
    const char *name;
    rlim_t n_files;
    unsigned workers, n_kept;
} rows[] = {
    { "those that were in use together stay", 1024, 1, N_CALLS },
    { "a quarter of the descriptors at most", 400, 1, 100 },
    { "for all workers together", 1024, 3, 85 },
    { "some are kept however few descriptors there are", 400, 8, 64 },
};

static void check_row(const struct row *row)
{
    struct rig *r = rig_new("", NULL);
    struct act acts[N_CALLS + 1] = { { 0 } };
    static struct call calls[N_CALLS];
    unsigned n_whole = 0;
    struct fault f = { 0 };
    for (unsigned i = 0; i < N_CALLS; i++)
        acts[i] = (struct act){ i, END, OK5, 0, STAY };
    upstream_free(r->up);
    r->conf->workers = row->workers;
    r->up = upstream_new(&r->loop, r->dns, r->client, r->conf, &f);
    serve(r, false, acts);
    for (unsigned i = 0; i < N_CALLS; i++) {
        calls[i] = (struct call){ .request = get(r) };
        call_start(r, &calls[i]);
    }
    for (unsigned i = 0; i < N_CALLS; i++) {
        TURN_UNTIL(r, is_settled(&calls[i]));
        n_whole += calls[i].is_whole;
    }
    for (unsigned i = 0; i < N_CALLS; i++)
        call_done(&calls[i]);
    size_t n_idle = upstream_count(r->up).n_idle;
    if (n_whole != N_CALLS || n_idle != row->n_kept)
        fail_msg("%s: %u whole, %zu idle", row->name, n_whole, n_idle);
    rig_free(r);
}

static void connections_kept(void **state)
{
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rlimit files = { rows[i].n_files, before.rlim_max };
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
        check_row(&rows[i]);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* A connection that nobody accepts: it is refused, when there is a descriptor to try it with. */
static enum fault_kind dial_without_descriptors(struct rig *r, const struct origin *nobody)
{
    int taken[256];
    unsigned n = 0;
    struct rlimit before, files;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    files = (struct rlimit){ sizeof taken / sizeof taken[0], before.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    while (n < sizeof taken / sizeof taken[0] && (taken[n] = dup(0)) >= 0)
        n++;
    struct call c = { .request = get_from(*nobody) };
    call_run(r, &c);
    buf_done(&c.body);
    while (n > 0)
        close(taken[--n]);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return c.x.fault.kind;
}

static void idle_ones_make_room(void **state)
{
    struct rig *r = rig_new("", NULL);
    const struct act acts[] = { { 0, END, OK5, 0, STAY }, { 0 } };
    serve(r, false, acts);
    struct origin nobody = origin_at("127.0.0.1", 1, false);
    struct call c = { .request = get(r) };
    call_run(r, &c);
    buf_done(&c.body);
    assert_int_equal(upstream_count(r->up).n_idle, 1);
    assert_int_equal(dial_without_descriptors(r, &nobody), FAULT_CONNECT_REFUSED);
    assert_int_equal(upstream_count(r->up).n_idle, 0);
    assert_int_equal(dial_without_descriptors(r, &nobody), FAULT_SYSTEM);
    rig_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(connections_kept),
                                        cmocka_unit_test(idle_ones_make_room) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
