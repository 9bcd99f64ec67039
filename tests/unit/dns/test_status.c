/* What is counted of each server and route, as /metrics and /dns/routes show it. */
#include "rig.h"
#include "../obs/exposition.h"
#include "dns/counts.h"
#include "dns/routes_json.h"

#include <jansson.h>

#define S3 "bucket.s3.eu-west-1.amazonaws.com"

static struct exposition shown;
static struct buf text;

static void show(struct rig *g)
{
    buf_done(&text);
    buf_init(&text, 1 << 22);
    dns_counts_write(g->shared, io_now_ms(&g->loop), &text);
    assert_false(text.failed);
    exposition_parse(&shown, buf_str(&text));
}

/* family: "answers_total", labels: those behind the server's. */
static double of_server(const struct rig *g, unsigned fake, const char *family, const char *labels)
{
    char key[256], at[ADDR_TEXT_BYTES];
    snprintf(key, sizeof key, "penstock_dns_server_%s{server=\"%s\"%s%s}", family,
             addr_text(&g->fakes[fake].addr, at), labels[0] ? "," : "", labels);
    return exposition_value(&shown, key);
}

static double of_zone(const char *zone, const char *family, const char *labels)
{
    char key[256];
    snprintf(key, sizeof key, "penstock_dns_route_%s{zone=\"%s\"%s%s}", family, zone,
             labels[0] ? "," : "", labels);
    return exposition_value(&shown, key);
}

static const struct server_row {
    const char *name;
    enum mode mode;
    const char *family, *labels;
    double count;
} server_rows[] = {
    { "an answer", FAKE_OK, "answers_total", "rcode=\"NOERROR\"", 1 },
    { "NODATA", FAKE_NODATA, "answers_total", "rcode=\"NOERROR\"", 1 },
    { "NXDOMAIN", FAKE_NXDOMAIN, "answers_total", "rcode=\"NXDOMAIN\"", 1 },
    { "SERVFAIL", FAKE_SERVFAIL, "answers_total", "rcode=\"SERVFAIL\"", 1 },
    { "REFUSED", FAKE_REFUSED, "answers_total", "rcode=\"REFUSED\"", 1 },
    { "REFUSED, a header alone", FAKE_REFUSED_HEADER, "answers_total", "rcode=\"REFUSED\"", 1 },
    { "no EDNS", FAKE_NO_EDNS, "answers_total", "rcode=\"FORMERR\"", 1 },
    { "no EDNS, asked again", FAKE_NO_EDNS, "queries_total", "transport=\"udp\"", 2 },
    { "truncated", FAKE_TRUNCATED, "queries_total", "transport=\"tcp\"", 1 },
    { "not ours", FAKE_WRONG_FIRST, "ignored_total", "", 4 },
    { "one query", FAKE_OK, "queries_total", "transport=\"udp\"", 1 },
    { "no retry", FAKE_OK, "retries_total", "", 0 },
    { "well", FAKE_OK, "suspect", "", 0 },
};

static void servers_count_what_they_said(void **state)
{
    for (size_t i = 0; i < sizeof server_rows / sizeof *server_rows; i++) {
        const struct server_row *row = &server_rows[i];
        struct rig g;
        struct want w;
        rig_init(&g, 1, 0);
        rig_go(&g);
        g.fakes[0].mode = row->mode;
        want(&w, &g, "www.example");
        dns_resolve_cancel(&w.r);
        show(&g);
        double count = of_server(&g, 0, row->family, row->labels);
        if (count < row->count || count > row->count)
            fail_msg("%s: %f", row->name, count);
        rig_done(&g);
    }
}

static void silence_is_timeouts_retries_and_hedges(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 2, 0);
    rig_go(&g);
    g.fakes[0].mode = g.fakes[1].mode = FAKE_SILENT;
    want(&w, &g, "www.example");
    dns_resolve_cancel(&w.r);
    show(&g);
    assert_true(of_server(&g, 0, "timeouts_total", "") >= 1);
    assert_true(of_server(&g, 0, "retries_total", "") >= 1);
    assert_true(of_server(&g, 0, "hedges_total", "") == 0);
    assert_true(of_server(&g, 1, "hedges_total", "") == 1);
    assert_true(of_zone(".", "results_total", "result=\"failed\"") == 1);
    rig_done(&g);
}

static void nobody_there_is_unreachable(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    fake_close(&g.fakes[0]);
    want(&w, &g, "www.example");
    dns_resolve_cancel(&w.r);
    show(&g);
    assert_true(of_server(&g, 0, "unreachable_total", "") >= 1);
    rig_done(&g);
}

