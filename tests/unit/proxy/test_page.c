/* Pages of the admin port that a room above makes: at once, later, or never. */
#include "rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

struct maker {
    struct page_maker pages;
    struct page *later;
    unsigned n_started, n_cancelled;
    char query[64];
};

static bool has(void *arg, struct str path)
{
    return str_starts(path, STR("/page/"));
}

static bool start(void *arg, struct page *p, struct str path, struct str query)
{
    struct maker *m = arg;
    m->n_started++;
    snprintf(m->query, sizeof m->query, "%.*s", STR_ARG(query));
    p->type = STR("application/json");
    if (str_eq(path, STR("/page/later"))) {
        m->later = p;
        return false;
    }
    if (str_eq(path, STR("/page/huge")))
        for (unsigned i = 0; i < 5000; i++)
            buf_printf(&p->body, "%01000u", i);
    else if (str_eq(path, STR("/page/too-large")))
        buf_reserve(&p->body, PAGE_BYTES + 1);
    else if (str_eq(path, STR("/page/slow")))
        for (uint64_t until_us = io_now_us() + 1000; io_now_us() < until_us;)
            ;
    else if (str_eq(path, STR("/page/wrong")))
        p->status = 400;
    buf_append(&p->body, STR("the end"));
    return true;
}

static void cancel(void *arg, struct page *p)
{
    struct maker *m = arg;
    assert_ptr_equal(p, m->later);
    m->later = NULL;
    m->n_cancelled++;
}

static struct px *page_px_new(struct maker *m)
{
    struct px *p = px_new(4, 0);
    *m = (struct maker){ .pages = { m, has, start, cancel } };
    p->proxy.pages = &m->pages;
    return p;
}

/* And a client at its admin port. */
static struct px *admin_open(struct maker *m, struct side *s)
{
    struct px *p = page_px_new(m);
    side_open_from(p, s, "127.0.0.1", PROXY_PORT_ADMIN);
    return p;
}

static void finish(struct maker *m)
{
    struct page *p = m->later;
    m->later = NULL;
    buf_append(&p->body, STR("made later"));
    p->on_done(p);
}

static void pages_come_at_once_and_later_on_one_connection(void **state)
{
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    side_says(&s, GET("/page/now?a=b&c"));
    SIDE_AWAITS(&s, "the end");
    assert_string_equal(m.query, "a=b&c");
    assert_true(side_got(&s, "Cache-Control: no-store\r\n"));
    assert_true(side_got(&s, "Content-Type: application/json\r\n"));
    side_says(&s, GET("/page/later") GET("/page/wrong"));
    TURN_UNTIL(p->rig, m.later != NULL);
    assert_int_equal(m.n_started, 2);
    finish(&m);
    SIDE_AWAITS(&s, "made later");
    SIDE_AWAITS(&s, "HTTP/1.1 400 ");
    side_close(&s);
    px_free(p);
}

/* More than the transaction's usual room, to a client that reads slowly. */
static void a_large_page_arrives_whole(void **state)
{
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    side_says(&s, GET("/page/huge") GET("/page/now"));
    SIDE_AWAITS(&s, "Content-Length: 5000007\r\n");
    SIDE_AWAITS(&s, "Content-Length: 7\r\n");
    side_close(&s);
    px_free(p);
}

/* However many are asked for: what they cost is a small part of the time. */
static void pages_leave_time_to_others(void **state)
{
    enum { PAGES = 20, COST_US = 1000 };
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    for (int i = 0; i < PAGES; i++)
        side_says(&s, GET("/page/slow"));
    uint64_t began_us = io_now_us();
    TURN_UNTIL(p->rig, side_reads(&s) && side_count(&s, "the end") == PAGES);
    assert_true(io_now_us() - began_us > (PAGES - 1) * (COST_US + 8 * COST_US));
    side_close(&s);
    px_free(p);
}

static void one_that_waits_for_its_turn_may_leave(void **state)
{
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    p->proxy.pages_from_us = UINT64_MAX;
    side_says(&s, GET("/page/now"));
    TURN_UNTIL(p->rig, p->proxy.n_spare_tx == 0 && p->proxy.n_clients == 1);
    turn_ms(p->rig, 5);
    side_close(&s);
    TURN_UNTIL(p->rig, p->proxy.n_clients == 0);
    assert_int_equal(m.n_started, 0);
    px_free(p);
}

