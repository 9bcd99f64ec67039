/* Archives through a whole proxy: what is fetched ahead of its turn, and its budget. */
#include "download.h"

/* The later ones come first, and wait for their turn. */
static void the_order_is_that_of_the_list(void **state)
{
    static const struct say script[] = { { "/b/a", NULL, ALL, STAY, 3 },
                                         { "/b/b", NULL, ALL, STAY, 2 },
                                         { "/b/c", NULL, ALL, STAY, 1 },
                                         { 0 } };
    struct lab *l = *state;
    struct side s;
    lab_lists(l, some, script, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 4);
    for (unsigned gate = 1; gate <= 3; gate++) {
        turn_ms(l->px->rig, 10);
        assert_false(side_got(&s, "H"));
        assert_true(limits_held(l->px->limits, LIMITS_AHEAD) > 0);
        store_open(&l->store, gate);
    }
    check_archive(body_of(&s), some);
    side_close(&s);
}

/* More than are fetched at once. */
static void many_files(void **state)
{
    enum { N = 1000 };
    static struct object many[N + 1];
    static char keys[N][16];
    static const struct say script[] = { { "/b/0 ", NULL, ALL, STAY, 1 }, { 0 } };
    struct lab *l = *state;
    struct side s;
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof keys[i], "/b/%d", i);
        many[i] = (struct object){ keys[i], (size_t)i % 7 == 3 ? 0 : (size_t)i * 3, NULL };
    }
    many[0].n = 1;
    lab_lists(l, many, script, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 32);
    turn_ms(l->px->rig, 20);
    assert_int_equal(l->store.n_requests, 32);
    store_open(&l->store, 1);
    check_archive(body_of(&s), many);
    assert_true(l->store.o.n_peers <= ZIP_MAX_PARTS);
    assert_true(nothing_is_ahead(l));
    side_close(&s);
}

/* While S3 waits, two archives hold no more than both may, and no more than each may. */
static void check_budget(struct lab *l, uint64_t ahead, uint64_t total)
{
    struct conf *conf = l->px->rig->conf;
    struct side s[2];
    struct str body;
    size_t used;
    conf->archive_ahead = ahead;
    conf->archive_ahead_total = total;
    static const struct say script[] = { { "/b/a", NULL, ALL, STAY, 1 },
                                         { "/b/a", NULL, ALL, STAY, 1 },
                                         { 0 } };
    lab_lists(l, some, script, "");
    ask(l, &s[0], GET_ZIP "\r\n");
    ask(l, &s[1], GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, log_count(&l->store, "/b/a") == 2);
    turn_ms(l->px->rig, 20);
    assert_in_range(limits_held(l->px->limits, LIMITS_AHEAD), 1, 600 * KIB);
    store_open(&l->store, 1);
    for (int i = 0; i < 2; i++) {
        TURN_UNTIL(l->px->rig, is_whole(&s[i], &body, &used) &&
                                   limits_held(l->px->limits, LIMITS_AHEAD) <= 600 * KIB);
        check_archive(body, some);
    }
    assert_true(nothing_is_ahead(l));
    side_close(&s[0]);
    side_close(&s[1]);
}

static void two_share_the_budget(void **state)
{
    check_budget(*state, 16 << 20, 600 * KIB);
    check_budget(*state, 300 * KIB, 64 << 20);
}

static const struct object large_first[] = { { "/b/a", 1000 * KIB, NULL },
                                             { "/b/b", 1000, NULL },
                                             { 0 } };
static const struct object large_last[] = { { "/b/a", 1000, NULL },
                                            { "/b/b", 1000 * KIB, NULL },
                                            { 0 } };

/* What the leading one holds is not of the budget, so the next is fetched beside it. */
static void the_leading_part_needs_no_reserve(void **state)
{
    static const struct say gated[] = { { "/b/a", NULL, ALL, STAY, 1 }, { 0 } };
    static const struct say stalls[] = { { "/b/a", NULL, ALL, STAY, 1 },
                                         { "/b/b", NULL, 600 * KIB, STAY, 0 },
                                         { 0 } };
    struct lab *l = *state;
    struct side s;
    l->px->rig->conf->archive_ahead = 300 * KIB;
    lab_lists(l, large_first, gated, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 2);
    store_open(&l->store, 1);
    check_archive(body_of(&s), large_first);
    side_close(&s);

    /* And when its turn has come, and what was held is gone, it gives its reserve back. */
    lab_lists(l, large_last, stalls, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, limits_held(l->px->limits, LIMITS_AHEAD) > 0);
    store_open(&l->store, 1);
    TURN_UNTIL(l->px->rig, side_reads(&s) && s.in.n > 600 * KIB);
    TURN_UNTIL(l->px->rig, limits_held(l->px->limits, LIMITS_AHEAD) == 0);
    assert_int_equal(l->store.n_requests, 2);
    side_close(&s);
}

/* A client that takes its time is waited for, and S3 with it; one that takes nothing is cut. */
static void slow_clients(void **state)
{
    static const struct object large[] = { { "/b/a", 8000 * KIB, NULL },
                                           { "/b/b", 8000 * KIB, NULL },
                                           { 0 } };
    struct lab *l = *state;
    struct side s;
    l->px->rig->conf->archive_ahead = 300 * KIB;
    lab_lists(l, large, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, l->store.n_requests == 2);
    turn_ms(l->px->rig, 200);
    assert_true(l->store.o.peers[0].out.n > 1000 * KIB);
    assert_true(l->store.o.peers[1].out.n > 1000 * KIB);
    assert_true(limits_held(l->px->limits, LIMITS_AHEAD) <= 300 * KIB);
    check_archive(body_of(&s), large);
    side_close(&s);

    uint64_t ahead = METRIC_ARCHIVE_AHEAD;
    l->px->rig->conf->body_timeout_ms = 150;
    lab_lists(l, large, NULL, "");
    ask(l, &s, GET_ZIP "\r\n");
    TURN_UNTIL(l->px->rig, metric_read((unsigned)ahead) > 0);
    TURN_UNTIL(l->px->rig, l->px->proxy.n_clients == 0);
    assert_true(px_logged(l->px, "\"end\":\"client_stalled\""));
    assert_true(nothing_is_ahead(l));
    side_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_order_is_that_of_the_list),     TEST(many_files),   TEST(two_share_the_budget),
        TEST(the_leading_part_needs_no_reserve), TEST(slow_clients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
