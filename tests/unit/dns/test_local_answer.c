/* Questions that no server is asked: of any type and class. */
#include "script.h"

#define NOT "" /* a server is asked */

/* clang-format off */
static const struct {
    const char *name, *qname;
    uint16_t type;
    const char *want;
} rows[] = {
    { "a name of the file", "db.corp", DNS_A,
      "answered | db.corp 5 A 10.0.0.7, db.corp 5 A 10.0.0.8" },
    { "in any case, spelled as it was asked", "DB.Corp", DNS_A,
      "answered | DB.Corp 5 A 10.0.0.7, DB.Corp 5 A 10.0.0.8" },
    { "the other family of it does not exist", "db.corp", DNS_AAAA, "NODATA | " },
    { "IPv6", "six", DNS_AAAA, "answered | six 5 AAAA 2001:db8::7" },
    { "HTTPS would lead past the file", "db.corp", DNS_HTTPS, "NODATA | " },
    { "and so would SVCB", "db.corp", DNS_SVCB, "NODATA | " },
    { "another type of it is asked for", "db.corp", DNS_MX, NOT },
    { "a name below one of the file's is asked for", "x.db.corp", DNS_A, NOT },
    { "a line with a bad address is none", "bad", DNS_A, NOT },
    { "PTR of an address in the file: its first name", "7.0.0.10.in-addr.arpa", DNS_PTR,
      "answered | 7.0.0.10.in-addr.arpa 5 PTR db.corp" },
    { "PTR of an IPv6 address in the file",
      "7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR,
      "answered | 7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa 5 PTR "
      "six" },
    { "PTR of another address is asked for", "9.0.0.10.in-addr.arpa", DNS_PTR, NOT },
    { "TXT of a reverse name is asked for", "7.0.0.10.in-addr.arpa", DNS_TXT, NOT },
    { "a reverse name that is no whole address is asked for", "0.0.10.in-addr.arpa", DNS_PTR, NOT },
    { "PTR of loopback", "1.0.0.127.in-addr.arpa", DNS_PTR,
      "answered | 1.0.0.127.in-addr.arpa 5 PTR localhost" },
    { "localhost", "localhost", DNS_A, "answered | localhost 5 A 127.0.0.1" },
    { "below localhost", "a.b.localhost", DNS_AAAA, "answered | a.b.localhost 5 AAAA ::1" },
    { "localhost has nothing else", "localhost", DNS_MX, "NODATA | " },
    { "notlocalhost is a name like any", "notlocalhost", DNS_A, NOT },
    { ".invalid", "x.invalid", DNS_A, "NXDOMAIN | " },
    { ".invalid of any type", "x.invalid", DNS_TXT, "NXDOMAIN | " },
    { ".onion", "x.onion", DNS_AAAA, "NXDOMAIN | " },
    { "onion itself", "onion", DNS_SOA, "NXDOMAIN | " },
    { "resolver.arpa: nobody behind us is named as us", "_dns.resolver.arpa", DNS_SVCB,
      "NODATA | " },
    { "another name in arpa", "home.arpa", DNS_SOA, NOT },
};
/* clang-format on */

static struct dns_hosts *hosts_of_test(void)
{
    return dns_hosts_new(STR("10.0.0.7 db.corp alias\n"
                             "10.0.0.8\tdb.corp # and a comment\n"
                             "2001:db8::7 six\n"
                             "10.0.0.999 bad\n"));
}

/* As text; "" when a server is to be asked. */
static void local_text(const struct dns_hosts *h, const struct dns_ask *ask, char *text,
                       size_t text_bytes)
{
    struct dns_set *set = NULL;
    struct buf out;
    text[0] = '\0';
    if (!dns_local_answer(h, ask, &set))
        return;
    struct dns_part part = { set, 0 };
    assert_non_null(set);
    buf_init(&out, text_bytes - 1);
    text_parts(&out, set->outcome, &part, 1);
    memcpy(text, out.p, out.n);
    text[out.n] = '\0';
    buf_done(&out);
    dns_set_unref(set);
}

static void answers(void **state)
{
    struct dns_hosts *h = hosts_of_test();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_ask ask = ask_of(rows[i].qname, rows[i].type);
        char text[SCRIPT_TEXT_BYTES];
        local_text(h, &ask, text, sizeof text);
        if (strcmp(text, rows[i].want) != 0)
            fail_msg("%s: %s", rows[i].name, text);
        /* The quick look never says no to a yes. */
        if (text[0] != '\0' && !dns_local_may_be(h, &ask))
            fail_msg("%s: the quick look says no", rows[i].name);
        /* Another class is nobody's but a server's. */
        ask.question.class = DNS_CLASS_CH;
        local_text(h, &ask, text, sizeof text);
        assert_string_equal(text, NOT);
    }
    dns_hosts_unref(h);
}

static void without_a_file(void **state)
{
    struct dns_hosts *h = hosts_of_test();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct dns_ask ask = ask_of(rows[i].qname, rows[i].type);
        char text[SCRIPT_TEXT_BYTES];
        struct addr one;
        bool is_of_file = dns_hosts_find(h, &ask.question.name, &one, 1) > 0 ||
                          strncmp(rows[i].qname, "7.0.0.", 6) == 0;
        local_text(NULL, &ask, text, sizeof text);
        assert_string_equal(text, is_of_file ? NOT : rows[i].want);
        assert_true(text[0] == '\0' || dns_local_may_be(NULL, &ask));
    }
    dns_hosts_unref(h);
}

static void the_file_goes_before_every_server(void **state)
{
    struct rig g;
    struct asked a;
    rig_init(&g, 1, 1);
    rig_go(&g);
    dns_shared_set_hosts(g.shared, dns_hosts_new(STR("10.0.0.7 s3.eu-west-1.amazonaws.com\n")));
    assert_string_equal(ask_for(&a, &g, "s3.eu-west-1.amazonaws.com", DNS_A),
                        "answered | s3.eu-west-1.amazonaws.com 5 A 10.0.0.7");
    assert_int_equal(a.f.explain.source, DNS_FROM_HOSTS);
    struct dns_ask ask = ask_of("s3.eu-west-1.amazonaws.com", DNS_A);
    assert_string_equal(quick_for(&g, &ask, NULL), ""); /* a lookup, which finds the file */
    assert_int_equal(g.fakes[0].n_udp + g.fakes[1].n_udp, 0);
    /* An answer in the cache does not hide a name that came into the file since. */
    ask_for(&a, &g, "b.corp.example", DNS_A);
    dns_shared_set_hosts(g.shared, dns_hosts_new(STR("10.0.0.9 b.corp.example\n")));
    ask = ask_of("b.corp.example", DNS_A);
    assert_string_equal(quick_for(&g, &ask, NULL), "");
    assert_string_equal(ask_for(&a, &g, "b.corp.example", DNS_A),
                        "answered | b.corp.example 5 A 10.0.0.9");
    rig_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(without_a_file),
        cmocka_unit_test(the_file_goes_before_every_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