static void zones_count_lookups_by_result(void **state)
{
    struct rig g;
    struct want w[3];
    rig_init(&g, 1, 0);
    rig_go(&g);
    for (unsigned i = 0; i < 3; i++)
        want_start(&w[i], &g, S3, 443, DNS_POLICY_S3);
    for (unsigned i = 0; i < 3; i++) {
        want_wait(&w[i]);
        dns_resolve_succeeded(&w[i].r);
    }
    want(&w[0], &g, S3);
    dns_resolve_succeeded(&w[0].r);
    g.fakes[0].mode = FAKE_NXDOMAIN;
    want(&w[0], &g, "no.amazonaws.com");
    dns_resolve_cancel(&w[0].r);
    g.fakes[0].mode = FAKE_SERVFAIL;
    want(&w[0], &g, "broken.amazonaws.com");
    dns_resolve_cancel(&w[0].r);
    show(&g);
    static const char zone[] = "amazonaws.com";
    assert_true(of_zone(zone, "lookups_total", "") == 6);
    assert_true(of_zone(zone, "results_total", "result=\"answered\"") == 4);
    assert_true(of_zone(zone, "results_total", "result=\"negative\"") == 1);
    assert_true(of_zone(zone, "results_total", "result=\"failed\"") == 1);
    assert_true(of_zone(zone, "cache_hits_total", "") == 1);
    assert_true(of_zone(zone, "coalesced_total", "") == 2);
    assert_true(of_zone(".", "lookups_total", "") == 0);
    rig_done(&g);
}

static void counts_outlive_a_new_table(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 1, 0);
    rig_go(&g);
    want(&w, &g, S3);
    dns_resolve_succeeded(&w.r);
    struct dns_routes *r = dns_routes_new(g.shared, &g.conf, &g.shared->own, g.servers, 1);
    assert_non_null(r);
    dns_shared_set_routes(g.shared, r);
    show(&g);
    assert_true(of_zone("amazonaws.com", "lookups_total", "") == 1);
    assert_true(of_server(&g, 0, "queries_total", "transport=\"udp\"") == 1);
    rig_done(&g);
}

static json_t *table_of(struct rig *g)
{
    json_error_t e;
    buf_done(&text);
    buf_init(&text, 1 << 22);
    dns_routes_json(g->shared, io_now_ms(&g->loop), "process", &text);
    assert_false(text.failed);
    json_t *t = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &e);
    if (t == NULL)
        fail_msg("%s at %d: %.*s", e.text, e.position, STR_ARG(buf_str(&text)));
    return t;
}

static const json_t *row_of(const json_t *list, const char *key, const char *value)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *row = json_array_get(list, i);
        if (strcmp(json_string_value(json_object_get(row, key)), value) == 0)
            return row;
    }
    fail_msg("no row with %s %s", key, value);
    return NULL;
}

static void the_table_tells_where_rows_come_from(void **state)
{
    struct rig g;
    struct want w;
    char at[ADDR_TEXT_BYTES];
    rig_init(&g, 1, 1);
    g.groups[0] = (struct conf_addrs){ g.servers, 1 };
    /* A name that wants to leave its string. */
    g.routes[0] = (struct conf_dns_route){ STR("a\\\"b.corp"), 1, &g.groups[0] };
    g.conf.dns_routes.v = g.routes;
    g.conf.dns_routes.n = 1;
    rig_go(&g);
    g.fakes[0].mode = FAKE_SERVFAIL;
    want(&w, &g, S3);
    dns_resolve_succeeded(&w.r);
    json_t *t = table_of(&g);
    const json_t *routes = json_object_get(t, "routes"), *servers = json_object_get(t, "servers");
    const json_t *own = row_of(routes, "zone", "a\\\"b.corp");
    assert_string_equal(json_string_value(json_object_get(own, "from")), "setting");
    const json_t *groups = json_object_get(row_of(routes, "zone", "amazonaws.com"), "groups");
    assert_int_equal(json_array_size(groups), 2);
    row_of(groups, "from", "PENSTOCK_DNS_SERVERS");
    row_of(groups, "from", "PENSTOCK_DNS_AWS_SERVERS");
    const json_t *first = row_of(servers, "address", addr_text(&g.fakes[0].addr, at));
    assert_string_equal(json_string_value(json_object_get(first, "health")), "well");
    row_of(json_object_get(first, "avoided"), "zone", "amazonaws.com");
    const json_t *kept = row_of(json_object_get(t, "endpoints"), "asked_first", "vpc");
    assert_string_equal(json_string_value(json_object_get(kept, "name")),
                        "s3.eu-west-1.amazonaws.com");
    const json_t *for_ms = json_object_get(kept, "asked_first_for_ms");
    assert_true(json_is_integer(for_ms) && json_integer_value(for_ms) < 10000);
    json_decref(t);
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(servers_count_what_they_said),
        cmocka_unit_test(silence_is_timeouts_retries_and_hedges),
        cmocka_unit_test(nobody_there_is_unreachable),
        cmocka_unit_test(zones_count_lookups_by_result),
        cmocka_unit_test(counts_outlive_a_new_table),
        cmocka_unit_test(the_table_tells_where_rows_come_from),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&text);
    return failed;
}
