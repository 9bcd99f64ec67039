#include "answer_rows.h"

/* What servers answer: PS1001-PS1005, PS1020. */

static void no_amazon(struct fact_book *b)
{
    b->facts.servers.n--;
    b->facts.surroundings.link_local_allowed = b->facts.surroundings.on_ecs = FACT_NO;
}

static void rotated(struct fact_book *b)
{
    b->facts.resolv_conf.rotate = FACT_YES;
}

static void in_hosts_file(struct fact_book *b)
{
    struct fact_host *h = MAKE(b, host, hosts);
    h->name = make_text(b, "Registry.STK");
    h->address = make_text(b, "10.0.1.99");
}

static void endpoint_name(struct fact_book *b)
{
    b->facts.names.v[0].name = make_text(b, "bucket.vpce-1.s3.eu-west-1.vpce.amazonaws.com");
    b->facts.questions.v[0].name = b->facts.names.v[0].name;
}

static void first_is_amazon(struct fact_book *b)
{
    b->facts.servers.v[0].is_amazon = FACT_YES;
}

static void three_tries(struct fact_book *b)
{
    lose(question(b, SERVER, REGISTRY), 2, 3);
}

static void one_try(struct fact_book *b)
{
    for (size_t i = 0; i < b->facts.questions.n; i++)
        lose(&b->facts.questions.v[i], b->facts.questions.v[i].replies, 1);
}

static void tcp_works(struct fact_book *b)
{
    ask(b, SERVER, S3, "answer", PUBLIC)->transport = make_text(b, "tcp");
}

static void truncated(struct fact_book *b)
{
    question(b, SERVER, S3)->truncated = FACT_YES;
    tcp_works(b);
}

static void cut(struct fact_book *b)
{
    question(b, SERVER, S3)->truncated = FACT_YES;
}

static void asked_twice(struct fact_book *b)
{
    lose(question(b, SERVER, REGISTRY), 0, 2);
}

static void ipv6_elsewhere(struct fact_book *b)
{
    ask6(b, SERVER, S3, "answer", "2a05:d07a::1");
}

static void ipv6_both(struct fact_book *b)
{
    b->facts.surroundings.has_ipv6 = FACT_YES;
    ask6(b, SERVER, S3, "answer", "2a05:d07a::1");
}

static void ipv6_alone(struct fact_book *b)
{
    b->facts.surroundings.has_ipv6 = FACT_YES;
    fact_add_text(b, &b->facts.surroundings.local_addresses, STR("2001:db8::7"));
}

static void ipv6_is_not_there(struct fact_book *b)
{
    no_amazon(b);
    ipv6_alone(b);
    ask6(b, SERVER, S3, "nodata", "");
}

static void ipv6_alone_dns64(struct fact_book *b)
{
    ipv6_alone(b);
    ask6(b, SERVER, S3, "nodata", "");
    ask6(b, AMAZON, S3, "answer", "64:ff9b::34da:101");
}

static void sinkhole6(struct fact_book *b)
{
    b->facts.surroundings.has_ipv6 = FACT_YES;
    ask6(b, SERVER, S3, "answer", "::");
}

static void works_on_loopback(struct fact_book *b)
{
    dial(b, S3, "s3", "127.0.0.1", SERVER, "ok");
}

static void icmp_once(struct fact_book *b)
{
    one_try(b);
    for (size_t i = 0; i < b->facts.questions.n; i++)
        if (str_eq(b->facts.questions.v[i].server, STR(SERVER)))
            b->facts.questions.v[i].outcome = make_text(b, "unreachable");
}

