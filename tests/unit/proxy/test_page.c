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

static const struct refused_row {
    const char *request, *says;
    unsigned n_started;
} refused_rows[] = {
    { "POST /page/now HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.1 405 ", 0 },
    { "HEAD /page/now HTTP/1.1\r\nHost: x\r\n\r\n", "Allow: GET\r\n", 0 },
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
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(a_client_that_leaves_cancels_its_page),
        cmocka_unit_test(the_end_of_the_proxy_cancels_pages),
        cmocka_unit_test(the_public_port_has_no_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
