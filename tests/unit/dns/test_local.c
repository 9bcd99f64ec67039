#include "rig.h"

#include "dns/dial.h"
#include "dns/watch.h"

#include <fcntl.h>
#include <sys/stat.h>

static void put_file(const char *path, const char *text)
{
    char next[256];
    snprintf(next, sizeof next, "%s.next", path);
    FILE *f = fopen(next, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(next, path), 0);
}

static void hosts_and_special_names(void **state)
{
    static const struct {
        const char *name;
        enum dns_local local;
        unsigned n;
        const char *ip;
    } rows[] = {
        { "db.corp", DNS_LOCAL_ADDRS, 2, "10.0.0.7" },
        { "DB.corp", DNS_LOCAL_ADDRS, 2, "10.0.0.7" },
        { "alias", DNS_LOCAL_ADDRS, 1, "10.0.0.7" },
        { "six", DNS_LOCAL_ADDRS, 1, "2001:db8::7" },
        { "localhost", DNS_LOCAL_ADDRS, 1, "127.0.0.9" }, /* the file goes first */
        { "x.localhost", DNS_LOCAL_ADDRS, 2, "127.0.0.1" },
        { "x.invalid", DNS_LOCAL_DENIED, 0, NULL },
        { "onion", DNS_LOCAL_DENIED, 0, NULL },
        { "corp", DNS_LOCAL_NOT, 0, NULL },
        { "notlocalhost", DNS_LOCAL_NOT, 0, NULL },
        { "bad", DNS_LOCAL_NOT, 0, NULL },
    };
    struct dns_hosts *h = dns_hosts_new(STR("10.0.0.7 db.corp alias # comment\n"
                                            "10.0.0.8\tdb.corp\n"
                                            "2001:db8::7 six\n"
                                            "10.0.0.999 bad\n"
                                            "127.0.0.9 localhost\n"));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_name n;
        struct addr v[8];
        unsigned n_v;
        char text[ADDR_TEXT_BYTES];
        assert_true(dns_name_parse(str_from_c(rows[i].name), &n));
        assert_int_equal(dns_local_find(h, &n, v, 8, &n_v), rows[i].local);
        assert_int_equal(n_v, rows[i].n);
        if (n_v > 0)
            assert_string_equal(addr_ip_text(&v[0], text), rows[i].ip);
    }
    dns_hosts_unref(h);
}

static void order_interleaves_and_rotates(void **state)
{
    static const char *const in[] = { "127.0.0.1", "127.0.0.2", "2001:db8::1", "127.0.0.3" };
    static const struct {
        unsigned turn;
        const char *v4[3];
    } rows[] = { { 0, { "127.0.0.1", "127.0.0.2", "127.0.0.3" } },
                 { 1, { "127.0.0.2", "127.0.0.3", "127.0.0.1" } } };
    for (unsigned r = 0; r < 2; r++) {
        struct addr v[4];
        char text[ADDR_TEXT_BYTES];
        unsigned n_v4 = 0, v6_at = 9;
        for (unsigned i = 0; i < 4; i++)
            assert_true(addr_parse_ip(str_from_c(in[i]), &v[i]));
        dns_dial_order(v, 4, rows[r].turn);
        for (unsigned i = 0; i < 4; i++)
            if (addr_family(&v[i]) == AF_INET6)
                v6_at = i;
            else
                assert_string_equal(addr_ip_text(&v[i], text), rows[r].v4[n_v4++]);
        assert_in_range(v6_at, 0, 1);
    }
}