static const struct row rows[] = {
    /* PS1001 */
    { "NXDOMAIN where Amazon answers",
      SERVER,
      { "nxdomain", "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1001, E, SERVER ": NXDOMAIN in 3 ms for registry.stk; " AMAZON ": " REG " in 3 ms") },
    { "tries are told",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, REG },
      three_tries,
      FAILS(PS1001, E, "NXDOMAIN in 3 ms (2 of 3 tries) for registry.stk") },
    { "a registry that Amazon denies too is no DNS server's fault",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, "nxdomain" },
      NULL,
      IS(PS1001, CHECK_PASS) },
    { "AWS's public names exist, whether Amazon is asked or not",
      SERVER,
      { "nxdomain", NULL, 0, 0, 0, 0 },
      no_amazon,
      FAILS(PS1001, E, SERVER ": NXDOMAIN in 3 ms for " S3) },
    { "a registry that nobody knows is open",
      SERVER,
      { PUBLIC, "nxdomain", 0, 0, 0, 0 },
      no_amazon,
      IS(PS1001, CHECK_UNKNOWN) },
    { "a denied endpoint's own name is open",
      SERVER,
      { "nxdomain", NULL, 0, 0, 0, 0 },
      endpoint_name,
      IS(PS1001, CHECK_UNKNOWN) },
    { "another server of the list knows it",
      TWO,
      { PUBLIC, "nxdomain", PUBLIC, REG, 0, 0 },
      no_amazon,
      FAILS(PS1001, E, "; " SECOND ": " REG) },
    { "the second server's no hits few",
      TWO,
      { PRIVATE, REG, "nxdomain", "nxdomain", PRIVATE, REG },
      NULL,
      FAILS(PS1001, W, SECOND ": NXDOMAIN") },
    { "unless servers are used in turn",
      TWO,
      { PRIVATE, REG, "nxdomain", REG, PRIVATE, REG },
      rotated,
      FAILS(PS1001, E, SECOND ": NXDOMAIN") },
    { "or the first one is dead",
      TWO,
      { "timeout", "timeout", "nxdomain", REG, PRIVATE, REG },
      NULL,
      FAILS(PS1001, E, SECOND ": NXDOMAIN") },
    { "the hosts file knows it",
      SERVER,
      { PRIVATE, "nxdomain", 0, 0, PRIVATE, REG },
      in_hosts_file,
      IS(PS1001, CHECK_PASS) },
    { "not seen from outside",
      SERVER,
      { "nxdomain", "nxdomain", 0, 0, PRIVATE, REG },
      outside,
      IS(PS1001, CHECK_SKIPPED) },
    { "nothing was asked", SERVER, { 0, 0, 0, 0, PRIVATE, REG }, NULL, IS(PS1001, CHECK_SKIPPED) },
    { "not asked is no answer",
      SERVER,
      { "not_asked", "not_asked", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1001, CHECK_SKIPPED) },
    { "Amazon's own no to a public name",
      SERVER,
      { "nxdomain", REG, 0, 0, "nxdomain", REG },
      first_is_amazon,
      FAILS(PS1001, E, SERVER ": NXDOMAIN") },
    { "a healthy network",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1001, CHECK_PASS) },
    /* PS1002 */
    { "REFUSED where Amazon answers",
      SERVER,
      { "refused", REG, 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1002, E, SERVER ": REFUSED in 3 ms for " S3 "; " AMAZON ": " PRIVATE) },
    { "REFUSED for a registry that Amazon denies",
      SERVER,
      { PRIVATE, "refused", 0, 0, PRIVATE, "nxdomain" },
      NULL,
      IS(PS1002, CHECK_PASS) },
    { "REFUSED is right for nobody",
      SERVER,
      { PUBLIC, "refused", 0, 0, 0, 0 },
      no_amazon,
      FAILS(PS1002, E, SERVER ": REFUSED") },
    { "REFUSED, asked for nothing else",
      SERVER,
      { "nxdomain", "nxdomain", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1002, CHECK_PASS) },
    { "REFUSED, outside",
      SERVER,
      { "refused", 0, 0, 0, PRIVATE, REG },
      outside,
      IS(PS1002, CHECK_SKIPPED) },
    /* PS1003 */
    { "SERVFAIL where Amazon answers",
      SERVER,
      { "servfail", REG, 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1003, E, SERVER ": SERVFAIL in 3 ms for " S3 "; " AMAZON) },
    { "a damaged reply is a failure",
      SERVER,
      { "malformed", REG, 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1003, E, SERVER ": damaged reply") },
    { "FORMERR to EDNS alone is none",
      SERVER,
      { "formerr", "formerr", 0, 0, PUBLIC, REG },
      plain_works,
      IS(PS1003, CHECK_PASS) },
    { "FORMERR to all is one",
      SERVER,
      { "formerr", REG, 0, 0, PUBLIC, REG },
      NULL,
      FAILS(PS1003, E, "FORMERR") },
    { "SERVFAIL for a registry that Amazon denies",
      SERVER,
      { PRIVATE, "servfail", 0, 0, PRIVATE, "nodata" },
      NULL,
      IS(PS1003, CHECK_PASS) },
    { "SERVFAIL by the second",
      TWO,
      { PRIVATE, REG, "servfail", REG, PRIVATE, REG },
      NULL,
      FAILS(PS1003, W, SECOND ": SERVFAIL") },
    { "SERVFAIL, nothing asked", SERVER, { 0, 0, 0, 0, 0, 0 }, NULL, IS(PS1003, CHECK_SKIPPED) },
    /* PS1004 */
    { "silence",
      SERVER,
      { "timeout", "timeout", 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1004, E, SERVER ": no answer to 6 of 6 tries; " AMAZON ": " PRIVATE) },
    { "silence with nobody beside",
      SERVER,
      { "timeout", 0, 0, 0, 0, 0 },
      no_amazon,
      FAILS(PS1004, E, SERVER ": no answer to 3 of 3 tries") },
    { "the first is dead, the second is fine",
      TWO,
      { "timeout", "timeout", PRIVATE, REG, PRIVATE, REG },
      NULL,
      FAILS(PS1004, E, SERVER) },
    { "the second is dead",
      TWO,
      { PRIVATE, REG, "timeout", "timeout", PRIVATE, REG },
      NULL,
      FAILS(PS1004, W, SECOND ": no answer to 6 of 6 tries") },
    { "ICMP needs no second try",
      SERVER,
      { "timeout", 0, 0, 0, PRIVATE, REG },
      icmp_once,
      FAILS(PS1004, E, "ICMP") },
    { "one lost packet is not silence",
      SERVER,
      { "timeout", 0, 0, 0, PRIVATE, REG },
      one_try,
      IS(PS1004, CHECK_UNKNOWN) },
    { "this host could not send",
      SERVER,
      { "failed", "failed", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1001, CHECK_UNKNOWN) },
    { "silent on one name alone, always",
      SERVER,
      { "timeout", REG, 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1004, E, SERVER ": no answer (3 of 3 tries) for " S3) },
    { "silent on a name that Amazon denies",
      SERVER,
      { PRIVATE, "timeout", 0, 0, PRIVATE, "nxdomain" },
      NULL,
      IS(PS1004, CHECK_PASS) },
    { "silent on one name, asked twice",
      SERVER,
      { PRIVATE, "timeout", 0, 0, PRIVATE, REG },
      asked_twice,
      IS(PS1004, CHECK_PASS) },
    { "TCP is no cure for silence on a name",
      SERVER,
      { "timeout", REG, 0, 0, PRIVATE, REG },
      tcp_works,
      FAILS(PS1004, E, S3) },
    { "silent on EDNS alone",
      SERVER,
      { "timeout", "timeout", 0, 0, PUBLIC, REG },
      plain_works,
      IS(PS1004, CHECK_PASS) },
    { "no route is another matter",
      SERVER,
      { "no_route", "no_route", 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1004, CHECK_PASS) },
    { "silence, outside",
      SERVER,
      { "timeout", "timeout", 0, 0, PRIVATE, REG },
      outside,
      IS(PS1004, CHECK_SKIPPED) },
    { "TCP is no cure for silence",
      SERVER,
      { "timeout", "timeout", 0, 0, PRIVATE, REG },
      tcp_works,
      FAILS(PS1004, E, SERVER) },
    /* PS1005 */
    { "NODATA where Amazon has addresses",
      SERVER,
      { PRIVATE, "nodata", 0, 0, PRIVATE, REG },
      NULL,
      FAILS(PS1005, E, SERVER ": no address in 3 ms for registry.stk; " AMAZON ": " REG) },
    { "NODATA at both",
      SERVER,
      { PRIVATE, "nodata", 0, 0, PRIVATE, "nodata" },
      NULL,
      IS(PS1005, CHECK_PASS) },
    { "S3's public names have IPv4",
      SERVER,
      { "nodata", 0, 0, 0, 0, 0 },
      no_amazon,
      FAILS(PS1005, E, S3) },
    { "but need no IPv6", SERVER, { PUBLIC, 0, 0, 0, 0, 0 }, ipv6_alone, IS(PS1005, CHECK_PASS) },
    { "asked for nothing else than IPv6",
      SERVER,
      { NULL, 0, 0, 0, 0, 0 },
      ipv6_is_not_there,
      IS(PS1005, CHECK_PASS) },
    { "IPv6 alone is of no use without IPv6",
      SERVER,
      { "nodata", REG, 0, 0, PUBLIC, REG },
      ipv6_elsewhere,
      FAILS(PS1005, E, SERVER ": no address in 3 ms for " S3) },
    { "IPv6 is an address",
      SERVER,
      { "nodata", REG, 0, 0, PUBLIC, REG },
      ipv6_both,
      IS(PS1005, CHECK_PASS) },
    { "a host of IPv6 alone needs DNS64 like Amazon's",
      SERVER,
      { PUBLIC, REG, 0, 0, PUBLIC, REG },
      ipv6_alone_dns64,
      FAILS(PS1005, E, "(AAAA); " AMAZON ": 64:ff9b::34da:101") },
    { "a registry without address that nobody confirms",
      SERVER,
      { PUBLIC, "nodata", 0, 0, 0, 0 },
      no_amazon,
      IS(PS1005, CHECK_UNKNOWN) },
    { "cut over UDP, whole over TCP",
      SERVER,
      { "nodata", REG, 0, 0, PUBLIC, REG },
      truncated,
      IS(PS1005, CHECK_PASS) },
    { "cut over UDP, never asked over TCP",
      SERVER,
      { "nodata", REG, 0, 0, PUBLIC, REG },
      cut,
      IS(PS1005, CHECK_PASS) },
    /* PS1020 */
    { "0.0.0.0",
      SERVER,
      { "0.0.0.0", REG, 0, 0, PUBLIC, REG },
      NULL,
      FAILS(PS1020, E, SERVER ": 0.0.0.0 in 3 ms for " S3 "; " AMAZON ": 52.218.1.1, 52.218.1.2") },
    { "loopback",
      SERVER,
      { "127.0.0.1", REG, 0, 0, PUBLIC, REG },
      NULL,
      FAILS(PS1020, E, "127.0.0.1") },
    { "::", SERVER, { "nodata", REG, 0, 0, PUBLIC, REG }, sinkhole6, FAILS(PS1020, E, ":: in") },
    { "S3 really runs on this host",
      SERVER,
      { "127.0.0.1", REG, 0, 0, 0, 0 },
      works_on_loopback,
      IS(PS1020, CHECK_PASS) },
    { "a sinkhole beside a good address",
      SERVER,
      { "0.0.0.0 52.218.1.1", REG, 0, 0, PUBLIC, REG },
      NULL,
      IS(PS1020, CHECK_PASS) },
    { "VPC Lattice is link-local on purpose",
      SERVER,
      { PUBLIC, "169.254.171.32", 0, 0, 0, 0 },
      no_amazon,
      IS(PS1020, CHECK_PASS) },
    { "another link-local address is not",
      SERVER,
      { PUBLIC, "169.254.172.32", 0, 0, 0, 0 },
      no_amazon,
      FAILS(PS1020, E, "169.254.172.32") },
    { "a registry registered as loopback",
      SERVER,
      { PUBLIC, "127.0.0.1", 0, 0, PUBLIC, "127.0.0.1" },
      NULL,
      IS(PS1020, CHECK_PASS) },
    { "a registry blocked by the first server",
      SERVER,
      { PUBLIC, "0.0.0.0", 0, 0, PUBLIC, REG },
      NULL,
      FAILS(PS1020, E, "registry.stk") },
    { "a private address is none",
      SERVER,
      { PRIVATE, REG, 0, 0, PRIVATE, REG },
      NULL,
      IS(PS1020, CHECK_PASS) },
    { "a sinkhole, outside",
      SERVER,
      { "0.0.0.0", REG, 0, 0, PUBLIC, REG },
      outside,
      IS(PS1020, CHECK_SKIPPED) },
};