/* Who did nothing for longest makes room; who is being answered only where all are. */
static void a_full_admin_port_takes_the_next_one(void **state)
{
    struct maker m;
    static struct side sides[PROXY_ADMIN_CLIENTS], busy, next;
    struct px *p = admin_open(&m, &busy);
    side_says(&busy, GET("/page/later"));
    TURN_UNTIL(p->rig, m.later != NULL);
    for (int i = 1; i < PROXY_ADMIN_CLIENTS; i++) {
        side_open_from(p, &sides[i], "127.0.0.1", PROXY_PORT_ADMIN);
        turn_ms(p->rig, 1);
    }
    side_says(&sides[1], GET("/page/now"));
    SIDE_AWAITS(&sides[1], "the end");
    side_open_from(p, &next, "127.0.0.1", PROXY_PORT_ADMIN);
    assert_int_equal(p->proxy.n_admin_clients, PROXY_ADMIN_CLIENTS);
    side_says(&next, GET("/page/wrong"));
    SIDE_AWAITS(&next, "HTTP/1.1 400 ");
    TURN_UNTIL(p->rig, side_reads(&sides[2]) && sides[2].is_over);
    side_reads(&sides[1]);
    assert_false(sides[1].is_over);
    finish(&m);
    SIDE_AWAITS(&busy, "made later");
    for (int i = 1; i < PROXY_ADMIN_CLIENTS; i++)
        side_close(&sides[i]);
    side_close(&next);
    side_close(&busy);
    px_free(p);
}

static void when_all_are_busy_the_oldest_goes(void **state)
{
    enum { N = PROXY_ADMIN_CLIENTS };
    struct maker m;
    static struct side sides[N + 1];
    struct px *p = page_px_new(&m);
    p->proxy.pages_from_us = UINT64_MAX;
    for (int i = 0; i < N; i++) {
        side_open_from(p, &sides[i], "127.0.0.1", PROXY_PORT_ADMIN);
        side_says(&sides[i], GET("/page/now"));
        turn_ms(p->rig, 1);
    }
    side_open_from(p, &sides[N], "127.0.0.1", PROXY_PORT_ADMIN);
    SIDE_AWAITS(&sides[0], "HTTP/1.1 503 ");
    p->proxy.pages_from_us = 0;
    for (int i = 1; i < N; i++)
        SIDE_AWAITS(&sides[i], "the end");
    for (int i = 0; i <= N; i++)
        side_close(&sides[i]);
    px_free(p);
}

static const struct refused_row {
    const char *request, *says;
    unsigned n_started;
} refused_rows[] = {
    { "POST /page/now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 405 ", 0 },
    { "HEAD /page/now HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", 1 },
    { GET("/pages"), "HTTP/1.1 404 ", 0 },
    { GET("/page"), "HTTP/1.1 404 ", 0 },
    { GET("/page/too-large"), "HTTP/1.1 503 ", 1 },
};

static void what_is_no_page_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof refused_rows / sizeof *refused_rows; i++) {
        struct maker m;
        struct side s;
        struct px *p = admin_open(&m, &s);
        side_says(&s, refused_rows[i].request);
        SIDE_AWAITS(&s, refused_rows[i].says);
        assert_int_equal(m.n_started, refused_rows[i].n_started);
        side_close(&s);
        px_free(p);
    }
}

static void a_client_that_leaves_cancels_its_page(void **state)
{
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    side_says(&s, GET("/page/later"));
    TURN_UNTIL(p->rig, m.later != NULL);
    side_close(&s);
    TURN_UNTIL(p->rig, p->proxy.n_clients == 0);
    assert_int_equal(m.n_cancelled, 1);
    px_free(p);
}

static void the_end_of_the_proxy_cancels_pages(void **state)
{
    struct maker m;
    struct side s;
    struct px *p = admin_open(&m, &s);
    side_says(&s, GET("/page/later"));
    TURN_UNTIL(p->rig, m.later != NULL);
    px_free(p);
    assert_int_equal(m.n_cancelled, 1);
    side_close(&s);
}

static void the_public_port_has_no_pages(void **state)
{
    struct maker m;
    struct px *p = page_px_new(&m);
    struct side s;
    side_open(p, &s);
    side_says(&s, GET("/page/now"));
    SIDE_AWAITS(&s, "HTTP/1.1 400 ");
    assert_int_equal(m.n_started, 0);
    side_close(&s);
    px_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_come_at_once_and_later_on_one_connection),
        cmocka_unit_test(a_large_page_arrives_whole),
        cmocka_unit_test(pages_leave_time_to_others),
        cmocka_unit_test(one_that_waits_for_its_turn_may_leave),
        cmocka_unit_test(a_full_admin_port_takes_the_next_one),
        cmocka_unit_test(when_all_are_busy_the_oldest_goes),
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(a_client_that_leaves_cancels_its_page),
        cmocka_unit_test(the_end_of_the_proxy_cancels_pages),
        cmocka_unit_test(the_public_port_has_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