/* resolv.conf and hosts change under a running engine; a broken one keeps the last good. */
static void files_are_followed(void **state)
{
    struct rig g;
    struct want w;
    char dir[] = "dns-watch-XXXXXX", resolv[64], hosts[64], text[128];
    assert_non_null(mkdtemp(dir));
    snprintf(resolv, sizeof resolv, "%s/resolv.conf", dir);
    snprintf(hosts, sizeof hosts, "%s/hosts", dir);
    rig_init(&g, 2, 0);
    g.conf.dns_servers.n = 0;
    g.conf.resolv_conf = str_from_c(resolv);
    g.conf.hosts_file = str_from_c(hosts);
    g.fakes[1].ip = "127.0.0.20";
    put_file(hosts, "127.0.0.30 in.hosts\n");
    snprintf(text, sizeof text, "nameserver 127.0.0.1:%u\n", addr_port(&g.fakes[0].addr));
    put_file(resolv, text);
    rig_go(&g);
    want(&w, &g, "a.example");
    assert_string_equal(want_ip(&w), "127.0.0.10");
    assert_string_equal(w.r.explain.group_name, "system");
    dns_resolve_cancel(&w.r);
    want(&w, &g, "in.hosts");
    assert_string_equal(want_ip(&w), "127.0.0.30");
    assert_int_equal(w.r.explain.source, DNS_FROM_HOSTS);
    dns_resolve_cancel(&w.r);

    snprintf(text, sizeof text, "nameserver 127.0.0.1:%u\n", addr_port(&g.fakes[1].addr));
    put_file(resolv, text);
    put_file(hosts, "127.0.0.31 in.hosts\n");
    rig_run_for(&g, 200);
    assert_int_equal(rig_events(&g, DNS_EVENT_RESOLV_CONF), 1);
    assert_int_equal(rig_events(&g, DNS_EVENT_HOSTS), 1);
    want(&w, &g, "a.example"); /* what the old servers said is not asked for */
    assert_string_equal(want_ip(&w), "127.0.0.20");
    dns_resolve_cancel(&w.r);
    want(&w, &g, "in.hosts");
    assert_string_equal(want_ip(&w), "127.0.0.31");
    dns_resolve_cancel(&w.r);

    put_file(resolv, "# nothing\n");
    unlink(hosts);
    rig_run_for(&g, 200);
    assert_int_equal(rig_events(&g, DNS_EVENT_RESOLV_CONF_KEPT), 1);
    assert_int_equal(rig_events(&g, DNS_EVENT_HOSTS_KEPT), 1);
    want(&w, &g, "b.example");
    assert_string_equal(want_ip(&w), "127.0.0.20");
    dns_resolve_cancel(&w.r);
    want(&w, &g, "in.hosts");
    assert_string_equal(want_ip(&w), "127.0.0.31");
    dns_resolve_cancel(&w.r);
    rig_done(&g);
    unlink(resolv);
    rmdir(dir);
}

struct busy {
    struct io_timer timer;
    struct rig *rig;
    const char *path;
};

static void on_busy(struct io_timer *t)
{
    struct busy *b = LIST_ENTRY(t, struct busy, timer);
    put_file(b->path, "x");
    io_timer_arm(&b->rig->loop, t, 5);
}

/* Events of other files come faster than a look waits for its writer. */
static void a_busy_directory_does_not_put_the_look_off(void **state)
{
    struct rig g;
    char dir[] = "dns-watch-XXXXXX", hosts[64], other[64];
    assert_non_null(mkdtemp(dir));
    snprintf(hosts, sizeof hosts, "%s/hosts", dir);
    snprintf(other, sizeof other, "%s/other", dir);
    rig_init(&g, 1, 0);
    g.conf.hosts_file = str_from_c(hosts);
    put_file(hosts, "127.0.0.30 in.hosts\n");
    rig_go(&g);
    struct busy b = { .timer.on_fire = on_busy, .rig = &g, .path = other };
    io_timer_arm(&g.loop, &b.timer, 1);
    rig_run_for(&g, 50);
    put_file(hosts, "127.0.0.31 in.hosts\n127.0.0.32 too.hosts\n");
    rig_run_for(&g, 300);
    assert_int_equal(rig_events(&g, DNS_EVENT_HOSTS), 1);
    io_timer_disarm(&g.loop, &b.timer);
    rig_done(&g);
    unlink(hosts);
    unlink(other);
    rmdir(dir);
}