static void test_rows(void **state)
{
    (void)state;
    expect_rows(rows, sizeof rows / sizeof *rows);
}

/* The article's own case, word for word. */
static void test_flagship(void **state)
{
    (void)state;
    struct fact_book b;
    struct diagnosis d;
    fact_book_init(&b);
    build_network(&b, "192.168.1.53");
    says(&b, "192.168.1.53", PUBLIC, "nxdomain");
    says(&b, AMAZON, PUBLIC, REG);
    b.facts.vpc.id = make_text(&b, "vpc-0a1b");
    b.facts.surroundings.cluster = make_text(&b, "prod");
    b.facts.task.service = make_text(&b, "s3-proxy");
    struct fact_proxy *p = &b.facts.proxy;
    p->running = p->resolves = FACT_YES;
    p->used = make_text(&b, AMAZON);
    p->since_s = 1700000000 / 86400 * 86400 + 12 * 3600 + 3 * 60 + 11;
    diagnose(&b.facts, &d);
    const struct finding *f = d.results[PS1001].finding;
    assert_non_null(f);
    assert_true(view_is(f->title, "your first DNS server cannot resolve AWS names"));
    assert_true(view_is(f->subject, "192.168.1.53"));
    assert_int_equal(f->cause, '1');
    assert_true(lines_have(&f->fix, "penstock fix dhcp --vpc vpc-0a1b"));
    assert_true(lines_have(&f->fix, "--cluster prod --service s3-proxy --force-new-deployment"));
    assert_true(str_starts(f->fix.v[0], STR("Use AmazonProvidedDNS alone")));
    assert_true(lines_have(&f->notes, "this proxy is not affected: it asks 169.254.169.253 for "
                                      "these names by itself (since 12:03:11)"));
    assert_int_equal(d.n_roots, 1);
    diagnosis_done(&d);
    p->used = make_text(&b, "192.168.1.53");
    diagnose(&b.facts, &d);
    assert_int_equal(d.results[PS1001].finding->notes.n, 0);
    diagnosis_done(&d);
    p->resolves = FACT_NO;
    diagnose(&b.facts, &d);
    assert_true(lines_have(&d.results[PS1001].finding->notes, "this proxy is affected"));
    diagnosis_done(&d);
    fact_book_done(&b);
}

/* Whose server it is decides the title and the fix. */
static void test_titles(void **state)
{
    static const struct {
        const char *servers, *said[6];
        void (*also)(struct fact_book *b);
        enum finding_code code;
        const char *title, *fix;
    } cases[] = {
        { TWO,
          { PRIVATE, REG, "nxdomain", REG, PRIVATE, REG },
          NULL,
          PS1001,
          "DNS server 2 of resolv.conf cannot resolve AWS names",
          "penstock fix dhcp --vpc VPC" },
        { SERVER,
          { "nxdomain", REG, 0, 0, "nxdomain", REG },
          first_is_amazon,
          PS1001,
          "Amazon's DNS server, your first, cannot resolve AWS names",
          "list-firewall-rule-group-associations --region eu-west-1 --vpc-id VPC" },
        { SERVER,
          { "timeout", "timeout", 0, 0, PRIVATE, REG },
          NULL,
          PS1004,
          "your first DNS server does not answer",
          "UDP and TCP port 53" },
        { SERVER,
          { "refused", REG, 0, 0, PRIVATE, REG },
          NULL,
          PS1002,
          "your first DNS server refuses to answer for AWS names",
          "allow-query" },
        { SERVER,
          { "nxdomain", 0, 0, 0, 0, 0 },
          no_amazon,
          PS1001,
          "your first DNS server cannot resolve AWS names",
          "pass AWS's public names on" },
        { SERVER,
          { "0.0.0.0", REG, 0, 0, PUBLIC, REG },
          NULL,
          PS1020,
          "your first DNS server leads AWS names to a blocked or local address",
          "block list" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct row row = { .servers = cases[i].servers, .also = cases[i].also };
        struct fact_book b;
        struct diagnosis d;
        memcpy(row.said, cases[i].said, sizeof row.said);
        build_row(&b, &row);
        diagnose(&b.facts, &d);
        expect_state(&d, cases[i].code, CHECK_FAIL, cases[i].title);
        const struct finding *f = d.results[cases[i].code].finding;
        assert_string_equal(f->title.p, cases[i].title);
        assert_true(lines_have(&f->fix, cases[i].fix));
        diagnosis_done(&d);
        fact_book_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_flagship),
        cmocka_unit_test(test_titles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