/* A file that changes without a word of its directory, as a bind mount does, is looked at. */
static void what_the_watch_does_not_see_is_looked_at(void **state)
{
    struct rig g;
    char dir[] = "dns-watch-XXXXXX", far[] = "dns-far-XXXXXX", hosts[64], target[64], link_to[80];
    assert_non_null(mkdtemp(dir));
    assert_non_null(mkdtemp(far));
    snprintf(hosts, sizeof hosts, "%s/hosts", dir);
    snprintf(target, sizeof target, "%s/hosts", far);
    snprintf(link_to, sizeof link_to, "../%s", target);
    put_file(target, "127.0.0.30 in.hosts\n");
    assert_int_equal(symlink(link_to, hosts), 0);
    rig_init(&g, 1, 0);
    g.conf.hosts_file = str_from_c(hosts);
    rig_go(&g);
    rig_run_for(&g, 50);
    put_file(target, "127.0.0.31 in.hosts\n127.0.0.32 too.hosts\n");
    rig_run_for(&g, 300);
    assert_int_equal(rig_events(&g, DNS_EVENT_HOSTS), 0);
    rig_run_for(&g, 5200);
    assert_int_equal(rig_events(&g, DNS_EVENT_HOSTS), 1);
    rig_done(&g);
    unlink(hosts);
    unlink(target);
    rmdir(dir);
    rmdir(far);
}

static void no_server_at_all(void **state)
{
    struct rig g;
    struct want w;
    rig_init(&g, 0, 0);
    g.conf.resolv_conf = STR("no/such/file");
    rig_go(&g);
    want(&w, &g, "a.example");
    assert_int_equal(w.r.fault.kind, FAULT_DNS_NO_SERVER);
    dns_resolve_cancel(&w.r);
    rig_done(&g);
}

static void explanations_read_well(void **state)
{
    struct dns_explain x = { 0 };
    char text[FAULT_DETAIL_BYTES], small[40];
    static const struct {
        const char *server;
        enum dns_outcome outcome;
        uint16_t type;
        uint32_t took_us;
        bool from_cache;
    } tries[] = {
        { "192.168.1.53:53", DNS_NXDOMAIN_OUTCOME, DNS_A, 3100, false },
        { "192.168.1.53:53", DNS_NXDOMAIN_OUTCOME, DNS_AAAA, 3200, false },
        { "10.0.0.2:5353", DNS_TIMED_OUT, DNS_A, 400000, false },
        { "10.0.0.2:5353", DNS_TIMED_OUT, DNS_A, 1200000, false },
        { "10.0.0.3:53", DNS_SERVFAIL_OUTCOME, DNS_A, 0, true },
        { "10.0.0.4:53", DNS_SINKHOLE, DNS_A, 0, false },
    };
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct dns_try t = { .outcome = (uint8_t)tries[i].outcome,
                             .type = tries[i].type,
                             .took_us = tries[i].took_us,
                             .from_cache = tries[i].from_cache };
        assert_true(addr_parse(str_from_c(tries[i].server), 53, &t.server));
        x.tries[x.n_tries++] = t;
    }
    dns_explain_text(&x, text, sizeof text);
    assert_string_equal(text, "192.168.1.53 NXDOMAIN in 3.2 ms; 10.0.0.2:5353 no reply for "
                              "1.2 s; 10.0.0.3 SERVFAIL a moment ago; "
                              "10.0.0.4 gave only addresses that are never dialled");
    dns_explain_text(&x, small, sizeof small);
    assert_string_equal(small, "192.168.1.53 NXDOMAIN in 3.2 ms");
    dns_explain_text(&x, small, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_and_special_names),
        cmocka_unit_test(order_interleaves_and_rotates),
        cmocka_unit_test(files_are_followed),
        cmocka_unit_test(a_busy_directory_does_not_put_the_look_off),
        cmocka_unit_test(what_the_watch_does_not_see_is_looked_at),
        cmocka_unit_test(no_server_at_all),
        cmocka_unit_test(explanations_read_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
